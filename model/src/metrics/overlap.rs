//! Pixel counts of two masks and the scores derived from them.

use super::check_sizes;
use crate::{Error, GrayImage};
use serde::{Deserialize, Serialize};

/// Numbers of pixels by predicted and true class. Add them up over images for a pooled score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Cell in both masks.
    pub both: u64,
    /// Cell in the prediction only.
    pub predicted_only: u64,
    /// Cell in the truth only.
    pub truth_only: u64,
    /// Background in both masks.
    pub neither: u64,
}

impl Overlap {
    /// Counts two masks of the same size.
    ///
    /// # Errors
    ///
    /// [`Error::Metrics`] if the sizes differ.
    pub fn of(predicted: &GrayImage, truth: &GrayImage) -> Result<Self, Error> {
        check_sizes(predicted, truth)?;
        let mut counts = [0u64; 4];
        for (&p, &t) in predicted.iter().zip(truth.iter()) {
            counts[usize::from(p != 0) * 2 + usize::from(t != 0)] += 1;
        }
        let [neither, truth_only, predicted_only, both] = counts;
        Ok(Self { both, predicted_only, truth_only, neither })
    }

    /// Intersection over union of the cells (Jaccard index); 1 if both masks are empty.
    pub fn iou(&self) -> f64 {
        share(self.both, self.both + self.predicted_only + self.truth_only)
    }

    /// Intersection over union of the background; 1 if both masks are full.
    pub fn background_iou(&self) -> f64 {
        share(self.neither, self.neither + self.predicted_only + self.truth_only)
    }

    /// Mean of the IoUs of cells and background.
    pub fn miou(&self) -> f64 {
        (self.iou() + self.background_iou()) / 2.0
    }

    /// Dice coefficient, 2 |A ∩ B| / (|A| + |B|); 1 if both masks are empty.
    pub fn dice(&self) -> f64 {
        share(2 * self.both, 2 * self.both + self.predicted_only + self.truth_only)
    }

    /// Share of the predicted cell pixels that are true; 1 if nothing was predicted.
    pub fn precision(&self) -> f64 {
        share(self.both, self.both + self.predicted_only)
    }

    /// Share of the true cell pixels that were predicted; 1 if there are none.
    pub fn recall(&self) -> f64 {
        share(self.both, self.both + self.truth_only)
    }
}

/// `part / whole`, or 1 if both are zero.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}
