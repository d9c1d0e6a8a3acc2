#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use super::*;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use std::io::Cursor;

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn picture() -> RgbImage {
    RgbImage::from_fn(13, 7, |x, y| image::Rgb([x as u8 * 19, y as u8 * 30, 200 - x as u8]))
}

#[test]
fn lossless_formats_give_the_same_pixels() {
    let image = picture();
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        let bytes = encoded(&image.clone().into(), format);
        assert_eq!(decode(&bytes, "a").unwrap(), image, "{format:?}");
    }
    assert_eq!(decode(&encoded(&image.clone().into(), ImageFormat::Gif), "a").unwrap().dimensions(), (13, 7));
    let jpeg = decode(&encoded(&image.clone().into(), ImageFormat::Jpeg), "a").unwrap();
    let off = jpeg.iter().zip(image.iter()).map(|(a, b)| a.abs_diff(*b) as u32).sum::<u32>();
    assert!(off / (jpeg.len() as u32) < 20, "JPEG is off by {off}");
}

#[test]
fn alpha_is_laid_over_white() {
    let rgba =
        image::RgbaImage::from_fn(2, 1, |x, _| image::Rgba([100, 0, 50, if x == 0 { 0 } else { 255 }]));
    let image = decode(&encoded(&rgba.into(), ImageFormat::Png), "a").unwrap();
    assert_eq!(image.as_raw(), &[255, 255, 255, 100, 0, 50]);
    let gray = image::GrayAlphaImage::from_pixel(1, 1, image::LumaA([0, 128]));
    let image = decode(&encoded(&gray.into(), ImageFormat::Png), "a").unwrap();
    assert_eq!(image.as_raw(), &[127, 127, 127]);
}

#[test]
fn sixteen_bit_follows_the_depth_of_the_camera() {
    let full = image::ImageBuffer::from_fn(2, 1, |x, _| image::Luma([if x == 0 { 0u16 } else { 65535 }]));
    let bytes = encoded(&DynamicImage::ImageLuma16(full), ImageFormat::Png);
    assert_eq!(decode(&bytes, "a").unwrap().as_raw(), &[0, 0, 0, 255, 255, 255]);
    let camera = image::ImageBuffer::from_fn(2, 1, |x, _| image::Rgb([2048u16, 0, x as u16 * 4095]));
    let bytes = encoded(&DynamicImage::ImageRgb16(camera), ImageFormat::Tiff);
    assert_eq!(decode(&bytes, "a").unwrap().as_raw(), &[128, 0, 0, 128, 0, 255]);
}

#[test]
fn float_tiffs_are_read() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    let samples = [0.0f32, 0.5, 1.0, f32::NAN];
    encoder.write_image::<tiff::encoder::colortype::Gray32Float>(4, 1, &samples).unwrap();
    let bytes = bytes.into_inner();
    let gray: Vec<u8> = decode(&bytes, "a").unwrap().pixels().map(|p| p.0[0]).collect();
    assert_eq!(gray, [0, 128, 255, 0]);
    assert_eq!(decode_mask(&bytes, "a").unwrap().as_raw(), &[0, 255, 255, 0]);
}

#[test]
fn white_of_float_tiffs_is_the_camera_s() {
    for (samples, levels) in [
        ([0.0f32, 0.5, 1.02], [0u8, 128, 255]),
        ([0.0, 512.0, 1000.0], [0, 128, 249]),
        ([0.0, 2048.0, 4095.0], [0, 128, 255]),
        ([0.0, 8192.0, 16383.0], [0, 128, 255]),
        ([0.0, 32768.0, 65535.0], [0, 128, 255]),
        // A sample below zero, as the subtraction of a dark frame leaves it, and a range around zero.
        ([-0.02, 0.5, 0.9], [0, 128, 230]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
        encoder.write_image::<tiff::encoder::colortype::Gray32Float>(3, 1, &samples).unwrap();
        let gray: Vec<u8> = decode(&bytes.into_inner(), "a").unwrap().pixels().map(|p| p.0[0]).collect();
        assert_eq!(gray, levels, "{samples:?}");
    }
}

#[test]
fn more_pages_than_the_first_are_told_of() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray8>(2, 1, &[7, 9]).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray8>(3, 1, &[1, 2, 3]).unwrap();
    let told = unread(bytes.get_ref()).unwrap_or_default();
    assert!(told.contains("page") && !told.contains(';'), "{told}");
    assert_eq!(decode(bytes.get_ref(), "two").unwrap().dimensions(), (2, 1));
    for format in [ImageFormat::Tiff, ImageFormat::Png] {
        assert_eq!(unread(&encoded(&picture().into(), format)), None);
    }
    assert_eq!(unread(b"no picture"), None);
}

