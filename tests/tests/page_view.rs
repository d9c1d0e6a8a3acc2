//! Viewing: zooming and panning by wheel, keys and touch, overlays, hovering, clicks, live threshold, magnification.

use anyhow::{Context, Result, ensure};
use rbc_tests::hands::{ESCAPE, RIGHT, SPACE};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{png, smear};
use rbc_tests::scratch::Scratch;
use serde_json::{Value, json};

const SIZE: (u32, u32) = (360, 300);

fn opened() -> Result<(Scratch, Page)> {
    let scratch = Scratch::new("view")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    Ok((scratch, page))
}

/// The zoom shown by the page in percent.
fn zoom(page: &Page) -> Result<f64> {
    let text = page.shown("#zoom-level")?;
    text.trim_end_matches(" %").parse().with_context(|| format!("no zoom: {text:?}"))
}

fn until_zoom(page: &Page, what: &str, fits: impl Fn(f64) -> bool) -> Result<f64> {
    page.wait(what, || Ok(Some(zoom(page)?).filter(|zoom| fits(*zoom))))
}

/// Id, x and y of every cell in the table.
fn rows(page: &Page) -> Result<Vec<(String, f64, f64)>> {
    let body = "return [...document.querySelectorAll('#cells-body tr')].map((row) =>
        [row.dataset.cell, parseFloat(row.cells[2].textContent), parseFloat(row.cells[3].textContent)])";
    Ok(serde_json::from_value(page.js(body, json!([]))?)?)
}

/// A cell well inside the picture.
fn inner(page: &Page) -> Result<(String, f64, f64)> {
    let inside = |(_, x, y): &(String, f64, f64)| (100.0..260.0).contains(x) && (80.0..220.0).contains(y);
    rows(page)?.into_iter().find(inside).context("no cell in the middle")
}

/// A hash of the canvas content.
fn drawn(page: &Page) -> Result<Value> {
    let body = "const c = document.getElementById('canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let h = 0; for (let i = 0; i < d.length; i += 7) h = (h * 31 + d[i]) | 0; return String(h)";
    page.js(body, json!([]))
}

/// Waits until the canvas does not change for six frames: all tiles and marks are drawn.
fn settled(page: &Page) -> Result<Value> {
    redrawn(page, &Value::Null)
}

/// Waits until the canvas differs from `before` and does not change for six frames.
fn redrawn(page: &Page, before: &Value) -> Result<Value> {
    page.wait("the picture changes", || {
        let now = drawn(page)?;
        let frames = "const done = arguments[0]; let n = 6; const step = () => n-- ? requestAnimationFrame(step) : done(); step()";
        page.session().script_async(frames, json!([]))?;
        Ok((now != *before && now == drawn(page)?).then_some(now))
    })
}

/// Waits until the tip is that of a cell; returns its words.
fn until_tip(page: &Page, id: &str) -> Result<String> {
    page.wait(&format!("the tip of cell {id}"), || {
        // Not in lines: WebKit tells them as one.
        let tip = page.shown("#tip")?;
        let words: Vec<_> = tip.split_whitespace().collect();
        Ok(words.starts_with(&["Cell", id]).then(|| words.join(" ")))
    })
}

