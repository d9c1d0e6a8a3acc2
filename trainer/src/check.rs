//! `trainer check`: finds everything that is wrong with a data set before hours are spent on training.

use crate::classes::{self, Values};
use crate::cli::FOLDS;
use crate::data_files::Part;
use crate::dataset::{Dataset, Entry, repeated};
use crate::files;
use crate::masks::{self, Marks};
use crate::problem::Problem;
use crate::say::{self, plural};
use anyhow::{Result, bail};
use rayon::prelude::*;
use rbc_model::{GrayImage, decode};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

/// What `trainer check` reports about a data set.
#[derive(Debug, Default)]
pub struct Report {
    /// One line for each part (images, sizes, share of RBC, sources), then one on the folds if the sources are few.
    pub lines: Vec<String>,
    pub warnings: Vec<Problem>,
    pub errors: Vec<Problem>,
}

/// Prints the report; fails if it has errors.
pub fn run(root: &Path) -> Result<()> {
    let report = examine(&Dataset::open(root)?);
    for line in &report.lines {
        say::out!("{line}");
    }
    for warning in &report.warnings {
        say::err!("warning: {warning}");
    }
    for error in &report.errors {
        say::err!("error: {error}");
    }
    match report.errors.len() {
        0 => {
            say::out!("no errors, {}", plural(report.warnings.len(), "warning", "warnings"));
            Ok(())
        }
        errors => bail!("{} found, listed above, in {}", plural(errors, "error", "errors"), root.display()),
    }
}

/// What is kept of one image. Its pixels are not, so that a data set of any size fits into memory.
struct Facts<'a> {
    entry: &'a Entry,
    size: (u32, u32),
    marks: Marks,
    values: Values,
    /// Whether it has usable instance labels.
    labelled: bool,
    warnings: Vec<Problem>,
    /// Hash of the image's pixels.
    hash: u64,
}

pub fn examine(dataset: &Dataset) -> Report {
    let mut report =
        Report { lines: vec![], warnings: dataset.warnings.clone(), errors: dataset.problems.clone() };
    report.errors.extend(dataset.manifest_errors.iter().cloned());
    report.warnings.extend(dataset.ungrouped());
    let facts: Vec<_> = dataset.entries.par_iter().map(Facts::of).collect();
    let mut good = Vec::new();
    for result in facts {
        match result {
            Ok(facts) => good.push(facts),
            Err(problem) => report.errors.push(problem),
        }
    }
    for part in [Part::Train, Part::Test, Part::Unsplit] {
        let facts: Vec<&Facts> = good.iter().filter(|facts| facts.entry.part == part).collect();
        if !facts.is_empty() {
            report.lines.push(line(part, &facts));
        }
    }
    report.lines.extend(folds(dataset.training_part(), &good));
    if good.is_empty() && report.errors.is_empty() {
        report.errors.push(Problem::new(&dataset.root, "there is no image in the data set"));
    }
    for facts in &good {
        report.warnings.extend(facts.warnings.iter().cloned());
        if let Some(all) = facts.marks.extreme() {
            let mut what = format!("the mask marks {all} of the image as RBC: check it");
            if all == "all" && std::fs::read(&facts.entry.mask).is_ok_and(|bytes| decode::has_alpha(&bytes)) {
                what += "; its alpha channel does not count: if that marks the cells, save the mask in black and white";
            }
            report.warnings.push(Problem::new(&facts.entry.mask, what));
        }
    }
    if let Some(what) = masks::inverted(good.iter().map(|facts| &facts.marks)) {
        report.warnings.push(Problem::new(&dataset.root, what));
    }
    if let Some(what) = classes::doubt(&good.iter().map(|facts| &facts.values).collect::<Vec<_>>()) {
        report.warnings.push(Problem::new(&dataset.root, what));
    }
    let trained_on = good.iter().filter(|facts| facts.entry.part == dataset.training_part());
    if let Some(what) = masks::nothing_to_learn(trained_on.map(|facts| &facts.marks)) {
        report.errors.push(Problem::new(&dataset.root, what));
    }
    duplicates(&good, dataset, &mut report);
    report.errors.extend(dataset.straddlers());
    report
}

