//! Handles what an earlier run left in the output folder.

use crate::checkpoint;
use crate::cli::TrainArgs;
use crate::files::{file_name, refuse_foreign, remove, sweep};
use crate::folds::Splits;
use crate::problem::Problem;
use crate::recipe::FitConfig;
use crate::records::{CrossValidation, FoldRecord, read_history, read_json};
use crate::report;
use crate::run_files::{
    CARD, CROSS_VALIDATION, FIGURES, HISTORY, REPORT, SPLITS, WEIGHTS, clear_overlays, fold_folder, is_fit,
    pictures,
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

/// Refuses to train beside or to go on with a fold or a final network that has other settings: otherwise this would be
/// found only when its turn comes, or when the folds are joined, after hours of work on the others.
///
/// # Errors
/// If there is such a part, or a checkpoint to resume from can't be read.
pub fn refuse_other_settings(args: &TrainArgs, config: &FitConfig) -> Result<()> {
    let own = args.due();
    let whole_run = TrainArgs { fold: None, ..args.clone() };
    let mut others = Vec::new();
    for fit in whole_run.due() {
        let other = match (own.contains(&fit), args.resume) {
            (true, true) => checkpoint::other_settings(&fit, config)?,
            // It is replaced.
            (true, false) => None,
            // Another process may be at work on it. If it can't be read, joining the folds will tell.
            (false, _) => checkpoint::other_settings(&fit, config).unwrap_or_default(),
        };
        others.extend(other.map(|other| format!("{} ({other})", file_name(&fit))));
    }
    Ok(refuse_different(&args.out, "settings", &others)?)
}

/// Refuses to resume if parts of the run were trained with something different.
///
/// # Errors
/// If there is such a part.
pub fn refuse_different(out: &Path, what: &str, parts: &[String]) -> Result<(), Problem> {
    if parts.is_empty() {
        return Ok(());
    }
    let what = format!(
        "trained with different {what}: {}; use the original ones, choose another --out, or delete these folders, with \
         everything trained in them, to train them again",
        parts.join(", ")
    );
    Err(Problem::new(out, what))
}

/// Refuses to write over files of others that are called like those of a run.
///
/// # Errors
/// If there is such a file.
pub fn refuse_others(args: &TrainArgs) -> Result<(), Problem> {
    if args.fold.is_none() {
        let path = |name: &str| args.out.join(name);
        // A run that goes on compares its folds with those in this file and tells what to do about it.
        if !args.resume {
            refuse_foreign(&path(SPLITS), |path| read_json::<Splits>(path).is_ok())?;
        }
        refuse_foreign(&path(CROSS_VALIDATION), |path| read_json::<CrossValidation>(path).is_ok())?;
        refuse_foreign(&path(REPORT), report::is_ours)?;
        // Weights or a card that no run lies around: copied here, perhaps the only copy.
        let run = [SPLITS, CROSS_VALIDATION].iter().any(|name| path(name).exists())
            || fits(&args.out).is_ok_and(|fits| fits.iter().any(|fit| is_ours(fit)));
        if !run {
            let kept = KEPT.iter().flat_map(|(name, kept)| [*name, *kept]);
            kept.map(path).try_for_each(|path| refuse_foreign(&path, |_| false))?;
        }
    }
    for fit in args.due().iter().filter(|fit| !is_ours(fit)) {
        let files = [WEIGHTS, FIGURES, HISTORY].map(|name| fit.join(name));
        files.iter().chain(&pictures(fit)).try_for_each(|path| refuse_foreign(path, |_| false))?;
    }
    Ok(())
}

/// Whether a network was trained in this folder, which may be someone else's of that name.
fn is_ours(fit: &Path) -> bool {
    checkpoint::is_ours(fit)
        || read_json::<FoldRecord>(&fit.join(FIGURES)).is_ok()
        // All that there is if the run was killed in its first epoch, or while it removed the others.
        || read_history(&fit.join(HISTORY)).is_ok_and(|history| !history.is_empty())
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
        if is_ours(&folder) {
            clear_fit(&folder)?;
        }
        return Ok(());
    }
    if args.out.join(WEIGHTS).exists() {
        say::err!(
            "the earlier run in {} is replaced; its weights are kept as {} until the new ones are there",
            args.out.display(),
            KEPT[0].1
        );
    }
    for folder in fits(&args.out)? {
        if is_ours(&folder) {
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

/// Checkpoints are removed first, so that after an interruption here there is nothing to resume from; the history last,
/// by which the folder is still recognised then.
fn clear_fit(folder: &Path) -> Result<(), Problem> {
    checkpoint::clear(folder)?;
    clear_overlays(folder)?;
    for name in [WEIGHTS, FIGURES, HISTORY] {
        remove(&folder.join(name))?;
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
    use crate::fixture::{Folder, train_args as args};
    use crate::recipe::FitConfig;

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

    #[test]
    fn files_of_others_in_folders_of_a_runs_names_are_kept() -> Result<()> {
        let folder = Folder::new("earlier-others")?;
        let out = folder.path.join("out");
        checkpoint(&folder, "out/fold-0", 2)?;
        let own = folder.image("out/fold-0/overlays/a.png", 4, 4, 1)?;
        let theirs = [
            folder.file("out/fold-0/overlays/notes.txt", b"")?,
            folder.file("out/fold-1/rbc.safetensors", b"")?,
            folder.image("out/fold-7/overlays/a.png", 4, 4, 1)?,
            folder.file("out/final/validation.json", b"{}")?,
        ];
        clear(&args(&out, "")?)?;
        clear(&args(&out, "--fold 1")?)?;
        assert!(!own.exists() && theirs.iter().all(|path| path.exists()));

        let refused = |more: &str| -> Result<Option<PathBuf>> {
            Ok(refuse_others(&args(&out, more)?).err().map(|problem| problem.path))
        };
        assert_eq!(refused("")?.as_ref(), Some(&theirs[1]));
        assert_eq!(refused("--fold 1")?.as_ref(), Some(&theirs[1]));
        assert_eq!(refused("--fold 0")?, None, "other folders do not matter");
        assert_eq!(refused("--folds 1")?.as_ref(), Some(&theirs[3]));
        for name in ["report.html", "cross-validation.json", "splits.json"] {
            let file = folder.file(&format!("out/{name}"), b"[]")?;
            assert_eq!(refused("")?.as_ref(), Some(&file));
            assert_eq!(refused("--fold 0")?, None);
        }
        Ok(())
    }

    #[test]
    fn what_a_killed_run_left_is_recognised() -> Result<()> {
        let folder = Folder::new("earlier-killed")?;
        let header = "epoch,steps,train_loss,validation_loss,validation_iou,learning_rate,seconds";
        let history =
            folder.file("fold-0/history.csv", format!("{header}\n1,100,0.5,,,0.01,3\n").as_bytes())?;
        refuse_others(&args(&folder.path, "")?)?;
        clear(&args(&folder.path, "")?)?;
        assert!(!history.exists());
        Ok(())
    }

    #[test]
    fn weights_around_which_there_is_no_run_are_kept() -> Result<()> {
        for name in [WEIGHTS, CARD, KEPT[0].1] {
            let folder = Folder::new("earlier-copied")?;
            folder.file(name, b"of others")?;
            let refused = refuse_others(&args(&folder.path, "")?).err().map(|problem| problem.to_string());
            assert!(refused.as_ref().is_some_and(|told| told.contains(name)), "{refused:?}");
            // A fold on its own writes no weights there; those of a run are replaced.
            refuse_others(&args(&folder.path, "--fold 1")?)?;
            checkpoint(&folder, "final", 1)?;
            refuse_others(&args(&folder.path, "")?)?;
        }
        Ok(())
    }

    #[test]
    fn all_parts_with_other_settings_are_told_before_any_is_trained() -> Result<()> {
        let folder = Folder::new("earlier-settings")?;
        for fit in ["fold-0", "fold-2", "fold-6", "final"] {
            checkpoint(&folder, fit, 1)?;
        }
        let told = |more: &str| -> Result<String> {
            let args = args(&folder.path, more)?;
            let refused = refuse_other_settings(&args, &args.config()).err();
            Ok(refused.map(|error| error.to_string()).unwrap_or_default())
        };
        assert_eq!(told("--resume --epochs 2")?, "");
        let three = told("--resume --epochs 3")?;
        assert!(
            three.contains("fold-0 (epochs 2, now 3), fold-2 (epochs 2, now 3), final (epochs 2"),
            "{three}"
        );
        assert_eq!(told("--epochs 3")?, "", "a run that does not go on replaces them");
        // A single fold is joined with the others later.
        for more in ["--epochs 3 --fold 1", "--resume --epochs 3 --fold 1"] {
            let others = told(more)?;
            assert!(
                others.contains("fold-0 (epochs 2, now 3), fold-2") && !others.contains("fold-6"),
                "{others}"
            );
        }
        let others = told("--epochs 3 --fold 0")?;
        assert!(others.contains("settings: fold-2"), "its own is replaced: {others}");
        assert_eq!(told("--epochs 2 --fold 1")?, "");
        folder.file("fold-1/checkpoint.json", b"{")?;
        assert_eq!(told("--epochs 2 --fold 0")?, "", "another process may be at work there");
        assert!(told("--resume --epochs 2")?.contains("fold-1 and continue with --resume"));
        Ok(())
    }
}
