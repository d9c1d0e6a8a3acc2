//! Measures all cells together: one pass over the labels for areas, one for perimeters.

use super::moments::Moments;
use super::{Cell, Labels};
use crate::GrayImage;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Sums over the pixels of one cell.
#[derive(Clone)]
struct Sums {
    /// The first pixel, from which the moments are counted.
    origin: Option<[f64; 2]>,
    moments: Moments,
    probability: u64,
    /// Number of changes between inside and outside along rows and columns (`straight`) and along diagonals.
    straight: u64,
    diagonal: u64,
    bounds: [u32; 4],
}

/// Measures the cells 1 to `count`, each of which must have at least one pixel.
pub fn measure(labels: &Labels, count: usize, probability: &GrayImage) -> Vec<Cell> {
    let empty = Sums {
        origin: None,
        moments: Moments::default(),
        probability: 0,
        straight: 0,
        diagonal: 0,
        bounds: [u32::MAX, u32::MAX, 0, 0],
    };
    let mut sums = vec![empty; count];
    add_pixels(labels, probability, &mut sums);
    add_changes(labels, &mut sums);
    sums.iter().enumerate().map(|(index, sums)| sums.cell(index as u32 + 1, labels)).collect()
}

fn add_pixels(labels: &Labels, probability: &GrayImage, sums: &mut [Sums]) {
    let width = labels.width as usize;
    for (at, &id) in labels.ids.iter().enumerate() {
        if id == 0 {
            continue;
        }
        let (x, y) = ((at % width) as u32, (at / width) as u32);
        let cell = &mut sums[id as usize - 1];
        let [left, top] = *cell.origin.get_or_insert([f64::from(x), f64::from(y)]);
        cell.moments.add(f64::from(x) - left, f64::from(y) - top);
        cell.probability += u64::from(probability.as_raw()[at]);
        let [x0, y0, x1, y1] = &mut cell.bounds;
        (*x0, *y0) = ((*x0).min(x), (*y0).min(y));
        (*x1, *y1) = ((*x1).max(x + 1), (*y1).max(y + 1));
    }
}

/// Counts, for each cell, the changes between inside and outside along all lines in four directions. Everything beyond
/// the image is outside.
fn add_changes(labels: &Labels, sums: &mut [Sums]) {
    let width = labels.width as usize;
    let beyond = vec![0; width];
    let mut change = |a: u32, b: u32, diagonal: bool| {
        for id in [a, b] {
            if a != b && id != 0 {
                let cell = &mut sums[id as usize - 1];
                if diagonal { cell.diagonal += 1 } else { cell.straight += 1 }
            }
        }
    };
    let rows = || labels.ids.chunks_exact(width).chain([&beyond[..]]);
    for (upper, lower) in [&beyond[..]].into_iter().chain(rows()).zip(rows()) {
        // `a b / c d` are the four pixels around each corner of the pixel grid, corners on the image border included.
        let (mut a, mut c) = (0, 0);
        for x in 0..=width {
            let (b, d) = (upper.get(x).copied().unwrap_or(0), lower.get(x).copied().unwrap_or(0));
            if a != b || c != d || a != c {
                change(a, b, false);
                change(a, c, false);
                change(a, d, true);
                change(b, c, true);
            }
            (a, c) = (b, d);
        }
    }
}

impl Sums {
    fn cell(&self, id: u32, labels: &Labels) -> Cell {
        let area = self.moments.area();
        let [left, top] = self.origin.unwrap_or_default();
        let [x, y] = self.moments.centroid();
        let perimeter = crofton(self.straight, self.diagonal);
        let [x0, y0, x1, y1] = self.bounds;
        Cell {
            id,
            // A pixel's centre lies half a pixel from its corner.
            x: left + x + 0.5,
            y: top + y + 0.5,
            area_px: area,
            perimeter_px: perimeter,
            diameter_px: (4.0 * area / PI).sqrt(),
            circularity: (4.0 * PI * area / (perimeter * perimeter)).min(1.0),
            eccentricity: (1.0 - self.moments.axis_ratio_squared()).sqrt(),
            mean_probability: self.probability as f64 / 255.0 / area,
            touches_edge: x0 == 0 || y0 == 0 || x1 == labels.width || y1 == labels.height,
            bounds: [x0, y0, x1 - x0, y1 - y0],
        }
    }
}

