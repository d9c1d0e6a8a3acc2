//! Samples as stored in the file, before conversion to 8 bits.

use super::{MAX_BYTES, MAX_PIXELS, start, tiff_rest};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};
use std::io::Cursor;

/// Samples row by row, channels interleaved.
pub enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

/// An image as stored: `width * height * channels` samples. 1 channel is gray, 2 gray + alpha, 3 RGB, 4 RGB + alpha.
pub struct Raw {
    pub width: u32,
    pub height: u32,
    pub channels: usize,
    pub samples: Samples,
    /// The transformation that makes it upright.
    pub orientation: Orientation,
    /// Whether the compression may change zeros.
    pub lossy: bool,
    /// Whether the colours are already multiplied by alpha.
    pub premultiplied: bool,
}

/// Reads any supported file. The error is a sentence without the file's name.
pub fn read(bytes: &[u8]) -> Result<Raw, String> {
    let format = start::format(bytes)?;
    if format == ImageFormat::Jpeg
        && let Some(flaw) = start::jpeg_flaw(bytes)
    {
        return Err(flaw.into());
    }
    if format == ImageFormat::Tiff && tiff_rest::has_cut_planes(bytes) {
        return Err(tiff_rest::CUT_PLANES.into());
    }
    if format == ImageFormat::Tiff && tiff_rest::has_wide_colours(bytes) {
        return tiff_rest::read(bytes);
    }
    match read_with_image(bytes, format) {
        Err(ImageError::Unsupported(_)) if format == ImageFormat::Tiff => tiff_rest::read(bytes),
        Err(error) => Err(start::reason(&error, format)),
        Ok(read) => read,
    }
}

/// Reads a file with the `image` crate. The outer error is the decoder's, the inner one a refusal in our own words.
fn read_with_image(bytes: &[u8], format: ImageFormat) -> Result<Result<Raw, String>, ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = image::Limits::default();
    // Decoders count scratch memory too, so this is generous; `check_size` enforces the real limit with its own
    // message.
    limits.max_alloc = Some(2 * MAX_BYTES);
    reader.limits(limits);
    // In a browser the decoder itself refuses what has more bytes than 32 bits can count, without telling the size.
    if let Some((width, height)) = start::png_size(bytes)
        && let Err(reason) = check_size(width, height, 0)
    {
        return Ok(Err(reason));
    }
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if let Err(reason) = check_size(width, height, decoder.total_bytes()) {
        return Ok(Err(reason));
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (channels, samples) = samples(DynamicImage::from_decoder(decoder)?);
    let lossy = is_lossy(bytes, format);
    let premultiplied = format == ImageFormat::Tiff && tiff_rest::is_premultiplied(bytes);
    Ok(Ok(Raw { width, height, channels, samples, orientation, lossy, premultiplied }))
}

/// The transformation that makes the picture upright, from the file's header.
pub fn orientation(bytes: &[u8], format: ImageFormat) -> Option<Orientation> {
    match ImageReader::with_format(Cursor::new(bytes), format).into_decoder() {
        Ok(mut decoder) => decoder.orientation().ok(),
        Err(_) => tiff_rest::orientation(bytes),
    }
}

/// Whether the samples include alpha, from the file's header.
pub fn has_alpha(bytes: &[u8], format: ImageFormat) -> bool {
    match ImageReader::with_format(Cursor::new(bytes), format).into_decoder() {
        Ok(decoder) => decoder.color_type().has_alpha(),
        Err(_) => tiff_rest::has_alpha(bytes),
    }
}

/// Whether the compression may change zeros, from the file's header.
pub fn is_lossy(bytes: &[u8], format: ImageFormat) -> bool {
    match format {
        ImageFormat::Jpeg => true,
        ImageFormat::Tiff => tiff_rest::is_lossy(bytes),
        _ => start::is_lossy_webp(bytes),
    }
}

/// Rejects images without pixels or too large for memory. `bytes` is the unpacked size.
pub fn check_size(width: u32, height: u32, bytes: u64) -> Result<(), String> {
    if width == 0 || height == 0 {
        return Err("the image has no pixels".into());
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(format!(
            "the image is too large ({width} x {height} pixels); cut it into parts of at most {} megapixels",
            MAX_PIXELS / 1_000_000
        ));
    }
    if bytes > MAX_BYTES {
        // With wide samples, the byte limit is reached before the pixel limit.
        return Err(format!(
            "the image is too large ({width} x {height} pixels, {} MB unpacked); cut it into parts of at most {} megapixels",
            bytes / 1_000_000,
            MAX_BYTES / bytes.div_ceil(pixels) / 1_000_000
        ));
    }
    Ok(())
}

fn samples(image: DynamicImage) -> (usize, Samples) {
    match image {
        DynamicImage::ImageLuma8(i) => (1, Samples::U8(i.into_raw())),
        DynamicImage::ImageLumaA8(i) => (2, Samples::U8(i.into_raw())),
        DynamicImage::ImageRgb8(i) => (3, Samples::U8(i.into_raw())),
        DynamicImage::ImageRgba8(i) => (4, Samples::U8(i.into_raw())),
        DynamicImage::ImageLuma16(i) => (1, Samples::U16(i.into_raw())),
        DynamicImage::ImageLumaA16(i) => (2, Samples::U16(i.into_raw())),
        DynamicImage::ImageRgb16(i) => (3, Samples::U16(i.into_raw())),
        DynamicImage::ImageRgba16(i) => (4, Samples::U16(i.into_raw())),
        DynamicImage::ImageRgb32F(i) => (3, Samples::F32(i.into_raw())),
        DynamicImage::ImageRgba32F(i) => (4, Samples::F32(i.into_raw())),
        other => (4, Samples::U8(other.into_rgba8().into_raw())),
    }
}
