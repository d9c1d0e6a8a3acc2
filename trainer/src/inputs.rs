//! Finds the images that `trainer predict` is to segment and the names of their results.

use crate::files::{Listing, file_name, skipped_folders, stem};
use crate::problem::Problem;
use crate::results::{self, SUFFIXES, is_result, named_as_result};
use crate::say::{join_first, plural};
use rbc_model::export::unique_stems;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One image and the stem of its results' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub path: PathBuf,
    pub stem: String,
}

/// Images in the order of the command line; those of a folder are sorted by name.
#[derive(Debug, Default)]
pub struct Inputs {
    pub images: Vec<Input>,
    /// Inputs that can't be used, and why.
    pub problems: Vec<Problem>,
    /// Results that are named differently from their image, and what was skipped in a folder.
    pub notes: Vec<Problem>,
}

impl Inputs {
    /// Gathers the images given by `paths`, whose results, with these `suffixes`, will be written to `out`. With `deep`,
    /// folders are entered recursively.
    pub fn gather(paths: &[PathBuf], out: &Path, deep: bool, suffixes: &[&str]) -> Self {
        let mut inputs = Self::default();
        let mut images = Vec::new();
        for path in paths {
            match inputs.files(path, out, deep) {
                Ok(found) => images.extend(found),
                Err(problem) => inputs.problems.push(problem),
            }
        }
        // Two links to one file are two images.
        let mut given = BTreeSet::new();
        images.retain(|image| given.insert(without_detours(image)));
        let seen: BTreeSet<PathBuf> = images.iter().map(|image| canonical(image)).collect();
        let names: Vec<String> = images.iter().map(|path| file_name(path)).collect();
        // The page names the files of a batch in the same way.
        let stems = unique_stems(names.iter().map(String::as_str));
        for (path, stem) in images.into_iter().zip(stems) {
            if stem != self::stem(&path) {
                let name = file_name(&path);
                // Whether the name would change even without the other images.
                let alone = unique_stems([name.as_str()]).first() == Some(&stem);
                let why = match (alone, name.contains('\\')) {
                    (true, true) => "a \\ in a file name separates folders on other systems",
                    (true, false) => "the file has only an extension for a name",
                    (false, _) => "the name is taken by another image",
                };
                inputs.notes.push(Problem::new(&path, format!("{why}, so the results are {stem}.*")));
            }
            let overwritten = SUFFIXES.iter().map(|suffix| results::result(out, &stem, suffix));
            if let Some(victim) = overwritten.into_iter().find(|result| seen.contains(&canonical(result))) {
                let what = format!(
                    "its results would overwrite the image {}, choose another --out",
                    victim.display()
                );
                inputs.problems.push(Problem::new(&path, what));
                continue;
            }
            if let Some(foreign) = results::foreign(out, &stem, suffixes) {
                let what = format!(
                    "its results would overwrite {}, which `trainer predict` may not have written; move that away or \
                     choose another --out",
                    foreign.display()
                );
                inputs.problems.push(Problem::new(&path, what));
                continue;
            }
            inputs.images.push(Input { path, stem });
        }
        inputs
    }

