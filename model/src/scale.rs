//! At which scale to look at an image.
//!
//! The network knows cells of about its working diameter, so an image is resampled until its cells have it. How large
//! they are, the network says itself: it looks at a part of the image as if cells had a guessed diameter, and the
//! cells of the mask that comes back are measured. A guess near the truth confirms itself; where an image is small or
//! hard, several looks vote.

use crate::cells::estimate_diameter;
use crate::light::Correction;
use crate::quality::likeness;
use crate::segment::{Logits, TileNetwork};
use crate::surround::Surround;
use crate::window::Density;
use crate::{Error, RgbImage};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::imageops::crop_imm;

/// Cell diameter in pixels that is assumed where an image says nothing: between the 70 and 105 of the fields trained
/// on.
pub const DEFAULT_DIAMETER: f32 = 85.0;
/// Smallest and largest cell diameter that is looked for.
pub const RANGE: [f32; 2] = [12.0, 300.0];
/// The first guesses. From large to small: cells that look too small are still seen whole and measured rightly, cells
/// that look too large fall apart into rings and specks, which then confirm a guess that is far too small.
const GUESSES: [f32; 6] = [250.0, 115.0, 80.0, 52.0, 36.0, 24.0];
/// Side of the part that is looked at, in working pixels.
const WINDOW: f32 = 384.0;
/// A measured diameter that differs from the guess by no more than this factor confirms it; looks whose measures are
/// farther apart have seen different things.
const AGREES: f32 = 1.25;
/// Likeness to cells (see [`likeness`]) from which on the first guess that is confirmed is taken.
const SURE: f32 = 0.9;
/// Likeness below which what a look shows confirms nothing: the fields trained on reach 0.7, small crops of them 0.3.
const LEAST: f32 = 0.45;
/// An image with room for fewer cells than this is looked at with every guess: one look at a few cells is not enough.
const MANY: f32 = 16.0;
/// A look whose guess is farther than this factor from the truth says nothing of it.
const TELLS: f32 = 2.5;
/// Steps from the measure with most votes to where the votes are densest.
const SHIFTS: usize = 8;
/// Votes that a diameter needs: one look at the least likeness.
const ENOUGH: f32 = LEAST * LEAST * LEAST * LEAST;
/// Diameters are told apart by this factor: finer than what the network minds, coarser than what a look tells. On a
/// grid, machines that round differently mostly look at an image at the same scale.
const GRID: f32 = 1.05;
/// Guesses that differ by less than this factor show the same.
const SAME: f32 = 1.02;
/// Looks that follow from one first guess.
const LOOKS: usize = 4;

/// Most pixels that an image has at the working scale: a browser's memory has room for it.
const MOST_PIXELS: f32 = 80e6;

/// The largest scale that an image is resampled by, so that memory stays bounded: 80 megapixels come out.
pub fn largest(image: &RgbImage) -> f32 {
    (MOST_PIXELS / (image.width() as f32 * image.height() as f32)).sqrt()
}

/// An image resampled by `scale`, antialiased.
pub fn resample(image: &RgbImage, scale: f32) -> RgbImage {
    let size = |len: u32| ((len as f32 * scale).round() as u32).max(1);
    let (width, height) = (size(image.width()), size(image.height()));
    if (width, height) == image.dimensions() {
        return image.clone();
    }
    let mut out = RgbImage::new(width, height);
    let bilinear = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let from = TypedImageRef::<U8x3>::from_buffer(image.width(), image.height(), image.as_raw());
    let to = TypedImage::<U8x3>::from_buffer(width, height, &mut out);
    let both = from.ok().zip(to.ok());
    let done = both.and_then(|(from, mut to)| Resizer::new().resize_typed(&from, &mut to, &bilinear).ok());
    done.expect("both have three bytes for each of their pixels");
    out
}

/// An image as the network is to see it, resampled by `scale`, in a light that it knows, and where no light falls on
/// it. Cells are `diameter` pixels wide then.
pub(crate) fn working(
    image: &RgbImage,
    scale: f32,
    light: Correction,
    diameter: f32,
) -> (RgbImage, Option<Surround>) {
    let image = resample(image, scale);
    // By the light it was taken in: what is dark is black in more contrast.
    let surround = light.seen().and_then(|background| Surround::find(&image, background, diameter));
    let image = light.apply(image);
    match surround {
        Some(surround) => (surround.fill(image), Some(surround)),
        None => (image, None),
    }
}

/// What a look at an image with a guessed diameter showed.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// The guess, in pixels of the image.
    pub guess: f32,
    /// Diameter of the cells in the mask, in pixels of the image.
    pub measured: Option<f32>,
    /// How much what was found looks like cells, 0 to 1.
    pub likeness: f32,
}

