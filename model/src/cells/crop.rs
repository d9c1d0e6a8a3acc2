//! One region cut out of the image, so that work and memory follow its size.

use super::distance::squared_distance;
use super::regions::Region;

/// The bounding box of a region with one pixel of background around it, except beyond the image's edge: a
/// cell that goes on out of sight is not taken to end there.
pub struct Crop {
    /// Where its top left pixel lies in the image.
    pub x: u32,
    pub y: u32,
    pub width: usize,
    pub height: usize,
    /// Row by row, whether a pixel belongs to the region.
    pub inside: Vec<bool>,
}

impl Crop {
    /// Cuts a region out of an image of this size.
    pub fn of(region: &Region, image_width: u32, image_height: u32) -> Self {
        let [x0, y0, x1, y1] = region.bounds;
        let (x, y) = (x0.saturating_sub(1), y0.saturating_sub(1));
        let width = ((x1 + 1).min(image_width) - x) as usize;
        let height = ((y1 + 1).min(image_height) - y) as usize;
        let mut inside = vec![false; width * height];
        for run in &region.runs {
            let row = (run.y - y) as usize * width;
            inside[row + (run.start - x) as usize..row + (run.end - x) as usize].fill(true);
        }
        Self { x, y, width, height, inside }
    }

    /// Distance in pixels from each inner pixel's centre to the region's outline, 0 outside. `None` where
    /// the region has no outline, filling the whole image.
    pub fn depth(&self) -> Option<Vec<f32>> {
        let filled = self.inside.iter().all(|&inside| inside);
        (!filled).then(|| self.depth_from(|at| !self.inside[at]))
    }

    /// The same to the outline of the part of the region where `certain` holds. What certain pixels enclose belongs to
    /// it: doubt in the midst of a cell is its pale centre.
    pub fn depth_where(&self, certain: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut open: Vec<bool> = self.inside.iter().map(|&inside| !inside).collect();
        let mut from: Vec<usize> = (0..open.len()).filter(|&at| open[at]).collect();
        while let Some(at) = from.pop() {
            for next in self.around(at).into_iter().flatten() {
                if !open[next] && !certain(next) {
                    open[next] = true;
                    from.push(next);
                }
            }
        }
        self.depth_from(|at| open[at])
    }

    fn depth_from(&self, outside: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut depth = squared_distance(self.width, self.height, outside);
        // The outline runs half a pixel before the nearest background pixel's centre.
        depth.iter_mut().for_each(|d| *d = (d.sqrt() - 0.5).max(0.0));
        depth
    }

    /// The pixels left, right, above and below of one, by index of the crop.
    pub fn around(&self, at: usize) -> [Option<usize>; 4] {
        let (x, y) = (at % self.width, at / self.width);
        [
            (x > 0).then(|| at - 1),
            (x + 1 < self.width).then_some(at + 1),
            (y > 0).then(|| at - self.width),
            (y + 1 < self.height).then_some(at + self.width),
        ]
    }

    /// Index in the image of the pixel at this index of the crop.
    pub fn in_image(&self, at: usize, image_width: u32) -> usize {
        (self.y as usize + at / self.width) * image_width as usize + self.x as usize + at % self.width
    }
}
