//! Holes: pale centres are filled, gaps between cells are not.

use super::regions::{Neighbours, Region, regions};

/// Holes up to this share of a cell are filled whatever their shape: stray pixels.
const STRAY: f64 = 0.005;
/// A pale centre takes up at most this share of its cell.
const PALE_CENTRE: f64 = 0.35;
/// The least roundness of a pale centre. The gap between three or four discs has 0.7 and less.
const ROUND: f64 = 0.85;

/// Fills the holes of a mask (row by row, 255 and 0) that lie within a cell of `cell_area` pixels. What
/// touches the image's edge is no hole.
pub fn fill(mask: &mut [u8], width: u32, height: u32, cell_area: f64) {
    for hole in holes(mask, width, height) {
        let share = hole.area as f64 / cell_area;
        if hole.area <= 2 || share <= STRAY || (share <= PALE_CENTRE && hole.roundness() >= ROUND) {
            paint(mask, width, &hole);
        }
    }
}

/// The same where the size of a cell is not yet known: fills holes that look like pale centres, judged by the
/// region around each.
pub fn fill_round(mask: &mut [u8], width: u32, height: u32) {
    let around = regions(width, height, Neighbours::Four, |at| mask[at] != 0);
    let mut area_at = std::collections::HashMap::new();
    for region in &around {
        for run in &region.runs {
            area_at.insert((run.y, run.end), region.area);
        }
    }
    for hole in holes(mask, width, height) {
        let Some(first) = hole.runs.first() else { continue };
        let area = area_at.get(&(first.y, first.start)).copied().unwrap_or(0);
        let share = hole.area as f64 / (area + hole.area) as f64;
        if hole.area <= 2 || (share <= PALE_CENTRE && hole.roundness() >= ROUND) {
            paint(mask, width, &hole);
        }
    }
}

fn holes(mask: &[u8], width: u32, height: u32) -> Vec<Region> {
    let mut found = regions(width, height, Neighbours::Eight, |at| mask[at] == 0);
    found.retain(|region| !region.touches_edge(width, height));
    found
}

fn paint(mask: &mut [u8], width: u32, region: &Region) {
    for run in &region.runs {
        let row = run.y as usize * width as usize;
        mask[row + run.start as usize..row + run.end as usize].fill(255);
    }
}
