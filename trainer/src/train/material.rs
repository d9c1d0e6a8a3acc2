//! What is trained on beside the images themselves: whole fields, and smears that are made.

use crate::dataset::{Dataset, Part, Sample};
use crate::{progress, synth};
use anyhow::Result;
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The fields without those of the test images; tells of those whose source no image names, for no fold can hold them out.
pub fn known_fields(folder: &Path, fields: Vec<Sample>, images: &[Sample], dataset: &Dataset) -> Vec<Sample> {
    let tested: HashSet<&str> = dataset.part(Part::Test).map(|entry| entry.source.as_str()).collect();
    let named: HashSet<&str> = images.iter().map(|image| image.source.as_str()).collect();
    let before = fields.len();
    let fields: Vec<Sample> =
        fields.into_iter().filter(|field| !tested.contains(field.source.as_str())).collect();
    if fields.len() < before {
        eprintln!(
            "warning: left out {} fields that test images come from: {}",
            before - fields.len(),
            folder.display()
        );
    }
    let strange = fields.iter().filter(|field| !named.contains(field.source.as_str())).count();
    if strange > 0 {
        eprintln!(
            "warning: {strange} of {} fields have a source that no image has, so every fold trains on them; if images were cut \
             from them, say so in both manifest.csv (source_file): {}",
            fields.len(),
            folder.display()
        );
    }
    fields
}

/// A synthetic set, so that a machine with nothing on it can train. Each seed has its own folder.
pub fn synthetic(out: &Path, seed: u64) -> Result<PathBuf> {
    let data = out.join(format!("synthetic-{seed}"));
    let options = synth::SynthOptions { seed, ..Default::default() };
    if !data.join("manifest.csv").exists() {
        eprintln!("no --data: making synthetic smears in {}", data.display());
        let bar = progress::bar(1, "smears");
        let written = synth::write_dataset(&data, &options, &|done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        });
        bar.finish_and_clear();
        written?;
    }
    Ok(data)
}

/// Synthetic smears of all families to train on beside the real ones: what these have too little of, white cells
/// above all, and masks without a doubt. `white_cells` for each 100 red ones at least, but not where red cells have their
/// colour: there more of them teach that what is violet is no red cell.
pub fn smears(count: usize, white_cells: f32, seed: u64) -> Vec<Sample> {
    let one = |index: usize| {
        let family = synth::Family::ALL[index % synth::Family::ALL.len()];
        let seed = (seed << 20) + index as u64;
        let diameter = 45.0 + 10.0 * (index % 7) as f32;
        let mut style = synth::Style::of(family, diameter, seed);
        if !family.is_violet() {
            style.white_cells = style.white_cells.max(white_cells / 100.0);
        }
        let smear = synth::smear(SMEAR, SMEAR, seed, &style);
        let name = format!("synthetic-{index}");
        let mask = smear.parted();
        Sample { source: name.clone(), name, mask, image: smear.image, margin: 0, cells: None }
    };
    (0..count).into_par_iter().map(one).collect()
}

/// Side of a synthetic smear in pixels.
const SMEAR: u32 = 640;
