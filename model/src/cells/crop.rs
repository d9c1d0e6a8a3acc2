//! One region cut out of the image, so that time and memory scale with its size.

use super::distance::squared_distance;
use super::regions::Region;
use crate::grid;
use std::ops::Range;

/// The bounding box of a region with a margin of one background pixel, except at the image edge: a cell that continues
/// out of view must not appear to end there.
pub struct Crop {
    /// Position of its top left pixel in the image.
    pub x: u32,
    pub y: u32,
    pub width: usize,
    pub height: usize,
    /// Whether each pixel belongs to the region, row by row.
    pub inside: Vec<bool>,
    /// Whether there is background on all four sides.
    pub within: bool,
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
        let within = !region.touches_edge(image_width, image_height);
        Self { x, y, width, height, inside, within }
    }

    /// Distance in pixels from each inner pixel's centre to the region's outline, 0 outside. `None` if the region fills
    /// the whole image and so has no outline.
    pub fn depth(&self) -> Option<Vec<f32>> {
        let filled = self.inside.iter().all(|&inside| inside);
        (!filled).then(|| self.depth_from(|at| !self.inside[at]))
    }

    /// The same to the outline of what the flood has left dry.
    pub fn depth_above(&self, flood: &Flood) -> Vec<f32> {
        self.depth_from(|at| flood.wet[at])
    }

    /// Distance in pixels from a pixel's centre to the image edge.
    pub fn to_edge(&self, at: usize, image_width: u32, image_height: u32) -> f32 {
        let (x, y) = (self.x + (at % self.width) as u32, self.y + (at / self.width) as u32);
        x.min(y).min(image_width - 1 - x).min(image_height - 1 - y) as f32 + 0.5
    }

    fn depth_from(&self, outside: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut depth = squared_distance(self.width, self.height, outside);
        // The outline runs half a pixel before the centre of the nearest background pixel.
        depth.iter_mut().for_each(|d| *d = (d.sqrt() - 0.5).max(0.0));
        depth
    }

    /// Crop indices of the pixels to the left, right, above and below of a pixel of the region.
    pub fn around(&self, at: usize) -> [Option<usize>; 4] {
        if self.within {
            // Most regions are, and dividing takes longer than all that is done with the four.
            return [Some(at - 1), Some(at + 1), Some(at - self.width), Some(at + self.width)];
        }
        grid::beside(at, self.width, self.inside.len())
    }

    /// Where the rows of the crop lie in an image of this width.
    pub fn rows(&self, image_width: u32) -> impl Iterator<Item = Range<usize>> + use<> {
        let first = self.y as usize * image_width as usize + self.x as usize;
        let width = self.width;
        (0..self.height).map(move |y| first + y * image_width as usize).map(move |start| start..start + width)
    }

    /// The part of an image (row by row, `image_width` wide) that the crop covers.
    pub fn of_image(&self, image: &[u8], image_width: u32) -> Vec<u8> {
        self.rows(image_width).flat_map(|row| image[row].iter().copied()).collect()
    }
}

/// A flood that enters a region from outside and takes every uncertain pixel it reaches. What certain pixels enclose
/// stays dry: uncertainty in the middle of a cell is its pale centre.
pub struct Flood {
    wet: Vec<bool>,
    /// Dry pixels next to wet ones; may contain duplicates.
    shore: Vec<usize>,
}

impl Flood {
    /// The flood before it enters the region.
    pub fn around(crop: &Crop) -> Self {
        let wet: Vec<bool> = crop.inside.iter().map(|&inside| !inside).collect();
        let beside = |&at: &usize| !wet[at] && crop.around(at).into_iter().flatten().any(|next| wet[next]);
        let shore = (0..wet.len()).filter(beside).collect();
        Self { wet, shore }
    }

    /// Lets the flood advance up to the pixels for which `certain` holds. Over successive calls the set of certain
    /// pixels may only shrink.
    pub fn rise(&mut self, crop: &Crop, certain: impl Fn(usize) -> bool) {
        let mut shore = Vec::new();
        while let Some(at) = self.shore.pop() {
            if self.wet[at] {
                continue;
            }
            if certain(at) {
                shore.push(at);
                continue;
            }
            self.wet[at] = true;
            self.shore.extend(crop.around(at).into_iter().flatten().filter(|&next| !self.wet[next]));
        }
        self.shore = shore;
    }
}
