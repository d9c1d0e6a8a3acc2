//! Recognises regions that one elongated cell explains better than two round ones.
//!
//! Elliptocytes and other elongated cells are as long as two cells, so splitting by length alone is wrong, all the more
//! if all cells of a smear are long and the estimated size is too small. The outline decides: compare the region with
//! the ellipse of the same area and second moments. For two equal discs, from one radius apart to touching, the share
//! of the ellipse that differs is close to 0.65 (1 - a)², a being the ratio of the ellipse's short axis to its long
//! one; for an oval of any length it is near zero. Nothing here depends on the expected size.

use super::crop::Crop;
use super::moments::Moments;
use std::f64::consts::PI;

/// One cell differs from its ellipse by less than this times (1 - a)². The least seen for two or three cells away from
/// the image edge was 0.38 in 450 synthetic smears and 0.34 in BCCD.
const MISFIT: f64 = 0.3;

/// Whether the region is one elongated oval. Round regions are not: they are no longer than one cell.
pub fn is_long_oval(crop: &Crop) -> bool {
    let Some(ellipse) = Ellipse::like(crop) else { return false };
    1.0 - ellipse.iou(crop) < MISFIT * (1.0 - ellipse.aspect).powi(2)
}

/// The points p around a centre c with (p - c)ᵀ S⁻¹ (p - c) at most `reach`, where S is the covariance.
struct Ellipse {
    centre: [f64; 2],
    /// Covariance: xx, yy, xy.
    spread: [f64; 3],
    reach: f64,
    area: f64,
    /// Ratio of the short axis to the long one.
    aspect: f64,
}

impl Ellipse {
    /// The ellipse with the region's area, centroid, axis ratio and orientation. `None` for a region without pixels.
    fn like(crop: &Crop) -> Option<Self> {
        let mut region = Moments::default();
        pixels(crop).for_each(|(x, y)| region.add(x, y));
        let (area, spread) = (region.area(), region.covariance());
        let [xx, yy, xy] = spread;
        let root = (xx * yy - xy * xy).sqrt();
        (root > 0.0).then(|| Self {
            centre: region.centroid(),
            spread,
            reach: area / (PI * root),
            area,
            aspect: region.axis_ratio_squared().sqrt(),
        })
    }

    fn holds(&self, x: f64, y: f64) -> bool {
        let [xx, yy, xy] = self.spread;
        let (dx, dy) = (x - self.centre[0], y - self.centre[1]);
        yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy <= self.reach * (xx * yy - xy * xy)
    }

    fn iou(&self, crop: &Crop) -> f64 {
        let common = pixels(crop).filter(|&(x, y)| self.holds(x, y)).count() as f64;
        common / (2.0 * self.area - common)
    }
}

fn pixels(crop: &Crop) -> impl Iterator<Item = (f64, f64)> + '_ {
    crop.inside.chunks_exact(crop.width).enumerate().flat_map(|(y, row)| {
        let inside = row.iter().enumerate().filter(|(_, inside)| **inside);
        inside.map(move |(x, _)| (x as f64, y as f64))
    })
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    fn is_long_oval_where(inside: impl Fn(f32, f32) -> bool) -> bool {
        let side = 200;
        let at = |at: usize| inside((at as u32 % side) as f32 - 100.0, (at as u32 / side) as f32 - 100.0);
        is_long_oval(&Crop::of(
            &regions(side, side, Neighbours::Four, at)[0],
            &FieldOfView::whole(side, side),
        ))
    }

    #[test]
    fn ovals_of_any_length_and_direction_are_one_cell() {
        for aspect in [0.3f32, 0.4, 0.5, 0.6] {
            for turn in [0.0f32, 0.5, 1.0] {
                let (s, c) = turn.sin_cos();
                assert!(is_long_oval_where(|x, y| {
                    ((x * c + y * s) / 60.0).hypot((y * c - x * s) / (60.0 * aspect)) < 1.0
                }));
            }
        }
    }

    #[test]
    fn a_rod_with_round_ends_is_one_cell_too() {
        assert!(is_long_oval_where(|x, y| (x.abs() - 35.0).max(0.0).hypot(y) < 22.0));
    }

    #[test]
    fn two_discs_are_none_at_any_distance() {
        for apart in [0.6f32, 0.9, 1.2, 1.5, 1.8, 1.95] {
            for smaller in [1.0f32, 0.8] {
                let half = apart * 20.0;
                let two = |x: f32, y: f32| (x - half).hypot(y) < 40.0 || (x + half).hypot(y) < 40.0 * smaller;
                assert!(!is_long_oval_where(two), "{apart} radii apart, the other {smaller} times as large");
            }
        }
    }

    #[test]
    fn round_and_ragged_regions_are_none() {
        assert!(!is_long_oval_where(|x, y| x.hypot(y) < 50.0));
        assert!(!is_long_oval_where(|x, y| x.abs() < 70.0 && y.abs() < 20.0 && (x.abs() > 8.0 || y > 5.0)));
    }
}
