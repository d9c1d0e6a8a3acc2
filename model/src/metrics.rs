//! Agreement of a predicted mask with the ground truth.
//!
//! Masks are gray images in which non-zero pixels are red blood cells. All scores run from 0 (nothing in common) to 1
//! (identical). Two empty masks score 1; an empty mask against a non-empty one scores 0.

mod boundary;
mod instances;
mod overlap;

pub use boundary::{boundary_f1, boundary_tolerance};
pub use instances::{InstanceScore, match_instances};
pub use overlap::Overlap;

use crate::{Error, GrayImage};
use serde::{Deserialize, Serialize};

/// Agreement of one predicted mask with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskScore {
    /// Intersection over union (IoU) of the red blood cells.
    pub iou: f64,
    /// Mean of the IoUs of red blood cells and of background.
    pub miou: f64,
    /// Dice coefficient (F1): twice the intersection over the sum of both areas.
    pub dice: f64,
    /// Share of the predicted cell pixels that are true; 1 if nothing was predicted.
    pub precision: f64,
    /// Share of the true cell pixels that were predicted; 1 if there are none.
    pub recall: f64,
    /// See [`boundary_f1`]; computed at [`boundary_tolerance`].
    pub boundary_f1: f64,
}

/// Scores a mask against the truth, ignoring `margin` pixels along each edge of the image (0: none), for data sets that
/// label no cells there.
///
/// # Errors
///
/// [`Error::Metrics`] if the masks differ in size or the margin leaves nothing.
pub fn score_mask(predicted: &GrayImage, truth: &GrayImage, margin: u32) -> Result<MaskScore, Error> {
    check_sizes(predicted, truth)?;
    let (predicted, truth) = (without_margin(predicted, margin)?, without_margin(truth, margin)?);
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

/// The part of a mask at least `margin` pixels from each edge.
///
/// # Errors
///
/// [`Error::Metrics`] if nothing is left.
pub fn without_margin(mask: &GrayImage, margin: u32) -> Result<GrayImage, Error> {
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