#[test]
fn label_tiffs_of_32_bit_are_masks() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray32>(3, 1, &[0, 1, 70_000]).unwrap();
    assert_eq!(decode_mask(&bytes.into_inner(), "a").unwrap().as_raw(), &[0, 255, 255]);
}

#[test]
fn instances_are_told_apart_by_number_or_colour() {
    let ids = |bytes: &[u8]| decode_labels(bytes, "a").map(|labels| labels.ids);
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray32>(4, 1, &[70_000, 0, 1, 70_000]).unwrap();
    assert_eq!(ids(&bytes.into_inner()).unwrap(), [1, 0, 2, 1]);
    // Colours of equal brightness; alpha is ignored.
    let colours = vec![200, 0, 0, 255, 0, 0, 0, 255, 0, 102, 0, 255, 200, 0, 0, 9];
    let colours = image::RgbaImage::from_raw(4, 1, colours).unwrap();
    assert_eq!(ids(&encoded(&colours.into(), ImageFormat::Png)).unwrap(), [1, 0, 2, 1]);
    let lossy = ids(&encoded(&picture().into(), ImageFormat::Jpeg));
    assert!(lossy.is_err_and(|error| error.to_string().contains("lossy")));
    let many =
        image::ImageBuffer::from_fn(256, 257, |x, y| image::Rgb([x as u8, y as u8, (y / 256) as u8 + 1]));
    let many = ids(&encoded(&DynamicImage::ImageRgb8(many), ImageFormat::Png));
    assert!(many.is_err_and(|error| error.to_string().contains("65535")));
}

/// A TIFF of one directory with these entries (tag, type (3: 16 bits, 4: 32 bits), count, value), followed by the data
/// they point to.
fn tiff(entries: &[(u16, u16, u32, u32)], rest: &[u8]) -> Vec<u8> {
    let mut tiff = [b"II*\0".as_slice(), &8u32.to_le_bytes(), &(entries.len() as u16).to_le_bytes()].concat();
    for (tag, kind, count, value) in entries {
        tiff.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        tiff.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
    }
    [tiff.as_slice(), &[0; 4], rest].concat()
}

/// A TIFF with a JPEG in one strip, as slide scanners write it (TIFF Technical Note 2).
fn jpeg_in_tiff(jpeg: &[u8], width: u32, height: u32) -> Vec<u8> {
    let rest = 8 + 2 + 10 * 12 + 4;
    let entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, rest),
        (259, 3, 1, 7),
        (262, 3, 1, 6),
        (273, 4, 1, rest + 6),
        (277, 3, 1, 3),
        (278, 3, 1, height),
        (279, 4, 1, jpeg.len() as u32),
        (530, 3, 2, 0x0001_0001),
    ];
    tiff(&entries, &[&[8, 0, 8, 0, 8, 0], jpeg].concat())
}

