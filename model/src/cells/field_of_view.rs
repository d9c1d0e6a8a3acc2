//! The field of view: what lies beyond it can't be seen, so a cell may continue there. It is the image, without a frame
//! and the black around an eyepiece's view.

use super::regions::Region;
use super::{Cell, Labels};
use crate::GrayImage;
use crate::segment::UNLIT;

/// Interpolation leaves a line of background between a cell and the unlit pixels that cut it: up to this many pixels
/// along a row or column.
const REACH: u32 = 2;

/// The part of an image that can be seen.
pub struct FieldOfView<'a> {
    /// Bounding box: minimum x, minimum y, maximum x + 1, maximum y + 1.
    pub bounds: [u32; 4],
    /// The probability map, if there are unlit pixels within the bounds.
    map: Option<&'a GrayImage>,
}

impl<'a> FieldOfView<'a> {
    /// All of an image of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { bounds: [0, 0, width, height], map: None }
    }

    /// The lit pixels of a probability map.
    pub fn of(probability: &'a GrayImage) -> Self {
        let (width, height) = probability.dimensions();
        if !probability.as_raw().contains(&UNLIT) {
            return Self::whole(width, height);
        }
        let mut bounds = [width, height, 0, 0];
        let mut lit = 0;
        for (y, row) in probability.as_raw().chunks_exact(width as usize).enumerate() {
            let is_lit = |value: &u8| *value != UNLIT;
            let Some(first) = row.iter().position(is_lit) else { continue };
            let last = row.iter().rposition(is_lit).unwrap_or(first);
            lit += row.iter().filter(|value| is_lit(value)).count();
            let [x0, y0, x1, y1] = bounds;
            bounds = [x0.min(first as u32), y0.min(y as u32), x1.max(last as u32 + 1), y1.max(y as u32 + 1)];
        }
        let [x0, y0, x1, y1] = bounds;
        let filled = lit == x1.saturating_sub(x0) as usize * y1.saturating_sub(y0) as usize;
        Self { bounds, map: (!filled).then_some(probability) }
    }

    /// Whether the edge of the field cuts a region.
    pub fn cuts(&self, region: &Region) -> bool {
        self.touches_bounds(region.bounds)
            || self.map.is_some()
                && region.runs.iter().any(|run| (run.start..run.end).any(|x| self.near(x, run.y)))
    }

    /// Marks the cells that the edge of the field cuts. Their ids must be consecutive from 1.
    pub fn mark_cut(&self, cells: &mut [Cell], labels: &Labels) {
        for cell in cells.iter_mut() {
            let [x, y, width, height] = cell.bounds;
            cell.touches_edge |= self.touches_bounds([x, y, x + width, y + height]);
        }
        if self.map.is_none() {
            return;
        }
        for (at, &id) in labels.ids.iter().enumerate().filter(|(_, id)| **id != 0) {
            let cut = self.near(at as u32 % labels.width, at as u32 / labels.width);
            cells[id as usize - 1].touches_edge |= cut;
        }
    }

    /// Whether a pixel within the bounds, of no cell, is unlit, or so near to unlit ones that it may be background only by
    /// interpolation.
    pub fn hides(&self, x: u32, y: u32) -> bool {
        self.unlit(x, y) || self.near(x, y)
    }

    /// Whether there may be hidden pixels within the bounds.
    pub fn is_ragged(&self) -> bool {
        self.map.is_some()
    }

    fn touches_bounds(&self, [left, top, right, bottom]: [u32; 4]) -> bool {
        let [x0, y0, x1, y1] = self.bounds;
        left == x0 || top == y0 || right == x1 || bottom == y1
    }

    fn unlit(&self, x: u32, y: u32) -> bool {
        let pixel = self.map.and_then(|map| map.get_pixel_checked(x, y));
        pixel.is_some_and(|pixel| pixel.0[0] == UNLIT)
    }

    fn near(&self, x: u32, y: u32) -> bool {
        // Left of column 0 the subtraction wraps around to a value beyond the image; likewise for rows.
        self.map.is_some()
            && (1..=REACH).any(|n| {
                self.unlit(x.wrapping_sub(n), y)
                    || self.unlit(x + n, y)
                    || self.unlit(x, y.wrapping_sub(n))
                    || self.unlit(x, y + n)
            })
    }
}
