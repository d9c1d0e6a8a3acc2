//! Estimates the cell diameter, and so the scale at which an image is segmented.
//!
//! The network knows cells of about its working diameter, so an image is resampled until its cells have it. The network
//! itself determines their size: a part of the image is segmented as if the cells had a guessed diameter (a *look*),
//! and the cells in the resulting mask are measured. A guess near the truth confirms itself; if the image is small or
//! difficult, several looks vote.

use crate::cells::{FieldOfView, estimate_diameter_within};
use crate::light::Correction;
use crate::quality::likeness;
use crate::segment::{HALF, Logits, TileNetwork, logits};
use crate::surround::Surround;
use crate::window::Density;
use crate::{Error, GrayImage, RgbImage};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use image::imageops::crop_imm;
use image::{ImageBuffer, Luma, Pixel, Rgb};

/// Cell diameter in pixels assumed if the image gives no indication; between the 70 and 105 of the training fields.
pub const DEFAULT_DIAMETER: f32 = 85.0;
/// Smallest and largest cell diameter in pixels that is estimated. Guesses are rounded to the grid afterwards, so that one
/// may lie a step beyond.
pub const RANGE: [f32; 2] = [12.0, 300.0];
/// Initial guesses, in pixels. From large to small: with a guess too large, cells look too small, but are still seen
/// whole and measured correctly; with one too small they look too large and break up into rings and specks, which then
/// confirm a guess that is far too small.
const GUESSES: [f32; 6] = [250.0, 115.0, 80.0, 52.0, 36.0, 24.0];
/// Side of the examined part, in working pixels.
const WINDOW: f32 = 384.0;
/// A measured diameter within this factor of the guess confirms it; looks with measurements further apart have seen
/// different things.
const AGREES: f32 = 1.25;
/// Likeness to cells (see [`likeness`]) above which the first confirmed guess is accepted.
const SURE: f32 = 0.9;
/// Likeness at or below which a look confirms nothing: training fields reach 0.7, small crops of them 0.3.
const LEAST: f32 = 0.45;
/// If the image has room for fewer cells than this, all guesses are tried: one look at a few cells is not enough.
const MANY: f32 = 16.0;
/// A look whose guess is off by more than this factor says nothing about the true diameter.
const TELLS: f32 = 2.5;
/// Number of mean-shift steps from the measurement with most votes to where the votes are densest.
const SHIFTS: usize = 8;
/// Votes that a diameter needs: one look at the least likeness.
const MIN_VOTES: f32 = LEAST * LEAST * LEAST * LEAST;
/// Step factor of the grid of diameters: finer than the network is sensitive to, coarser than a look can resolve.
/// Thanks to the grid, machines that round differently mostly use the same scale.
const GRID: f32 = 1.05;
/// Guesses within this factor of each other show the same.
const SAME: f32 = 1.02;
/// Maximum number of successive looks that follow from one initial guess.
const LOOKS: usize = 4;

/// Maximum number of pixels at the working scale, so that the image fits into a browser's memory.
const MOST_PIXELS: f32 = 80e6;

/// The largest scale by which an image is resampled, so that memory stays bounded: the result then has 80 megapixels.
pub fn max_scale(image: &RgbImage) -> f32 {
    (MOST_PIXELS / (image.width() as f32 * image.height() as f32)).sqrt()
}

/// Resamples an image by `scale`, antialiased (triangle filter).
pub fn resample(image: &RgbImage, scale: f32) -> RgbImage {
    resample_as::<Rgb<u8>, U8x3>(image, scale)
}

/// The same for a map of grey values.
pub(crate) fn resample_map(map: &GrayImage, scale: f32) -> GrayImage {
    resample_as::<Luma<u8>, U8>(map, scale)
}

