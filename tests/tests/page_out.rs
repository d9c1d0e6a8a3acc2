//! All exports are opened and read: pictures, tables, outlines and the zip. The tables match those of `trainer
//! predict`.

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{piece, plain_field, png, smear};
use rbc_tests::scratch::Scratch;
use rbc_tests::table;
use rbc_tests::trainer::predict;
use rbc_tests::unzip;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// Whether two measures are equal except for a few pixels on an outline: the browser has no fused multiply-add, so a
/// probability near the threshold may end up on the other side.
fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 0.02 + 0.01 * b.abs()
}

/// Fails unless two tables are equal within rounding.
fn same_table(page: &str, native: &str) -> Result<()> {
    let (left, right) = (records(page)?, records(native)?);
    assert_eq!(left.len(), right.len(), "{page}\n{native}");
    for (left, right) in left.iter().zip(&right) {
        ensure!(left.len() == right.len(), "{left:?}\n{right:?}");
        for (a, b) in left.iter().zip(right) {
            let equal = match (a.parse::<f64>(), b.parse::<f64>()) {
                (Ok(a), Ok(b)) => close(a, b),
                // The page knows only the folders that were dropped on it.
                _ => a == b || !a.is_empty() && Path::new(b).ends_with(a),
            };
            ensure!(equal, "{a} is not {b}:\n{left:?}\n{right:?}");
        }
    }
    Ok(())
}

fn records(table: &str) -> Result<Vec<csv::StringRecord>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(table.as_bytes());
    Ok(reader.records().collect::<Result<_, _>>()?)
}

/// Fails unless two GeoJSON files are equal within rounding; their outlines may have different numbers of corners.
fn same_features(page: &Value, native: &Value) -> Result<()> {
    match (page, native) {
        (Value::Object(a), Value::Object(b)) => {
            ensure!(a.keys().eq(b.keys()), "{page}\n{native}");
            let mut fields = a.iter().filter(|(key, _)| *key != "coordinates");
            fields.try_for_each(|(key, a)| same_features(a, &b[key]))
        }
        (Value::Array(a), Value::Array(b)) => {
            ensure!(a.len() == b.len(), "{page}\n{native}");
            a.iter().zip(b).try_for_each(|(a, b)| same_features(a, b))
        }
        _ => {
            let numbers = page.as_f64().zip(native.as_f64());
            ensure!(numbers.map_or(page == native, |(a, b)| close(a, b)), "{page} is not {native}");
            Ok(())
        }
    }
}

/// Parses an ImageJ region: its bounds (top, left, bottom, right), its number of points, and its name.
fn region(bytes: &[u8]) -> Result<([i32; 4], usize, String)> {
    ensure!(bytes.starts_with(b"Iout"), "no region");
    let short = |at: usize| -> Result<i32> {
        let pair = bytes.get(at..at + 2).context("the region ends early")?;
        Ok(i32::from(i16::from_be_bytes([pair[0], pair[1]])))
    };
    let long = |at: usize| -> Result<usize> {
        let four = bytes.get(at..at + 4).context("the region ends early")?;
        Ok(u32::from_be_bytes([four[0], four[1], four[2], four[3]]) as usize)
    };
    ensure!(short(4)? >= 217, "too old a version for names");
    let bounds = [short(8)?, short(10)?, short(12)?, short(14)?];
    let count = short(16)? as usize;
    for point in 0..count {
        let (x, y) = (short(64 + 2 * point)?, short(64 + 2 * (count + point))?);
        ensure!(
            (0..=bounds[3] - bounds[1]).contains(&x) && (0..=bounds[2] - bounds[0]).contains(&y),
            "{x}, {y}: {bounds:?}"
        );
    }
    let second = long(60)?;
    let (name, length) = (long(second + 16)?, long(second + 20)?);
    let units: Vec<u16> = (0..length).map(|i| Ok(short(name + 2 * i)? as u16)).collect::<Result<_>>()?;
    Ok((bounds, count, String::from_utf16(&units)?))
}

/// A rectangle of the picture without clumps.
fn part(x: u32, y: u32, width: u32, height: u32) -> Result<RgbImage> {
    Ok(image::imageops::crop_imm(&plain_field()?, x, y, width, height).to_image())
}

