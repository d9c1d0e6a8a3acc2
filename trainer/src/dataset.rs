//! A data set on disk: `DIR/{train,test}/{images,masks}/NAME.*`, or `DIR/{images,masks}/NAME.*` without a split.
//!
//! All problems are collected instead of stopping at the first: whoever repairs a folder of 500 smears wants one list.

mod entry;
#[cfg(test)]
mod tests;

use crate::data_files::{Part, UNFINISHED};
use crate::files::{Listing, file_name, refuse_unlisted, stem};
use crate::manifest::{Manifest, Row};
use crate::problem::Problem;
use crate::say;
use anyhow::{Result, bail};
pub use entry::{Entry, Sample};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// The samples that could be decoded, ordered by name, and what was wrong with the others.
#[derive(Debug, Default)]
pub struct Loaded {
    pub samples: Vec<Sample>,
    pub problems: Vec<Problem>,
    /// Doubts about samples that are used nevertheless.
    pub warnings: Vec<Problem>,
}

/// The files of a data set, paired up but not decoded.
#[derive(Debug)]
pub struct Dataset {
    pub root: PathBuf,
    /// The parts that have folders.
    parts: Vec<Part>,
    /// Sorted by part, then name.
    pub entries: Vec<Entry>,
    /// Images without a mask, masks without an image, duplicate names.
    pub problems: Vec<Problem>,
    /// What looks odd but does no harm.
    pub warnings: Vec<Problem>,
    /// Unreadable lines of the manifest. Training and evaluation refuse a data set that has any.
    pub manifest_errors: Vec<Problem>,
    /// Nothing says which images come from the same smear, which cross-validation needs to know.
    ungrouped: bool,
}

