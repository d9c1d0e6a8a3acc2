//! The output files of one image, with the same names and formats as those of `trainer predict`.

use super::desk::Open;
use rbc_model::cells::Cells;
use rbc_model::{Error, export};

/// A kind of output file.
pub struct Kind {
    /// The name by which the page requests it.
    pub what: &'static str,
    pub ending: &'static str,
    pub mime: &'static str,
}

const fn kind(what: &'static str, ending: &'static str, mime: &'static str) -> Kind {
    Kind { what, ending, mime }
}

/// All kinds, in the order in which they appear in a zip.
pub const KINDS: [Kind; 6] = [
    kind("mask", "mask.png", "image/png"),
    kind("labels", "labels.png", "image/png"),
    kind("overlay", "overlay.png", "image/png"),
    kind("csv", "cells.csv", "text/csv"),
    kind("geojson", "geojson", "application/geo+json"),
    kind("roi", "rois.zip", "application/zip"),
];

/// Makes one file of the open image.
///
/// # Errors
///
/// [`Error::Export`] if there is no result yet, or it does not fit the format.
pub fn make(open: &Open, what: &str) -> Result<(&'static Kind, Vec<u8>), Error> {
    let cells =
        open.counted().ok_or_else(|| Error::Export(format!("there is no result yet: {}", open.name)))?;
    let kind = KINDS.iter().find(|kind| kind.what == what);
    let kind = kind.ok_or_else(|| Error::Export(format!("no such export: {what}")))?;
    Ok((kind, kind.bytes(open, &cells)?))
}

impl Kind {
    /// The file's content.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the result does not fit the format.
    pub fn bytes(&self, open: &Open, cells: &Cells) -> Result<Vec<u8>, Error> {
        Ok(match self.what {
            "mask" => export::mask_png(&cells.labels.mask())?,
            "labels" => export::labels_png(&cells.labels)?,
            "overlay" => export::overlay_png(&open.image, &cells.labels)?,
            "csv" => export::cells_csv(cells)?.into_bytes(),
            "geojson" => export::geojson(cells)?.into_bytes(),
            _ => export::roi_zip(cells)?,
        })
    }
}
