//! The built page gives the same masks as `trainer predict`, in Chromium, Firefox and WebKit.

use anyhow::{Context, Result, ensure};
use rbc_tests::mask;
use rbc_tests::page::{Backend, Page};
use rbc_tests::scratch::Scratch;
use rbc_tests::table;
use rbc_tests::trainer::{predict, synth};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use xtask::paths;

fn stem(image: &Path) -> Result<String> {
    Ok(image.file_stem().context("an image has a name")?.to_string_lossy().into_owned())
}

/// Segments images in the page and natively; fails if more than the share `limit` of a mask's pixels differ.
fn same_masks(backend: Backend, images: &[PathBuf], limit: f64, scratch: &Scratch) -> Result<()> {
    predict(images, scratch.path(), &[])?.succeeded()?;
    let page = Page::open(backend)?;
    assert_eq!(page.attribute("backend")?, backend.name());
    for image in images {
        page.segment(std::slice::from_ref(image))?;
        page.show(&image.file_name().context("an image has a name")?.to_string_lossy())?;
        let stem = stem(image)?;
        page.screenshot(&format!("{}-{stem}", backend.name()))?;
        let in_page = page.save("export-mask", &format!("{stem}.mask.png"))?;
        let native = scratch.path().join(format!("{stem}.mask.png"));
        let covered = mask::coverage(&native)?;
        ensure!((0.02..0.98).contains(&covered), "{stem}: an empty mask proves nothing, {covered} covered");
        let differ = mask::difference(&in_page, &native)?;
        println!("{stem} on {}: {:.4} % of the pixels differ", backend.name(), differ * 100.0);
        ensure!(differ <= limit, "{stem}: {:.4} % of the pixels differ", differ * 100.0);
    }
    Ok(())
}

#[test]
fn masks_on_the_cpu_are_the_native_ones() -> Result<()> {
    let scratch = Scratch::new("cpu")?;
    let images = synth(&scratch.path().join("synth"), 2, 21)?;
    same_masks(Backend::Cpu, &images, 0.0001, &scratch)
}

#[test]
fn masks_on_webgpu_are_the_native_ones() -> Result<()> {
    let scratch = Scratch::new("webgpu")?;
    let images = synth(&scratch.path().join("synth"), 2, 22)?;
    same_masks(Backend::WebGpu, &images, 0.001, &scratch)
}

#[test]
fn real_smears_give_the_native_masks() -> Result<()> {
    let Some(data) = paths::real_images() else {
        println!("skipped: RBC_DATA, the folder of real images, is not set");
        return Ok(());
    };
    let scratch = Scratch::new("real")?;
    let folder = data.join("rbc-164/test/images");
    let mut images = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let image = entry?.path();
        // Only small images: the question is whether the masks agree, not how fast they are made.
        let (width, height) = image::image_dimensions(&image)?;
        if width * height <= 300 * 300 {
            images.push(image);
        }
    }
    images.sort();
    images.truncate(3);
    ensure!(!images.is_empty(), "no small image in {}", folder.display());
    same_masks(Backend::Cpu, &images, 0.0001, &scratch)
}

/// For each image in a `summary.csv`: the number of cells, and the cell diameter that it was segmented with.
fn counted(summary: &Path) -> Result<BTreeMap<String, [String; 2]>> {
    let column = |name| table::column(summary, name);
    let figures = column("cells")?.into_iter().zip(column("expected_diameter_px")?);
    Ok(column("name")?.into_iter().zip(figures.map(Into::into)).collect())
}

/// Overlapping cells of many sizes, for which several scales are compared: rounding must not decide between them.
#[test]
fn crowds_are_looked_at_at_the_native_scale_and_counted_alike() -> Result<()> {
    let Some(data) = paths::real_images() else {
        println!("skipped: RBC_DATA, the folder of real images, is not set");
        return Ok(());
    };
    let scratch = Scratch::new("crowds")?;
    let images: Vec<PathBuf> = ["00040", "00048", "00087", "00143", "00150", "00154"]
        .map(|number| data.join(format!("bccd-count/images/BloodImage_{number}.jpg")))
        .into();
    let out = scratch.path().join("native");
    predict(&images, &out, &[])?.succeeded()?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    let found = counted(&page.save("export-images", "summary.csv")?)?;
    let native = counted(&out.join("summary.csv"))?;
    let names = |table: &BTreeMap<String, [String; 2]>| {
        table.keys().map(|name| name.trim_end_matches(".jpg").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&found), names(&native));
    assert_eq!(found.values().collect::<Vec<_>>(), native.values().collect::<Vec<_>>(), "{found:?}");
    Ok(())
}

#[test]
fn without_webgpu_the_cpu_takes_over() -> Result<()> {
    let page = Page::start(&paths::site(), false, "")?;
    page.wait_until_ready()?;
    assert_eq!(page.attribute("backend")?, "cpu");
    Ok(())
}

#[test]
fn a_broken_file_is_named_and_the_others_are_segmented() -> Result<()> {
    let scratch = Scratch::new("mixed")?;
    let good = synth(&scratch.path().join("synth"), 1, 23)?;
    let text = scratch.write("text.png", "this is no picture")?;
    let empty = scratch.write("empty.png", "")?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[text, good[0].clone(), empty])?;
    let name = good[0].file_name().context("an image has a name")?.to_string_lossy();
    assert_eq!(page.result_state(&name)?, "done");
    for broken in ["text.png", "empty.png"] {
        assert_eq!(page.result_state(broken)?, "failed");
        let said = page.result_text(broken)?.replace(broken, "");
        ensure!(said.trim().len() > 10, "no word on what is wrong with {broken}: {said}");
    }
    page.screenshot("broken-among-good")?;

    // Trying these again would be of no use, so they can only be removed. After that, the error no longer names them.
    let buttons = "return [...document.querySelectorAll('[data-testid=result][data-name=\"' + arguments[0] + '\"] .side button')]
        .filter(button => !button.hidden).map(button => button.textContent)";
    assert_eq!(page.js(buttons, serde_json::json!(["text.png"]))?, serde_json::json!(["×"]));
    for broken in ["text.png", "empty.png"] {
        ensure!(page.shown("[data-testid=error]")?.contains(broken), "{broken} is not spoken of");
        let remove = "document.querySelector('[data-testid=result][data-name=\"' + arguments[0] + '\"] .remove').click()";
        page.js(remove, serde_json::json!([broken]))?;
    }
    ensure!(page.shown("[data-testid=error]")?.is_empty(), "{}", page.shown("[data-testid=error]")?);
    Ok(())
}

#[test]
fn the_page_without_trunk_has_the_same_files_and_starts() -> Result<()> {
    let folder = paths::target().join("site-without-trunk");
    xtask::page::build(xtask::page::Profile::Release, None, &folder)?;
    let names = |folder: &Path| -> Result<Vec<String>> {
        let files = xtask::size::list(folder)?;
        Ok(files.iter().map(|file| file.to_string_lossy().into_owned()).collect())
    };
    assert_eq!(names(&folder)?, names(&paths::site())?);
    let page = Page::start(&folder, false, "?backend=cpu")?;
    page.wait_until_ready()
}
