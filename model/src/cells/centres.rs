//! Votes of a region's outline for the centres of round cells.
//!
//! Where cells overlap so far that their common outline has hardly a neck, the depth has only one large hill. But every
//! arc of the outline still curves around the centre of its own cell: each outline pixel votes for the points about one
//! cell radius inwards along its normal (radial symmetry: Loy and Zelinsky, "Fast radial symmetry for detecting points
//! of interest", PAMI 2003).

use super::blur::blur;
use super::crop::Crop;

/// Range of distances voted for, in expected radii, as cells differ in size.
const NEAREST: f32 = 0.75;
const FARTHEST: f32 = 1.2;
/// Blur radius of the mask that the normals are taken from, in expected diameters.
const NORMAL: f32 = 0.05;
/// Blur radius of the votes, in expected diameters.
const VOTE: f32 = 0.09;
/// Votes at the centre of a lone disc, as a share of its outline per smoothing square; normalises its score to 1.
const LONE_DISC: f32 = 0.45;

/// A score for each pixel of the crop: about 1 at the centre of a lone disc of the expected diameter, about f at that
/// of a disc of which the share f of the outline is visible, near 0 far from any centre. Values outside the region are
/// meaningless. `diameter` is in pixels.
pub fn votes(crop: &Crop, diameter: f32) -> Vec<f32> {
    let (width, height) = (crop.width, crop.height);
    let mut votes = vec![0.0f32; width * height];
    let radius = diameter / 2.0;
    let reach: Vec<f32> =
        (0..=((FARTHEST - NEAREST) * radius) as u32).map(|i| NEAREST * radius + i as f32).collect();
    let share = 1.0 / reach.len() as f32;
    for (x, y, [nx, ny]) in normals(crop, diameter) {
        for &far in &reach {
            let (vx, vy) = (x as f32 + far * nx + 0.5, y as f32 + far * ny + 0.5);
            if vx < 0.0 || vy < 0.0 || vx >= width as f32 || vy >= height as f32 {
                continue;
            }
            let at = vy as usize * width + vx as usize;
            if crop.inside[at] {
                votes[at] += share;
            }
        }
    }
    let smooth = ((VOTE * diameter).round() as usize).max(1);
    for _ in 0..2 {
        blur(&mut votes, width, height, smooth);
    }
    let square = (2 * smooth + 1).pow(2) as f32;
    let full = LONE_DISC * std::f32::consts::PI * diameter / square;
    votes.iter_mut().for_each(|vote| *vote /= full);
    votes
}

/// The outline pixels of the region and their unit normals, pointing inwards.
fn normals(crop: &Crop, diameter: f32) -> Vec<(usize, usize, [f32; 2])> {
    let (width, height) = (crop.width, crop.height);
    let mut soft: Vec<f32> = crop.inside.iter().map(|&inside| f32::from(u8::from(inside))).collect();
    let soften = |values: &mut Vec<f32>| {
        (0..2).for_each(|_| blur(values, width, height, ((NORMAL * diameter).round() as usize).max(1)));
    };
    soften(&mut soft);
    if let Some(hidden) = crop.hidden() {
        // The mean of what can be seen.
        let mut seen: Vec<f32> = hidden.iter().map(|&hidden| f32::from(u8::from(!hidden))).collect();
        soften(&mut seen);
        soft.iter_mut().zip(seen).for_each(|(soft, seen)| *soft /= seen.max(1e-6));
    }
    let mut out = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let outside = |next: usize| !crop.inside[next];
            if !crop.inside[at] || !crop.around(at).into_iter().flatten().any(outside) {
                continue;
            }
            let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
            let gradient = [
                soft[y * width + right] - soft[y * width + left],
                soft[down * width + x] - soft[up * width + x],
            ];
            let length = gradient[0].hypot(gradient[1]);
            if length > 1e-6 {
                out.push((x, y, gradient.map(|g| g / length)));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    fn scores(discs: &[(f32, f32)], radius: f32) -> (Vec<f32>, usize) {
        let side = (8.0 * radius) as u32;
        let inside = |at: usize| {
            let (x, y) = ((at as u32 % side) as f32 + 0.5, (at as u32 / side) as f32 + 0.5);
            discs.iter().any(|d| (x - d.0 * radius).hypot(y - d.1 * radius) < radius)
        };
        let region = &regions(side, side, Neighbours::Four, inside)[0];
        let crop = Crop::of(region, &FieldOfView::whole(side, side));
        let scores = votes(&crop, 2.0 * radius);
        assert!(scores.iter().all(|score| score.is_finite()));
        let mut whole = vec![0.0; (side * side) as usize];
        for (row, scores) in crop.rows(side).zip(scores.chunks_exact(crop.width)) {
            whole[row].copy_from_slice(scores);
        }
        (whole, side as usize)
    }

    #[test]
    fn a_lone_disc_scores_about_one_in_its_centre() {
        for radius in [8.0, 15.0, 40.0, 120.0] {
            let (scores, side) = scores(&[(2.0, 2.0)], radius);
            let middle = (2.0 * radius) as usize;
            let score = scores[middle * side + middle];
            assert!((0.8..1.3).contains(&score), "radius {radius}: {score}");
            assert!(scores[middle * side + (1.3 * radius) as usize] < 0.3 * score);
        }
    }

    #[test]
    fn three_discs_without_a_gap_have_three_centres() {
        let radius = 20.0;
        let discs = [(2.0, 2.0), (3.3, 2.0), (2.65, 3.13)];
        let (scores, side) = scores(&discs, radius);
        let at = |x: f32, y: f32| scores[(y * radius) as usize * side + (x * radius) as usize];
        let middle = at(2.65, 2.38);
        for (x, y) in discs {
            assert!(at(x, y) > 1.3 * middle, "{} at {x}, {y}, {middle} between", at(x, y));
        }
    }
}
