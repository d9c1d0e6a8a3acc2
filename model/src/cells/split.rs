//! Touching cells come apart.
//!
//! A cell is a hill of the depth (distance to the outline), weighted by the network's certainty. Water sinking
//! from the tops uncovers hills; where two meet, the pass between them tells whether they are one cell: a pass
//! nearly as high as the lower top is a dent in an oval, a much lower one is the neck between two cells.
//! Each pixel goes to the hill that it rises to, so that the seam runs along the neck. This is a watershed
//! with seeds chosen by relative dynamics (Grimaud, "A new measure of contrast: the dynamics", SPIE 1992),
//! in one sweep over the pixels from high to low.

use super::crop::Crop;

/// A pass at least this high, relative to the lower top, parts nothing. For two equal discs of radius r whose
/// centres are d apart it is sqrt(1 - d²/4r²): 0.87 for d = r.
const PASS: f32 = 0.88;
/// A top whose depth is below this share of the expected cell radius is no cell of its own.
const LEAST_DEPTH: f32 = 0.3;
/// A dip shallower than this many pixels is the pixel grid's doing.
const GRID: f32 = 0.4;
/// Width of the smoothing relative to the expected diameter.
const SMOOTHING: f32 = 0.04;
/// A part smaller than this share of the expected cell goes to its neighbour.
const FRAGMENT: f32 = 0.08;
/// Heights are compared in these parts of a pixel.
const STEPS: f32 = 64.0;
/// How far above the threshold, in grey values, a pixel counts as certain, and what an uncertain one counts.
const CERTAIN: f32 = 90.0;
const UNCERTAIN: f32 = 0.6;

/// Splits a region into cells: for each pixel of the crop the number of its cell from 0, [`OUTSIDE`] outside of
/// the region; and how many cells there are. `probability` gives the grey value by index of the crop,
/// `threshold` the grey value from which on a pixel is a cell, `diameter` the expected diameter in pixels.
pub fn split(
    crop: &Crop,
    probability: impl Fn(usize) -> u8,
    threshold: u8,
    diameter: f32,
) -> (Vec<u32>, usize) {
    let Some(heights) = heights(crop, probability, threshold, diameter) else {
        return whole(crop);
    };
    let mut hills = Hills { diameter, hills: Vec::new() };
    let mut of_pixel = vec![OUTSIDE; heights.len()];
    for at in high_to_low(&heights, &crop.inside) {
        let height = heights[at];
        let mut highest = (0, OUTSIDE);
        let (x, y) = (at % crop.width, at / crop.width);
        let around = [
            (x > 0).then(|| at - 1),
            (x + 1 < crop.width).then_some(at + 1),
            (y > 0).then(|| at - crop.width),
            (y + 1 < crop.height).then_some(at + crop.width),
        ];
        for next in around.into_iter().flatten() {
            if of_pixel[next] == OUTSIDE {
                continue;
            }
            let hill = hills.root(of_pixel[next]);
            if highest.1 == OUTSIDE {
                highest = (heights[next], hill);
            } else {
                let merged = hills.meet(hill, highest.1, height);
                if heights[next] > highest.0 || merged == Some(hill) {
                    highest = (highest.0.max(heights[next]), merged.unwrap_or(hill));
                } else if let Some(one) = merged {
                    highest.1 = one;
                }
            }
        }
        of_pixel[at] = if highest.1 == OUTSIDE { hills.rise(height) } else { hills.grow(highest.1) };
    }
    hills.absorb_fragments(crop, &of_pixel);
    number(&mut hills, of_pixel)
}

/// No cell.
pub const OUTSIDE: u32 = u32::MAX;

/// The region as one cell, in the form of [`split`].
pub fn whole(crop: &Crop) -> (Vec<u32>, usize) {
    (crop.inside.iter().map(|&inside| if inside { 0 } else { OUTSIDE }).collect(), 1)
}

/// Depth times certainty, smoothed, in steps.
fn heights(crop: &Crop, probability: impl Fn(usize) -> u8, threshold: u8, diameter: f32) -> Option<Vec<u16>> {
    let mut depth = crop.depth()?;
    let radius = ((SMOOTHING * diameter).round() as usize).max(1);
    for _ in 0..2 {
        blur(&mut depth, crop.width, crop.height, radius);
    }
    let steps = depth.iter().enumerate().map(|(at, &depth)| {
        if !crop.inside[at] {
            return 0;
        }
        let above = f32::from(probability(at).saturating_sub(threshold)) / CERTAIN;
        let certainty = UNCERTAIN + (1.0 - UNCERTAIN) * above.min(1.0);
        (depth * certainty * STEPS) as u16
    });
    Some(steps.collect())
}

/// Mean over a square of side `2 radius + 1`, rows then columns; the image goes on beyond its edges.
fn blur(values: &mut [f32], width: usize, height: usize, radius: usize) {
    let mut line = Vec::new();
    for row in values.chunks_exact_mut(width) {
        line.clear();
        line.extend_from_slice(row);
        mean_along(&line, radius, |x, mean| row[x] = mean);
    }
    // Several columns at a time, for the sake of the cache.
    let mut sums = vec![0.0f32; width];
    let source = values.to_vec();
    let row = |y: isize| {
        let y = y.clamp(0, height as isize - 1) as usize;
        &source[y * width..(y + 1) * width]
    };
    let reach = radius as isize;
    for y in -reach..=reach {
        sums.iter_mut().zip(row(y)).for_each(|(sum, value)| *sum += value);
    }
    let share = 1.0 / (2 * radius + 1) as f32;
    for (y, out) in values.chunks_exact_mut(width).enumerate() {
        let y = y as isize;
        let (leaving, coming) = (row(y - reach), row(y + reach + 1));
        for x in 0..width {
            out[x] = sums[x] * share;
            sums[x] += coming[x] - leaving[x];
        }
    }
}

