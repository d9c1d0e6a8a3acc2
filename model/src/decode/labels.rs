//! Instance images, in which each colour or grey level is a cell.

use super::raw::{Raw, Samples};
use image::{ImageBuffer, Luma};
use std::collections::HashMap;

/// Numbers the colours from 1 in order of first appearance; black is 0 and alpha is ignored. The error is a sentence
/// without the file's name.
pub fn number(raw: &Raw) -> Result<ImageBuffer<Luma<u16>, Vec<u16>>, String> {
    if raw.lossy {
        return Err("a lossy file, in which the numbers of the cells blur; save it as PNG or TIFF".into());
    }
    let ids = match &raw.samples {
        Samples::U8(samples) => ids(samples, raw.channels, |s| s.into()),
        Samples::U16(samples) => ids(samples, raw.channels, |s| s.into()),
        // `+ 0.0` turns minus zero into zero.
        Samples::F32(samples) => ids(samples, raw.channels, |s| (s + 0.0).to_bits()),
    };
    let ids = ids.ok_or("more than 65535 cells; cut the image into parts")?;
    ImageBuffer::from_raw(raw.width, raw.height, ids).ok_or_else(|| super::NOT_FILLED.into())
}

/// `None` if there are more colours than ids.
fn ids<T: Copy>(samples: &[T], channels: usize, key: impl Fn(T) -> u32) -> Option<Vec<u16>> {
    let mut numbers = HashMap::from([([0; 3], 0)]);
    let mut id = |pixel: &[T]| {
        let mut colour = [0; 3];
        let seen = &pixel[..super::levels::colours(channels)];
        colour.iter_mut().zip(seen).for_each(|(channel, &sample)| *channel = key(sample));
        let next = numbers.len();
        u16::try_from(*numbers.entry(colour).or_insert(next)).ok()
    };
    samples.chunks_exact(channels).map(&mut id).collect()
}
