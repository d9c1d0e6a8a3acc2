//! The files that `trainer predict` writes for each image: their names, what they hold, and how they are recognised.

use crate::cli::PredictArgs;
use crate::files::{remove, write_whole};
use crate::outputs::Outcome;
use crate::problem::Problem;
use crate::signature::PREDICT;
use rbc_model::cells::Cells;
use rbc_model::{Error, RgbImage, export};
use std::path::{Path, PathBuf};

/// What is appended to an image's stem.
const MASK: &str = ".mask.png";
const LABELS: &str = ".labels.png";
const OVERLAY: &str = ".overlay.png";
const CELLS: &str = ".cells.csv";
const GEOJSON: &str = ".geojson";
const ROIS: &str = ".rois.zip";

/// All of them. If a folder has two such files of one stem, they are results and not images to segment.
pub const SUFFIXES: [&str; 6] = [MASK, LABELS, OVERLAY, CELLS, GEOJSON, ROIS];

/// Those that tell by a mark in the file that this program made them.
pub const MARKED: [&str; 2] = [MASK, LABELS];

/// Where a result lies.
pub fn result(out: &Path, stem: &str, suffix: &str) -> PathBuf {
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

/// The stem of a file that is named like a result.
pub fn named_as_result(name: &str) -> Option<&str> {
    SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix))
}

/// Whether a file is a result: another result of the same stem lies beside it.
pub fn is_result(folder: &Path, name: &str) -> bool {
    named_as_result(name).is_some_and(|stem| results(folder, stem).len() > 1)
}

/// The files in a folder that are named like the results of one image.
fn results(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let paths = SUFFIXES.iter().map(|suffix| result(folder, stem, suffix));
    paths.filter(|path| path.is_file()).collect()
}

/// Writes the results of the image with this path and stem in place of an earlier run's. One that can't be written does
/// not stop the others, except the mask.
pub fn write(
    args: &PredictArgs,
    (path, stem): (&Path, &str),
    image: &RgbImage,
    cells: &Cells,
    outcome: &mut Outcome,
) {
    let save = |suffix: &str, bytes: Result<Vec<u8>, Error>| {
        let bytes = bytes.map_err(|error| Problem::model(path, error))?;
        write_whole(&result(&args.out, stem, suffix), &bytes)
    };
    // The mask is there at all times, even if the run is killed here: by its mark the files beside it are known as ours.
    if let Err(problem) = save(MASK, export::mask_png(&cells.labels.mask()).map(|png| PREDICT.sign(png))) {
        outcome.problems.push(problem);
        return clear(args, stem, outcome);
    }
    clear_beside_mask(args, stem, outcome);
    let mut save = |suffix: &str, bytes| outcome.problems.extend(save(suffix, bytes).err());
    save(LABELS, export::labels_png(&cells.labels).map(|png| PREDICT.sign(png)));
    save(CELLS, export::cells_csv(cells).map(String::into_bytes));
    save(OVERLAY, export::overlay_png(image, &cells.labels));
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

/// A file in `out` that the results of this stem, with these suffixes, would overwrite and that this program may not have
/// made: a mask or labels without its mark, perhaps corrected by hand, or another file without such a mask or labels
/// beside it.
pub fn foreign(out: &Path, stem: &str, suffixes: &[&str]) -> Option<PathBuf> {
    let there = |suffixes: &[&str]| -> Vec<PathBuf> {
        suffixes.iter().map(|suffix| result(out, stem, suffix)).filter(|path| path.exists()).collect()
    };
    let marked = there(&MARKED);
    let all = if marked.is_empty() { there(suffixes) } else { marked };
    all.into_iter().find(|path| !PREDICT.is_on(path))
}