    /// The file itself, or the images in a folder; notes what else lies there.
    fn files(&mut self, path: &Path, out: &Path, deep: bool) -> Result<Vec<PathBuf>, Problem> {
        if !path.is_dir() {
            // A file given by name is taken whatever its extension; the decoder looks at its contents.
            return match path.metadata() {
                Ok(_) => Ok(vec![path.into()]),
                Err(error) => Err(Problem::given(path, "cannot read", &error)),
            };
        }
        let mut images = Vec::new();
        // Links may form a cycle.
        let mut seen = BTreeSet::from([canonical(path), canonical(out)]);
        let mut todo = vec![path.to_path_buf()];
        while let Some(folder) = todo.pop() {
            let mut within = match images_in(&folder, &mut images, &mut self.notes) {
                Ok(within) => within,
                Err(problem) if folder == path => return Err(problem),
                // One bad folder must not stop the others.
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            if deep {
                self.notes.extend(skip_masks(&folder, &mut within));
            }
            within.retain(|folder| !seen.contains(&canonical(folder)));
            if deep {
                within.retain(|folder| seen.insert(canonical(folder)));
                todo.extend(within.into_iter().rev());
            } else if !within.is_empty() {
                let told = format!("{}; use --recursive to include subfolders", skipped_folders(&within));
                self.notes.push(Problem::new(&folder, told));
            }
        }
        if images.is_empty() {
            let within = if deep { " or those within" } else { "" };
            let what = format!("no images in the folder{within} (png, jpg, webp, bmp, gif, tif)");
            return Err(Problem::new(path, what));
        }
        Ok(images)
    }
}

/// Drops the masks and labels of a data set from the folders within `folder`; they are no images to segment. Returns a
/// note about them.
fn skip_masks(folder: &Path, within: &mut Vec<PathBuf>) -> Option<Problem> {
    let has = |name: &str| within.iter().any(|path| file_name(path) == name);
    if !has("images") || !has("masks") && !has("labels") {
        return None;
    }
    let skipped = within.extract_if(.., |path| ["masks", "labels"].contains(&file_name(path).as_str()));
    let skipped: Vec<PathBuf> = skipped.collect();
    let told = format!(
        "{} beside images/, taken for those of a data set; to segment what is in them, name them on the command line",
        skipped_folders(&skipped)
    );
    Some(Problem::new(folder, told))
}

/// Adds the images directly in a folder to `images` and notes what else lies there; returns the folders within.
fn images_in(
    path: &Path,
    images: &mut Vec<PathBuf>,
    notes: &mut Vec<Problem>,
) -> Result<Vec<PathBuf>, Problem> {
    let mut listing = Listing::of(path).map_err(|error| Problem::io(path, "cannot list", &error))?;
    // Results of an earlier run are not worth a note.
    listing.others.retain(|name| name != "summary.csv" && !is_result(path, name));
    let folders = std::mem::take(&mut listing.folders);
    notes.extend(listing.skipped(path));
    listing.images.retain(|image| !is_result(path, &file_name(image)));
    // A single file with such a name may be a mask drawn by hand, or an image.
    let (odd, good): (Vec<_>, Vec<_>) =
        listing.images.into_iter().partition(|image| named_as_result(&file_name(image)).is_some());
    images.extend(good);
    if !odd.is_empty() {
        let names: Vec<String> = odd.iter().map(|image| file_name(image)).collect();
        let count = plural(odd.len(), "file", "files");
        let told = format!(
            "skipped {count} named like results ({}); to segment them, name them on the command line",
            join_first(&names)
        );
        notes.push(Problem::new(path, told));
    }
    Ok(folders)
}

/// The same path for the same place, however it is written. The last component is not resolved, so links stay distinct.
fn without_detours(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
    match (whole.parent(), whole.file_name()) {
        (Some(folder), Some(name)) => canonical(folder).join(name),
        _ => whole,
    }
}

/// The same path for the same file, however it is written; the path unchanged if there is no such file.
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
        let inputs = Inputs::gather(
            &[folder.path.clone(), again, missing],
            &folder.path.join("out"),
            false,
            &SUFFIXES,
        );
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
        let inputs = Inputs::gather(&paths, &folder.path.join("out"), false, &SUFFIXES);
        let notes: Vec<&str> = inputs.notes.iter().map(|note| note.what.as_str()).collect();
        assert_eq!(
            notes,
            [
                "a \\ in a file name separates folders on other systems, so the results are b.*",
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
        let inputs = Inputs::gather(&[image, like_a_result], &folder.path, false, &SUFFIXES);
        assert_eq!(inputs.images.len(), 1);
        assert!(inputs.problems[0].to_string().contains("would overwrite"));
        Ok(())
    }

    #[test]
    fn no_result_overwrites_a_mask_drawn_by_hand() -> Result<()> {
        let folder = Folder::new("by-hand")?;
        folder.file("a.png", b"")?;
        folder.file("a.mask.png", b"")?;
        let here = || Inputs::gather(std::slice::from_ref(&folder.path), &folder.path, false, &SUFFIXES);
        assert!(here().images.is_empty() && here().problems[0].to_string().contains("a.mask.png"));
        // The same beside other results, as the page saves a mask that was corrected by hand.
        folder.file("a.cells.csv", b"")?;
        assert_eq!((here().images.len(), here().problems.len()), (0, 1));
        Ok(())
    }

    #[test]
    fn folders_within_are_entered_where_that_is_asked_for() -> Result<()> {
        let folder = Folder::new("deep")?;
        for name in ["b.png", "p1/a.png", "p1/more/a.png", "p2/c.png", "p2/notes.txt", ".trash/d.png"] {
            folder.file(name, b"")?;
        }
        folder.file("out/old.png", b"")?;
        #[cfg(unix)]
        std::os::unix::fs::symlink(&folder.path, folder.path.join("p2/round"))?;
        let gather = |deep: bool| {
            Inputs::gather(std::slice::from_ref(&folder.path), &folder.path.join("out"), deep, &SUFFIXES)
        };
        let told = |inputs: &Inputs| inputs.notes.iter().map(|note| format!("{note}\n")).collect::<String>();
        let stems = |inputs: &Inputs| -> Vec<String> {
            inputs.images.iter().map(|input| input.stem.clone()).collect()
        };
        let flat = gather(false);
        assert_eq!(stems(&flat), ["b"]);
        assert!(
            told(&flat).starts_with("skipped 2 subfolders (p1, p2); use --recursive to include subfolders")
        );
        let deep = gather(true);
        assert_eq!(stems(&deep), ["b", "a", "a-2", "c"]);
        assert!(told(&deep).contains("(notes.txt)") && !told(&deep).contains("subfolder"));
        Ok(())
    }

    /// Not on macOS, whose file systems refuse such names.
    #[test]
    #[cfg(target_os = "linux")]
    fn folders_whose_names_are_no_utf8_are_entered() -> Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::new("no-utf8")?;
        let within = folder.path.join(std::ffi::OsStr::from_bytes(b"Pr\xe4parat"));
        std::fs::create_dir(&within)?;
        std::fs::write(within.join("a.png"), b"")?;
        let gather = |deep: bool| {
            Inputs::gather(std::slice::from_ref(&folder.path), &folder.path.join("out"), deep, &SUFFIXES)
        };
        let deep = gather(true);
        assert_eq!((deep.images.len(), &deep.problems), (1, &Vec::new()));
        assert_eq!(deep.images[0].path, within.join("a.png"));
        let told = &gather(false).notes[0].what;
        assert!(told.starts_with("skipped 1 subfolder (Pr\u{fffd}parat)"), "{told}");
        Ok(())
    }

