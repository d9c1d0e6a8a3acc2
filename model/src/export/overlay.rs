//! Cell outlines drawn over the picture.

use super::pictures::png_of_rgb;
use crate::cells::Labels;
use crate::{Error, RgbImage};

/// Appearance of the outlines in an overlay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OverlayStyle {
    /// Colour of the outlines.
    pub outline: [u8; 3],
    /// Thickness of the outlines in pixels, drawn inwards from the cell's border.
    pub thickness: u32,
}

impl OverlayStyle {
    /// Green outlines, which stand out from the pink of most stains, thick enough to remain visible when an image of
    /// this size is scaled down to a screen.
    pub fn for_size(width: u32, height: u32) -> Self {
        Self { outline: [0, 200, 60], thickness: (width.max(height) / 900).clamp(1, 12) }
    }
}

/// The picture with every cell outlined.
///
/// # Errors
///
/// [`Error::Export`] if picture and labels differ in size.
pub fn draw_overlay(picture: &RgbImage, labels: &Labels, style: OverlayStyle) -> Result<RgbImage, Error> {
    if picture.dimensions() != (labels.width, labels.height) {
        return Err(Error::Export(format!(
            "the picture is {} x {}, its labels {} x {}: they must be of one size",
            picture.width(),
            picture.height(),
            labels.width,
            labels.height
        )));
    }
    let mut out = picture.clone();
    let near = near_border(labels, style.thickness);
    for (pixel, _) in out.pixels_mut().zip(near).filter(|(_, near)| *near) {
        pixel.0 = style.outline;
    }
    Ok(out)
}

/// [`draw_overlay`] in the default style, encoded as PNG.
///
/// # Errors
///
/// As [`draw_overlay`].
pub fn overlay_png(picture: &RgbImage, labels: &Labels) -> Result<Vec<u8>, Error> {
    png_of_rgb(&draw_overlay(picture, labels, OverlayStyle::for_size(labels.width, labels.height))?)
}

/// Which pixels belong to a cell and reach another label within `thickness` steps through 4-neighbours.
fn near_border(labels: &Labels, thickness: u32) -> Vec<bool> {
    let (width, height) = (labels.width as usize, labels.height as usize);
    let ids = &labels.ids;
    let differs = |at: usize, other: Option<usize>| other.is_some_and(|other| ids[other] != ids[at]);
    let mut near = vec![false; ids.len()];
    let mut ring: Vec<usize> = (0..ids.len())
        .filter(|&at| ids[at] != 0 && around(at, width, height).into_iter().any(|other| differs(at, other)))
        .collect();
    ring.iter().for_each(|&at| near[at] = true);
    for _ in 1..thickness {
        let mut next = Vec::new();
        for at in ring {
            for other in around(at, width, height).into_iter().flatten() {
                if !near[other] && ids[other] == ids[at] {
                    near[other] = true;
                    next.push(other);
                }
            }
        }
        ring = next;
    }
    near
}

/// Indices of the pixels to the left, right, above and below.
fn around(at: usize, width: usize, height: usize) -> [Option<usize>; 4] {
    let (x, y) = (at % width, at / width);
    [
        (x > 0).then(|| at - 1),
        (x + 1 < width).then_some(at + 1),
        (y > 0).then(|| at - width),
        (y + 1 < height).then_some(at + width),
    ]
}
