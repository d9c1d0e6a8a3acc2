//! Changes while something is under way, mistyped numbers, failed images: page and files always agree.

use anyhow::{Context, Result, ensure};
use rbc_tests::hands::ESCAPE;
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{piece, plain_field, png, smear};
use rbc_tests::scratch::Scratch;
use rbc_tests::table;
use rbc_tests::unzip;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;

fn count(page: &Page) -> Result<usize> {
    Ok(page.text("cell-count")?.parse()?)
}

#[test]
fn a_result_that_waits_for_the_model_follows_the_rules() -> Result<()> {
    let scratch = Scratch::new("waits")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&[image])?;
    let all = count(&page)?;

    page.hold("segment")?;
    page.set("#diameter", "45")?;
    page.until_held()?;
    page.until_shown("#diameter-hint", "as it was found before")?;
    page.session().click("#skip-edge")?;
    page.wait("the edge's cells go", || Ok((count(&page)? < all).then_some(())))?;
    page.session().click("#cells-body tr:nth-child(2) input")?;
    page.wait("the cell is left out of all figures", || {
        let rows =
            page.js("return document.querySelectorAll('#cells-body tr:not(.left-out)').length", json!([]))?;
        Ok((rows == count(&page)?).then_some(()))
    })?;
    let table = fs::read_to_string(page.save("export-csv", "smear.cells.csv")?)?;
    assert_eq!(table.lines().count(), count(&page)? + 1, "the file is what the page shows");
    page.session().click("#skip-edge")?;
    page.wait("the edge's cells come back, without the one left out", || {
        Ok((count(&page)? == all - 1).then_some(()))
    })?;
    page.let_go(None)?;
    page.wait_until_ready()?;
    page.until_shown("#diameter-hint", "Set by hand").map(drop)
}

#[test]
fn what_is_counted_again_is_marked_and_not_summed_up() -> Result<()> {
    let scratch = Scratch::new("counted-again")?;
    let images =
        [scratch.write("a.png", png(&smear()?)?)?, scratch.write("b.png", png(&piece(0, 0, 200, 160)?)?)?];
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images)?;
    page.show("a.png")?;
    page.session().click("[data-table=images]")?;
    let total = page.until_shown("#images-foot", "2 images")?;
    ensure!(!total.contains('–'), "{total}");
    let before = count(&page)?;
    let row = |number: u32| page.shown(&format!("#images-body tr:nth-child({number})"));
    // In the list, in the table of all images.
    let counting = |name: &str, number: u32| -> Result<[bool; 3]> {
        let state = page.result_state(name)? == "counting";
        Ok([state, page.result_text(name)?.contains("counting…"), row(number)?.contains("counting…")])
    };
    let until = |what: &str, a: bool, b: bool| {
        page.wait(what, || {
            let now = [counting("a.png", 1)?, counting("b.png", 2)?];
            Ok((now == [[a; 3], [b; 3]]).then_some(()))
        })
    };

    page.hold("measure")?;
    page.set("#threshold", "0.7")?;
    page.until_held()?;
    until("both are counted again", true, true)?;
    page.until_shown("#images-foot", "–")?;
    assert_eq!(count(&page)?, before, "the figures of the image shown stay until there are others");
    // The image shown comes first.
    page.let_go(Some("measure"))?;
    page.until_held()?;
    until("one is counted", false, true)?;
    ensure!(page.shown("#images-foot")?.contains('–'), "{}", page.shown("#images-foot")?);
    page.let_go(None)?;
    page.wait_until_ready()?;
    until("all are counted", false, false)?;
    let sum = "const cells = (row) => parseInt(row.cells[1].innerText), all = (where) => [...document.querySelectorAll(where)].map(cells);
        return [all('#images-body tr').reduce((a, b) => a + b), ...all('#images-foot tr')]";
    let sum: [usize; 2] = serde_json::from_value(page.js(sum, json!([]))?)?;
    assert_eq!(sum[0], sum[1]);
    ensure!(!page.shown("#images-foot")?.contains('–'), "{}", page.shown("#images-foot")?);
    Ok(())
}

#[test]
fn a_zip_is_of_the_moment_it_was_asked_for() -> Result<()> {
    let scratch = Scratch::new("zip")?;
    let images = [
        scratch.write("one.png", png(&smear()?)?)?,
        scratch.write("two.png", png(&plain_field()?)?)?,
        scratch.write("three.png", png(&piece(0, 0, 200, 160)?)?)?,
    ];
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images)?;
    page.hold("pack")?;
    let zip = page.saved_by(".zip", || {
        page.click("export-zip")?;
        page.until_held()?;
        // While the first image is being packed, the second is segmented again and the third is removed.
        page.show_early("two.png")?;
        page.set("#diameter", "90")?;
        page.js("document.querySelector('[data-name=\"three.png\"] .remove').click()", json!([]))?;
        page.let_go(None)
    })?;
    let zip = unzip::files(&fs::read(zip)?)?;
    let text = |name: &str| -> Result<String> {
        let file = zip.iter().find(|(file, _)| file == name).with_context(|| format!("no {name}"))?;
        Ok(String::from_utf8(file.1.clone())?)
    };
    let summary = text("summary.csv")?;
    let column = |name| table::column_in(summary.as_bytes(), name);
    let mut summed_up = BTreeMap::new();
    for (name, cells) in column("name")?.into_iter().zip(column("cells")?) {
        summed_up.insert(name, cells.parse()?);
    }
    for stem in ["one", "two", "three"] {
        let rows = text(&format!("{stem}.cells.csv"))?.lines().count() - 1;
        assert_eq!(summed_up.get(stem), Some(&rows), "{stem}: {summary}");
    }
    page.wait_until_ready()?;
    ensure!(page.would_ask()?, "what was found since is not in the zip");
    Ok(())
}

