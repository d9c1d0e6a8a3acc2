//! What is trained on beside the images themselves: whole fields, and smears that are made.

use crate::augment::first_seed;
use crate::dataset::{Dataset, Part, Sample};
use crate::files::partial;
use crate::manifest::bare;
use crate::masks::{self, Marks};
use crate::problem::Problem;
use crate::say;
use crate::{progress, synth};
use anyhow::Result;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// The fields without those of the test images, each with the source that the images call it by; tells of those whose source
/// no image names, for no fold can hold them out.
pub fn known_fields(folder: &Path, fields: Vec<Sample>, images: &[Sample], dataset: &Dataset) -> Vec<Sample> {
    let tested: HashSet<&str> = dataset.part(Part::Test).map(|entry| entry.source.as_str()).collect();
    let named: HashSet<&str> = images.iter().map(|image| image.source.as_str()).collect();
    let all: BTreeSet<&str> = tested.union(&named).copied().collect();
    let before = fields.len();
    let fields: Vec<Sample> = fields.into_iter().filter_map(|field| called(field, &all)).collect();
    if fields.len() < before {
        say::err!(
            "warning: left out {} fields whose name matches sources in several folders: give the folder too, in the column \
             source_file of the fields' manifest.csv: {}",
            before - fields.len(),
            folder.display()
        );
    }
    let before = fields.len();
    let fields: Vec<Sample> =
        fields.into_iter().filter(|field| !tested.contains(field.source.as_str())).collect();
    if fields.len() < before {
        say::err!(
            "warning: left out {} fields that test images come from: {}",
            before - fields.len(),
            folder.display()
        );
    }
    let strange = fields.iter().filter(|field| !named.contains(field.source.as_str())).count();
    if strange > 0 {
        say::err!(
            "warning: {strange} of {} fields have a source that no image has, so every fold trains on them; if images were cut \
             from them, give the same source_file in both manifest.csv files: {}",
            fields.len(),
            folder.display()
        );
    }
    fields
}

/// The field with the source that images name it by: in full, else without folders. Where these are several, nobody knows
/// with which of them it would have to be held out.
fn called(mut field: Sample, sources: &BTreeSet<&str>) -> Option<Sample> {
    if !sources.contains(field.source.as_str()) {
        let alike: Vec<&&str> = sources.iter().filter(|source| bare(source) == bare(&field.source)).collect();
        match alike[..] {
            [] => {}
            [source] => field.source = source.to_string(),
            _ => return None,
        }
    }
    Some(field)
}

/// The folders without those that were given before: their fields would count twice.
pub fn once(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let mut one = |folder: &PathBuf| {
        let new = seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone()));
        if !new {
            say::err!("warning: --fields was given this folder before, it counts once: {}", folder.display());
        }
        new
    };
    folders.iter().filter(|folder| one(folder)).cloned().collect()
}

/// Tells of masks that spoil what is learnt and measured, as `trainer check` does; returns what they mark.
pub fn doubt(folder: &Path, samples: &[Sample]) -> Vec<(String, Marks)> {
    let of = |sample: &Sample| (sample.name.clone(), Marks::of(&sample.image, &sample.mask, sample.margin));
    let marks: Vec<_> = samples.par_iter().map(of).collect();
    for warning in masks::doubts(&marks) {
        say::err!("warning: {}", Problem::new(folder, warning));
    }
    marks
}

/// A synthetic set, so that a machine with nothing on it can train. Each seed has its own folder, which appears whole:
/// folds that are trained side by side each may find it missing.
pub fn synthetic(out: &Path, seed: u64) -> Result<PathBuf> {
    let data = out.join(format!("synthetic-{seed}"));
    let is_whole = || data.join("manifest.csv").exists();
    if is_whole() {
        return Ok(data);
    }
    say::err!("no --data: making synthetic smears in {}", data.display());
    let options = synth::SynthOptions { seed, ..Default::default() };
    let making = partial(&data);
    let bar = progress::bar(1, "smears");
    let written = synth::write_dataset(&making, &options, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let moved = written.and_then(|()| {
        std::fs::rename(&making, &data)
            .map_err(|error| Problem::io(&data, "cannot put the synthetic smears there", &error).into())
    });
    if moved.is_err() {
        // Half a set helps nobody.
        let _ = std::fs::remove_dir_all(&making);
    }
    // Another process was quicker: the same seed, the same smears.
    if is_whole() { Ok(data) } else { moved.map(|()| data) }
}

/// Synthetic smears of all families to train on beside the real ones: what these have too little of, white cells
/// above all, and masks without a doubt. `white_cells` for each 100 red ones at least, but not where red cells have their
/// colour: there more of them teach that what is violet is no red cell.
pub fn smears(count: usize, white_cells: f32, seed: u64) -> Vec<Sample> {
    let one = |index: usize| {
        let family = synth::Family::ALL[index % synth::Family::ALL.len()];
        let seed = first_seed(seed, 20).wrapping_add(index as u64);
        let diameter = 45.0 + 10.0 * (index % 7) as f32;
        let mut style = synth::Style::of(family, diameter, seed);
        if !family.is_violet() {
            style.white_cells = style.white_cells.max(white_cells / 100.0);
        }
        let smear = synth::smear(SMEAR, SMEAR, seed, &style);
        let name = format!("synthetic-{index}");
        let mask = smear.separated();
        Sample { source: name.clone(), name, mask, image: smear.image, margin: 0, instances: None }
    };
    (0..count).into_par_iter().map(one).collect()
}

/// Side of a synthetic smear in pixels.
const SMEAR: u32 = 640;

#[cfg(test)]
mod tests {
    use super::*;
    use rbc_model::{GrayImage, RgbImage};

    #[test]
    fn fields_go_by_the_name_that_images_give_their_source() {
        let sources = BTreeSet::from(["p1/slide", "p2/slide", "p1/other", "third"]);
        let source = |own: &str| {
            let (image, mask) = (RgbImage::new(1, 1), GrayImage::new(1, 1));
            let field =
                Sample { name: "a".into(), source: own.into(), image, mask, margin: 0, instances: None };
            called(field, &sources).map(|field| field.source)
        };
        let told = ["p1/slide", "other", "fields/third", "fourth", "slide"].map(source);
        let wanted = [Some("p1/slide"), Some("p1/other"), Some("third"), Some("fourth"), None];
        assert_eq!(told, wanted.map(|source| source.map(String::from)));
    }

    #[test]
    fn a_folder_of_fields_counts_once() -> Result<()> {
        let folder = crate::fixture::Folder::new("fields-once")?;
        folder.file("a/x", b"")?;
        folder.file("b/x", b"")?;
        let (a, b) = (folder.path.join("a"), folder.path.join("b"));
        assert_eq!(once(&[a.clone(), b.clone(), folder.path.join("b/../a")]), [a, b]);
        Ok(())
    }
}
