//! Hills of one region's height map, and which of them belong to the same cell.

use super::crop::{Borders, Crop};
use super::disc_area;
use super::disjoint::Disjoint;
use super::split::{OUTSIDE, STEPS};
use std::collections::BTreeMap;

/// Two hills are one cell if the pass between them is at least this high relative to the lower top: limit for tops near
/// each other, and for tops far apart, which any dip separates. For two equal discs of radius r with centres d apart,
/// the pass of the depth is at sqrt(1 - d²/4r²): 0.87 for d = r.
const PASS: (f32, f32) = (0.83, 1.0);
/// The distances that count as near and far, in expected diameters.
const APART: (f32, f32) = (0.35, 0.75);
/// A top lower than this share of the expected cell radius is not a cell of its own.
const LEAST_HEIGHT: f32 = 0.1;
/// The same at the edge of the field of view, where little of a cell may be visible.
const LEAST_HEIGHT_AT_EDGE: f32 = 0.02;
/// A dip shallower than this many pixels is an artefact of the pixel grid.
const GRID: f32 = 0.4;
/// The same at that edge: a cut cell is a lower hill with a shallower dip.
const GRID_AT_EDGE: f32 = 0.3;
/// A part smaller than this share of the expected cell area is merged into its neighbour.
const FRAGMENT: f32 = 0.06;
/// The same at that edge.
const FRAGMENT_AT_EDGE: f32 = 0.03;

struct Hill {
    height: u16,
    area: u32,
    /// Whether it reaches the edge of the field of view.
    at_edge: bool,
    /// Position of the top in the crop.
    x: f32,
    y: f32,
}

/// The hills found so far. A hill's id stays valid after it is merged into another.
pub struct Hills {
    diameter: f32,
    hills: Vec<Hill>,
    /// Which hills were merged; the values of the root are those of all.
    merged: Disjoint,
}

impl Hills {
    /// An empty set; `diameter` is the expected cell diameter in pixels.
    pub fn new(diameter: f32) -> Self {
        Self { diameter, hills: Vec::new(), merged: Disjoint::default() }
    }

    /// Adds a hill with its top at a pixel and returns its id.
    pub fn rise(&mut self, height: u16, x: usize, y: usize, at_edge: bool) -> u32 {
        self.hills.push(Hill { height, area: 1, at_edge, x: x as f32, y: y as f32 });
        self.merged.add()
    }

    /// Adds a pixel to a hill; returns the hill.
    pub fn grow(&mut self, id: u32, at_edge: bool) -> u32 {
        let hill = &mut self.hills[id as usize];
        hill.area += 1;
        hill.at_edge |= at_edge;
        id
    }

    /// The hill that this one is now part of.
    pub fn root(&mut self, id: u32) -> u32 {
        self.merged.root(id)
    }

    /// Called when two root hills meet at a pass of this height. Merges them if they are one cell and returns the
    /// merged hill; otherwise `None`.
    pub fn meet(&mut self, a: u32, b: u32, pass: u16) -> Option<u32> {
        if a == b {
            return Some(a);
        }
        let (p, q) = (&self.hills[a as usize], &self.hills[b as usize]);
        let apart = (p.x - q.x).hypot(p.y - q.y) / self.diameter;
        let far = ((apart - APART.0) / (APART.1 - APART.0)).clamp(0.0, 1.0);
        let (low, high) = if p.height < q.height { (a, b) } else { (b, a) };
        let lower = &self.hills[low as usize];
        let (least, grid) =
            if lower.at_edge { (LEAST_HEIGHT_AT_EDGE, GRID_AT_EDGE) } else { (LEAST_HEIGHT, GRID) };
        let top = f32::from(lower.height) / STEPS;
        let pass = f32::from(pass) / STEPS;
        let one = pass >= (PASS.0 + (PASS.1 - PASS.0) * far) * top
            || top - pass < grid
            || top < least * self.diameter / 2.0;
        one.then(|| self.join(low, high))
    }

