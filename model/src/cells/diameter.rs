//! Estimates the cell diameter in an image.

use super::arc;
use super::crop::Crop;
use super::field_of_view::FieldOfView;
use super::holes;
use super::regions::{Neighbours, Region, regions};
use crate::{GrayImage, parallel};
use std::f64::consts::PI;

/// Budget of pixels examined; beyond it only every second, third, ... region is.
const PIXEL_BUDGET: u64 = 6_000_000;
/// A region whose area exceeds that of its largest inscribed disc by more than this factor is not a single cell.
const SINGLE: f64 = 1.75;
/// Minimum distance between centres of inscribed discs, in radii of the larger one.
const APART: f32 = 0.8;
/// If whole regions cover less than this share of the area of regions cut by the image edge, they may just as well be
/// platelets.
const WHOLE: f64 = 0.25;
/// Ratio of a cell's equivalent diameter to that of its largest inscribed disc, typical of round and oval cells.
const OVER_DISC: f64 = 1.08;

/// Typical equivalent diameter in pixels of the cells of a mask (non-zero: cell). `None` if there are no cells.
///
/// It is the median weighted by area (half of the covered area belongs to smaller cells, half to larger ones), so
/// specks hardly count. A region about as large as its largest inscribed disc is one cell; a clump is decomposed into
/// discs, largest first. Regions cut by the image edge count only if there is hardly anything else.
pub fn estimate_diameter(mask: &GrayImage) -> Option<f32> {
    estimate_diameter_within(mask, &FieldOfView::whole(mask.width(), mask.height()))
}

/// The same where the field of view is not the whole image: its edge cuts cells as that of the image does.
pub fn estimate_diameter_within(mask: &GrayImage, field: &FieldOfView) -> Option<f32> {
    let (width, height) = mask.dimensions();
    let mut filled = mask.as_raw().clone();
    holes::fill(&mut filled, width, height, None);
    let estimate = |filled: &[u8]| {
        estimate_filled(regions(width, height, Neighbours::Four, |at| filled[at] != 0), field)
    };
    let first = estimate(&filled)?;
    if holes::fill(&mut filled, width, height, Some(PI / 4.0 * first * first)) {
        return estimate(&filled).map(|diameter| diameter as f32);
    }
    Some(first as f32)
}

/// The same for the regions of a mask whose holes are already filled as appropriate.
fn estimate_filled(all: Vec<Region>, field: &FieldOfView) -> Option<f64> {
    let (edge, inner): (Vec<Region>, Vec<Region>) = all.into_iter().partition(|region| field.cuts(region));
    let area = |regions: &[Region]| regions.iter().map(|region| region.area).sum::<u64>() as f64;
    let mut found = sizes(&inner, field, false);
    if area(&inner) < WHOLE * area(&edge) {
        found.extend(sizes(&edge, field, true));
    }
    weighted_median(&mut found)
}

/// Diameter and weight (area) of everything that looks like a cell. `cut`: by the edge of the field of view.
fn sizes(regions: &[Region], field: &FieldOfView, cut: bool) -> Vec<(f64, f64)> {
    let total: u64 = regions.iter().map(|r| r.area).sum();
    let step = total.div_ceil(PIXEL_BUDGET).max(1) as usize;
    let looked_at: Vec<&Region> = regions.iter().step_by(step).collect();
    parallel::map(&looked_at, |region| sizes_in(region, field, cut)).concat()
}

/// Diameter and weight of the cell or cells of one region.
fn sizes_in(region: &Region, field: &FieldOfView, cut: bool) -> Vec<(f64, f64)> {
    let crop = Crop::of(region, field);
    let area = region.area as f64;
    // A region that fills the whole field of view has no outline and thus no depth.
    let depth = crop.depth().unwrap_or_default();
    if let Some(diameter) = single(region, &crop, &depth, cut) {
        return vec![(diameter, area)];
    }
    let discs = clump(&crop, &depth, field);
    if cut { cut_clump(discs, &crop, area) } else { discs }
}

/// Diameter of a region that is a single cell; `None` for a clump.
fn single(region: &Region, crop: &Crop, depth: &[f32], cut: bool) -> Option<f64> {
    let area = region.area as f64;
    let round = (4.0 * area / PI).sqrt();
    let within = depth.iter().zip(&crop.inside).filter(|(_, inside)| **inside);
    let deepest = f64::from(within.map(|(depth, _)| *depth).fold(0.0, f32::max));
    if depth.is_empty() {
        return Some(round);
    }
    if cut {
        // The visible arc gives the diameter of the whole cell; a region that fits no circle is a clump.
        return arc::diameter(crop)
            .map(|diameter| diameter.clamp(round, 2.0 * OVER_DISC * deepest.max(round)));
    }
    (area <= SINGLE * PI * deepest * deepest).then_some(round)
}

/// Diameter and weight of the cells of a clump that continues out of view. The arcs of its outline are more informative
/// than its discs, most of which are cut.
fn cut_clump(discs: Vec<(f64, f64)>, crop: &Crop, area: f64) -> Vec<(f64, f64)> {
    let largest = discs.iter().map(|disc| disc.0).fold(0.0, f64::max) / (2.0 * OVER_DISC);
    let arcs = arc::diameters(crop, largest);
    if arcs.is_empty() {
        return discs;
    }
    let share = area / arcs.len() as f64;
    arcs.into_iter().map(|diameter| (diameter, share)).collect()
}

/// Diameter and weight of the cells of a clump. The edge of the field of view counts as outline, or a cut clump would be one
/// huge cell; discs that reach the edge are ignored if there are others.
fn clump(crop: &Crop, depth: &[f32], field: &FieldOfView) -> Vec<(f64, f64)> {
    let edge = crop.to_edge(field);
    let within: Vec<f32> = depth.iter().zip(&edge).map(|(depth, edge)| depth.min(*edge)).collect();
    let discs = discs(&within, crop.width);
    let cut = |&at: &usize| within[at] > edge[at] - 1.0;
    let all_cut = discs.iter().all(cut);
    let telling = discs.iter().copied().filter(|at| all_cut || !cut(at));
    telling
        .map(|at| {
            let radius = f64::from(within[at]);
            (2.0 * radius * OVER_DISC, PI * radius * radius)
        })
        .collect()
}

/// Centres of the largest inscribed discs, well separated.
fn discs(depth: &[f32], width: usize) -> Vec<usize> {
    let mut peaks: Vec<usize> = (0..depth.len()).filter(|&at| is_peak(depth, width, at)).collect();
    peaks.sort_by(|&a, &b| depth[b].total_cmp(&depth[a]).then(a.cmp(&b)));
    // A coarse grid of the centres taken so far keeps clumps of thousands of cells fast.
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

/// Whether a pixel is at least as deep as its 8 neighbours.
fn is_peak(depth: &[f32], width: usize, at: usize) -> bool {
    let (x, height) = (at % width, depth.len() / width);
    let y = at / width;
    depth[at] > 0.0
        && (y.saturating_sub(1)..(y + 2).min(height))
            .all(|ny| (x.saturating_sub(1)..(x + 2).min(width)).all(|nx| depth[ny * width + nx] <= depth[at]))
}

/// Weighted median of `(size, weight)`: interpolated where half of the total weight is reached, each weight centred at
/// its size.
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
