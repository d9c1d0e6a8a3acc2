//! Manual correction: cells are drawn, joined and cut, corrections are undone, and all files agree.

use anyhow::{Context, Result, ensure};
use rbc_tests::hands::{Canvas, ESCAPE};
use rbc_tests::mask;
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{plain_field, png};
use rbc_tests::scratch::Scratch;
use serde_json::json;

const SIZE: (u32, u32) = (500, 420);

fn count(page: &Page) -> Result<usize> {
    page.wait_until_ready()?;
    Ok(page.text("cell-count")?.parse()?)
}

fn until_count(page: &Page, cells: usize) -> Result<()> {
    page.wait(&format!("{cells} cells"), || Ok((count(page)? == cells).then_some(())))
}

/// Centre and diameter of a round cell that stands alone: no other centre is within 1.2 diameters.
fn lone_cell(page: &Page) -> Result<(f64, f64, f64)> {
    let body = "return [...document.querySelectorAll('#cells-body tr')].map((row) =>
        [2, 3, 4, 7].map((column) => parseFloat(row.cells[column].textContent)))";
    let cells: Vec<(f64, f64, f64, f64)> = serde_json::from_value(page.js(body, json!([]))?)?;
    let alone = |&&(x, y, d, circularity): &&(f64, f64, f64, f64)| {
        let near = |&&(u, v, ..): &&(f64, f64, f64, f64)| (u - x).hypot(v - y) < 1.2 * d;
        let inside = x > d && y > d && x < f64::from(SIZE.0) - d && y < f64::from(SIZE.1) - d;
        inside && circularity > 0.9 && cells.iter().filter(near).count() == 1
    };
    let (x, y, d, _) = cells.iter().find(alone).context("no cell stands alone")?;
    Ok((*x, *y, *d))
}

fn ring(canvas: &Canvas, (x, y): (f64, f64), radius: f64) -> Vec<(f64, f64)> {
    let angles = (0..=24).map(|step| f64::from(step) / 24.0 * std::f64::consts::TAU);
    angles.map(|a| canvas.place(SIZE, (x + radius * a.cos(), y + radius * a.sin()))).collect()
}

