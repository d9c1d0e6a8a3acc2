//! Chooses the threshold at which the outline is drawn.
//!
//! Cross entropy makes the network err equally often on either side of the outline, pixel by pixel. The IoU of an image
//! weighs these errors differently: a missed cell costs more than the same area of background taken for cell, so the
//! best threshold lies below one half (Lipton, Elkan, Naryanaswamy: Optimal Thresholding of Classifiers to Maximize F1
//! Measure, 2014). It is chosen on images that the network was not trained on and built into the network's last bias.

use crate::dataset::Sample;
use rayon::prelude::*;
use rbc_model::cells::{CellOptions, find_cells};
use rbc_model::{Error, GrayImage, metrics};

/// IoU of one image at each candidate threshold.
pub type Ious = [f64; 21];

/// The candidates: 0.25 to 0.75 in steps of 0.025.
fn threshold(at: usize) -> f32 {
    (10 + at) as f32 / 40.0
}

/// Scores a probability map at each candidate threshold.
///
/// # Errors
/// If map and mask differ in size.
pub fn ious(sample: &Sample, probability: &GrayImage, diameter_px: f32) -> Result<Ious, Error> {
    let mut ious = Ious::default();
    ious.par_iter_mut().enumerate().try_for_each(|(at, iou)| {
        let (threshold, diameter_px) = (threshold(at), Some(diameter_px));
        let options = CellOptions { threshold, diameter_px, split: false, ..CellOptions::default() };
        let mask = find_cells(probability, &options).labels.mask();
        *iou = metrics::score_mask(&mask, &sample.mask, sample.margin)?.iou;
        Ok::<_, Error>(())
    })?;
    Ok(ious)
}

/// The threshold with the best mean IoU over all images; one half if there are none.
pub fn best<'a>(images: impl IntoIterator<Item = &'a Ious>) -> f32 {
    let mut sums = Ious::default();
    for ious in images {
        sums.iter_mut().zip(ious).for_each(|(sum, iou)| *sum += iou);
    }
    // Of equally good thresholds the one nearest to one half, so that nothing moves without a reason.
    let far = |at: usize| (threshold(at) - 0.5).abs();
    let best = (0..sums.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]).then(far(b).total_cmp(&far(a))));
    best.map_or(0.5, threshold)
}

/// The offset that, added to the logit, moves the outline from this threshold to one half.
pub fn logit_shift(threshold: f32) -> f32 {
    ((1.0 - threshold) / threshold).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use rbc_model::RgbImage;

    #[test]
    fn the_threshold_that_gives_the_mask_is_found() -> Result<(), Error> {
        // A disc whose probability falls off outwards and is 0.4 at radius 12.
        let radius = |x: u32, y: u32| (x as f32 - 20.0).hypot(y as f32 - 20.0);
        let probability = GrayImage::from_fn(40, 40, |x, y| {
            let logit = logit_shift(0.6) + (12.0 - radius(x, y)) / 2.0;
            image::Luma([(255.0 / (1.0 + (-logit).exp())).round() as u8])
        });
        let mask = GrayImage::from_fn(40, 40, |x, y| image::Luma([255 * u8::from(radius(x, y) <= 12.0)]));
        let sample = fixture::sample("a", "a", RgbImage::new(40, 40), mask);
        let ious = ious(&sample, &probability, 24.0)?;
        assert_eq!(best([&ious]), 0.4);
        assert!(ious[6] > 0.97 && ious[10] < 0.97, "{ious:?}");
        Ok(())
    }

    #[test]
    fn without_images_nothing_moves() {
        assert_eq!(best([]), 0.5);
        assert_eq!(logit_shift(0.5), 0.0);
        assert!(logit_shift(0.4) > 0.0);
    }
}