#[test]
fn zoom_and_pan_by_wheel_keys_and_fingers() -> Result<()> {
    let (_scratch, page) = opened()?;
    let canvas = page.canvas()?;
    let fit = zoom(&page)?;
    // The buttons cover nothing of the picture, at whose lower right scale bars stand.
    let apart = "const [view, zoom] = ['.view', '.zoom'].map((part) => document.querySelector(part).getBoundingClientRect());
        return zoom.width > 0 && zoom.top >= view.bottom";
    ensure!(page.js(apart, json!([]))? == true, "the zoom buttons cover the picture");
    ensure!((fit / 100.0 / canvas.zoom(SIZE) - 1.0).abs() < 0.02, "{fit} % is not all of the picture");
    let (id, x, y) = inner(&page)?;
    let at = canvas.place(SIZE, (x, y));

    // Zooming is about the pointer: the cell under it stays there.
    page.wheel(at, -300)?;
    let nearer = until_zoom(&page, "the wheel zooms in", |zoom| zoom > fit * 1.3)?;
    page.hover((at.0 + 2.0, at.1 + 2.0))?;
    until_tip(&page, &id)?;
    page.wheel(at, 300)?;
    until_zoom(&page, "the wheel zooms out", |zoom| zoom < nearer * 0.8)?;

    page.js("document.getElementById('canvas').focus()", json!([]))?;
    page.key("0")?;
    until_zoom(&page, "0 shows all", |zoom| (zoom / fit - 1.0).abs() < 0.01)?;
    page.key("+")?;
    until_zoom(&page, "+ zooms in", |zoom| zoom > fit * 1.2)?;
    page.key("-")?;
    until_zoom(&page, "- zooms out", |zoom| (zoom / fit - 1.0).abs() < 0.02)?;
    page.key("1")?;
    until_zoom(&page, "1 is a pixel for a pixel", |zoom| (zoom - 100.0).abs() < 0.6)?;

    // Arrow keys and drags move the picture by the expected distance.
    page.key("0")?;
    until_zoom(&page, "0 shows all", |zoom| (zoom / fit - 1.0).abs() < 0.01)?;
    page.key(RIGHT)?;
    page.hover((at.0 - 80.0, at.1))?;
    until_tip(&page, &id)?;
    page.drag((at.0 - 80.0, at.1), (at.0, at.1 + 40.0))?;
    page.hover((at.0, at.1 + 40.0))?;
    until_tip(&page, &id)?;

    // The middle button moves the picture even with a pen in hand, and the browser does not scroll.
    let watch = "document.addEventListener('mousedown', (event) => { window.pressed = [event.button, event.defaultPrevented]; })";
    page.js(watch, json!([]))?;
    page.key("c")?;
    page.drag_with_middle((at.0, at.1 + 40.0), (at.0 - 60.0, at.1 + 10.0))?;
    page.key(ESCAPE)?;
    // Not where the pointer is already: that is no movement.
    page.hover((at.0 - 59.0, at.1 + 11.0))?;
    until_tip(&page, &id)?;
    assert_eq!(page.js("return window.pressed", json!([]))?, json!([1, true]));
    ensure!(!page.shown("#picture-facts")?.contains("correction"), "the middle button drew");

    // A pinch zooms in.
    page.key("0")?;
    until_zoom(&page, "0 shows all", |zoom| (zoom / fit - 1.0).abs() < 0.01)?;
    page.pinch(canvas.middle(), 80.0, 240.0)?;
    until_zoom(&page, "a pinch zooms in", |zoom| (2.3..4.0).contains(&(zoom / fit)))?;
    let hidden = page.js("return document.querySelectorAll('tr.left-out').length", json!([]))?;
    assert_eq!(hidden, 0, "neither a drag nor a pinch is a click");
    Ok(())
}

#[test]
fn overlays_change_what_is_drawn() -> Result<()> {
    let (_scratch, page) = opened()?;
    let mut before = settled(&page)?;
    for view in ["fill", "probability", "none", "outline"] {
        page.session().click(&format!("button[data-view={view}]"))?;
        before = redrawn(&page, &before)?;
        page.screenshot(&format!("view-{view}"))?;
    }
    let outline = before.clone();
    page.set("#opacity", "0.3")?;
    before = redrawn(&page, &before)?;
    page.set("#opacity", "0.85")?;
    assert_eq!(redrawn(&page, &before)?, outline);
    // The bare picture is shown as long as a key is held down.
    page.js("document.getElementById('canvas').focus()", json!([]))?;
    page.key_down(SPACE)?;
    let bare = redrawn(&page, &outline)?;
    page.key_up(SPACE)?;
    assert_eq!(redrawn(&page, &bare)?, outline);
    Ok(())
}

