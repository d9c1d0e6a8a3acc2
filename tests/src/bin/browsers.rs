//! Times the page in every browser of this machine, from choosing a file to its cells: `browsers FOLDER_OF_THE_PAGE IMAGE`.
//! The first image is chosen as soon as the page is ready, then five seconds later in a new window; the second follows the
//! first.

use anyhow::{Context, Result};
use rbc_tests::page::Page;
use rbc_tests::scratch::Scratch;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xtask::browser::Engine;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("which folder has the page?")?;
    let image = arguments.next().context("which image?")?;
    println!("{:<10} {:>8} {:>12} {:>8}", "seconds", "at once", "after 5 s", "second");
    for engine in [Engine::Chromium, Engine::Firefox, Engine::WebKit] {
        if engine.look()?.is_none() {
            println!("{:<10} none here", engine.name());
            continue;
        }
        let [at_once, _] = times(engine, &folder, &image, Duration::ZERO)?;
        let [later, second] = times(engine, &folder, &image, Duration::from_secs(5))?;
        println!("{:<10} {at_once:>8.2} {later:>12.2} {second:>8.2}", engine.name());
    }
    Ok(())
}

/// Seconds for the first and the second image on the CPU.
fn times(engine: Engine, folder: &Path, image: &Path, pause: Duration) -> Result<[f64; 2]> {
    let scratch = Scratch::new("browsers")?;
    let bytes = std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let page = Page::blank_in(engine, folder, false, &[])?;
    page.visit(&format!("{}?backend=cpu", page.url()))?;
    std::thread::sleep(pause);
    let mut seconds = [0.0; 2];
    for (seconds, name) in seconds.iter_mut().zip(["first.png", "second.png"]) {
        let file = scratch.write(name, &bytes)?;
        let begun = Instant::now();
        page.pick("file-input", &[file])?;
        page.until_through(name)?;
        *seconds = begun.elapsed().as_secs_f64();
        page.wait_until_ready()?;
    }
    Ok(seconds)
}