#[test]
fn cells_are_cut_drawn_and_joined_and_all_is_taken_back() -> Result<()> {
    let scratch = Scratch::new("correct")?;
    let image = scratch.write("smear.png", png(&plain_field()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    // First: a browser may show a bar from the first download on, which makes the canvas smaller. Copied, as it may replace
    // the file by the next one.
    let untouched = scratch.path().join("untouched.png");
    std::fs::copy(page.save("export-mask", "mask.png")?, &untouched)?;
    let canvas = page.canvas()?;
    let all = count(&page)?;
    let (x, y, d) = lone_cell(&page)?;
    let place = |x, y| canvas.place(SIZE, (x, y));
    ensure!(page.js("return document.getElementById('undo').disabled", json!([]))? == true);

    page.click("cut-cells")?;
    page.until_shown("#pen-hint", "across")?;
    page.trace(&[place(x, y - 0.7 * d), place(x + 1.0, y), place(x, y + 0.7 * d)])?;
    until_count(&page, all + 1)?;
    page.screenshot("cut")?;
    page.until_shown("#picture-facts", "1 correction by hand")?;
    let table = std::fs::read_to_string(page.save("export-csv", "cells.csv")?)?;
    assert_eq!(table.lines().count(), all + 2, "a line of each cell, and a head: {table}");

    // A line that ends inside a cell splits nothing; the page says so and counts no correction. What was undone before it can
    // still be redone.
    page.click("undo")?;
    until_count(&page, all)?;
    page.trace(&[place(x - d, y), place(x - d * 0.7, y)])?;
    page.until_shown("#pen-hint", "splits no cell")?;
    until_count(&page, all)?;
    page.click("redo")?;
    until_count(&page, all + 1)?;
    page.until_shown("#picture-facts", "1 correction by hand")?;

    // A line around both halves makes them one cell, larger than before, which a click can still leave out.
    page.key("c")?;
    page.until_shown("#pen-hint", "encloses")?;
    page.trace(&ring(&canvas, (x, y), d * 0.6))?;
    until_count(&page, all)?;
    page.screenshot("drawn")?;
    let drawn = mask::coverage(&page.save("export-mask", ".png")?)?;
    ensure!(drawn > mask::coverage(&untouched)?, "the drawn cell is larger");
    page.click_at(place(x, y))?;
    until_count(&page, all - 1)?;

    // Corrections survive a change of the threshold.
    page.set("#threshold", "0.55")?;
    page.wait_until_ready()?;
    page.until_shown("#picture-facts", "3 corrections by hand")?;
    page.set("#threshold", "0.5")?;
    until_count(&page, all - 1)?;
    let table = page.save("export-images", ".csv")?;
    let table = std::fs::read_to_string(&table)?;
    ensure!(table.contains(&format!(",500,420,{},", all - 1)), "{table}");

    // Undo, by button and by key.
    page.click("undo")?;
    until_count(&page, all)?;
    page.key("u")?;
    until_count(&page, all + 1)?;
    page.key("u")?;
    until_count(&page, all)?;
    let back = page.save("export-mask", ".png")?;
    assert_eq!(mask::difference(&back, &untouched)?, 0.0);
    ensure!(page.js("return document.getElementById('undo').disabled", json!([]))? == true);

    // Redo, and undo again.
    for cells in [all + 1, all, all - 1] {
        page.click("redo")?;
        until_count(&page, cells)?;
    }
    ensure!(page.js("return document.getElementById('redo').disabled", json!([]))? == true);
    for cells in [all, all + 1, all] {
        page.key("u")?;
        until_count(&page, cells)?;
    }

    page.key(ESCAPE)?;
    page.until(
        "the pen is put down",
        "return document.getElementById('pen-hint').textContent === ''",
        json!([]),
    )?;
    page.drag(place(x, y - d), place(x, y + d))?;
    assert_eq!(count(&page)?, all, "without the pen a drag moves the picture");
    Ok(())
}

#[test]
fn neither_a_pinch_nor_a_late_answer_corrects_anything() -> Result<()> {
    let scratch = Scratch::new("late")?;
    let image = scratch.write("smear.png", png(&plain_field()?)?)?;
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&[image])?;
    let canvas = page.canvas()?;
    let all = count(&page)?;
    let (x, y, d) = lone_cell(&page)?;
    let place = |x, y| canvas.place(SIZE, (x, y));
    page.click("cut-cells")?;
    page.trace(&[place(x, y - 0.7 * d), place(x, y + 0.7 * d)])?;
    until_count(&page, all + 1)?;

    // A line that splits nothing is undone before the answer comes: the earlier correction stays.
    page.hold("measure")?;
    page.trace(&[place(x - d, y), place(x - d * 0.7, y)])?;
    page.until_held()?;
    page.key("u")?;
    page.until_shown("#picture-facts", "1 correction by hand")?;
    page.let_go(None)?;
    until_count(&page, all + 1)?;
    page.until_shown("#picture-facts", "1 correction by hand")?;

    // Two fingers zoom even while a pen is selected.
    page.pinch(canvas.middle(), 80.0, 160.0)?;
    until_count(&page, all + 1)?;
    page.until_shown("#picture-facts", "1 correction by hand")?;

    // A cell is put back, that is undone, and another one is put back, all before the first answer comes.
    let click = "for (const row of arguments) document.querySelector(`#cells-body tr[data-cell='${row}'] input`).click()";
    page.js(click, json!([2, 4]))?;
    until_count(&page, all - 1)?;
    page.hold("measure")?;
    page.js(click, json!([2]))?;
    page.key("u")?;
    page.js(click, json!([4]))?;
    page.let_go(None)?;
    until_count(&page, all)?;
    let out = "return [...document.querySelectorAll('tr.left-out')].map((row) => row.dataset.cell)";
    assert_eq!(page.js(out, json!([]))?, json!(["2"]));
    Ok(())
}

#[test]
fn a_cell_drawn_in_place_of_one_left_out_counts_and_no_correction_is_lost_unasked() -> Result<()> {
    let scratch = Scratch::new("redrawn")?;
    let image = scratch.write("smear.png", png(&plain_field()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    page.save("export-csv", "cells.csv")?;
    page.wait("all is saved", || Ok((!page.would_ask()?).then_some(())))?;
    let canvas = page.canvas()?;
    let all = count(&page)?;
    let (x, y, d) = lone_cell(&page)?;

    page.click_at(canvas.place(SIZE, (x, y)))?;
    until_count(&page, all - 1)?;
    page.save("export-overlay", "overlay.png")?;
    page.wait_until_ready()?;
    ensure!(page.would_ask()?, "an overlay holds no corrections");
    page.key("c")?;
    page.trace(&ring(&canvas, (x, y), d * 0.55))?;
    until_count(&page, all)?;
    ensure!(page.js("return document.querySelector('tr.left-out')", json!([]))?.is_null());
    // After undoing it, the other cell is left out again.
    page.key("u")?;
    until_count(&page, all - 1)?;
    // If a part of a left-out cell is drawn as a new cell, the rest stays left out.
    page.trace(&ring(&canvas, (x, y), d * 0.7))?;
    until_count(&page, all)?;
    page.click_at(canvas.place(SIZE, (x + 0.38 * d, y)))?;
    until_count(&page, all - 1)?;
    page.trace(&ring(&canvas, (x + 0.38 * d, y), d * 0.3))?;
    until_count(&page, all)?;
    ensure!(
        !page.js("return document.querySelector('tr.left-out')", json!([]))?.is_null(),
        "all of it counts"
    );
    page.save("export-mask", "mask.png")?;
    page.wait("all is saved", || Ok((!page.would_ask()?).then_some(())))
}
