//! Summary statistics of one image.

use super::{Cell, Cells};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Mean, sample standard deviation (n - 1; 0 for a single value) and median.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub mean: f64,
    pub sd: f64,
    pub median: f64,
}

/// Statistics of the cells of one image. Sizes and shapes are those of whole cells only; cells cut by the image edge
/// are counted but not measured. If there are no whole cells, the spreads are `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Size of the image in pixels.
    pub width: u32,
    pub height: u32,
    /// Number of cells.
    pub count: usize,
    /// Number of cells not cut by the image edge.
    pub count_whole: usize,
    /// Cells per megapixel of the picture, which excludes a border around it and the black around an eyepiece's view.
    /// Cells that the edge cuts lie half inside on average, so each counts as half, even if they are left out.
    pub density_per_megapixel: f64,
    /// Cells per square millimetre, if the scale is known.
    pub density_per_mm2: Option<f64>,
    /// Share of the picture covered by the cells counted, 0 to 1; without those left out.
    pub covered: f64,
    /// Spread over the whole cells; likewise in the following fields.
    pub area_px: Option<Spread>,
    pub diameter_px: Option<Spread>,
    pub circularity: Option<Spread>,
    pub eccentricity: Option<Spread>,
    pub area_um2: Option<Spread>,
    pub diameter_um: Option<Spread>,
    /// Micrometres per pixel, if known.
    pub um_per_px: Option<f32>,
    /// The cell diameter in pixels that was used for segmentation, estimated or given.
    pub expected_diameter_px: Option<f32>,
}

impl Spread {
    /// Statistics of some values; `None` if there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let sd = if n > 1 { (squares / (n - 1) as f64).sqrt() } else { 0.0 };
        Some(Self { mean, sd, median: (values[(n - 1) / 2] + values[n / 2]) / 2.0 })
    }

    fn times(self, factor: f64) -> Self {
        Self { mean: self.mean * factor, sd: self.sd * factor, median: self.median * factor }
    }
}

/// Plausible mean diameters of red cells in µm: a scale that is off by a factor of two gives cells of 6 to 9 µm others.
pub const RED_CELLS: RangeInclusive<f64> = 4.5..=12.0;

impl Summary {
    /// A warning for the user if the scale implies an implausible size of red cells.
    pub fn doubt(&self) -> Option<String> {
        let mean = self.diameter_um?.mean;
        let told = || {
            format!(
                "the mean cell diameter is {mean:.2} µm, but red cells measure 6 to 9 µm: check the scale"
            )
        };
        (!RED_CELLS.contains(&mean)).then(told)
    }

    /// Statistics of all cells of an image.
    pub fn of(cells: &Cells) -> Self {
        Self::of_some(cells, |_| true, cells.cut_left_out)
    }

