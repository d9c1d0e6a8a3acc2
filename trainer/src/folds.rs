//! The folds of a cross-validation: images of one source stay together, and folds are of nearly equal size.

use crate::dataset::Sample;
use crate::problem::Problem;
use crate::records;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// `splits.json`: the names of the images that each fold trains on and validates on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splits {
    pub seed: u64,
    pub folds: Vec<Fold>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold {
    /// Counted from 0.
    pub fold: usize,
    pub train: Vec<String>,
    pub validation: Vec<String>,
}

impl Splits {
    /// Writes `splits.json`. With `goes_on`, the run continues an earlier one and must have its folds.
    ///
    /// # Errors
    /// If the file can't be written, or if the earlier run had other folds: its networks have seen images that would
    /// now be held out.
    pub fn write(&self, path: &Path, goes_on: bool) -> Result<()> {
        let there = if goes_on && path.exists() { Some(Self::read(path)?) } else { None };
        if there.is_some_and(|there| there != *self) {
            let folder = path.parent().unwrap_or(path);
            return Err(Problem::other_run(folder, "images, folds or seed").into());
        }
        records::write_json(path, self)
    }

    fn read(path: &Path) -> Result<Self, Problem> {
        records::read_json(path).map_err(|Problem { what, path }| {
            // Nothing is lost with this file: each checkpoint knows by itself which images it was trained on.
            Problem::new(
                &path,
                format!("{what}; delete this file: a run with the same folds writes it again"),
            )
        })
    }

    /// Deals the samples out into `count` folds. The result depends on the seed, but not on the order of the samples.
    pub fn new(samples: &[Sample], count: usize, seed: u64) -> Result<Self> {
        Self::of(samples.iter().map(|sample| (sample.name.as_str(), sample.source.as_str())), count, seed)
    }

    /// The same from pairs of name and source.
    ///
    /// # Errors
    /// If there are fewer than two folds, or fewer sources than folds.
    pub fn of<'a>(names: impl Iterator<Item = (&'a str, &'a str)>, count: usize, seed: u64) -> Result<Self> {
        let mut sources: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, source) in names {
            sources.entry(source).or_default().push(name);
        }
        if count < 2 {
            bail!(
                "a cross-validation needs at least 2 folds, not {count}: use --folds 2 or more, or --folds 1 for none"
            );
        }
        if sources.len() < count {
            let (there, instead) = match sources.len() {
                1 => ("there is 1".to_string(), "--folds 1 for no cross-validation".to_string()),
                few => (format!("there are {few}"), format!("at most --folds {few}")),
            };
            bail!(
                "{count} folds need images from at least {count} sources, and {there}: use {instead}, or a manifest.csv that \
                 distinguishes sources"
            );
        }
        let mut groups: Vec<Vec<&str>> = sources.into_values().collect();
        shuffle(&mut groups, seed);
        // Largest first, each to the smallest fold: large sources are spread out, small ones even out the sizes.
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        let mut held_out: Vec<Vec<&str>> = vec![Vec::new(); count];
        for group in groups {
            if let Some(smallest) = held_out.iter_mut().min_by_key(|fold| fold.len()) {
                smallest.extend(group);
            }
        }
        for fold in &mut held_out {
            fold.sort_unstable();
        }
        let folds = (0..count).map(|fold| Fold {
            fold,
            train: sorted((0..count).filter(|&other| other != fold).flat_map(|other| &held_out[other])),
            validation: sorted(&held_out[fold]),
        });
        Ok(Self { seed, folds: folds.collect() })
    }
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    names.sort_unstable();
    names
}

/// Fisher-Yates with SplitMix64, written out here because the folds of a seed must not change with a crate's version.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^= bits >> 31;
        items.swap(last, (bits % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Sources of 9, 8, 8, 3 and then 1 or 2 images, as in real data sets.
    fn names() -> Vec<(String, String)> {
        let sizes = [9, 8, 8, 3].into_iter().chain((0..40).map(|index| 1 + index % 2));
        sizes
            .enumerate()
            .flat_map(|(source, size)| {
                (0..size).map(move |index| (format!("{source}-{index}"), format!("s{source}")))
            })
            .collect()
    }

    fn split(names: &[(String, String)], count: usize, seed: u64) -> Result<Splits> {
        Splits::of(names.iter().map(|(name, source)| (name.as_str(), source.as_str())), count, seed)
    }

    #[test]
    fn folds_keep_sources_together_and_level() -> Result<()> {
        let names = names();
        let source: BTreeMap<&String, &String> = names.iter().map(|(name, source)| (name, source)).collect();
        let splits = split(&names, 5, 1)?;
        let mut seen = BTreeSet::new();
        for fold in &splits.folds {
            let sources = |list: &[String]| -> BTreeSet<&String> { list.iter().map(|n| source[n]).collect() };
            assert!(sources(&fold.train).is_disjoint(&sources(&fold.validation)));
            assert_eq!(fold.train.len() + fold.validation.len(), names.len());
            assert!(fold.validation.len().abs_diff(names.len() / 5) <= 1, "{}", fold.validation.len());
            assert!(fold.validation.iter().all(|name| seen.insert(name.clone())), "validated twice");
        }
        assert_eq!(seen.len(), names.len());
        Ok(())
    }

    #[test]
    fn the_seed_decides_and_the_order_does_not() -> Result<()> {
        let names = names();
        let reversed: Vec<_> = names.iter().rev().cloned().collect();
        // Guards against folds that depend on the order of the names within a source.
        assert_eq!(split(&names, 5, 3)?, split(&reversed, 5, 3)?);
        assert_ne!(split(&names, 5, 3)?, split(&names, 5, 4)?);
        Ok(())
    }

    #[test]
    fn a_run_goes_on_with_its_own_folds_only() -> Result<()> {
        let folder = crate::fixture::Folder::new("folds")?;
        let path = folder.path.join("splits.json");
        let (ours, others) = (split(&names(), 5, 3)?, split(&names()[1..], 5, 3)?);
        ours.write(&path, true)?;
        ours.write(&path, true)?;
        assert!(others.write(&path, true).is_err_and(|error| error.to_string().contains("different images")));
        assert_eq!(records::read_json::<Splits>(&path)?, ours);
        others.write(&path, false)
    }

    #[test]
    fn too_few_sources_or_folds_are_refused() {
        let two = [("a", "s"), ("b", "t")];
        let message = |count| match Splits::of(two.iter().copied(), count, 0) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
        assert!(message(1).contains("at least 2 folds"));
        assert!(message(3).contains("there are 2") && message(3).contains("at most --folds 2"));
        assert_eq!(message(2), "");
        let one = Splits::of([("a", "s"), ("b", "s")].into_iter(), 5, 0);
        assert!(one.is_err_and(|error| error.to_string().contains("there is 1: use --folds 1 for no")));
    }
}
