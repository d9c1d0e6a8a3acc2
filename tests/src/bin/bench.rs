//! Times `trainer predict` and the page on the same synthetic smears: `bench FOLDER_OF_THE_PAGE [FOLDER_OF_THE_PEER]`.
//! Here and not in the tests, which must not depend on a clock. The peer is ONNX Runtime Web with the same network and
//! weights; beside it, the page is told that cells have the working diameter, so that its network sees as many
//! pixels. The page's time has the resampling, the way to the worker and the quality measure in it, the peer's has not.

use anyhow::{Context, Result};
use image::RgbImage;
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
            square(&smear, side).save(&image)?;
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
    if let Some(peer) = std::env::args_os().nth(2) {
        beside(&folder, Path::new(&peer), &smear, &scratch)?;
    }
    Ok(())
}

/// One smear beside and below itself: as many cells on every square, whatever the size.
fn square(smear: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = smear.dimensions();
    RgbImage::from_fn(side, side, |x, y| *smear.get_pixel(x % width, y % height))
}

/// Sides of the squares that the peer is timed on; WebGPU computed by a CPU takes minutes beyond.
const BESIDE: [(Backend, &str, &str, &[u32]); 2] = [
    (Backend::Cpu, "wasm", "indices.onnx", &[128, 512, 1024]),
    (Backend::WebGpu, "webgpu", "masks.onnx", &[128, 512]),
];

/// The network in the page and in ONNX Runtime Web, in turn, on as many pixels.
fn beside(folder: &Path, peer: &Path, smear: &RgbImage, scratch: &Scratch) -> Result<()> {
    println!("\n{:<16} {:>6} {:>12} {:>12} {:>8}", "the network", "side", "this s", "ORT Web s", "ratio");
    for (backend, provider, model, sides) in BESIDE {
        let list = sides.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let theirs = {
            let page = Page::blank(peer, true, &[])?;
            let query = format!("?model={model}&provider={provider}&sides={list}&rounds={ROUNDS}");
            page.session().open(&format!("{}{query}", page.url()))?;
            let times = page.wait("ONNX Runtime Web", || {
                let title = page.js("return document.title", serde_json::json!([]))?;
                if title == "failed" {
                    anyhow::bail!("{}", page.shown("#result")?);
                }
                (title == "done").then(|| page.shown("#result")).transpose()
            })?;
            serde_json::from_str::<serde_json::Value>(&times)?
        };
        let page = Page::start(folder, true, &format!("?backend={}", backend.name()))?;
        page.wait_until_ready()?;
        for &side in sides {
            let path = scratch.path().join(format!("{}-{side}.png", backend.name()));
            square(smear, side).save(&path)?;
            page.segment(std::slice::from_ref(&path))?;
            let seconds =
                (0..=ROUNDS).map(|round| at_working_scale(&page, round)).collect::<Result<Vec<_>>>()?;
            let theirs: Vec<f64> = serde_json::from_value(theirs[side.to_string()].clone())?;
            let (ours, theirs) = (median(&seconds[1..]), median(&theirs[1..]));
            println!("{:<16} {side:>6} {ours:>12.3} {theirs:>12.3} {:>8.2}", backend.name(), theirs / ours);
        }
    }
    Ok(())
}

/// Seconds of the open image's segmentation once more, as if its cells were of the working diameter.
fn at_working_scale(page: &Page, round: usize) -> Result<f64> {
    // The same number again would change nothing, so it differs by a hair.
    let diameter = working_diameter()? + 1e-3 * (round + 1) as f64;
    page.set("#diameter", &diameter.to_string())?;
    page.until(
        "the second look",
        "return document.body.dataset.state === 'ready' && document.getElementById('diameter-hint').textContent \
         .includes('by hand') || null",
        serde_json::json!([]),
    )?;
    stated(page)
}

/// The diameter that the shipped network works at, as its card tells.
fn working_diameter() -> Result<f64> {
    let card = std::fs::read_to_string(xtask::paths::root().join("model-weights/rbc.json"))?;
    let card: serde_json::Value = serde_json::from_str(&card)?;
    card["config"]["network"]["working_diameter"].as_f64().context("the card tells no working diameter")
}

/// What the page says that the last segmentation took, unrounded.
fn stated(page: &Page) -> Result<f64> {
    let seconds =
        page.js("return document.getElementById('timing').dataset.seconds", serde_json::json!([]))?;
    let number = seconds.as_str().and_then(|seconds| seconds.parse().ok());
    number.with_context(|| format!("the page states no time: {seconds}"))
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
        stated(&page)
    };
    (0..=ROUNDS).map(run).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
