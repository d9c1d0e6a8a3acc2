//! How far a result can be trusted, judged from the image and its mask.
//!
//! The network always returns an answer, even for a photograph of a cat. But cells in a stained smear are alike: darker
//! than the surrounding background, round, of one size, with sharp edges. This module measures how far that holds for
//! the objects found, at a fixed scale whatever the network's working diameter, and issues a warning for what does not
//! hold.

use crate::cells::distance::squared_distance_within;
use crate::cells::{Cell, CellOptions, Cells, find_cells};
use crate::segment::{HALF, UNLIT};
use crate::window::Density;
use crate::{GrayImage, RgbImage, scale};
use image::imageops::{FilterType, crop_imm, resize};
use serde::{Deserialize, Serialize};

/// Why quality could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    NoCells,
    /// Cells everywhere, or no outline within the image.
    NoBackground,
}

/// Quality measurements. Shares and certainties run from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Number of cells in the examined part.
    pub cells: usize,
    /// Share of the cells' outline along which the image gets darker inwards.
    pub outline: f32,
    /// Mean probability inside the cells.
    pub certainty: f32,
    /// Share of the whole cells that are round; `None` if there are too few to tell.
    pub round: Option<f32>,
    /// Difference in green between the bright background and the cells' rims, in grey levels (0 to 255).
    pub contrast: f32,
    /// Edge slope: change per pixel as a share of the contrast, for cells 28 pixels across. Lower in blurred images.
    pub sharpness: f32,
}

/// Cell diameter in pixels at which everything is measured; lengths in the constants below refer to this scale.
const DIAMETER: f32 = 28.0;
/// Side of the examined part; a large image is assumed to be alike wherever it has cells.
const PART: f32 = 1024.0;
/// Minimum distance of background pixels from the cells.
const BACKGROUND: f32 = 2.5;
/// Minimum and maximum depth of rim pixels inside a cell.
const RIM: [f32; 2] = [1.5, 5.0];
/// Maximum distance of edge pixels from the outline.
const EDGE: f32 = 1.5;
/// Probabilities (0 to 255) that are neither clearly background nor clearly cell.
const DOUBT: std::ops::Range<u8> = 26..230;
/// Uncertain pixels within this distance of certain background belong to an outline.
const BAND: f32 = 3.0;
/// A slope below this share of the contrast does not count as rising.
const FLAT: f32 = 0.05;
/// Least circularity of a round cell.
const ROUND: f64 = 0.75;
/// Least number of whole cells for which a share of round ones is given.
const MIN_WHOLE_CELLS: usize = 5;

// Chosen such that the training smears (except blurred ones) and those of another laboratory pass; `bench/quality.py`
// counts the warnings.
const LEAST_OUTLINE: f32 = 0.85;
const HARDLY_AN_OUTLINE: f32 = 0.75;
const LEAST_CERTAINTY: f32 = 0.86;
const LEAST_ROUND: f32 = 0.65;
const LEAST_CONTRAST: f32 = 14.0;
const LEAST_SHARPNESS: f32 = 0.16;

impl Quality {
    /// Measures an image and its probability map, in both of which a cell is `diameter` pixels across.
    ///
    /// # Errors
    ///
    /// [`Unmeasured`] if there is nothing to measure.
    pub fn measure(image: &RgbImage, probability: &GrayImage, diameter: f32) -> Result<Self, Unmeasured> {
        let seen = Examined::of(image, probability, diameter)?;
        let contrast = seen.contrast()?;
        let mut slopes = seen.slopes();
        if slopes.is_empty() {
            return Err(Unmeasured::NoBackground);
        }
        let outline = rising(&slopes, contrast);
        slopes.sort_by(f32::total_cmp);
        let sharpness = slopes[slopes.len() / 2] / contrast.max(1.0);
        let cells = &seen.found.cells;
        Ok(Self {
            cells: cells.len(),
            outline,
            certainty: certainty(cells),
            round: round_share(cells),
            contrast,
            sharpness,
        })
    }

    /// Reasons not to trust the result, worst first; empty if there are none.
    pub fn warnings(&self) -> Vec<String> {
        let odd_shapes = self.round.is_some_and(|round| round < LEAST_ROUND);
        let unsure = self.certainty < LEAST_CERTAINTY;
        let odd_outline = self.outline < LEAST_OUTLINE;
        let mut warnings = Vec::new();
        let mut warn = |warning: &str| warnings.push(warning.to_string());
        if self.contrast < LEAST_CONTRAST {
            warn(
                "the cells hardly differ from the background in brightness: is this a stained smear in bright field?",
            );
        } else if self.outline < HARDLY_AN_OUTLINE || odd_outline && (odd_shapes || unsure) {
            warn(
                "the objects found are not darker than their surroundings on all sides: is this a stained smear?",
            );
        }
        if odd_shapes {
            warn("most objects found are not round: cells may be merged, or this is not a smear");
        }
        if unsure {
            warn("the network is unsure about this image: check the outlines before you use the numbers");
        }
        if self.contrast >= LEAST_CONTRAST && self.sharpness < LEAST_SHARPNESS && !odd_outline {
            warn("the image is out of focus: areas and diameters are less exact");
        }
        warnings
    }
}

