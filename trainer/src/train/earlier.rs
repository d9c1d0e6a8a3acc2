//! Handles what an earlier run left in the output folder.

use crate::checkpoint;
use crate::cli::TrainArgs;
use crate::files::{file_name, remove, sweep};
use crate::problem::Problem;
use crate::run_files::{
    CARD, CROSS_VALIDATION, FIGURES, HISTORY, REPORT, WEIGHTS, final_folder, fold_folder, is_fit, overlays,
};
use crate::say;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// Files that are kept under another name until the new run has written its own, in case it fails before that.
const KEPT: [(&str, &str); 2] = [(WEIGHTS, "rbc.earlier.safetensors"), (CARD, "rbc.earlier.json")];

/// Refuses to start over where an earlier run was interrupted: hours of work would be lost silently. With `--resume`,
/// only notes if there is nothing to resume.
///
/// # Errors
/// If there is such a run, or the folder can't be listed.
pub fn refuse_unfinished(args: &TrainArgs) -> Result<()> {
    if args.resume {
        let fits = match args.fold {
            Some(fold) => vec![fold_folder(&args.out, fold)],
            None => fits(&args.out)?,
        };
        if fits.iter().all(|fit| checkpoint::is_finished(fit).is_none()) {
            let what = "nothing to resume here, so training starts from the beginning";
            say::err!("note: {}", Problem::new(&args.out, what));
        }
    }
    if args.resume || !args.out.is_dir() {
        return Ok(());
    }
    let (what, folder) = match args.fold {
        Some(_) if args.out.join(WEIGHTS).exists() => bail!(
            "this folder holds a finished run, whose weights and report would no longer fit its folds: choose another \
             --out, or delete the folder: {}",
            args.out.display()
        ),
        Some(fold) => {
            let folder = fold_folder(&args.out, fold);
            // Figures beside an unfinished checkpoint are those of a still earlier run.
            let finished = checkpoint::is_finished(&folder)
                .is_none_or(|finished| finished && folder.join(FIGURES).exists());
            if finished {
                return Ok(());
            }
            ("fold", folder)
        }
        None => {
            let begun = fits(&args.out)?.iter().any(|fit| checkpoint::is_finished(fit).is_some());
            if !begun || args.out.join(WEIGHTS).exists() {
                return Ok(());
            }
            ("run", args.out.clone())
        }
    };
    bail!(
        "this folder holds a {what} that was not finished: continue it with --resume, choose another --out, or delete the folder \
         with everything trained in it to start over: {}",
        folder.display()
    )
}

/// Removes partial files. A single fold leaves them: other processes may be writing beside it.
///
/// # Errors
/// If they can't be removed.
pub fn sweep_partial(args: &TrainArgs) -> Result<()> {
    if args.fold.is_none() {
        sweep(&args.out)?;
        fits(&args.out)?.iter().try_for_each(|fit| sweep(fit))?;
    }
    Ok(())
}

/// Removes what an earlier run left in the folder: it would be taken for this run's until this run has written its own.
pub fn clear(args: &TrainArgs) -> Result<()> {
    if let Some(fold) = args.fold {
        let folder = fold_folder(&args.out, fold);
        if folder.join(FIGURES).exists() {
            say::err!("the earlier fold in {} is replaced", folder.display());
        }
        return Ok(clear_fit(&folder)?);
    }
    if args.out.join(WEIGHTS).exists() {
        say::err!(
            "the earlier run in {} is replaced; its weights are kept as {} until the new ones are there",
            args.out.display(),
            KEPT[0].1
        );
    }
    for folder in fits(&args.out)? {
        // A folder called `final` may be someone else's.
        if folder != final_folder(&args.out) || checkpoint::is_finished(&folder).is_some() {
            clear_fit(&folder)?;
        }
    }
    for name in [CROSS_VALIDATION, REPORT] {
        remove(&args.out.join(name))?;
    }
    for (name, kept) in KEPT {
        let path = args.out.join(name);
        if path.exists() {
            std::fs::rename(&path, args.out.join(kept))
                .map_err(|error| Problem::io(&path, "cannot rename the earlier run's file", &error))?;
        }
    }
    Ok(())
}

