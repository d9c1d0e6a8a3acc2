//! A data set on disk: `DIR/{train,test}/{images,masks}/NAME.*`, or `DIR/{images,masks}/NAME.*` without a split.
//!
//! Everything wrong is collected, never the first thing alone: who repairs a folder of 500 smears wants one list.

use crate::files::{self, Listing, file_name, stem};
use crate::instances;
use crate::manifest::{Manifest, Row};
use crate::masks;
use crate::problem::Problem;
use crate::say;
use anyhow::{Result, bail};
use rayon::prelude::*;
use rbc_model::cells::Labels;
use rbc_model::decode::{self, Orientation};
use rbc_model::{GrayImage, RgbImage};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// Which part of a data set a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Train,
    Test,
    /// The folder has no split.
    Whole,
}

impl Part {
    /// As `manifest.csv` has it in its `split` column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Whole => "all",
        }
    }
}

/// One image and its mask, decoded.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The file's name without extension.
    pub name: String,
    /// The smear it was cut from: images of one source never straddle a fold.
    pub source: String,
    pub image: RgbImage,
    /// 255 where there is a red blood cell, 0 elsewhere.
    pub mask: GrayImage,
    /// So many pixels along each edge are not labelled and say nothing.
    pub margin: u32,
    /// Which pixel belongs to which cell, where the data set has `labels/NAME.png`.
    pub instances: Option<Labels>,
}

/// One image and its mask as they lie on disk.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub source: String,
    pub part: Part,
    pub image: PathBuf,
    pub mask: PathBuf,
    pub labels: Option<PathBuf>,
    pub margin: u32,
}

/// What could be decoded, by name, and what was wrong with the rest.
#[derive(Debug, Default)]
pub struct Loaded {
    pub samples: Vec<Sample>,
    pub problems: Vec<Problem>,
    /// Of samples that are used all the same.
    pub warnings: Vec<Problem>,
}

/// The files of a data set, paired up but not decoded.
#[derive(Debug)]
pub struct Dataset {
    pub root: PathBuf,
    /// Those there are folders for.
    parts: Vec<Part>,
    /// Sorted by part, then name.
    pub entries: Vec<Entry>,
    /// Images without a mask, masks without an image, names used twice.
    pub problems: Vec<Problem>,
    /// What looks odd but harms nothing.
    pub warnings: Vec<Problem>,
    /// Nothing says which images come from one smear, and cross validation needs to know.
    ungrouped: bool,
}

impl Dataset {
    /// Lists the folder. Fails only where there is no data set at all or its manifest cannot be read.
    pub fn open(root: &Path) -> Result<Self> {
        let parts: Vec<(Part, PathBuf)> =
            [(Part::Train, root.join("train")), (Part::Test, root.join("test")), (Part::Whole, root.into())]
                .into_iter()
                .filter(|(_, folder)| folder.join("images").is_dir() || folder.join("masks").is_dir())
                .collect();
        if !root.is_dir() {
            bail!("there is no such folder: {}", root.display());
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
            ungrouped: false,
        };
        for (part, folder) in &parts {
            dataset.pair(*part, folder, manifest.as_ref());
        }
        if dataset.has(Part::Train) && dataset.has(Part::Whole) {
            let what = "not used, as there is train/ beside it; move its images there, or take it away";
            dataset.warnings.push(Problem::new(&root.join("images"), what));
        }
        let above = above(root).filter(|above| manifest.is_none() && above.join("manifest.csv").exists());
        dataset.ungrouped = manifest.is_none() && above.is_none();
        if let Some(above) = above {
            let what = format!(
                "manifest.csv lies in the folder above, {}: give that folder, or each image counts as a smear of its own",
                above.display()
            );
            dataset.warnings.push(Problem::new(root, what));
        }
        if let Some(manifest) = &manifest {
            let tested = manifest.rows().any(|row| row.split.as_deref() == Some(Part::Test.name()));
            if tested && dataset.parts == [Part::Whole] {
                let what = format!(
                    "the column split counts only for train/ and test/; all {} images are used to train and to measure",
                    dataset.entries.len()
                );
                dataset.warnings.push(Problem::new(&root.join("manifest.csv"), what));
            }
            let odd = manifest.warnings.iter().map(|what| Problem::new(&root.join("manifest.csv"), what));
            dataset.warnings.extend(odd);
            let counts = dataset.entries.iter().filter_map(|entry| manifest.find(&entry.name, entry.part));
            let key = |row: &Row| (row.name.clone(), row.split.clone());
            let used: HashSet<_> = counts.map(key).collect();
            let unused = manifest.rows().filter(|row| !used.contains(&key(row))).count();
            if unused > 0 {
                let what = match unused {
                    1 => "one line names no image that is there".to_string(),
                    _ => format!("{unused} lines name no image that is there"),
                };
                dataset.warnings.push(Problem::new(&root.join("manifest.csv"), what));
            }
        }
        Ok(dataset)
    }

