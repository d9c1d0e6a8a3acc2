//! Holes in regions: pale centres are filled, gaps between cells are not.

use super::regions::{Neighbours, Region, regions};
use std::collections::HashMap;

/// Holes up to this share of a cell's area are stray pixels and are filled whatever their shape.
const STRAY: f64 = 0.005;
/// A region no larger, holes included, than this many cells is a single cell; all its holes are filled.
const LONE: f64 = 1.6;
/// In a clump, a pale centre takes up at most this share of a cell ...
const PALE_CENTRE: f64 = 0.4;
/// ... and has at least this roundness. The gap between four touching discs has 0.80, between four overlapping ones up
/// to 0.89, between three less.
const ROUND: f64 = 0.9;

/// While the cell area is unknown, the only hole of a region is taken for a pale centre, whatever its shape, if it
/// makes up at least this share of the region. The gap between three touching discs makes up 0.017, between four 0.064.
const OVAL_CENTRE: f64 = 0.05;

/// Fills the holes of a mask (row by row, 255 and 0) that lie within a cell; returns whether any were filled.
/// `cell_area` is the expected area of a cell in pixels. `None`: not known yet; then only round holes and large holes
/// alone in their region are filled, as a hole that is small relative to the region around it may be a gap in a crowd.
/// Background that touches the image edge is not a hole.
pub fn fill(mask: &mut [u8], width: u32, height: u32, cell_area: Option<f64>) -> bool {
    let mut holes = regions(width, height, Neighbours::Eight, |at| mask[at] == 0);
    holes.retain(|region| !region.touches_edge(width, height));
    if holes.is_empty() {
        return false;
    }
    let around = areas_around(mask, width, height, &holes);
    let mut filled = false;
    for (hole, (around, holes)) in holes.iter().zip(around) {
        let share = hole.area as f64 / cell_area.unwrap_or(around);
        let pale_centre = share <= PALE_CENTRE && hole.roundness() >= ROUND;
        let lone = match cell_area {
            Some(cell) => around <= LONE * cell,
            // A clump usually encloses several gaps, or a relatively smaller one.
            None => holes == 1 && (OVAL_CENTRE..=PALE_CENTRE).contains(&share),
        };
        let stray = cell_area.is_some() && share <= STRAY;
        if hole.area <= 2 || stray || lone || pale_centre {
            filled = true;
            hole.runs.iter().for_each(|run| mask[run.indices(width)].fill(255));
        }
    }
    filled
}

/// For each hole, the area of the surrounding region including all its holes, and the number of those holes.
fn areas_around(mask: &[u8], width: u32, height: u32, holes: &[Region]) -> Vec<(f64, usize)> {
    // The pixel to the left of a hole's first pixel belongs to the surrounding region.
    let firsts = holes.iter().enumerate().filter_map(|(index, hole)| Some((hole.runs.first()?, index)));
    let by_start: HashMap<(u32, u32), usize> =
        firsts.map(|(run, index)| ((run.y, run.start), index)).collect();
    let mut areas = vec![(0.0, 0); holes.len()];
    for region in regions(width, height, Neighbours::Four, |at| mask[at] != 0) {
        let inner: Vec<usize> =
            region.runs.iter().filter_map(|run| by_start.get(&(run.y, run.end)).copied()).collect();
        let count = inner.len();
        let area = region.area + inner.iter().map(|&index| holes[index].area).sum::<u64>();
        inner.into_iter().for_each(|index| areas[index] = (area as f64, count));
    }
    areas
}