#[test]
fn jpegs_in_tiffs_have_the_colours_of_jpegs() {
    let picture = image::RgbImage::from_fn(48, 32, |x, y| image::Rgb([200 - x as u8, 60 + y as u8, 90]));
    let jpeg = encoded(&picture.into(), ImageFormat::Jpeg);
    let (alone, within) = (decode(&jpeg, "a").unwrap(), decode(&jpeg_in_tiff(&jpeg, 48, 32), "a").unwrap());
    let most = alone.iter().zip(within.iter()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(most.is_some_and(|most| most <= 2), "{most:?}");
}

#[test]
fn animations_are_told_of() {
    let told =
        |bytes: &[u8]| unread(bytes).is_some_and(|told| told.contains("animation") && !told.contains(';'));
    let mut gif = encoded(&picture().into(), ImageFormat::Gif);
    // The block that requests looping, after the palette, does not make one image an animation.
    let at = gif.iter().position(|&b| b == b'!').unwrap();
    gif.splice(at..at, *b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    assert_eq!(unread(&gif), None);
    assert!(decode(&gif, "a").is_ok());

    let mut two = Vec::new();
    let frame = || image::Frame::new(DynamicImage::ImageRgb8(picture()).into_rgba8());
    image::codecs::gif::GifEncoder::new(&mut two).encode_frames([frame(), frame()]).unwrap();
    assert!(told(&two));
    assert!(!told(&two[..two.len() / 2]), "the second image is gone");

    // The chunk that declares an animation may lie far behind the first one.
    let mut png = encoded(&picture().into(), ImageFormat::Png);
    assert_eq!(unread(&png), None);
    let note = [&b"tEXt"[..], b"Comment\0", &[b'x'; 9000]].concat();
    let chunks = [png_chunk(&note), png_chunk(b"acTL\0\0\0\x02\0\0\0\0")].concat();
    png.splice(33..33, chunks);
    assert!(told(&png));
}

/// A chunk of a PNG file, given its type and data.
fn png_chunk(content: &[u8]) -> Vec<u8> {
    let crc = !content.iter().fold(u32::MAX, |crc, &byte| {
        let shift = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        (0..8).fold(crc ^ u32::from(byte), shift)
    });
    [&(content.len() as u32 - 4).to_be_bytes()[..], content, &crc.to_be_bytes()].concat()
}

#[test]
fn tiles_of_planes_that_reach_over_the_edge_are_refused() {
    let tiff = |height: u32| {
        let rest = 8 + 2 + 10 * 12 + 4;
        let entries = [
            (256, 3, 1, 16),
            (257, 3, 1, height),
            (258, 3, 3, rest),
            (262, 3, 1, 2),
            (277, 3, 1, 3),
            (284, 3, 1, 2),
            (322, 3, 1, 16),
            (323, 3, 1, 16),
            (324, 4, 9, rest),
            (325, 4, 9, rest),
        ];
        tiff(&entries, &[8, 0].repeat(1000))
    };
    assert!(tiff_rest::has_cut_planes(&tiff(40)) && !tiff_rest::has_cut_planes(&tiff(32)));
    assert!(decode(&tiff(40), "a").is_err_and(|error| error.to_string().contains("a tile for each colour")));
}

#[test]
fn gray_tiffs_with_alpha_are_laid_over_white() {
    use tiff::tags::{PhotometricInterpretation, SampleFormat};
    /// Gray and alpha.
    struct GrayA8;
    impl tiff::encoder::colortype::ColorType for GrayA8 {
        type Inner = u8;
        const TIFF_VALUE: PhotometricInterpretation = PhotometricInterpretation::BlackIsZero;
        const BITS_PER_SAMPLE: &'static [u16] = &[8, 8];
        const SAMPLE_FORMAT: &'static [SampleFormat] = &[SampleFormat::Uint, SampleFormat::Uint];
        fn horizontal_predict(_: &[u8], _: &mut Vec<u8>) {}
    }
    let tiff = |extra: u16| {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
        let mut page = encoder.new_image::<GrayA8>(3, 1).unwrap();
        page.encoder().write_tag(tiff::tags::Tag::ExtraSamples, extra).unwrap();
        page.write_data(&[100, 255, 0, 0, 60, 128]).unwrap();
        bytes.into_inner()
    };
    let gray = |extra: u16| -> Vec<u8> {
        decode(&tiff(extra), "a").unwrap().pixels().map(|pixel| pixel.0[0]).collect()
    };
    assert_eq!(gray(2), [100, 255, 157]);
    assert_eq!(gray(1), [100, 255, 187], "multiplied by alpha already");
    assert_eq!(decode_mask(&tiff(2), "a").unwrap().as_raw(), &[255, 0, 255]);
    assert!(has_alpha(&tiff(2)) && !has_alpha(&tiff(0)));
    // If the second channel is something other than alpha, the file is not a picture.
    assert!(decode(&tiff(0), "a").is_err());
}

/// A JPEG whose EXIF block says: rotate by 90 degrees clockwise.
fn turned() -> Vec<u8> {
    let jpeg = encoded(
        &RgbImage::from_fn(16, 8, |x, _| image::Rgb([if x < 8 { 0 } else { 255 }; 3])).into(),
        ImageFormat::Jpeg,
    );
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01".to_vec();
    exif.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]);
    let mut out = vec![0xff, 0xd8, 0xff, 0xe1];
    out.extend(((exif.len() + 2) as u16).to_be_bytes());
    out.extend(exif);
    out.extend(&jpeg[2..]);
    out
}