/// Cauchy-Crofton formula: half the sum, over directions, of angle step × line spacing × number of crossings. With four
/// directions π/4 apart; diagonal lines are 1/√2 pixels apart. Unbiased over all orientations; a straight edge is off
/// by up to 5 %.
pub fn crofton(straight: u64, diagonal: u64) -> f64 {
    PI / 8.0 * (straight as f64 + diagonal as f64 * FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(width: u32, height: u32, set: impl Fn(f64, f64) -> bool) -> Labels {
        let ids = (0..width * height)
            .map(|at| u32::from(set(f64::from(at % width) + 0.5, f64::from(at / width) + 0.5)))
            .collect();
        Labels { width, height, ids }
    }

    fn one(labels: &Labels) -> Cell {
        let probability = GrayImage::from_pixel(labels.width, labels.height, image::Luma([204]));
        measure(labels, 1, &probability).remove(0)
    }

    #[test]
    fn discs_have_the_measures_of_discs() {
        for (radius, off) in [(5.0f64, 0.04), (10.0, 0.02), (30.0, 0.01), (100.0, 0.005)] {
            let side = (2.0 * radius) as u32 + 9;
            let middle = f64::from(side) / 2.0 + 0.2;
            let cell = one(&labels(side, side, |x, y| (x - middle).hypot(y - middle) < radius));
            assert!((cell.area_px / (PI * radius * radius) - 1.0).abs() < off, "{cell:?}");
            assert!((cell.perimeter_px / (2.0 * PI * radius) - 1.0).abs() < off, "{cell:?}");
            assert!((cell.diameter_px / (2.0 * radius) - 1.0).abs() < off, "{cell:?}");
            assert!(cell.circularity > 1.0 - 2.0 * off && cell.circularity <= 1.0, "{cell:?}");
            assert!(cell.eccentricity < 0.2, "{cell:?}");
            assert!((cell.x - middle).abs() < 0.1 && (cell.y - middle).abs() < 0.1, "{cell:?}");
            assert!((cell.mean_probability - 0.8).abs() < 1e-9 && !cell.touches_edge);
        }
    }

    #[test]
    fn ellipses_at_any_angle_have_their_eccentricity_and_perimeter() {
        let (a, b) = (30.0f64, 15.0f64);
        for degrees in [0.0f64, 17.0, 45.0, 80.0] {
            let (sin, cos) = degrees.to_radians().sin_cos();
            let cell = one(&labels(80, 80, |x, y| {
                let (x, y) = (x - 40.0, y - 40.0);
                ((x * cos + y * sin) / a).powi(2) + ((y * cos - x * sin) / b).powi(2) < 1.0
            }));
            assert!((cell.eccentricity - 0.75f64.sqrt()).abs() < 0.01, "{cell:?}");
            // Ramanujan's approximation.
            let exact = PI * (3.0 * (a + b) - ((3.0 * a + b) * (a + 3.0 * b)).sqrt());
            assert!((cell.perimeter_px / exact - 1.0).abs() < 0.03, "{degrees}: {cell:?}");
        }
    }

    #[test]
    fn the_image_edge_bounds_a_cell() {
        let inner = one(&labels(22, 22, |x, y| (1.0..21.0).contains(&x) && (1.0..21.0).contains(&y)));
        let whole = one(&labels(20, 20, |_, _| true));
        assert_eq!(inner.perimeter_px, whole.perimeter_px);
        assert!(whole.touches_edge && !inner.touches_edge);
        assert_eq!((inner.bounds, whole.bounds), ([1, 1, 20, 20], [0, 0, 20, 20]));
        let exact = crofton(80, 4 * 39);
        assert!((whole.perimeter_px - exact).abs() < 1e-9 && (exact / 80.0 - 1.0).abs() < 0.07, "{exact}");
    }

    #[test]
    fn a_border_between_two_cells_counts_for_both() {
        let both = labels(12, 6, |_, _| true);
        let split = Labels { ids: (0..72).map(|at| if at % 12 < 6 { 1 } else { 2 }).collect(), ..both };
        let cells = measure(&split, 2, &GrayImage::new(12, 6));
        assert_eq!(cells[0].perimeter_px, cells[1].perimeter_px);
        let alone = one(&labels(8, 8, |x, y| (1.0..7.0).contains(&x) && (1.0..7.0).contains(&y)));
        assert_eq!(cells[0].perimeter_px, alone.perimeter_px);
    }
}
