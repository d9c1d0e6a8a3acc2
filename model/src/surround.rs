//! The unlit surround of a picture: the view through an eyepiece is round, so a camera behind it also captures black
//! corners. They contain no cells, and their rim must not be mistaken for the outline of one.

use crate::cells::disc_area;
use crate::cells::distance::squared_distance_within;
use crate::cells::regions::{Neighbours, regions};
use crate::light::{self, UNLIT_LEVEL};
use crate::segment::Logits;
use crate::{RgbImage, grid};
use std::collections::VecDeque;

/// Minimum size of an unlit region, in areas of a typical cell.
const LEAST: f32 = 0.5;
/// The rim of an unlit region consists of pixels darker than this share of the background ...
const RIM: f32 = 0.6;
/// ... within this many cell diameters of the region.
const REACH: f32 = 0.3;

/// The unlit part of an image, one flag per pixel.
#[derive(Clone, Debug)]
pub struct Surround {
    unlit: Vec<bool>,
}

impl Surround {
    /// Finds the unlit regions that touch the image edge. `background` is the colour of the background, `diameter` the
    /// cell diameter in pixels. `None` if there are none.
    pub fn find(image: &RgbImage, background: [f32; 3], diameter: f32) -> Option<Self> {
        let (width, height) = image.dimensions();
        let pixels = image.as_raw();
        let level =
            |at: usize| light::level([pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2]], background);
        let row = |y: u32| (0..width).map(move |x| (y * width + x) as usize);
        let column = |x: u32| (0..height).map(move |y| (y * width + x) as usize);
        let mut edge = row(0).chain(row(height - 1)).chain(column(0)).chain(column(width - 1));
        if !edge.any(|at| level(at) < UNLIT_LEVEL) {
            return None;
        }
        let least = LEAST * disc_area(diameter);
        let mut black = vec![false; (width * height) as usize];
        let dark = regions(width, height, Neighbours::Four, |at| level(at) < UNLIT_LEVEL);
        let surround =
            dark.iter().filter(|region| region.touches_edge(width, height) && region.area as f32 >= least);
        for run in surround.flat_map(|region| &region.runs) {
            black[run.indices(width)].fill(true);
        }
        if !black.contains(&true) {
            return None;
        }
        let reach = REACH * diameter;
        let away =
            squared_distance_within(reach.max(1.0).ceil() as usize, width as usize, height as usize, |at| {
                black[at]
            });
        let rim = |at: usize| away[at] <= 1.0 || away[at] <= reach * reach && level(at) < RIM;
        Some(Self { unlit: (0..black.len()).map(rim).collect() })
    }

    /// Fills the unlit part with the nearest lit pixels, like the padding at an image edge. Any other colour would
    /// create a brightness step where the light falls off.
    pub fn fill(&self, mut image: RgbImage) -> RgbImage {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let mut filled: Vec<bool> = self.unlit.iter().map(|unlit| !unlit).collect();
        let around = |at: usize| grid::beside(at, width, width * height).into_iter().flatten();
        // Only lit pixels next to unlit ones are queued; queueing all would take eight bytes per pixel.
        let at_the_rim = |at: &usize| filled[*at] && around(*at).any(|other| !filled[other]);
        let mut next: VecDeque<usize> = (0..filled.len()).filter(at_the_rim).collect();
        while let Some(from) = next.pop_front() {
            for at in around(from).filter(|at| !std::mem::replace(&mut filled[*at], true)) {
                image.copy_within(3 * from..3 * from + 3, 3 * at);
                next.push_back(at);
            }
        }
        image
    }

    /// Removes what was found in the unlit part.
    pub fn clear(&self, logits: &mut Logits) {
        for (logit, _) in logits.values.iter_mut().zip(&self.unlit).filter(|(_, unlit)| **unlit) {
            *logit = Logits::UNLIT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    const LIT: [f32; 3] = [200.0, 210.0, 205.0];

    /// Background within `radius` of the centre, black beyond, and a dark disc 20 pixels across near the upper edge.
    fn picture(radius: f32, disc: u8) -> RgbImage {
        RgbImage::from_fn(120, 90, |x, y| {
            let far = |cx: f32, cy: f32| (x as f32 - cx).hypot(y as f32 - cy);
            match far(60.0, 45.0) {
                _ if far(60.0, 5.0) < 10.0 => Rgb([disc; 3]),
                away if away < radius => Rgb(LIT.map(|value| value as u8)),
                away if away < radius + 2.0 => Rgb([90; 3]),
                _ => Rgb([4, 3, 2]),
            }
        })
    }

    #[test]
    fn black_corners_become_ground_and_hold_no_cell() {
        let image = picture(50.0, 60);
        let surround = Surround::find(&image, LIT, 20.0).expect("black corners");
        let filled = surround.fill(image);
        assert_eq!(filled.get_pixel(0, 0).0, LIT.map(|value| value as u8));
        // The rim is filled too, but the cell in the field of view stays.
        assert!(filled.pixels().all(|pixel| pixel.0[0] >= 60), "something black is left");
        assert_eq!(filled.get_pixel(60, 5).0, [60; 3]);
        let mut logits = Logits { width: 120, height: 90, values: vec![3.0; 120 * 90] };
        surround.clear(&mut logits);
        assert!(logits.values[0] < -9.0 && logits.values[45 * 120 + 60] == 3.0);
    }

    #[test]
    fn the_rim_reaches_as_far_in_every_direction() {
        // Cells of 34 pixels: 10.2 pixels from the corner of the black region at 19, 30.
        let rim = |x: u32, y: u32| {
            let image = RgbImage::from_fn(60, 60, |px, py| match (px, py) {
                (0..20, 30..) => Rgb([4, 3, 2]),
                at if at == (x, y) => Rgb([60; 3]),
                _ => Rgb(LIT.map(|value| value as u8)),
            });
            let surround = Surround::find(&image, LIT, 34.0).expect("a black region");
            surround.unlit[y as usize * 60 + x as usize]
        };
        assert!(rim(29, 30) && rim(29, 29) && rim(28, 26), "within reach");
        assert!(!rim(30, 29) && !rim(29, 27), "beyond reach");
    }

    #[test]
    fn a_dark_cell_at_the_edge_is_no_surround() {
        assert!(Surround::find(&picture(500.0, 60), LIT, 20.0).is_none(), "darker than any cell trained on");
        assert!(Surround::find(&picture(500.0, 4), LIT, 40.0).is_none(), "smaller than half a cell");
        assert!(Surround::find(&picture(500.0, 4), LIT, 20.0).is_some());
    }
}
