//! PNG encoding.

use crate::cells::Labels;
use crate::{Error, GrayImage, RgbImage};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// Encodes a mask as 8-bit gray PNG.
///
/// # Errors
///
/// [`Error::Export`] if encoding fails.
pub fn mask_png(mask: &GrayImage) -> Result<Vec<u8>, Error> {
    png(mask.as_raw(), mask.width(), mask.height(), ExtendedColorType::L8)
}

/// Encodes a picture as 8-bit RGB PNG.
///
/// # Errors
///
/// [`Error::Export`] if encoding fails.
pub fn png_of_rgb(picture: &RgbImage) -> Result<Vec<u8>, Error> {
    png(picture.as_raw(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
}

/// Encodes instance labels as 16-bit gray PNG with background 0, the label-image format of CellProfiler, Cellpose,
/// napari and Fiji.
///
/// # Errors
///
/// [`Error::Export`] if an id exceeds 65 535 or encoding fails.
pub fn labels_png(labels: &Labels) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(labels.ids.len() * 2);
    for &id in &labels.ids {
        let id = u16::try_from(id).map_err(|_| {
            Error::Export(
                "more than 65535 cells do not fit into a 16-bit label image; cut the image into parts".into(),
            )
        })?;
        // `image` expects samples in native byte order.
        bytes.extend(id.to_ne_bytes());
    }
    png(&bytes, labels.width, labels.height, ExtendedColorType::L16)
}

fn png(samples: &[u8], width: u32, height: u32, kind: ExtendedColorType) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    PngEncoder::new_with_quality(&mut out, CompressionType::Fast, FilterType::Adaptive)
        .write_image(samples, width, height, kind)
        .map_err(|error| Error::Export(format!("the PNG could not be written ({error})")))?;
    Ok(out)
}
