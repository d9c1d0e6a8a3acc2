//! Reads the images to train on and the whole fields that they were cut from, and warns of what is in doubt.

use super::material::Material;
use super::smears;
use crate::cli::TrainArgs;
use crate::data_files::Part;
use crate::dataset::{Dataset, Loaded, Sample, repeated};
use crate::manifest::may_be_same;
use crate::masks::{self, Marks};
use crate::problem::Problem;
use crate::say::{self, plural};
use anyhow::{Result, bail};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// Reads what the arguments ask for, except the smears, and prints warnings.
///
/// # Errors
/// If there is no data set, or nothing in it to learn from.
pub fn gather(args: &TrainArgs) -> Result<Material> {
    let data = match &args.data {
        Some(data) => data.clone(),
        None => smears::dataset(&args.out, args.seed)?,
    };
    let mut dataset = Dataset::open(&data)?.sound()?;
    dataset.warnings.extend(dataset.straddlers());
    dataset.warnings.extend(dataset.ungrouped().filter(|_| args.cross_validated().is_some()));
    dataset.warn();
    let Loaded { samples, mut problems, warnings, .. } = dataset.load(dataset.training_part());
    dataset.tell(&warnings);
    let mut fields = Vec::new();
    for folder in &unique_folders(&args.fields) {
        let whole = Dataset::open(folder)?.sound()?;
        whole.warn();
        let extra = whole.load(whole.training_part());
        problems.extend(extra.problems);
        whole.tell(&extra.warnings);
        if extra.samples.is_empty() {
            let what = "no field to train on, so --fields adds nothing";
            say::err!("warning: {}", Problem::new(folder, what));
        }
        warn_about_masks(folder, &extra.samples);
        if args.cross_validated().is_some() {
            whole.tell(&duplicate_pictures(folder, &extra.samples));
        }
        fields.extend(known_fields(folder, extra.samples, &samples, &dataset));
    }
    let marks = warn_about_masks(&data, &samples);
    for problem in &problems {
        say::err!("error: {problem}");
    }
    if samples.is_empty() {
        bail!("no image to train on, add some with their masks: {}", data.display());
    }
    if let Some(what) = masks::nothing_to_learn(marks.iter().map(|(_, marks)| marks)) {
        return Err(Problem::new(&data, what).into());
    }
    if args.cross_validated().is_some() {
        dataset.tell(&duplicate_pictures(&data, &samples));
    }
    Ok(Material { samples, fields, smears: Vec::new(), left_out: problems.len() })
}

/// The fields without those that test images were cut from; each gets the source by which the images refer to it. Warns
/// of fields whose source no image names, since no fold can hold them out.
fn known_fields(folder: &Path, fields: Vec<Sample>, images: &[Sample], dataset: &Dataset) -> Vec<Sample> {
    let tested: HashSet<&str> = dataset.part(Part::Test).map(|entry| entry.source.as_str()).collect();
    let named: HashSet<&str> = images.iter().map(|image| image.source.as_str()).collect();
    let all: BTreeSet<&str> = tested.union(&named).copied().collect();
    let before = fields.len();
    let fields: Vec<Sample> = fields.into_iter().filter_map(|field| with_image_source(field, &all)).collect();
    if fields.len() < before {
        say::err!(
            "warning: left out {} sources in several folders: add the folder to the column source_file of the fields' \
             manifest.csv: {}",
            plural(before - fields.len(), "field whose name matches", "fields whose names match"),
            folder.display()
        );
    }
    let before = fields.len();
    let fields: Vec<Sample> =
        fields.into_iter().filter(|field| !tested.contains(field.source.as_str())).collect();
    if fields.len() < before {
        say::err!(
            "warning: left out {} that test images come from: {}",
            plural(before - fields.len(), "field", "fields"),
            folder.display()
        );
    }
    let strange = fields.iter().filter(|field| !named.contains(field.source.as_str())).count();
    if strange > 0 {
        let of = plural(fields.len(), "field", "fields");
        let strange = plural(
            strange,
            &format!("of {of} has a source that no image has, so no fold holds it out"),
            &format!("of {of} have a source that no image has, so no fold holds them out"),
        );
        say::err!(
            "warning: {strange}; if images were cut from such a field, both manifest.csv files need the same source_file \
             for them: {}",
            folder.display()
        );
    }
    fields
}