#[test]
fn cells_are_hovered_left_out_and_taken_in() -> Result<()> {
    let (_scratch, page) = opened()?;
    let count = |page: &Page| -> Result<usize> { Ok(page.text("cell-count")?.parse()?) };
    let all = count(&page)?;
    let (id, x, y) = inner(&page)?;
    let at = page.canvas()?.place(SIZE, (x, y));
    page.hover(at)?;
    let tip = until_tip(&page, &id)?;
    for measure in ["diameter", "area", "circularity", "certainty"] {
        ensure!(tip.contains(measure), "{tip}");
    }
    // The right button opens the browser's menu: the picture does not move and no cell is left out.
    let before = settled(&page)?;
    page.click_right_at(at)?;
    // Neither does the middle one leave it out.
    page.drag_with_middle(at, at)?;
    page.hover((at.0 + 1.0, at.1))?;
    page.wait_until_ready()?;
    assert_eq!((count(&page)?, settled(&page)?), (all, before));
    page.click_at(at)?;
    page.until(
        "one cell less",
        "return document.getElementById('cell-count').textContent == arguments[0]",
        json!([(all - 1).to_string()]),
    )?;
    page.until_shown("tr.left-out", "")?;
    page.click_at(at)?;
    page.until(
        "the cell is back",
        "return document.getElementById('cell-count').textContent == arguments[0]",
        json!([all.to_string()]),
    )?;

    // The same from the table, whose button also shows the cell in the picture.
    let before = zoom(&page)?;
    page.js("document.querySelector(`tr[data-cell='${arguments[0]}'] button`).click()", json!([id]))?;
    page.hover(page.canvas()?.middle())?;
    until_tip(&page, &id)?;
    ensure!(zoom(&page)? >= before, "showing a cell zooms out");
    page.session().click(&format!("tr[data-cell='{id}'] input"))?;
    page.until(
        "one cell less",
        "return document.getElementById('cell-count').textContent == arguments[0]",
        json!([(all - 1).to_string()]),
    )?;
    page.wait_until_ready()
}

#[test]
fn an_image_that_is_removed_leaves_nothing_behind() -> Result<()> {
    let scratch = Scratch::new("removed")?;
    let ground = image::RgbImage::from_pixel(120, 90, image::Rgb([228, 214, 219]));
    let image = scratch.write("ground.png", png(&ground)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    let warning = page.until_shown("#warnings", "")?;
    ensure!(warning.starts_with(char::is_uppercase), "nothing to mind with an empty image? {warning}");
    page.js("document.querySelector('[data-testid=result] .remove').click()", json!([]))?;
    page.until_shown("#welcome", "Drop smear images here")?;
    let left = "return ['warnings', 'picture-name', 'picture-facts'].map((id) => document.getElementById(id).textContent)";
    assert_eq!(page.js(left, json!([]))?, json!(["", "", ""]));
    let label = page.js("return document.getElementById('canvas').ariaLabel", json!([]))?;
    assert_eq!(label, "No picture yet");
    Ok(())
}

#[test]
fn threshold_and_split_work_live_and_the_diameter_runs_the_model_again() -> Result<()> {
    let (_scratch, page) = opened()?;
    // The states of the image in the list show whether the model runs.
    let watch = "window.seen = []; new MutationObserver(() => {
            const e = document.querySelector('[data-testid=result]'); if (e) window.seen.push(e.dataset.state); })
        .observe(document.getElementById('results'), { subtree: true, attributes: true, attributeFilter: ['data-state'] })";
    page.js(watch, json!([]))?;
    let ran = |page: &Page| -> Result<bool> {
        Ok(page.js("return window.seen.includes('working')", json!([]))? == true)
    };
    let coverage = |page: &Page| -> Result<f64> {
        page.wait_until_ready()?;
        let text = page.text("coverage")?;
        text.trim_end_matches(" %").parse().with_context(|| text.clone())
    };
    let middle = coverage(&page)?;
    page.set("#threshold", "0.1")?;
    let generous =
        page.wait("more is taken in", || Ok(Some(coverage(&page)?).filter(|share| *share > middle)))?;
    page.set("#threshold", "0.95")?;
    page.wait("less is taken in", || {
        Ok(Some(coverage(&page)?).filter(|share| *share < generous.min(middle)))
    })?;
    page.key("[")?;
    page.until_shown("#threshold-value", "0.93")?;
    page.set("#threshold", "0.5")?;
    let cells: usize = page.wait("as before", || {
        Ok(if coverage(&page)? == middle { Some(page.text("cell-count")?.parse()?) } else { None })
    })?;
    page.session().click("#split")?;
    page.wait("touching cells are one", || {
        Ok((page.text("cell-count")?.parse::<usize>()? < cells).then_some(()))
    })?;
    page.session().click("#split")?;
    page.wait("they are parted again", || {
        Ok((page.text("cell-count")?.parse::<usize>()? == cells).then_some(()))
    })?;
    ensure!(!ran(&page)?, "the model ran again for a threshold");

    let hint = page.until_shown("#diameter-hint", "Estimated")?;
    ensure!(hint.chars().any(|c| c.is_ascii_digit()), "{hint}");
    page.set("#diameter", "30")?;
    page.until("the model runs again", "return window.seen.includes('working')", json!([]))?;
    page.wait_until_ready()?;
    page.until_shown("#diameter-hint", "Set by hand").map(drop)
}

