//! The output files of one image, with the same names and formats as those of `trainer predict`.

use super::desk::Open;
use crate::message::Product;
use rbc_model::cells::Cells;
use rbc_model::{Error, export};

/// Makes one file of the open image.
///
/// # Errors
///
/// [`Error::Export`] if there is no result yet, or it does not fit the format.
pub fn make(open: &Open, what: Product) -> Result<Vec<u8>, Error> {
    let cells =
        open.counted().ok_or_else(|| Error::Export(format!("there is no result yet: {}", open.name)))?;
    what.bytes(open, &cells)
}

impl Product {
    /// What follows the base name and a point in the file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Mask => "mask.png",
            Self::Labels => "labels.png",
            Self::Overlay => "overlay.png",
            Self::Csv => "cells.csv",
            Self::Geojson => "geojson",
            Self::Roi => "rois.zip",
        }
    }

    pub fn mime(self) -> &'static str {
        match self {
            Self::Mask | Self::Labels | Self::Overlay => "image/png",
            Self::Csv => "text/csv",
            Self::Geojson => "application/geo+json",
            Self::Roi => "application/zip",
        }
    }

    /// The file's content.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the result does not fit the format.
    pub fn bytes(self, open: &Open, cells: &Cells) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Mask => export::mask_png(&cells.labels.mask())?,
            Self::Labels => export::labels_png(&cells.labels)?,
            Self::Overlay => export::overlay_png(&open.image, &cells.labels)?,
            Self::Csv => export::cells_csv(cells)?.into_bytes(),
            Self::Geojson => export::geojson(cells)?.into_bytes(),
            Self::Roi => export::roi_zip(cells)?,
        })
    }
}