/// The part of an image that is examined, with cells of [`DIAMETER`] pixels.
struct Examined {
    green: Vec<f32>,
    probability: GrayImage,
    found: Cells,
    /// Squared distances in pixels, where they are small: from a cell's pixels to what is outside cells, from there to the
    /// nearest cell, and from everywhere to unlit pixels.
    depth: Vec<f32>,
    away: Vec<f32>,
    dark: Vec<f32>,
}

impl Examined {
    fn of(image: &RgbImage, probability: &GrayImage, diameter: f32) -> Result<Self, Unmeasured> {
        let to_size = DIAMETER / diameter;
        let part = Density::of(probability.dimensions(), |x, y| probability.get_pixel(x, y).0[0] >= HALF)
            .part((PART / to_size) as u32);
        let [left, top, width, height] = part;
        let image = scale::resample(&crop_imm(image, left, top, width, height).to_image(), to_size);
        let probability = resampled_map(probability, part, to_size);
        let options = CellOptions { diameter_px: Some(DIAMETER), ..CellOptions::default() };
        let found = find_cells(&probability, &options);
        if found.cells.is_empty() {
            return Err(Unmeasured::NoCells);
        }
        let reach = RIM[1].max(BACKGROUND).max(EDGE).ceil() as usize;
        let squared = |to: &dyn Fn(usize) -> bool| {
            squared_distance_within(reach, image.width() as usize, image.height() as usize, to)
        };
        let inside = |at: usize| found.labels.ids[at] != 0;
        Ok(Self {
            depth: squared(&|at| !inside(at)),
            away: squared(&inside),
            dark: squared(&|at| probability.as_raw()[at] == UNLIT),
            green: green(&image),
            probability,
            found,
        })
    }

    fn inside(&self, at: usize) -> bool {
        self.found.labels.ids[at] != 0
    }

    /// Whether a pixel is far from unlit areas: near them, cells are cut off, and the image shows neither background nor
    /// outline.
    fn lit(&self, at: usize) -> bool {
        self.dark[at] > RIM[1] * RIM[1]
    }

    /// Brightness of the background minus that of the cells' rims.
    fn contrast(&self) -> Result<f32, Unmeasured> {
        let [low, high] = RIM.map(|distance| distance * distance);
        let of_background =
            |at: usize| self.lit(at) && !self.inside(at) && self.away[at] > BACKGROUND * BACKGROUND;
        // The upper quartile: white cells, darker than red ones, may cover most of the non-cell area of a small image.
        let background = quantile(&self.green, 0.75, of_background).ok_or(Unmeasured::NoBackground)?;
        let median = |wanted: &dyn Fn(usize) -> bool| quantile(&self.green, 0.5, wanted);
        let lit_cell = |at: usize| self.lit(at) && self.inside(at);
        let rim = median(&|at| lit_cell(at) && self.depth[at] > low && self.depth[at] < high)
            .or_else(|| median(&lit_cell))
            .or_else(|| median(&|at| self.inside(at)))
            .ok_or(Unmeasured::NoCells)?;
        Ok(background - rim)
    }

    /// Brightness slopes outwards along the outlines.
    fn slopes(&self) -> Vec<f32> {
        let on_edge = |at: usize| self.lit(at) && self.depth[at].max(self.away[at]) <= EDGE * EDGE;
        slopes(&self.green, &self.probability, on_edge)
    }
}

/// Mean probability of the cells' pixels, 0 to 1.
fn certainty(cells: &[Cell]) -> f32 {
    let area: f64 = cells.iter().map(|cell| cell.area_px).sum();
    let certain: f64 = cells.iter().map(|cell| cell.area_px * cell.mean_probability).sum();
    (certain / area) as f32
}

/// Share of the whole cells that are round; `None` if there are too few to tell.
fn round_share(cells: &[Cell]) -> Option<f32> {
    let whole: Vec<&Cell> = cells.iter().filter(|cell| !cell.touches_edge).collect();
    let round = whole.iter().filter(|cell| cell.circularity >= ROUND).count() as f32;
    (whole.len() >= MIN_WHOLE_CELLS).then(|| round / whole.len() as f32)
}