impl Look {
    /// How far the measure is from the guess, as a factor of at least 1.
    fn disagreement(&self) -> f32 {
        self.measured.map_or(f32::INFINITY, |measured| factor(measured, self.guess))
    }
}

/// How far two diameters are apart, as a factor of at least 1.
fn factor(a: f32, b: f32) -> f32 {
    (a / b).max(b / a)
}

/// Typical cell diameter in pixels of this image. `None`: nothing in it confirms any.
///
/// # Errors
/// Where the device fails.
pub(crate) async fn estimate(
    network: &(impl TileNetwork + ?Sized),
    image: &RgbImage,
    light: Correction,
) -> Result<Option<f32>, Error> {
    let stain = Density::of(image.dimensions(), |x, y| light.is_stained(image.get_pixel(x, y).0));
    let largest = 1.5 * image.width().max(image.height()) as f32;
    let mut looks: Vec<Look> = Vec::new();
    for mut guess in GUESSES.into_iter().filter(|guess| *guess <= largest) {
        // Towards where the guess confirms itself.
        for _ in 0..LOOKS {
            // Other first guesses lead to the same place.
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
            // Where large and small cells are about as many, two guesses lead to each other: between them, then.
            let back = |look: &Look| {
                factor(look.guess, next) < SAME && look.measured.is_some_and(|led| factor(led, guess) < SAME)
            };
            guess = if looks.iter().any(back) { (guess * next).sqrt() } else { next };
        }
    }
    Ok(agreed(&looks))
}

/// The diameter that most looks agree on: their mean about the place where they are densest (mean shift: Cheng, 1995),
/// on the grid of diameters. A look counts by the fourth power of its likeness: looks at wrong scales are many and
/// somewhat alike, those at the right one are few and very much; and the less, the farther its measure is from that
/// place and its guess from the truth, without a step: rounding that differs between machines must not decide.
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
    // Times the diameter: cells that look too large fall apart and confirm what is too small, more than the reverse.
    let claim = |(measured, votes): &(f32, f32)| votes * measured;
    let (mut diameter, most) = candidates.max_by(|one, other| claim(one).total_cmp(&claim(other)))?;
    if most <= ENOUGH {
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
    Some(on_grid(diameter))
}

/// 1 for two diameters that are the same, falling to 0 where they are this factor apart (Tukey's biweight).
fn nearness(a: f32, b: f32, reach: f32) -> f32 {
    let away = (factor(a, b).ln() / reach.ln()).min(1.0);
    (1.0 - away * away).powi(2)
}

/// The nearest of the diameters that are told apart.
fn on_grid(diameter: f32) -> f32 {
    DEFAULT_DIAMETER * GRID.powf(((diameter / DEFAULT_DIAMETER).ln() / GRID.ln()).round())
}

/// The diameter to assume where nothing in the image confirms any: a small image shows few cells, but shows them.
pub(crate) fn fallback(image: &RgbImage) -> f32 {
    DEFAULT_DIAMETER.min(0.6 * image.width().min(image.height()) as f32).max(RANGE[0])
}

/// Looks at a part of an image, its light corrected, as if its cells had the guessed diameter.
///
/// # Errors
/// Where the device fails.
async fn look(
    network: &(impl TileNetwork + ?Sized),
    image: &RgbImage,
    stain: &Density,
    light: Correction,
    guess: f32,
) -> Result<Look, Error> {
    let scale = network.config().working_diameter / guess;
    let [x, y, width, height] = stain.part((WINDOW / scale).ceil() as u32);
    let part = crop_imm(image, x, y, width, height).to_image();
    let (working, surround) = working(&part, scale, light, network.config().working_diameter);
    let mut logits = network.logits(&working, WINDOW as usize + 64, 1, &mut |_| {}).await?;
    if let Some(surround) = surround {
        surround.clear(&mut logits);
    }
    let Logits { width, height, .. } = logits;
    let probability = logits.probability((width as u32, height as u32));
    let likeness = likeness(&working, &probability);
    let mut mask = probability;
    mask.iter_mut().for_each(|p| *p = if *p >= 128 { 255 } else { 0 });
    let measured =
        estimate_diameter(&mask).filter(|diameter| *diameter > 4.0).map(|diameter| diameter / scale);
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

    /// Ground, faintly stained stripes, and something dark at the edge.
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
        // 0.3 of the background, to the power of three.
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
    fn what_looks_like_no_cells_has_no_vote() {
        assert_eq!(agreed(&looks(&[(80.0, 78.0, 0.4), (52.0, 54.0, 0.3)])), None);
        assert_eq!(agreed(&looks(&[(250.0, 40.0, 0.9)])), None, "a guess that far off says nothing");
        assert_eq!(agreed(&[]), None);
    }
}