/// `P` and `F` are the same bytes to the crates `image` and `fast_image_resize`.
fn resample_as<P, F>(image: &ImageBuffer<P, Vec<u8>>, scale: f32) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8>,
    F: PixelTrait,
{
    let size = |len: u32| ((len as f32 * scale).round() as u32).max(1);
    let (width, height) = (size(image.width()), size(image.height()));
    if (width, height) == image.dimensions() {
        return image.clone();
    }
    let mut out = ImageBuffer::new(width, height);
    let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let from = TypedImageRef::<F>::from_buffer(image.width(), image.height(), image.as_raw());
    let to = TypedImage::<F>::from_buffer(width, height, &mut out);
    let both = from.ok().zip(to.ok());
    let done = both.and_then(|(from, mut to)| Resizer::new().resize_typed(&from, &mut to, &bilinear).ok());
    done.expect("both have as many bytes for each of their pixels");
    out
}

/// Prepares an image for the network: resampled by `scale`, brought into a known illumination, and with unlit areas
/// filled; also returns these areas. `diameter` is the cell diameter after resampling, in pixels.
pub(crate) fn working(
    image: &RgbImage,
    scale: f32,
    light: Correction,
    diameter: f32,
) -> (RgbImage, Option<Surround>) {
    let image = resample(image, scale);
    // Found before the correction: raising the contrast would turn dark pixels black.
    let surround = light.seen().and_then(|background| Surround::find(&image, background, diameter));
    let image = light.apply(image);
    match surround {
        Some(surround) => (surround.fill(image), Some(surround)),
        None => (image, None),
    }
}

/// Result of segmenting a part of an image with a guessed diameter.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// The guess, in image pixels.
    pub guess: f32,
    /// Diameter of the cells in the mask, in image pixels; `None` if there are none.
    pub measured: Option<f32>,
    /// How much the objects found resemble cells, 0 to 1.
    pub likeness: f32,
}

impl Look {
    /// Ratio between measurement and guess, at least 1.
    fn disagreement(&self) -> f32 {
        self.measured.map_or(f32::INFINITY, |measured| factor(measured, self.guess))
    }
}

/// Ratio between two diameters, at least 1.
fn factor(a: f32, b: f32) -> f32 {
    (a / b).max(b / a)
}

/// Typical cell diameter in pixels of an image. `None` if nothing in it confirms any.
///
/// # Errors
///
/// [`Error::Compute`] if the device fails.
pub(crate) async fn estimate(
    network: &impl TileNetwork,
    image: &RgbImage,
    light: Correction,
) -> Result<Option<f32>, Error> {
    let stain = Density::of(image.dimensions(), |x, y| light.is_stained(image.get_pixel(x, y).0));
    let largest = 1.5 * image.width().max(image.height()) as f32;
    let mut looks: Vec<Look> = Vec::new();
    for mut guess in GUESSES.into_iter().filter(|guess| *guess <= largest) {
        // Follow the measurements to a guess that confirms itself.
        for _ in 0..LOOKS {
            // Different initial guesses may lead to the same place.
            if looks.iter().any(|look| factor(look.guess, guess) < SAME) {
                break;
            }
            let look = look(network, image, &stain, light, guess).await?;
            looks.push(look);
            let Some(measured) = look.measured else { break };
            if look.disagreement() < AGREES {
                let shown = image.width() as f32 * image.height() as f32 / (measured * measured);
                let agreed = agreed(&looks).filter(|diameter| factor(*diameter, measured) < AGREES);
                if look.likeness > SURE && shown > MANY && agreed.is_some() {
                    return Ok(agreed);
                }
                break;
            }
            let next = on_grid(measured.clamp(RANGE[0], RANGE[1]));
            // With about as many large cells as small ones, two guesses may lead to each other; then try between them.
            let back = |look: &Look| {
                factor(look.guess, next) < SAME && look.measured.is_some_and(|led| factor(led, guess) < SAME)
            };
            guess = if looks.iter().any(back) { (guess * next).sqrt() } else { next };
        }
    }
    Ok(agreed(&looks))
}

