//! How large a cell is in this image.

use super::arc;
use super::crop::Crop;
use super::holes;
use super::regions::{Neighbours, Region, regions};
use crate::GrayImage;
use std::f64::consts::PI;

/// Pixels looked at; beyond, only every second, third, ... region is looked at.
const ENOUGH: u64 = 6_000_000;
/// A region larger than this many times its largest inscribed disc is not a single cell.
const SINGLE: f64 = 1.75;
/// Part of an inscribed disc's radius within which no second one may have its centre.
const APART: f32 = 0.8;
/// Where whole regions cover less than this share of what regions cut by the image's edge cover, they are as likely
/// platelets beside cells as cells.
const WHOLE: f64 = 0.25;
/// Equivalent diameter of a cell over that of its largest inscribed disc, typical of round and oval cells.
const OVER_DISC: f64 = 1.08;

/// Typical equivalent diameter in pixels of one cell of a mask (non-zero: cell). `None`: no cells.
///
/// The median over area: half of the covered area belongs to smaller cells, half to larger ones, so that
/// specks hardly count. A region that is about as large as its largest inscribed disc is one cell; a clump is taken
/// apart into discs, largest first. Regions cut by the image's edge count only where there is hardly anything else.
pub fn estimate_diameter(mask: &GrayImage) -> Option<f32> {
    let (width, height) = mask.dimensions();
    let mut filled = mask.as_raw().clone();
    holes::fill(&mut filled, width, height, None);
    let first = estimate_filled(&filled, width, height)?;
    if holes::fill(&mut filled, width, height, Some(PI / 4.0 * first * first)) {
        return estimate_filled(&filled, width, height).map(|diameter| diameter as f32);
    }
    Some(first as f32)
}

/// The same, of a mask whose holes are filled as far as they should be.
fn estimate_filled(filled: &[u8], width: u32, height: u32) -> Option<f64> {
    let all = regions(width, height, Neighbours::Four, |at| filled[at] != 0);
    let (edge, inner): (Vec<Region>, Vec<Region>) =
        all.into_iter().partition(|r| r.touches_edge(width, height));
    let area = |regions: &[Region]| regions.iter().map(|region| region.area).sum::<u64>() as f64;
    let mut found = sizes(&inner, width, height);
    if area(&inner) < WHOLE * area(&edge) {
        found.extend(sizes(&edge, width, height));
    }
    weighted_median(&mut found)
}

/// Diameter and weight of everything that looks like a cell.
fn sizes(regions: &[Region], width: u32, height: u32) -> Vec<(f64, f64)> {
    let total: u64 = regions.iter().map(|r| r.area).sum();
    let step = total.div_ceil(ENOUGH).max(1) as usize;
    let mut out = Vec::new();
    for region in regions.iter().step_by(step) {
        let crop = Crop::of(region, width, height);
        let area = region.area as f64;
        // A region that fills the whole image has no outline and no depth.
        let depth = crop.depth().unwrap_or_default();
        let cut = region.touches_edge(width, height);
        if let Some(diameter) = single(region, &crop, &depth, cut) {
            out.push((diameter, area));
            continue;
        }
        let discs = clump(&crop, &depth, width, height);
        out.extend(if cut { cut_clump(discs, &crop, area) } else { discs });
    }
    out
}

/// Diameter of a region that is one cell.
fn single(region: &Region, crop: &Crop, depth: &[f32], cut: bool) -> Option<f64> {
    let area = region.area as f64;
    let round = (4.0 * area / PI).sqrt();
    let deepest = f64::from(depth.iter().copied().fold(0.0, f32::max));
    if depth.is_empty() {
        return Some(round);
    }
    if cut {
        // The arc that is seen tells how large the cell is; what lies on none is a clump.
        return arc::diameter(crop)
            .map(|diameter| diameter.clamp(round, 2.0 * OVER_DISC * deepest.max(round)));
    }
    (area <= SINGLE * PI * deepest * deepest).then_some(round)
}

/// Diameter and weight of the cells of a clump that goes on out of sight: the arcs of its outline tell more than its
/// discs, most of which are cut.
fn cut_clump(discs: Vec<(f64, f64)>, crop: &Crop, area: f64) -> Vec<(f64, f64)> {
    let largest = discs.iter().map(|disc| disc.0).fold(0.0, f64::max) / (2.0 * OVER_DISC);
    let arcs = arc::diameters(crop, largest);
    if arcs.is_empty() {
        return discs;
    }
    let share = area / arcs.len() as f64;
    arcs.into_iter().map(|diameter| (diameter, share)).collect()
}

/// Diameter and weight of the cells of a clump. One that goes on out of sight ends at the image's edge, or it would be
/// one huge cell; discs that reach the edge tell little.
fn clump(crop: &Crop, depth: &[f32], width: u32, height: u32) -> Vec<(f64, f64)> {
    let edge = |at: usize| crop.to_edge(at, width, height);
    let within: Vec<f32> = depth.iter().enumerate().map(|(at, depth)| depth.min(edge(at))).collect();
    let discs = discs(&within, crop.width);
    let cut = |&at: &usize| within[at] > edge(at) - 1.0;
    let all_cut = discs.iter().all(cut);
    let telling = discs.iter().copied().filter(|at| all_cut || !cut(at));
    telling
        .map(|at| {
            let radius = f64::from(within[at]);
            (2.0 * radius * OVER_DISC, PI * radius * radius)
        })
        .collect()
}

/// Centres of the largest inscribed discs, well apart from each other.
fn discs(depth: &[f32], width: usize) -> Vec<usize> {
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
            out.push(at);
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

/// The size below which half of the weight lies, each weight's middle at its size, in between by interpolation.
fn weighted_median(sizes: &mut [(f64, f64)]) -> Option<f64> {
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = sizes.iter().map(|s| s.1).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let mut below: Option<(f64, f64)> = None;
    for &(size, weight) in sizes.iter() {
        let middle = sum + weight / 2.0;
        if middle >= half {
            return Some(
                below.map_or(size, |(smaller, at)| smaller + (size - smaller) * (half - at) / (middle - at)),
            );
        }
        below = Some((size, middle));
        sum += weight;
    }
    below.map(|(size, _)| size)
}
