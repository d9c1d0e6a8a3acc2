//! Times `trainer predict` and the page on the same synthetic smears, and the page's worker and ONNX Runtime Web with
//! the same network, weights and image sizes: `bench FOLDER_OF_THE_PAGE [FOLDER_OF_THE_PEER]`. A program and not a
//! test, since tests must not depend on the clock.

use anyhow::{Context, Result};
use image::{RgbImage, imageops::FilterType};
use rbc_tests::memory::Peak;
use rbc_tests::page::{Backend, Page};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::{predict, synth};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// From a quarter of a megapixel to a hundred.
const SIDES: [u32; 5] = [512, 1024, 2048, 4096, 10_000];
/// Number of segmentations of an image after the first; their median counts.
const ROUNDS: usize = 3;

/// Fewer where each takes long.
fn rounds(side: u32) -> usize {
    if side > 2048 { 1 } else { ROUNDS }
}

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).context("which folder has the page?")?);
    let scratch = Scratch::new("bench")?;
    let smear = synth(&scratch.path().join("synth"), 1, 31)?.pop().context("synth wrote no image")?;
    let smear = image::open(&smear)?.into_rgb8();
    // Enlarged to the scale of a 100 x objective, under which cells measure about 85 pixels.
    let (width, height) = smear.dimensions();
    let smear = image::imageops::resize(&smear, 4 * width, 4 * height, FilterType::CatmullRom);
    println!(
        "WebGPU is computed by the CPU where the browser finds no GPU; compare it within one machine only."
    );
    println!("{:<16} {:>6} {:>10} {:>10} {:>8} {:>8}", "", "side", "first s", "then s", "MP/s", "peak MB");
    for (name, backend) in
        [("trainer, CPU", None), ("page, CPU", Some(Backend::Cpu)), ("page, WebGPU", Some(Backend::WebGpu))]
    {
        // Larger images take minutes where a CPU computes WebGPU.
        let most = if backend == Some(Backend::WebGpu) { 2048 } else { u32::MAX };
        for side in SIDES.into_iter().filter(|side| *side <= most) {
            let image = scratch.path().join(format!("{side}.png"));
            square(&smear, side).save(&image)?;
            let peak = Peak::watch();
            let seconds = match backend {
                Some(backend) => in_page(&folder, backend, &image, rounds(side))?,
                None => native(&image, &scratch.path().join("out"), rounds(side))?,
            };
            let peak = peak.megabytes();
            let [first, rest @ ..] = seconds.as_slice() else { continue };
            let steady = median(rest);
            let speed = f64::from(side * side) / 1e6 / steady;
            println!("{name:<16} {side:>6} {first:>10.2} {steady:>10.2} {speed:>8.2} {peak:>8}");
        }
    }
    if let Some(peer) = std::env::args_os().nth(2) {
        beside(&folder, Path::new(&peer));
    }
    Ok(())
}

/// Repeats a smear to fill a square, so that the density of cells does not depend on the size.
fn square(smear: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = smear.dimensions();
    RgbImage::from_fn(side, side, |x, y| *smear.get_pixel(x % width, y % height))
}

/// A back end, and what does the same in ONNX Runtime Web.
struct Beside {
    backend: Backend,
    provider: &'static str,
    model: &'static str,
    sides: &'static [u32],
    rounds: usize,
}

/// Larger squares take minutes where a CPU computes WebGPU.
const BESIDE: [Beside; 2] = [
    Beside {
        backend: Backend::Cpu,
        provider: "wasm",
        model: "indices.onnx",
        sides: &[128, 512, 1024, 2048],
        rounds: 9,
    },
    Beside {
        backend: Backend::WebGpu,
        provider: "webgpu",
        model: "masks.onnx",
        sides: &[128, 512],
        rounds: ROUNDS,
    },
];

/// Starts a worker as the page does and asks it for the network's times.
const WORKER: &str = r#"
(async (backend, sides, rounds) => {
window.timed = null;
const [script, code] = await Promise.all([
  fetch("worker.js").then((answer) => answer.text()),
  WebAssembly.compileStreaming(fetch("worker_bg.wasm")),
]);
const text = `${script}\nonmessage = ({ data }) => __wbg_init({ module_or_path: data });`;
const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })), { type: "module" });
worker.postMessage(code);
const times = {};
const next = () => worker.postMessage({ kind: "time", side: sides[Object.keys(times).length], rounds });
worker.onmessage = async ({ data }) => {
  if (data.kind === "up") {
    const weights = await (await fetch("rbc.safetensors")).arrayBuffer();
    worker.postMessage({ kind: "start", weightsSerial: 1, backend, weights });
  } else if (data.kind === "ready") {
    next();
  } else if (data.kind === "timed") {
    times[sides[Object.keys(times).length]] = [[...data.alone], [...data.together]];
    if (Object.keys(times).length < sides.length) return next();
    worker.terminate();
    window.timed = times;
  } else {
    window.timed = { error: data.message };
  }
};
})(...arguments);
"#;

