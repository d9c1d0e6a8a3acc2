//! TIFF variants that microscopes write but `image` rejects or misreads: palette, gray of 32 bits or fewer than 8,
//! float gray, 32-bit colour, gray with alpha, JPEG with chroma. Also TIFF properties that `image` does not report.

use super::raw::{Raw, Samples, check_size};
use super::start::CUT_SHORT;
use image::metadata::Orientation;
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};

/// Whether the file has more than one page.
pub fn has_more_pages(bytes: &[u8]) -> bool {
    Decoder::new(Cursor::new(bytes)).is_ok_and(|decoder| decoder.more_images())
}

/// Whether the colours are 32-bit integers, which `image` mistakes for floats.
pub fn has_wide_colours(bytes: &[u8]) -> bool {
    const FLOAT: u16 = 3;
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return false };
    let wide = matches!(decoder.colortype(), Ok(ColorType::RGB(32) | ColorType::RGBA(32)));
    wide && decoder.get_tag_u16_vec(Tag::SampleFormat).map_or(true, |formats| !formats.contains(&FLOAT))
}

/// Whether the image consists of single-plane tiles that extend beyond the lower edge: the decoder panics on them (tiff
/// 0.11.3).
pub fn has_cut_planes(bytes: &[u8]) -> bool {
    const PLANES: u32 = 2;
    let Ok(mut decoder) = Decoder::new(Cursor::new(bytes)) else { return false };
    let mut number = |tag| decoder.find_tag(tag).ok().flatten().and_then(|value| value.into_u32().ok());
    let planes = number(Tag::PlanarConfiguration) == Some(PLANES);
    let (height, tile) = (number(Tag::ImageLength), number(Tag::TileLength));
    planes && height.zip(tile).is_some_and(|(height, tile)| tile == 0 || height % tile != 0)
}

pub const CUT_PLANES: &str = "this kind of TIFF can't be read (a tile for each colour); save it as 8-bit RGB";

/// Values of PhotometricInterpretation (TIFF tag 262).
const BLACK_IS_ZERO: u16 = 1;
const PALETTE: u16 = 3;

/// Reads the first page. The error is a sentence without the file's name.
pub fn read(bytes: &[u8]) -> Result<Raw, String> {
    let palette = Decoder::new(Cursor::new(bytes)).ok().and_then(|mut decoder| {
        let kind = decoder.find_tag(Tag::PhotometricInterpretation).ok().flatten()?.into_u16().ok()?;
        (kind == PALETTE).then(|| decoder.get_tag_u16_vec(Tag::ColorMap))
    });
    // The decoder rejects palette images; relabelled as gray, the same file yields the indices as values.
    let as_gray =
        palette.as_ref().and_then(|_| with_tag(bytes, Tag::PhotometricInterpretation, BLACK_IS_ZERO));
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
        u64::from(width)
            * u64::from(height)
            * u64::from(kind.num_samples())
            * u64::from(kind.bit_depth().div_ceil(8)),
    )?;
    let orientation = orientation(bytes).unwrap_or(Orientation::NoTransforms);
    let (channels, samples) = match (kind, palette) {
        (ColorType::Gray(bits), Some(palette)) => {
            let indices = decoder.read_image().map_err(reason)?;
            (3, Samples::U8(look_up(&indices, width, bits, &palette.map_err(reason)?)?))
        }
        (ColorType::Gray(bits), None) if bits < 8 => {
            let packed = decoder.read_image().map_err(reason)?;
            let white = (1u16 << bits) - 1;
            let levels = unpack(&packed, width, bits).ok_or_else(|| unsupported("gray of few bits"))?;
            (1, Samples::U8(levels.map(|level| (level as u16 * 255 / white) as u8).collect()))
        }
        (ColorType::Gray(_) | ColorType::RGB(_) | ColorType::RGBA(_), None) => {
            (kind.num_samples().into(), numbers(decoder.read_image().map_err(reason)?)?)
        }
        // For JPEG the decoder upsamples the chroma, but leaves the conversion to RGB to us.
        (ColorType::YCbCr(8), None) if is_lossy(bytes) => match decoder.read_image().map_err(reason)? {
            DecodingResult::U8(data) => (3, Samples::U8(rgb_of_luma_and_chroma(&data))),
            _ => return Err(unsupported("YCbCr")),
        },
        (ColorType::Multiband { num_samples: 2, .. }, None) if has_alpha(bytes) => {
            (2, numbers(decoder.read_image().map_err(reason)?)?)
        }
        (other, _) => return Err(unsupported(&format!("{other:?}"))),
    };
    let (lossy, premultiplied) = (is_lossy(bytes), is_premultiplied(bytes));
    Ok(Raw { width, height, channels, samples, orientation, lossy, premultiplied })
}

