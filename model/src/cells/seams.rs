//! Moves the seam between two overlapping cells to where it belongs.
//!
//! The watershed follows the landscape. Along a neck that is right, but across two cells that overlap without a neck it
//! runs around the lower hill. Two discs are separated by the line through the intersections of their outlines, which
//! is their radical axis: the points of equal power `|x - c|² - r²` (Aurenhammer, "Power diagrams", SIAM J. Comput.
//! 1987). The shorter of the two seams is used.

use super::crop::Crop;
use super::measure::crofton;
use super::split::OUTSIDE;
use crate::grid;

/// Range of a disc's radius, in expected diameters.
const RADIUS: (f32, f32) = (0.3, 0.65);
/// The radical axis replaces the seam if it is shorter than this share of it.
const SHORTER: f32 = 0.9;

/// The disc that approximates one part; coordinates in pixels of the crop.
#[derive(Clone, Copy, Debug)]
pub struct Disc {
    pub x: f32,
    pub y: f32,
    pub r: f32,
}

impl Disc {
    /// The disc of a part whose hill has its top at `x, y`; `depth` is the distance from there to the region's outline.
    pub fn at(x: usize, y: usize, depth: f32, diameter: f32) -> Self {
        Self { x: x as f32, y: y as f32, r: depth.clamp(RADIUS.0 * diameter, RADIUS.1 * diameter) }
    }

    fn power(&self, x: usize, y: usize) -> f32 {
        (x as f32 - self.x).powi(2) + (y as f32 - self.y).powi(2) - self.r * self.r
    }
}

/// Moves the seam between each pair of adjacent parts to the radical axis of their discs if that is shorter. `parts`
/// holds the part of each crop pixel, [`OUTSIDE`] outside the region.
pub fn straighten(crop: &Crop, parts: &mut [u32], discs: &[Disc]) {
    let mut boxes = boxes(crop, parts, discs.len());
    for (a, b) in neighbours(crop, parts) {
        let frame = boxes[a as usize].with(&boxes[b as usize]);
        let pair = Pair { crop, frame, a, b };
        let before = pair.seam(|at| parts[at]);
        let Some(proposed) = pair.radical(parts, discs) else { continue };
        let after = pair.seam(|at| proposed[pair.local(at)]);
        if after < SHORTER * before {
            let mut grown = [Frame::NOTHING; 2];
            pair.each(|at| {
                let new = proposed[pair.local(at)];
                if new != OUTSIDE {
                    parts[at] = new;
                    let of = &mut grown[usize::from(new == b)];
                    *of = of.with(&Frame::pixel(at % crop.width, at / crop.width));
                }
            });
            [boxes[a as usize], boxes[b as usize]] = grown;
        }
    }
}

/// Columns `x0..x1` and rows `y0..y1`.
#[derive(Clone, Copy)]
struct Frame {
    x0: usize,
    y0: usize,
    x1: usize,
    y1: usize,
}

impl Frame {
    const NOTHING: Self = Self { x0: usize::MAX, y0: usize::MAX, x1: 0, y1: 0 };

    fn pixel(x: usize, y: usize) -> Self {
        Self { x0: x, y0: y, x1: x + 1, y1: y + 1 }
    }

    fn with(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }
}

/// Bounding box of each part.
fn boxes(crop: &Crop, parts: &[u32], count: usize) -> Vec<Frame> {
    let mut boxes = vec![Frame::NOTHING; count];
    for (at, &part) in parts.iter().enumerate().filter(|(_, part)| **part != OUTSIDE) {
        let pixel = Frame::pixel(at % crop.width, at / crop.width);
        boxes[part as usize] = boxes[part as usize].with(&pixel);
    }
    boxes
}

/// All pairs of adjacent parts (sharing pixel sides), longest border first.
fn neighbours(crop: &Crop, parts: &[u32]) -> Vec<(u32, u32)> {
    let both = crop.borders(parts).into_iter();
    let both = both.flat_map(|(a, others)| others.into_iter().map(move |(b, length)| ((a, b), length)));
    let mut pairs: Vec<((u32, u32), u32)> = both.filter(|((a, b), _)| a < b).collect();
    pairs.sort_by_key(|&(pair, length)| (std::cmp::Reverse(length), pair));
    pairs.into_iter().map(|(pair, _)| pair).collect()
}

/// Two adjacent parts `a` and `b`, and the frame around both.
struct Pair<'a> {
    crop: &'a Crop,
    frame: Frame,
    a: u32,
    b: u32,
}