    /// Merges `low` into `high`.
    fn join(&mut self, low: u32, high: u32) -> u32 {
        self.merged.merge(low, high);
        self.hills[high as usize].area += self.hills[low as usize].area;
        self.hills[high as usize].at_edge |= self.hills[low as usize].at_edge;
        high
    }

    fn is_fragment(&self, id: u32) -> bool {
        let hill = &self.hills[id as usize];
        let least = if hill.at_edge { FRAGMENT_AT_EDGE } else { FRAGMENT };
        (hill.area as f32) < least * disc_area(self.diameter)
    }

    /// Merges parts too small for a cell into the neighbour with the longest common border, smallest part first.
    pub fn absorb_fragments(&mut self, crop: &Crop, of_pixel: &[u32]) {
        let roots = (0..self.hills.len() as u32).filter(|&id| self.merged.is_root(id));
        let mut small: Vec<u32> = roots.filter(|&id| self.is_fragment(id)).collect();
        if small.is_empty() {
            return;
        }
        small.sort_by_key(|&id| (self.hills[id as usize].area, id));
        let mut seams = Borders::new();
        for (id, others) in crop.borders(of_pixel) {
            let root = self.root(id);
            for (other, length) in others {
                let other = self.root(other);
                if other != root {
                    *seams.entry(root).or_default().entry(other).or_default() += length;
                }
            }
        }
        for id in small {
            let root = self.root(id);
            if !self.is_fragment(root) {
                continue;
            }
            let mut lengths = BTreeMap::<u32, u32>::new();
            for (other, length) in seams.remove(&root).unwrap_or_default() {
                *lengths.entry(self.root(other)).or_default() += length;
            }
            lengths.remove(&root);
            if let Some((&neighbour, _)) = lengths.iter().max_by_key(|&(&other, &length)| (length, other)) {
                self.join(root, neighbour);
                // What bordered on the fragment now borders on the part that it joined, which may be a fragment too.
                let joined = seams.entry(neighbour).or_default();
                lengths.into_iter().for_each(|(other, length)| *joined.entry(other).or_default() += length);
            }
        }
    }

    /// Replaces hill ids by numbers from 0 in raster order; also returns the column and row of each top, by number.
    pub fn number(&mut self, mut of_pixel: Vec<u32>) -> (Vec<u32>, Vec<(usize, usize)>) {
        let mut numbers = vec![OUTSIDE; self.hills.len()];
        let mut tops = Vec::new();
        for id in of_pixel.iter_mut().filter(|id| **id != OUTSIDE) {
            let root = self.root(*id) as usize;
            if numbers[root] == OUTSIDE {
                numbers[root] = tops.len() as u32;
                tops.push((self.hills[root].x as usize, self.hills[root].y as usize));
            }
            *id = numbers[root];
        }
        (of_pixel, tops)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    #[test]
    fn a_fragment_between_a_fragment_and_a_cell_joins_both_to_it() {
        // From left to right: 40 pixels, 20 pixels, and a cell; a fragment has less than 75.
        let (width, height) = (40, 20);
        let mut hills = Hills::new(40.0);
        let cell = hills.rise(100, 20, 10, false);
        let middle = hills.rise(3, 2, 10, false);
        let outer = hills.rise(5, 0, 10, false);
        let of_column = |x: usize| [outer, outer, middle].get(x).copied().unwrap_or(cell);
        let of_pixel: Vec<u32> = (0..width * height).map(|at| of_column(at % width)).collect();
        for id in [cell, middle, outer] {
            let area = of_pixel.iter().filter(|of| **of == id).count();
            (1..area).for_each(|_| _ = hills.grow(id, false));
        }
        let all = &regions(width as u32, height as u32, Neighbours::Four, |_| true)[0];
        let crop = Crop::of(all, &FieldOfView::whole(width as u32, height as u32));
        hills.absorb_fragments(&crop, &of_pixel);
        assert_eq!([cell, middle, outer].map(|id| hills.root(id)), [cell; 3]);
    }
}
