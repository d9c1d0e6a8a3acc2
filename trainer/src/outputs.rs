//! The files that `trainer predict` writes for each image.

use crate::cli::PredictArgs;
use crate::files::{refuse_foreign, remove, write_whole};
use crate::inputs::{Input, SUFFIXES};
use crate::problem::Problem;
use crate::say::plural;
use rbc_model::cells::{Cells, Summary};
use rbc_model::export::{self, SummaryRow};
use rbc_model::{Error, RgbImage};
use std::fs::File;
use std::io::Read;
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

const MASK: &str = ".mask.png";
const LABELS: &str = ".labels.png";
const GEOJSON: &str = ".geojson";
const ROIS: &str = ".rois.zip";

fn result(out: &Path, stem: &str, suffix: &str) -> PathBuf {
    out.join(format!("{stem}{suffix}"))
}

/// The suffixes of the results that were asked for.
pub fn suffixes(args: &PredictArgs) -> Vec<&'static str> {
    let asked = |suffix: &str| match suffix {
        GEOJSON => args.geojson,
        ROIS => args.rois,
        _ => true,
    };
    SUFFIXES.into_iter().filter(|suffix| asked(suffix)).collect()
}

/// Writes the results of one image in place of an earlier run's. One that can't be written does not stop the others,
/// except the mask.
pub fn write(args: &PredictArgs, input: &Input, image: &RgbImage, cells: &Cells, outcome: &mut Outcome) {
    let save = |suffix: &str, bytes: Result<Vec<u8>, Error>| {
        let bytes = bytes.map_err(|error| Problem::model(&input.path, error))?;
        write_whole(&result(&args.out, &input.stem, suffix), &bytes)
    };
    // The mask is there at all times, even if the run is killed here: by its mark the files beside it are known as ours.
    if let Err(problem) = save(MASK, export::mask_png(&cells.labels.mask()).map(signed)) {
        outcome.problems.push(problem);
        return clear(args, &input.stem, outcome);
    }
    clear_beside_mask(args, &input.stem, outcome);
    let mut save = |suffix: &str, bytes| outcome.problems.extend(save(suffix, bytes).err());
    save(LABELS, export::labels_png(&cells.labels).map(signed));
    save(".cells.csv", export::cells_csv(cells).map(String::into_bytes));
    save(".overlay.png", export::overlay_png(image, &cells.labels));
    if args.geojson {
        save(GEOJSON, export::geojson(cells).map(String::into_bytes));
    }
    if args.rois {
        save(ROIS, export::roi_zip(cells));
    }
}

/// Removes the results of an earlier run for an image that can't be segmented: they would be taken for this run's.
pub fn clear(args: &PredictArgs, stem: &str, outcome: &mut Outcome) {
    clear_beside_mask(args, stem, outcome);
    outcome.problems.extend(remove(&result(&args.out, stem, MASK)).err());
}

/// Removes the other results. Optional files that are not asked for now may be someone's own; they are kept, with a note.
fn clear_beside_mask(args: &PredictArgs, stem: &str, outcome: &mut Outcome) {
    let asked = suffixes(args);
    for suffix in SUFFIXES.iter().filter(|suffix| **suffix != MASK) {
        let path = result(&args.out, stem, suffix);
        if !path.is_file() {
            continue;
        }
        if asked.contains(suffix) {
            outcome.problems.extend(remove(&path).err());
        } else {
            outcome.notes.push(Problem::new(&path, "kept: it may be your own, or of an earlier run"));
        }
    }
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

/// A file in `out` that the results of this stem, with these suffixes, would overwrite and that this program may not have
/// made: a mask or labels without its mark, perhaps corrected by hand, or another file without such a mask or labels
/// beside it.
pub fn foreign(out: &Path, stem: &str, suffixes: &[&str]) -> Option<PathBuf> {
    let there = |suffixes: &[&str]| -> Vec<PathBuf> {
        suffixes.iter().map(|suffix| result(out, stem, suffix)).filter(|path| path.exists()).collect()
    };
    let marked = there(&[MASK, LABELS]);
    let all = if marked.is_empty() { there(suffixes) } else { marked };
    all.into_iter().find(|path| !is_signed(path))
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
///
/// # Errors
/// If it has other columns, so that it is someone else's, or can't be removed.
pub fn clear_summary(out: &Path) -> Result<(), Problem> {
    let path = out.join("summary.csv");
    let header = export::summary_csv([]).map_err(|error| Problem::model(&path, error))?;
    refuse_foreign(&path, |path| {
        std::fs::read(path).is_ok_and(|table| table.starts_with(header.as_bytes()))
    })?;
    remove(&path)
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
