//! Touching cells come apart.
//!
//! A cell is a hill: its height is the depth (distance to the outline), mixed with the votes of the outline for
//! where a cell's centre must be. The depth is the mean over the outlines at several levels of certainty: where cells
//! overlap, the network doubts, and the higher outlines part what the lowest holds together. Water sinking
//! from the tops uncovers hills; where two meet, the pass between them tells whether they are one cell: a pass
//! nearly as high as the lower top is a dent in an oval, a much lower one is the neck between two cells.
//! Each pixel goes to the hill that it rises to, so that the seam runs along the neck, and is straightened where there
//! is none. This is a watershed with seeds chosen by relative dynamics (Grimaud, "A new measure of contrast: the
//! dynamics", SPIE 1992), in one sweep over the pixels from high to low.

use super::blur::blur;
use super::centres::votes;
use super::crop::{Crop, Flood};
use super::hills::Hills;
use super::pieces::settle;
use super::seams::{Disc, straighten};

/// Width of the smoothing relative to the expected diameter.
const SMOOTHING: f32 = 0.03;
/// The outlines above the threshold that the depth is averaged over, and how far above it, in grey values, the
/// last one lies where there is room for it.
const LEVELS: u32 = 4;
const CERTAIN: f32 = 120.0;
/// What depth beyond the expected radius still counts: the midst of many cells is not the top of one.
const BEYOND: f32 = 0.2;
/// Share of the votes in the height; the rest is depth.
const VOTES: f32 = 0.25;
/// Regions larger than this many cells are put to the vote; in smaller ones an oval would fall into two.
const VOTE_FROM: f32 = 1.7;
/// Heights are compared in these parts of a pixel.
pub const STEPS: f32 = 64.0;

/// Splits a region into cells: for each pixel of the crop the number of its cell from 0, [`OUTSIDE`] outside of
/// the region; and how many cells there are. `probability` gives the grey value by index of the crop,
/// `threshold` the grey value from which on a pixel is a cell, `diameter` the expected diameter in pixels.
pub fn split(
    crop: &Crop,
    probability: impl Fn(usize) -> u8,
    threshold: u8,
    diameter: f32,
) -> (Vec<u32>, usize) {
    let Some(depth) = crop.depth() else {
        return whole(crop);
    };
    let heights = heights(crop, &depth, probability, threshold, diameter);
    let mut hills = Hills::new(diameter);
    let mut of_pixel = vec![OUTSIDE; heights.len()];
    for at in high_to_low(&heights, &crop.inside) {
        let height = heights[at];
        let mut highest = (0, OUTSIDE);
        let (x, y) = (at % crop.width, at / crop.width);
        // Elsewhere a crop has a margin.
        let at_edge = crop.around(at).contains(&None);
        for next in crop.around(at).into_iter().flatten() {
            if of_pixel[next] == OUTSIDE {
                continue;
            }
            let hill = hills.root(of_pixel[next]);
            if highest.1 == OUTSIDE {
                highest = (heights[next], hill);
            } else {
                let merged = hills.meet(hill, highest.1, height);
                if heights[next] > highest.0 || merged == Some(hill) {
                    highest = (highest.0.max(heights[next]), merged.unwrap_or(hill));
                } else if let Some(one) = merged {
                    highest.1 = one;
                }
            }
        }
        of_pixel[at] = if highest.1 == OUTSIDE {
            hills.rise(height, x, y, at_edge)
        } else {
            hills.grow(highest.1, at_edge)
        };
    }
    hills.absorb_fragments(crop, &of_pixel);
    let (mut parts, tops) = hills.number(of_pixel);
    if tops.len() > 1 {
        let disc = |&(x, y): &(usize, usize)| Disc::at(x, y, depth[y * crop.width + x], diameter);
        straighten(crop, &mut parts, &tops.iter().map(disc).collect::<Vec<_>>());
        settle(crop, &mut parts, tops.len());
    }
    (parts, tops.len())
}

/// No cell.
pub const OUTSIDE: u32 = u32::MAX;

/// The region as one cell, in the form of [`split`].
pub fn whole(crop: &Crop) -> (Vec<u32>, usize) {
    (crop.inside.iter().map(|&inside| if inside { 0 } else { OUTSIDE }).collect(), 1)
}

/// The mean depth over all levels of certainty, and votes, smoothed, in steps.
fn heights(
    crop: &Crop,
    depth: &[f32],
    probability: impl Fn(usize) -> u8,
    threshold: u8,
    diameter: f32,
) -> Vec<u16> {
    let radius = diameter / 2.0;
    let bounded = |depth: f32| depth.min(radius) + BEYOND * (depth - radius).max(0.0);
    let mut height: Vec<f32> = depth.iter().map(|&depth| bounded(depth)).collect();
    let mut flood = Flood::around(crop);
    let certain = CERTAIN.min(f32::from(u8::MAX - threshold));
    for level in 1..=LEVELS {
        let least = f32::from(threshold) + certain * level as f32 / LEVELS as f32;
        flood.rise(crop, |at| f32::from(probability(at)) >= least);
        height.iter_mut().zip(crop.depth_above(&flood)).for_each(|(sum, depth)| *sum += bounded(depth));
    }
    height.iter_mut().for_each(|sum| *sum /= (1 + LEVELS) as f32);
    let smooth = ((SMOOTHING * diameter).round() as usize).max(1);
    for _ in 0..2 {
        blur(&mut height, crop.width, crop.height, smooth);
    }
    let area = crop.inside.iter().filter(|&&inside| inside).count() as f32;
    if area > VOTE_FROM * std::f32::consts::PI * radius * radius {
        for (height, vote) in height.iter_mut().zip(votes(crop, diameter)) {
            *height += VOTES * (vote.min(1.0) * radius - *height);
        }
    }
    height.into_iter().map(|height| (height * STEPS) as u16).collect()
}

/// Inner pixels by falling height, raster order among equals: a counting sort.
fn high_to_low(heights: &[u16], inside: &[bool]) -> Vec<usize> {
    let top = usize::from(heights.iter().copied().max().unwrap_or(0));
    let mut starts = vec![0u32; top + 2];
    for (&height, &inside) in heights.iter().zip(inside) {
        starts[top - usize::from(height) + 1] += u32::from(inside);
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut order = vec![0; starts[top + 1] as usize];
    for (at, (&height, &inside)) in heights.iter().zip(inside).enumerate() {
        if inside {
            let slot = &mut starts[top - usize::from(height)];
            order[*slot as usize] = at;
            *slot += 1;
        }
    }
    order
}