/// The diameter that most looks agree on: the mean around the place where measurements are densest (mean shift: Cheng,
/// 1995), rounded to the grid. A look's weight is the fourth power of its likeness (looks at wrong scales are many and
/// somewhat cell-like, those at the right scale few and very much so), reduced with the distance of its measurement
/// from that place and of its guess from the result. The reduction has no steps, so that differences in rounding
/// between machines do not decide. Within [`RANGE`].
fn agreed(looks: &[Look]) -> Option<f32> {
    let told = || {
        let alike = looks.iter().filter(|look| look.likeness > LEAST);
        alike.filter_map(|look| Some((look, look.measured?)))
    };
    let weight = |look: &Look, measured: f32, diameter: f32| {
        look.likeness.powi(4) * nearness(measured, diameter, AGREES) * nearness(look.guess, diameter, TELLS)
    };
    let votes = |diameter: f32| told().map(|(look, measured)| weight(look, measured, diameter)).sum::<f32>();
    let candidates = told().map(|(_, measured)| (measured, votes(measured)));
    // Times the diameter, because cells that look too large break up and confirm diameters that are too small, which
    // happens more often than the reverse.
    let claim = |(measured, votes): &(f32, f32)| votes * measured;
    let (mut diameter, most) = candidates.max_by(|one, other| claim(one).total_cmp(&claim(other)))?;
    if most <= MIN_VOTES {
        return None;
    }
    for _ in 0..SHIFTS {
        let weighted = told().map(|(look, measured)| (weight(look, measured, diameter), measured.ln()));
        let (sum, total) =
            weighted.fold((0.0, 0.0), |(sum, total), (weight, ln)| (sum + weight * ln, total + weight));
        if total <= 0.0 {
            break;
        }
        diameter = (sum / total).exp();
    }
    Some(on_grid(diameter).clamp(RANGE[0], RANGE[1]))
}

/// 1 for equal diameters, falling to 0 when they differ by the factor `reach` (Tukey's biweight).
fn nearness(a: f32, b: f32, reach: f32) -> f32 {
    let away = (factor(a, b).ln() / reach.ln()).min(1.0);
    (1.0 - away * away).powi(2)
}

/// Rounds to the grid of diameters.
fn on_grid(diameter: f32) -> f32 {
    DEFAULT_DIAMETER * GRID.powf(((diameter / DEFAULT_DIAMETER).ln() / GRID.ln()).round())
}

/// The diameter assumed if nothing in the image confirms any. In a small image it is less, so that some cells fit.
pub(crate) fn fallback(image: &RgbImage) -> f32 {
    DEFAULT_DIAMETER.min(0.6 * image.width().min(image.height()) as f32).max(RANGE[0])
}

