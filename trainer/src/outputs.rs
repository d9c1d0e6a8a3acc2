//! The files that `trainer predict` leaves for each image.

use crate::cli::PredictArgs;
use crate::files::{remove, write_whole};
use crate::inputs::{Input, foreign_mask, results};
use crate::problem::Problem;
use rbc_model::cells::{Cells, Summary};
use rbc_model::{Error, RgbImage, export};
use std::path::Path;

/// Writes the results of one image next to each other. What cannot be written does not stop the rest.
pub fn write(args: &PredictArgs, input: &Input, image: &RgbImage, cells: &Cells) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut save = |suffix: &str, bytes: Result<Vec<u8>, Error>| {
        let path = args.out.join(format!("{}{suffix}", input.stem));
        let written = bytes
            .map_err(|error| Problem::model(&input.path, error))
            .and_then(|bytes| write_whole(&path, &bytes));
        problems.extend(written.err());
    };
    save(".labels.png", export::labels_png(&cells.labels));
    save(".cells.csv", export::cells_csv(cells).map(String::into_bytes));
    save(".overlay.png", export::overlay_png(image, &cells.labels));
    if args.geojson {
        save(".geojson", export::geojson(cells).map(String::into_bytes));
    }
    if args.rois {
        save(".rois.zip", export::roi_zip(cells));
    }
    // Last: alone, where a run is cut off, it would pass for one drawn by hand.
    save(".mask.png", export::mask_png(&cells.labels.mask()));
    problems
}

/// Takes the results of an earlier run away: where the image can't be segmented, or an option is not given any more, they
/// would pass for this one's. A mask that lies there alone may be drawn by hand.
pub fn clear(out: &Path, stem: &str) -> Result<(), Problem> {
    match foreign_mask(out, stem) {
        Some(_) => Ok(()),
        None => results(out, stem).iter().try_for_each(|path| remove(path)),
    }
}

/// An image that was segmented: its line in `summary.csv`.
pub struct Row {
    pub stem: String,
    pub summary: Summary,
    pub warnings: Vec<String>,
}

/// Takes the `summary.csv` of an earlier run away: where this one is cut off, it would pass for this one's.
pub fn clear_summary(out: &Path) -> Result<(), Problem> {
    remove(&out.join("summary.csv"))
}

/// Writes `summary.csv`, a line for each image that was segmented.
pub fn write_summary(out: &Path, rows: &[Row]) -> Result<(), Problem> {
    let path = out.join("summary.csv");
    let lines = rows.iter().map(|row| (row.stem.as_str(), &row.summary, &row.warnings[..]));
    let table = export::summary_csv(lines).map_err(|error| Problem::model(&path, error))?;
    write_whole(&path, table.as_bytes())
}

/// What was done, for the terminal.
pub fn sentence(rows: &[Row], out: &Path) -> String {
    let cells: usize = rows.iter().map(|row| row.summary.count).sum();
    let images = if rows.len() == 1 { "1 image".to_string() } else { format!("{} images", rows.len()) };
    format!("{images}, {cells} cells, in {}", out.display())
}
