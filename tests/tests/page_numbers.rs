//! The figures: scale typed and drawn, cells at the edge, tables, and all images together.

use anyhow::{Context, Result, ensure};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{calibrated_tiff, piece, png, smear, spread};
use rbc_tests::scratch::Scratch;
use rbc_tests::table;
use serde_json::json;

const SIZE: (u32, u32) = (360, 300);

fn number(text: &str) -> Result<f64> {
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().with_context(|| format!("no number in {text:?}"))
}

fn column(page: &Page, index: usize) -> Result<Vec<f64>> {
    let body = "return [...document.querySelectorAll('#cells-body tr')].map((row) => parseFloat(row.cells[arguments[0]].innerText))";
    Ok(serde_json::from_value(page.js(body, json!([index]))?)?)
}

/// The diameters in the table of cells, and whether the edge cuts the cell.
fn diameters_and_cuts(page: &Page) -> Result<Vec<(f64, bool)>> {
    let cut = "return [...document.querySelectorAll('#cells-body tr')].map((row) => row.innerText.includes('edge'))";
    let cut: Vec<bool> = serde_json::from_value(page.js(cut, json!([]))?)?;
    Ok(column(page, 4)?.into_iter().zip(cut).collect())
}

#[test]
fn figures_are_those_of_the_table_in_pixels_and_micrometres() -> Result<()> {
    let scratch = Scratch::new("numbers")?;
    let images = [
        scratch.write("smear.png", png(&smear()?)?)?,
        scratch.write("other.png", png(&piece(0, 0, 200, 160)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("smear.png")?;
    let (diameters, areas) = (diameters_and_cuts(&page)?, column(&page, 5)?);
    // In a column of their own, so that the numbers stand one below the other.
    let words = "return [...document.querySelectorAll('#cells-body tr')].filter((row) => row.cells[4].innerText.match(/[^0-9.]/)).length";
    assert_eq!(page.js(words, json!([]))?, 0);
    let count = number(&page.text("cell-count")?)?;
    assert_eq!(diameters.len() as f64, count);
    // Means are taken over the cells that the edge does not cut.
    let whole: Vec<f64> = diameters.iter().filter(|(_, cut)| !cut).map(|(value, _)| *value).collect();
    ensure!(!whole.is_empty() && whole.len() < diameters.len(), "{} of {count} are whole", whole.len());
    let mean = whole.iter().sum::<f64>() / whole.len() as f64;
    let diameter = number(&page.shown("#mean-diameter")?)?;
    ensure!((diameter / mean - 1.0).abs() < 0.02, "{diameter} and {mean}");
    let covered = areas.iter().sum::<f64>() / f64::from(SIZE.0 * SIZE.1);
    let stated = number(&page.text("coverage")?)?;
    ensure!((stated / 100.0 - covered).abs() < 0.01, "{stated} % and {covered}");
    ensure!(page.shown("#density")?.contains("per Mpx"), "{}", page.shown("#density")?);
    for figure in ["#mean-area", "#mean-circularity"] {
        ensure!(page.shown(figure)?.contains('±'), "{figure}: no spread");
    }

    // The scale is typed.
    page.set("#scale", "0.1")?;
    page.until_shown("#mean-diameter", "µm")?;
    page.wait_until_ready()?;
    let micrometres = number(&page.shown("#mean-diameter")?)?;
    ensure!((micrometres / diameter / 0.1 - 1.0).abs() < 0.02, "{micrometres} µm of {diameter} px");
    let density = page.until_shown("#density", "per mm²")?;
    // Cells cut by the edge count half.
    let within = (count + whole.len() as f64) / 2.0;
    let expected = within / (f64::from(SIZE.0 * SIZE.1) * 0.01 / 1e6);
    ensure!((number(&density)? / expected - 1.0).abs() < 0.01, "{density}, {expected} expected");

    // The scale is drawn along a scale bar: 180 image pixels are set to 45 µm. A misplaced line is drawn again with one press.
    page.session().click("#draw-scale")?;
    let canvas = page.canvas()?;
    page.drag(canvas.place(SIZE, (60.0, 100.0)), canvas.place(SIZE, (140.0, 150.0)))?;
    page.until_shown("#scale-form", "px. In µm")?;
    page.session().click("#draw-scale")?;
    page.until("it draws", "return document.getElementById('draw-scale').ariaPressed === 'true'", json!([]))?;
    assert_eq!(page.shown("#scale-form")?, "");
    page.drag(canvas.place(SIZE, (60.0, 150.0)), canvas.place(SIZE, (240.0, 150.0)))?;
    page.until_shown("#scale-form", "px. In µm")?;
    let pixels = number(&page.shown("#scale-pixels")?)?;
    ensure!((pixels - 180.0).abs() <= 2.0, "the line is {pixels} px long");
    page.set("#scale-length", "45")?;
    // What lies where the second click of a double click goes does nothing to all images.
    let middle = "const r = document.getElementById('scale-apply').getBoundingClientRect();
        return [r.left + r.width / 2, r.top + r.height / 2]";
    let middle = page.js(middle, json!([]))?;
    page.session().click("#scale-apply")?;
    let beneath = page.js("return document.elementFromPoint(...arguments[0])?.id", json!([middle]))?;
    ensure!(beneath != "diameter-all", "the next click is one on {beneath}");
    let scale = page.js("return Number(document.getElementById('scale').value)", json!([]))?;
    let scale = scale.as_f64().context("no scale")?;
    ensure!((scale / 0.25 - 1.0).abs() < 0.02, "{scale} µm per pixel");
    page.wait_until_ready()?;
    let micrometres = number(&page.shown("#mean-diameter")?)?;
    ensure!((micrometres / diameter / scale - 1.0).abs() < 0.02, "{micrometres} µm of {diameter} px");

    // Leaving out the cells cut by the edge.
    let edge = page.js("return [...document.querySelectorAll('#cells-body tr')].filter((row) => row.innerText.includes('edge')).length", json!([]))?;
    let edge = edge.as_f64().unwrap_or_default();
    ensure!(edge > 0.0, "no cell at the edge");
    page.session().click("#skip-edge")?;
    page.wait(
        "they are left out",
        || Ok((number(&page.text("cell-count")?)? == count - edge).then_some(())),
    )?;
    page.session().click("#skip-edge")?;
    page.wait("they are back", || Ok((number(&page.text("cell-count")?)? == count).then_some(())))?;
    page.wait_until_ready()?;

    // A cell at the edge that was left out by hand is not subtracted again if all cells at the edge are left out.
    let all = number(&page.shown("#density")?)?;
    let shows = |what: &str, cells: f64, cut: f64| {
        let density = all * (whole.len() as f64 + cut / 2.0) / (whole.len() as f64 + edge / 2.0);
        page.wait(what, || {
            let same = (number(&page.shown("#density")?)? / density - 1.0).abs() < 0.005;
            Ok((same && number(&page.text("cell-count")?)? == cells).then_some(()))
        })
    };
    let inner = whole.len() as f64;
    page.js("[...document.querySelectorAll('#cells-body tr')].find((row) => row.innerText.includes('edge')).querySelector('input').click()", json!([]))?;
    shows("one is left out", count - 1.0, edge - 1.0)?;
    page.session().click("#skip-edge")?;
    shows("one of those at the edge is left out by hand", inner, edge - 1.0)?;
    page.session().click("#undo")?;
    shows("it counts half again", inner, edge)?;
    page.session().click("#redo")?;
    shows("it does not", inner, edge - 1.0)?;
    page.session().click("#skip-edge")?;
    page.session().click("#undo")?;
    shows("all are back", count, edge)?;
    page.wait_until_ready()?;

    // The table can be sorted in both directions and indicates the direction.
    for (press, order) in [(1, "ascending"), (2, "descending")] {
        page.session().click("#cells-head th:nth-child(6) button")?;
        let head = "return document.querySelector('#cells-head th:nth-child(6)').ariaSort";
        page.until("the head says how it is sorted", &format!("{head} === arguments[0]"), json!([order]))?;
        let areas = column(&page, 5)?;
        let sorted =
            areas.windows(2).all(|pair| if press == 1 { pair[0] <= pair[1] } else { pair[0] >= pair[1] });
        ensure!(sorted, "{order}: {areas:?}");
    }

    // The table of all images, and the histogram of cell sizes. Changing them does not move the page.
    page.js("document.querySelector('#numbers').scrollIntoView(false)", json!([]))?;
    let moved = "const tables = ['images', 'sizes', 'cells'].map((table) => document.querySelector(`[data-table=${table}]`));
        return new Set(tables.map((table) => { table.click(); return Math.round(table.getBoundingClientRect().top); })).size";
    assert_eq!(page.js(moved, json!([]))?, 1);
    page.session().click("[data-table=images]")?;
    let all = page.until_shown("#images-body", "other.png")?;
    ensure!(all.contains("smear.png"), "{all}");
    let foot = page.shown("#images-foot")?;
    let rows = "return [...document.querySelectorAll('#images-body tr')].map((row) => parseFloat(row.cells[1].innerText)).reduce((a, b) => a + b)";
    let total = page.js(rows, json!([]))?.as_f64().unwrap_or_default();
    ensure!(foot.contains("2 images") && foot.contains(&total.to_string()), "{foot}, {total} cells");
    // No image has a truth mask, so there is no column for the IoU; the line above the totals is as long as the table.
    let shown = "return ['head', 'foot'].map((part) => [...document.querySelectorAll(`#images-${part} :is(th, td)`)].filter((e) => e.checkVisibility()).length)";
    assert_eq!(page.js(shown, json!([]))?, json!([8, 8]));
    page.session().click("[data-table=sizes]")?;
    page.until(
        "a bar for each size",
        "return document.querySelectorAll('#histogram rect').length > 3",
        json!([]),
    )?;
    let text = page.until_shown("#histogram-text", "smear.png")?;
    let (_, told) = text.split_once("variation ").context("no coefficient of variation")?;
    let squares: f64 = whole.iter().map(|value| (value - mean).powi(2)).sum();
    let variation = 100.0 * (squares / (whole.len() - 1) as f64).sqrt() / mean;
    ensure!((number(told)? / variation - 1.0).abs() < 0.03, "{text}, {variation} % expected");
    // Both axes have titles, the bars begin at no cells, and the numbers below are multiples of their distance.
    let texts = "return [...document.querySelectorAll('#histogram text')].map((e) => [e.getAttribute('text-anchor'), e.textContent])";
    let texts: Vec<(String, String)> = serde_json::from_value(page.js(texts, json!([]))?)?;
    for wanted in [("start", "Cells"), ("middle", "Diameter, µm"), ("end", "0")] {
        ensure!(
            texts.iter().any(|(anchor, text)| (anchor.as_str(), text.as_str()) == wanted),
            "no {wanted:?}: {texts:?}"
        );
    }
    let below: Vec<f64> = texts
        .iter()
        .filter(|(anchor, _)| anchor == "middle")
        .filter_map(|(_, text)| text.parse().ok())
        .collect();
    ensure!(below.len() > 1, "{texts:?}");
    let step = below[1] - below[0];
    ensure!(below.iter().all(|value| ((value / step).round() - value / step).abs() < 0.01), "{below:?}");
    page.screenshot("numbers").map(drop)
}

#[test]
fn totals_are_of_the_cells_of_all_images() -> Result<()> {
    let scratch = Scratch::new("totals")?;
    // Cells twice as large, so that the spread of all is not that of either image.
    let large = spread(&smear()?, 720, 600, 2);
    let images = [
        scratch.write("small.png", png(&piece(0, 0, 200, 160)?)?)?,
        scratch.write("large.png", png(&large)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    let mut whole = Vec::new();
    for name in ["small.png", "large.png"] {
        page.show(name)?;
        let cells = diameters_and_cuts(&page)?;
        whole.extend(cells.into_iter().filter(|(_, cut)| !cut).map(|(diameter, _)| diameter));
    }
    let mean = whole.iter().sum::<f64>() / whole.len() as f64;
    let squares: f64 = whole.iter().map(|diameter| (diameter - mean).powi(2)).sum();
    let deviation = (squares / (whole.len() - 1) as f64).sqrt();
    page.session().click("[data-table=images]")?;
    let total = page.until_shown("#images-foot td:nth-child(5)", "±")?;
    let (told_mean, told_deviation) = total.split_once('±').context("no spread")?;
    for (told, value) in [(told_mean, mean), (told_deviation, deviation)] {
        // Three digits of the mean are told, and of the deviation as many decimals.
        let apart = (number(told)? - value).abs();
        ensure!(apart < 0.005 * mean, "{total}, {mean} ± {deviation} expected");
    }
    Ok(())
}

#[test]
fn a_file_that_tells_its_scale_is_measured_by_it_until_another_is_typed() -> Result<()> {
    let scratch = Scratch::new("calibrated")?;
    let images = [
        scratch.write("own.tif", calibrated_tiff(&smear()?, [130; 2])?)?,
        scratch.write("other.png", png(&piece(0, 0, 200, 160)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("other.png")?;
    page.until_shown("#mean-diameter", "px")?;
    page.show("own.tif")?;
    let own = number(&page.until_shown("#mean-diameter", "µm")?)?;
    page.until_shown("#scale-hint", "As the file says")?;
    let placeholder = page.js("return document.getElementById('scale').placeholder", json!([]))?;
    assert_eq!(placeholder, "0.13");
    // A table of all images has only one unit.
    page.session().click("[data-table=images]")?;
    page.until_shown("#table-note", "in px and px²")?;
    let scales = |page: &Page| -> Result<Vec<String>> {
        table::column(&page.save("export-images", "summary.csv")?, "um_per_px")
    };
    assert_eq!(scales(&page)?, ["0.13", ""]);
    let cells = std::fs::read_to_string(page.save("export-csv", "own.cells.csv")?)?;
    ensure!(cells.lines().next().is_some_and(|head| head.ends_with("diameter_um")), "{cells}");

    // A scale that is typed applies to all images, and draws a warning if red cells cannot be so large.
    page.set("#scale", "0.26")?;
    page.until_shown("#scale-hint", "The file says 0.13")?;
    page.until_shown("#table-note", "in µm and µm²")?;
    page.wait_until_ready()?;
    let typed = number(&page.shown("#mean-diameter")?)?;
    ensure!((typed / own - 2.0).abs() < 0.02, "{typed} and {own} µm");
    page.set("#scale", "2.6")?;
    page.until_shown("#warnings", "check the scale")?;
    page.set("#scale", "")?;
    page.until_shown("#scale-hint", "As the file says")?;
    page.wait_until_ready()?;
    assert_eq!(number(&page.shown("#mean-diameter")?)?, own);
    assert_eq!(page.shown("#warnings")?, "");
    Ok(())
}

#[test]
fn tables_are_copied_as_a_spreadsheet_in_any_language_takes_them() -> Result<()> {
    let scratch = Scratch::new("copied")?;
    let images = [
        scratch.write("=smear.png", png(&smear()?)?)?,
        scratch.write("other.png", png(&piece(0, 0, 200, 160)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.show("=smear.png")?;
    // Instead of the clipboard, which a browser without a window does not have.
    let keep =
        "navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); };";
    page.js(keep, json!([]))?;
    let copied = |page: &Page| -> Result<Vec<Vec<String>>> {
        page.js("window.copied = null", json!([]))?;
        page.session().click("#copy-table")?;
        let text = page.until("the table is copied", "return window.copied", json!([]))?;
        let text = text.as_str().context("no text")?.to_string();
        Ok(text.lines().map(|line| line.split('\t').map(String::from).collect()).collect())
    };
    let lines = copied(&page)?;
    page.until_shown("#copy-table", "Copied")?;
    page.until_shown("#spoken", "spreadsheet")?;
    assert_eq!(lines.len() as f64 - 1.0, number(&page.text("cell-count")?)?);
    ensure!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:?}");
    assert_eq!(lines[0][4], "Diameter, px");
    let diameter: f64 = lines[1][4].parse()?;
    ensure!((diameter - column(&page, 4)?[0]).abs() < 0.06, "{diameter} px");

    // In the order of the table, with micrometres, and as in a language with a decimal comma.
    let german =
        "const Format = Intl.NumberFormat; Intl.NumberFormat = function () { return new Format('de'); }";
    page.js(german, json!([]))?;
    page.set("#scale", "0.1")?;
    page.until_shown("#mean-diameter", "µm")?;
    page.wait_until_ready()?;
    page.js("document.querySelectorAll('#cells-head button')[4].click()", json!([]))?;
    page.until(
        "sorted",
        "return document.querySelector('#cells-head [aria-sort=ascending]')?.cellIndex === 4",
        json!([]),
    )?;
    let lines = copied(&page)?;
    assert_eq!(lines[0][4], "Diameter, µm");
    let sizes: Vec<f64> =
        lines[1..].iter().map(|line| Ok(line[4].replace(',', ".").parse()?)).collect::<Result<_>>()?;
    ensure!(sizes.is_sorted() && lines[1][4].contains(','), "{sizes:?}, {}", lines[1][4]);

    // All images. A name that a spreadsheet would take for a formula stays a name.
    page.session().click("button[data-table=images]")?;
    let lines = copied(&page)?;
    let names: Vec<&str> = lines.iter().map(|line| line[0].as_str()).collect();
    assert_eq!(names, ["Image", "'=smear.png", "other.png"]);
    page.session().click("button[data-table=sizes]")?;
    ensure!(page.shown("#copy-table")?.is_empty(), "there is no table to copy");

    // Where the browser refuses, the page says what to do instead.
    page.session().click("button[data-table=images]")?;
    page.js("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))", json!([]))?;
    page.session().click("#copy-table")?;
    page.until_shown("[data-testid=error]", "as CSV").map(drop)
}