#[test]
fn under_fingers_a_tap_tells_and_a_pinch_measures_nothing() -> Result<()> {
    let scratch = Scratch::new("fingers")?;
    let images = [
        scratch.write("smear.png", png(&smear()?)?)?,
        scratch.write("other.png", png(&rbc_tests::pictures::piece(0, 0, 200, 160)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("smear.png")?;
    let canvas = page.canvas()?;
    // Without a pen, a finger scrolls the page.
    let stroke = "return getComputedStyle(document.getElementById('canvas')).touchAction";
    assert_eq!(page.js(stroke, json!([]))?, "pan-y");
    let (id, x, y) = inner(&page)?;
    let at = canvas.place(SIZE, (x, y));
    page.tap(at)?;
    until_tip(&page, &id)?;
    let tip = "const r = document.getElementById('tip').getBoundingClientRect(); return [r.left, r.top]";
    let [left, top]: [f64; 2] = serde_json::from_value(page.js(tip, json!([]))?)?;
    ensure!((left - at.0).hypot(top - at.1) < 250.0, "{left}, {top} is not beside {at:?}");
    page.show("other.png")?;
    ensure!(
        page.js("return document.getElementById('tip').hidden", json!([]))? == true,
        "another's cell is told of"
    );
    page.show("smear.png")?;

    page.key("m")?;
    page.until("what is drawn does not scroll", &format!("{stroke} === 'none'"), json!([]))?;
    page.drag_that_becomes_a_pinch(canvas.middle())?;
    page.wait_until_ready()?;
    let form = "return document.getElementById('scale-form').hidden";
    ensure!(page.js(form, json!([]))? == true, "the pinch drew a scale line");
    // Where there is no Escape, a button on the picture puts the ruler down.
    page.session().click("#pen-done")?;
    page.until(
        "nothing is in hand",
        "return document.getElementById('draw-scale').ariaPressed === 'false'",
        json!([]),
    )?;
    ensure!(page.shown("#pen-done")?.is_empty(), "it stays");
    page.key("m")?;
    page.drag(canvas.middle(), (canvas.middle().0 + 60.0, canvas.middle().1))?;
    page.until_shown("#scale-form", "px. In µm")?;
    page.key(rbc_tests::hands::ESCAPE)?;
    page.until("Escape puts it away", form, json!([])).map(drop)
}