    /// Statistics of the cells for which `keep` holds, for example after manual removals. `cut_left_out` is the number of
    /// cells cut by the edge that are not among `cells` but count in the density.
    pub fn of_some(cells: &Cells, keep: impl Fn(&Cell) -> bool, cut_left_out: usize) -> Self {
        let kept: Vec<&Cell> = cells.cells.iter().filter(|cell| keep(cell)).collect();
        let whole = || kept.iter().filter(|cell| !cell.touches_edge);
        let spread = |value: fn(&Cell) -> f64| Spread::of(whole().map(|cell| value(cell)).collect());
        let (width, height) = (cells.labels.width, cells.labels.height);
        let pixels = cells.lit_px as f64;
        let count = kept.len();
        let whole_count = whole().count();
        let cut = count - whole_count + cut_left_out;
        let per_pixel = if pixels > 0.0 { (whole_count as f64 + cut as f64 / 2.0) / pixels } else { 0.0 };
        let um = cells.um_per_px.map(f64::from);
        let (area_px, diameter_px) = (spread(|cell| cell.area_px), spread(|cell| cell.diameter_px));
        Self {
            width,
            height,
            count,
            count_whole: whole_count,
            density_per_megapixel: per_pixel * 1e6,
            density_per_mm2: um.map(|um| per_pixel * 1e6 / (um * um)),
            // `fold` from zero, because the sum of an empty iterator is minus zero.
            covered: kept.iter().fold(0.0, |sum, cell| sum + cell.area_px) / pixels.max(1.0),
            area_px,
            diameter_px,
            circularity: spread(|cell| cell.circularity),
            eccentricity: spread(|cell| cell.eccentricity),
            area_um2: um.and_then(|um| area_px.map(|area| area.times(um * um))),
            diameter_um: um.and_then(|um| diameter_px.map(|diameter| diameter.times(um))),
            um_per_px: cells.um_per_px,
            expected_diameter_px: cells.diameter_px,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CellOptions, find_cells};
    use super::*;

    #[test]
    fn spreads_are_those_of_a_sample() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.mean, spread.median), (2.5, 2.5));
        assert!((spread.sd - (5.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(vec![7.0]), Some(Spread { mean: 7.0, sd: 0.0, median: 7.0 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn a_scale_is_doubted_by_the_size_of_the_cells() {
        let map = crate::GrayImage::from_fn(60, 60, |x, y| {
            image::Luma([u8::from((20..40).contains(&x) && (20..40).contains(&y)) * 255])
        });
        // A square with the area of a disc of 22.6 px diameter.
        let doubt = |um_per_px| {
            Summary::of(&find_cells(&map, &CellOptions { um_per_px, ..CellOptions::default() })).doubt()
        };
        assert_eq!((doubt(None), doubt(Some(0.3))), (None, None));
        // Off by a factor of two, or more.
        for wrong in [0.1, 0.15, 0.6, 1.0] {
            assert!(doubt(Some(wrong)).is_some_and(|told| told.contains("check the scale")), "{wrong}");
        }
    }

    #[test]
    fn cells_that_the_edge_cuts_are_half_in_the_picture() {
        let map = crate::GrayImage::from_fn(80, 50, |x, y| {
            let cell = (x < 10 || (30..50).contains(&x)) && (15..35).contains(&y);
            image::Luma([u8::from(cell) * 255])
        });
        for skip_edge in [false, true] {
            let options = CellOptions { diameter_px: Some(20.0), skip_edge, ..CellOptions::default() };
            let cells = find_cells(&map, &options);
            let summary = Summary::of(&cells);
            assert_eq!(summary.count, if skip_edge { 1 } else { 2 });
            assert_eq!(summary.density_per_megapixel, 1.5 / 4000.0 * 1e6);
            // As if the cut cell had been left out by hand.
            let inner = Summary::of_some(&cells, |cell| !cell.touches_edge, 0);
            assert_eq!(inner.density_per_megapixel, 1.0 / 4000.0 * 1e6);
        }
    }

    #[test]
    fn densities_are_of_the_picture_without_what_is_unlit() {
        // A cell of 20 x 20 px in a picture of 40 x 50, next to an unlit area of the same size.
        let map = |dark: u8| {
            crate::GrayImage::from_fn(80, 50, |x, y| {
                let cell = (10..30).contains(&x) && (10..30).contains(&y);
                image::Luma([if cell {
                    255
                } else if x < 40 {
                    0
                } else {
                    dark
                }])
            })
        };
        let figures = |dark: u8| {
            let summary = Summary::of(&find_cells(&map(dark), &CellOptions::default()));
            (summary.count, summary.density_per_megapixel, summary.covered)
        };
        assert_eq!(figures(crate::segment::UNLIT), (1, 500.0, 0.2));
        assert_eq!(figures(0), (1, 250.0, 0.1));
        let none = find_cells(&crate::GrayImage::new(9, 9), &CellOptions::default());
        // Minus zero would show in tables.
        assert!(Summary::of(&none).covered.is_sign_positive());
    }
}
