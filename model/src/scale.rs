//! At which scale to look at an image.

use crate::backend::SegBackend;
use crate::segment::{SegmentOptions, Segmenter};
use crate::{Error, RgbImage};
use image::imageops::{FilterType, resize};

/// Cell diameter in pixels that is assumed where an image says nothing.
pub const DEFAULT_DIAMETER: f32 = 90.0;

/// An image resampled by `scale`, antialiased.
pub fn resample(image: &RgbImage, scale: f32) -> RgbImage {
    let size = |len: u32| ((len as f32 * scale).round() as u32).max(1);
    let (width, height) = (size(image.width()), size(image.height()));
    if (width, height) == image.dimensions() {
        return image.clone();
    }
    resize(image, width, height, FilterType::Triangle)
}

/// Typical cell diameter in pixels of this image, and what is doubtful about it.
pub async fn estimate<B: SegBackend>(
    _segmenter: &Segmenter<B>,
    _image: &RgbImage,
    _options: &SegmentOptions,
) -> Result<(f32, Vec<String>), Error> {
    Ok((DEFAULT_DIAMETER, Vec::new()))
}
