//! Agreement of a predicted mask with the truth.
//!
//! Masks are gray images in which a pixel is a red blood cell where it is not zero. All figures run from 0
//! (nothing in common) to 1 (the same). Two empty masks agree: 1. An empty one against one that is not: 0.

mod boundary;
mod instances;
mod overlap;

pub use boundary::{boundary_f1, boundary_tolerance};
pub use instances::{InstanceScore, match_instances};
pub use overlap::Overlap;

use crate::{Error, GrayImage};
use serde::{Deserialize, Serialize};

/// How well one predicted mask agrees with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskScore {
    /// Intersection over union of the red blood cells.
    pub iou: f64,
    /// Mean of the intersections over union of red blood cells and of background.
    pub miou: f64,
    /// Twice the intersection over the sum of both areas (Dice, F1).
    pub dice: f64,
    /// Share of what was predicted that is cell; 1 where nothing was.
    pub precision: f64,
    /// Share of the true cells' pixels that was found; 1 where there are none.
    pub recall: f64,
    /// See [`boundary_f1`], at [`boundary_tolerance`].
    pub boundary_f1: f64,
}

/// Scores a mask against the truth, leaving out `margin` pixels along each edge of the image (0: none), as for
/// data sets that label no cells there.
///
/// Errors: the masks differ in size, or the margin leaves nothing over.
pub fn score_mask(predicted: &GrayImage, truth: &GrayImage, margin: u32) -> Result<MaskScore, Error> {
    check_sizes(predicted, truth)?;
    let (predicted, truth) = (inner(predicted, margin)?, inner(truth, margin)?);
    let overlap = Overlap::of(&predicted, &truth)?;
    Ok(MaskScore {
        iou: overlap.iou(),
        miou: overlap.miou(),
        dice: overlap.dice(),
        precision: overlap.precision(),
        recall: overlap.recall(),
        boundary_f1: boundary_f1(&predicted, &truth, boundary_tolerance(truth.width(), truth.height()))?,
    })
}

/// The part of an image at least `margin` pixels from each edge.
///
/// Errors: nothing is left.
pub fn inner(mask: &GrayImage, margin: u32) -> Result<GrayImage, Error> {
    let (width, height) = mask.dimensions();
    let both = margin.saturating_mul(2);
    let (w, h) = (width.saturating_sub(both), height.saturating_sub(both));
    if w == 0 || h == 0 {
        return Err(Error::Metrics(format!("a margin of {margin} px leaves nothing of {width} x {height}")));
    }
    Ok(if margin == 0 {
        mask.clone()
    } else {
        image::imageops::crop_imm(mask, margin, margin, w, h).to_image()
    })
}

pub(crate) fn check_sizes(a: &GrayImage, b: &GrayImage) -> Result<(), Error> {
    if a.dimensions() == b.dimensions() {
        return Ok(());
    }
    let ((aw, ah), (bw, bh)) = (a.dimensions(), b.dimensions());
    Err(Error::Metrics(format!("the mask is {aw} x {ah}, the truth {bw} x {bh}: they must be of one size")))
}

#[cfg(test)]
mod tests;