/// The field with the source by which images refer to it: the same in full, else the only one that may be the same;
/// unchanged if there is none. `None` if there are several: then it is unknown with which of them the field must be held
/// out.
fn with_image_source(mut field: Sample, sources: &BTreeSet<&str>) -> Option<Sample> {
    if !sources.contains(field.source.as_str()) {
        let alike: Vec<&&str> = sources.iter().filter(|source| may_be_same(source, &field.source)).collect();
        match alike[..] {
            [] => {}
            [source] => field.source = source.to_string(),
            _ => return None,
        }
    }
    Some(field)
}

/// The folders without repetitions, whose fields would count twice.
fn unique_folders(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let mut one = |folder: &PathBuf| {
        let new = seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone()));
        if !new {
            say::err!(
                "warning: --fields names this folder more than once, it counts once: {}",
                folder.display()
            );
        }
        new
    };
    folders.iter().filter(|folder| one(folder)).cloned().collect()
}

/// Warns of masks that spoil training and measurement, as `trainer check` does; returns what they mark.
fn warn_about_masks(folder: &Path, samples: &[Sample]) -> Vec<(String, Marks)> {
    let of = |sample: &Sample| (sample.name.clone(), Marks::of(&sample.image, &sample.mask, sample.margin));
    let marks: Vec<_> = samples.par_iter().map(of).collect();
    for warning in masks::doubts(&marks) {
        say::err!("warning: {}", Problem::new(folder, warning));
    }
    marks
}

/// Warnings about the same picture under two sources: a fold may train on an image that it holds out.
fn duplicate_pictures(folder: &Path, samples: &[Sample]) -> Vec<Problem> {
    let pictures = samples.iter().map(|sample| ((sample.image.dimensions(), sample.image.as_raw()), sample));
    let apart = repeated(pictures).into_iter().filter(|(first, copy)| first.source != copy.source);
    let told = apart.map(|(first, copy)| {
        let what = format!(
            "{} shows the same picture as {}, so a fold may train on what it holds out: delete one, or give both the \
             same source_file in manifest.csv",
            copy.name, first.name
        );
        Problem::new(folder, what)
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::sample;
    use rbc_model::{GrayImage, RgbImage};

    #[test]
    fn fields_go_by_the_name_that_images_give_their_source() {
        let sources = BTreeSet::from(["p1/slide", "p2/slide", "p1/other", "third"]);
        let source = |own: &str| {
            let (image, mask) = (RgbImage::new(1, 1), GrayImage::new(1, 1));
            with_image_source(sample("a", own, image, mask), &sources).map(|field| field.source)
        };
        for (own, wanted) in [
            ("p1/slide", Some("p1/slide")),
            ("other", Some("p1/other")),
            ("set/p1/other", Some("p1/other")),
            ("fields/third", Some("third")),
            ("fourth", Some("fourth")),
            ("slide", None),
            // Another patient's slide of that name.
            ("p2/other", Some("p2/other")),
            ("p3/slide", Some("p3/slide")),
        ] {
            assert_eq!(source(own).as_deref(), wanted, "{own}");
        }
    }

    #[test]
    fn one_picture_under_two_sources_is_told() {
        let shaded = |name, source, shade| {
            sample(name, source, RgbImage::from_pixel(2, 2, image::Rgb([shade; 3])), GrayImage::new(2, 2))
        };
        let all = [shaded("a", "x", 1), shaded("b", "x", 1), shaded("c", "y", 2), shaded("d", "z", 1)];
        let told: Vec<String> =
            duplicate_pictures(Path::new("set"), &all).into_iter().map(|problem| problem.what).collect();
        assert!(told.len() == 1 && told[0].starts_with("d shows the same picture as a"), "{told:?}");
    }

    #[test]
    fn a_folder_of_fields_counts_once() -> Result<()> {
        let folder = crate::fixture::Folder::new("fields-once")?;
        folder.file("a/x", b"")?;
        folder.file("b/x", b"")?;
        let (a, b) = (folder.path.join("a"), folder.path.join("b"));
        assert_eq!(unique_folders(&[a.clone(), b.clone(), folder.path.join("b/../a")]), [a, b]);
        Ok(())
    }
}
