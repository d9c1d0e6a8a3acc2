//! How much a pixel of a region counts, by the network's probability.

use super::crop::Crop;

/// How far above the threshold, in grey values, a pixel is certain, and what one at the threshold counts.
const CERTAIN: f32 = 120.0;
const UNCERTAIN: f32 = 0.5;

/// A factor for each pixel of the crop: 1 where the network is certain, less along lines of doubt, such as
/// between two cells. Doubt that certain pixels enclose is a pale centre and counts in full. `probability`
/// gives the grey value by index of the crop, `threshold` the one from which on a pixel is a cell.
pub fn certainty(crop: &Crop, probability: impl Fn(usize) -> u8, threshold: u8) -> Vec<f32> {
    let above: Vec<f32> = (0..crop.inside.len())
        .map(|at| {
            if crop.inside[at] { f32::from(probability(at).saturating_sub(threshold)) / CERTAIN } else { 0.0 }
        })
        .collect();
    let open = reached_from_outside(crop, |at| above[at] < 1.0);
    let factor =
        |(above, open): (f32, bool)| if open { UNCERTAIN + (1.0 - UNCERTAIN) * above.min(1.0) } else { 1.0 };
    above.into_iter().zip(open).map(factor).collect()
}

/// The pixels of doubt joined to the outside of the region by pixel sides.
fn reached_from_outside(crop: &Crop, doubtful: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = crop.inside.iter().map(|&inside| !inside).collect();
    let mut from: Vec<usize> = (0..reached.len()).filter(|&at| reached[at]).collect();
    while let Some(at) = from.pop() {
        for next in crop.around(at).into_iter().flatten() {
            if !reached[next] && doubtful(next) {
                reached[next] = true;
                from.push(next);
            }
        }
    }
    reached
}