impl<'a> Facts<'a> {
    fn of(entry: &'a Entry) -> Result<Self, Problem> {
        let (sample, warnings) = entry.load()?;
        let mut hasher = DefaultHasher::new();
        sample.image.as_raw().hash(&mut hasher);
        Ok(Self {
            entry,
            size: sample.image.dimensions(),
            marks: Marks::of(&sample.image, &sample.mask, sample.margin),
            values: values(entry, &sample.mask)?,
            labelled: sample.instances.is_some(),
            warnings,
            hash: hasher.finish(),
        })
    }
}

/// The values of a lossless mask; `marked` is the same mask. The grey levels of a lossy one come from the compression.
fn values(entry: &Entry, marked: &GrayImage) -> Result<Values, Problem> {
    let exact = |bytes: &[u8], name: &str| {
        (!decode::is_lossy(bytes)).then(|| decode::decode(bytes, name)).transpose()
    };
    let mask = files::decoded(&entry.mask, exact)?;
    Ok(mask.map(|mask| Values::of(&mask, marked)).unwrap_or_default())
}

fn line(part: Part, facts: &[&Facts]) -> String {
    let area = |size: &(u32, u32)| u64::from(size.0) * u64::from(size.1);
    let mut sizes: Vec<(u32, u32)> = facts.iter().map(|facts| facts.size).collect();
    sizes.sort_unstable_by_key(|size| (area(size), *size));
    sizes.dedup();
    let size = |size: &(u32, u32)| format!("{} x {}", size.0, size.1);
    let sizes = match sizes.as_slice() {
        [only] => size(only),
        [first, .., last] => format!("{} sizes, {} to {}", sizes.len(), size(first), size(last)),
        [] => String::new(),
    };
    let shares = || facts.iter().map(|facts| facts.marks.share);
    let sources: BTreeSet<&str> = facts.iter().map(|facts| facts.entry.source.as_str()).collect();
    let labelled = match facts.iter().filter(|facts| facts.labelled).count() {
        0 => String::new(),
        count => format!(", {count} with instance labels"),
    };
    format!(
        "{}: {} from {}{labelled}; {sizes}; RBC {:.1} % on average, {:.1} to {:.1} %",
        part.name(),
        plural(facts.len(), "image", "images"),
        plural(sources.len(), "source", "sources"),
        100.0 * shares().sum::<f64>() / facts.len() as f64,
        100.0 * shares().fold(1.0, f64::min),
        100.0 * shares().fold(0.0, f64::max),
    )
}

/// A line on how many folds the sources allow, if that is less than the default.
fn folds(training: Part, facts: &[Facts]) -> Option<String> {
    let trained = facts.iter().filter(|facts| facts.entry.part == training);
    let sources: BTreeSet<&str> = trained.map(|facts| facts.entry.source.as_str()).collect();
    match sources.len() {
        0 | FOLDS.. => None,
        1 => Some("cross-validation: not possible with only one source, use --folds 1".into()),
        few => Some(format!("cross-validation: {few} sources allow at most --folds {few}")),
    }
}

