//! Conversion of samples of any depth to 8-bit RGB or a binary mask.

use super::raw::{Raw, Samples};
use crate::{GrayImage, RgbImage};

/// 8-bit RGB, composited over white. `None` if there are too few samples for the image's size.
pub fn rgb(raw: Raw) -> Option<RgbImage> {
    let (width, height, channels) = (raw.width, raw.height, raw.channels);
    let premultiplied = raw.premultiplied;
    let data = match raw.samples {
        Samples::U8(samples) if channels == 3 => samples,
        Samples::U8(samples) => {
            to_rgb(&samples, channels, premultiplied, |s| f32::from(s) / 255.0, |a| f32::from(a) / 255.0)
        }
        Samples::U16(samples) => {
            let full = depth(colour(&samples, channels).max().unwrap_or(0));
            to_rgb(&samples, channels, premultiplied, |s| f32::from(s) / full, |a| f32::from(a) / 65535.0)
        }
        Samples::F32(samples) => {
            let (zero, full) = range(colour(&samples, channels));
            to_rgb(&samples, channels, premultiplied, |s| (s - zero) / (full - zero), |a| a)
        }
    };
    RgbImage::from_raw(width, height, data)
}

/// 255 where any colour channel is non-zero (lossy: at least half of the brightest value), else 0.
pub fn mask(raw: &Raw) -> Option<GrayImage> {
    let data = match &raw.samples {
        Samples::U8(samples) if raw.lossy => {
            let least = least(samples, raw.channels);
            to_mask(samples, raw.channels, |s| s >= least)
        }
        Samples::U8(samples) => to_mask(samples, raw.channels, |s| s != 0),
        Samples::U16(samples) => to_mask(samples, raw.channels, |s| s != 0),
        Samples::F32(samples) => to_mask(samples, raw.channels, |s| s != 0.0 && !s.is_nan()),
    };
    GrayImage::from_raw(raw.width, raw.height, data)
}

/// 255 where a lossy mask is brighter than black but too dark for [`mask`] to count, else 0.
pub fn faint(raw: &Raw) -> Option<GrayImage> {
    let data = match &raw.samples {
        Samples::U8(samples) if raw.lossy => {
            let least = least(samples, raw.channels);
            let brightest = |pixel: &[u8]| pixel[..colours(raw.channels)].iter().copied().max().unwrap_or(0);
            let faint = |pixel: &[u8]| (BLACK..least).contains(&brightest(pixel));
            samples.chunks_exact(raw.channels).map(|pixel| if faint(pixel) { 255 } else { 0 }).collect()
        }
        _ => vec![0; raw.width as usize * raw.height as usize],
    };
    GrayImage::from_raw(raw.width, raw.height, data)
}

/// Lossy compression leaves black below this value.
const BLACK: u8 = 16;

/// The least sample of a lossy mask that counts as cell.
fn least(samples: &[u8], channels: usize) -> u8 {
    let brightest = colour(samples, channels).max().unwrap_or(0);
    if brightest < BLACK { 255 } else { brightest.div_ceil(2) }
}

/// Number of colour channels of a pixel, without alpha.
pub fn colours(channels: usize) -> usize {
    if channels < 3 { 1 } else { 3 }
}

/// All samples but alpha.
fn colour<T: Copy>(samples: &[T], channels: usize) -> impl Iterator<Item = T> {
    samples.chunks_exact(channels).flat_map(move |pixel| pixel[..colours(channels)].iter().copied())
}

/// Full scale of the camera with the least bit depth that holds this brightest sample.
fn depth(brightest: u16) -> f32 {
    [255u16, 1023, 4095, 16383].into_iter().find(|&full| brightest <= full).map_or(65535.0, f32::from)
}

/// Values that may mean white in float and signed samples: 1, or the full scale of a camera of 8 to 16 bits.
const FULL: [f32; 6] = [1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0];
/// How far beyond white and black a sample may lie, as a share of white, after resampling, subtraction of a dark frame or
/// division by an empty field's image.
const OVERSHOOT: f32 = 0.1;

/// The values of float samples that mean black and white.
fn range(samples: impl Iterator<Item = f32>) -> (f32, f32) {
    let (least, greatest) =
        samples.filter(|s| s.is_finite()).fold((f32::MAX, f32::MIN), |(a, b), s| (a.min(s), b.max(s)));
    if least > greatest {
        return (0.0, 1.0);
    }
    if let Some(full) = FULL.into_iter().find(|&full| greatest <= full * (1.0 + OVERSHOOT))
        && least >= -full * OVERSHOOT
    {
        return (0.0, full);
    }
    (least, if greatest > least { greatest } else { least + 1.0 })
}

fn to_rgb<T: Copy>(
    samples: &[T],
    channels: usize,
    premultiplied: bool,
    level: impl Fn(T) -> f32,
    alpha: impl Fn(T) -> f32,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(samples.len() / channels * 3);
    for pixel in samples.chunks_exact(channels) {
        let opacity =
            if channels.is_multiple_of(2) { alpha(pixel[channels - 1]).clamp(0.0, 1.0) } else { 1.0 };
        let over_white = |sample: T| {
            let value = level(sample).clamp(0.0, 1.0);
            // `as` turns a NaN into 0.
            let seen = if premultiplied { value } else { value * opacity };
            ((seen + (1.0 - opacity)) * 255.0 + 0.5) as u8
        };
        if colours(channels) == 1 {
            out.extend([over_white(pixel[0]); 3]);
        } else {
            out.extend([over_white(pixel[0]), over_white(pixel[1]), over_white(pixel[2])]);
        }
    }
    out
}

fn to_mask<T: Copy>(samples: &[T], channels: usize, set: impl Fn(T) -> bool) -> Vec<u8> {
    samples
        .chunks_exact(channels)
        .map(|pixel| if pixel[..colours(channels)].iter().any(|&s| set(s)) { 255 } else { 0 })
        .collect()
}
