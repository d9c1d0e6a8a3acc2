//! The files that `trainer predict` leaves for each image.

use crate::cli::PredictArgs;
use crate::files::{file_name, remove, write_whole};
use crate::inputs::{Input, results};
use crate::problem::Problem;
use rbc_model::cells::{Cells, Summary};
use rbc_model::export::{self, SummaryRow};
use rbc_model::{Error, RgbImage};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

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

/// Takes the results of an earlier run away: where the image can't be segmented, they would pass for this one's. What
/// may be a person's and is not written anew stays, and is told of.
pub fn clear(args: &PredictArgs, stem: &str) -> Result<Vec<Problem>, Problem> {
    let kept: Vec<&str> = [(args.geojson, ".geojson"), (args.rois, ".rois.zip")]
        .into_iter()
        .filter_map(|(asked, suffix)| (!asked).then_some(suffix))
        .collect();
    let mut notes = Vec::new();
    for path in results(&args.out, stem) {
        if kept.iter().any(|suffix| file_name(&path) == format!("{stem}{suffix}")) {
            notes.push(Problem::new(&path, "of an earlier run or of your own, left as it is"));
        } else {
            remove(&path)?;
        }
    }
    Ok(notes)
}

/// What this program says of itself in its masks and labels (PNG, chunk tEXt), so that it knows them again.
const MADE: &[u8] = b"Software\0trainer predict";
/// Where a PNG's first chunk ends.
const HEADER: usize = 33;

/// A PNG with a word on who made it.
fn signed(mut png: Vec<u8>) -> Vec<u8> {
    let chunk = [b"tEXt", MADE].concat();
    let length = (MADE.len() as u32).to_be_bytes();
    let sum = crc32fast::hash(&chunk).to_be_bytes();
    png.splice(HEADER..HEADER, [length.as_slice(), &chunk, &sum].concat());
    png
}

/// A mask or labels of this name that lie in `out` and are another's work: drawn or corrected by hand, perhaps.
pub fn foreign(out: &Path, stem: &str) -> Option<PathBuf> {
    let files = [".mask.png", ".labels.png"].map(|suffix| out.join(format!("{stem}{suffix}")));
    files.into_iter().find(|path| path.exists() && !is_signed(path))
}

fn is_signed(path: &Path) -> bool {
    let mut head = [0; HEADER + 12 + MADE.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head[HEADER + 8..].starts_with(MADE)
}

/// An image that was segmented: its line in `summary.csv`.
pub struct Row {
    pub stem: String,
    pub summary: Summary,
    pub warnings: Vec<String>,
    /// As it was given.
    pub file: PathBuf,
}

/// Takes the `summary.csv` of an earlier run away: where this one is cut off, it would pass for this one's.
pub fn clear_summary(out: &Path) -> Result<(), Problem> {
    remove(&out.join("summary.csv"))
}

/// Writes `summary.csv`, a line for each image that was segmented.
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

/// What was done, for the terminal.
pub fn sentence(rows: &[Row], out: &Path) -> String {
    let cells: usize = rows.iter().map(|row| row.summary.count).sum();
    let images = if rows.len() == 1 { "1 image".to_string() } else { format!("{} images", rows.len()) };
    let cells = if cells == 1 { "1 cell".to_string() } else { format!("{cells} cells") };
    format!("{images}, {cells}, in {}", out.display())
}
