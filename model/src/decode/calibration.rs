//! The physical pixel size, if a file states it.

use std::io::Cursor;
use std::ops::RangeInclusive;
use tiff::decoder::Decoder;
use tiff::tags::Tag;

/// Plausible pixel sizes of microscope images, in µm. Anything larger is the resolution of a printer or screen (72 dots
/// per inch are 353 µm each), even if ImageJ has adopted it.
const MICROSCOPES: RangeInclusive<f64> = 1e-3..=2.0;
/// Number of bytes of a description that are read. OME-XML describes every plane, but the pixel size comes first.
const DESCRIPTION: usize = 1 << 16;

/// Micrometres per pixel as stated in a TIFF file: in OME-XML, in ImageJ's description, or as TIFF resolution. `None`
/// for other formats, if nothing is stated, and if pixels are not square.
pub fn um_per_px(bytes: &[u8]) -> Option<f64> {
    let [x, y] = pixel(bytes)?;
    possible(x).filter(|_| is_square(x, y))
}

/// A sentence for the user, without semicolons, if the scale that a file states is not used because pixels are not square.
pub fn oblong(bytes: &[u8]) -> Option<String> {
    let [x, y] = pixel(bytes)?;
    let (x, y) = possible(x).zip(possible(y)).filter(|_| !is_square(x, y))?;
    Some(format!(
        "the file states pixels that are not square ({x:.3} x {y:.3} µm), so its scale is not used: resample the image, or \
         give the scale by hand if the file is wrong"
    ))
}

/// Width and height of a pixel in µm, whatever they are.
fn pixel(bytes: &[u8]) -> Option<[f64; 2]> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    // As bytes, not as a string: the standard says ASCII, but UTF-8 and Latin-1 occur.
    let mut description = vec![0; DESCRIPTION];
    let length =
        decoder.image_ifd().find_tag_bytes(Tag::ImageDescription, &mut description, 0).ok().flatten();
    description.truncate(length.unwrap_or(0));
    let description = String::from_utf8_lossy(&description);
    let mut tag = |tag| decoder.find_tag(tag).ok().flatten();
    if ["<OME", ":OME"].iter().any(|root| description.contains(root)) {
        return ome(&description);
    }
    let mut density = |name| {
        let value = tag(name)?.into_u32_vec().ok()?;
        let &[pixels, units] = &value[..] else { return None };
        Some(f64::from(pixels) / f64::from(units))
    };
    let densities = [density(Tag::XResolution)?, density(Tag::YResolution)?];
    let unit = if description.starts_with("ImageJ=") {
        micrometres(description.lines().find_map(|line| line.strip_prefix("unit="))?)?
    } else {
        // TIFF 6.0, ResolutionUnit: 1 none, 2 inch (the default), 3 centimetre.
        match tag(Tag::ResolutionUnit).and_then(|value| value.into_u16().ok()) {
            None | Some(2) => 25_400.0,
            Some(3) => 10_000.0,
            Some(_) => return None,
        }
    };
    Some(densities.map(|density| unit / density))
}

