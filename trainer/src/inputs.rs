//! Which images `trainer predict` is to segment, and under which name each result is written.

use crate::files::{Listing, file_name, stem};
use crate::problem::Problem;
use rbc_model::export::unique_stems;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What this program adds to a stem. Such a file in a folder is a result, not an image to segment.
pub const SUFFIXES: [&str; 6] =
    [".mask.png", ".labels.png", ".overlay.png", ".cells.csv", ".geojson", ".rois.zip"];

/// One image and the stem of its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    pub stem: String,
}

/// Images in the order of the command line, those of a folder sorted by name.
#[derive(Debug, Default)]
pub struct Inputs {
    pub images: Vec<Input>,
    /// Paths that are neither image nor folder.
    pub problems: Vec<Problem>,
    /// Results that go under another name than their image's, and what was passed over in a folder.
    pub notes: Vec<Problem>,
}

impl Inputs {
    /// Gathers the images behind `paths`; their results will be written to `out`.
    pub fn gather(paths: &[PathBuf], out: &Path) -> Self {
        let mut inputs = Self::default();
        let mut images = Vec::new();
        for path in paths {
            match files(path, out, &mut inputs.notes) {
                Ok(found) => images.extend(found),
                Err(problem) => inputs.problems.push(problem),
            }
        }
        let mut seen = BTreeSet::new();
        images.retain(|image| seen.insert(canonical(image)));
        let names: Vec<String> = images.iter().map(|path| file_name(path)).collect();
        // The page names a batch in the same way.
        let stems = unique_stems(names.iter().map(String::as_str));
        for (path, stem) in images.into_iter().zip(stems) {
            if stem != self::stem(&path) {
                let why = match unique_stems([file_name(&path).as_str()]).first() {
                    // It would be so without the other images.
                    Some(alone) if *alone == stem => "a \\ in a name parts folders elsewhere",
                    _ => "the name is taken by another image",
                };
                inputs.notes.push(Problem::new(&path, format!("{why}, so the results are {stem}.*")));
            }
            let overwritten = SUFFIXES.iter().map(|suffix| out.join(format!("{stem}{suffix}")));
            if let Some(victim) = overwritten.into_iter().find(|result| seen.contains(&canonical(result))) {
                let what =
                    format!("its results would overwrite the image {}, use another --out", victim.display());
                inputs.problems.push(Problem::new(&path, what));
                continue;
            }
            if let Some(mask) = foreign_mask(out, &stem) {
                let what = format!(
                    "its results would overwrite the mask {}, beside which no other results lie; use another --out",
                    mask.display()
                );
                inputs.problems.push(Problem::new(&path, what));
                continue;
            }
            inputs.images.push(Input { path, stem });
        }
        inputs
    }
}

/// The file itself, or the images in a folder, with a note of what else lies there.
fn files(path: &Path, out: &Path, notes: &mut Vec<Problem>) -> Result<Vec<PathBuf>, Problem> {
    if !path.is_dir() {
        // Asked for by name: whatever it is called, the decoder looks at what is in it.
        return match path.metadata() {
            Ok(_) => Ok(vec![path.into()]),
            Err(error) => Err(Problem::io(path, "cannot read", &error)),
        };
    }
    let mut listing = Listing::of(path).map_err(|error| Problem::io(path, "cannot list", &error))?;
    // Results of an earlier run need no word.
    listing.others.retain(|name| !is_result(name) && name != "summary.csv");
    listing.folders.retain(|name| canonical(&path.join(name)) != canonical(out));
    notes.extend(listing.passed_over(path));
    let mut images = listing.images;
    images.retain(|image| !is_result(&file_name(image)));
    if images.is_empty() {
        return Err(Problem::new(path, "no images in the folder (png, jpg, webp, bmp, gif, tif)"));
    }
    Ok(images)
}

fn is_result(name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// A mask of this name that lies in `out` without the other results: drawn by hand, perhaps.
fn foreign_mask(out: &Path, stem: &str) -> Option<PathBuf> {
    let [mask, others @ ..] = SUFFIXES.map(|suffix| out.join(format!("{stem}{suffix}")));
    (mask.exists() && !others.iter().any(|result| result.exists())).then_some(mask)
}

/// One name for one file, however it is written; the path as it is where there is no such file.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;
    use anyhow::Result;

    #[test]
    fn folders_are_sorted_and_results_are_no_inputs() -> Result<()> {
        let folder = Folder::new("inputs")?;
        for name in
            ["b.png", "a.JPG", "a.png", "A.tif", "a.mask.png", "a.overlay.png", "notes.txt", ".hidden.png"]
        {
            folder.file(name, b"")?;
        }
        for result in ["a.cells.csv", "a.geojson", "summary.csv", "out/other.txt"] {
            folder.file(result, b"")?;
        }
        let again = folder.path.join("a.png");
        let missing = folder.path.join("missing.png");
        let inputs = Inputs::gather(&[folder.path.clone(), again, missing], &folder.path.join("out"));
        let stems: Vec<_> = inputs.images.iter().map(|input| input.stem.as_str()).collect();
        assert_eq!(stems, ["A", "a-2", "a-3", "b"]);
        assert_eq!((inputs.notes.len(), inputs.problems.len()), (3, 1));
        assert!(inputs.notes[0].what.ends_with("(notes.txt)"), "{}", inputs.notes[0]);
        assert!(inputs.problems[0].to_string().ends_with("missing.png"));
        Ok(())
    }

    #[test]
    #[cfg(unix)]
    fn a_backslash_in_a_name_is_not_taken_for_another_image() -> Result<()> {
        let folder = Folder::new("backslash")?;
        let paths =
            [folder.file("a\\b.png", b"")?, folder.file("c.png", b"")?, folder.file("sub/c.png", b"")?];
        let inputs = Inputs::gather(&paths, &folder.path.join("out"));
        let notes: Vec<&str> = inputs.notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(
            notes,
            [
                "a \\ in a name parts folders elsewhere, so the results are b.*",
                "the name is taken by another image, so the results are c-2.*"
            ]
        );
        Ok(())
    }

    #[test]
    fn no_result_overwrites_an_image() -> Result<()> {
        let folder = Folder::new("overwrite")?;
        let image = folder.file("a.png", b"")?;
        let like_a_result = folder.file("a.mask.png", b"")?;
        let inputs = Inputs::gather(&[image, like_a_result], &folder.path);
        assert_eq!(inputs.images.len(), 1);
        assert!(inputs.problems[0].to_string().contains("would overwrite"));
        Ok(())
    }

    #[test]
    fn no_result_overwrites_a_mask_drawn_by_hand() -> Result<()> {
        let folder = Folder::new("by-hand")?;
        folder.file("a.png", b"")?;
        folder.file("a.mask.png", b"")?;
        let here = || Inputs::gather(std::slice::from_ref(&folder.path), &folder.path);
        assert!(here().images.is_empty() && here().problems[0].to_string().contains("a.mask.png"));
        // Beside the table it is the result of an earlier run.
        folder.file("a.cells.csv", b"")?;
        assert_eq!((here().images.len(), here().problems.len()), (1, 0));
        Ok(())
    }

    #[test]
    fn an_empty_folder_is_a_problem() -> Result<()> {
        let folder = Folder::new("no-inputs")?;
        let inputs = Inputs::gather(std::slice::from_ref(&folder.path), &folder.path);
        assert!(inputs.problems[0].to_string().contains("no images in the folder"));
        Ok(())
    }
}