/// How much the objects found resemble cells, 0 to 1: mean probability inside times the share of the outline along
/// which the image gets darker inwards. A quick score for comparing several looks at the same image.
pub(crate) fn likeness(image: &RgbImage, probability: &GrayImage) -> f32 {
    let green = green(image);
    let p = probability.as_raw();
    let mean = |inside: bool, of: &dyn Fn(usize) -> f32| {
        let (sum, count) = (0..p.len())
            .filter(|&at| (p[at] >= HALF) == inside)
            .fold((0.0f64, 0usize), |(sum, count), at| (sum + f64::from(of(at)), count + 1));
        (count > 0).then(|| (sum / count as f64) as f32)
    };
    let certainty = mean(true, &|at| f32::from(p[at]) / 255.0);
    let (Some(certainty), Some(cells), Some(bright)) =
        (certainty, mean(true, &|at| green[at]), mean(false, &|at| green[at]))
    else {
        return 0.0;
    };
    // Uncertain pixels along outlines, but not along seams between cells, across which the image does not get brighter.
    let (width, height) = probability.dimensions();
    let certain = |at: usize| p[at] < DOUBT.start;
    let background = squared_distance_within(BAND.ceil() as usize, width as usize, height as usize, certain);
    let on_outline = |at: usize| DOUBT.contains(&p[at]) && background[at] <= BAND * BAND;
    let slopes = slopes(&green, probability, on_outline);
    if slopes.is_empty() { 0.0 } else { certainty * rising(&slopes, bright - cells) }
}

/// Green channel as floats.
fn green(image: &RgbImage) -> Vec<f32> {
    image.pixels().map(|pixel| f32::from(pixel.0[1])).collect()
}

/// Brightness slope outwards, i.e. in the direction of falling probability, at each wanted pixel; in grey levels per
/// pixel.
fn slopes(green: &[f32], probability: &GrayImage, wanted: impl Fn(usize) -> bool) -> Vec<f32> {
    let (width, height) = (probability.width() as usize, probability.height() as usize);
    let p = probability.as_raw();
    let mut slopes = Vec::new();
    for y in 1..height.saturating_sub(1) {
        for at in (y * width + 1..(y + 1) * width - 1).filter(|&at| wanted(at)) {
            let [px, py] = sobel(|at| -f32::from(p[at]), at, width);
            let [gx, gy] = sobel(|at| green[at], at, width);
            let length = px.hypot(py);
            if length > 0.0 {
                slopes.push((gx * px + gy * py) / length);
            }
        }
    }
    slopes
}

/// Share of the slopes that rise by more than noise.
fn rising(slopes: &[f32], contrast: f32) -> f32 {
    let rising = slopes.iter().filter(|slope| **slope > FLAT * contrast.abs().max(1.0)).count();
    rising as f32 / slopes.len() as f32
}

/// A resampled part of a probability map. Interpolation between 0 and other values may yield [`UNLIT`] by accident, so
/// unlit pixels are taken from a nearest-neighbour resampling.
fn resampled_map(map: &GrayImage, [left, top, width, height]: [u32; 4], scale: f32) -> GrayImage {
    let part = crop_imm(map, left, top, width, height).to_image();
    let mut out = scale::resample_map(&part, scale);
    let (width, height) = out.dimensions();
    let nearest = part.as_raw().contains(&UNLIT).then(|| resize(&part, width, height, FilterType::Nearest));
    for (at, value) in out.iter_mut().enumerate() {
        let unlit = nearest.as_ref().is_some_and(|nearest| nearest.as_raw()[at] == UNLIT);
        *value = match *value {
            _ if unlit => UNLIT,
            UNLIT => 0,
            probability => probability,
        };
    }
    out
}

/// Sobel gradient of a value given by index, at a pixel not on the border.
fn sobel(value: impl Fn(usize) -> f32, at: usize, width: usize) -> [f32; 2] {
    let across = |at: usize, step: usize| value(at - step) + 2.0 * value(at) + value(at + step);
    [
        (across(at + 1, width) - across(at - 1, width)) / 8.0,
        (across(at + width, 1) - across(at - width, 1)) / 8.0,
    ]
}