    #[test]
    #[cfg(unix)]
    fn only_the_same_path_counts_once() -> Result<()> {
        let folder = Folder::new("links")?;
        let image = folder.file("in/a.png", b"")?;
        for name in ["b.png", "c.png"] {
            std::os::unix::fs::symlink(&image, folder.path.join("in").join(name))?;
        }
        let given =
            [folder.path.join("in"), folder.path.join("in/../in/b.png"), folder.path.join("in/./c.png")];
        let inputs = Inputs::gather(&given, &folder.path.join("out"), false, &SUFFIXES);
        let stems: Vec<_> = inputs.images.iter().map(|input| input.stem.as_str()).collect();
        assert_eq!((stems, inputs.notes.len()), (vec!["a", "b", "c"], 0));
        Ok(())
    }

    #[test]
    fn what_is_only_called_like_a_result_is_told_of() -> Result<()> {
        let folder = Folder::new("like-results")?;
        for name in ["a.png", "a.mask.png", "a.overlay.png", "s1.mask.png", "s2.geojson"] {
            folder.file(name, b"")?;
        }
        let inputs =
            Inputs::gather(std::slice::from_ref(&folder.path), &folder.path.join("out"), false, &SUFFIXES);
        let stems: Vec<_> = inputs.images.iter().map(|input| input.stem.as_str()).collect();
        assert_eq!(stems, ["a"]);
        let told: String = inputs.notes.iter().map(|note| format!("{note}\n")).collect();
        assert!(inputs.notes.len() == 2 && told.contains("(s1.mask.png)"), "{told}");
        assert!(told.contains("(s2.geojson)"), "{told}");
        let named =
            Inputs::gather(&[folder.path.join("s1.mask.png")], &folder.path.join("out"), false, &SUFFIXES);
        assert_eq!((named.images.len(), named.notes.len()), (1, 0));
        Ok(())
    }