impl Dataset {
    /// Lists the folder.
    ///
    /// # Errors
    /// If there is no data set, a folder can't be listed or the manifest can't be read at all.
    pub fn open(root: &Path) -> Result<Self> {
        // A folder without permission to enter it would look as if it did not exist.
        refuse_unlisted(root)?;
        let mut closed = Vec::new();
        let mut is_folder = |path: PathBuf| match std::fs::metadata(&path) {
            Ok(found) => found.is_dir(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => {
                closed.push(Problem::io(&path, "cannot enter", &error));
                false
            }
        };
        // `|`, not `||`: both folders are looked at, so that one that can't be entered is reported.
        let parts: Vec<(Part, PathBuf)> = [
            (Part::Train, root.join("train")),
            (Part::Test, root.join("test")),
            (Part::Unsplit, root.into()),
        ]
        .into_iter()
        .filter(|(_, folder)| is_folder(folder.join("images")) | is_folder(folder.join("masks")))
        .collect();
        if let Some(first) = closed.into_iter().next() {
            return Err(first.into());
        }
        if root.join(UNFINISHED).exists() {
            let what =
                "`trainer synth` has not finished this data set: if it is not running any more, run it again";
            return Err(Problem::new(root, what).into());
        }
        if parts.is_empty() {
            bail!(
                "no data set: expected images/ and masks/, or train/images/ and train/masks/, in {}",
                root.display()
            );
        }
        let manifest = Manifest::read(&root.join("manifest.csv"))?;
        let mut dataset = Self {
            root: root.into(),
            parts: parts.iter().map(|(part, _)| *part).collect(),
            entries: vec![],
            problems: vec![],
            warnings: vec![],
            manifest_errors: vec![],
            ungrouped: false,
        };
        for (part, folder) in &parts {
            dataset.pair(*part, folder, manifest.as_ref());
        }
        if dataset.has(Part::Train) && dataset.has(Part::Unsplit) {
            let what = "ignored, because there is train/ beside it; move its images there or delete it";
            dataset.warnings.push(Problem::new(&root.join("images"), what));
        }
        dataset.doubt_manifest(manifest.as_ref());
        Ok(dataset)
    }

    /// The data set, provided that every line of its manifest can be read.
    ///
    /// # Errors
    /// The first line that can't be read: an image whose smear is unknown would make the results look better than they
    /// are.
    pub fn sound(self) -> Result<Self, Problem> {
        match self.manifest_errors.first() {
            Some(error) => Err(error.clone()),
            None => Ok(self),
        }
    }

    /// The part to train on: `train`, or everything if there is no split.
    pub fn training_part(&self) -> Part {
        if self.has(Part::Train) { Part::Train } else { Part::Unsplit }
    }

    /// Collects warnings about a manifest that is missing, lies in another folder, or has entries without effect.
    fn doubt_manifest(&mut self, manifest: Option<&Manifest>) {
        let Some(manifest) = manifest else {
            let above = above(&self.root).filter(|above| above.join("manifest.csv").exists());
            self.ungrouped = above.is_none();
            self.warnings.extend(above.map(|above| {
                let what = format!(
                    "manifest.csv is in the parent folder {}: use that folder, or each image counts as a smear of its \
                     own",
                    above.display()
                );
                Problem::new(&self.root, what)
            }));
            return;
        };
        let mut doubts = Vec::new();
        let tested = manifest.rows().any(|row| row.split.as_deref() == Some(Part::Test.name()));
        if tested && self.parts == [Part::Unsplit] {
            doubts.push(format!(
                "the split counts only for the folders train/ and test/; all {} images are used to train and to measure",
                self.entries.len()
            ));
        }
        doubts.extend(manifest.warnings.iter().cloned());
        let key = |row: &Row| (row.name.clone(), row.split.clone());
        let counts = self.entries.iter().filter_map(|entry| manifest.find(&entry.name, entry.part));
        let used: HashSet<_> = counts.map(key).collect();
        match manifest.rows().filter(|row| !used.contains(&key(row))).count() {
            0 => {}
            1 => doubts.push("one line names an image that does not exist".into()),
            unused => doubts.push(format!("{unused} lines name images that do not exist")),
        }
        let file = self.root.join("manifest.csv");
        self.warnings.extend(doubts.into_iter().map(|what| Problem::new(&file, what)));
        self.manifest_errors.extend(manifest.errors.iter().map(|what| Problem::new(&file, what)));
    }

    /// The part to measure on: `test`, or else the training part.
    pub fn test_part(&self) -> Part {
        if self.has(Part::Test) { Part::Test } else { self.training_part() }
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Prints the warnings about the folder on standard error.
    pub fn warn(&self) {
        self.tell(&self.warnings);
    }

    /// Prints the first few warnings on standard error.
    pub fn tell(&self, warnings: &[Problem]) {
        say::warnings(warnings, &format!("`trainer check --data {}`", self.root.display()));
    }

    /// A warning that concerns only cross-validation: if images of one smear are on both sides, its results look too
    /// good.
    pub fn ungrouped(&self) -> Option<Problem> {
        let what = "no manifest.csv, so each image counts as a smear of its own; if several images come from one smear, list them \
                    in a manifest.csv with the columns name and source_file, or cross-validation is over-optimistic";
        let several = self.part(self.training_part()).count() > 1;
        (self.ungrouped && several).then(|| Problem::new(&self.root, what))
    }

    /// Test images whose source training images come from too. Crops of one smear look alike: if they are both in
    /// training and in test, the results look too good.
    pub fn straddlers(&self) -> Vec<Problem> {
        // Without a manifest each image is its own source, so equal names mean nothing.
        let named = |entry: &Entry| entry.source != entry.name;
        let mut training: BTreeMap<&str, &Entry> = BTreeMap::new();
        for entry in self.part(self.training_part()) {
            let first = training.entry(entry.source.as_str()).or_insert(entry);
            if named(entry) {
                *first = entry;
            }
        }
        let doubt = |entry: &Entry| {
            let other = training.get(entry.source.as_str()).filter(|other| named(entry) || named(other))?;
            let (source, other) = (&entry.source, &other.name);
            let what =
                format!("its source {source} is also that of training image {other}: move one of them");
            Some(Problem::new(&entry.image, what))
        };
        // Without a split the images measured are those trained on, and no one expects otherwise.
        self.part(Part::Test).filter_map(doubt).collect()
    }

    /// Problems of the files of one part.
    pub fn problems_of(&self, part: Part) -> Vec<Problem> {
        let within = |problem: &Problem, part: Part| problem.path.starts_with(self.root.join(part.name()));
        let of_part = |problem: &&Problem| match part {
            Part::Unsplit => ![Part::Train, Part::Test].iter().any(|other| within(problem, *other)),
            _ => within(problem, part),
        };
        self.problems.iter().filter(of_part).cloned().collect()
    }

    pub fn part(&self, part: Part) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.part == part)
    }

