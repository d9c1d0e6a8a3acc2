//! Agreement of outlines.

use super::check_sizes;
use crate::cells::distance::squared_distance_within;
use crate::{Error, GrayImage, grid};

/// Distance in pixels within which two outlines count as equal: 0.75 % of the image diagonal, at least 1 (128 x 128:
/// 1.36 px). This is the standard of Csurka et al., "What is a good evaluation measure for semantic segmentation?"
/// (BMVC 2013), taken from the boundary benchmark of Martin et al. (PAMI 2004).
pub fn boundary_tolerance(width: u32, height: u32) -> f64 {
    (0.0075 * f64::from(width).hypot(f64::from(height))).max(1.0)
}

/// Boundary F1 (Csurka et al. 2013): the harmonic mean of two shares, that of predicted outline pixels within
/// `tolerance` pixels (Euclidean) of a true one, and that of true ones within `tolerance` of a predicted one.
///
/// An outline pixel is a cell pixel with a background pixel among its 4-neighbours; the image edge is not an outline.
/// If neither mask has an outline, the result is 1 if they are equal (both empty or both full), else 0. If only one has
/// an outline, it is 0.
///
/// # Errors
///
/// [`Error::Metrics`] if the masks differ in size.
pub fn boundary_f1(predicted: &GrayImage, truth: &GrayImage, tolerance: f64) -> Result<f64, Error> {
    check_sizes(predicted, truth)?;
    let (a, b) = (outline(predicted), outline(truth));
    match (a.contains(&true), b.contains(&true)) {
        (false, false) => {
            let same = predicted.iter().zip(truth.iter()).all(|(a, b)| (*a != 0) == (*b != 0));
            return Ok(if same { 1.0 } else { 0.0 });
        }
        (true, true) => {}
        _ => return Ok(0.0),
    }
    let (width, height) = (truth.width() as usize, truth.height() as usize);
    let precision = share_near(&a, &b, width, height, tolerance);
    let recall = share_near(&b, &a, width, height, tolerance);
    Ok(if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) })
}

fn outline(mask: &GrayImage) -> Vec<bool> {
    let width = mask.width() as usize;
    let data = mask.as_raw();
    let mut out = vec![false; data.len()];
    for at in (0..data.len()).filter(|&at| data[at] != 0) {
        out[at] = grid::beside(at, width, data.len()).into_iter().flatten().any(|next| data[next] == 0);
    }
    out
}

/// Share of the set pixels of `a` that are within `tolerance` of a set pixel of `b`.
fn share_near(a: &[bool], b: &[bool], width: usize, height: usize, tolerance: f64) -> f64 {
    let distance = squared_distance_within(tolerance.ceil() as usize, width, height, |at| b[at]);
    let limit = (tolerance * tolerance) as f32;
    let (mut near, mut all) = (0u64, 0u64);
    for (&set, &d) in a.iter().zip(&distance) {
        all += u64::from(set);
        near += u64::from(set && d <= limit);
    }
    near as f64 / all as f64
}
