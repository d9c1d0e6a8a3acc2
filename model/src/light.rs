//! Correction of an image's illumination and contrast.
//!
//! Halogen lamps are yellow, daylight is blue, exposures vary, stains are faint or strong; a network only knows what it
//! was trained on. In a bright-field image the colour of the empty background shows the illumination, and how much
//! darker the dark pixels are shows the contrast. If either is outside the known range, the image is brought into it.

use crate::RgbImage;
use crate::frame::Frame;
use crate::window::sampling;
use serde::{Deserialize, Serialize};

/// Quantile of the bright pixels that is taken as background. It is high because, where the dark pixels are white
/// cells, red cells make up most of the bright ones.
const SHARE: f64 = 0.9;
/// Maximum gain; more would amplify nothing but noise.
const MOST_GAIN: f32 = 8.0;
/// Maximum factor by which contrast is raised: in an empty field, contrast is just noise.
const MOST_CONTRAST: f32 = 3.0;
/// Share of the training images, the faintest, that is ignored when determining the least known contrast.
const FAINT: f32 = 0.05;
/// A pixel is unlit if every channel is below this share of the background's. In training images, all but the insides
/// of the darkest cells are above it.
pub(crate) const UNLIT_LEVEL: f32 = 0.12;
/// Up to this share of an image, unlit pixels may be the insides of dark cells. If there are more, they are excluded
/// from the estimate of the illumination.
const DARK: f64 = 0.05;

/// Minimum and maximum.
type Range = [f32; 2];

/// The illuminations of the training set, as seen in the backgrounds of its images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lights {
    /// Green of the background, 0 to 255. The maximum is only informative: no image is darkened to it.
    green: Range,
    /// Median of green. Images that are too dark are brought to it, not to the minimum, where only few kinds of smears
    /// are known.
    typical: f32,
    /// Ratio of red to green.
    red: Range,
    /// Ratio of blue to green.
    blue: Range,
    /// Least known contrast: the natural logarithm of background green over the median green of the dark pixels.
    contrast: f32,
}

impl Lights {
    /// The illuminations of a set of images. `None` if there are none.
    pub fn of<'a>(images: impl IntoIterator<Item = &'a RgbImage>) -> Option<Self> {
        // Without the frame, as in inference.
        let light = |image: &RgbImage| match Frame::find(image) {
            Some(frame) => Light::of(&frame.picture(image)),
            None => Light::of(image),
        };
        let seen: Vec<Light> = images.into_iter().map(light).collect();
        let range = |of: fn(&Light) -> f32| {
            let least = seen.iter().map(of).reduce(f32::min)?;
            Some([least, seen.iter().map(of).fold(least, f32::max)])
        };
        let quantile = |of: fn(&Light) -> f32, share: f32| {
            let mut values: Vec<f32> = seen.iter().map(of).collect();
            values.sort_by(f32::total_cmp);
            values.get((share * values.len() as f32) as usize).copied()
        };
        Some(Self {
            green: range(|light| light.background[1])?,
            red: range(|light| light.background[0] / light.background[1])?,
            blue: range(|light| light.background[2] / light.background[1])?,
            typical: quantile(|light| light.background[1], 0.5)?,
            contrast: quantile(Light::contrast, FAINT)?,
        })
    }

    /// Whether the values are plausible; weights come from untrusted files.
    pub(crate) fn possible(&self) -> bool {
        let all = [self.green, self.red, self.blue, [self.typical; 2], [self.contrast; 2]];
        all.iter().all(|[least, greatest]| 0.0 < *least && least <= greatest && greatest.is_finite())
    }

    /// The correction that brings an image into these illuminations.
    pub(crate) fn correction(&self, image: &RgbImage) -> Correction {
        let light = Light::of(image);
        let stained = light.stained();
        let [red, green, blue] = light.background;
        let within = |value: f32, [least, greatest]: Range| value.clamp(least, greatest);
        // A brighter image is not darkened: with less light, red cells would be as dark as white ones in training.
        let known = if green < self.green[0] { self.typical } else { green };
        let wanted = [known * within(red / green, self.red), known, known * within(blue / green, self.blue)];
        let contrast = (self.contrast / light.contrast()).clamp(1.0, MOST_CONTRAST);
        // A difference below one percent may be rounding.
        let same = |channel: usize| (wanted[channel] / light.background[channel] - 1.0).abs() < 0.01;
        if contrast < 1.01 && (0..3).all(same) {
            return Correction { tables: None, seen: Some(light.background), stained };
        }
        let to: [f32; 3] =
            std::array::from_fn(|channel| wanted[channel].min(MOST_GAIN * light.background[channel]));
        let table = |channel: usize| {
            let (background, to) = (light.background[channel], to[channel]);
            // The cast saturates at 255; adding 0.5 rounds.
            std::array::from_fn(|value| (to * (value as f32 / background).powf(contrast) + 0.5) as u8)
        };
        let tables = Some([table(0), table(1), table(2)]);
        Correction { tables, seen: Some(light.background), stained }
    }
}

