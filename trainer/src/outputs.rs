//! What became of the images of `trainer predict`, and the table of all of them.

use crate::files::{refuse_foreign, remove, write_whole};
use crate::problem::Problem;
use crate::say::plural;
use rbc_model::cells::Summary;
use rbc_model::export::{self, Made, SummaryRow};
use std::path::{Path, PathBuf};

/// What became of an image.
#[derive(Default)]
pub struct Outcome {
    pub notes: Vec<Problem>,
    /// `None` if it could not be segmented.
    pub row: Option<Row>,
    /// Why it could not be segmented, or results could not be written.
    pub problems: Vec<Problem>,
}

/// A segmented image: its line in `summary.csv`.
pub struct Row {
    pub stem: String,
    pub summary: Summary,
    pub warnings: Vec<String>,
    /// The path as it was given.
    pub file: PathBuf,
}

/// The first columns of every `summary.csv`, also of those of earlier versions.
const COLUMNS: &str = "name,width,height,cells,cells_whole,cells_per_megapixel,";

/// Removes the `summary.csv` of an earlier run: if this run is interrupted, it would be taken for this one's.
///
/// # Errors
/// If it has other columns, so that it is someone else's, or can't be removed.
pub fn clear_summary(out: &Path) -> Result<(), Problem> {
    let path = out.join("summary.csv");
    refuse_foreign(&path, |path| {
        std::fs::read(path).is_ok_and(|table| table.starts_with(COLUMNS.as_bytes()))
    })?;
    remove(&path)
}

/// Writes `summary.csv`, a line for each segmented image.
pub fn write_summary(out: &Path, rows: &[Row], made: Made) -> Result<(), Problem> {
    let path = out.join("summary.csv");
    let files: Vec<String> = rows.iter().map(|row| row.file.display().to_string()).collect();
    let lines = rows.iter().zip(&files).map(|(row, file)| SummaryRow {
        name: &row.stem,
        summary: &row.summary,
        warnings: &row.warnings,
        file,
        made,
    });
    let table = export::summary_csv(lines).map_err(|error| Problem::model(&path, error))?;
    write_whole(&path, table.as_bytes())
}

/// A summary for the terminal.
pub fn sentence(rows: &[Row], out: &Path) -> String {
    let cells: usize = rows.iter().map(|row| row.summary.count).sum();
    let (images, cells) = (plural(rows.len(), "image", "images"), plural(cells, "cell", "cells"));
    format!("{images}, {cells}, in {}", out.display())
}