/// Removes the earlier run's files that were kept until this run had written its own weights.
///
/// # Errors
/// If they can't be removed.
pub fn forget(out: &Path) -> Result<(), Problem> {
    KEPT.iter().try_for_each(|(_, kept)| remove(&out.join(kept)))
}

/// Checkpoints are removed first, so that after an interruption here there is nothing to resume from.
fn clear_fit(folder: &Path) -> Result<(), Problem> {
    checkpoint::clear(folder)?;
    for name in [WEIGHTS, FIGURES, HISTORY] {
        remove(&folder.join(name))?;
    }
    let pictures = overlays(folder);
    if pictures.exists() {
        std::fs::remove_dir_all(&pictures)
            .map_err(|error| Problem::io(&pictures, "cannot empty the folder", &error))?;
    }
    // Fails, and leaves the folder, if it holds files that are not ours.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// The folders of the folds and of the final network in `out`.
fn fits(out: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(out).map_err(|error| Problem::io(out, "cannot list", &error))?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| is_fit(&file_name(path))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::FitConfig;
    use crate::fixture::{Folder, train_args as args};

    fn checkpoint(folder: &Folder, fit: &str, epochs_done: usize) -> Result<()> {
        let config = FitConfig { epochs: 2, ..FitConfig::default() };
        let state = serde_json::json!({
            "config": config, "fingerprint": 0, "epochs_done": epochs_done, "seconds": 1.0
        });
        folder.file(&format!("{fit}/checkpoint.json"), state.to_string().as_bytes())?;
        folder.file(&format!("{fit}/checkpoint-{epochs_done}.bin"), b"")?;
        Ok(())
    }

    #[test]
    fn a_run_that_was_cut_off_is_not_begun_anew() -> Result<()> {
        let folder = Folder::new("unfinished")?;
        let out = folder.path.join("out");
        let refused = |more: &str| -> Result<bool> {
            let told = refuse_unfinished(&args(&out, more)?).err().map(|error| error.to_string());
            Ok(told.is_some_and(|told| told.contains("--resume") && told.contains("another --out")))
        };
        assert!(!refused("")?, "nothing is there");
        checkpoint(&folder, "out/fold-1", 1)?;
        assert!(refused("")? && refused("--fold 1")?);
        assert!(!refused("--resume")? && !refused("--fold 0")? && !refused("--fold 1 --resume")?);
        // All epochs are done, but the fold is not measured yet.
        checkpoint(&folder, "out/fold-1", 2)?;
        assert!(refused("")? && refused("--fold 1")?);
        folder.file("out/fold-1/rbc.safetensors", b"")?;
        assert!(refused("")? && refused("--fold 1")?);
        folder.file("out/fold-1/validation.json", b"")?;
        assert!(refused("")? && !refused("--fold 1")?);
        folder.file("out/rbc.safetensors", b"")?;
        assert!(!refused("")?);
        Ok(())
    }

    #[test]
    fn nothing_of_the_earlier_run_passes_for_the_new_ones() -> Result<()> {
        let folder = Folder::new("earlier")?;
        let out = folder.path.join("out");
        for fit in ["out/fold-0", "out/fold-2", "out/final"] {
            checkpoint(&folder, fit, 2)?;
            for name in ["rbc.safetensors", "validation.json", "history.csv", "checkpoint-1.bin"] {
                folder.file(&format!("{fit}/{name}"), b"")?;
            }
            folder.image(&format!("{fit}/overlays/a.png"), 4, 4, 1)?;
        }
        let kept = [
            folder.file("out/fold-2/notes.txt", b"")?,
            folder.file("out/fold-notes/history.csv", b"")?,
            folder.file("out/splits.json", b"")?,
        ];
        folder.file("out/rbc.safetensors", b"")?;

        clear(&args(&out, "--fold 0")?)?;
        assert!(!out.join("fold-0").exists() && out.join("fold-2/overlays/a.png").exists());
        clear(&args(&out, "")?)?;
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&out)?.chain(std::fs::read_dir(out.join("fold-2"))?) {
            left.push(file_name(&entry?.path()));
        }
        left.sort();
        assert_eq!(left, ["fold-2", "fold-notes", "notes.txt", "rbc.earlier.safetensors", "splits.json"]);
        forget(&out)?;
        assert!(!out.join("rbc.earlier.safetensors").exists());
        assert!(kept.iter().all(|path| path.exists()));
        Ok(())
    }
}
