//! Synthetic blood smears with exact masks, instances and counts: for training on a machine without data, for tests,
//! and for the page's samples. No pixel comes from a photograph.
//!
//! The cells of a smear are laid out ([`layout`]), the truth is read off their outlines ([`truth`]), the absorbances of
//! all layers are added up ([`slide`]), and a camera takes the picture ([`camera`]). The same seed always gives the
//! same picture.

mod blur;
mod camera;
mod cell;
mod dataset;
mod debris;
mod layout;
mod looks;
mod noise;
mod outline;
mod slide;
mod style;
#[cfg(test)]
mod tests;
mod truth;
mod white_cell;

use crate::instances;
use image::{GrayImage, Luma, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[cfg(test)]
pub use dataset::field_seed;
pub use dataset::{SynthOptions, run, write_dataset};
pub use style::{Family, Style};
pub use truth::LabelImage;

use slide::Slide;
use white_cell::WhiteCell;

/// A picture and its exact truth.
pub struct Smear {
    pub image: RgbImage,
    /// 255 where there is a red cell, including its pale centre; 0 elsewhere, including white cells and platelets.
    pub mask: GrayImage,
    /// Number of the topmost red cell, 1 to `count`, or 0; each number occurs.
    pub labels: LabelImage,
    /// The same, but where cells overlap, the number of the cell in which the pixel lies deepest.
    pub shares: LabelImage,
    /// Number of visible red cells, including those cut by the frame.
    pub count: usize,
    /// Mean equivalent diameter of these cells in px, from their whole outlines.
    pub diameter_px: f32,
}

impl Smear {
    /// The mask with a line of background where two cells meet or through the middle of their overlap, so that a
    /// network trained on it separates cells.
    pub fn separated(&self) -> GrayImage {
        instances::separated(&self.mask, &truth::as_labels(&self.shares), self.diameter_px)
    }
}

/// A smear of the given size. The same arguments give the same smear.
pub fn smear(width: u32, height: u32, seed: u64, style: &Style) -> Smear {
    let (width, height) = (width.max(1), height.max(1));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pixels = width as usize * height as usize;
    let mut slide = Slide::new(width, height);
    let mut hidden = vec![0.0; pixels];

    let whites = white_cells(style, width, height, &mut rng);
    whites.iter().for_each(|cell| cell.paint(style, &mut slide, &mut hidden));
    let covered: Vec<bool> = hidden.iter().map(|&h| h >= 0.5).collect();

    let obstacles: Vec<_> = whites.iter().map(WhiteCell::obstacle).collect();
    let mut cells = layout::cells(style, width, height, &obstacles, &mut rng);
    let labels = truth::label(&mut cells, width, height, &covered);

    for cell in &cells {
        slide.red_cell(cell, style, &hidden);
        if rng.random::<f32>() < style.parasites {
            debris::parasite(style, cell, &mut slide, &hidden, &mut rng);
        }
        if rng.random::<f32>() < style.bubbles {
            debris::bubble(style, cell, &mut slide, &hidden, &mut rng);
        }
    }
    litter(style, &mut slide, &hidden, cells.len(), &mut rng);

    let mask = GrayImage::from_fn(width, height, |x, y| {
        Luma([if labels.get_pixel(x, y).0[0] > 0 { 255 } else { 0 }])
    });
    let diameters: f32 = cells.iter().map(|c| (c.outline.area() / std::f32::consts::PI).sqrt() * 2.0).sum();
    let diameter_px = if cells.is_empty() { style.diameter_px } else { diameters / cells.len() as f32 };
    let shares = truth::shares(&cells, &labels);
    let image = camera::picture(&slide, style, &mut rng);
    Smear { image, mask, labels, shares, count: cells.len(), diameter_px }
}

/// White cells that do not overlap, in the number that the style asks for relative to the red cells.
fn white_cells(style: &Style, width: u32, height: u32, rng: &mut ChaCha8Rng) -> Vec<WhiteCell> {
    let room = width as f32 * height as f32;
    let reds = room * style.coverage / (style.diameter_px.powi(2) * 0.785);
    let wanted = (reds * style.white_cells + rng.random::<f32>()).floor() as usize;
    let mut found: Vec<WhiteCell> = Vec::new();
    for _ in 0..wanted * 5 {
        if found.len() == wanted {
            break;
        }
        let at = (rng.random_range(0.0..width as f32), rng.random_range(0.0..height as f32));
        let cell = WhiteCell::random(style, at, rng);
        let o = cell.obstacle();
        let clear =
            found.iter().map(WhiteCell::obstacle).all(|p| (p.x - o.x).hypot(p.y - o.y) > (p.r + o.r) * 0.97);
        if clear {
            found.push(cell);
        }
    }
    found
}

/// Adds platelets, now and then in clumps, and dirt.
fn litter(style: &Style, slide: &mut Slide, hidden: &[f32], reds: usize, rng: &mut ChaCha8Rng) {
    let (width, height) = (slide.width as f32, slide.height as f32);
    let count = (reds as f32 * style.platelets + rng.random::<f32>()) as usize;
    for _ in 0..count {
        let at = (rng.random_range(0.0..width), rng.random_range(0.0..height));
        debris::platelet(style, at, slide, hidden, rng);
        if rng.random_bool(0.12) {
            for _ in 0..rng.random_range(1..4) {
                let mut off = || rng.random_range(-0.3..0.3) * style.diameter_px;
                let near = (at.0 + off(), at.1 + off());
                debris::platelet(style, near, slide, hidden, rng);
            }
        }
    }
    let areas = width * height / style.diameter_px.powi(2);
    for _ in 0..(areas * style.debris + rng.random::<f32>()) as usize {
        let at = (rng.random_range(0.0..width), rng.random_range(0.0..height));
        debris::speck(style, at, slide, rng);
    }
}