/// The transformation that makes the first page upright (TIFF tag 274).
pub fn orientation(bytes: &[u8]) -> Option<Orientation> {
    let value = Decoder::new(Cursor::new(bytes)).ok()?.find_tag(Tag::Orientation).ok()??;
    Orientation::from_exif(value.into_u16().ok()?.min(255) as u8)
}

/// Values of ExtraSamples (TIFF tag 338): alpha by which the colours are multiplied already, and alpha on its own.
const ASSOCIATED: u16 = 1;
const UNASSOCIATED: u16 = 2;

/// What the samples of the first page beyond its colours are.
fn extra_samples(bytes: &[u8]) -> Vec<u16> {
    let extra = Decoder::new(Cursor::new(bytes)).and_then(|mut decoder| decoder.find_tag(Tag::ExtraSamples));
    extra.ok().flatten().and_then(|value| value.into_u16_vec().ok()).unwrap_or_default()
}

/// Whether a sample of the first page is alpha.
pub fn has_alpha(bytes: &[u8]) -> bool {
    extra_samples(bytes).into_iter().any(|kind| kind == ASSOCIATED || kind == UNASSOCIATED)
}

/// Whether the colours of the first page are already multiplied by alpha.
pub fn is_premultiplied(bytes: &[u8]) -> bool {
    extra_samples(bytes).first() == Some(&ASSOCIATED)
}

/// Whether the first page is compressed as JPEG or WebP (TIFF tag 259).
pub fn is_lossy(bytes: &[u8]) -> bool {
    const LOSSY: [u16; 3] = [6, 7, 50_001];
    let compression =
        Decoder::new(Cursor::new(bytes)).and_then(|mut decoder| decoder.find_tag(Tag::Compression));
    let compression = compression.ok().flatten().and_then(|value| value.into_u16().ok());
    compression.is_some_and(|compression| LOSSY.contains(&compression))
}

/// A copy of the file with another 16-bit value for a tag of its first directory (TIFF 6.0, section 2; BigTIFF has
/// wider fields). `None` if the tag is not found.
fn with_tag(bytes: &[u8], tag: Tag, value: u16) -> Option<Vec<u8>> {
    let little = bytes.starts_with(b"II");
    let number = |at: usize, size: usize| {
        let field = bytes.get(at..at.checked_add(size)?)?;
        let shift = |sum: usize, byte: &u8| (sum << 8) | usize::from(*byte);
        Some(if little { field.iter().rev().fold(0, shift) } else { field.iter().fold(0, shift) })
    };
    let big = number(2, 2)? == 43;
    // Offset and size of the directory's address; sizes of the entry count and of an entry; offset of an entry's value.
    let (address, count, entry, to_value) = if big { ((8, 8), 8, 20, 12) } else { ((4, 4), 2, 12, 8) };
    let directory = number(address.0, address.1)?;
    let first = directory.checked_add(count)?;
    let mut entries = (0..number(directory, count)?).map_while(|index| {
        let at = first.checked_add(index.checked_mul(entry)?)?;
        Some((at, number(at, 2)?))
    });
    let at = entries.find(|(_, found)| *found == usize::from(tag.to_u16()))?.0 + to_value;
    let mut changed = bytes.to_vec();
    let value = if little { value.to_le_bytes() } else { value.to_be_bytes() };
    changed.get_mut(at..at + 2)?.copy_from_slice(&value);
    Some(changed)
}

/// Samples of fewer than 8 bits: packed into bytes, each row starting at a byte boundary (TIFF 6.0, section 3).
fn unpack(data: &DecodingResult, width: u32, bits: u8) -> Option<impl Iterator<Item = usize>> {
    let DecodingResult::U8(data) = data else { return None };
    let (width, bits) = (width as usize, usize::from(bits));
    let rows = data.chunks_exact((width * bits).div_ceil(8));
    Some(rows.flat_map(move |row| {
        let bit = |at: usize| usize::from(row[at / 8] >> (7 - at % 8) & 1);
        (0..width).map(move |x| (x * bits..(x + 1) * bits).fold(0, |sum, at| (sum << 1) | bit(at)))
    }))
}

