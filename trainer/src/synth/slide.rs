//! The slide as a sum of absorbances. By Beer-Lambert, the optical densities of layers add up, and the light falls as
//! exp(-density).
//!
//! Densities are natural logarithms for each channel of the camera's encoded values: the power law of a camera's tone
//! curve only scales them, so they still add up.

use super::{cell::Cell, outline::Outline, style::Style, truth::span};

pub struct Slide {
    pub width: u32,
    pub height: u32,
    pub density: Vec<[f32; 3]>,
    /// The share of `density` due to red cells, in units of a cell at its thickest.
    red: Vec<f32>,
}

/// A point relative to a body: its position in radii of the outline, and its distance to the outline in px, positive
/// inside.
pub struct Point {
    pub u: f32,
    pub v: f32,
    pub rho: f32,
    pub edge_px: f32,
    /// Fraction of the pixel that lies inside.
    pub cover: f32,
}

impl Slide {
    pub fn new(width: u32, height: u32) -> Self {
        let pixels = width as usize * height as usize;
        Self { width, height, density: vec![[0.0; 3]; pixels], red: vec![0.0; pixels] }
    }

    /// Adds the fraction `share` of an optical density to a pixel.
    pub fn add(&mut self, x: u32, y: u32, density: [f32; 3], share: f32) {
        let at = &mut self.density[(y * self.width + x) as usize];
        for c in 0..3 {
            at[c] += density[c] * share;
        }
    }

    /// Calls `paint` for each pixel that the outline touches, with the pixel and its position relative to the body.
    pub fn over(
        &mut self,
        centre: (f32, f32),
        outline: &Outline,
        mut paint: impl FnMut(&mut Self, (u32, u32), Point),
    ) {
        let reach = outline.reach() + 1.5;
        let (x0, x1) = span(centre.0, reach, self.width);
        let (y0, y1) = span(centre.1, reach, self.height);
        for y in y0..y1 {
            for x in x0..x1 {
                let (dx, dy) = (x as f32 + 0.5 - centre.0, y as f32 + 0.5 - centre.1);
                let far = dx.hypot(dy);
                if far > reach {
                    continue;
                }
                let (r, normal) = outline.towards(dx, dy);
                let edge_px = (r - far) * normal;
                let cover = (edge_px + 0.5).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let point = Point { u: dx / r, v: dy / r, rho: far / r, edge_px, cover };
                    paint(self, (x, y), point);
                }
            }
        }
    }

    /// Adds a red cell; `hidden` is the fraction of each pixel covered by something opaque.
    pub fn red_cell(&mut self, cell: &Cell, style: &Style, hidden: &[f32]) {
        let inside = &cell.inside;
        let line_px = (style.diameter_px * 0.02).max(0.8);
        let stain: [f32; 3] = std::array::from_fn(|c| style.stain[c] * inside.tint[c]);
        self.lift_beneath(cell, style, line_px);
        // Smoothed, so that spikes and flattened sides do not show as rays inside the cell.
        let body = cell.outline.smoothed(12);
        self.over((cell.x, cell.y), &cell.outline, |slide, (x, y), p| {
            let (dx, dy) = (x as f32 + 0.5 - cell.x, y as f32 + 0.5 - cell.y);
            let r = body.towards(dx, dy).0;
            let absorbance = inside.absorbance(dx / r, dy / r, p.rho.min(1.0), p.edge_px.max(0.0), line_px);
            let open = 1.0 - hidden[(y * slide.width + x) as usize];
            let at = (y * slide.width + x) as usize;
            let thinner = 1.0 - style.squeeze * slide.red[at].min(1.0);
            let share = absorbance * p.cover * open * thinner;
            slide.red[at] += share;
            slide.add(x, y, stain, share);
        });
    }

    /// The bright line that a cell's edge draws on the cells beneath it, by refraction at the step.
    fn lift_beneath(&mut self, cell: &Cell, style: &Style, line_px: f32) {
        let mut wider = cell.outline.clone();
        wider.grow(3.0 * line_px);
        self.over((cell.x, cell.y), &wider, |slide, (x, y), p| {
            let outside = 3.0 * line_px - p.edge_px;
            let at = (y * slide.width + x) as usize;
            if outside > 0.0 && slide.red[at] > 0.0 {
                let lift =
                    style.lift * (-((outside - line_px) / line_px).powi(2)).exp() * slide.red[at].min(1.0);
                slide.red[at] -= lift;
                slide.add(x, y, style.stain, -lift);
            }
        });
    }
}
