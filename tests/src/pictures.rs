//! Pictures for the tests, made from the page's synthetic samples.

use anyhow::{Context, Result};
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::PathBuf;
use tiff::encoder::{Rational, TiffEncoder, colortype};
use tiff::tags::{ResolutionUnit, Tag};
use xtask::paths;

/// The path of one of the page's samples.
pub fn sample(name: &str) -> PathBuf {
    paths::root().join("web/assets/samples").join(name)
}

/// A part of a synthetic smear with about thirty cells, small enough to be segmented in a moment.
pub fn smear() -> Result<RgbImage> {
    piece(40, 30, 360, 300)
}

/// A part with separate cells of a clear size, so that rounding does not change the result.
pub fn plain_field() -> Result<RgbImage> {
    cut("synthetic-white-cells.webp", 560, 420, 500, 420)
}

/// A rectangle of the same smear as [`smear`].
pub fn piece(x: u32, y: u32, width: u32, height: u32) -> Result<RgbImage> {
    cut("synthetic-overlaps.webp", x, y, width, height)
}

fn cut(name: &str, x: u32, y: u32, width: u32, height: u32) -> Result<RgbImage> {
    let path = sample(name);
    let whole = image::open(&path).with_context(|| format!("cannot read {}", path.display()))?.into_rgb8();
    Ok(image::imageops::crop_imm(&whole, x, y, width, height).to_image())
}

/// Encodes an image in this format.
pub fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

pub fn png(image: &RgbImage) -> Result<Vec<u8>> {
    encoded(image.clone(), ImageFormat::Png)
}

/// A TIFF as written by ImageJ, with this width and height of a pixel in nanometres.
pub fn calibrated_tiff(image: &RgbImage, nanometres: [u32; 2]) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut bytes)?;
    let mut page = encoder.new_image::<colortype::RGB8>(image.width(), image.height())?;
    page.resolution_unit(ResolutionUnit::None);
    let [x, y] = nanometres.map(|nanometres| Rational { n: 1000, d: nanometres });
    page.x_resolution(x);
    page.y_resolution(y);
    page.encoder().write_tag(Tag::ImageDescription, "ImageJ=1.54f\nunit=micron\n")?;
    page.write_data(image)?;
    Ok(bytes.into_inner())
}

/// A JPEG as written by cameras: the pixels as the sensor read them, and a tag that says how to rotate them.
pub fn jpeg_with_orientation(image: &RgbImage, orientation: u8) -> Result<Vec<u8>> {
    let jpeg = encoded(image.clone(), ImageFormat::Jpeg)?;
    // An Exif header with one entry: tag 0x0112 (orientation), type short, one value.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2)?.to_be_bytes();
    Ok([&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat())
}

/// Repeats an image to fill this size, with each pixel enlarged `times`-fold.
pub fn spread(image: &RgbImage, width: u32, height: u32, times: u32) -> RgbImage {
    let (across, down) = image.dimensions();
    RgbImage::from_fn(width, height, |x, y| *image.get_pixel(x / times % across, y / times % down))
}
