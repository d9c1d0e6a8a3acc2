//! File names, reading, and writing that never leaves half a file.

use crate::problem::Problem;
use crate::say::plural;
use rbc_model::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Extensions that the decoder reads, in lower case.
const EXTENSIONS: [&str; 10] = ["png", "jpg", "jpeg", "webp", "bmp", "dib", "gif", "tif", "tiff", "jfif"];

/// The contents of one folder, not of those within it, each kind sorted by name; hidden files are left out.
#[derive(Debug, Default)]
pub struct Listing {
    pub images: Vec<PathBuf>,
    /// Names of files without an image extension.
    pub others: Vec<String>,
    /// The folders within.
    pub folders: Vec<PathBuf>,
}

impl Listing {
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        let mut found = Self::default();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = file_name(&path);
            if is_hidden(&name) {
                continue;
            }
            // A file that can't be examined may be an image: reading it later says what is wrong.
            let kind = std::fs::metadata(&path).map(|found| (found.is_dir(), found.is_file()));
            let (is_dir, is_file) = kind.unwrap_or((false, true));
            if is_dir {
                found.folders.push(path);
            } else if is_file && is_image(&path) {
                found.images.push(path);
            } else {
                found.others.push(name);
            }
        }
        found.images.sort_unstable();
        found.others.sort_unstable();
        found.folders.sort_unstable();
        Ok(found)
    }

    /// Notes about everything in the folder that is not an image, so that nothing is missed silently.
    pub fn skipped(&self, folder: &Path) -> Vec<Problem> {
        let others = (!self.others.is_empty()).then(|| {
            let count = plural(self.others.len(), "file", "files");
            format!("skipped {count} without an image extension ({})", join_first(&self.others))
        });
        let folders = (!self.folders.is_empty()).then(|| skipped_folders(&self.folders));
        others.into_iter().chain(folders).map(|what| Problem::new(folder, what)).collect()
    }
}

/// A note about folders that are not entered.
pub fn skipped_folders(folders: &[PathBuf]) -> String {
    let names: Vec<String> = folders.iter().map(|folder| file_name(folder)).collect();
    format!("skipped {} ({})", plural(names.len(), "subfolder", "subfolders"), join_first(&names))
}

/// The images directly in a folder, sorted.
pub fn list_images(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(Listing::of(folder)?.images)
}

/// Hidden by convention, or put into every folder by the operating system.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || ["thumbs.db", "desktop.ini"].contains(&name.to_lowercase().as_str())
}

/// A list shortened to five names: `a, b, c, d, e and 2 more`.
pub fn join_first(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|error| Problem::io(path, "cannot read", &error))
}

/// Reads a file and decodes it; `decode` gets the bytes and the name to use in its errors.
pub fn decoded<T>(path: &Path, decode: impl Fn(&[u8], &str) -> Result<T, Error>) -> Result<T, Problem> {
    decode(&read(path)?, &path.display().to_string()).map_err(|error| Problem::model(path, error))
}

/// Whether the extension is one that the decoder reads.
pub fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
}

/// The file name without extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file name, for messages and comparisons only: what is not UTF-8 is replaced, so no path can be made of it.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

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
    fn what_is_skipped_is_told_in_a_line() -> anyhow::Result<()> {
        let folder = Folder::new("skipped")?;
        for name in ["a.png", "b.czi", "c", "d.txt", "e.nd2", "f.lif", "g.psd", ".hidden", "Thumbs.db"] {
            folder.file(name, b"")?;
        }
        folder.file("sub/x.png", b"")?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path.join("nowhere.png"), folder.path.join("z.png"))?;
        let listing = Listing::of(&folder.path)?;
        // A dangling link is listed as an image; reading it says what is wrong.
        let images = if cfg!(unix) { vec!["a.png", "z.png"] } else { vec!["a.png"] };
        assert_eq!(listing.images.iter().map(|path| file_name(path)).collect::<Vec<_>>(), images);
        let told: Vec<String> = listing.skipped(&folder.path).into_iter().map(|note| note.what).collect();
        assert_eq!(
            told,
            [
                "skipped 6 files without an image extension (b.czi, c, d.txt, e.nd2, f.lif and 1 more)",
                "skipped 1 subfolder (sub)"
            ]
        );
        Ok(())
    }

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