/// Reports images whose pixels are the same: a copy counts twice in training, and one in both training and test makes
/// the test worthless.
fn duplicates(facts: &[Facts], dataset: &Dataset, report: &mut Report) {
    let apart = BTreeSet::from([dataset.training_part(), dataset.test_part()]);
    let pictures = facts.iter().map(|facts| ((facts.hash, facts.size), facts.entry));
    for (first, copy) in repeated(pictures) {
        let what = format!("the same picture as {}", first.image.display());
        // A copy in a part that is neither trained nor tested on does no harm.
        if first.part == copy.part || apart != BTreeSet::from([first.part, copy.part]) {
            report.warnings.push(Problem::new(&copy.image, what));
        } else {
            let what =
                format!("{what}, in both training and test, which makes the test worthless: remove one");
            report.errors.push(Problem::new(&copy.image, what));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;

    fn texts(problems: &[Problem]) -> String {
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    }

    #[test]
    fn a_sound_set_has_its_figures() -> Result<()> {
        let folder = Folder::new("check-sound")?;
        folder.pair("train", "a", 8, 6, 1)?;
        folder.pair("train", "b", 16, 8, 2)?;
        folder.pair("test", "c", 5, 7, 3)?;
        folder.mask("train/labels/b.png", 16, 8)?;
        folder.file("manifest.csv", b"name,source_file\na,a\nb,b\nc,c\n")?;
        let report = examine(&Dataset::open(&folder.path)?);
        assert_eq!(texts(&report.errors) + &texts(&report.warnings), "");
        assert_eq!(
            report.lines,
            [
                "train: 2 images from 2 sources, 1 with instance labels; 2 sizes, 8 x 6 to 16 x 8; RBC 50.0 % on average, 50.0 to 50.0 %",
                "test: 1 image from 1 source; 5 x 7; RBC 57.1 % on average, 57.1 to 57.1 %",
                "cross-validation: 2 sources allow at most --folds 2"
            ]
        );
        Ok(())
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() -> Result<()> {
        let folder = Folder::new("check-wrong")?;
        folder.pair("train", "good", 8, 8, 1)?;
        folder.image("train/images/alone.png", 8, 8, 2)?;
        folder.mask("train/masks/orphan.png", 8, 8)?;
        folder.image("train/images/size.png", 8, 8, 3)?;
        folder.mask("train/masks/size.png", 8, 7)?;
        folder.file("train/images/text.png", b"no picture")?;
        folder.mask("train/masks/text.png", 8, 8)?;
        folder.file("train/images/empty.png", b"")?;
        folder.mask("train/masks/empty.png", 8, 8)?;
        folder.image("train/images/twice.bmp", 8, 8, 4)?;
        folder.image("train/images/twice.png", 8, 8, 5)?;
        folder.mask("train/masks/twice.png", 8, 8)?;
        let report = examine(&Dataset::open(&folder.path)?);
        let errors = texts(&report.errors);
        assert_eq!(errors.lines().count(), 6, "{errors}");
        for (file, reason) in [
            ("alone.png", "no mask"),
            ("orphan.png", "without an image"),
            ("size.png", "8 x 7"),
            ("text.png", ""),
            ("empty.png", ""),
            ("twice.png", "taken by twice.bmp"),
        ] {
            let told = errors.lines().any(|line| line.ends_with(file) && line.contains(reason));
            assert!(told, "{file}: {errors}");
        }
        assert!(run(&folder.path).is_err());
        Ok(())
    }

    #[test]
    fn masks_that_mark_no_cells_are_warned_of() -> Result<()> {
        let folder = Folder::new("check-masks")?;
        // The fixture's images get brighter towards the bottom, and its masks mark the lower half.
        folder.pair("train", "bright", 8, 60, 1)?;
        folder.image("train/images/smooth.png", 8, 60, 2)?;
        let smooth = folder.file("train/masks/smooth.png", b"")?;
        let picture =
            |x: u32, y: u32| image::Luma([if y < 30 { 0 } else { ((x * 37 + y * 11) % 256) as u8 }]);
        image::GrayImage::from_fn(8, 60, picture).save(&smooth)?;
        let warnings = texts(&examine(&Dataset::open(&folder.path)?).warnings);
        assert!(warnings.contains("levels of grey") && warnings.contains("smooth.png"), "{warnings}");
        assert!(warnings.contains("of 2 masks mark the brighter part"), "{warnings}");
        // A lossy file always has grey levels, so it is not warned of.
        std::fs::remove_file(&smooth)?;
        let lossy = folder.file("train/masks/smooth.jpg", b"")?;
        image::GrayImage::from_fn(8, 60, picture).save(&lossy)?;
        let warnings = texts(&examine(&Dataset::open(&folder.path)?).warnings);
        assert!(!warnings.contains("levels of grey"), "{warnings}");
        Ok(())
    }

    #[test]
    fn several_classes_are_told_of() -> Result<()> {
        let folder = Folder::new("check-classes")?;
        for (name, second) in [("a", 1), ("b", 2)] {
            folder.image(&format!("images/{name}.png"), 64, 64, second)?;
            let mask = folder.file(&format!("masks/{name}.png"), b"")?;
            // Sixteen cells, the first of which is of another kind.
            let class = |x: u32, y: u32| if x < 16 && y < 16 { second } else { 1 };
            let cell = |x: u32, y: u32| if x % 16 < 8 && y % 16 < 8 { class(x, y) } else { 0 };
            image::GrayImage::from_fn(64, 64, |x, y| image::Luma([cell(x, y)])).save(&mask)?;
        }
        let warnings = texts(&examine(&Dataset::open(&folder.path)?).warnings);
        assert!(warnings.contains("1 mask has areas of 2 values (1, 2), which all count as"), "{warnings}");
        Ok(())
    }

    #[test]
    fn marks_in_alpha_alone_are_told_of() -> Result<()> {
        let folder = Folder::new("check-alpha")?;
        folder.image("images/a.png", 8, 8, 1)?;
        let mask = folder.file("masks/a.png", b"")?;
        image::RgbaImage::from_fn(8, 8, |x, _| image::Rgba([255, 255, 255, if x < 4 { 255 } else { 0 }]))
            .save(&mask)?;
        let report = examine(&Dataset::open(&folder.path)?);
        assert!(texts(&report.warnings).contains("its alpha channel"), "{}", texts(&report.warnings));
        assert_eq!(report.lines[1], "cross-validation: not possible with only one source, use --folds 1");
        Ok(())
    }

    #[test]
    fn a_picture_that_is_not_used_leaks_nothing() -> Result<()> {
        let folder = Folder::new("check-unused")?;
        folder.pair("train", "a", 8, 8, 1)?;
        folder.pair("test", "b", 8, 8, 2)?;
        folder.pair(".", "c", 8, 8, 1)?;
        let report = examine(&Dataset::open(&folder.path)?);
        let warnings = texts(&report.warnings);
        assert!(report.errors.is_empty() && warnings.contains("the same picture as"), "{warnings}");
        // Without train/, the training images are those directly in the folder.
        std::fs::remove_dir_all(folder.path.join("train"))?;
        folder.pair("test", "d", 8, 8, 1)?;
        let report = examine(&Dataset::open(&folder.path)?);
        assert!(texts(&report.errors).contains("makes the test worthless"), "{}", texts(&report.errors));
        Ok(())
    }

    #[test]
    fn leaks_between_training_and_test_are_errors() -> Result<()> {
        let folder = Folder::new("check-leaks")?;
        folder.pair("train", "a", 8, 8, 1)?;
        folder.pair("train", "b", 8, 8, 1)?;
        folder.pair("test", "c", 8, 8, 1)?;
        folder.pair("test", "d", 8, 8, 2)?;
        // A whole field among the test images, from which a training crop was cut.
        folder.pair("train", "e", 8, 8, 3)?;
        folder.pair("test", "field", 8, 8, 4)?;
        let sources = "a.png,s1\nb.png,s2\nc.png,s3\nd.png,s1\ne.png,field.png\nfield.png,field.png\n";
        folder.file("manifest.csv", format!("name,source_file\n{sources}").as_bytes())?;
        let dataset = Dataset::open(&folder.path)?;
        assert!(dataset.problems_of(Part::Test).is_empty());
        let report = examine(&dataset);
        let (errors, warnings) = (texts(&report.errors), texts(&report.warnings));
        assert!(errors.contains("the same picture as") && errors.contains("its source s1"), "{errors}");
        assert!(errors.contains("its source field is also that of training image e"), "{errors}");
        assert_eq!((report.errors.len(), report.warnings.len()), (3, 1), "{errors}{warnings}");
        Ok(())
    }
}