#[test]
fn every_file_is_whole_and_the_tables_are_the_native_ones() -> Result<()> {
    let scratch = Scratch::new("out")?;
    // Separate cells and no slivers: seams and edges may be a pixel apart in the browser, which has no fused
    // multiply-add.
    let smear = part(40, 30, 360, 290)?;
    // Two names with the same stem, and a name that a table has to quote.
    let images = [
        scratch.write("smear.png", png(&smear)?)?,
        scratch.write(
            "smear.bmp",
            rbc_tests::pictures::encoded(part(12, 8, 200, 160)?, image::ImageFormat::Bmp)?,
        )?,
        scratch.write("day 2, slide 1.png", png(&part(200, 100, 200, 160)?)?)?,
        scratch.write("nothing.png", png(&RgbImage::from_pixel(120, 90, image::Rgb([228, 214, 219])))?)?,
    ];
    let native = scratch.path().join("native");
    predict(&images, &native, &["--geojson", "--rois", "--um-per-px", "0.125"])?.succeeded()?;
    let read = |name: &str| fs::read_to_string(native.join(name)).with_context(|| name.to_string());

    let page = Page::open(Backend::Cpu)?;
    page.segment(&images)?;
    page.set("#scale", "0.125")?;
    page.wait_until_ready()?;
    page.show("smear.png")?;
    let count: usize = page.text("cell-count")?.parse()?;

    let table = fs::read_to_string(page.save("export-csv", "smear.cells.csv")?)?;
    assert_eq!(table.lines().count(), count + 1);
    same_table(&table, &read("smear.cells.csv")?)?;
    let all = fs::read_to_string(page.save("export-images", "summary.csv")?)?;
    same_table(&all, &read("summary.csv")?)?;
    let warned: Vec<bool> = records(&all)?.iter().map(|line| !line[line.len() - 2].is_empty()).collect();
    assert_eq!(
        warned,
        [true, false, false, false, true],
        "the head, and the one without cells has a warning: {all}"
    );

    let mask = image::open(page.save("export-mask", "smear.mask.png")?)?;
    assert_eq!((mask.color(), mask.width(), mask.height()), (image::ColorType::L8, 360, 290));
    let labels = image::open(page.save("export-labels", "smear.labels.png")?)?;
    assert_eq!(labels.color(), image::ColorType::L16);
    let labels = labels.into_luma16();
    let mut ids: Vec<u16> = labels.pixels().map(|pixel| pixel.0[0]).filter(|id| *id > 0).collect();
    let inside = mask.to_luma8().pixels().filter(|pixel| pixel.0[0] == 255).count();
    assert_eq!(ids.len(), inside, "labels and mask cover the same pixels");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids, (1..=u16::try_from(count)?).collect::<Vec<_>>());
    let overlay = image::open(page.save("export-overlay", "smear.overlay.png")?)?.into_rgb8();
    assert_eq!(overlay.dimensions(), (360, 290));
    ensure!(overlay != smear, "nothing is drawn on the overlay");

    let json: Value =
        serde_json::from_str(&fs::read_to_string(page.save("export-geojson", "smear.geojson")?)?)?;
    assert_eq!(json["type"], "FeatureCollection");
    let features = json["features"].as_array().context("no features")?;
    assert_eq!(features.len(), count);
    for feature in features {
        assert_eq!(
            (&feature["geometry"]["type"], &feature["properties"]["objectType"]),
            (&"Polygon".into(), &"detection".into())
        );
        let ring = feature["geometry"]["coordinates"][0].as_array().context("no ring")?;
        ensure!(ring.len() >= 4 && ring.first() == ring.last(), "the ring is not closed: {ring:?}");
    }
    let native_json: Value = serde_json::from_str(&read("smear.geojson")?)?;
    same_features(&json, &native_json)?;

    let regions = unzip::files(&fs::read(page.save("export-roi", "smear.rois.zip")?)?)?;
    assert_eq!(regions.len(), count);
    let column = |name| table::column_in(table.as_bytes(), name);
    let centres = column("x")?.into_iter().zip(column("y")?);
    for ((x, y), (name, bytes)) in centres.zip(&regions) {
        let (bounds, points, inner) = region(bytes)?;
        assert_eq!(*name, format!("{inner}.roi"));
        ensure!(points >= 4, "{name} has {points} points");
        let (x, y): (f64, f64) = (x.parse()?, y.parse()?);
        let [top, left, bottom, right] = bounds.map(f64::from);
        ensure!(
            (left..=right).contains(&x) && (top..=bottom).contains(&y),
            "{name} is not about {x}, {y}: {bounds:?}"
        );
    }

    page.show("smear.bmp")?;
    page.save("export-mask", "smear-2.mask.png")?;

    // One zip with all files, named as by the native program.
    let whole = unzip::files(&fs::read(page.save("export-zip", ".zip")?)?)?;
    let mut names: Vec<&str> = whole.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let mut expected: Vec<String> = fs::read_dir(&native)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    expected.sort_unstable();
    assert_eq!(names, expected);
    for (name, bytes) in &whole {
        let native = fs::read(native.join(name))?;
        match name.as_str() {
            name if name.ends_with(".csv") => {
                same_table(std::str::from_utf8(bytes)?, std::str::from_utf8(&native)?)?
            }
            name if name.ends_with(".png") => {
                let [page, native] = [bytes, &native].map(|bytes| image::load_from_memory(bytes));
                let (page, native) = (page?.into_rgb8(), native?.into_rgb8());
                ensure!(page.dimensions() == native.dimensions(), "{name} has another size");
                let differ = page.pixels().zip(native.pixels()).filter(|(a, b)| a != b).count();
                let most = (page.width() * page.height()) as usize / 1000;
                ensure!(differ <= most, "{name} is not the native one: {differ} pixels differ");
            }
            _ => ensure!(!bytes.is_empty(), "{name} is empty"),
        }
    }
    Ok(())
}

