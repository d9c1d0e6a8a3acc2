//! Identifies a file by its first bytes, and words the reasons why it cannot be read.

use image::ImageFormat;
use image::codecs::{png::PngDecoder, webp::WebPDecoder};
use image::error::{ImageError, LimitErrorKind};
use std::io::Cursor;

pub const CUT_SHORT: &str = "the image ends too early (a broken copy or download?); fetch it again";
/// Not "save it again", which would hide the damage.
const DAMAGED_JPEG: &str = "the JPEG is damaged (a broken copy or download?); fetch it again";

/// Advice for files of an unsupported format.
const SAVE_AS: &str = "save it as PNG, JPEG or TIFF";

/// The format according to the first bytes; the file's name is ignored.
pub fn format(bytes: &[u8]) -> Result<ImageFormat, String> {
    if bytes.is_empty() {
        return Err("the file is empty; fetch or save it again".into());
    }
    let read = [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Gif,
        ImageFormat::Tiff,
    ];
    // BigTIFF, which `guess_format` does not recognise.
    if bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+") {
        return Ok(ImageFormat::Tiff);
    }
    match image::guess_format(bytes) {
        Ok(format) if read.contains(&format) => Ok(format),
        _ => Err(format!("not an image that can be read (it starts like {}); {SAVE_AS}", kind(bytes))),
    }
}

/// Files that are not read: where they have which bytes, what they are, and the extensions of those that hold pictures.
const FOREIGN: [(usize, &[u8], &str, &[&str]); 13] = [
    (0, b"%PDF", "a PDF", &[]),
    (0, b"PK\x03\x04", "a ZIP archive or an Office document", &[]),
    (0, b"\x1f\x8b", "a gzip archive", &[]),
    (0, b"ZISRAWFILE", "a Zeiss CZI file", &["czi"]),
    (0, b"\xda\xce\xbe\x0a", "a Nikon ND2 file", &["nd2"]),
    (0, b"\x70\x00\x00\x00", "a Leica LIF file", &["lif"]),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000", &["jp2"]),
    (0, b"\x89HDF", "an HDF5 file", &[]),
    (0, b"8BPS", "a Photoshop document", &["psd"]),
    (4, b"ftyphe", "an HEIC photo", &["heic", "heif"]),
    (4, b"ftypmif", "an HEIC photo", &[]),
    (4, b"ftypavif", "an AVIF photo", &["avif"]),
    (128, b"DICM", "a DICOM file", &["dcm"]),
];

/// Whether an extension, in lower case, is that of pictures in a format that is known but not read.
pub fn is_foreign(extension: &str) -> bool {
    FOREIGN.iter().any(|(.., extensions)| extensions.contains(&extension))
}

/// What an unsupported file seems to be, in words.
fn kind(bytes: &[u8]) -> &'static str {
    let is = |at: usize, magic: &[u8]| bytes.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some((_, _, name, _)) = FOREIGN.iter().find(|(at, magic, ..)| is(*at, magic)) {
        return name;
    }
    let head = &bytes[..bytes.len().min(256)];
    // The head may end in the middle of a character.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    if is_text && head.iter().all(|&b| b >= b' ' || b"\t\r\n\x0c".contains(&b)) {
        return "a text file";
    }
    "no picture format known here"
}

/// A decoder's error in words for the user.
pub fn reason(error: &ImageError, format: ImageFormat) -> String {
    match error {
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::DimensionError => {
            "the image is too large; cut it into parts".into()
        }
        ImageError::Limits(_) => "the image needs too much memory; cut it into parts".into(),
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => CUT_SHORT.into(),
        other => {
            let text = other.to_string();
            let text = text.lines().next().unwrap_or_default().trim_end_matches('.').to_string();
            let lower = text.to_lowercase();
            if lower.contains("unexpected end") || lower.contains("end of file") || lower.contains("eof") {
                CUT_SHORT.into()
            } else if matches!(other, ImageError::Decoding(_)) {
                // The decoders also say so of some rare kinds; their words are for programmers.
                format!("the {} is damaged or of a rare kind; fetch it or save it again", name(format))
            } else {
                format!("not an image that can be read ({text}); {SAVE_AS}")
            }
        }
    }
}

/// The name of a format that is read.
fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Tiff => "TIFF",
        _ => "image",
    }
}

/// Width and height as the header of a PNG tells them; `None` for other files.
pub fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    // After the length and the name of the first chunk.
    let [width, height] = [8, 12].map(|at| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?)));
    width.zip(height)
}

/// What is wrong with a JPEG whose end is missing or whose compressed data are damaged: the decoder would fill in gray or
/// draw other pixels without an error. Much damage leaves no trace that could be found here.
///
/// Walks the segments of ITU-T T.81, annex B: each has a length, and a start of scan is followed by entropy-coded bytes
/// in which FF is followed by 00 or a restart marker.
pub fn jpeg_flaw(bytes: &[u8]) -> Option<&'static str> {
    let mut at = 2;
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&b| b == 0xff)) {
        at += found + 1;
        match bytes.get(at) {
            Some(0xd9) => return None,
            // Byte stuffing, restarts and other markers without a length.
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            // Reserved markers, which no program writes.
            Some(0x02..=0xbf) => return Some(DAMAGED_JPEG),
            Some(0xff) => {}
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(length) => at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => break,
            },
            None => break,
        }
    }
    Some(CUT_SHORT)
}

/// Whether the file is an animation: declares one (PNG, WebP), or has a second image (GIF).
pub fn is_animation(bytes: &[u8], format: ImageFormat) -> bool {
    let file = Cursor::new(bytes);
    match format {
        ImageFormat::Png => PngDecoder::new(file).is_ok_and(|decoder| decoder.is_apng().unwrap_or(false)),
        ImageFormat::WebP => WebPDecoder::new(file).is_ok_and(|decoder| decoder.has_animation()),
        ImageFormat::Gif => has_two_images(bytes),
        _ => false,
    }
}

/// Whether a GIF has a second image. Walks its blocks (GIF89a specification, appendix A).
fn has_two_images(bytes: &[u8]) -> bool {
    // A table of colours follows if the highest of these flags is set; the lowest three tell its size.
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let mut at = 13 + bytes.get(10).map_or(0, |flags| table(*flags));
    let mut images = 0;
    loop {
        match bytes.get(at) {
            // An extension: its label.
            Some(0x21) => at += 2,
            // An image: position, size and flags, its table, and the size of its codes.
            Some(0x2c) => {
                images += 1;
                at += 11 + bytes.get(at + 9).map_or(0, |flags| table(*flags));
            }
            _ => return images > 1,
        }
        // Both go on with sub-blocks, the last of which is empty.
        while let Some(&length) = bytes.get(at) {
            at += 1 + usize::from(length);
            if length == 0 {
                break;
            }
        }
    }
}

/// Whether this is a WebP with lossy compression: a `VP8 ` chunk, not `VP8L`.
pub fn is_lossy_webp(bytes: &[u8]) -> bool {
    if bytes.get(8..12) != Some(b"WEBP".as_slice()) {
        return false;
    }
    let mut at = 12;
    while let Some(head) = bytes.get(at..at + 8) {
        match &head[..4] {
            b"VP8 " => return true,
            b"VP8L" => return false,
            // The chunks of an animation frame begin after 16 bytes of frame data.
            b"ANMF" => at += 8 + 16,
            _ => {
                let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
                at = at.saturating_add(8).saturating_add(length).saturating_add(length & 1);
            }
        }
    }
    false
}
