//! Division of large images into tiles whose overlap covers the receptive field.

use crate::network::{ALIGNMENT, HALO};
use std::ops::Range;

/// One tile: rows and columns of its input, and of the part of its output that is kept, in pixels of the padded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub input: [Range<usize>; 2],
    pub keep: [Range<usize>; 2],
}

/// A length padded to the network's alignment.
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT).max(ALIGNMENT)
}

/// Tiles of at most `side` by `side` input pixels (or the minimum that the halo requires) that together keep each pixel
/// of a padded `height` by `width` image exactly once. Corners lie on multiples of the alignment and the halo covers
/// the receptive field, so the kept pixels equal those of the untiled network up to rounding.
pub fn tiles(height: usize, width: usize, side: usize) -> Vec<Tile> {
    let (rows, columns) = (spans(height, side), spans(width, side));
    let mut tiles = Vec::with_capacity(rows.len() * columns.len());
    for (row_in, row_keep) in &rows {
        for (column_in, column_keep) in &columns {
            tiles.push(Tile {
                input: [row_in.clone(), column_in.clone()],
                keep: [row_keep.clone(), column_keep.clone()],
            });
        }
    }
    tiles
}

/// Input and kept ranges along one axis.
fn spans(len: usize, side: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let side = (side / ALIGNMENT * ALIGNMENT).max(2 * HALO + ALIGNMENT);
    if len <= side {
        return vec![(0..len, 0..len)];
    }
    let core = side - 2 * HALO;
    // As many tiles as needed, of equal size, so that no sliver remains at the end.
    let count = len.div_ceil(core);
    let core = len.div_ceil(count).next_multiple_of(ALIGNMENT);
    (0..len)
        .step_by(core)
        .map(|start| {
            let end = (start + core).min(len);
            (start.saturating_sub(HALO)..(end + HALO).min(len), start..end)
        })
        .collect()
}
