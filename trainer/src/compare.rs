//! Pictures of truth and prediction side by side, for inspection by eye.

use crate::files::write_whole;
use crate::problem::Problem;
use image::imageops::{self, FilterType};
use rbc_model::{GrayImage, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Longest side of a panel in pixels: small crops are enlarged to show their pixels, whole fields are reduced.
const PANEL: u32 = 640;
const GAP: u32 = 8;
const TRUTH: [u8; 3] = [0, 200, 60];
const PREDICTED: [u8; 3] = [235, 30, 140];
/// Missed pixels and false positives: two colours that colour-blind readers can tell apart.
const MISSED: [u8; 3] = [0, 90, 255];
const MADE_UP: [u8; 3] = [255, 120, 0];

/// What the colours mean, for captions.
pub const LEGEND: &str = "left: truth (green outline); middle: prediction (magenta outline); right: missed (blue), made up (orange)";

/// Three panels: the image with the outline of the truth, with that of the prediction, and the pixels in which they
/// differ. In the last, the unlabelled `margin` along each edge (pixels of the image) is dimmed.
pub fn panels(image: &RgbImage, truth: &GrayImage, predicted: &GrayImage, margin: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let scale = f64::from(PANEL) / f64::from(width.max(height));
    // Whole factors keep enlarged pixels square and of equal size.
    let scale = if scale >= 1.0 { scale.floor() } else { scale };
    let side = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let (w, h) = (side(width), side(height));
    let smooth = imageops::resize(image, w, h, FilterType::Triangle);
    let truth = imageops::resize(truth, w, h, FilterType::Nearest);
    let predicted = imageops::resize(predicted, w, h, FilterType::Nearest);
    let margin = (f64::from(margin) * scale).round() as u32;

    let mut out = RgbImage::from_pixel(3 * w + 2 * GAP, h, image::Rgb([255; 3]));
    let panels = [
        outlined(&smooth, &truth, TRUTH),
        outlined(&smooth, &predicted, PREDICTED),
        differing(&smooth, &truth, &predicted, margin),
    ];
    for (index, panel) in panels.iter().enumerate() {
        imageops::replace(&mut out, panel, index as i64 * i64::from(w + GAP), 0);
    }
    out
}

/// Writes a picture as PNG.
pub fn save(picture: &RgbImage, path: &Path) -> Result<(), Problem> {
    write_whole(path, &png(picture, path)?)
}

/// Encodes a picture as PNG, to be written to `path`.
pub fn png(picture: &RgbImage, path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Cursor::new(Vec::new());
    let encoded = picture.write_to(&mut bytes, image::ImageFormat::Png);
    encoded.map_err(|error| Problem::new(path, format!("cannot encode ({error})")))?;
    Ok(bytes.into_inner())
}

/// Draws a line along the inner edge of a mask.
fn outlined(image: &RgbImage, mask: &GrayImage, colour: [u8; 3]) -> RgbImage {
    let (width, height) = image.dimensions();
    let inside = |x: i64, y: i64| {
        // Everything beyond the image counts as inside, so that no outline is drawn along its border.
        let within = (0..i64::from(width)).contains(&x) && (0..i64::from(height)).contains(&y);
        !within || mask.get_pixel(x as u32, y as u32).0[0] > 0
    };
    let mut out = image.clone();
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let (x, y) = (i64::from(x), i64::from(y));
        // Two pixels thick, so that it is visible on screens of any density.
        let around = [(x - 2, y), (x + 2, y), (x, y - 2), (x, y + 2)];
        if inside(x, y) && around.iter().any(|&(x, y)| !inside(x, y)) {
            pixel.0 = colour;
        }
    }
    out
}

/// The image in pale grey with its errors in colour.
fn differing(image: &RgbImage, truth: &GrayImage, predicted: &GrayImage, margin: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let gray = imageops::grayscale(image);
    RgbImage::from_fn(width, height, |x, y| {
        let pale = 110 + (u16::from(gray.get_pixel(x, y).0[0]) * 145 / 255) as u8;
        let labelled = x >= margin && y >= margin && x + margin < width && y + margin < height;
        let pair = (truth.get_pixel(x, y).0[0] > 0, predicted.get_pixel(x, y).0[0] > 0);
        image::Rgb(match pair {
            _ if !labelled => [pale / 2; 3],
            (true, false) => MISSED,
            (false, true) => MADE_UP,
            _ => [pale; 3],
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_show_in_their_colours() {
        let image = RgbImage::from_pixel(4, 2, image::Rgb([200, 100, 100]));
        let half = |left: bool| {
            GrayImage::from_fn(4, 2, |x, _| image::Luma([if (x < 2) == left { 255 } else { 0 }]))
        };
        let out = panels(&image, &half(true), &half(false), 0);
        assert_eq!(out.dimensions(), (3 * 640 + 16, 320));
        let right = 2 * (640 + 8);
        assert_eq!(out.get_pixel(right + 10, 10).0, MISSED);
        assert_eq!(out.get_pixel(right + 630, 10).0, MADE_UP);
        assert_eq!(out.get_pixel(319, 10).0, TRUTH, "the outline runs inside the mask");
    }

    #[test]
    fn any_size_fits() {
        for (width, height) in [(1, 1), (3000, 1), (641, 1713)] {
            let mask = GrayImage::new(width, height);
            let out = panels(&RgbImage::new(width, height), &mask, &mask, 0);
            assert!(out.width() <= 3 * PANEL + 2 * GAP && out.height() <= PANEL);
        }
    }
}