/// A lookup table per channel that corrects an image, and the illumination it was derived from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Correction {
    /// `None` leaves the image unchanged.
    tables: Option<[[u8; 256]; 3]>,
    /// Colour of the background before the correction.
    seen: Option<[f32; 3]>,
    /// Minimum and maximum green of stained pixels, before the correction.
    stained: [u8; 2],
}

impl Correction {
    /// The correction that leaves an image unchanged.
    pub fn none(image: &RgbImage) -> Self {
        Self { tables: None, seen: None, stained: Light::of(image).stained() }
    }

    /// Whether a pixel of the uncorrected image is darker than the background but not black.
    pub fn is_stained(&self, [_, green, _]: [u8; 3]) -> bool {
        let [least, greatest] = self.stained;
        (least..=greatest).contains(&green)
    }

    /// Colour of the background before the correction; `None` if the network's lights are unknown.
    pub(crate) fn seen(&self) -> Option<[f32; 3]> {
        self.seen
    }

    /// The corrected image.
    pub fn apply(&self, mut image: RgbImage) -> RgbImage {
        let Some(tables) = &self.tables else { return image };
        for pixel in image.pixels_mut() {
            for (value, table) in pixel.0.iter_mut().zip(tables) {
                *value = table[usize::from(*value)];
            }
        }
        image
    }
}

/// Brightness of a pixel relative to the background, in the channel where that is highest.
pub(crate) fn level(pixel: [u8; 3], background: [f32; 3]) -> f32 {
    let share = |channel: usize| f32::from(pixel[channel]) / background[channel];
    share(0).max(share(1)).max(share(2))
}

/// Illumination and contrast of an image.
pub(crate) struct Light {
    /// Colour of the empty background, 1 to 255.
    pub(crate) background: [f32; 3],
    /// Otsu threshold on green: dark pixels are at or below it, bright ones above.
    threshold: u8,
    /// Median green of the dark pixels, 1 to 255.
    dark: f32,
}

impl Light {
    /// Measures an image. If a considerable part is unlit, only the rest counts.
    pub(crate) fn of(image: &RgbImage) -> Self {
        let step = sampling(image.dimensions());
        let some = || image.rows().step_by(step).flat_map(|row| row.step_by(step).map(|pixel| pixel.0));
        let all = Self::seen(some());
        let lit = |pixel: &[u8; 3]| level(*pixel, all.background) >= UNLIT_LEVEL;
        let (lit_pixels, pixels) = (some().filter(lit).count() as f64, some().count() as f64);
        if lit_pixels == 0.0 || lit_pixels > (1.0 - DARK) * pixels {
            all
        } else {
            Self::seen(some().filter(lit))
        }
    }

    /// Otsu's threshold (A Threshold Selection Method from Gray-Level Histograms, 1979) on green, which blood stains
    /// absorb most, separates bright pixels from dark ones. The background is the [`SHARE`] quantile of the bright
    /// ones.
    fn seen(pixels: impl Iterator<Item = [u8; 3]> + Clone) -> Self {
        let mut greens = [0u32; 256];
        pixels.clone().for_each(|[_, green, _]| greens[usize::from(green)] += 1);
        let threshold = otsu(&greens);
        let mut bright = [[0u32; 256]; 3];
        for pixel in pixels.filter(|[_, green, _]| usize::from(*green) > threshold) {
            for (counts, value) in bright.iter_mut().zip(pixel) {
                counts[usize::from(value)] += 1;
            }
        }
        greens[threshold + 1..].fill(0);
        let value = |counts: &[u32; 256], share: f64| quantile(counts, share).max(1) as f32;
        Self {
            background: bright.map(|counts| value(&counts, SHARE)),
            threshold: threshold as u8,
            dark: value(&greens, 0.5),
        }
    }

    /// Minimum and maximum green of pixels that are darker than the background but not black.
    fn stained(&self) -> [u8; 2] {
        [(UNLIT_LEVEL * self.background[1]) as u8, self.threshold]
    }

    fn contrast(&self) -> f32 {
        (self.background[1] / self.dark).ln().max(1e-3)
    }
}