/// Times the network in the page's worker and in ONNX Runtime Web, one after the other, on images of the same sizes.
fn beside(folder: &Path, peer: &Path) {
    println!(
        "\n{:<16} {:>6} {:>10} {:>10} {:>12} {:>12} {:>8}",
        "the network", "side", "first ms", "then ms", "all cores ms", "ORT Web ms", "ratio"
    );
    for row in BESIDE {
        // A peer that fails must not cost the rest of the benchmark.
        if let Err(error) = row.time(folder, peer) {
            println!("{:<16} not compared: {error:#}", row.backend.name());
        }
    }
}

impl Beside {
    fn time(&self, folder: &Path, peer: &Path) -> Result<()> {
        let Self { backend, provider, model, sides, rounds } = self;
        let theirs = {
            let list = sides.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let page = Page::blank(peer, true, &[])?;
            let query = format!("?model={model}&provider={provider}&sides={list}&rounds={rounds}");
            page.session().open(&format!("{}{query}", page.url()))?;
            let times = page.wait("ONNX Runtime Web", || {
                let title = page.js("return document.title", json!([]))?;
                if title == "failed" {
                    anyhow::bail!("{}", page.shown("#result")?);
                }
                (title == "done").then(|| page.shown("#result")).transpose()
            })?;
            serde_json::from_str::<Value>(&times)?
        };
        let page = Page::start(folder, true, "?backend=cpu")?;
        page.wait_until_ready()?;
        page.js(WORKER, json!([backend.name(), sides, rounds]))?;
        let ours = page.wait("the worker's times", || {
            let times = page.js("return window.timed", json!([]))?;
            if let Some(error) = times["error"].as_str() {
                anyhow::bail!("{error}");
            }
            Ok((!times.is_null()).then_some(times))
        })?;
        for side in sides.iter().map(u32::to_string) {
            let theirs: Vec<f64> = serde_json::from_value(theirs[&side].clone())?;
            let [alone, together]: [Vec<f64>; 2] = serde_json::from_value(ours[&side].clone())?;
            let first = alone[0];
            let (alone, theirs) = (median(&alone[1..]), median(&theirs[1..]));
            let all = together.get(1..).filter(|rounds| !rounds.is_empty()).map(median);
            let all = all.map_or_else(|| "-".to_string(), |all| format!("{:.1}", 1e3 * all));
            println!(
                "{:<16} {side:>6} {:>10.1} {:>10.1} {all:>12} {:>12.1} {:>8.2}",
                backend.name(),
                1e3 * first,
                1e3 * alone,
                1e3 * theirs,
                theirs / alone
            );
        }
        Ok(())
    }
}

/// The time of the last segmentation in seconds, unrounded, as the page states it.
fn stated(page: &Page) -> Result<f64> {
    let seconds = page.js("return document.getElementById('timing').dataset.seconds", json!([]))?;
    let number = seconds.as_str().and_then(|seconds| seconds.parse().ok());
    number.with_context(|| format!("the page states no time: {seconds}"))
}

/// Seconds for each run of the program, including start and files, as a user waits.
fn native(image: &Path, out: &Path, rounds: usize) -> Result<Vec<f64>> {
    let run = |_| {
        let start = Instant::now();
        predict(&[image], out, &[])?.succeeded()?;
        Ok(start.elapsed().as_secs_f64())
    };
    (0..=rounds).map(run).collect()
}

/// Seconds for each segmentation as the page states them, in a separate browser window.
fn in_page(folder: &Path, backend: Backend, image: &Path, rounds: usize) -> Result<Vec<f64>> {
    let page = Page::start(folder, true, &format!("?backend={}", backend.name()))?;
    page.wait_until_ready()?;
    let run = |round| {
        // The page would recognise a file of the same name as the same image.
        let copy = image.with_file_name(format!("{round}-{}.png", backend.name()));
        std::fs::copy(image, &copy)?;
        page.segment(&[copy])?;
        page.show(&format!("{round}-{}.png", backend.name()))?;
        stated(&page)
    };
    (0..=rounds).map(run).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
