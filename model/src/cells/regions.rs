//! Connected components of a mask, by run-length encoding and union-find in linear time.

use super::disjoint::Disjoint;
use super::moments::Moments;
use std::ops::Range;

/// A run of set pixels in one row: columns `start..end` of row `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub y: u32,
    pub start: u32,
    pub end: u32,
}

impl Run {
    /// Indices of its pixels in an image of this width.
    pub fn indices(self, width: u32) -> Range<usize> {
        let row = self.y as usize * width as usize;
        row + self.start as usize..row + self.end as usize
    }
}

/// Which neighbours are connected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Left, right, above and below.
    Four,
    /// The diagonal ones as well.
    Eight,
}

/// One connected component.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its runs, top to bottom, then left to right.
    pub runs: Vec<Run>,
    pub area: u64,
    /// Minimum x, minimum y, maximum x + 1, maximum y + 1.
    pub bounds: [u32; 4],
}

impl Region {
    /// Whether it touches the edge of an image of this size.
    pub fn touches_edge(&self, width: u32, height: u32) -> bool {
        let [x0, y0, x1, y1] = self.bounds;
        x0 == 0 || y0 == 0 || x1 == width || y1 == height
    }

    /// The same region, further right by `left` and further down by `top`.
    pub fn moved(mut self, left: u32, top: u32) -> Self {
        for run in &mut self.runs {
            *run = Run { y: run.y + top, start: run.start + left, end: run.end + left };
        }
        let [x0, y0, x1, y1] = self.bounds;
        self.bounds = [x0 + left, y0 + top, x1 + left, y1 + top];
        self
    }

    /// [`Moments::roundness`].
    pub fn roundness(&self) -> f64 {
        let mut moments = Moments::default();
        let [x0, y0, ..] = self.bounds;
        for run in &self.runs {
            (run.start..run.end).for_each(|x| moments.add(f64::from(x - x0), f64::from(run.y - y0)));
        }
        moments.roundness()
    }
}

/// The connected components of the pixels for which `set` holds, in raster order of their first pixels.
pub fn regions(width: u32, height: u32, neighbours: Neighbours, set: impl Fn(usize) -> bool) -> Vec<Region> {
    let (runs, mut sets) = linked_runs(width, height, neighbours, set);
    let mut out = Vec::<Region>::new();
    let mut of_root = vec![u32::MAX; runs.len()];
    for (index, &run) in runs.iter().enumerate() {
        let root = sets.root(index as u32) as usize;
        if of_root[root] == u32::MAX {
            of_root[root] = out.len() as u32;
            out.push(Region { runs: Vec::new(), area: 0, bounds: [u32::MAX, u32::MAX, 0, 0] });
        }
        let region = &mut out[of_root[root] as usize];
        region.runs.push(run);
        region.area += u64::from(run.end - run.start);
        let [x0, y0, x1, y1] = &mut region.bounds;
        (*x0, *y0) = ((*x0).min(run.start), (*y0).min(run.y));
        (*x1, *y1) = ((*x1).max(run.end), (*y1).max(run.y + 1));
    }
    out
}

/// All runs in raster order, and their indices in sets, one for each component; its first run is the root.
fn linked_runs(
    width: u32,
    height: u32,
    neighbours: Neighbours,
    set: impl Fn(usize) -> bool,
) -> (Vec<Run>, Disjoint) {
    let reach = u32::from(neighbours == Neighbours::Eight);
    let (mut runs, mut sets) = (Vec::<Run>::new(), Disjoint::default());
    let mut above = 0..0;
    for y in 0..height {
        let row = y as usize * width as usize;
        let first = runs.len();
        let mut candidate = above.start;
        let mut x = 0;
        while x < width {
            if !set(row + x as usize) {
                x += 1;
                continue;
            }
            let start = x;
            while x < width && set(row + x as usize) {
                x += 1;
            }
            runs.push(Run { y, start, end: x });
            let index = sets.add();
            while candidate < above.end && runs[candidate].end + reach <= start {
                candidate += 1;
            }
            // The last run that touches this one may touch the next too, so `candidate` stays.
            let mut other = candidate;
            while other < above.end && runs[other].start < x + reach {
                join(&mut sets, other as u32, index);
                other += 1;
            }
        }
        above = first..runs.len();
    }
    (runs, sets)
}

/// Joins two sets; the earlier root remains the root.
fn join(sets: &mut Disjoint, a: u32, b: u32) {
    let (a, b) = (sets.root(a), sets.root(b));
    sets.merge(a.max(b), a.min(b));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rows: &[&str], neighbours: Neighbours) -> Vec<u64> {
        let data: Vec<u8> = rows.concat().into_bytes();
        let found = regions(rows[0].len() as u32, rows.len() as u32, neighbours, |at| data[at] == b'#');
        found.iter().map(|region| region.area).collect()
    }

    #[test]
    fn diagonals_hang_together_only_by_eight() {
        let rows = ["#.#", ".#.", "#.#"];
        assert_eq!(count(&rows, Neighbours::Four), [1; 5]);
        assert_eq!(count(&rows, Neighbours::Eight), [5]);
    }

    #[test]
    fn branches_that_meet_late_are_one() {
        let rows = ["#.#.#", "#.#.#", "#####", ".....", "##.##"];
        assert_eq!(count(&rows, Neighbours::Four), [11, 2, 2]);
        let rows = ["#####", "#...#", "#.#.#", "#...#", "#####"];
        assert_eq!(count(&rows, Neighbours::Eight), [16, 1]);
    }

    #[test]
    fn a_moved_region_lies_elsewhere_in_all_respects() {
        let found = |left: usize, top: usize| {
            let shape = [(1, 0), (2, 0), (2, 1)].map(|(x, y)| (top + y) * 9 + left + x);
            regions(9, 7, Neighbours::Four, |at| shape.contains(&at)).swap_remove(0)
        };
        let (moved, there) = (found(1, 2).moved(4, 3), found(5, 5));
        assert_eq!((moved.runs, moved.area, moved.bounds), (there.runs, there.area, there.bounds));
    }

    #[test]
    fn a_disc_is_round_and_a_bar_is_not() {
        let disc = regions(41, 41, Neighbours::Four, |at| {
            (at as i32 % 41 - 20).pow(2) + (at as i32 / 41 - 20).pow(2) <= 225
        });
        assert!((disc[0].roundness() - 1.0).abs() < 0.01);
        let bar = regions(40, 4, Neighbours::Four, |_| true);
        assert!(bar[0].roundness() < 0.25);
        assert!(bar[0].touches_edge(40, 4));
    }
}
