//! Manual corrections of the cells that were found.

use super::raster::{bounds, enclosed, pixels, under};
use super::regions::{Neighbours, Region, Run, regions};
use super::{Cells, Labels};
use crate::segment::UNLIT;
use crate::{GrayImage, grid};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Minimum share of a cell that each part left by a cut must have: a line that only scratches a cell does not split it.
const LEAST_PART: f64 = 0.02;

/// A hand-drawn line through points in image pixels; the origin is the image's top left corner.
#[derive(Clone, Debug, PartialEq)]
pub enum Stroke {
    /// Closed by a straight line to its start; what it encloses becomes one cell. Cells of which at least half lies
    /// inside are replaced, others lose the part inside.
    Outline(Vec<(f64, f64)>),
    /// Each cell that the line crosses from side to side is split along it; the pixels under the line go to the parts.
    Cut(Vec<(f64, f64)>),
}

impl Cells {
    /// Applies strokes in order, then renumbers and measures all cells. Deterministic; a stroke that encloses no pixel
    /// or splits no cell changes nothing. Returns for each stroke whether it changed anything.
    pub fn correct(&mut self, strokes: &[Stroke], probability: &GrayImage) -> Vec<bool> {
        if strokes.is_empty() {
            return Vec::new();
        }
        // Ids removed by `erase` stay unused.
        let most = self.cells.iter().map(|cell| cell.id as usize).max().unwrap_or(0);
        let mut extents = vec![Extent { bounds: [0; 4], area: 0 }; most];
        for cell in &self.cells {
            extents[cell.id as usize - 1] = Extent { bounds: cell.bounds, area: cell.area_px as usize };
        }
        let mut sheet = Sheet { extents, cells: self, probability };
        let draw = |stroke: &Stroke| match stroke {
            Stroke::Outline(points) => sheet.outline(points),
            Stroke::Cut(points) => sheet.cut(points),
        };
        let changed = strokes.iter().map(draw).collect();
        let count = sheet.extents.len();
        self.number_and_measure(count, probability);
        changed
    }
}

/// Where to look for the pixels of a cell, and their number.
#[derive(Clone, Copy)]
struct Extent {
    /// x, y, width, height; may be larger than the cell's bounding box.
    bounds: [u32; 4],
    area: usize,
}

/// The label image while strokes are applied. The extent of an id is at index `id - 1`.
struct Sheet<'a> {
    cells: &'a mut Cells,
    probability: &'a GrayImage,
    extents: Vec<Extent>,
}

