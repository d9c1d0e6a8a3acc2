//! What lies in a folder.

use super::file_name;
use crate::problem::Problem;
use crate::say::{join_first, plural};
use rbc_model::decode::is_foreign;
use std::collections::BTreeSet;
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
            let (names, advice) = (join_first(&self.others), save_foreign(&self.others));
            format!("skipped {count} without an image extension ({names}){advice}")
        });
        let folders = (!self.folders.is_empty()).then(|| skipped_folders(&self.folders));
        others.into_iter().chain(folders).map(|what| Problem::new(folder, what)).collect()
    }
}

/// What to do about pictures in formats that the decoder does not read.
fn save_foreign(names: &[String]) -> String {
    let extensions = names.iter().filter_map(|name| Path::new(name).extension()?.to_str());
    let known = extensions.map(str::to_lowercase).filter(|extension| is_foreign(extension));
    let kinds: BTreeSet<String> = known.map(|extension| extension.to_uppercase()).collect();
    if kinds.is_empty() {
        return String::new();
    }
    format!("; save {} files as TIFF or PNG", kinds.into_iter().collect::<Vec<_>>().join(", "))
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

/// Refuses a folder from the command line that can't be listed.
///
/// # Errors
/// If it can't.
pub fn refuse_unlisted(folder: &Path) -> Result<(), Problem> {
    std::fs::read_dir(folder).map(drop).map_err(|error| Problem::given(folder, "cannot list", &error))
}

/// Hidden by convention, or put into every folder by the operating system.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || ["thumbs.db", "desktop.ini"].contains(&name.to_lowercase().as_str())
}

/// Whether the extension is one that the decoder reads.
pub fn is_image(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension.to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn what_is_skipped_is_told_in_a_line() -> anyhow::Result<()> {
        let folder = Folder::new("skipped")?;
        for name in ["a.png", "b.czi", "c", "d.txt", "e.nd2", "f.CZI", "g.psd", ".hidden", "Thumbs.db"] {
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
                "skipped 6 files without an image extension (b.czi, c, d.txt, e.nd2, f.CZI and 1 more); save CZI, ND2, PSD files \
                 as TIFF or PNG",
                "skipped 1 subfolder (sub)"
            ]
        );
        Ok(())
    }
}