/// Segments a part of an image, its illumination corrected, as if its cells had the guessed diameter, and measures
/// them.
///
/// # Errors
///
/// [`Error::Compute`] if the device fails.
async fn look(
    network: &impl TileNetwork,
    image: &RgbImage,
    stain: &Density,
    light: Correction,
    guess: f32,
) -> Result<Look, Error> {
    let scale = network.config().working_diameter / guess;
    let [x, y, width, height] = stain.part((WINDOW / scale).ceil() as u32);
    let part = crop_imm(image, x, y, width, height).to_image();
    let (working, surround) = working(&part, scale, light, network.config().working_diameter);
    let mut logits = logits(network, &working, WINDOW as usize + 64, 1, &mut |_| {}).await?;
    if let Some(surround) = surround {
        surround.clear(&mut logits);
    }
    let Logits { width, height, .. } = logits;
    let probability = logits.probability((width as u32, height as u32));
    let likeness = likeness(&working, &probability);
    let mut mask = probability.clone();
    mask.iter_mut().for_each(|p| *p = if *p >= HALF { 255 } else { 0 });
    let measured = estimate_diameter_within(&mask, &FieldOfView::of(&probability));
    let measured = measured.filter(|diameter| *diameter > 4.0).map(|diameter| diameter / scale);
    Ok(Look { guess, measured, likeness })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resampling_is_a_triangle_filter() {
        let image = RgbImage::from_fn(97, 61, |x, y| {
            image::Rgb([0, 1, 2].map(|c| ((x * x + 7 * y * y + 31 * c * x) % 251) as u8))
        });
        for scale in [0.13, 0.4, 0.9, 1.7] {
            let found = resample(&image, scale);
            let wanted = image::imageops::resize(
                &image,
                found.width(),
                found.height(),
                image::imageops::FilterType::Triangle,
            );
            let apart = found.iter().zip(wanted.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(apart <= Some(1), "{scale}: {apart:?}");
        }
    }

    /// Background, faintly stained stripes, and a dark object in one corner.
    fn hazy(stain: u8, thing: u8) -> RgbImage {
        RgbImage::from_fn(120, 90, |x, y| {
            image::Rgb(
                [match (x, y) {
                    (0..30, 0..30) => thing,
                    _ if x % 12 < 4 => stain,
                    _ => 220,
                }; 3],
            )
        })
    }

    #[test]
    fn what_more_contrast_makes_black_is_no_surround() {
        use crate::light::Lights;
        let lights = Lights::of([&hazy(110, 110)]).expect("an image");
        let surround = |thing: u8| {
            let image = hazy(190, thing);
            working(&image, 1.0, lights.correction(&image), 20.0).1.is_some()
        };
        // 0.3 of the background; corrected, it is that to the power of three.
        assert!(!surround(66));
        assert!(surround(4));
    }

    fn looks(of: &[(f32, f32, f32)]) -> Vec<Look> {
        of.iter()
            .map(|&(guess, measured, likeness)| Look { guess, measured: Some(measured), likeness })
            .collect()
    }

    #[test]
    fn several_looks_outvote_one_that_confirms_itself() {
        let seen = looks(&[
            (115.0, 51.0, 0.89),
            (51.0, 30.0, 0.94),
            (80.0, 50.0, 0.92),
            (36.0, 52.0, 0.95),
            (24.0, 23.0, 0.7),
        ]);
        assert!(
            agreed(&seen).is_some_and(|diameter| (49.0..=53.0).contains(&diameter)),
            "{:?}",
            agreed(&seen)
        );
    }

    #[test]
    fn rounding_and_the_edge_of_agreement_do_not_decide() {
        let at = |second: f32| agreed(&looks(&[(80.0, 70.0, 0.95), (70.0, second, 0.95), (70.0, 70.3, 0.9)]));
        let all: Vec<f32> = (700..1200).filter_map(|tenths| at(tenths as f32 / 10.0)).collect();
        assert!(
            all.len() == 500 && all.windows(2).all(|two| factor(two[0], two[1]) < GRID + 1e-4),
            "{all:?}"
        );
        let one = agreed(&looks(&[(80.0, 78.0, 0.9)]));
        assert!(one.is_some_and(|diameter| factor(diameter, 78.0) <= GRID.sqrt() + 1e-4), "{one:?}");
    }

    #[test]
    fn no_estimate_lies_beyond_the_limits() {
        for (guess, measured, limit) in [(302.0, 330.0, 300.0), (295.0, 299.0, 300.0), (12.0, 10.5, 12.0)] {
            assert_eq!(agreed(&looks(&[(guess, measured, 0.95)])), Some(limit));
        }
    }

    #[test]
    fn what_looks_like_no_cells_has_no_vote() {
        assert_eq!(agreed(&looks(&[(80.0, 78.0, 0.4), (52.0, 54.0, 0.3)])), None);
        assert_eq!(agreed(&looks(&[(250.0, 40.0, 0.9)])), None, "a guess that far off says nothing");
        assert_eq!(agreed(&[]), None);
    }
}