    /// Decodes one part on all cores. The result includes the problems found when listing.
    pub fn load(&self, part: Part) -> Loaded {
        let entries: Vec<&Entry> = self.part(part).collect();
        let results: Vec<_> = entries.par_iter().map(|entry| entry.load()).collect();
        let mut loaded = Loaded { samples: vec![], problems: self.problems_of(part), warnings: vec![] };
        for result in results {
            match result {
                Ok((sample, doubts)) => {
                    loaded.samples.push(sample);
                    loaded.warnings.extend(doubts);
                }
                Err(problem) => loaded.problems.push(problem),
            }
        }
        loaded
    }

    /// Pairs the images of one folder with their masks and labels.
    fn pair(&mut self, part: Part, folder: &Path, manifest: Option<&Manifest>) {
        let mut images = self.list(&folder.join("images"));
        let mut masks = as_named_by(&images, self.list(&folder.join("masks")), ".mask");
        let labels = folder.join("labels");
        let before = self.problems.len();
        let labels = if labels.is_dir() { self.list(&labels) } else { BTreeMap::new() };
        let mut labels = as_named_by(&images, labels, ".labels");
        // Labels are optional, so problems with them are only warnings.
        self.warnings.extend(self.problems.split_off(before));
        for (name, image) in std::mem::take(&mut images) {
            let labels = labels.remove(&name);
            let Some(mask) = masks.remove(&name) else {
                let what = format!("no mask masks/{name}.* for this image, add one or delete the image");
                self.problems.push(Problem::new(&image, what));
                continue;
            };
            let row = manifest.and_then(|manifest| manifest.find(&name, part));
            if manifest.is_some() && row.is_none() {
                let what = "not listed in manifest.csv, so it counts as a source of its own";
                self.warnings.push(Problem::new(&image, what));
            }
            let source = row.and_then(|row| row.source.clone()).unwrap_or_else(|| name.clone());
            let margin = row.map_or(0, |row| row.margin);
            self.entries.push(Entry { name, source, part, image, mask, labels, margin });
        }
        for mask in masks.into_values() {
            self.problems
                .push(Problem::new(&mask, "a mask without an image, add the image or delete the mask"));
        }
        for labels in labels.into_values() {
            let what =
                "labels without an image, so they are not used; name them as their image, or NAME.labels.png";
            self.warnings.push(Problem::new(&labels, what));
        }
    }

    /// The images directly in one folder, by name without extension.
    fn list(&mut self, folder: &Path) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        let listing = match Listing::of(folder) {
            Ok(listing) => listing,
            Err(error) => {
                self.problems.push(Problem::io(folder, "cannot list", &error));
                return found;
            }
        };
        self.warnings.extend(listing.skipped(folder));
        for path in listing.images {
            let name = stem(&path);
            if let Some(first) = found.get(&name) {
                let first: &PathBuf = first;
                let what = format!("left out, because the name is taken by {}", file_name(first));
                self.problems.push(Problem::new(&path, what));
            } else {
                found.insert(name, path);
            }
        }
        found
    }
}

/// Each item with a key that an earlier item has, after the first of these.
pub fn repeated<K: Ord, T: Copy>(items: impl Iterator<Item = (K, T)>) -> Vec<(T, T)> {
    let mut seen: BTreeMap<K, (usize, T)> = BTreeMap::new();
    let pairs = items.enumerate().filter_map(|(at, (key, item))| {
        let (first_at, first) = *seen.entry(key).or_insert((at, item));
        (first_at != at).then_some((first, item))
    });
    pairs.collect()
}

/// Masks or labels by the name of their image. They may also be named as the page and `trainer predict` name them: NAME
/// followed by `suffix`.
fn as_named_by(
    images: &BTreeMap<String, PathBuf>,
    files: BTreeMap<String, PathBuf>,
    suffix: &str,
) -> BTreeMap<String, PathBuf> {
    let (mut named, mut others) = (BTreeMap::new(), BTreeMap::new());
    for (name, path) in files {
        if images.contains_key(&name) {
            named.insert(name, path)
        } else {
            others.insert(name, path)
        };
    }
    for (name, path) in others {
        let image = name.strip_suffix(suffix).filter(|image| images.contains_key(*image));
        // A file with exactly the image's name takes precedence; the other one is reported.
        let name = image.filter(|image| !named.contains_key(*image)).unwrap_or(&name);
        named.insert(name.to_string(), path);
    }
    named
}

/// The parent folder.
fn above(folder: &Path) -> Option<PathBuf> {
    // `.` and `..` have no useful parent as they stand.
    folder.canonicalize().ok()?.parent().map(Path::to_path_buf)
}
