//! The image decoder shared by native programs and the browser, so that a file gives the same mask in both.
//!
//! Reads PNG, JPEG, WebP, BMP, GIF (first frame) and TIFF (first page); 1 to 16 bits and float; gray, colour, palette,
//! CMYK; with or without alpha. Results are upright: an EXIF or TIFF orientation is applied.

mod calibration;
mod labels;
mod levels;
mod raw;
mod start;
mod tiff_rest;

use crate::cells::Labels;
use crate::{Error, GrayImage, RgbImage};
pub use calibration::{oblong, um_per_px};
use image::DynamicImage;
pub use image::metadata::Orientation;
pub use start::is_foreign;

/// Maximum number of pixels of an image. 12 000 x 9 000 is 108 million.
pub const MAX_PIXELS: u64 = 300_000_000;
/// Maximum size in bytes of a file's unpacked pixels (12 000 x 9 000 in 16-bit RGBA: 864 MB).
pub const MAX_BYTES: u64 = 1 << 30;

const NOT_FILLED: &str = "the pixels do not fill the image; save it as 8-bit RGB";

/// Decodes a picture to upright 8-bit RGB. Transparent parts are composited over white, the colour of an empty field.
/// 16-bit samples are scaled by the camera's bit depth: the least of 8, 10, 12, 14 and 16 bits that holds the brightest
/// sample. Float and signed samples are taken as 0 to 1 if none lies outside by more than a tenth, else as those of a camera
/// of 8, 10, 12, 14 or 16 bits, else stretched from minimum to maximum.
///
/// `name` is used only in error messages.
///
/// # Errors
///
/// [`Error::Image`] if the bytes are not a readable image, or the picture exceeds [`MAX_PIXELS`] or [`MAX_BYTES`].
pub fn decode(bytes: &[u8], name: &str) -> Result<RgbImage, Error> {
    let raw = raw::read(bytes).map_err(|reason| refused(reason, name))?;
    let orientation = raw.orientation;
    let rgb = levels::rgb(raw).ok_or_else(|| refused(NOT_FILLED.into(), name))?;
    let mut image = DynamicImage::ImageRgb8(rgb);
    image.apply_orientation(orientation);
    Ok(image.into_rgb8())
}

/// Decodes a mask: a pixel is red blood cell if any colour channel is non-zero. The result is upright, with values 0
/// and 255. Alpha is ignored. In a lossy file (JPEG, lossy WebP, or either within TIFF), where zeros do not stay zero,
/// a pixel counts from half of the brightest value on, and a file nowhere brighter than 15 is empty.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_mask(bytes: &[u8], name: &str) -> Result<GrayImage, Error> {
    gray(bytes, name, levels::mask)
}

/// Decodes an instance image: 0 is background, and each other grey level or colour is a cell, numbered from 1 in the
/// order of first appearance in the file. The result is upright.
///
/// # Errors
///
/// As [`decode`], and if the file is lossy or has more than 65535 cells.
pub fn decode_labels(bytes: &[u8], name: &str) -> Result<Labels, Error> {
    let raw = raw::read(bytes).map_err(|reason| refused(reason, name))?;
    let ids = labels::number(&raw).map_err(|reason| refused(reason, name))?;
    let mut image = DynamicImage::ImageLuma16(ids);
    image.apply_orientation(raw.orientation);
    let ids = image.into_luma16();
    Ok(Labels { width: ids.width(), height: ids.height(), ids: ids.iter().map(|&id| id.into()).collect() })
}

/// The pixels of a lossy mask that are brighter than black but too dark for [`decode_mask`] to count: 255 there, 0
/// elsewhere. The result is upright. All zeros for lossless files.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_faint(bytes: &[u8], name: &str) -> Result<GrayImage, Error> {
    gray(bytes, name, levels::faint)
}

/// The transformation that makes a file's picture upright, without decoding pixels; [`Orientation::NoTransforms`] if
/// the file cannot be read.
pub fn orientation(bytes: &[u8]) -> Orientation {
    let found = start::format(bytes).ok().and_then(|format| raw::orientation(bytes, format));
    found.unwrap_or(Orientation::NoTransforms)
}

/// Whether the file has an alpha channel, which is ignored in masks.
pub fn has_alpha(bytes: &[u8]) -> bool {
    start::format(bytes).is_ok_and(|format| raw::has_alpha(bytes, format))
}

/// Whether the file's compression may change zeros, as described for [`decode_mask`].
pub fn is_lossy(bytes: &[u8]) -> bool {
    start::format(bytes).is_ok_and(|format| raw::is_lossy(bytes, format))
}

/// A sentence for the user, without semicolons, about parts of the file that are not read; `None` if everything is.
pub fn unread(bytes: &[u8]) -> Option<&'static str> {
    let format = start::format(bytes).ok()?;
    if format == image::ImageFormat::Tiff && tiff_rest::has_more_pages(bytes) {
        return Some(
            "the file has more than one page, of which only the first was processed: save the others as separate files",
        );
    }
    start::is_animation(bytes, format).then_some(
        "the file is an animation, of which only the first frame was processed: save the others as separate files",
    )
}

/// What `levels` makes of a file's samples, upright.
fn gray(bytes: &[u8], name: &str, levels: fn(&raw::Raw) -> Option<GrayImage>) -> Result<GrayImage, Error> {
    let raw = raw::read(bytes).map_err(|reason| refused(reason, name))?;
    let gray = levels(&raw).ok_or_else(|| refused(NOT_FILLED.into(), name))?;
    let mut image = DynamicImage::ImageLuma8(gray);
    image.apply_orientation(raw.orientation);
    Ok(image.into_luma8())
}

fn refused(reason: String, name: &str) -> Error {
    Error::Image { name: name.to_string(), reason }
}

#[cfg(test)]
mod tests;
