//! The files that `trainer predict` writes for each image.

use crate::cli::PredictArgs;
use crate::files::{file_name, remove, write_whole};
use crate::inputs::{Input, results};
use crate::problem::Problem;
use crate::say::plural;
use rbc_model::cells::{Cells, Summary};
use rbc_model::export::{self, SummaryRow};
use rbc_model::{Error, RgbImage};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Writes the results of one image. A file that can't be written does not stop the others.
pub fn write(args: &PredictArgs, input: &Input, image: &RgbImage, cells: &Cells) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut save = |suffix: &str, bytes: Result<Vec<u8>, Error>| {
        let path = args.out.join(format!("{}{suffix}", input.stem));
        let written = bytes
            .map_err(|error| Problem::model(&input.path, error))
            .and_then(|bytes| write_whole(&path, &bytes));
        problems.extend(written.err());
    };
    save(".labels.png", export::labels_png(&cells.labels).map(signed));
    save(".cells.csv", export::cells_csv(cells).map(String::into_bytes));
    save(".overlay.png", export::overlay_png(image, &cells.labels));
    if args.geojson {
        save(".geojson", export::geojson(cells).map(String::into_bytes));
    }
    if args.rois {
        save(".rois.zip", export::roi_zip(cells));
    }
    save(".mask.png", export::mask_png(&cells.labels.mask()).map(signed));
    problems
}

/// Removes the results of an earlier run: if the image can't be segmented, they would be taken for this run's. Optional
/// files that are not asked for now may be someone's own; they are kept, and a note is returned for each.
pub fn clear(args: &PredictArgs, stem: &str) -> Result<Vec<Problem>, Problem> {
    let kept: Vec<&str> = [(args.geojson, ".geojson"), (args.rois, ".rois.zip")]
        .into_iter()
        .filter_map(|(asked, suffix)| (!asked).then_some(suffix))
        .collect();
    let mut notes = Vec::new();
    for path in results(&args.out, stem) {
        if kept.iter().any(|suffix| file_name(&path) == format!("{stem}{suffix}")) {
            notes.push(Problem::new(&path, "kept: it may be your own, or of an earlier run"));
        } else {
            remove(&path)?;
        }
    }
    Ok(notes)
}

/// A PNG text chunk (tEXt) that marks masks and labels as made by this program, so that it recognises them later.
const MADE: &[u8] = b"Software\0trainer predict";
/// Length in bytes of a PNG's signature and first chunk.
const HEADER: usize = 33;

/// Adds [`MADE`] to a PNG.
fn signed(mut png: Vec<u8>) -> Vec<u8> {
    let chunk = [b"tEXt", MADE].concat();
    let length = (MADE.len() as u32).to_be_bytes();
    let sum = crc32fast::hash(&chunk).to_be_bytes();
    png.splice(HEADER..HEADER, [length.as_slice(), &chunk, &sum].concat());
    png
}

/// A mask or label image of this name in `out` that this program did not make: perhaps drawn or corrected by hand.
pub fn foreign(out: &Path, stem: &str) -> Option<PathBuf> {
    let files = [".mask.png", ".labels.png"].map(|suffix| out.join(format!("{stem}{suffix}")));
    files.into_iter().find(|path| path.exists() && !is_signed(path))
}

fn is_signed(path: &Path) -> bool {
    let mut head = [0; HEADER + 12 + MADE.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[HEADER + 8..].starts_with(MADE)
}

/// A segmented image: its line in `summary.csv`.
pub struct Row {
    pub stem: String,
    pub summary: Summary,
    pub warnings: Vec<String>,
    /// The path as it was given.
    pub file: PathBuf,
}

/// Removes the `summary.csv` of an earlier run: if this run is interrupted, it would be taken for this one's.
pub fn clear_summary(out: &Path) -> Result<(), Problem> {
    remove(&out.join("summary.csv"))
}

/// Writes `summary.csv`, a line for each segmented image.
pub fn write_summary(out: &Path, rows: &[Row]) -> Result<(), Problem> {
    let path = out.join("summary.csv");
    let files: Vec<String> = rows.iter().map(|row| row.file.display().to_string()).collect();
    let lines = rows.iter().zip(&files).map(|(row, file)| SummaryRow {
        name: &row.stem,
        summary: &row.summary,
        warnings: &row.warnings,
        file,
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
