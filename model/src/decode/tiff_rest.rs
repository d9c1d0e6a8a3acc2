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

/// Values of TIFF's tag 262, PhotometricInterpretation.
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// Reads the first page; the error is a sentence without the file's name.
pub fn read(bytes: &[u8]) -> Result<Raw, String> {
    let palette = Decoder::new(Cursor::new(bytes)).ok().and_then(|mut decoder| {
        let kind = decoder.find_tag(Tag::PhotometricInterpretation).ok().flatten()?.into_u16().ok()?;
        (kind == PALETTE).then(|| decoder.get_tag_u16_vec(Tag::ColorMap))
    });
    // The decoder refuses palettes: the same file as one of gray values has the indices for values.
    let as_gray = palette.as_ref().and_then(|_| with_photometric(bytes, BLACK_IS_ZERO));
    let bytes = as_gray.as_deref().unwrap_or(bytes);
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
    let (channels, samples) = match (kind, palette) {
        (ColorType::Gray(bits), Some(palette)) => {
            let indices = indices(decoder.read_image().map_err(reason)?, width, bits)?;
            (3, Samples::U8(look_up(indices, &palette.map_err(reason)?)?))
        }
        (ColorType::Gray(_), None) => (1, gray(decoder.read_image().map_err(reason)?)?),
        (other, _) => return Err(unsupported(&format!("{other:?}"))),
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

/// The file with another PhotometricInterpretation in its first directory (TIFF 6.0, section 2; BigTIFF has wider fields).
fn with_photometric(bytes: &[u8], value: u16) -> Option<Vec<u8>> {
    let little = bytes.starts_with(b"II");
    let number = |at: usize, size: usize| {
        let field = bytes.get(at..at.checked_add(size)?)?;
        let shift = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        Some(if little { field.iter().rev().fold(0, shift) } else { field.iter().fold(0, shift) })
    };
    let big = number(2, 2)? == 43;
    // Of the directory's address, the count of its entries, and an entry up to its value.
    let (address, count, entry, to_value) = if big { ((8, 8), 8, 20, 12) } else { ((4, 4), 2, 12, 8) };
    let directory = number(address.0, address.1)?;
    let first = directory.checked_add(count)?;
    let mut entries = (0..number(directory, count)?).map_while(|index| {
        let at = first.checked_add(index.checked_mul(entry)?)?;
        Some((at, number(at, 2)?))
    });
    let at =
        entries.find(|(_, tag)| *tag == usize::from(Tag::PhotometricInterpretation.to_u16()))?.0 + to_value;
    let mut changed = bytes.to_vec();
    let value = if little { value.to_le_bytes() } else { value.to_be_bytes() };
    changed.get_mut(at..at + 2)?.copy_from_slice(&value);
    Some(changed)
}

/// Pixels of less than a byte stand side by side in it, each row from a byte of its own on.
fn indices(data: DecodingResult, width: u32, bits: u8) -> Result<Vec<usize>, String> {
    match data {
        DecodingResult::U8(data) if bits >= 8 => Ok(data.into_iter().map(usize::from).collect()),
        DecodingResult::U8(data) => {
            let (width, bits) = (width as usize, usize::from(bits));
            let row = |row: &[u8]| -> Vec<usize> {
                let bit = |at: usize| usize::from(row[at / 8] >> (7 - at % 8) & 1);
                let value = |x: usize| (x * bits..(x + 1) * bits).fold(0, |sum, at| (sum << 1) | bit(at));
                (0..width).map(value).collect()
            };
            Ok(data.chunks_exact((width * bits).div_ceil(8)).flat_map(row).collect())
        }
        DecodingResult::U16(data) => Ok(data.into_iter().map(usize::from).collect()),
        _ => Err(unsupported("a palette of many colours")),
    }
}

/// A palette holds all reds, then all greens, then all blues, 16 bit each (TIFF 6.0, section 5).
fn look_up(indices: Vec<usize>, palette: &[u16]) -> Result<Vec<u8>, String> {
    let size = palette.len() / 3;
    let colour = |index: usize| -> Option<[u8; 3]> {
        (index < size).then(|| [0, 1, 2].map(|c| (palette[c * size + index] >> 8) as u8))
    };
    let colours: Option<Vec<[u8; 3]>> = indices.into_iter().map(colour).collect();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail that way")]

    use super::*;
    use tiff::encoder::{TiffEncoder, TiffKind, TiffKindBig, TiffKindStandard, colortype};

    /// Indices 0, 1 and 3 of white, red, green, blue, as ImageJ's "8-bit Color" has them.
    fn with_palette<K: TiffKind>(mut encoder: TiffEncoder<&mut Cursor<Vec<u8>>, K>) {
        let mut image = encoder.new_image::<colortype::Gray8>(3, 1).unwrap();
        let mut palette = vec![0u16; 3 * 256];
        for (index, colour) in
            [[65535, 65535, 65535], [65535, 0, 0], [0, 65535, 0], [0, 0, 65535]].iter().enumerate()
        {
            colour.iter().enumerate().for_each(|(channel, value)| palette[channel * 256 + index] = *value);
        }
        image.encoder().write_tag(Tag::ColorMap, &palette[..]).unwrap();
        image.write_data(&[0, 1, 3]).unwrap();
    }

    #[test]
    fn palettes_are_looked_up() {
        let mut files = [Cursor::new(Vec::new()), Cursor::new(Vec::new())];
        let [standard, big] = &mut files;
        with_palette::<TiffKindStandard>(TiffEncoder::new(standard).unwrap());
        with_palette::<TiffKindBig>(TiffEncoder::new_big(big).unwrap());
        for file in files {
            let bytes = with_photometric(file.get_ref(), PALETTE).unwrap();
            let image = super::super::decode(&bytes, "a").unwrap();
            assert_eq!(image.as_raw(), &[255, 255, 255, 255, 0, 0, 0, 0, 255]);
        }
        assert_eq!(with_photometric(b"II*\0\xff\xff\xff\xff", PALETTE), None);
    }

    #[test]
    fn narrow_pixels_are_unpacked() {
        let four = indices(DecodingResult::U8(vec![0x12, 0x30, 0x45, 0x60]), 3, 4).unwrap();
        assert_eq!(four, [1, 2, 3, 4, 5, 6]);
        let one = indices(DecodingResult::U8(vec![0b1010_0000, 0b0100_0000]), 3, 1).unwrap();
        assert_eq!(one, [1, 0, 1, 0, 1, 0]);
    }
}