/// The quantile `share` of the wanted values; `None` if there are none.
fn quantile(values: &[f32], share: f32, wanted: impl Fn(usize) -> bool) -> Option<f32> {
    let mut some: Vec<f32> = (0..values.len()).filter(|&at| wanted(at)).map(|at| values[at]).collect();
    let place = (some.len() as f32 * share) as usize;
    (!some.is_empty()).then(|| *some.select_nth_unstable_by(place, f32::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Discs of diameter 28 on a bright background. `soft`: blur in pixels; `dark` and `light`: grey levels of cells
    /// and background.
    fn smear(soft: f32, dark: f32, light: f32) -> (RgbImage, GrayImage) {
        let inside = |x: u32, y: u32| {
            let (cx, cy) = ((x / 40) as f32 * 40.0 + 20.0, (y / 40) as f32 * 40.0 + 20.0);
            14.0 - (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy)
        };
        let share = |x, y, soft: f32| 1.0 / (1.0 + (-inside(x, y) / soft).exp());
        let image = RgbImage::from_fn(160, 160, |x, y| {
            image::Rgb([(light + (dark - light) * share(x, y, soft)) as u8; 3])
        });
        let level = |x, y| match (255.0 * share(x, y, 0.3)) as u8 {
            UNLIT => 0,
            level => level,
        };
        (image, GrayImage::from_fn(160, 160, |x, y| image::Luma([level(x, y)])))
    }

    fn warnings(soft: f32, dark: f32, light: f32) -> Vec<String> {
        let (image, probability) = smear(soft, dark, light);
        Quality::measure(&image, &probability, 28.0).map(|quality| quality.warnings()).unwrap_or_default()
    }

    #[test]
    fn a_clear_smear_gives_no_warning() {
        assert_eq!(warnings(0.5, 120.0, 230.0), Vec::<String>::new());
    }

    #[test]
    fn a_figure_means_the_same_at_any_scale() {
        let (image, probability) = smear(1.5, 120.0, 230.0);
        let fine = |side: u32| side * 3 / 2;
        let (width, height) = (fine(image.width()), fine(image.height()));
        let finer = resize(&image, width, height, FilterType::Triangle);
        let sure = resize(&probability, width, height, FilterType::Triangle);
        let measured = |image, probability, diameter| {
            Quality::measure(image, probability, diameter).map(|q| q.sharpness).ok()
        };
        let (one, other) = (measured(&image, &probability, 28.0), measured(&finer, &sure, 42.0));
        assert!(
            one.zip(other).is_some_and(|(one, other)| (one - other).abs() < 0.1 * one),
            "{one:?} {other:?}"
        );
    }

    #[test]
    fn blur_faint_cells_and_bright_cells_are_told() {
        assert!(warnings(6.0, 120.0, 230.0).concat().contains("out of focus"));
        assert!(warnings(0.5, 222.0, 230.0).concat().contains("hardly differ"));
        assert!(warnings(0.5, 230.0, 120.0).concat().contains("hardly differ"));
    }

    #[test]
    fn an_unsure_network_and_odd_shapes_are_told() {
        let (image, mut probability) = smear(0.5, 120.0, 230.0);
        probability.iter_mut().for_each(|p| *p -= *p / 4);
        let quality = Quality::measure(&image, &probability, 28.0).map(|q| q.warnings()).unwrap_or_default();
        assert!(quality.concat().contains("unsure"), "{quality:?}");
        // Bars instead of discs.
        let bars = GrayImage::from_fn(160, 160, |x, y| {
            image::Luma([if x % 20 < 7 && (5..155).contains(&y) && x > 10 && x < 150 { 255 } else { 0 }])
        });
        let image = RgbImage::from_fn(160, 160, |x, y| image::Rgb([255 - bars.get_pixel(x, y).0[0] / 2; 3]));
        let quality = Quality::measure(&image, &bars, 28.0);
        assert!(quality.is_ok_and(|q| q.warnings().concat().contains("not round")), "{quality:?}");
    }

    #[test]
    fn cells_that_the_edge_of_the_light_cuts_raise_no_doubt() {
        let (mut image, mut probability) = smear(0.5, 120.0, 230.0);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            // Cuts twelve of the sixteen cells in half.
            if !(20..140).contains(&x) || !(20..140).contains(&y) {
                *pixel = image::Rgb([0; 3]);
                probability.put_pixel(x, y, image::Luma([UNLIT]));
            }
        }
        for scale in [28.0, 19.0] {
            let quality = Quality::measure(&image, &probability, scale);
            let told = quality.map(|quality| (quality.warnings(), quality.round.is_none(), quality.outline));
            assert!(told.as_ref().is_ok_and(|told| told.0.is_empty() && told.1 && told.2 > 0.99), "{told:?}");
        }
    }

    #[test]
    fn nothing_found_is_nothing_measured() {
        let of = |level| {
            let map = GrayImage::from_pixel(64, 48, image::Luma([level]));
            Quality::measure(&RgbImage::new(64, 48), &map, 28.0).err()
        };
        assert_eq!(of(0), Some(Unmeasured::NoCells));
        assert_eq!(of(255), Some(Unmeasured::NoBackground));
    }
}
