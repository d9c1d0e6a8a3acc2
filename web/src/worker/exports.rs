//! The files of one image, under the names and in the form that `trainer predict` gives them.

use super::desk::Open;
use rbc_model::cells::Cells;
use rbc_model::{Error, export};

pub struct File {
    pub ending: &'static str,
    pub mime: &'static str,
    pub bytes: Vec<u8>,
}

/// All kinds, in the order in which a zip holds them.
pub const KINDS: [&str; 6] = ["mask", "labels", "overlay", "csv", "geojson", "roi"];

/// Makes one file of the open image.
///
/// # Errors
/// Where there is no result yet, or it does not fit the format.
pub fn make(open: &Open, what: &str) -> Result<File, Error> {
    let cells =
        open.counted().ok_or_else(|| Error::Export(format!("there is no result yet: {}", open.name)))?;
    of(open, &cells, what)
}

pub fn of(open: &Open, cells: &Cells, what: &str) -> Result<File, Error> {
    let (ending, mime, bytes) = match what {
        "mask" => ("mask.png", "image/png", export::mask_png(&cells.labels.mask())?),
        "labels" => ("labels.png", "image/png", export::labels_png(&cells.labels)?),
        "overlay" => ("overlay.png", "image/png", export::overlay_png(&open.image, &cells.labels)?),
        "csv" => ("cells.csv", "text/csv", export::cells_csv(cells)?.into_bytes()),
        "geojson" => ("geojson", "application/geo+json", export::geojson(cells)?.into_bytes()),
        "roi" => ("rois.zip", "application/zip", export::roi_zip(cells)?),
        other => return Err(Error::Export(format!("no such export: {other}"))),
    };
    Ok(File { ending, mime, bytes })
}
