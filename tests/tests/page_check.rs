//! Checking: a truth mask beside an image, and weights that a person brings.

use anyhow::{Context, Result, ensure};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{encoded, piece, png, sample, smear};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::trainer;
use serde_json::json;
use std::ffi::OsStr;

fn percent(text: &str) -> Result<f64> {
    text.trim_end_matches(" %").parse().with_context(|| format!("no percentage: {text:?}"))
}

#[test]
fn a_truth_mask_gives_iou_dice_and_the_difference() -> Result<()> {
    let scratch = Scratch::new("truth")?;
    let jpg = std::fs::read(sample("synthetic-overlaps.webp"))?;
    let exact = std::fs::read(sample("synthetic-overlaps.mask.png"))?;
    let image = scratch.write("smear.webp", jpg)?;
    let truth = scratch.write("smear.mask.png", &exact)?;
    let page = Page::open(Backend::Cpu)?;
    // Beside its image, known by its name: no image of its own.
    page.pick("file-input", &[image, truth])?;
    page.until_through("smear.webp")?;
    page.wait_until_ready()?;
    let count = page.js("return document.querySelectorAll('[data-testid=result]').length", json!([]))?;
    assert_eq!(count, 1);
    let iou = percent(&page.until_shown("[data-testid=truth-iou]", "%")?)?;
    let dice = percent(&page.shown("#truth-dice")?)?;
    ensure!((60.0..100.0).contains(&iou), "IoU {iou} %");
    ensure!((dice - 2.0 * iou / (1.0 + iou / 100.0)).abs() < 0.2, "IoU {iou} % and Dice {dice} % disagree");

    // The page's own mask as the truth is without a fault, an empty one has nothing in common.
    let own = page.save("export-mask", "smear.mask.png")?;
    page.pick("truth-input", &[own])?;
    page.until_shown("[data-testid=truth-iou]", "100.0 %")?;
    page.until_shown("#truth-dice", "100.0 %")?;
    page.session().click("button[data-view=difference]")?;
    page.until_shown("#legend", "truth only")?;
    let blank = image::GrayImage::new(624, 536);
    page.pick("truth-input", &[scratch.write("blank.png", encoded(blank, image::ImageFormat::Png)?)?])?;
    page.wait("nothing in common", || Ok((page.text("truth-iou")? == "0.0 %").then_some(())))?;
    page.screenshot("difference")?;

    // One of another size is refused in words, and the rest stays.
    let small = image::GrayImage::new(10, 10);
    page.pick("truth-input", &[scratch.write("small.png", encoded(small, image::ImageFormat::Png)?)?])?;
    let line = page.until_shown("[data-testid=error]", "10 x 10")?;
    ensure!(line.contains("624 x 536"), "{line}");
    page.wait_until_ready()?;
    assert_eq!(page.result_state("smear.webp")?, "done");
    Ok(())
}

/// Writes weights that the page must not take.
fn wrong_weights(scratch: &Scratch) -> Result<Vec<(std::path::PathBuf, &'static str)>> {
    let shipped = std::fs::read(xtask::paths::root().join("model-weights/rbc.safetensors"))?;
    let length = usize::try_from(u64::from_le_bytes(shipped[..8].try_into()?))?;
    let mut header: serde_json::Value = serde_json::from_slice(&shipped[8..8 + length])?;
    let config = header["__metadata__"]["rbc.config"].as_str().context("no configuration")?;
    let mut config: serde_json::Value = serde_json::from_str(config)?;
    config["widths"] = json!([8, 8, 8]);
    header["__metadata__"]["rbc.config"] = config.to_string().into();
    let header = serde_json::to_vec(&header)?;
    let other =
        [&u64::try_from(header.len())?.to_le_bytes(), header.as_slice(), &shipped[8 + length..]].concat();
    Ok(vec![
        (scratch.write("text.safetensors", "no weights at all")?, "weights"),
        (scratch.write("half.safetensors", &shipped[..shipped.len() / 2])?, "weights"),
        (scratch.write("other.safetensors", other)?, "architecture"),
    ])
}

#[test]
fn own_weights_are_taken_and_wrong_ones_leave_the_old() -> Result<()> {
    let scratch = Scratch::new("weights")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    let before = page.result_text("smear.png")?;
    let facts = || page.js("return document.getElementById('model-facts').textContent", json!([]));
    ensure!(facts()?.to_string().contains("mean IoU"), "the card is not told: {}", facts()?);

    for (number, (file, word)) in wrong_weights(&scratch)?.into_iter().enumerate() {
        page.pick("weights-input", &[file])?;
        let text = page.until_shown("[data-testid=error]", word)?;
        assert_eq!(text.lines().count(), 1, "one error: {text}");
        page.session().click("#dismiss")?;
        page.wait_until_ready()?;
        ensure!(facts()?.to_string().contains("shipped"), "the old weights are gone");
        let next = scratch.write(&format!("after-{number}.png"), png(&piece(0, 0, 160, 160)?)?)?;
        page.segment(&[next])?;
        assert_eq!(page.result_state(&format!("after-{number}.png"))?, "done");
    }
    assert_eq!(page.result_text("smear.png")?, before);

    let own = scratch.path().join("own.safetensors");
    let words = ["export", "--precision", "f16", "--out"].map(OsStr::new);
    trainer(words.into_iter().chain([own.as_os_str()]))?.succeeded()?;
    let card = json!({ "data": { "images": 7 }, "cross_validation": { "mean_iou": 0.5 } }).to_string();
    page.pick("weights-input", &[own, scratch.write("own.json", card)?])?;
    let named = "return document.getElementById('model-facts').textContent.includes('own.safetensors')";
    page.until("the page names the new weights", named, json!([]))?;
    page.wait_until_ready()?;
    ensure!(facts()?.to_string().contains("on 7 images its mean IoU was 0.50"), "another card: {}", facts()?);
    // What the old ones found may be found anew.
    page.js("document.getElementById('machine').open = true", json!([]))?;
    page.session().click("#run-again")?;
    page.until("all were run again", "return document.getElementById('run-again').hidden", json!([]))?;
    page.wait_until_ready()?;
    assert_eq!(page.result_state("smear.png")?, "done");
    Ok(())
}
