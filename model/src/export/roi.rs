//! Outlines as ImageJ regions of interest (ROIs).
//!
//! The format is documented by ImageJ's sources, `ij/io/RoiDecoder.java` and `RoiEncoder.java`. All numbers are
//! big-endian. A header of 64 bytes starts with "Iout". Then come the points, all x before all y, relative to the
//! bounding box, or, for a region with holes, the segments of its path. A second header of 64 bytes gives the position
//! of the name.

use super::archive::Archive;
use crate::Error;
use crate::cells::{Cells, outlines};

/// The first format version that supports names.
const VERSION: u16 = 227;
/// ROI type of a traced outline, as the magic wand creates it: a polygon along pixel corners.
const TRACED: u8 = 8;
/// ROI type that ImageJ reads as a composite region if the length of the path is not zero.
const COMPOSITE: u8 = 1;
/// Segment types of a path, as in `java.awt.geom.PathIterator`.
const MOVE: f32 = 0.0;
const LINE: f32 = 1.0;
const CLOSE: f32 = 4.0;
/// Largest coordinate: the fields have 16 bits, of which ImageJ reads the highest values, from -5000 on, as negative.
const MOST: u32 = 60_535;

/// One `.roi` file: a traced polygon, or a composite region if there are holes. `rings` starts with the outer outline;
/// points are in image pixels with the origin at the top left.
///
/// # Errors
///
/// [`Error::Export`] if there are no points, more than 65 535 points in a single outline, or coordinates above 60 535,
/// which the format cannot represent.
pub fn roi_bytes(name: &str, rings: &[Vec<[u32; 2]>]) -> Result<Vec<u8>, Error> {
    let outer = rings.first().map_or(&[][..], Vec::as_slice);
    let span = |axis: usize| {
        let values = outer.iter().map(|point| point[axis]);
        values.clone().min().zip(values.max())
    };
    let (Some((left, right)), Some((top, bottom))) = (span(0), span(1)) else {
        return Err(Error::Export(format!("{name}: an ImageJ region needs points")));
    };
    if right.max(bottom) > MOST {
        let what = format!("{name}: ImageJ regions end at pixel {MOST}; cut the image into parts");
        return Err(Error::Export(what));
    }
    let path = if rings.len() > 1 { path(rings) } else { Vec::new() };
    let (kind, points) = if path.is_empty() { (TRACED, outer) } else { (COMPOSITE, &[][..]) };
    let Ok(count) = u16::try_from(points.len()) else {
        let what =
            format!("{name}: an ImageJ region has at most {} points; cut the image into parts", u16::MAX);
        return Err(Error::Export(what));
    };
    let mut out = Vec::with_capacity(128 + 4 * points.len() + 4 * path.len() + 2 * name.len());
    out.extend(b"Iout");
    out.extend(VERSION.to_be_bytes());
    out.extend([kind, 0]);
    for side in [top, left, bottom, right] {
        out.extend((side as u16).to_be_bytes());
    }
    out.extend(count.to_be_bytes());
    // Colours, options etc. keep their defaults; offset 36 holds the length of the path in floats.
    out.resize(36, 0);
    out.extend((path.len() as u32).to_be_bytes());
    out.resize(60, 0);
    let second_header = 64 + 4 * (points.len() + path.len()) as u32;
    out.extend(second_header.to_be_bytes());
    for (axis, origin) in [(0, left), (1, top)] {
        for point in points {
            out.extend(((point[axis] - origin) as u16).to_be_bytes());
        }
    }
    out.extend(path.into_iter().flat_map(f32::to_be_bytes));
    let utf16: Vec<u16> = name.encode_utf16().collect();
    let mut header = [0u8; 64];
    // Offsets 16 and 20: position and length of the name.
    header[16..20].copy_from_slice(&(second_header + 64).to_be_bytes());
    header[20..24].copy_from_slice(&(utf16.len() as u32).to_be_bytes());
    out.extend(header);
    out.extend(utf16.into_iter().flat_map(u16::to_be_bytes));
    Ok(out)
}

/// The path segments of all outlines in image pixels, each a type and, except for closing ones, its target. ImageJ
/// fills by the even-odd rule.
fn path(rings: &[Vec<[u32; 2]>]) -> Vec<f32> {
    let mut path = Vec::new();
    for ring in rings {
        for (at, point) in ring.iter().enumerate() {
            path.extend([if at == 0 { MOVE } else { LINE }, point[0] as f32, point[1] as f32]);
        }
        path.push(CLOSE);
    }
    path
}

/// All cells as a zip of `.roi` files, which Fiji's ROI manager can open; `0001.roi` is the cell with id 1.
///
/// # Errors
///
/// As [`roi_bytes`].
pub fn roi_zip(cells: &Cells) -> Result<Vec<u8>, Error> {
    let mut archive = Archive::new();
    let digits = cells.cells.len().to_string().len().max(4);
    for cell in &cells.cells {
        let name = format!("{:0digits$}", cell.id);
        archive.add(&format!("{name}.roi"), &roi_bytes(&name, &outlines(&cells.labels, cell))?)?;
    }
    archive.bytes()
}
