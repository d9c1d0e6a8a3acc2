//! Splits touching cells.
//!
//! Each cell is a hill in a height map: the depth (distance to the outline), mixed with the votes of the outline for
//! where a cell's centre must be. The depth is averaged over the outlines at several certainty levels: where cells
//! overlap the network is uncertain, so the outlines at higher levels separate what the lowest one joins. As a water
//! level sinks from the tops, hills emerge; where two of them meet, the pass between them decides whether they are one
//! cell: a pass nearly as high as the lower top is a dent in an oval, a much lower one is the neck between two cells.
//! Each pixel belongs to the hill that it ascends to, so the seam runs along the neck; where there is no neck it is
//! straightened afterwards. This is a watershed with seeds chosen by relative dynamics (Grimaud, "A new measure of
//! contrast: the dynamics", SPIE 1992), in one sweep over the pixels from high to low.

use super::blur::blur;
use super::centres::votes;
use super::crop::{Crop, Flood};
use super::hills::Hills;
use super::pieces::reconnect;
use super::seams::{Disc, straighten};

/// Blur radius of the height map, in expected diameters.
const SMOOTHING: f32 = 0.03;
/// Number of outlines above the threshold that the depth is averaged over.
const LEVELS: u32 = 4;
/// How far above the threshold the last of them lies, in grey values, if there is room.
const CERTAIN: f32 = 120.0;
/// Weight of depth beyond the expected radius: the middle of a clump is not the top of a cell.
const BEYOND: f32 = 0.2;
/// Weight of the votes in the height; the rest is depth.
const VOTES: f32 = 0.25;
/// Votes are used in regions larger than this many cells; in smaller ones they would split an oval.
const VOTE_FROM: f32 = 1.7;
/// Heights are quantised to this many steps per pixel.
pub const STEPS: f32 = 64.0;

/// Splits a region into cells. Returns the cell number of each crop pixel, from 0 ([`OUTSIDE`] outside the region), and
/// the number of cells. `probability` holds the grey value of each crop pixel, `threshold` is the least grey value of a
/// cell pixel, `diameter` the expected cell diameter in pixels.
pub fn split(crop: &Crop, probability: &[u8], threshold: u8, diameter: f32) -> (Vec<u32>, usize) {
    let Some(depth) = crop.depth() else {
        return whole(crop);
    };
    let heights = heights(crop, &depth, probability, threshold, diameter);
    let mut hills = Hills::new(diameter);
    let mut of_pixel = vec![OUTSIDE; heights.len()];
    for at in high_to_low(&heights, &crop.inside) {
        let height = heights[at];
        let mut highest = (0, OUTSIDE);
        let around = crop.around(at);
        // The crop has no margin at the edge of the field of view.
        let at_edge = around.contains(&None);
        for next in around.into_iter().flatten() {
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
            hills.rise(height, at % crop.width, at / crop.width, at_edge)
        } else {
            hills.grow(highest.1, at_edge)
        };
    }
    hills.absorb_fragments(crop, &of_pixel);
    let (mut parts, tops) = hills.number(of_pixel);
    if tops.len() > 1 {
        let disc = |&(x, y): &(usize, usize)| Disc::at(x, y, depth[y * crop.width + x], diameter);
        straighten(crop, &mut parts, &tops.iter().map(disc).collect::<Vec<_>>());
        reconnect(crop, &mut parts, tops.len());
    }
    (parts, tops.len())
}

/// Value of pixels outside the region.
pub const OUTSIDE: u32 = u32::MAX;

/// The region as a single cell, in the format of [`split`].
pub fn whole(crop: &Crop) -> (Vec<u32>, usize) {
    (crop.inside.iter().map(|&inside| if inside { 0 } else { OUTSIDE }).collect(), 1)
}

/// The height map in steps: the mean depth over all certainty levels, smoothed and mixed with the votes.
fn heights(crop: &Crop, depth: &[f32], probability: &[u8], threshold: u8, diameter: f32) -> Vec<u16> {
    let radius = diameter / 2.0;
    let bounded = |depth: f32| depth.min(radius) + BEYOND * (depth - radius).max(0.0);
    let mut height: Vec<f32> = depth.iter().map(|&depth| bounded(depth)).collect();
    let mut flood = Flood::around(crop);
    let certain = CERTAIN.min(f32::from(u8::MAX - threshold));
    for level in 1..=LEVELS {
        let least = f32::from(threshold) + certain * level as f32 / LEVELS as f32;
        flood.rise(crop, |at| f32::from(probability[at]) >= least);
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

/// Pixels inside the region by decreasing height, equal ones in raster order (counting sort).
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