    /// What to train on: `train`, or everything where there is no split.
    pub fn training_part(&self) -> Part {
        if self.has(Part::Train) { Part::Train } else { Part::Whole }
    }

    /// What to measure on: `test`, or everything where there is no split.
    pub fn test_part(&self) -> Part {
        if self.has(Part::Test) { Part::Test } else { self.training_part() }
    }

    fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Tells on standard error what looks odd about the folder.
    pub fn warn(&self) {
        self.tell(&self.warnings);
    }

    /// Tells on standard error what looks odd, the first few of it.
    pub fn tell(&self, warnings: &[Problem]) {
        const SHOWN: usize = 5;
        for warning in warnings.iter().take(SHOWN) {
            say::err!("warning: {warning}");
        }
        if let more @ 1.. = warnings.len().saturating_sub(SHOWN) {
            say::err!("and {more} more warnings, which `trainer check --data {}` lists", self.root.display());
        }
    }

    /// What harms cross validation alone: images of one smear, on both sides, flatter it.
    pub fn ungrouped(&self) -> Option<Problem> {
        let what = "no manifest.csv, so each image counts as a smear of its own; if several images come from one smear, list them \
                    in a manifest.csv with the columns name and source_file, or cross validation is over-optimistic";
        let several = self.part(self.training_part()).count() > 1;
        (self.ungrouped && several).then(|| Problem::new(&self.root, what))
    }

    /// Test images whose source training images come from too. Crops of one smear look alike: in training and test both,
    /// they flatter the result.
    pub fn straddlers(&self) -> Vec<Problem> {
        // Without a manifest an image is its own source, and equal names mean nothing.
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
            let what = format!("its source {source} is that of training image {other} too, move one of them");
            Some(Problem::new(&entry.image, what))
        };
        // Where there is no split, what is measured is what was trained on, and nobody is deceived.
        self.part(Part::Test).filter_map(doubt).collect()
    }

    /// What is wrong with the files of one part.
    pub fn problems_of(&self, part: Part) -> Vec<Problem> {
        let within = |problem: &Problem, part: Part| problem.path.starts_with(self.root.join(part.name()));
        let of_part = |problem: &&Problem| match part {
            Part::Whole => ![Part::Train, Part::Test].iter().any(|other| within(problem, *other)),
            _ => within(problem, part),
        };
        self.problems.iter().filter(of_part).cloned().collect()
    }

    pub fn part(&self, part: Part) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.part == part)
    }

    /// Decodes one part, on all cores. The problems of listing come along with those of decoding.
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

    /// Pairs the images of one folder with their masks.
    fn pair(&mut self, part: Part, folder: &Path, manifest: Option<&Manifest>) {
        let mut images = self.list(&folder.join("images"));
        let mut masks = as_named_by(&images, self.list(&folder.join("masks")), ".mask");
        let labels = folder.join("labels");
        let before = self.problems.len();
        let labels = if labels.is_dir() { self.list(&labels) } else { BTreeMap::new() };
        let mut labels = as_named_by(&images, labels, ".labels");
        // Nobody has to have labels, so nothing about them is an error.
        self.warnings.extend(self.problems.split_off(before));
        for (name, image) in std::mem::take(&mut images) {
            let Some(mask) = masks.remove(&name) else {
                let what = format!("no mask masks/{name}.* for this image, add one or take the image away");
                self.problems.push(Problem::new(&image, what));
                continue;
            };
            let row = manifest.and_then(|manifest| manifest.find(&name, part));
            if manifest.is_some() && row.is_none() {
                let what = "not in manifest.csv, so taken for a source of its own";
                self.warnings.push(Problem::new(&image, what));
            }
            let source = row.and_then(|row| row.source.clone()).unwrap_or_else(|| name.clone());
            let margin = row.map_or(0, |row| row.margin);
            let labels = labels.remove(&name);
            self.entries.push(Entry { name, source, part, image, mask, labels, margin });
        }
        for mask in masks.into_values() {
            self.problems
                .push(Problem::new(&mask, "a mask without an image, add the image or delete the mask"));
        }
    }

    /// Pictures in one folder by name without extension.
    fn list(&mut self, folder: &Path) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        let listing = match Listing::of(folder) {
            Ok(listing) => listing,
            Err(error) => {
                self.problems.push(Problem::io(folder, "cannot list", &error));
                return found;
            }
        };
        self.warnings.extend(listing.passed_over(folder));
        for path in listing.images {
            let name = stem(&path);
            if let Some(first) = found.get(&name) {
                let first: &PathBuf = first;
                let what = format!("left out, as the name is taken by {}", file_name(first));
                self.problems.push(Problem::new(&path, what));
            } else {
                found.insert(name, path);
            }
        }
        found
    }
}

