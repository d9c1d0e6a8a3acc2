//! Times `trainer predict` and the page on the same synthetic smears: `bench FOLDER_OF_THE_PAGE`. Here and not in
//! the tests, which must not depend on a clock.

use anyhow::{Context, Result};
use rbc_tests::page::{Backend, Page};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::{synth, trainer};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

const SIDES: [u32; 4] = [128, 512, 1024, 2048];
/// Segmentations of one image, of which the median counts.
const ROUNDS: usize = 3;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("which folder has the page?")?);
    let scratch = Scratch::new("bench")?;
    let smear = synth(&scratch.path().join("synth"), 1, 31)?.pop().context("synth wrote no image")?;
    let smear = image::open(&smear)?.into_rgb8();
    println!(
        "WebGPU is computed by the CPU where the browser finds no GPU; compare it within one machine only."
    );
    println!("{:<16} {:>6} {:>10} {:>10} {:>8}", "", "side", "first s", "then s", "MP/s");
    for (name, backend) in
        [("trainer, CPU", None), ("page, CPU", Some(Backend::Cpu)), ("page, WebGPU", Some(Backend::WebGpu))]
    {
        for side in SIDES {
            let image = scratch.path().join(format!("{side}.png"));
            // One smear beside and below itself: as many cells on every square, whatever the size.
            let (width, height) = smear.dimensions();
            image::RgbImage::from_fn(side, side, |x, y| *smear.get_pixel(x % width, y % height))
                .save(&image)?;
            let seconds = match backend {
                Some(backend) => in_page(&folder, backend, &image)?,
                None => native(&image, &scratch.path().join("out"))?,
            };
            let [first, rest @ ..] = seconds.as_slice() else { continue };
            let steady = median(rest);
            let speed = f64::from(side * side) / 1e6 / steady;
            println!("{name:<16} {side:>6} {first:>10.2} {steady:>10.2} {speed:>8.2}");
        }
    }
    Ok(())
}

/// Seconds of each run of the program, start and files included: what a user waits.
fn native(image: &Path, out: &Path) -> Result<Vec<f64>> {
    let run = |_| {
        let start = Instant::now();
        let words = ["predict", "--device", "cpu", "--out"].map(OsStr::new);
        trainer(words.into_iter().chain([out.as_os_str(), image.as_os_str()]))?.succeeded()?;
        Ok(start.elapsed().as_secs_f64())
    };
    (0..=ROUNDS).map(run).collect()
}

/// Seconds of each segmentation as the page states them, in a browser window of their own.
fn in_page(folder: &Path, backend: Backend, image: &Path) -> Result<Vec<f64>> {
    let page = Page::start(folder, true, &format!("?backend={}", backend.name()))?;
    page.wait_until_ready()?;
    let run = |round| {
        // The page would take the same name for the same image.
        let copy = image.with_file_name(format!("{round}-{}.png", backend.name()));
        std::fs::copy(image, &copy)?;
        page.segment(&[copy])?;
        let timing = page.text("timing")?;
        let seconds = timing.split_whitespace().next().and_then(|word| word.parse().ok());
        seconds.with_context(|| format!("the page states no time: {timing}"))
    };
    (0..=ROUNDS).map(run).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
