//! A tile of an image on its way through the network: pixels in, logits out.

use crate::{Error, RgbImage};
use burn::tensor::Tensor;
use std::ops::Range;

use super::SegBackend;

/// A back end that segments tiles.
pub trait TileBackend: SegBackend {
    /// Number of tiles to process at a time: on a GPU, one is prepared while another is computed.
    const TILES_AT_ONCE: usize;

    /// Logits of red blood cell against background, row by row, summed over these of the eight orientations of the
    /// pixels. `network` maps `[1, 3, h, w]` to the logits of background and red blood cell, `[1, 2, h, w]`.
    ///
    /// # Errors
    ///
    /// [`Error::Compute`] if the device fails.
    #[allow(async_fn_in_trait, reason = "nobody here needs the futures to be Send")]
    async fn tile(
        pixels: &RgbImage,
        orientations: Range<usize>,
        network: impl Fn(Tensor<Self, 4>) -> Tensor<Self, 4>,
        device: &Self::Device,
    ) -> Result<Vec<f32>, Error>;
}

/// The way through the elements of an image, row by row: that of row `y` and column `x` lies at
/// `start + y * down + x * right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    pub start: isize,
    pub down: isize,
    pub right: isize,
}

impl Walk {
    pub fn at(&self, y: usize, x: usize) -> usize {
        (self.start + y as isize * self.down + x as isize * self.right) as usize
    }
}

/// A tile in one of the eight orientations of the square grid. Orientations 4 to 7 swap rows and columns; 0 and 1 are
/// mirror images of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Height and width once turned.
    pub rows: usize,
    pub columns: usize,
    /// Through the pixels of the tile, in the order of the turned ones.
    pub there: Walk,
    /// Through the turned pixels, in the order of those of the tile.
    pub back: Walk,
}

impl Turned {
    /// A tile of width `w` and height `h` in this orientation.
    pub fn new(orientation: usize, (w, h): (u32, u32)) -> Self {
        let (w, h) = (w as isize, h as isize);
        let swapped = orientation & 4 != 0;
        let [upside_down, mirrored] = [[2, 3], [1, 2]].map(|those| those.contains(&(orientation & 3)));
        let (rows, columns) = if swapped { (w, h) } else { (h, w) };
        // Of a stride through `count` elements: where it starts, and its step.
        let way = |step: isize, count: isize, reversed: bool| {
            if reversed { ((count - 1) * step, -step) } else { (0, step) }
        };
        let (of_rows, of_columns) = if swapped { (1, w) } else { (w, 1) };
        let (top, down) = way(of_rows, rows, upside_down);
        let (left, right) = way(of_columns, columns, mirrored);
        let there = Walk { start: top + left, down, right };
        let (top, down) = way(columns, rows, upside_down);
        let (left, right) = way(1, columns, mirrored);
        let (down, right) = if swapped { (right, down) } else { (down, right) };
        let back = Walk { start: top + left, down, right };
        Self { rows: rows as usize, columns: columns as usize, there, back }
    }
}

/// Steps per unit of the logits that a GPU returns (the means of the orientations). Half a step changes a probability by at
/// most 1/8192, or 0.03 of 255 grey levels.
pub const STEPS: f32 = 1024.0;
/// The largest logit that a GPU returns. From 6.25 on a probability is 255 of 255.
pub const MOST: f32 = 31.99;

/// Scales a channel value, 0 to 255, to the network's input range.
pub fn normalise(value: f32) -> f32 {
    (value - MIDDLE) / SPREAD
}

/// The channel value that becomes 0.
pub const MIDDLE: f32 = 127.5;
/// The difference of channel values that becomes 1.
pub const SPREAD: f32 = 64.0;

#[cfg(test)]
mod tests {
    use super::Turned;

    #[test]
    fn every_orientation_is_another_and_the_way_back_undoes_it() {
        let (w, h) = (5_u32, 3_u32);
        let mut seen = Vec::new();
        for orientation in 0..8 {
            let turned = Turned::new(orientation, (w, h));
            assert_eq!(turned.rows * turned.columns, 15);
            let pixels: Vec<usize> = (0..turned.rows)
                .flat_map(|y| (0..turned.columns).map(move |x| turned.there.at(y, x)))
                .collect();
            let back: Vec<usize> = (0..3)
                .flat_map(|y| (0..5).map(|x| pixels[turned.back.at(y, x)]).collect::<Vec<_>>())
                .collect();
            assert_eq!(back, (0..15).collect::<Vec<_>>(), "orientation {orientation}");
            assert!(!seen.contains(&(turned.rows, pixels.clone())), "orientation {orientation}");
            seen.push((turned.rows, pixels));
        }
        assert_eq!(Turned::new(1, (w, h)).there.at(0, 0), 4, "1 is the mirror image of 0");
    }
}
