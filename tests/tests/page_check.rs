//! Comparison with a truth mask, and weights provided by the user.

use anyhow::{Context, Result, ensure};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{encoded, piece, png, sample, smear};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::trainer;
use rbc_tests::weights;
use serde_json::json;
use std::ffi::OsStr;

fn percent(text: &str) -> Result<f64> {
    text.trim_end_matches(" %").parse().with_context(|| format!("no percentage: {text:?}"))
}

#[test]
fn a_truth_mask_gives_iou_dice_and_the_difference() -> Result<()> {
    let scratch = Scratch::new("truth")?;
    let picture = std::fs::read(sample("synthetic-overlaps.webp"))?;
    let exact = std::fs::read(sample("synthetic-overlaps.mask.webp"))?;
    let image = scratch.write("smear.webp", picture)?;
    let truth = scratch.write("smear.mask.webp", &exact)?;
    let page = Page::open(Backend::Cpu)?;
    // A mask beside its image is recognised by its name and not listed as an image.
    page.pick("file-input", &[image, truth])?;
    page.until_through("smear.webp")?;
    page.wait_until_ready()?;
    let count = page.js("return document.querySelectorAll('[data-testid=result]').length", json!([]))?;
    assert_eq!(count, 1);
    let iou = percent(&page.until_shown("[data-testid=truth-iou]", "%")?)?;
    let dice = percent(&page.shown("#truth-dice")?)?;
    ensure!((60.0..100.0).contains(&iou), "IoU {iou} %");
    ensure!((dice - 2.0 * iou / (1.0 + iou / 100.0)).abs() < 0.2, "IoU {iou} % and Dice {dice} % disagree");

    // The page's own mask as truth agrees completely, an empty one not at all.
    let own = page.save("export-mask", "smear.mask.png")?;
    page.pick("truth-input", std::slice::from_ref(&own))?;
    page.until_shown("[data-testid=truth-iou]", "100.0 %")?;
    page.until_shown("#truth-dice", "100.0 %")?;
    page.session().click("button[data-view=difference]")?;
    page.until_shown("#legend", "truth only")?;
    let blank = image::GrayImage::new(624, 536);
    page.pick("truth-input", &[scratch.write("blank.png", encoded(blank, image::ImageFormat::Png)?)?])?;
    page.wait("nothing in common", || Ok((page.text("truth-iou")? == "0.0 %").then_some(())))?;
    page.screenshot("difference")?;

    // A mask of another size is refused with a message; everything else stays.
    let small = image::GrayImage::new(10, 10);
    page.pick("truth-input", &[scratch.write("small.png", encoded(small, image::ImageFormat::Png)?)?])?;
    let line = page.until_shown("[data-testid=error]", "10 x 10")?;
    ensure!(line.contains("624 x 536") && line.starts_with("small.png: "), "{line}");
    page.wait_until_ready()?;
    assert_eq!(page.result_state("smear.webp")?, "done");
    // With the next one nobody needs to know any more.
    page.pick("truth-input", &[own])?;
    page.until_shown("[data-testid=truth-iou]", "100.0 %")?;
    assert_eq!(page.shown("[data-testid=error]")?, "");
    Ok(())
}

#[test]
fn a_truth_that_comes_while_its_image_is_measured_is_compared() -> Result<()> {
    let scratch = Scratch::new("late-truth")?;
    let images = [
        scratch.write("a.png", png(&piece(0, 0, 200, 160)?)?)?,
        scratch.write("b.png", png(&piece(200, 0, 200, 160)?)?)?,
    ];
    let mask = image::GrayImage::from_fn(200, 160, |x, _| image::Luma([u8::from(x < 100) * 255]));
    let truth = scratch.write("b.mask.png", encoded(mask, image::ImageFormat::Png)?)?;
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images[..1])?;

    // For an image that is not shown: the truth arrives while its cells are being counted.
    page.hold("measure")?;
    page.pick("file-input", &images[1..])?;
    page.until_held()?;
    page.pick("file-input", std::slice::from_ref(&truth))?;
    page.let_go(None)?;
    page.until_through("b.png")?;
    page.wait_until_ready()?;
    ensure!(page.result_text("b.png")?.contains("IoU"), "{}", page.result_text("b.png")?);

    // For the image that is shown: the page is busy until the comparison is done.
    page.show("b.png")?;
    let before = page.text("truth-iou")?;
    let own = page.save("export-mask", "b.mask.png")?;
    page.hold("truth")?;
    page.pick("truth-input", &[own])?;
    page.until_held()?;
    ensure!(page.attribute("state")? == "busy", "{}", page.attribute("state")?);
    assert_eq!(page.text("truth-iou")?, before);
    page.let_go(None)?;
    page.wait_until_ready()?;
    assert_eq!(page.text("truth-iou")?, "100.0 %");
    page.session().click("[data-table=images]")?;
    page.until_shown("#images-head", "IoU")?;
    page.until_shown("#images-body", "100.0 %")?;

    // The table has columns for the images that were compared.
    let table = std::fs::read_to_string(page.save("export-images", "summary.csv")?)?;
    let mut lines = table.lines();
    ensure!(lines.next().is_some_and(|head| head.ends_with(",warnings,file,iou,dice")), "{table}");
    ensure!(lines.next().is_some_and(|line| line.starts_with("a,") && line.ends_with(",a.png,,")), "{table}");
    ensure!(lines.next().is_some_and(|line| line.ends_with(",1.000000,1.000000")), "{table}");

    // The truth can be removed again.
    page.js("document.getElementById('truth-remove').click()", json!([]))?;
    page.until("there is no figure", "return document.getElementById('truth-figures').hidden", json!([]))?;
    page.wait_until_ready()?;
    ensure!(!page.result_text("b.png")?.contains("IoU"), "{}", page.result_text("b.png")?);
    let table = std::fs::read_to_string(page.save("export-images", ".csv")?)?;
    ensure!(table.lines().next().is_some_and(|head| head.ends_with(",warnings,file")), "{table}");
    Ok(())
}

