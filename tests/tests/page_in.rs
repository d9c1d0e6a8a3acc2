//! How images get into the page: chosen, dropped, pasted, from the camera, as samples; in all formats, in grey, with 16
//! bits, rotated.

use anyhow::{Context, Result, ensure};
use image::{DynamicImage, ImageFormat, imageops};
use rbc_tests::page::{Backend, Page};
use rbc_tests::pictures::{encoded, jpeg_with_orientation, piece, plain_field, png, smear};
use rbc_tests::scratch::Scratch;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

/// Number of cells and covered share as shown in the list: `31 cells, 40.2 %`.
fn found(page: &Page, name: &str) -> Result<String> {
    let text = page.result_text(name)?;
    let line = text.lines().find(|line| line.contains(" cell")).map(str::trim);
    line.map(String::from).with_context(|| format!("{name}: {text}"))
}

fn cells(line: &str) -> Result<f64> {
    line.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("no number in {line:?}"))
}

#[test]
fn every_format_is_read_and_the_same_pixels_give_the_same_cells() -> Result<()> {
    let scratch = Scratch::new("formats")?;
    let image = smear()?;
    let rgb = DynamicImage::from(image.clone());
    let deep = DynamicImage::from(rgb.to_rgb16());
    let write = |name: &str, bytes: Vec<u8>| scratch.write(name, bytes);
    let reference = write("reference.png", png(&image)?)?;
    let exact = [
        write("a.bmp", encoded(rgb.clone(), ImageFormat::Bmp)?)?,
        write("b.webp", encoded(rgb.clone(), ImageFormat::WebP)?)?,
        write("c.tif", encoded(rgb.clone(), ImageFormat::Tiff)?)?,
        write("d.tiff", encoded(deep.clone(), ImageFormat::Tiff)?)?,
        write("e.png", encoded(deep, ImageFormat::Png)?)?,
        write("f.png", encoded(DynamicImage::from(rgb.to_rgba8()), ImageFormat::Png)?)?,
    ];
    let gray = rgb.to_luma8();
    let gray_deep = DynamicImage::from(gray.clone()).to_luma16();
    let lossy = [
        write("g.jpg", encoded(rgb.clone(), ImageFormat::Jpeg)?)?,
        write("h.gif", encoded(rgb.to_rgba8(), ImageFormat::Gif)?)?,
    ];
    let grays = [
        write("i.png", encoded(gray, ImageFormat::Png)?)?,
        write("j.tif", encoded(gray_deep, ImageFormat::Tiff)?)?,
    ];
    let page = Page::open(Backend::Cpu)?;
    let all: Vec<PathBuf> = [&[reference][..], &exact, &lossy, &grays].concat();
    page.segment(&all)?;

    let expected = found(&page, "reference.png")?;
    ensure!(cells(&expected)? >= 10.0, "{expected}: too few cells to prove a thing");
    for name in ["a.bmp", "b.webp", "c.tif", "d.tiff", "e.png", "f.png"] {
        assert_eq!(found(&page, name)?, expected, "{name}");
    }
    for name in ["g.jpg", "h.gif"] {
        let off = cells(&found(&page, name)?)? / cells(&expected)?;
        ensure!((0.8..1.25).contains(&off), "{name}: {} and {expected}", found(&page, name)?);
    }
    // Without colour the picture is a different one, but it is the same in 8 and 16 bits and still shows cells.
    assert_eq!(found(&page, "i.png")?, found(&page, "j.tif")?);
    ensure!(cells(&found(&page, "i.png")?)? >= 5.0, "{}", found(&page, "i.png")?);
    Ok(())
}

#[test]
fn photographs_are_turned_upright() -> Result<()> {
    let scratch = Scratch::new("exif")?;
    let upright = plain_field()?;
    // Orientation 6: the picture must be rotated by 90 degrees clockwise.
    let lying = imageops::rotate270(&upright);
    let jpeg = scratch.write("lying.jpg", jpeg_with_orientation(&lying, 6)?)?;
    let plain = scratch.write("upright.jpg", encoded(upright.clone(), ImageFormat::Jpeg)?)?;
    let page = Page::open(Backend::Cpu)?;
    page.segment(&[plain, jpeg])?;
    page.show("upright.jpg")?;
    let expected = page.save("export-mask", "upright.mask.png")?;
    page.show("lying.jpg")?;
    page.until_shown("#picture-facts", "500 × 420")?;
    let turned = page.save("export-mask", "lying.mask.png")?;
    let differ = rbc_tests::mask::difference(&expected, &turned)?;
    ensure!(differ < 0.02, "{:.2} % of the pixels differ", differ * 100.0);
    Ok(())
}

