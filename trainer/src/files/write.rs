//! Writing that never leaves half a file, and removing what earlier runs left.

use super::file_name;
use crate::problem::Problem;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a file under a temporary name first, so that no reader ever sees half of it.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write(path, bytes, |_| Ok(()))
}

/// The same for what took hours to make: the file is complete even after a power cut.
pub fn write_lasting(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write(path, bytes, File::sync_all)
}

fn write(path: &Path, bytes: &[u8], last: fn(&File) -> std::io::Result<()>) -> Result<(), Problem> {
    let partial = partial(path);
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        last(&file)
    });
    written.and_then(|()| std::fs::rename(&partial, path)).map_err(|error| {
        // Half a file on a full disk is of no use. The error to report is the first one, not that of the removal.
        let _ = std::fs::remove_file(&partial);
        Problem::io(path, "cannot write", &error)
    })
}

const PARTIAL: &str = ".partial-";

/// The temporary name of a file that is being written. Short, since the file's own name may be as long as the system
/// allows; with the process id, since folds trained side by side write the same files.
pub fn partial(path: &Path) -> PathBuf {
    let name = crc32fast::hash(path.file_name().unwrap_or_default().as_encoded_bytes());
    path.with_file_name(format!("{PARTIAL}{name:08x}-{}", std::process::id()))
}

/// Removes a file that an earlier run may have left.
///
/// # Errors
/// If it exists and can't be removed.
pub fn remove(path: &Path) -> Result<(), Problem> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Problem::io(path, "cannot remove the earlier run's file", &error))
        }
        _ => Ok(()),
    }
}

/// Refuses to replace a file that this program did not write.
///
/// # Errors
/// If there is such a file.
pub fn refuse_foreign(path: &Path, is_ours: impl FnOnce(&Path) -> bool) -> Result<(), Problem> {
    if path.exists() && !is_ours(path) {
        return Err(Problem::foreign(path));
    }
    Ok(())
}

/// Removes the partial files and folders that killed runs left.
///
/// # Errors
/// If one of them can't be removed.
pub fn sweep(folder: &Path) -> Result<(), Problem> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        if file_name(&path).starts_with(PARTIAL) {
            let gone =
                if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            gone.map_err(|error| Problem::io(&path, "cannot remove what a killed run left", &error))?;
        }
    }
    Ok(())
}

/// Creates the folder for results and checks that it can be written to, before hours of work are done.
pub fn create_folder(path: &Path) -> Result<(), Problem> {
    std::fs::create_dir_all(path).map_err(|error| Problem::io(path, "cannot create the folder", &error))?;
    let trial = partial(&path.join("trial"));
    std::fs::write(&trial, b"").and_then(|()| std::fs::remove_file(&trial)).map_err(|error| {
        Problem::io(path, "cannot write to the folder, choose another --out or make it writable", &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() -> anyhow::Result<()> {
        let folder = Folder::new("partial")?;
        // A folder is in the file's place.
        folder.file("taken/inside", b"")?;
        let refused = write_whole(&folder.path.join("taken"), b"bytes");
        assert!(refused.is_err_and(|problem| problem.what.starts_with("cannot write")));
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_name_may_be_as_long_as_the_file_system_has_them() -> anyhow::Result<()> {
        let folder = Folder::new("long")?;
        let path = folder.path.join("a".repeat(255));
        write_whole(&path, b"bytes")?;
        assert_eq!(std::fs::read(&path)?, b"bytes");
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 1);
        Ok(())
    }

    #[test]
    fn what_killed_runs_left_is_swept_away_and_nothing_else() -> anyhow::Result<()> {
        let folder = Folder::new("sweep")?;
        for name in [".partial-0-1", ".partial-0-2/images/a.png", ".lock", "partial-a", "a.png"] {
            folder.file(name, b"")?;
        }
        sweep(&folder.path)?;
        let mut left: Vec<String> =
            std::fs::read_dir(&folder.path)?.flatten().map(|entry| file_name(&entry.path())).collect();
        left.sort();
        assert_eq!(left, [".lock", "a.png", "partial-a"]);
        sweep(&folder.path.join("nowhere"))?;
        Ok(())
    }

    /// Root, who may run this test, is stopped by no permission of an ordinary file system; hence /proc.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_takes_no_files_is_found_before_any_work() {
        let refused = create_folder(Path::new("/proc/self"));
        assert!(refused.is_err_and(|problem| problem.to_string().starts_with("cannot write to the folder")));
    }
}