/// Otsu's threshold: the last value of the lower class when a histogram is split so that the variance between the
/// classes is greatest. 0 if there is only one value.
fn otsu(counts: &[u32; 256]) -> usize {
    let counts = counts.map(f64::from);
    let all: f64 = counts.iter().sum();
    let total: f64 = counts.iter().enumerate().map(|(value, count)| count * value as f64).sum();
    let (mut below, mut sum_below, mut best) = (0.0, 0.0, (0.0, 0));
    for (value, count) in counts.iter().enumerate() {
        below += count;
        sum_below += count * value as f64;
        let above = all - below;
        if below > 0.0 && above > 0.0 {
            let apart = sum_below / below - (total - sum_below) / above;
            let between = below * above * apart * apart;
            if between > best.0 {
                best = (between, value);
            }
        }
    }
    best.1
}

/// The smallest value that at least `share` of the counted values do not exceed.
fn quantile(counts: &[u32; 256], share: f64) -> usize {
    let wanted = share * counts.iter().map(|&count| f64::from(count)).sum::<f64>();
    let mut seen = 0.0;
    let reached = |&value: &usize| {
        seen += f64::from(counts[value]);
        seen >= wanted
    };
    (0..256).find(reached).unwrap_or(255)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    /// Background with every fourth column a red cell, a dark nucleus in one corner, and some noise.
    fn smear(light: [f32; 3]) -> RgbImage {
        RgbImage::from_fn(60, 40, |x, y| {
            let color = match (x, y) {
                (0..10, 0..10) => [60.0, 20.0, 90.0],
                _ if x % 4 == 0 => [190.0, 140.0, 150.0],
                _ => [225.0; 3],
            };
            let noise = ((x * 7 + y * 13) % 5) as f32 - 2.0;
            Rgb(std::array::from_fn(|c| ((color[c] + noise) * light[c]).round() as u8))
        })
    }

    fn known() -> Lights {
        let [dark, bright] = [smear([0.8, 0.8, 0.78]), smear([1.0; 3])];
        Lights::of([&dark, &bright]).expect("two images")
    }

    #[test]
    fn an_image_in_a_known_light_stays_as_it_is() {
        for light in [[0.8, 0.8, 0.78], [0.9; 3], [1.0; 3]] {
            assert_eq!(known().correction(&smear(light)).tables, None, "{light:?}");
        }
    }

    #[test]
    fn a_brighter_image_is_not_darkened() {
        let dark = Lights::of([&smear([0.7; 3]), &smear([0.8; 3])]).expect("two images");
        assert_eq!(dark.correction(&smear([1.0; 3])).tables, None);
    }

    #[test]
    fn the_same_smear_looks_the_same_in_any_light() {
        for light in [[1.0, 0.85, 0.6], [0.6, 0.85, 1.0], [0.3, 0.3, 0.3]] {
            let image = smear(light);
            let seen = known().correction(&image).apply(image);
            let [red, green, blue] = Light::of(&seen).background;
            assert!((0.78 * 222.0..=230.0).contains(&green), "{light:?}: {green}");
            assert!(
                [red, blue].iter().all(|value| (0.95..1.03).contains(&(value / green))),
                "{light:?}: {red}, {blue}"
            );
        }
    }

    #[test]
    fn a_faint_stain_gets_the_least_contrast_that_is_known() {
        // Without the nucleus.
        let plain = image::imageops::crop_imm(&smear([1.0; 3]), 12, 0, 48, 40).to_image();
        let faint = |value: u8| (227.0 * (f32::from(value) / 227.0).powf(0.4)) as u8;
        let pale = RgbImage::from_fn(48, 40, |x, y| Rgb(plain.get_pixel(x, y).0.map(faint)));
        let seen = known().correction(&pale).apply(pale.clone());
        let contrast = |image| Light::of(image).contrast();
        assert!(contrast(&pale) < 0.6 * contrast(&plain));
        assert!(
            (contrast(&seen) / contrast(&plain) - 1.0).abs() < 0.1,
            "{} {}",
            contrast(&seen),
            contrast(&plain)
        );
    }

    #[test]
    fn an_image_without_light_or_structure_is_no_trouble() {
        let black = RgbImage::new(5, 3);
        assert_eq!(known().correction(&black).apply(black.clone()), black);
        let flat = RgbImage::from_pixel(4, 4, Rgb([90; 3]));
        let seen = known().correction(&flat).apply(flat);
        assert!(seen.get_pixel(0, 0).0[0] > 170, "{seen:?}");
        assert_eq!(Lights::of([]), None);
        assert!(known().possible() && !Lights { green: [200.0, 100.0], ..known() }.possible());
    }
}