impl Pair<'_> {
    /// Calls `of` with each pixel of the frame, as a crop index.
    fn each(&self, mut of: impl FnMut(usize)) {
        for y in self.frame.y0..self.frame.y1 {
            (self.frame.x0..self.frame.x1).for_each(|x| of(y * self.crop.width + x));
        }
    }

    /// Converts a crop index to an index in the frame.
    fn local(&self, at: usize) -> usize {
        let (x, y) = (at % self.crop.width, at / self.crop.width);
        (y - self.frame.y0) * (self.frame.x1 - self.frame.x0) + x - self.frame.x0
    }

    /// Length of the seam in pixels, by the Cauchy-Crofton formula over four directions.
    fn seam(&self, part: impl Fn(usize) -> u32) -> f32 {
        let width = self.crop.width;
        let (mut straight, mut diagonal) = (0, 0);
        self.each(|at| {
            let (x, y) = (at % width, at / width);
            let here = part(at);
            if here != self.a && here != self.b {
                return;
            }
            let other = self.a + self.b - here;
            let (right, below) = (x + 1 < self.frame.x1, y + 1 < self.frame.y1);
            straight += u64::from(right && part(at + 1) == other);
            straight += u64::from(below && part(at + width) == other);
            diagonal += u64::from(right && below && part(at + width + 1) == other);
            diagonal += u64::from(x > self.frame.x0 && below && part(at + width - 1) == other);
        });
        crofton(straight, diagonal) as f32
    }

    /// Reassigns the pixels of both parts by their power with respect to the two discs; other pixels of the frame are
    /// [`OUTSIDE`]. Pixels not connected to their disc's centre go to the other part. `None` unless this gives two
    /// connected parts, each containing its centre.
    fn radical(&self, parts: &[u32], discs: &[Disc]) -> Option<Vec<u32>> {
        let width = self.frame.x1 - self.frame.x0;
        let mut out = vec![OUTSIDE; width * (self.frame.y1 - self.frame.y0)];
        let [p, q] = [self.a, self.b].map(|part| discs[part as usize]);
        self.each(|at| {
            if parts[at] == self.a || parts[at] == self.b {
                let (x, y) = (at % self.crop.width, at / self.crop.width);
                out[self.local(at)] = if p.power(x, y) <= q.power(x, y) { self.a } else { self.b };
            }
        });
        let starts = [(self.a, p), (self.b, q)]
            .map(|(part, disc)| (part, self.local(disc.y as usize * self.crop.width + disc.x as usize)));
        if starts.iter().any(|&(part, start)| out[start] != part) {
            return None;
        }
        let held = reached(&out, width, starts);
        let mut apart = false;
        for (part, held) in out.iter_mut().zip(held) {
            if *part != OUTSIDE && !held {
                *part = self.a + self.b - *part;
                apart = true;
            }
        }
        let whole = |held: Vec<bool>| out.iter().zip(held).all(|(part, held)| *part == OUTSIDE || held);
        (!apart || whole(reached(&out, width, starts))).then_some(out)
    }
}

/// Which pixels of a map of this width are 4-connected to the start of their own part.
fn reached(parts: &[u32], width: usize, starts: [(u32, usize); 2]) -> Vec<bool> {
    let mut reached = vec![false; parts.len()];
    for (part, start) in starts {
        let mut from = vec![start];
        reached[start] = true;
        while let Some(at) = from.pop() {
            for next in grid::beside(at, width, parts.len()).into_iter().flatten() {
                if parts[next] == part && !reached[next] {
                    reached[next] = true;
                    from.push(next);
                }
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    /// The crop of the first region where `inside` holds, in a square image of this side.
    fn crop(side: u32, inside: impl Fn(f32, f32) -> bool) -> Crop {
        let at = |at: usize| inside((at as u32 % side) as f32, (at as u32 / side) as f32);
        Crop::of(&regions(side, side, Neighbours::Four, at)[0], &FieldOfView::whole(side, side))
    }

    fn column(crop: &Crop, at: usize) -> f32 {
        (at % crop.width) as f32 + crop.x as f32
    }

    #[test]
    fn a_seam_around_a_lower_hill_becomes_the_line_through_the_crossings() {
        let disc = |x: f32, y: f32, cx: f32| (x - cx).hypot(y - 40.0) <= 20.0;
        let crop = crop(100, |x, y| disc(x, y, 35.0) || disc(x, y, 61.0));
        // The second cell has only a square around its top.
        let square = |at: usize| {
            (column(&crop, at) - 61.0).abs() <= 9.0
                && ((at / crop.width) as f32 + crop.y as f32 - 40.0).abs() <= 9.0
        };
        let part = |at: usize| if crop.inside[at] { u32::from(square(at)) } else { OUTSIDE };
        let mut parts: Vec<u32> = (0..crop.inside.len()).map(part).collect();
        let top = |x: f32| Disc { x: x - crop.x as f32, y: 40.0 - crop.y as f32, r: 20.0 };
        straighten(&crop, &mut parts, &[top(35.0), top(61.0)]);
        for (at, &part) in parts.iter().enumerate() {
            let expected = if crop.inside[at] { u32::from(column(&crop, at) > 48.0) } else { OUTSIDE };
            assert_eq!(part, expected, "column {}", column(&crop, at));
        }
    }

    #[test]
    fn a_seam_along_a_neck_stays() {
        // A horizontal ellipse and a disc that touch at column 60. The radical axis lies left of the neck and is
        // longer.
        let ellipse = |x: f32, y: f32| ((x - 30.0) / 31.0).hypot((y - 40.0) / 14.0) <= 1.0;
        let crop = crop(100, |x, y| ellipse(x, y) || (x - 78.0).hypot(y - 40.0) <= 19.0);
        let part = |at: usize| if crop.inside[at] { u32::from(column(&crop, at) > 60.0) } else { OUTSIDE };
        let before: Vec<u32> = (0..crop.inside.len()).map(part).collect();
        let mut parts = before.clone();
        let y = 40.0 - crop.y as f32;
        let discs =
            [Disc { x: 30.0 - crop.x as f32, y, r: 14.0 }, Disc { x: 78.0 - crop.x as f32, y, r: 19.0 }];
        straighten(&crop, &mut parts, &discs);
        assert_eq!(parts, before);
    }
}