#[test]
fn exif_orientation_is_applied() {
    let image = decode(&turned(), "a").unwrap();
    assert_eq!(image.dimensions(), (8, 16));
    assert!(image.get_pixel(4, 1).0[0] < 40 && image.get_pixel(4, 14).0[0] > 215);
    assert_eq!(decode_mask(&turned(), "a").unwrap().dimensions(), (8, 16));
}

#[test]
fn what_turns_a_picture_is_told_without_its_pixels() {
    assert_eq!(orientation(&turned()), Orientation::Rotate90);
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff] {
        assert_eq!(orientation(&encoded(&picture().into(), format)), Orientation::NoTransforms);
    }
    assert_eq!(orientation(b"no picture"), Orientation::NoTransforms);
    // A sample type that `image` reads, and one that it does not.
    let tiff = |colour: bool| {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).unwrap();
        if colour {
            let mut page = encoder.new_image::<tiff::encoder::colortype::RGB8>(1, 1).unwrap();
            page.encoder().write_tag(tiff::tags::Tag::Orientation, 3u16).unwrap();
            page.write_data(&[1, 2, 3]).unwrap();
        } else {
            let mut page = encoder.new_image::<tiff::encoder::colortype::Gray32>(1, 1).unwrap();
            page.encoder().write_tag(tiff::tags::Tag::Orientation, 3u16).unwrap();
            page.write_data(&[1]).unwrap();
        }
        bytes.into_inner()
    };
    assert_eq!([true, false].map(|colour| orientation(&tiff(colour))), [Orientation::Rotate180; 2]);
}

#[test]
fn the_darker_marks_of_a_lossy_mask_are_found() {
    let levels = [0u8, 8, 90, 255];
    let mask = GrayImage::from_fn(64, 16, |x, _| image::Luma([levels[x as usize / 16]]));
    let jpeg = encoded(&mask.clone().into(), ImageFormat::Jpeg);
    let faint = decode_faint(&jpeg, "a").unwrap();
    let at = [8, 24, 40, 56];
    assert_eq!(at.map(|x| faint.get_pixel(x, 8).0[0]), [0, 0, 255, 0]);
    assert_eq!(at.map(|x| decode_mask(&jpeg, "a").unwrap().get_pixel(x, 8).0[0]), [0, 0, 0, 255]);
    let png = encoded(&mask.into(), ImageFormat::Png);
    assert!(decode_faint(&png, "a").unwrap().iter().all(|&value| value == 0));
}

#[test]
fn alpha_is_told_of() {
    let rgba = image::RgbaImage::new(2, 1);
    assert!(has_alpha(&encoded(&rgba.into(), ImageFormat::Png)));
    assert!(!has_alpha(&encoded(&picture().into(), ImageFormat::Png)) && !has_alpha(b"no picture"));
}