    #[test]
    fn an_empty_folder_is_a_problem() -> Result<()> {
        let folder = Folder::new("no-inputs")?;
        let inputs = Inputs::gather(std::slice::from_ref(&folder.path), &folder.path, false, &SUFFIXES);
        assert!(inputs.problems[0].to_string().contains("no images in the folder"));
        Ok(())
    }

    #[test]
    fn no_result_overwrites_a_file_of_others() -> Result<()> {
        let folder = Folder::new("others")?;
        let image = folder.file("slide.png", b"")?;
        let gather = |suffixes: &[&str]| {
            Inputs::gather(std::slice::from_ref(&image), &folder.path, false, suffixes).problems
        };
        for suffix in SUFFIXES.iter().filter(|suffix| !results::MARKED.contains(suffix)) {
            let theirs = folder.file(&format!("slide{suffix}"), b"")?;
            let told: Vec<String> = gather(&SUFFIXES).iter().map(|problem| problem.what.clone()).collect();
            assert!(told.len() == 1 && told[0].contains(&theirs.display().to_string()), "{told:?}");
            assert!(gather(&results::MARKED).is_empty(), "it is in nobody's way");
            std::fs::remove_file(theirs)?;
        }
        Ok(())
    }

    #[test]
    fn a_name_that_is_only_an_extension_is_told_as_that() -> Result<()> {
        let folder = Folder::new("extension")?;
        let inputs = Inputs::gather(&[folder.file(".png", b"")?], &folder.path.join("out"), false, &SUFFIXES);
        let told = &inputs.notes[0].what;
        assert!(told.starts_with("the file has only an extension") && told.ends_with("image.*"), "{told}");
        Ok(())
    }

    #[test]
    fn masks_and_labels_of_a_data_set_are_no_images() -> Result<()> {
        let folder = Folder::new("deep-data-set")?;
        for kind in ["train/images", "train/masks", "train/labels", "masks"] {
            folder.file(&format!("{kind}/a.png"), b"")?;
        }
        let gather = |paths: &[PathBuf]| Inputs::gather(paths, &folder.path.join("out"), true, &SUFFIXES);
        let inputs = gather(std::slice::from_ref(&folder.path));
        let paths: Vec<&Path> = inputs.images.iter().map(|input| &*input.path).collect();
        assert_eq!(paths, [folder.path.join("masks/a.png"), folder.path.join("train/images/a.png")]);
        let told: Vec<String> = inputs.notes.iter().map(|note| note.to_string()).collect();
        assert!(told[0].starts_with("skipped 2 subfolders (labels, masks) beside images/"), "{told:?}");
        assert!(told[0].ends_with("train"), "{told:?}");
        assert_eq!(gather(&[folder.path.clone(), folder.path.join("train/masks")]).images.len(), 3);
        Ok(())
    }
}
