//! TIFF files that `image` leaves out and microscopes write: palette, 32-bit gray, float gray. And what it does not tell of
//! the others.

use super::raw::{Raw, Samples, check_size};
use super::start::CUT_SHORT;
use image::metadata::Orientation;
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

/// Whether there are others after the first page.
pub fn has_more_pages(bytes: &[u8]) -> bool {
    Decoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.more_images())
}

/// Reads the first page; the error is a sentence without the file's name.
pub fn read(bytes: &[u8]) -> Result<Raw, String> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(reason)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = super::MAX_BYTES as usize;
    limits.intermediate_buffer_size = super::MAX_BYTES as usize;
    decoder = decoder.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(reason)?;
    let kind = decoder.colortype().map_err(reason)?;
    check_size(
        width,
        height,
        u64::from(width) * u64::from(height) * u64::from(kind.bit_depth().div_ceil(8)),
    )?;
    let orientation = decoder
        .find_tag(Tag::Orientation)
        .ok()
        .flatten()
        .and_then(|value| value.into_u16().ok())
        .and_then(|value| Orientation::from_exif(value.min(255) as u8))
        .unwrap_or(Orientation::NoTransforms);
    let (channels, samples) = match kind {
        ColorType::Palette(8 | 16) => {
            let palette = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(reason)?;
            (3, Samples::U8(look_up(decoder.read_image().map_err(reason)?, &palette)?))
        }
        ColorType::Gray(_) => (1, gray(decoder.read_image().map_err(reason)?)?),
        other => return Err(unsupported(&format!("{other:?}"))),
    };
    Ok(Raw { width, height, channels, samples, orientation, lossy: is_lossy(bytes) })
}

/// Whether the first page is compressed as JPEG or WebP (TIFF's tag 259).
pub fn is_lossy(bytes: &[u8]) -> bool {
    const LOSSY: [u16; 3] = [6, 7, 50_001];
    let compression =
        Decoder::new(Cursor::new(bytes)).and_then(|mut decoder| decoder.find_tag(Tag::Compression));
    let compression = compression.ok().flatten().and_then(|value| value.into_u16().ok());
    compression.is_some_and(|compression| LOSSY.contains(&compression))
}

/// A palette holds all reds, then all greens, then all blues, 16 bit each (TIFF 6.0, section 5).
fn look_up(indices: DecodingResult, palette: &[u16]) -> Result<Vec<u8>, String> {
    let size = palette.len() / 3;
    let colour = |index: usize| -> Option<[u8; 3]> {
        (index < size).then(|| [0, 1, 2].map(|c| (palette[c * size + index] >> 8) as u8))
    };
    let colours: Option<Vec<[u8; 3]>> = match indices {
        DecodingResult::U8(data) => data.into_iter().map(|i| colour(i.into())).collect(),
        DecodingResult::U16(data) => data.into_iter().map(|i| colour(i.into())).collect(),
        _ => None,
    };
    Ok(colours.ok_or("the image's palette lacks colours that it uses; save it as RGB")?.into_flattened())
}

fn gray(data: DecodingResult) -> Result<Samples, String> {
    Ok(Samples::F32(match data {
        DecodingResult::U8(data) => return Ok(Samples::U8(data)),
        DecodingResult::U16(data) => return Ok(Samples::U16(data)),
        DecodingResult::F32(data) => data,
        DecodingResult::F64(data) => data.into_iter().map(|v| v as f32).collect(),
        DecodingResult::F16(data) => data.into_iter().map(f32::from).collect(),
        DecodingResult::U32(data) => data.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I32(data) => data.into_iter().map(|v| v as f32).collect(),
        DecodingResult::I16(data) => data.into_iter().map(f32::from).collect(),
        DecodingResult::I8(data) => data.into_iter().map(f32::from).collect(),
        DecodingResult::U64(_) | DecodingResult::I64(_) => return Err(unsupported("64-bit whole numbers")),
    }))
}

fn unsupported(what: &str) -> String {
    format!("this kind of TIFF can't be read ({what}); save it as 8-bit RGB")
}

fn reason(error: TiffError) -> String {
    match error {
        TiffError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => CUT_SHORT.into(),
        TiffError::LimitsExceeded => "the image needs too much memory; cut it into parts".into(),
        other => format!("this TIFF can't be read ({other}); save it as 8-bit RGB"),
    }
}
