//! How large a cell is in this image.

use super::crop::Crop;
use super::holes;
use super::regions::{Neighbours, Region, regions};
use crate::GrayImage;
use std::f64::consts::PI;

/// Pixels looked at; beyond, every second, third, ... region is left out.
const ENOUGH: u64 = 6_000_000;
/// A region larger than this many times its largest inscribed disc is not a single cell.
const SINGLE: f64 = 1.75;
/// Part of an inscribed disc's radius within which no second one may have its centre.
const APART: f32 = 0.8;
/// Equivalent diameter of a cell over that of its largest inscribed disc, typical of round and oval cells.
const OVER_DISC: f64 = 1.08;

/// Typical equivalent diameter in pixels of one cell of a mask (non-zero: cell). `None`: no cells.
///
/// The median over area: half of the covered area belongs to smaller cells, half to larger ones, so that
/// specks hardly count. A region that is about as large as its largest inscribed disc is one cell; a clump is taken
/// apart into discs, largest first. Regions cut by the image's edge count only where there are no others.
pub fn estimate_diameter(mask: &GrayImage) -> Option<f32> {
    let (width, height) = mask.dimensions();
    let mut filled = mask.as_raw().clone();
    holes::fill(&mut filled, width, height, None);
    let all = regions(width, height, Neighbours::Four, |at| filled[at] != 0);
    let (edge, inner): (Vec<Region>, Vec<Region>) =
        all.into_iter().partition(|r| r.touches_edge(width, height));
    let mut sizes = sizes(&inner, width, height);
    if sizes.is_empty() {
        sizes = self::sizes(&edge, width, height);
    }
    weighted_median(&mut sizes).map(|diameter| diameter as f32)
}

/// Diameter and weight of everything that looks like a cell.
fn sizes(regions: &[Region], width: u32, height: u32) -> Vec<(f64, f64)> {
    let total: u64 = regions.iter().map(|r| r.area).sum();
    let step = total.div_ceil(ENOUGH).max(1) as usize;
    let mut out = Vec::new();
    for region in regions.iter().step_by(step) {
        let area = region.area as f64;
        let crop = Crop::of(region, width, height);
        let depth = crop.depth().unwrap_or_default();
        let deepest = depth.iter().copied().fold(0.0, f32::max);
        if depth.is_empty() || area <= SINGLE * PI * f64::from(deepest * deepest) {
            out.push(((4.0 * area / PI).sqrt(), area));
        } else {
            out.extend(discs(&depth, crop.width).into_iter().map(|radius| {
                let radius = f64::from(radius);
                (2.0 * radius * OVER_DISC, PI * radius * radius)
            }));
        }
    }
    out
}

/// Radii of the largest inscribed discs whose centres lie well apart.
fn discs(depth: &[f32], width: usize) -> Vec<f32> {
    let mut peaks: Vec<usize> = (0..depth.len()).filter(|&at| is_peak(depth, width, at)).collect();
    peaks.sort_by(|&a, &b| depth[b].total_cmp(&depth[a]).then(a.cmp(&b)));
    // Centres are looked up on a coarse grid, so that a clump of thousands stays quick.
    let cell = peaks.first().map_or(1.0, |&at| depth[at]).max(1.0) as usize;
    let mut taken = std::collections::HashMap::<(usize, usize), Vec<(f32, f32, f32)>>::new();
    let mut out = Vec::new();
    for at in peaks {
        let (x, y) = (at % width, at / width);
        let (cx, cy) = (x / cell, y / cell);
        let near = (cx.saturating_sub(1)..=cx + 1)
            .flat_map(|gx| (cy.saturating_sub(1)..=cy + 1).map(move |gy| (gx, gy)))
            .filter_map(|key| taken.get(&key))
            .flatten()
            .any(|&(ox, oy, radius)| (ox - x as f32).hypot(oy - y as f32) < APART * radius);
        if !near {
            taken.entry((cx, cy)).or_default().push((x as f32, y as f32, depth[at]));
            out.push(depth[at]);
        }
    }
    out
}

/// Not lower than any of its 8 neighbours.
fn is_peak(depth: &[f32], width: usize, at: usize) -> bool {
    let (x, height) = (at % width, depth.len() / width);
    let y = at / width;
    depth[at] > 0.0
        && (y.saturating_sub(1)..(y + 2).min(height))
            .all(|ny| (x.saturating_sub(1)..(x + 2).min(width)).all(|nx| depth[ny * width + nx] <= depth[at]))
}

fn weighted_median(sizes: &mut [(f64, f64)]) -> Option<f64> {
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sizes.iter().map(|s| s.1).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    sizes.iter().find_map(|&(size, weight)| {
        sum += weight;
        (sum >= half).then_some(size)
    })
}
