//! Cells cut by the border of the lit area, in images that the picture does not fill.

use super::Labels;
use super::regions::Region;
use crate::GrayImage;
use crate::segment::UNLIT;

/// A cell this close to an unlit pixel, in pixels along a row or column, is cut.
const REACH: u32 = 2;

/// A probability map that contains unlit pixels.
pub struct Unlit<'a>(&'a GrayImage);

impl<'a> Unlit<'a> {
    /// `None` if no pixel is unlit.
    pub fn of(probability: &'a GrayImage) -> Option<Self> {
        probability.as_raw().contains(&UNLIT).then_some(Self(probability))
    }

    /// Whether a region reaches the unlit area.
    pub fn cuts(&self, region: &Region) -> bool {
        region.runs.iter().any(|run| (run.start..run.end).any(|x| self.near(x, run.y)))
    }

    /// For each of the cells 1 to `count`, whether it reaches the unlit area.
    pub fn cut_cells(&self, labels: &Labels, count: usize) -> Vec<bool> {
        let mut cut = vec![false; count];
        for (at, &id) in labels.ids.iter().enumerate().filter(|(_, id)| **id != 0) {
            cut[id as usize - 1] |= self.near(at as u32 % labels.width, at as u32 / labels.width);
        }
        cut
    }

    fn near(&self, x: u32, y: u32) -> bool {
        let (width, height) = self.0.dimensions();
        let unlit = |x: u32, y: u32| x < width && y < height && self.0.get_pixel(x, y).0[0] == UNLIT;
        // Left of column 0 the subtraction wraps around to a value beyond the last column; likewise for rows.
        (1..=REACH).any(|n| {
            unlit(x.wrapping_sub(n), y) || unlit(x + n, y) || unlit(x, y.wrapping_sub(n)) || unlit(x, y + n)
        })
    }
}
