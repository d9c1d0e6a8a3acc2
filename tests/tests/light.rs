//! With the shipped weights, a smear gives the same mask in another light, in a frame, or where part of the picture is
//! dark or empty.

use anyhow::{Context, Result, ensure};
use image::{GrayImage, Rgb, RgbImage};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::{predict, synth};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The new value of a pixel's channel, given the channel (0 to 2) and its value.
type Change = fn(usize, f32) -> f32;

/// Without correction, the first smear loses nearly all of its cells under a yellow lamp, the second half of them in
/// haze, and the third some in the dark.
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

/// Whether a pixel is lit through an eyepiece that is slightly narrower than the image.
fn lit(image: &RgbImage, x: u32, y: u32) -> bool {
    let (width, height) = (image.width() as f32, image.height() as f32);
    (x as f32 - width / 2.0).hypot(y as f32 - height / 2.0) < 0.52 * width
}

/// Smears as files, and folders for inputs and results.
struct Bench {
    scratch: Scratch,
    made: Vec<PathBuf>,
}

impl Bench {
    fn new(name: &str) -> Result<Self> {
        let scratch = Scratch::new(name)?;
        let made = synth(&scratch.path().join("smears"), 20, 5)?;
        std::fs::create_dir_all(scratch.path().join("in"))?;
        Ok(Self { scratch, made })
    }

    fn smear(&self, name: &str) -> Result<RgbImage> {
        let file = self
            .made
            .iter()
            .find(|file| file.file_stem() == Some(OsStr::new(name)))
            .context("no such smear")?;
        Ok(image::open(file)?.into_rgb8())
    }

    fn give(&self, name: &str, image: &RgbImage) -> Result<()> {
        Ok(image.save(self.scratch.path().join("in").join(format!("{name}.png")))?)
    }

    fn out(&self) -> PathBuf {
        self.scratch.path().join("out")
    }

    fn predict(&self) -> Result<()> {
        predict(&[self.scratch.path().join("in")], &self.out(), &[])?.succeeded().map(drop)
    }
}

fn mask(out: &Path, name: &str) -> Result<GrayImage> {
    Ok(image::open(out.join(format!("{name}.mask.png")))?.into_luma8())
}

#[test]
fn the_mask_stays_in_another_light() -> Result<()> {
    let bench = Bench::new("light")?;
    for name in SMEARS {
        let smear = bench.smear(name)?;
        bench.give(name, &smear)?;
        for (light, change) in LIGHTS {
            bench.give(&format!("{name}-{light}"), &changed(&smear, change))?;
        }
    }
    bench.predict()?;
    for name in SMEARS {
        let plain = mask(&bench.out(), name)?;
        for (light, _) in LIGHTS {
            let other = mask(&bench.out(), &format!("{name}-{light}"))?;
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
    let bench = Bench::new("eyepiece")?;
    let smear = bench.smear("test_017")?;
    let (width, height) = smear.dimensions();
    let picture = RgbImage::from_fn(width, height, |x, y| {
        if lit(&smear, x, y) { *smear.get_pixel(x, y) } else { Rgb([3, 2, 4]) }
    });
    bench.give("picture", &picture)?;
    bench.predict()?;
    let (mut found, mut unlit) = (0, 0);
    for (x, y, pixel) in mask(&bench.out(), "picture")?.enumerate_pixels() {
        found += u32::from(pixel.0[0] > 0);
        unlit += u32::from(pixel.0[0] > 0 && !lit(&smear, x, y));
    }
    // Interpolation extends cells by a pixel or two beyond the rim.
    ensure!(found > 20_000 && unlit < found / 1000, "{unlit} of {found} pixels lie where no light falls");

    // The eyepiece's rim cuts cells as the edge of the image does.
    let mut cut = [0; 2];
    for row in csv::Reader::from_path(bench.out().join("picture.cells.csv"))?.into_deserialize() {
        let row: HashMap<String, String> = row?;
        let number =
            |name: &str| row.get(name).and_then(|text| text.parse::<f32>().ok()).context("no number");
        let (x, y, radius) = (number("x")?, number("y")?, number("diameter_px")? / 2.0);
        let near = |at: f32, extent: u32| at < 1.1 * radius || at > extent as f32 - 1.1 * radius;
        let is_cut = row.get("touches_edge").is_some_and(|value| value == "true");
        if !near(x, width) && !near(y, height) {
            cut[usize::from(is_cut)] += 1;
        }
    }
    let [whole, cut] = cut;
    ensure!(whole > 12 && cut > 2, "{whole} whole cells, {cut} cut by the rim");
    Ok(())
}

#[test]
fn a_frame_changes_nothing_within_it() -> Result<()> {
    let bench = Bench::new("frame")?;
    let smear = bench.smear("test_015")?;
    let mut picture = RgbImage::from_pixel(smear.width() + 150, smear.height() + 90, Rgb([255; 3]));
    image::imageops::replace(&mut picture, &smear, 100, 30);
    bench.give("alone", &smear)?;
    bench.give("picture", &picture)?;
    bench.predict()?;
    let (alone, framed) = (mask(&bench.out(), "alone")?, mask(&bench.out(), "picture")?);
    let (mut differ, mut beyond, mut cells) = (0, 0, 0);
    for (x, y, pixel) in framed.enumerate_pixels() {
        let inside = x >= 100 && y >= 30 && x < 100 + smear.width() && y < 30 + smear.height();
        let alone = inside && alone.get_pixel(x - 100, y - 30).0[0] > 0;
        let found = pixel.0[0] > 0;
        differ += u32::from(inside && found != alone);
        beyond += u32::from(found && !inside);
        cells += u32::from(alone);
    }
    // The rows and columns next to the frame are cut off with it.
    ensure!(
        beyond == 0 && differ < cells / 25,
        "{differ} of {cells} pixels differ, {beyond} lie in the frame"
    );
    Ok(())
}

#[test]
fn cells_are_found_around_a_bare_middle() -> Result<()> {
    let bench = Bench::new("bare")?;
    let smear = bench.smear("test_015")?;
    // Background of the smear's colour with a little noise. The empty part is larger than the area in which the cell
    // size is estimated.
    let background = background(&smear);
    let mut picture = RgbImage::from_fn(2400, 1900, |x, y| {
        Rgb(background.map(|value| value - 2 + ((x * 31 + y * 17) % 5) as u8))
    });
    let (right, bottom) = (2400 - i64::from(smear.width()), 1900 - i64::from(smear.height()));
    for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom)] {
        image::imageops::replace(&mut picture, &smear, x, y);
    }
    bench.give("alone", &smear)?;
    bench.give("picture", &picture)?;
    bench.predict()?;
    let covered = |name: &str| Ok(mask(&bench.out(), name)?.pixels().filter(|pixel| pixel.0[0] > 0).count());
    let (alone, together): (Result<usize>, Result<usize>) = (covered("alone"), covered("picture"));
    let share = together? as f64 / alone? as f64;
    ensure!((3.9..4.1).contains(&share), "{share} times as much in four as in one");
    Ok(())
}

/// The most frequent colour.
fn background(image: &RgbImage) -> [u8; 3] {
    let mut counts = HashMap::<[u8; 3], u32>::new();
    image.pixels().for_each(|pixel| *counts.entry(pixel.0).or_default() += 1);
    counts.into_iter().max_by_key(|(colour, count)| (*count, *colour)).map_or([200; 3], |(colour, _)| colour)
}
