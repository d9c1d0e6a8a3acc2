//! Cell outlines drawn over the picture.

use super::pictures::png_of_rgb;
use crate::cells::Labels;
use crate::{Error, RgbImage, grid};

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
    let row = |y: usize| &ids[y * width..][..width];
    let mut near = vec![false; ids.len()];
    let mut ring = Vec::new();
    for y in 0..height {
        let [above, here, below] = [y.saturating_sub(1), y, (y + 1).min(height - 1)].map(row);
        for (x, &id) in here.iter().enumerate().filter(|(_, id)| **id != 0) {
            let around = [here[x.saturating_sub(1)], here[(x + 1).min(width - 1)], above[x], below[x]];
            if around.iter().any(|&other| other != id) {
                near[y * width + x] = true;
                ring.push(y * width + x);
            }
        }
    }
    for _ in 1..thickness {
        let mut next = Vec::new();
        for at in ring {
            for other in grid::beside(at, width, ids.len()).into_iter().flatten() {
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