/// Masks as the page and `trainer predict` name them, NAME.mask.png, belong to the image NAME too.
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
        // One that has the image's very name comes first; the other is told of.
        let name = image.filter(|image| !named.contains_key(*image)).unwrap_or(&name);
        named.insert(name.to_string(), path);
    }
    named
}

impl Entry {
    /// Decodes image and mask; they must be of one size. What makes one doubt them comes along, and what is wrong with the
    /// labels: the sample does without.
    pub fn load(&self) -> Result<(Sample, Vec<Problem>), Problem> {
        let (image, turned) = files::decoded(&self.image, |bytes, name| {
            Ok((decode::decode(bytes, name)?, decode::orientation(bytes)))
        })?;
        let (mask, faint, mask_turned) = files::decoded(&self.mask, |bytes, name| {
            let lossy = decode::is_lossy(bytes);
            let faint = lossy.then(|| decode::decode_faint(bytes, name)).transpose()?;
            Ok((decode::decode_mask(bytes, name)?, faint, decode::orientation(bytes)))
        })?;
        let turned = turned_apart(turned, mask_turned);
        let (width, height) = image.dimensions();
        if mask.dimensions() != (width, height) {
            let (mask_width, mask_height) = mask.dimensions();
            let mut what = format!(
                "the mask is {mask_width} x {mask_height} but its image {width} x {height}, make them one size"
            );
            if let Some(turned) = turned {
                what = format!("{what}; {turned}");
            }
            return Err(Problem::new(&self.mask, what));
        }
        if u64::from(self.margin) * 2 >= u64::from(width.min(height)) {
            let what =
                format!("manifest.csv ignores {} px along each edge, which leaves nothing", self.margin);
            return Err(Problem::new(&self.image, what));
        }
        let doubts = turned.map(String::from).into_iter().chain(faint.as_ref().and_then(masks::faint));
        let mut doubts: Vec<Problem> = doubts.map(|what| Problem::new(&self.mask, what)).collect();
        let instances = self.labels.as_deref().map(|labels| instances::read(labels, (width, height)));
        let instances = instances.transpose().unwrap_or_else(|Problem { what, path }| {
            let what = format!("passed over, so that the mask alone tells the cells apart: {what}");
            doubts.push(Problem::new(&path, what));
            None
        });
        let (name, source) = (self.name.clone(), self.source.clone());
        Ok((Sample { name, source, image, mask, margin: self.margin, instances }, doubts))
    }
}

