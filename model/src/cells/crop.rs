//! One region cut out of the image, so that time and memory scale with its size.

use super::distance::squared_distance;
use super::field_of_view::FieldOfView;
use super::regions::Region;
use super::split::OUTSIDE;
use crate::grid;
use std::collections::BTreeMap;
use std::ops::Range;

/// For each part of a region, with how many pixel sides it borders on each other part.
pub type Borders = BTreeMap<u32, BTreeMap<u32, u32>>;

/// The bounding box of a region with a margin of one background pixel, except at the edge of the field of view: a cell
/// that continues out of view must not appear to end there.
pub struct Crop {
    /// Position of its top left pixel in the image.
    pub x: u32,
    pub y: u32,
    pub width: usize,
    pub height: usize,
    /// Whether each pixel belongs to the region, row by row.
    pub inside: Vec<bool>,
    /// Whether the edge of the field of view does not cut the region, so that there is background on all sides.
    within: bool,
    /// Whether each pixel of the box is beyond the field of view, where a region comes so near to such pixels that they cut
    /// it.
    hidden: Option<Vec<bool>>,
}

impl Crop {
    /// Cuts a region out of an image.
    pub fn of(region: &Region, field: &FieldOfView) -> Self {
        let [x0, y0, x1, y1] = region.bounds;
        let [left, top, right, bottom] = field.bounds;
        let (x, y) = (x0.saturating_sub(1).max(left), y0.saturating_sub(1).max(top));
        let width = ((x1 + 1).min(right) - x) as usize;
        let height = ((y1 + 1).min(bottom) - y) as usize;
        let mut inside = vec![false; width * height];
        for run in &region.runs {
            let row = (run.y - y) as usize * width;
            inside[row + (run.start - x) as usize..row + (run.end - x) as usize].fill(true);
        }
        let within = !field.cuts(region);
        let hidden = (!within && field.is_ragged()).then(|| {
            let hides = |at: usize| field.hides(x + (at % width) as u32, y + (at / width) as u32);
            inside.iter().enumerate().map(|(at, inside)| !inside && hides(at)).collect()
        });
        Self { x, y, width, height, inside, within, hidden }
    }

    /// Distance in pixels from each inner or hidden pixel's centre to the region's outline, 0 elsewhere. `None` if the
    /// region fills the whole field of view and so has no outline.
    pub fn depth(&self) -> Option<Vec<f32>> {
        let outside = |at: usize| !self.inside[at] && !self.is_hidden(at);
        (0..self.inside.len()).any(outside).then(|| self.depth_from(outside))
    }

    /// The same to the outline of what the flood has left dry.
    pub fn depth_above(&self, flood: &Flood) -> Vec<f32> {
        self.depth_from(|at| flood.wet[at])
    }

    /// Whether a pixel is beyond the field of view, so that an outline against it is none.
    pub fn is_hidden(&self, at: usize) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden[at])
    }

    /// The hidden pixels; `None` if there are none.
    pub fn hidden(&self) -> Option<&[bool]> {
        self.hidden.as_deref()
    }

    /// Distance in pixels from each pixel's centre to the edge of the field of view.
    pub fn to_edge(&self, field: &FieldOfView) -> Vec<f32> {
        let [left, top, right, bottom] = field.bounds;
        let hidden = self.hidden().map(|hidden| self.depth_from(|at| hidden[at]));
        let to_bounds = |at: usize| {
            let (x, y) = (self.x + (at % self.width) as u32, self.y + (at / self.width) as u32);
            (x - left).min(y - top).min(right - 1 - x).min(bottom - 1 - y) as f32 + 0.5
        };
        let nearest = |at| hidden.as_ref().map_or(f32::INFINITY, |hidden| hidden[at]).min(to_bounds(at));
        (0..self.inside.len()).map(nearest).collect()
    }

    fn depth_from(&self, outside: impl Fn(usize) -> bool) -> Vec<f32> {
        let mut depth = squared_distance(self.width, self.height, outside);
        // The outline runs half a pixel before the centre of the nearest background pixel.
        depth.iter_mut().for_each(|d| *d = (d.sqrt() - 0.5).max(0.0));
        depth
    }

    /// Crop indices of the pixels to the left, right, above and below of a pixel of the region; `None` beyond the field of
    /// view.
    pub fn around(&self, at: usize) -> [Option<usize>; 4] {
        if self.within {
            // Most regions are, and dividing takes longer than all that is done with the four.
            return [Some(at - 1), Some(at + 1), Some(at - self.width), Some(at + self.width)];
        }
        let beside = grid::beside(at, self.width, self.inside.len());
        beside.map(|next| next.filter(|&next| !self.is_hidden(next)))
    }

    /// The borders between the parts of the region. `parts` holds the part of each crop pixel, [`OUTSIDE`] outside the
    /// region.
    pub fn borders(&self, parts: &[u32]) -> Borders {
        let mut borders = Borders::new();
        let mut longer = |a: u32, b: u32| *borders.entry(a).or_default().entry(b).or_default() += 1;
        for (at, &part) in parts.iter().enumerate().filter(|(_, part)| **part != OUTSIDE) {
            let [_, right, _, below] = self.around(at);
            for other in [right, below].into_iter().flatten().map(|next| parts[next]) {
                if other != part && other != OUTSIDE {
                    longer(part, other);
                    longer(other, part);
                }
            }
        }
        borders
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
        let wet: Vec<bool> =
            (0..crop.inside.len()).map(|at| !crop.inside[at] && !crop.is_hidden(at)).collect();
        let beside =
            |&at: &usize| crop.inside[at] && crop.around(at).into_iter().flatten().any(|next| wet[next]);
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
