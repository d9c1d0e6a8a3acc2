//! What an earlier run left in the folder.

use crate::checkpoint;
use crate::cli::TrainArgs;
use crate::problem::Problem;
use crate::report::fold_folder;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Takes away what an earlier run left in the folder: until this one has written its own, it would pass for this one's.
pub fn clear(args: &TrainArgs) -> Result<()> {
    if let Some(fold) = args.fold {
        return checkpoint::clear(&fold_folder(&args.out, fold));
    }
    for folder in fits(&args.out)? {
        checkpoint::clear(&folder)?;
    }
    for name in ["cross-validation.json", "report.html", "rbc.safetensors", "rbc.json"] {
        let path = args.out.join(name);
        if path.exists() {
            std::fs::remove_file(&path)
                .map_err(|error| Problem::io(&path, "cannot take away the earlier run's", &error))?;
        }
    }
    Ok(())
}

/// The folders of the folds and of the final network that lie in `out`.
fn fits(out: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(out).map_err(|error| Problem::io(out, "cannot list", &error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "final" || name.starts_with("fold-")
        })
        .collect())
}