/// Says so where one of two files is turned when it is read and the other is not, or otherwise.
fn turned_apart(image: Orientation, mask: Orientation) -> Option<&'static str> {
    let upright = Orientation::NoTransforms;
    match (image == upright, mask == upright) {
        _ if image == mask => None,
        (false, true) => Some(
            "the image is turned by its orientation tag and the mask has none: look whether they fit, or save both upright",
        ),
        (true, false) => Some(
            "the mask is turned by its orientation tag and the image has none: look whether they fit, or save both upright",
        ),
        _ => Some("image and mask are turned otherwise by their orientation tags: save both upright"),
    }
}

/// The folder that another lies in.
fn above(folder: &Path) -> Option<PathBuf> {
    // `.` and `..` tell nothing by themselves.
    folder.canonicalize().ok()?.parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    #[test]
    fn what_is_wrong_in_one_part_is_nothing_to_the_others() -> Result<()> {
        let folder = Folder::new("dataset-parts")?;
        folder.image("images/a.png", 8, 8, 1)?;
        folder.mask("masks/a.png", 8, 8)?;
        folder.image("images/alone.png", 8, 8, 2)?;
        folder.image("test/images/orphan.png", 8, 8, 3)?;
        std::fs::create_dir_all(folder.path.join("test/masks"))?;
        let dataset = Dataset::open(&folder.path)?;
        let names = |part| -> Vec<String> {
            dataset.problems_of(part).iter().map(|problem| file_name(&problem.path)).collect()
        };
        assert_eq!(
            (names(Part::Whole), names(Part::Test)),
            (vec!["alone.png".into()], vec!["orphan.png".into()])
        );
        Ok(())
    }

    #[test]
    fn bad_labels_cost_neither_image_nor_mask() -> Result<()> {
        let folder = Folder::new("labels")?;
        for (index, name) in ["good", "broken", "size"].into_iter().enumerate() {
            folder.pair("train", name, 8, 8, index as u8)?;
        }
        folder.mask("train/labels/good.png", 8, 8)?;
        folder.file("train/labels/broken.png", b"no picture")?;
        folder.mask("train/labels/size.png", 7, 8)?;
        folder.mask("train/labels/size.bmp", 8, 8)?;
        let dataset = Dataset::open(&folder.path)?;
        let loaded = dataset.load(Part::Train);
        let cells: Vec<_> = loaded
            .samples
            .iter()
            .map(|s| (s.name.as_str(), s.instances.as_ref().map(instances::count)))
            .collect();
        assert_eq!(cells, [("broken", None), ("good", Some(1)), ("size", Some(1))]);
        assert_eq!((loaded.problems.len(), loaded.warnings.len(), dataset.warnings.len()), (0, 1, 1));
        assert!(loaded.warnings[0].to_string().starts_with("passed over"), "{}", loaded.warnings[0]);
        Ok(())
    }

    #[test]
    fn a_manifest_that_does_not_count_is_warned_of() -> Result<()> {
        let folder = Folder::new("manifests")?;
        let told = |root: &Path| -> Result<String> {
            Ok(Dataset::open(root)?.warnings.iter().map(|warning| format!("{warning}\n")).collect())
        };
        for (part, name, shade) in
            [("set/train", "a", 1), ("set/test", "b", 2), ("flat", "a", 3), ("flat", "b", 4)]
        {
            folder.pair(part, name, 8, 8, shade)?;
        }
        let manifest = b"name,source_file,split\na,s,train\nb,t,test\n";
        folder.file("set/manifest.csv", manifest)?;
        folder.file("flat/manifest.csv", manifest)?;
        assert_eq!(told(&folder.path.join("set"))?, "");
        let below = told(&folder.path.join("set/train"))?;
        assert!(
            below.starts_with("manifest.csv lies in the folder above, ") && below.lines().count() == 1,
            "{below}"
        );
        // One line for an image is meant, whatever it calls the part; of two, the other part's counts for nothing.
        let set = folder.path.join("set");
        folder.file("set/manifest.csv", b"name,source_file,split\na,s,val\nb,t,test\nb,t,train\n")?;
        assert!(told(&set)?.starts_with("one line names no image that is there"), "{}", told(&set)?);
        let flat = told(&folder.path.join("flat"))?;
        assert!(flat.contains("all 2 images are used") && flat.lines().count() == 1, "{flat}");
        Ok(())
    }

    #[test]
    fn image_and_mask_that_are_turned_apart_are_warned_of() -> Result<()> {
        let folder = Folder::new("turned")?;
        // Half a turn, so that the size stays.
        let jpeg = |name: &str, turned: bool| -> Result<()> {
            let mut plain = std::io::Cursor::new(Vec::new());
            let half = |x: u32, _| image::Luma([if x < 8 { 0 } else { 255 }]);
            GrayImage::from_fn(16, 8, half).write_to(&mut plain, image::ImageFormat::Jpeg)?;
            let tag = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0];
            let exif = [b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01".as_slice(), &tag].concat();
            let (start, rest) = plain.get_ref().split_at(2);
            let exif = if turned { exif.as_slice() } else { &[] };
            folder.file(name, &[start, exif, rest].concat()).map(drop)
        };
        for (name, image, mask) in
            [("a", false, false), ("b", true, false), ("c", false, true), ("d", true, true)]
        {
            jpeg(&format!("images/{name}.jpg"), image)?;
            jpeg(&format!("masks/{name}.jpg"), mask)?;
        }
        let loaded = Dataset::open(&folder.path)?.load(Part::Whole);
        let told: Vec<String> = loaded.warnings.iter().map(|warning| warning.to_string()).collect();
        assert_eq!((loaded.samples.len(), told.len()), (4, 2), "{told:?}");
        assert!(told[0].starts_with("the image is turned") && told[0].ends_with("b.jpg"), "{told:?}");
        assert!(told[1].starts_with("the mask is turned") && told[1].ends_with("c.jpg"), "{told:?}");
        Ok(())
    }

    #[test]
    fn what_is_not_used_is_warned_of() -> Result<()> {
        let folder = Folder::new("not-used")?;
        folder.pair("train", "a", 8, 8, 1)?;
        folder.file("train/images/b.czi", b"")?;
        folder.file("train/masks/c.npy", b"")?;
        folder.pair(".", "d", 8, 8, 2)?;
        folder.file("manifest.csv", b"name,split\na,train\nd,\n")?;
        let dataset = Dataset::open(&folder.path)?;
        let warnings: Vec<String> = dataset.warnings.iter().map(|warning| warning.to_string()).collect();
        for (what, file) in [
            ("without an image extension (b.czi)", "images"),
            ("without an image extension (c.npy)", "masks"),
            ("there is train/ beside it", "images"),
            ("`source_file`", "manifest.csv"),
        ] {
            let told = warnings.iter().any(|line| line.contains(what) && line.ends_with(file));
            assert!(told, "{what}: {warnings:?}");
        }
        assert_eq!((warnings.len(), dataset.problems.len()), (4, 0), "{warnings:?}");
        Ok(())
    }

    #[test]
    fn masks_as_the_page_names_them_belong_to_their_images() -> Result<()> {
        let folder = Folder::new("dataset-suffix")?;
        folder.pair(".", "a", 8, 8, 1)?;
        folder.pair(".", "b", 8, 8, 2)?;
        let masks = folder.path.join("masks");
        std::fs::rename(masks.join("a.png"), masks.join("a.mask.png"))?;
        std::fs::copy(masks.join("b.png"), masks.join("b.mask.png"))?;
        let dataset = Dataset::open(&folder.path)?;
        let masks: Vec<String> = dataset.entries.iter().map(|entry| file_name(&entry.mask)).collect();
        assert_eq!(masks, ["a.mask.png", "b.png"]);
        let problems: Vec<String> = dataset.problems.iter().map(ToString::to_string).collect();
        assert!(problems.len() == 1 && problems[0].ends_with("b.mask.png"), "{problems:?}");
        assert!(dataset.ungrouped().is_some());
        folder.file("manifest.csv", b"name,source_file\na,one\nb,one\n")?;
        assert!(Dataset::open(&folder.path)?.ungrouped().is_none());
        Ok(())
    }
}