#[test]
fn dropped_files_and_folders_come_in() -> Result<()> {
    let scratch = Scratch::new("drop")?;
    let one = scratch.write("one.png", png(&piece(0, 0, 200, 160)?)?)?;
    let two = scratch.write("two.png", png(&piece(200, 0, 200, 160)?)?)?;
    scratch.write("slides/deep/three.png", png(&piece(0, 160, 200, 160)?)?)?;
    scratch.write("slides/four.JPG", encoded(piece(200, 160, 200, 160)?, ImageFormat::Jpeg)?)?;
    scratch.write("slides/desktop.ini", "nobody meant this")?;
    scratch.write("slides/.hidden.png", "nor this")?;
    // As in our own data sets, the masks lie in a folder beside the images.
    let image = piece(100, 100, 200, 160)?;
    scratch.write("set/images/five.png", png(&image)?)?;
    let mask = image::GrayImage::from_fn(200, 160, |x, _| image::Luma([if x < 100 { 255 } else { 0 }]));
    let mask = encoded(mask, ImageFormat::Png)?;
    scratch.write("set/masks/five.png", mask.clone())?;
    // The suffix may stand there too, as in the names of the page's own masks.
    scratch.write("set/images/six.png", png(&image)?)?;
    scratch.write("set/masks/six.mask.png", mask)?;

    let page = Page::open(Backend::Cpu)?;
    page.drop_paths(&[one, two])?;
    page.drop_paths(&[scratch.path().join("slides")])?;
    page.drop_paths(&[scratch.path().join("set")])?;
    for name in ["one.png", "two.png", "three.png", "four.JPG", "five.png", "six.png"] {
        assert_eq!(page.until_through(name)?, "done", "{name}");
    }
    page.wait_until_ready()?;
    let count = page.js("return document.querySelectorAll('[data-testid=result]').length", json!([]))?;
    assert_eq!(count, 6, "only the pictures are taken from a folder");
    for name in ["five.png", "six.png"] {
        page.show(name)?;
        page.until_shown("[data-testid=truth-iou]", "%")?;
    }

    // A folder without pictures is reported.
    scratch.write("notes/readme.txt", "no picture")?;
    page.drop_paths(&[scratch.path().join("notes")])?;
    page.until_shown("[data-testid=error]", "No picture in the folder").map(drop)
}

#[test]
fn masks_go_to_the_image_of_their_own_data_set() -> Result<()> {
    let scratch = Scratch::new("sets")?;
    // The names are the same, the sizes are not: a mask assigned to the wrong image would be refused.
    for (set, width, height) in [("a", 200, 160), ("b", 160, 200)] {
        scratch.write(&format!("sets/{set}/images/x.png"), png(&piece(100, 100, width, height)?)?)?;
        let mask = image::GrayImage::from_fn(width, height, |x, _| image::Luma([u8::from(x < 100) * 255]));
        scratch.write(&format!("sets/{set}/masks/x.png"), encoded(mask, ImageFormat::Png)?)?;
    }
    let page = Page::open(Backend::Cpu)?;
    page.drop_paths(&[scratch.path().join("sets")])?;
    let results = "const all = [...document.querySelectorAll('[data-testid=result]')];";
    let through =
        format!("{results} return all.length === 2 && all.every((one) => one.dataset.state === 'done')");
    page.until("both are through", &through, json!([]))?;
    page.wait_until_ready()?;
    for (at, size) in [(0, "200 × 160"), (1, "160 × 200")] {
        page.js(
            &format!("{results} (all[arguments[0]].querySelector('button') ?? all[arguments[0]]).click()"),
            json!([at]),
        )?;
        page.until_shown("#picture-facts", size)?;
        page.until_shown("[data-testid=truth-iou]", "%")?;
    }
    // The column `file` tells them apart.
    let table = fs::read_to_string(page.save("export-images", "summary.csv")?)?;
    for (name, file) in [("x,", ",sets/a/images/x.png"), ("x-2,", ",sets/b/images/x.png")] {
        let told = table.lines().any(|line| line.starts_with(name) && line.contains(file));
        ensure!(told, "{file}: {table}");
    }
    // If several images match, the page does not guess; and a mask is not taken for an image.
    let mask = image::GrayImage::from_pixel(200, 160, image::Luma([255]));
    let mask = encoded(mask, ImageFormat::Png)?;
    page.pick("file-input", &[scratch.write("x_GT.png", mask.clone())?])?;
    page.until_shown("[data-testid=error]", "x_GT.png: skipped; several images have that name")?;
    page.pick("file-input", &[scratch.write("y.mask.png", mask)?])?;
    page.until_shown("[data-testid=error]", "y.mask.png: skipped; named like a mask")?;
    // An image that is added again counts twice, which the page points out.
    page.pick("file-input", &[scratch.path().join("sets/a/images/x.png")])?;
    page.until_shown("[data-testid=error]", "x.png: already in the list")?;
    page.until("it is a third", &through.replace("=== 2", "=== 3"), json!([]))?;
    page.js(&format!("{results} all[2].querySelector('.remove').click()"), json!([]))?;
    let said = "return document.getElementById('error').textContent.includes('already in the list')";
    page.until("it is told no more", &said.replace("return ", "return !"), json!([])).map(drop)
}

#[test]
fn pasted_pictures_samples_and_the_camera() -> Result<()> {
    let page = Page::open(Backend::Cpu)?;
    // The samples are labelled as synthetic and come with their truth.
    ensure!(page.shown("#samples")?.to_lowercase().contains("synthetic"), "samples are not labelled");
    page.until_samples()?;
    page.click("sample")?;
    page.until(
        "a synthetic sample is in the list",
        "return document.querySelector('[data-testid=result][data-name*=synthetic]')",
        json!([]),
    )?;
    page.wait_until_ready()?;
    page.until_shown("[data-testid=truth-iou]", "%")?;

    page.paste(&png(&piece(0, 0, 200, 160)?)?, "image.png")?;
    assert_eq!(page.until_through("image.png")?, "done");

    // On a phone the page offers the camera and accepts its pictures.
    page.be_a_phone()?;
    let camera = page.js(
        "const e = document.getElementById('camera-input'); return [e.getAttribute('capture'), e.accept]",
        json!([]),
    )?;
    assert_eq!(camera, json!(["environment", "image/*"]));
    page.session().reload()?;
    page.wait_until_ready()?;
    ensure!(!page.shown("#pick-camera")?.is_empty(), "no button for the camera on a phone");
    let scratch = Scratch::new("camera")?;
    let photo = scratch.write("photo.jpg", jpeg_with_orientation(&piece(0, 0, 160, 200)?, 1)?)?;
    page.session().send_keys("#camera-input", &photo.to_string_lossy())?;
    assert_eq!(page.until_through("photo.jpg")?, "done");
    page.screenshot("phone-photo").map(drop)
}
