//! The files and folders of a training run; docs/FILES.md says what is in them.

use crate::files::{remove, sweep};
use crate::problem::Problem;
use std::path::{Path, PathBuf};

/// The final weights; in the folder of a fold, those of the fold.
pub const WEIGHTS: &str = "rbc.safetensors";
/// The model card of the final weights.
pub const CARD: &str = "rbc.json";
/// The names of the images of each fold.
pub const SPLITS: &str = "splits.json";
/// The figures of all folds.
pub const CROSS_VALIDATION: &str = "cross-validation.json";
pub const REPORT: &str = "report.html";
/// The learning curve of a fold or of the final network.
pub const HISTORY: &str = "history.csv";
/// The figures of a fold, the last file that it writes.
pub const FIGURES: &str = "validation.json";

const FOLD: &str = "fold-";
const FINAL: &str = "final";

/// `OUT/fold-K`
pub fn fold_folder(out: &Path, fold: usize) -> PathBuf {
    out.join(format!("{FOLD}{fold}"))
}

/// `OUT/final`, the folder of the network trained on all images.
pub fn final_folder(out: &Path) -> PathBuf {
    out.join(FINAL)
}

/// Whether a folder's name is that of a fold or of the final network.
pub fn is_fit(name: &str) -> bool {
    let number = name.strip_prefix(FOLD);
    name == FINAL || number.is_some_and(|number| number.parse::<usize>().is_ok())
}

/// The folder, within that of a fold, of the pictures for the report.
pub fn overlays(fold: &Path) -> PathBuf {
    fold.join("overlays")
}

/// The picture of one image, drawn by `compare::panels`.
pub fn overlay(fold: &Path, name: &str) -> PathBuf {
    overlays(fold).join(format!("{name}.png"))
}

/// The pictures that a fold has.
pub fn pictures(fold: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(overlays(fold)).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "png"))
        .collect()
}

/// Removes the pictures of an earlier run, and their folder unless it holds something else.
///
/// # Errors
/// If one of them can't be removed.
pub fn clear_overlays(fold: &Path) -> Result<(), Problem> {
    let folder = overlays(fold);
    sweep(&folder)?;
    pictures(fold).iter().try_for_each(|picture| remove(picture))?;
    // Fails, and leaves the folder, if it holds files that are not ours.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}
