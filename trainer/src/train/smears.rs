//! Synthetic smears: a data set where none was given, and smears to train on beside the real ones.

use crate::augment::first_seed;
use crate::dataset::Sample;
use crate::files::partial;
use crate::problem::Problem;
use crate::say;
use crate::synth;
use anyhow::Result;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// A synthetic data set, so that training works on a machine without data. Each seed has a folder of its own, which
/// appears only when complete: folds that are trained side by side may all find it missing.
pub fn dataset(out: &Path, seed: u64) -> Result<PathBuf> {
    let seed = fields_seed(seed);
    let data = out.join(format!("synthetic-{seed}"));
    let is_whole = || data.join("manifest.csv").exists();
    if is_whole() {
        return Ok(data);
    }
    say::err!("no --data: making synthetic smears in {}", data.display());
    let options = synth::SynthOptions { seed, ..Default::default() };
    let making = partial(&data);
    let moved = synth::write_dataset(&making, &options).and_then(|()| {
        std::fs::rename(&making, &data)
            .map_err(|error| Problem::io(&data, "cannot move the synthetic smears there", &error).into())
    });
    if moved.is_err() {
        // Half a data set is of no use.
        let _ = std::fs::remove_dir_all(&making);
    }
    // Another process may have been faster: the same seed gives the same smears.
    if is_whole() { Ok(data) } else { moved.map(|()| data) }
}

/// The seed of the synthetic data set. It differs from that of the [`smears`], which every fold trains on: they would
/// show the slides that the fold holds out.
fn fields_seed(seed: u64) -> u64 {
    seed.wrapping_add(1)
}

/// Synthetic smears of all families to train on beside the real ones, for what these have too little of: white cells
/// above all, and masks beyond doubt. `white_cells` is the minimum per 100 red cells, except in families whose red
/// cells are violet like white cells elsewhere: more white cells there would teach that violet cells are not red cells.
pub fn smears(count: usize, white_cells: f32, seed: u64) -> Vec<Sample> {
    let one = |index: usize| {
        let family = synth::Family::ALL[index % synth::Family::ALL.len()];
        let seed = smear_seed(seed, index);
        let diameter = 45.0 + 10.0 * (index % 7) as f32;
        let mut style = synth::Style::of(family, diameter, seed);
        if !family.is_violet() {
            style.white_cells = style.white_cells.max(white_cells / 100.0);
        }
        let smear = synth::smear(SMEAR, SMEAR, seed, &style);
        let name = format!("synthetic-{index}");
        let mask = smear.separated();
        let (file, source) = (name.clone().into(), name.clone());
        Sample { name, file, source, mask, image: smear.image, margin: 0, instances: None }
    };
    (0..count).into_par_iter().map(one).collect()
}

fn smear_seed(seed: u64, index: usize) -> u64 {
    first_seed(seed, 20).wrapping_add(index as u64)
}

/// Side of a synthetic smear in pixels.
const SMEAR: u32 = 640;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_smear_shows_a_slide_of_the_synthetic_set() {
        for seed in (0..50).chain([u64::MAX]) {
            let smears: HashSet<u64> = (0..1000).map(|index| smear_seed(seed, index)).collect();
            let mut fields = (0..1000).map(|index| synth::field_seed(fields_seed(seed), index));
            assert!(!fields.any(|field| smears.contains(&field)), "seed {seed}");
        }
    }
}
