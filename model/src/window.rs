//! Chooses a representative part of an image when the whole is more than needed. Cells may lie anywhere; the centre may
//! be empty.

/// A part suffices if it shows this share of what the fullest part shows, as the fullest may be a clump or a blot.
const ENOUGH_SHARE: f32 = 0.25;
/// Approximate number of pixels that are sampled; properties of a whole image need no more.
const PIXELS: f64 = 1e6;

/// Sampling step, along both sides, for an image of this size.
pub fn sampling((width, height): (u32, u32)) -> usize {
    (f64::from(width) * f64::from(height) / PIXELS).sqrt().ceil().max(1.0) as usize
}

/// How densely something occurs in an image, for fast counts in rectangles.
pub struct Density {
    size: (u32, u32),
    /// Sampling step along both sides.
    step: usize,
    columns: usize,
    /// Summed-area table (Crow: Summed-area tables for texture mapping, 1984): the count above and to the left of each
    /// grid corner.
    sums: Vec<u32>,
}

impl Density {
    /// Counts the sampled pixels of an image of this size for which `seen` holds.
    pub fn of(size: (u32, u32), seen: impl Fn(u32, u32) -> bool) -> Self {
        let step = sampling(size);
        let columns = (size.0 as usize).div_ceil(step);
        let mut sums = vec![0; columns + 1];
        for y in (0..size.1).step_by(step) {
            let above = sums.len() - columns - 1;
            let mut line = 0;
            sums.push(0);
            for (column, x) in (0..size.0).step_by(step).enumerate() {
                line += u32::from(seen(x, y));
                sums.push(sums[above + column + 1] + line);
            }
        }
        Self { size, step, columns, sums }
    }

    /// Number of sampled pixels with an occurrence in a part (x, y, width, height).
    fn count(&self, [x, y, width, height]: [u32; 4]) -> u32 {
        let rows = self.sums.len() / (self.columns + 1) - 1;
        let corner = |x: u32, y: u32| {
            let (column, row) = ((x as usize).div_ceil(self.step), (y as usize).div_ceil(self.step));
            self.sums[row.min(rows) * (self.columns + 1) + column.min(self.columns)]
        };
        corner(x + width, y + height) + corner(x, y) - corner(x + width, y) - corner(x, y + height)
    }

    /// Of the parts with enough occurrences, at most `side` wide and high, the one nearest to the centre: x, y, width,
    /// height.
    pub fn part(&self, side: u32) -> [u32; 4] {
        let (width, height) = (side.min(self.size.0), side.min(self.size.1));
        let places = |room: u32, extent: u32| {
            let middle = room / 2;
            let step = (extent / 2).max(1);
            // Up to both borders, so that nothing is missed.
            (0..=middle.div_ceil(step)).flat_map(move |n| {
                let away = n * step;
                let both = [middle.saturating_sub(away), (middle + away).min(room)];
                both.into_iter().take(if away == 0 { 1 } else { 2 })
            })
        };
        let (right, bottom) = (self.size.0 - width, self.size.1 - height);
        let parts: Vec<[u32; 4]> = places(bottom, height)
            .flat_map(|y| places(right, width).map(move |x| [x, y, width, height]))
            .collect();
        let fullest = parts.iter().map(|part| self.count(*part)).max().unwrap_or(0);
        let off = |at: u32, middle: u32| u64::from(at.abs_diff(middle)).pow(2);
        let away = |part: &&[u32; 4]| off(part[0], right / 2) + off(part[1], bottom / 2);
        let enough = parts.iter().filter(|part| self.count(**part) as f32 >= ENOUGH_SHARE * fullest as f32);
        *enough.min_by_key(away).unwrap_or(&[right / 2, bottom / 2, width, height])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discs of radius 12 pixels at these positions.
    fn seen(discs: &[(f32, f32)]) -> impl Fn(u32, u32) -> bool {
        |x, y| discs.iter().any(|&(cx, cy)| (x as f32 - cx).hypot(y as f32 - cy) < 12.0)
    }

    fn part(discs: &[(f32, f32)], side: u32) -> [u32; 4] {
        Density::of((400, 300), seen(discs)).part(side)
    }

    #[test]
    fn the_middle_unless_it_is_bare() {
        assert_eq!(part(&[(200.0, 150.0), (30.0, 30.0), (60.0, 30.0)], 100), [150, 100, 100, 100]);
        let [x, y, ..] = part(&[(30.0, 30.0), (60.0, 30.0)], 100);
        assert!(x < 72 && y < 42, "{x}, {y}");
        // The nearer of two.
        let [x, y, ..] = part(&[(30.0, 30.0), (270.0, 150.0)], 100);
        assert!((200..=258).contains(&x) && (62..=138).contains(&y), "{x}, {y}");
    }

    #[test]
    fn the_borders_of_an_image_narrower_than_two_parts() {
        let [x, y, ..] = part(&[(14.0, 14.0)], 220);
        assert_eq!([x, y], [0, 0]);
        let [x, y, ..] = part(&[(386.0, 286.0)], 220);
        assert_eq!([x, y], [180, 80]);
    }

    #[test]
    fn a_part_no_smaller_than_the_image_is_all_of_it() {
        assert_eq!(part(&[(30.0, 30.0)], 400), [0, 0, 400, 300]);
        assert_eq!(part(&[], 1000), [0, 0, 400, 300]);
        assert_eq!(part(&[], 100), [150, 100, 100, 100]);
    }

    #[test]
    fn counts_are_those_of_the_pixels() {
        let seen = seen(&[(30.0, 30.0), (100.0, 80.0)]);
        let density = Density::of((400, 300), &seen);
        for part @ [x, y, w, h] in [[0, 0, 400, 300], [20, 25, 90, 51], [399, 299, 1, 1], [25, 30, 1, 1]] {
            let wanted =
                (y..y + h).flat_map(|y| (x..x + w).map(move |x| (x, y))).filter(|at| seen(at.0, at.1));
            assert_eq!(density.count(part), wanted.count() as u32, "{part:?}");
        }
    }
}