#[test]
fn masks_become_0_and_255() {
    let colour = RgbImage::from_raw(3, 1, vec![0, 0, 0, 0, 0, 1, 9, 0, 0]).unwrap();
    assert_eq!(
        decode_mask(&encoded(&colour.into(), ImageFormat::Png), "a").unwrap().as_raw(),
        &[0, 255, 255]
    );
    let alpha = image::RgbaImage::from_raw(2, 1, vec![0, 0, 0, 255, 1, 1, 1, 0]).unwrap();
    assert_eq!(decode_mask(&encoded(&alpha.into(), ImageFormat::Png), "a").unwrap().as_raw(), &[0, 255]);
    let disc = GrayImage::from_fn(40, 40, |x, y| {
        image::Luma([if (x as i32 - 20).pow(2) + (y as i32 - 20).pow(2) < 150 { 255 } else { 0 }])
    });
    let back = decode_mask(&encoded(&disc.clone().into(), ImageFormat::Jpeg), "a").unwrap();
    let wrong = back.iter().zip(disc.iter()).filter(|(a, b)| a != b).count();
    assert!(wrong <= 8, "{wrong} pixels of a JPEG mask are wrong");
    let empty = encoded(&GrayImage::new(16, 16).into(), ImageFormat::Jpeg);
    assert!(decode_mask(&empty, "a").unwrap().iter().all(|&v| v == 0));
}

#[test]
fn what_is_no_image_gives_one_line_that_starts_with_the_name() {
    let png = encoded(&picture().into(), ImageFormat::Png);
    let jpeg = encoded(
        &image::imageops::resize(&picture(), 200, 200, image::imageops::Nearest).into(),
        ImageFormat::Jpeg,
    );
    let tiff = encoded(&picture().into(), ImageFormat::Tiff);
    // A bit of the checksum of its header.
    let mut flipped = png.clone();
    flipped[29] ^= 1;
    // A reserved marker in the middle of the scan.
    let mut damaged = jpeg.clone();
    damaged[jpeg.len() / 2..][..2].copy_from_slice(&[0xff, 0x10]);
    let cases: [(&[u8], &str); 10] = [
        (b"", "empty"),
        (b"name,x,y\nfirst,1,2\n", "text file"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC"),
        (b"\x01\x02\x03\x04\x05", "no picture"),
        (&png[..png.len() - 20], "too early"),
        (&jpeg[..jpeg.len() / 2], "too early"),
        (&damaged, "the JPEG is damaged"),
        (&flipped, "the PNG is damaged or of a rare kind; fetch it or save it again"),
        (&tiff[..60], "too early"),
    ];
    for (bytes, part) in cases {
        let error = decode(bytes, "smear 7.png").unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(error.starts_with("smear 7.png: ") && !error.contains('\n'), "{error}");
        assert_eq!(decode_mask(bytes, "smear 7.png").unwrap_err().to_string(), error);
    }
}

#[test]
fn a_decompression_bomb_is_refused_before_it_is_unpacked() {
    // 60 000 x 60 000 in the header, with hardly any data.
    let mut png = encoded(&GrayImage::new(1, 1).into(), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let checksum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = decode(&png, "bomb.png").unwrap_err().to_string();
    assert!(
        error.contains("too large (60000 x 60000 pixels)") && error.contains("300 megapixels"),
        "{error}"
    );
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[test]
fn a_slide_scan_of_12000_by_9000_is_read() {
    let (width, height) = (12_000, 9_000);
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new_with_quality(
        &mut bytes,
        image::codecs::png::CompressionType::Fast,
        image::codecs::png::FilterType::NoFilter,
    )
    .write_image(&vec![200; width * height * 3], width as u32, height as u32, ExtendedColorType::Rgb8)
    .unwrap();
    assert_eq!(decode(&bytes, "scan.png").unwrap().dimensions(), (12_000, 9_000));
}
