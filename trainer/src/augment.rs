//! Random training crops: position, scale, rotation, light and stain.
//!
//! A crop depends only on the pool, the settings and its seed, so a run can be interrupted and resumed, on any number
//! of threads.

#[cfg(test)]
mod tests;

use crate::field::{Level, Pool};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

/// A training crop in the layout that the network takes.
pub struct Crop {
    /// `[3, side, side]`, values 0 to 255.
    pub image: Vec<f32>,
    /// `[side, side]`, fraction of each pixel covered by cell, 0 to 1.
    pub target: Vec<f32>,
    /// `[side, side]`, 1 where the pixel is labelled, else 0.
    pub known: Vec<f32>,
    /// `[side, side]`, fraction of each pixel that is background in a narrow gap between cells, 0 to 1.
    pub gap: Vec<f32>,
}

/// How strongly crops are augmented.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Augmentation {
    /// Cell diameters are drawn between the working diameter divided by this and the working diameter times this.
    pub scale: f32,
    /// Strength of colour, light, blur and noise: 0 none, 1 as in the shipped recipe.
    pub colour: f32,
    /// Share of crops that keep their original colours: if all were recoloured, colour could not tell the network where
    /// the annotator of such images draws the outline.
    #[serde(default)]
    pub as_taken: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self { scale: 1.6, colour: 1.0, as_taken: 0.75 }
    }
}