fn mean_along(line: &[f32], radius: usize, mut put: impl FnMut(usize, f32)) {
    let last = line.len() as isize - 1;
    let value = |x: isize| line[x.clamp(0, last) as usize];
    let reach = radius as isize;
    let mut sum: f32 = (-reach..=reach).map(value).sum();
    let share = 1.0 / (2 * radius + 1) as f32;
    for x in 0..line.len() {
        put(x, sum * share);
        let x = x as isize;
        sum += value(x + reach + 1) - value(x - reach);
    }
}

/// Inner pixels by falling height, raster order among equals: a counting sort.
fn high_to_low(heights: &[u16], inside: &[bool]) -> Vec<usize> {
    let top = usize::from(heights.iter().copied().max().unwrap_or(0));
    let mut starts = vec![0u32; top + 2];
    for (&height, &inside) in heights.iter().zip(inside) {
        starts[top - usize::from(height) + 1] += u32::from(inside);
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut order = vec![0; starts[top + 1] as usize];
    for (at, (&height, &inside)) in heights.iter().zip(inside).enumerate() {
        if inside {
            let slot = &mut starts[top - usize::from(height)];
            order[*slot as usize] = at;
            *slot += 1;
        }
    }
    order
}

struct Hill {
    /// Another hill that this one is part of, or itself.
    parent: u32,
    top: u16,
    area: u32,
}

struct Hills {
    diameter: f32,
    hills: Vec<Hill>,
}

impl Hills {
    fn rise(&mut self, top: u16) -> u32 {
        let id = self.hills.len() as u32;
        self.hills.push(Hill { parent: id, top, area: 1 });
        id
    }

    fn grow(&mut self, id: u32) -> u32 {
        self.hills[id as usize].area += 1;
        id
    }

    fn root(&mut self, mut id: u32) -> u32 {
        while self.hills[id as usize].parent != id {
            let up = self.hills[self.hills[id as usize].parent as usize].parent;
            self.hills[id as usize].parent = up;
            id = up;
        }
        id
    }

    /// Two hills meet at a pass of this height: gives the one hill that they are, if they are one.
    fn meet(&mut self, a: u32, b: u32, pass: u16) -> Option<u32> {
        if a == b {
            return Some(a);
        }
        let (low, high) =
            if self.hills[a as usize].top < self.hills[b as usize].top { (a, b) } else { (b, a) };
        let top = f32::from(self.hills[low as usize].top) / STEPS;
        let pass = f32::from(pass) / STEPS;
        let one = pass >= PASS * top || top - pass < GRID || top < LEAST_DEPTH * self.diameter / 2.0;
        one.then(|| self.join(low, high))
    }

    /// Makes `low` part of `high`.
    fn join(&mut self, low: u32, high: u32) -> u32 {
        self.hills[low as usize].parent = high;
        self.hills[high as usize].area += self.hills[low as usize].area;
        high
    }

    /// Gives parts too small for a cell to the neighbour with the longest common seam, smallest part first.
    fn absorb_fragments(&mut self, crop: &Crop, of_pixel: &[u32]) {
        let least = FRAGMENT * std::f32::consts::PI / 4.0 * self.diameter * self.diameter;
        let roots = (0..self.hills.len() as u32).filter(|&id| self.hills[id as usize].parent == id);
        let mut small: Vec<u32> = roots.filter(|&id| (self.hills[id as usize].area as f32) < least).collect();
        if small.is_empty() {
            return;
        }
        small.sort_by_key(|&id| (self.hills[id as usize].area, id));
        let mut seams = std::collections::BTreeMap::<u32, std::collections::BTreeMap<u32, u32>>::new();
        let mut seam = |a: u32, b: u32| *seams.entry(a).or_default().entry(b).or_default() += 1;
        for (at, &id) in of_pixel.iter().enumerate() {
            let right = if (at + 1) % crop.width == 0 { OUTSIDE } else { of_pixel[at + 1] };
            let below = of_pixel.get(at + crop.width).copied().unwrap_or(OUTSIDE);
            for other in [right, below] {
                if id == OUTSIDE || other == OUTSIDE || id == other {
                    continue;
                }
                let (a, b) = (self.root(id), self.root(other));
                if a != b {
                    seam(a, b);
                    seam(b, a);
                }
            }
        }
        for id in small {
            let root = self.root(id);
            if self.hills[root as usize].area as f32 >= least {
                continue;
            }
            let mut lengths = std::collections::BTreeMap::<u32, u32>::new();
            for (&other, &length) in seams.get(&id).into_iter().flatten() {
                *lengths.entry(self.root(other)).or_default() += length;
            }
            lengths.remove(&root);
            if let Some((&neighbour, _)) = lengths.iter().max_by_key(|&(&other, &length)| (length, other)) {
                self.join(root, neighbour);
            }
        }
    }
}

/// Replaces hills by numbers from 0 in raster order.
fn number(hills: &mut Hills, mut of_pixel: Vec<u32>) -> (Vec<u32>, usize) {
    let mut numbers = vec![OUTSIDE; hills.hills.len()];
    let mut count = 0;
    for id in of_pixel.iter_mut().filter(|id| **id != OUTSIDE) {
        let number = &mut numbers[hills.root(*id) as usize];
        if *number == OUTSIDE {
            *number = count;
            count += 1;
        }
        *id = *number;
    }
    (of_pixel, count as usize)
}