/// Converts palette indices to RGB. A palette holds all reds, then all greens, then all blues, 16 bits each (TIFF 6.0,
/// section 5); some programs write 8-bit values.
fn look_up(indices: &DecodingResult, width: u32, bits: u8, palette: &[u16]) -> Result<Vec<u8>, String> {
    let size = palette.len() / 3;
    let shift = if palette.iter().any(|value| *value > 255) { 8 } else { 0 };
    let colour = |index: usize| -> Option<[u8; 3]> {
        (index < size).then(|| [0, 1, 2].map(|c| (palette[c * size + index] >> shift) as u8))
    };
    let mut colours = Vec::new();
    let mut add = |index: usize| colour(index).map(|colour| colours.extend(colour));
    let all = match indices {
        DecodingResult::U8(data) if bits >= 8 => data.iter().try_for_each(|&index| add(index.into())),
        DecodingResult::U16(data) => data.iter().try_for_each(|&index| add(index.into())),
        packed => match unpack(packed, width, bits) {
            Some(mut indices) => indices.try_for_each(add),
            None => return Err(unsupported("a palette of many colours")),
        },
    };
    all.ok_or("the image's palette lacks colours that it uses; save it as RGB")?;
    Ok(colours)
}

/// YCbCr to RGB as defined by JFIF (ITU-T T.871, section 7), which is also TIFF's default.
fn rgb_of_luma_and_chroma(data: &[u8]) -> Vec<u8> {
    let rgb = |pixel: &[u8]| {
        let [y, blue, red] = [pixel[0].into(), f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0];
        let levels: [f32; 3] = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
        levels.map(|level| level.round() as u8)
    };
    data.chunks_exact(3).flat_map(rgb).collect()
}

/// Sample values as the file stores them; all types but 8- and 16-bit unsigned become `f32`.
fn numbers(data: DecodingResult) -> Result<Samples, String> {
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

    /// Indices 0, 1 and 3 into the palette white, red, green, blue, in the layout of ImageJ's "8-bit Color".
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
            let bytes = with_tag(file.get_ref(), Tag::PhotometricInterpretation, PALETTE).unwrap();
            let image = super::super::decode(&bytes, "a").unwrap();
            assert_eq!(image.as_raw(), &[255, 255, 255, 255, 0, 0, 0, 0, 255]);
        }
        assert_eq!(with_tag(b"II*\0\xff\xff\xff\xff", Tag::ImageWidth, 1), None);
    }

    fn tiff<C: colortype::ColorType>(width: u32, samples: &[C::Inner]) -> Vec<u8>
    where
        [C::Inner]: tiff::encoder::TiffValue,
    {
        let mut file = Cursor::new(Vec::new());
        TiffEncoder::new(&mut file).unwrap().write_image::<C>(width, 1, samples).unwrap();
        file.into_inner()
    }

    #[test]
    fn wide_colours_are_numbers_and_no_floats() {
        let whole = tiff::<colortype::RGB32>(2, &[65535, 0, 32768, 0, 65535, 65535]);
        let image = super::super::decode(&whole, "a").unwrap();
        assert_eq!(image.as_raw(), &[255, 0, 128, 0, 255, 255]);
        let float = tiff::<colortype::RGB32Float>(1, &[1.0, 0.0, 0.5]);
        assert!(!has_wide_colours(&float));
        assert_eq!(super::super::decode(&float, "a").unwrap().as_raw(), &[255, 0, 128]);
    }

    #[test]
    fn narrow_gray_is_read() {
        let wide = tiff::<colortype::Gray8>(2, &[0x0f, 0x5a]);
        let narrow =
            with_tag(&wide, Tag::ImageWidth, 4).and_then(|f| with_tag(&f, Tag::BitsPerSample, 4)).unwrap();
        let image = super::super::decode(&narrow, "a").unwrap();
        let gray: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(gray, [0, 255, 85, 170]);
    }

    #[test]
    fn narrow_indices_and_narrow_colours_are_read() {
        // Index i is the colour (i, 20 + i, 40 + i).
        let palette: Vec<u16> = (0..16).chain(20..36).chain(40..56).collect();
        let greens = |data: &[u8], bits| -> Vec<u8> {
            let colours = look_up(&DecodingResult::U8(data.to_vec()), 3, bits, &palette).unwrap();
            colours.chunks(3).map(|colour| colour[1] - 20).collect()
        };
        assert_eq!(greens(&[0x12, 0x30, 0x45, 0x60], 4), [1, 2, 3, 4, 5, 6]);
        assert_eq!(greens(&[0b1010_0000, 0b0100_0000], 1), [1, 0, 1, 0, 1, 0]);
        assert!(look_up(&DecodingResult::U8(vec![16]), 1, 8, &palette).is_err());
    }
}