#[test]
fn what_is_left_out_is_not_saved() -> Result<()> {
    let scratch = Scratch::new("left-out")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[image])?;
    let count: usize = page.text("cell-count")?.parse()?;
    page.session().click("#cells-body tr:nth-child(3) input")?;
    page.wait_until_ready()?;
    let table = fs::read_to_string(page.save("export-csv", "smear.cells.csv")?)?;
    assert_eq!(table.lines().count(), count, "a head and one cell less");
    let labels = image::open(page.save("export-labels", "smear.labels.png")?)?.into_luma16();
    let ids: HashSet<u16> = labels.pixels().map(|pixel| pixel.0[0]).filter(|id| *id > 0).collect();
    assert_eq!((ids.len(), ids.contains(&3)), (count - 1, false), "the others keep their numbers");

    // Exported immediately after a cell was left out, before anything was measured again.
    let cells = |cells: Vec<String>| -> Result<usize> {
        Ok(cells.first().context("no image in the table")?.parse()?)
    };
    let at_once = |row: usize, button: &str| {
        let body = "document.querySelector(`#cells-body tr:nth-child(${arguments[0]}) input`).click();
            document.getElementById(arguments[1]).click()";
        page.js(body, json!([row, button])).map(drop)
    };
    let summary = page.saved_by("summary.csv", || at_once(5, "export-images"))?;
    assert_eq!(cells(table::column(&summary, "cells")?)?, count - 2);
    let zip = unzip::files(&fs::read(page.saved_by(".zip", || at_once(7, "export-zip"))?)?)?;
    let text = |name: &str| -> Result<&str> {
        let file = zip.iter().find(|(file, _)| file == name).with_context(|| name.to_string())?;
        Ok(std::str::from_utf8(&file.1)?)
    };
    assert_eq!(cells(table::column_in(text("summary.csv")?.as_bytes(), "cells")?)?, count - 3);
    assert_eq!(text("smear.cells.csv")?.lines().count(), count - 2, "a head and the cells that count");
    Ok(())
}

#[test]
fn cells_left_out_quickly_stay_left_out() -> Result<()> {
    let scratch = Scratch::new("quickly")?;
    let image = scratch.write("smear.png", png(&smear()?)?)?;
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&[image])?;
    let count: usize = page.text("cell-count")?.parse()?;
    let click = "for (const row of arguments) document.querySelector(`#cells-body tr[data-cell='${row}'] input`).click()";
    let out = || {
        page.js(
            "return [...document.querySelectorAll('tr.left-out')].map((row) => row.dataset.cell)",
            json!([]),
        )
    };

    // Two cells are left out before the first answer; the first is put back when only its own answer has come.
    page.hold("measure")?;
    page.js(click, json!([3, 5]))?;
    page.until_held()?;
    page.let_go(Some("measure"))?;
    page.until_held()?;
    ensure!(page.attribute("state")? == "busy", "{}", page.attribute("state")?);
    page.until("both are out", "return document.querySelectorAll('tr.left-out').length === 2", json!([]))?;
    page.js(click, json!([3]))?;
    page.let_go(None)?;
    page.wait_until_ready()?;
    page.until("one is out", "return document.querySelectorAll('tr.left-out').length === 1", json!([]))?;
    assert_eq!(out()?, json!(["5"]));
    assert_eq!(page.text("cell-count")?, (count - 1).to_string());
    Ok(())
}