/// The first seed of the range that belongs to a run. Runs whose seeds differ get ranges of `2^bits`, disjoint for
/// seeds below `2^(64 - bits)`; larger seeds are kept apart only by chance.
pub fn first_seed(seed: u64, bits: u32) -> u64 {
    // Fibonacci hashing of the bits that are shifted out (Knuth, The Art of Computer Programming, volume 3, 6.4).
    (seed << bits) ^ (seed >> (u64::BITS - bits)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The random numbers of a crop. The generator is named, since that of `StdRng` may change with the library's version, and
/// a run resumed then would draw other crops.
fn numbers(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Draws one crop of `side` x `side` pixels.
pub fn draw(pool: &Pool, side: usize, working_diameter: f32, how: &Augmentation, seed: u64) -> Crop {
    let mut rng = numbers(seed);
    let field = &pool.fields[pool.draws[rng.random_range(0..pool.draws.len())]];
    let spread = how.scale.ln();
    let diameter = working_diameter * rng.random_range(-spread..=spread).exp();
    let level = field.level(diameter);
    let mut crop = cut(level, side, level.diameter / diameter, &mut rng);
    if how.colour > 0.0 && !rng.random_bool(how.as_taken) {
        recolour(&mut crop.image, side, how.colour, &mut rng);
    }
    crop
}

/// Cuts out a square at a random position, rotated and mirrored; each of its pixels covers `step` pixels of the level.
fn cut(level: &Level, side: usize, step: f32, rng: &mut ChaCha12Rng) -> Crop {
    let (width, height) = (level.image.width() as f32, level.image.height() as f32);
    let quarter = rng.random_range(0..4) as f32 * std::f32::consts::FRAC_PI_2;
    // Half of the crops stay aligned with the pixel grid, as test images are.
    let angle = quarter + if rng.random_bool(0.5) { rng.random_range(-0.78..0.78) } else { 0.0 };
    let mirror = if rng.random_bool(0.5) { -step } else { step };
    let (sin, cos) = angle.sin_cos();
    let reach = side as f32 * step / 2.0;
    // Keep nearly all of the crop within the labelled part if that is large enough, else centre it there with some
    // jitter.
    let mut centre = |extent: f32| {
        let (low, high) = (level.margin + reach * 0.9, extent - level.margin - reach * 0.9);
        if low < high {
            rng.random_range(low..high)
        } else {
            (low + high) / 2.0 + rng.random_range(-6.0..6.0)
        }
    };
    let (cx, cy) = (centre(width), centre(height));

    let area = side * side;
    let plane = vec![0.0; area];
    let mut crop =
        Crop { image: vec![0.0; 3 * area], target: plane.clone(), known: plane.clone(), gap: plane };
    let half = (side as f32 - 1.0) / 2.0;
    let image = level.image.as_raw();
    let coverage = level.coverage.as_raw();
    let gap = level.gap.as_raw();
    let stride = level.image.width() as usize;
    for row in 0..side {
        for column in 0..side {
            let (u, v) = ((column as f32 - half) * mirror, (row as f32 - half) * step);
            let (x, y) = (cx + u * cos - v * sin - 0.5, cy + u * sin + v * cos - 0.5);
            let inside = x > level.margin - 0.5
                && y > level.margin - 0.5
                && x < width - level.margin - 0.5
                && y < height - level.margin - 0.5;
            let (x, y) = (x.clamp(0.0, width - 1.0), y.clamp(0.0, height - 1.0));
            let (x0, y0) = (x as usize, y as usize);
            let (x1, y1) = ((x0 + 1).min(stride - 1), (y0 + 1).min(level.image.height() as usize - 1));
            let (fx, fy) = (x - x0 as f32, y - y0 as f32);
            let mix = |of: &[u8], channels: usize, channel: usize| {
                let at = |x: usize, y: usize| f32::from(of[(y * stride + x) * channels + channel]);
                let upper = at(x0, y0) + (at(x1, y0) - at(x0, y0)) * fx;
                let lower = at(x0, y1) + (at(x1, y1) - at(x0, y1)) * fx;
                upper + (lower - upper) * fy
            };
            let at = row * side + column;
            for channel in 0..3 {
                crop.image[channel * area + at] = mix(image, 3, channel);
            }
            crop.target[at] = mix(coverage, 1, 0) / 255.0;
            crop.known[at] = f32::from(u8::from(inside));
            crop.gap[at] = mix(gap, 1, 0) / 255.0;
        }
    }
    crop
}

/// Largest standard deviation in pixels of the blur: a wider kernel would be cut off where it is still high and become
/// a box. The default `--colour-jitter` stays below it.
const MAX_BLUR: f32 = 1.5;

/// Varies the image as another microscope, lamp, stain or camera would.
fn recolour(image: &mut [f32], side: usize, strength: f32, rng: &mut ChaCha12Rng) {
    let area = side * side;
    let mut around = |centre: f32, spread: f32| centre + rng.random_range(-spread..=spread) * strength;
    // Exposure and white balance, contrast, gamma for each channel and for all together.
    let exposure = around(1.0, 0.18);
    let contrast = around(1.0, 0.2);
    let gamma = around(0.0, 0.25).exp();
    let channels: [(f32, f32); 3] =
        std::array::from_fn(|_| (exposure * around(1.0, 0.1), gamma * around(0.0, 0.1).exp()));
    let saturation = around(1.0, 0.3);
    // Illumination that falls off towards one side.
    let (slope_x, slope_y) = (around(0.0, 0.12), around(0.0, 0.12));
    // Cross-talk between the channels, as with another stain or sensor.
    let mut talk = [[0.0f32; 3]; 3];
    for (row, line) in talk.iter_mut().enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            *value = if row == column { 1.0 } else { around(0.0, 0.08) };
        }
        let sum: f32 = line.iter().sum();
        line.iter_mut().for_each(|value| *value /= sum);
    }
    let sigma =
        if rng.random_bool(0.35) { (rng.random_range(0.3f32..1.1) * strength).min(MAX_BLUR) } else { 0.0 };
    let noise = if rng.random_bool(0.5) { rng.random_range(0.0..9.0) * strength } else { 0.0 };

    for at in 0..area {
        let rgb: [f32; 3] = std::array::from_fn(|channel| image[channel * area + at]);
        let luma = 0.3 * rgb[0] + 0.59 * rgb[1] + 0.11 * rgb[2];
        let (u, v) = ((at % side) as f32 / side as f32 - 0.5, (at / side) as f32 / side as f32 - 0.5);
        let light = 1.0 + slope_x * u + slope_y * v;
        for channel in 0..3 {
            let (gain, gamma) = channels[channel];
            let mixed: f32 = talk[channel].iter().zip(&rgb).map(|(t, value)| t * value).sum();
            let value = luma + (mixed - luma) * saturation;
            let value = ((value - 160.0) * contrast + 160.0) * gain * light;
            image[channel * area + at] = 255.0 * (value / 255.0).clamp(0.0, 1.0).powf(gamma);
        }
    }
    if sigma > 0.0 {
        blur(image, side, sigma);
    }
    if noise > 0.0 {
        for value in image.iter_mut() {
            // The sum of three uniform numbers has variance 1 and is close enough to normal.
            let sum: f32 = (0..3).map(|_| rng.random_range(-1.0f32..1.0)).sum();
            *value = (*value + sum * noise).clamp(0.0, 255.0);
        }
    }
}

/// Gaussian blur of three planes, cut off at three pixels; edge pixels are repeated.
fn blur(image: &mut [f32], side: usize, sigma: f32) {
    let tap = |distance: f32| (-distance * distance / (2.0 * sigma * sigma)).exp();
    let taps = [tap(0.0), tap(1.0), tap(2.0), tap(3.0)];
    let sum = taps[0] + 2.0 * (taps[1] + taps[2] + taps[3]);
    let mut line = vec![0.0f32; side];
    let mut pass = |plane: &mut [f32], start: usize, step: usize| {
        for (at, value) in line.iter_mut().enumerate() {
            *value = plane[start + at * step];
        }
        for at in 0..side {
            let mut value = taps[0] * line[at];
            for (distance, tap) in taps.iter().enumerate().skip(1) {
                value += tap * (line[at.saturating_sub(distance)] + line[(at + distance).min(side - 1)]);
            }
            plane[start + at * step] = value / sum;
        }
    };
    for plane in image.chunks_exact_mut(side * side) {
        for at in 0..side {
            pass(plane, at * side, 1);
        }
        for at in 0..side {
            pass(plane, at, side);
        }
    }
}