#[test]
fn numbers_are_read_as_people_type_them() -> Result<()> {
    let scratch = Scratch::new("typed")?;
    let image = scratch.write("smear.png", png(&plain_field()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    page.set("#scale", "0.1")?;
    let point = page.until_shown("#mean-diameter", "µm")?;
    page.set("#scale", "")?;
    page.until_shown("#mean-diameter", "px")?;
    page.set("#scale", "0,1")?;
    assert_eq!(page.until_shown("#mean-diameter", "µm")?, point);
    assert_eq!(page.shown("#scale-hint")?, "");
    // A misplaced decimal point.
    page.set("#scale", "1,0")?;
    page.until_shown("#scale-hint", "red cells measure")?;
    page.set("#scale", "1.000,5")?;
    page.until_shown("#scale-hint", "Not a number")?;
    page.until_shown("#mean-diameter", "px")?;

    page.set("#diameter", "3850")?;
    page.until_shown("#diameter-hint", "from 4 to 1000")?;
    ensure!(page.attribute("state")? == "ready", "the model runs with a diameter that was refused");
    page.set("#diameter", "70,5")?;
    page.wait_until_ready()?;
    page.until_shown("#diameter-hint", "Set by hand")?;
    // No cell is so large: the page says so.
    page.set("#diameter", "900")?;
    page.wait_until_ready()?;
    page.until_shown("#warnings", "given diameter")?;
    assert_eq!(count(&page)?, 0);
    Ok(())
}

#[test]
fn all_images_take_a_diameter_and_give_it_back() -> Result<()> {
    let scratch = Scratch::new("all")?;
    let images =
        [scratch.write("a.png", png(&smear()?)?)?, scratch.write("b.png", png(&piece(0, 0, 200, 160)?)?)?];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("a.png")?;
    // As a click of a mouse: the first of a double click, or its second, which does nothing.
    let to_all = |nth: u32| {
        let body = "document.getElementById('diameter-all').dispatchEvent(new MouseEvent('click', { detail: arguments[0] }))";
        page.js(body, json!([nth]))
    };
    page.set("#diameter", "50")?;
    to_all(2)?;
    page.wait_until_ready()?;
    page.show("b.png")?;
    page.until_shown("#diameter-hint", "Estimated")?;
    page.show("a.png")?;
    to_all(1)?;
    page.wait_until_ready()?;
    page.show("b.png")?;
    page.until_shown("#diameter-hint", "Set by hand")?;
    page.set("#diameter", "")?;
    to_all(1)?;
    page.wait_until_ready()?;
    for name in ["a.png", "b.png"] {
        page.show(name)?;
        page.until_shown("#diameter-hint", "Estimated")?;
    }
    Ok(())
}

#[test]
fn a_diameter_for_all_leaves_what_was_stopped_or_failed_and_ends_a_run_with_another() -> Result<()> {
    let scratch = Scratch::new("all-but")?;
    let small = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let images = [small("done.png", 0)?, scratch.write("letter.png", "no picture")?];
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images)?;
    page.until_shown("#error", "letter.png")?;
    page.session().click("#dismiss")?;
    // One runs, one was stopped.
    page.hold("segment")?;
    page.pick("file-input", &[small("runs.png", 60)?, small("stopped.png", 120)?])?;
    page.until_held()?;
    page.show_early("stopped.png")?;
    page.key(ESCAPE)?;
    page.wait("it is stopped", || Ok((page.result_state("stopped.png")? == "stopped").then_some(())))?;

    page.show_early("done.png")?;
    page.set("#diameter", "50")?;
    page.session().click("#diameter-all")?;
    page.until("another worker takes over", "return window.held.length === 2", json!([]))?;
    assert_eq!(page.result_state("stopped.png")?, "stopped");
    page.let_go(None)?;
    page.wait_until_ready()?;
    let state = |name: &str| page.result_state(name);
    assert_eq!(
        [state("done.png")?, state("runs.png")?, state("stopped.png")?, state("letter.png")?],
        ["done", "done", "stopped", "failed"]
    );
    assert_eq!(page.shown("#error")?, "", "the file is read again");
    for name in ["done.png", "runs.png"] {
        page.show(name)?;
        page.until_shown("#diameter-hint", "Set by hand")?;
    }
    // It has taken the diameter for its next run.
    page.show("stopped.png")?;
    page.until("the field follows", "return document.getElementById('diameter').value === '50'", json!([]))?;
    Ok(())
}

#[test]
fn what_failed_is_told_and_can_be_taken_away() -> Result<()> {
    let scratch = Scratch::new("failed")?;
    let images = [scratch.write("letter.png", "no picture")?, scratch.write("smear.png", png(&smear()?)?)?];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("letter.png")?;
    page.until_shown("#warnings", "letter.png")?;
    page.show("smear.png")?;
    page.session().click("[data-table=images]")?;
    page.until_shown("#images-body", "failed")?;
    page.save("export-images", "summary.csv")?;
    page.until_shown("#error", "One image is stopped or failed and not in the file.")?;
    page.screenshot("failed")?;
    page.js("document.querySelector('[data-name=\"letter.png\"] .remove').click()", json!([]))?;
    page.until(
        "it is gone",
        "return document.querySelectorAll('[data-testid=result]').length === 1",
        json!([]),
    )?;
    // Clicking a row of the table shows its image.
    page.session().click("#images-body tr")?;
    page.until_shown("#picture-name", "smear.png").map(drop)
}

#[test]
fn messages_go_with_the_images_that_they_are_about() -> Result<()> {
    let scratch = Scratch::new("messages")?;
    let letters = (1..=8).map(|number| scratch.write(&format!("letter-{number}.png"), "no picture"));
    let letters = letters.collect::<Result<Vec<_>>>()?;
    let page = Page::open(Backend::Cpu)?;
    // Weights have no card that would say why they were refused, so this is never hidden.
    page.pick("weights-input", &[scratch.write("text.safetensors", "no weights")?])?;
    page.until_shown("#error", "text.safetensors")?;
    page.segment(&letters)?;
    let said = page.until_shown("#error", "3 earlier messages")?;
    ensure!(said.contains("letter-8.png") && !said.contains("letter-3.png"), "{said}");
    ensure!(said.contains("text.safetensors"), "{said}");
    let remove = "document.querySelector(`[data-name='letter-${arguments[0]}.png'] .remove`).click()";
    for number in [8, 1, 2] {
        page.js(remove, json!([number]))?;
    }
    page.until_shown("#error", "letter-3.png")?;
    let said = page.shown("#error")?;
    ensure!(!said.contains("letter-8.png") && !said.contains("earlier"), "{said}");
    for number in 3..8 {
        page.js(remove, json!([number]))?;
    }
    assert_eq!(page.shown("#error")?, "");
    Ok(())
}

#[test]
fn a_file_that_is_gone_is_told_of_where_it_is_missing() -> Result<()> {
    let scratch = Scratch::new("gone")?;
    let plain = image::RgbImage::from_pixel(160, 120, image::Rgb([228, 214, 219]));
    let images = [
        scratch.write("gone.png", png(&piece(0, 0, 200, 160)?)?)?,
        scratch.write("plain.png", png(&plain)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("plain.png")?;
    // Warnings are also announced to screen readers.
    let said = "return /plain.png: 0 cells; warning: ./.test(document.getElementById('spoken').textContent)";
    page.until("the warning is said", said, json!([]))?;
    fs::remove_file(&images[0])?;
    page.js("document.querySelector('[data-name=\"gone.png\"] button.result').click()", json!([]))?;
    page.until_shown("#error", "gone.png: can't be read any more")?;
    page.session().click("[data-testid=export-csv]")?;
    page.until_shown("#error", "gone.png: nothing was saved")?;
    let zip = unzip::files(&fs::read(page.save("export-zip", ".zip")?)?)?;
    page.until_shown("#error", "gone.png: its files are not in the zip")?;
    let names: Vec<&str> = zip.iter().map(|(name, _)| name.as_str()).collect();
    ensure!(names.contains(&"plain.cells.csv") && !names.contains(&"gone.cells.csv"), "{names:?}");
    Ok(())
}

#[test]
fn what_was_made_of_an_image_is_none() -> Result<()> {
    let scratch = Scratch::new("made")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    let made =
        [page.save("export-overlay", "smear.overlay.png")?, page.save("export-labels", "smear.labels.png")?];
    page.pick("file-input", &made)?;
    page.until_shown("#error", "smear.overlay.png and 1 more")?;
    let images = page.js("return document.querySelectorAll('[data-testid=result]').length", json!([]))?;
    assert_eq!(images, 1);
    Ok(())
}

#[test]
fn leaving_cells_out_keeps_numbers_and_changes_the_comparison() -> Result<()> {
    let scratch = Scratch::new("numbers-stay")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    page.session().click("#cells-body tr:nth-child(2) input")?;
    page.wait_until_ready()?;
    let ids = table::column(&page.save("export-csv", "smear.cells.csv")?, "id")?;
    assert_eq!(ids[..3], ["1", "3", "4"]);
    // With the mask just saved as truth, everything agrees.
    let mask = page.save("export-mask", "smear.mask.png")?;
    page.pick("truth-input", &[mask])?;
    page.until_shown("#truth-iou", "100.0 %").map(drop)
}
