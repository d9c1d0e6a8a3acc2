//! The slide as a sum of absorbances. Beer-Lambert: layers' optical densities add, light falls as exp(-density).
//!
//! Densities are per channel and natural-log, in the camera's encoded values: a camera's power-law tone curve only
//! scales them, so that they still add.

use super::{cell::Cell, outline::Outline, truth::span};

pub struct Slide {
    pub width: u32,
    pub height: u32,
    pub density: Vec<[f32; 3]>,
}

/// A point of a body: its place in radii of the outline, and in px to the outline, positive inside.
pub struct Point {
    pub u: f32,
    pub v: f32,
    pub rho: f32,
    pub edge_px: f32,
    /// Share of the pixel that lies inside.
    pub cover: f32,
}

impl Slide {
    pub fn new(width: u32, height: u32) -> Self {
        Self { width, height, density: vec![[0.0; 3]; width as usize * height as usize] }
    }

    pub fn add(&mut self, x: u32, y: u32, density: [f32; 3], share: f32) {
        let at = &mut self.density[(y * self.width + x) as usize];
        for c in 0..3 {
            at[c] += density[c] * share;
        }
    }

    /// Calls `paint` for each pixel that the outline touches, with the pixel and where in the body it lies.
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

    /// Adds a red cell; `hidden` says how much of a pixel something opaque lies over.
    pub fn red_cell(&mut self, cell: &Cell, stain: [f32; 3], line_px: f32, hidden: &[f32]) {
        let inside = &cell.inside;
        let stain: [f32; 3] = std::array::from_fn(|c| stain[c] * inside.tint[c]);
        // Spikes and flattened sides must not show as rays across the inside.
        let body = cell.outline.smoothed(12);
        self.over((cell.x, cell.y), &cell.outline, |slide, (x, y), p| {
            let (dx, dy) = (x as f32 + 0.5 - cell.x, y as f32 + 0.5 - cell.y);
            let r = body.towards(dx, dy).0;
            let absorbance = inside.absorbance(dx / r, dy / r, p.rho.min(1.0), p.edge_px.max(0.0), line_px);
            let open = 1.0 - hidden[(y * slide.width + x) as usize];
            slide.add(x, y, stain, absorbance * p.cover * open);
        });
    }
}