impl Sheet<'_> {
    fn size(&self) -> (u32, u32) {
        (self.cells.labels.width, self.cells.labels.height)
    }

    fn at(&self, x: u32, y: u32) -> usize {
        y as usize * self.cells.labels.width as usize + x as usize
    }

    /// Adds a cell and returns its id.
    fn add(&mut self, extent: Extent) -> u32 {
        self.extents.push(extent);
        self.extents.len() as u32
    }

    fn extent(&mut self, id: u32) -> &mut Extent {
        &mut self.extents[id as usize - 1]
    }

    /// The 4-connected regions, within `bounds`, of the pixels for which `keep` holds; in image coordinates.
    fn pieces(&self, bounds: [u32; 4], keep: impl Fn(usize) -> bool) -> Vec<Region> {
        let [left, top, width, height] = bounds;
        let in_image = |at: usize| self.at(left + at as u32 % width, top + at as u32 / width);
        let found = regions(width, height, Neighbours::Four, |at| keep(in_image(at)));
        found.into_iter().map(|region| region.moved(left, top)).collect()
    }

    fn fill(&mut self, runs: &[Run], id: u32) {
        let Labels { width, ids, .. } = &mut self.cells.labels;
        runs.iter().for_each(|run| ids[run.indices(*width)].fill(id));
    }

    fn outline(&mut self, points: &[(f64, f64)]) -> bool {
        let runs = enclosed(points, self.size());
        let Some(bounds) = bounds(&runs) else { return false };
        let (width, [left, top, across, down]) = (self.cells.labels.width as usize, bounds);
        let place = |at: usize| (at / width - top as usize) * across as usize + at % width - left as usize;
        let mut inside = vec![false; across as usize * down as usize];
        for at in pixels(&runs, self.cells.labels.width) {
            // There are no cells outside the picture.
            inside[place(at)] = self.probability.as_raw()[at] != UNLIT;
        }
        // A self-intersecting line may enclose several parts, but a cell is connected: the largest part is taken.
        let found = self.pieces(bounds, |at| inside[place(at)]);
        let Some(new) = found.into_iter().max_by_key(|region| region.area) else { return false };
        let mut taken = BTreeMap::<u32, usize>::new();
        let ids = pixels(&new.runs, self.cells.labels.width).map(|at| self.cells.labels.ids[at]);
        for id in ids.filter(|id| *id != 0) {
            *taken.entry(id).or_default() += 1;
        }
        let id = self.add(Extent { bounds, area: new.area as usize });
        self.fill(&new.runs, id);
        for (old, taken) in taken {
            let keep = taken * 2 < self.extent(old).area;
            self.keep_largest_piece(old, keep);
        }
        true
    }

    /// Removes all pixels of a cell, or all but its largest piece if `keep`.
    fn keep_largest_piece(&mut self, id: u32, keep: bool) {
        let bounds = self.extent(id).bounds;
        let mut found = self.pieces(bounds, |at| self.cells.labels.ids[at] == id);
        found.sort_by_key(|region| std::cmp::Reverse(region.area));
        let kept = usize::from(keep).min(found.len());
        self.extent(id).area = found[..kept].iter().map(|region| region.area as usize).sum();
        found[kept..].iter().for_each(|region| self.fill(&region.runs, 0));
    }

    /// Splits all cells that a line crosses; returns whether there were any.
    fn cut(&mut self, points: &[(f64, f64)]) -> bool {
        let line = under(points, self.size());
        let ids: BTreeSet<u32> =
            line.iter().map(|&at| self.cells.labels.ids[at]).filter(|id| *id != 0).collect();
        // `count` rather than `any`, so that every cell is visited.
        ids.into_iter().filter(|&id| self.part(id, &line)).count() > 0
    }

    /// Splits one cell along the pixels of a line, if the line crosses it.
    fn part(&mut self, id: u32, line: &HashSet<usize>) -> bool {
        let Extent { bounds, area } = *self.extent(id);
        let found = self.pieces(bounds, |at| self.cells.labels.ids[at] == id && !line.contains(&at));
        let (mut parts, scraps): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|piece| piece.area as f64 >= LEAST_PART * area as f64);
        if parts.len() < 2 {
            return false;
        }
        parts.sort_by_key(|piece| std::cmp::Reverse(piece.area));
        let under = line.iter().copied().filter(|&at| self.cells.labels.ids[at] == id);
        let mut loose: Vec<usize> = under
            .chain(scraps.iter().flat_map(|scrap| pixels(&scrap.runs, self.cells.labels.width)))
            .collect();
        loose.sort_unstable();
        loose.iter().for_each(|&at| self.cells.labels.ids[at] = 0);
        let mut own = vec![id];
        for piece in &parts[1..] {
            let new = self.add(Extent { bounds, area: piece.area as usize });
            self.fill(&piece.runs, new);
            own.push(new);
        }
        self.extent(id).area = parts[0].area as usize;
        self.give_to_neighbours(loose, &own);
        true
    }

    /// Assigns loose pixels to adjacent cells among `own`, working inwards from the border.
    fn give_to_neighbours(&mut self, mut loose: Vec<usize>, own: &[u32]) {
        let mut before = usize::MAX;
        while loose.len() < before {
            before = loose.len();
            loose.retain(|&at| {
                let Labels { width, ids, .. } = &mut self.cells.labels;
                let near = grid::beside(at, *width as usize, ids.len()).into_iter().flatten();
                let Some(id) = near.map(|next| ids[next]).find(|id| own.contains(id)) else { return true };
                ids[at] = id;
                self.extent(id).area += 1;
                false
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CellOptions, find_cells};
    use super::*;

    fn disc_map(discs: &[(f64, f64, f64)]) -> GrayImage {
        GrayImage::from_fn(80, 60, |x, y| {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            image::Luma([if discs.iter().any(|d| (x - d.0).hypot(y - d.1) < d.2) { 255 } else { 0 }])
        })
    }

    fn found(map: &GrayImage) -> Cells {
        find_cells(map, &CellOptions { split: false, ..Default::default() })
    }

    fn corrected(map: &GrayImage, strokes: &[Stroke]) -> Cells {
        let mut cells = found(map);
        cells.correct(strokes, map);
        cells
    }

    fn areas(cells: &Cells) -> Vec<f64> {
        cells.cells.iter().map(|cell| cell.area_px).collect()
    }

    fn square(x: f64, y: f64, side: f64) -> Stroke {
        Stroke::Outline(vec![(x, y), (x + side, y), (x + side, y + side), (x, y + side)])
    }

    const TWO: [(f64, f64, f64); 2] = [(20.0, 30.0, 11.0), (38.0, 30.0, 11.0)];

    #[test]
    fn a_cut_parts_what_it_crosses_and_loses_no_pixel() {
        let map = disc_map(&TWO);
        let whole = areas(&found(&map));
        assert_eq!(whole.len(), 1);
        // Straight down, and oblique with many points.
        let askew = (0..20).map(|i| (31.0 - 0.3 * f64::from(i), 15.0 + 1.7 * f64::from(i))).collect();
        for line in [vec![(29.0, 10.0), (29.0, 50.0)], askew] {
            let parts = areas(&corrected(&map, &[Stroke::Cut(line)]));
            assert_eq!(parts.len(), 2, "{parts:?}");
            assert_eq!(parts.iter().sum::<f64>(), whole[0]);
            assert!((parts[0] / parts[1] - 1.0).abs() < 0.2, "{parts:?}");
        }
    }

    #[test]
    fn a_cut_that_ends_inside_or_only_scratches_parts_nothing() {
        let map = disc_map(&TWO);
        for line in [vec![(29.0, 10.0), (29.0, 30.0)], vec![(5.0, 19.6), (60.0, 19.6)], vec![(29.0, 30.0)]] {
            let cells = corrected(&map, &[Stroke::Cut(line)]);
            assert_eq!(cells, found(&map));
        }
    }

    #[test]
    fn an_outline_on_bare_ground_is_a_cell_of_its_area() {
        let map = disc_map(&TWO);
        let cells = corrected(&map, &[square(60.0, 5.0, 9.0)]);
        assert_eq!(areas(&cells)[0], 81.0);
        assert_eq!(cells.cells[0].bounds, [60, 5, 9, 9]);
        assert_eq!(cells.cells[0].mean_probability, 0.0);
        assert!(!cells.cells[0].touches_edge);
        // There is no cell in an unlit area.
        let mut dark = map.clone();
        (0..60).for_each(|y| (64..80).for_each(|x| dark.put_pixel(x, y, image::Luma([UNLIT]))));
        let cells = corrected(&dark, &[square(60.0, 5.0, 9.0)]);
        assert_eq!((areas(&cells)[0], cells.cells[0].touches_edge), (36.0, true));
        // Half of the outline lies beyond the image.
        let cut = corrected(&map, &[square(75.0, 20.0, 10.0)]);
        let cell = cut.cells.iter().find(|cell| cell.area_px == 50.0);
        assert!(cell.is_some_and(|cell| cell.touches_edge), "{:?}", cut.cells);
    }

    #[test]
    fn an_outline_replaces_what_it_holds_and_nibbles_at_the_others() {
        let map = disc_map(&[(20.0, 30.0, 11.0), (55.0, 30.0, 11.0)]);
        let before = areas(&found(&map));
        // Encloses all of the left cell and a bit of the right one.
        let cells = corrected(&map, &[square(6.0, 10.0, 40.0)]);
        assert_eq!(cells.cells.len(), 2);
        assert_eq!(areas(&cells)[0], 1600.0);
        assert!((0.8..1.0).contains(&(areas(&cells)[1] / before[1])), "{:?}", areas(&cells));
        // Encloses both, which are joined.
        assert_eq!(areas(&corrected(&map, &[square(5.0, 0.0, 65.0)])), [65.0 * 60.0]);
    }

    #[test]
    fn strokes_follow_one_another() {
        let map = disc_map(&TWO);
        let cut = Stroke::Cut(vec![(29.0, 10.0), (29.0, 50.0)]);
        let across = Stroke::Cut(vec![(0.0, 30.0), (70.0, 30.0)]);
        let cells = corrected(&map, &[cut.clone(), across.clone()]);
        // Applying strokes one by one gives the same result as all at once.
        let mut one_by_one = corrected(&map, std::slice::from_ref(&cut));
        one_by_one.correct(&[across], &map);
        assert_eq!(one_by_one, cells);
        assert_eq!(cells.cells.len(), 4);
        assert_eq!(cells.cells.iter().map(|cell| cell.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
        // Joined again.
        assert_eq!(corrected(&map, &[cut, square(0.0, 0.0, 80.0)]).cells.len(), 1);
    }

    #[test]
    fn cells_that_were_left_out_before_stay_out() {
        let map = disc_map(&[(12.0, 30.0, 9.0), (40.0, 30.0, 9.0), (68.0, 30.0, 9.0)]);
        let mut cells = found(&map);
        cells.erase(|cell| cell.x < 20.0);
        assert_eq!(cells.cells.iter().map(|cell| cell.id).collect::<Vec<_>>(), [2, 3]);
        let strokes = [square(2.0, 2.0, 6.0), Stroke::Cut(vec![(68.0, 10.0), (68.0, 50.0)])];
        assert_eq!(cells.correct(&strokes, &map), [true, true]);
        assert_eq!(cells.cells.iter().map(|cell| cell.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(areas(&cells)[0], 36.0);
    }

    #[test]
    fn lines_that_cross_themselves_leave_the_image_or_have_no_inside_do_no_harm() {
        let map = disc_map(&TWO);
        let eight = Stroke::Outline(vec![(60.0, 2.0), (78.0, 12.0), (78.0, 2.0), (60.0, 9.0)]);
        let cells = corrected(&map, &[eight]);
        assert_eq!(cells.cells.len(), 2, "of two loops the larger one counts");
        let far = [(-1e6, -50.0), (1e6, -50.0), (0.0, 1e5)];
        assert_eq!(corrected(&map, &[Stroke::Outline(far.to_vec())]).cells.len(), 1);
        for points in [
            vec![],
            vec![(3.0, 3.0)],
            vec![(70.0, 3.0), (70.2, 3.1)],
            vec![(-9.0, -9.0), (-5.0, -5.0), (-9.0, -5.0)],
        ] {
            let strokes = [Stroke::Outline(points.clone()), Stroke::Cut(points)];
            let mut cells = found(&map);
            assert_eq!(cells.correct(&strokes, &map), [false, false]);
            assert_eq!(cells, found(&map));
        }
    }

    #[test]
    fn every_cell_stays_one_piece() {
        // A bar through a cell leaves two caps, of which only the larger is kept.
        let bar = Stroke::Outline(vec![(5.0, 26.0), (31.0, 26.0), (31.0, 31.0), (5.0, 31.0)]);
        let cells = corrected(&disc_map(&TWO[..1]), &[bar]);
        assert_eq!(cells.cells.len(), 2);
        for id in 1..=2 {
            let ids = &cells.labels.ids;
            assert_eq!(regions(80, 60, Neighbours::Four, |at| ids[at] == id).len(), 1);
        }
    }
}