#[test]
fn what_the_browser_has_no_room_for_does_not_count_as_saved() -> Result<()> {
    let scratch = Scratch::new("no-room")?;
    let images = [
        scratch.write("one.png", png(&piece(0, 0, 140, 120)?)?)?,
        scratch.write("two.png", png(&piece(60, 0, 140, 120)?)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    page.segment(&images[..1])?;
    let full = "window.full = true;
        window.Blob = new Proxy(Blob, { construct(plain, all) {
            if (window.full) throw new Error('disk full');
            return new plain(...all); } })";
    page.js(full, json!([]))?;
    for (button, words) in [
        ("export-mask", "one.mask.png: not saved (disk full)"),
        ("export-images", "summary.csv: not saved (disk full)"),
        ("export-zip", "The zip could not be written (disk full)"),
    ] {
        page.click(button)?;
        page.until_shown("[data-testid=error]", words)?;
        page.wait_until_ready()?;
        ensure!(page.would_ask()?, "{button}: it counts as saved");
    }
    page.pick("file-input", &images[1..])?;
    assert_eq!(page.until_through("two.png")?, "failed");
    page.until_shown("[data-testid=error]", "two.png: the browser has no room")?;

    page.js("window.full = false; document.getElementById('retry-all').click()", json!([]))?;
    page.wait("two.png is done", || Ok((page.result_state("two.png")? == "done").then_some(())))?;
    page.wait_until_ready()?;
    page.save("export-zip", ".zip")?;
    page.wait("both are saved", || Ok((!page.would_ask()?).then_some(())))
}

#[test]
fn what_waits_or_is_being_packed_can_be_cancelled() -> Result<()> {
    let scratch = Scratch::new("cancelled")?;
    let small = |name: &str, left: u32| scratch.write(name, png(&piece(left, 0, 140, 120)?)?);
    let images = [small("one.png", 0)?, small("two.png", 60)?];
    let page = Page::holding(None)?;
    page.wait_until_ready()?;
    page.segment(&images)?;
    let saved = "const click = HTMLAnchorElement.prototype.click; window.saved = [];
        HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); click.call(this); }";
    page.js(saved, json!([]))?;
    // As a click of a mouse: the first of a double click, or its second.
    let click = |button: &str, nth: u32| {
        let body = "document.getElementById(arguments[0]).dispatchEvent(new MouseEvent('click', { detail: arguments[1] }))";
        page.js(body, json!([button, nth]))
    };
    let buttons = [("export-images", "All images, CSV"), ("export-zip", "Everything, zip")];

    // Both wait for the cells, with a double click too, and are called off.
    page.hold("measure")?;
    page.set("#threshold", "0.6")?;
    page.until_held()?;
    for (button, _) in buttons {
        click(button, 1)?;
        click(button, 2)?;
        assert_eq!(page.text(button)?, "Counting 2…");
    }
    for (button, rest) in buttons {
        click(button, 1)?;
        assert_eq!(page.text(button)?, rest);
    }
    page.let_go(None)?;
    page.wait_until_ready()?;

    // A zip is called off while it is packed; the next one is whole.
    page.hold("pack")?;
    click("export-zip", 1)?;
    page.until_held()?;
    assert_eq!(page.text("export-zip")?, "Packing 1 of 2…");
    click("export-zip", 1)?;
    assert_eq!(page.text("export-zip")?, "Everything, zip");
    page.wait_until_ready()?;
    page.let_go(None)?;
    let zip = unzip::files(&fs::read(page.save("export-zip", ".zip")?)?)?;
    for name in ["one.cells.csv", "two.cells.csv", "summary.csv"] {
        ensure!(zip.iter().any(|(file, _)| file == name), "no {name}");
    }
    assert_eq!(page.js("return window.saved", json!([]))?, json!(["red-blood-cells.zip"]));
    page.wait(
        "the button is free again",
        || Ok((page.text("export-zip")? == "Everything, zip").then_some(())),
    )
}