#[test]
fn a_truth_mask_that_is_gone_is_told_of_and_forgotten() -> Result<()> {
    let scratch = Scratch::new("gone-truth")?;
    let images = [
        scratch.write("a.png", png(&piece(0, 0, 200, 160)?)?)?,
        scratch.write("b.png", png(&piece(200, 0, 200, 160)?)?)?,
    ];
    let mask = image::GrayImage::from_fn(200, 160, |x, _| image::Luma([u8::from(x < 100) * 255]));
    let mask = encoded(mask, image::ImageFormat::Png)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("a.png")?;
    let compared = || Ok::<_, anyhow::Error>(page.result_text("b.png")?.contains("IoU"));
    let lost = |use_it: &dyn Fn() -> Result<()>| -> Result<()> {
        let truth = scratch.write("b.mask.png", &mask)?;
        page.pick("file-input", std::slice::from_ref(&truth))?;
        page.wait("b.png is compared", || Ok(compared()?.then_some(())))?;
        page.wait_until_ready()?;
        std::fs::remove_file(&truth)?;
        use_it()?;
        page.until_shown("[data-testid=error]", "b.mask.png: can't be read any more")?;
        page.wait_until_ready()?;
        ensure!(!compared()?, "{}", page.result_text("b.png")?);
        page.session().click("#dismiss")
    };
    // It is needed when the image is measured again, and when it is opened.
    lost(&|| page.set("#threshold", "0.6"))?;
    lost(&|| page.show_early("b.png"))?;
    let facts = page.until_shown("#picture-facts", "200")?;
    ensure!(!facts.contains("truth"), "{facts}");
    Ok(())
}

/// Writes weights that the page must refuse, each with a word that the error must contain.
fn wrong_weights(scratch: &Scratch) -> Result<Vec<(std::path::PathBuf, &'static str)>> {
    let shipped = weights::shipped()?;
    Ok(vec![
        (scratch.write("text.safetensors", "no weights at all")?, "weights"),
        (scratch.write("half.safetensors", &shipped[..shipped.len() / 2])?, "weights"),
        (scratch.write("other.safetensors", weights::of_other_widths()?)?, "architecture"),
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
    // Results of the old weights are pointed out and can be computed again.
    page.until_shown(
        "#model-note",
        "own.safetensors. 4 images in the list were segmented with other weights.",
    )?;
    // Times are compared with those of the same weights only.
    page.js("document.getElementById('machine').open = true", json!([]))?;
    page.session().click("#race")?;
    page.until_shown("#race-text", "other weights")?;
    page.session().click("#run-again")?;
    page.until("all were run again", "return document.getElementById('run-again').hidden", json!([]))?;
    page.wait_until_ready()?;
    assert_eq!(page.result_state("smear.png")?, "done");
    Ok(())
}

#[test]
fn weights_that_come_while_others_load_wait_their_turn() -> Result<()> {
    let scratch = Scratch::new("weights-in-turn")?;
    let shipped = weights::shipped()?;
    let bad = scratch.write("bad.safetensors", "no weights at all")?;
    let [first, second] =
        ["first.safetensors", "second.safetensors"].map(|name| scratch.write(name, &shipped));
    let (first, second) = (first?, second?);
    let page = Page::holding(Some("start"))?;
    page.js("document.getElementById('machine').open = true", json!([]))?;
    let named = |name: &str| -> Result<()> {
        page.wait_until_ready()?;
        let facts = page.shown("#model-facts")?;
        ensure!(facts.contains(name), "{facts}");
        Ok(())
    };
    let refused = || -> Result<()> {
        let text = page.until_shown("[data-testid=error]", "weights")?;
        assert_eq!(text.lines().count(), 1, "one error: {text}");
        page.session().click("#dismiss")
    };

    // Bad weights during the first load are refused once, and not again when the worker is restarted.
    page.until_held()?;
    page.pick("weights-input", std::slice::from_ref(&bad))?;
    page.let_go(None)?;
    refused()?;
    named("shipped")?;
    page.set("#backend", "cpu")?;
    named("shipped")?;
    ensure!(page.shown("[data-testid=error]")?.is_empty(), "refused again");

    // If good weights are followed by bad ones, the good ones stay.
    for good in [&first, &second] {
        page.hold("start")?;
        page.pick("weights-input", std::slice::from_ref(good))?;
        page.until_held()?;
        page.pick("weights-input", std::slice::from_ref(&bad))?;
        page.let_go(None)?;
        refused()?;
        let name = good.file_name().context("a file has a name")?.to_string_lossy().into_owned();
        named(&name)?;
        page.set("#backend", "cpu")?;
        named(&name)?;
    }
    Ok(())
}