/// Pixel size of the first image in OME-XML (OME data model 2016-06: micrometres if no unit is given).
fn ome(xml: &str) -> Option<[f64; 2]> {
    // The tag may have a namespace prefix.
    let start = ["<Pixels", ":Pixels"].iter().filter_map(|name| xml.find(name)).min()?;
    let pixels = &xml[start..];
    let pixels = &pixels[..pixels.find('>')?];
    let attribute = |name: &str| {
        let named = pixels.match_indices(name).filter_map(|(at, _)| {
            let value = pixels[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let alone = pixels[..at].ends_with(char::is_whitespace);
            alone.then(|| value[1..].split_once(quote))?
        });
        named.map(|(value, _)| value).next()
    };
    let size = |axis: &str| {
        let size: f64 = attribute(&format!("PhysicalSize{axis}"))?.trim().parse().ok()?;
        Some(size * micrometres(attribute(&format!("PhysicalSize{axis}Unit")).unwrap_or("um"))?)
    };
    Some([size("X")?, size("Y")?])
}

/// Size of a unit of length in micrometres.
fn micrometres(unit: &str) -> Option<f64> {
    Some(match unit.trim() {
        "micron" | "microns" | "um" => 1.0,
        // ImageJ's escape, XML's escapes, micro sign, Greek letter mu, and a byte that was not valid UTF-8.
        "\\u00B5m" | "&#181;m" | "&#xB5;m" | "\u{b5}m" | "\u{3bc}m" | "\u{fffd}m" => 1.0,
        "nm" => 1e-3,
        "mm" => 1e3,
        "cm" => 1e4,
        "m" => 1e6,
        "inch" | "in" => 25_400.0,
        _ => return None,
    })
}

/// Whether two lengths are equal up to rounding.
fn is_square(x: f64, y: f64) -> bool {
    (x / y - 1.0).abs() < 0.01
}

fn possible(um: f64) -> Option<f64> {
    MICROSCOPES.contains(&um).then_some(um)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail that way")]

    use super::*;
    use tiff::encoder::{Rational, TiffEncoder, colortype};
    use tiff::tags::ResolutionUnit;

    /// The pixel size read from a file with this description and density (pixels per unit).
    fn told(description: impl AsRef<[u8]>, density: [(u32, u32); 2], unit: ResolutionUnit) -> Option<f64> {
        um_per_px(&file(description, density, unit))
    }

    fn file(description: impl AsRef<[u8]>, density: [(u32, u32); 2], unit: ResolutionUnit) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut encoder = TiffEncoder::new(&mut bytes).unwrap();
        let mut image = encoder.new_image::<colortype::Gray8>(2, 1).unwrap();
        image.resolution_unit(unit);
        let [x, y] = density.map(|(n, d)| Rational { n, d });
        image.x_resolution(x);
        image.y_resolution(y);
        image.encoder().write_tag(Tag::ImageDescription, description.as_ref()).unwrap();
        image.write_data(&[0, 1]).unwrap();
        bytes.into_inner()
    }

    fn near(found: Option<f64>, wanted: f64) -> bool {
        found.is_some_and(|found| (found / wanted - 1.0).abs() < 1e-6)
    }

    #[test]
    fn imagej_names_its_unit() {
        for unit in ["micron", "um", "\\u00B5m", "µm"] {
            let description = format!("ImageJ=1.54f\nunit={unit}\nmin=0\n");
            let found = told(description, [(8_000_000, 1_000_000); 2], ResolutionUnit::None);
            assert!(near(found, 0.125), "{unit}: {found:?}");
        }
        assert!(near(told(b"ImageJ=1.47\nunit=\xb5m\n", [(8, 1); 2], ResolutionUnit::None), 0.125));
        assert!(near(told("ImageJ=1.54f\nunit=nm\n", [(1, 65); 2], ResolutionUnit::None), 0.065));
        assert!(near(told("ImageJ=1.54f\nunit=cm\n", [(80_000, 1); 2], ResolutionUnit::Centimeter), 0.125));
        // Adopted from a screen's or printer's file.
        assert_eq!(told("ImageJ=1.54f\nunit=inch\n", [(96, 1); 2], ResolutionUnit::Inch), None);
        assert_eq!(told("ImageJ=1.54f\nunit=pixel\n", [(8, 1); 2], ResolutionUnit::None), None);
        assert_eq!(told("ImageJ=1.54f\n", [(72, 1); 2], ResolutionUnit::Inch), None);
    }

    #[test]
    fn ome_names_the_size() {
        let with = |attributes: &str| {
            let xml = format!(
                "<?xml version=\"1.0\"?><OME><Image><Pixels ID=\"Pixels:0\" {attributes}><Channel/></Pixels></Image></OME>"
            );
            told(xml, [(72, 1); 2], ResolutionUnit::Inch)
        };
        assert!(near(with("PhysicalSizeX=\"0.11\" PhysicalSizeY=\"0.11\""), 0.11));
        let nanometres = "PhysicalSizeX=\"110\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"0.11\" PhysicalSizeYUnit=\"&#181;m\"";
        assert!(near(with(nanometres), 0.11));
        assert!(near(with("\n\tPhysicalSizeY = '0.11'\n\tPhysicalSizeX='0.11'"), 0.11));
        let prefixed = "<ome:OME><ome:Image><ome:Pixels PhysicalSizeX=\"0.11\" PhysicalSizeY=\"0.11\"/>";
        assert!(near(told(prefixed, [(72, 1); 2], ResolutionUnit::Inch), 0.11));
        assert_eq!(with("PhysicalSizeX=\"0.11\" PhysicalSizeY=\"0.2\""), None);
        assert_eq!(with("PhysicalSizeX=\"0.11\""), None);
        assert_eq!(with("PhysicalSizeX=\"1\" PhysicalSizeY=\"1\" PhysicalSizeXUnit=\"pixel\""), None);
        assert_eq!(with("SizeX=\"2\""), None);
    }

    #[test]
    fn a_scale_that_is_not_used_is_told() {
        let oblong =
            |description: &str, density| oblong(&file(description, density, ResolutionUnit::Centimeter));
        let ome = |y: f64| format!("<OME><Pixels PhysicalSizeX=\"0.2\" PhysicalSizeY=\"{y}\"/></OME>");
        let told = oblong(&ome(0.4), [(1, 1); 2]).unwrap();
        assert!(told.contains("(0.200 x 0.400 µm)") && !told.contains(';'), "{told}");
        assert!(oblong("ImageJ=1.54f\nunit=micron\n", [(8, 1), (4, 1)]).is_some());
        assert!(oblong("", [(100_000, 1), (50_000, 1)]).is_some());
        assert_eq!(oblong(&ome(0.2), [(1, 1); 2]), None);
        // A fax, and nothing.
        assert_eq!(oblong("", [(80, 1), (39, 1)]), None);
        assert_eq!(oblong("", [(0, 1), (1, 0)]), None);
        assert_eq!(super::oblong(b"no TIFF"), None);
    }

    #[test]
    fn a_resolution_is_believed_where_it_may_be_a_microscopes() {
        assert!(near(told("Camera", [(100_000, 1); 2], ResolutionUnit::Centimeter), 0.1));
        assert!(near(told("", [(254_000, 1); 2], ResolutionUnit::Inch), 0.1));
        for dots in [1, 72, 96, 300, 4800] {
            assert_eq!(told("", [(dots, 1); 2], ResolutionUnit::Inch), None, "{dots}");
        }
        assert_eq!(told("", [(100_000, 1); 2], ResolutionUnit::None), None);
        assert_eq!(told("", [(100_000, 1), (50_000, 1)], ResolutionUnit::Centimeter), None);
        for nothing in [(0, 1), (1, 0), (0, 0)] {
            assert_eq!(told("", [nothing; 2], ResolutionUnit::Centimeter), None);
        }
        assert_eq!(um_per_px(b"no TIFF"), None);
    }
}
