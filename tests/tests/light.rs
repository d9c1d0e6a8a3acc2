//! The same smear in another light gives the same mask, with the shipped weights.

use anyhow::{Context, Result, ensure};
use image::{GrayImage, Rgb, RgbImage};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::{synth, trainer};
use std::ffi::OsStr;
use std::path::Path;

/// What becomes of a channel, 0 to 2, of a pixel.
type Change = fn(usize, f32) -> f32;

/// Without correction the first smear loses nearly all of its cells under a yellow lamp, the second half of them in haze,
/// and the third a part in the dark.
const SMEARS: [&str; 3] = ["test_017", "test_014", "test_018"];

const LIGHTS: [(&str, Change); 4] = [
    ("yellow", |channel, value| value * [1.0, 0.85, 0.6][channel]),
    ("blue", |channel, value| value * [0.65, 0.85, 1.0][channel]),
    ("dark", |_, value| value * 0.4),
    ("hazy", |_, value| value * 0.35 + 150.0),
];

fn changed(image: &RgbImage, change: Change) -> RgbImage {
    let mut image = image.clone();
    for pixel in image.pixels_mut() {
        let values = pixel.0.map(f32::from);
        pixel.0 = std::array::from_fn(|channel| change(channel, values[channel]).round() as u8);
    }
    image
}

/// Whether light falls on a pixel through an eyepiece that is a little less wide than the image.
fn lit(image: &RgbImage, x: u32, y: u32) -> bool {
    let (width, height) = (image.width() as f32, image.height() as f32);
    (x as f32 - width / 2.0).hypot(y as f32 - height / 2.0) < 0.52 * width
}

fn predict(images: &Path, out: &Path) -> Result<()> {
    let words = ["predict", "--device", "cpu", "--out"].map(OsStr::new);
    trainer(words.into_iter().chain([out.as_os_str(), images.as_os_str()]))?.succeeded().map(drop)
}

fn mask(out: &Path, name: &str) -> Result<GrayImage> {
    Ok(image::open(out.join(format!("{name}.mask.png")))?.into_luma8())
}

#[test]
fn the_mask_stays_in_another_light() -> Result<()> {
    let scratch = Scratch::new("light")?;
    let made = synth(&scratch.path().join("smears"), 20, 5)?;
    let (folder, out) = (scratch.path().join("in"), scratch.path().join("out"));
    std::fs::create_dir_all(&folder)?;
    for name in SMEARS {
        let file = made.iter().find(|file| file.file_stem() == Some(OsStr::new(name))).context(name)?;
        let smear = image::open(file)?.into_rgb8();
        smear.save(folder.join(format!("{name}.png")))?;
        for (light, change) in LIGHTS {
            changed(&smear, change).save(folder.join(format!("{name}-{light}.png")))?;
        }
    }
    predict(&folder, &out)?;
    for name in SMEARS {
        let plain = mask(&out, name)?;
        for (light, _) in LIGHTS {
            let other = mask(&out, &format!("{name}-{light}"))?;
            let count = |wanted: fn(bool, bool) -> bool| {
                plain.pixels().zip(other.pixels()).filter(|(a, b)| wanted(a.0[0] > 0, b.0[0] > 0)).count()
                    as f64
            };
            let iou = count(|a, b| a && b) / count(|a, b| a || b);
            ensure!(iou > 0.93, "{name}, {light}: IoU {iou}");
        }
    }
    Ok(())
}

#[test]
fn there_are_no_cells_around_an_eyepiece() -> Result<()> {
    let scratch = Scratch::new("eyepiece")?;
    let made = synth(&scratch.path().join("smears"), 20, 5)?;
    let (folder, out) = (scratch.path().join("in"), scratch.path().join("out"));
    std::fs::create_dir_all(&folder)?;
    let file = made.iter().find(|file| file.ends_with("test_017.png")).context("test_017")?;
    let smear = image::open(file)?.into_rgb8();
    let picture = RgbImage::from_fn(smear.width(), smear.height(), |x, y| {
        if lit(&smear, x, y) { *smear.get_pixel(x, y) } else { Rgb([3, 2, 4]) }
    });
    picture.save(folder.join("picture.png"))?;
    predict(&folder, &out)?;
    let (mut found, mut unlit) = (0, 0);
    for (x, y, pixel) in mask(&out, "picture")?.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        found += u32::from(pixel.0[0] > 0);
        unlit += u32::from(!lit(&smear, x, y));
    }
    // Interpolation takes a pixel or two over the rim.
    ensure!(found > 20_000 && unlit < found / 1000, "{unlit} of {found} pixels lie where no light falls");
    Ok(())
}
