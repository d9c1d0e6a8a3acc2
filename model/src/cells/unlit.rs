//! Cells that are cut by the edge of the light, where a picture does not fill its file.

use super::Labels;
use crate::GrayImage;
use crate::segment::UNLIT;

/// A cell is cut if it comes this near to the dark, in pixels along a row or column.
const REACH: u32 = 2;

/// For each of the cells 1 to `count` whether it reaches where no light falls.
pub fn cuts(labels: &Labels, count: usize, probability: &GrayImage) -> Vec<bool> {
    let (width, height) = probability.dimensions();
    let mut cut = vec![false; count];
    if !probability.as_raw().contains(&UNLIT) {
        return cut;
    }
    let unlit = |x: u32, y: u32| x < width && y < height && probability.get_pixel(x, y).0[0] == UNLIT;
    // Left of the first column it wraps around, and lies right of the last.
    let near = |x: u32, y: u32| {
        (1..=REACH).any(|n| {
            unlit(x.wrapping_sub(n), y) || unlit(x + n, y) || unlit(x, y.wrapping_sub(n)) || unlit(x, y + n)
        })
    };
    for (at, &id) in labels.ids.iter().enumerate().filter(|(_, id)| **id != 0) {
        cut[id as usize - 1] |= near(at as u32 % width, at as u32 / width);
    }
    cut
}
