//! The records that training and evaluation write for other programs: JSON keys and CSV columns are a contract.

use crate::files::write_lasting;
use crate::problem::Problem;
use anyhow::Result;
use rbc_model::metrics::InstanceScore;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// IoU from which an image counts as passed: the published claim for every test image.
pub const GOOD_IOU: f64 = 0.95;

/// One line of `history.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Optimiser steps since the start of training.
    pub steps: usize,
    pub train_loss: f64,
    /// Empty in the file if nothing was validated after this epoch.
    pub validation_loss: Option<f64>,
    pub validation_iou: Option<f64>,
    pub learning_rate: f64,
    /// Since the start of the fit, earlier runs included.
    pub seconds: f64,
}

/// How well one image was segmented. `iou` is that of the RBC class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    pub name: String,
    pub width: u32,
    pub height: u32,
    pub iou: f64,
    pub miou: f64,
    pub dice: f64,
    /// Share of the predicted cell pixels that are cell in the truth; low if cells are made up.
    pub precision: f64,
    /// Share of the true cell pixels that were predicted; low if cells are missed.
    pub recall: f64,
    pub boundary_f1: f64,
    pub cells_true: usize,
    pub cells_predicted: usize,
    /// Cell by cell, at IoU 0.5. Without instance labels each region of the mask counts as one cell, so the figures
    /// mean something only if the masks separate touching cells.
    pub instances: InstanceScore,
    /// Cell diameter in pixels that the image was segmented for; absent in older files.
    pub diameter_px: Option<f32>,
    /// Doubts about the result; absent in older files.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One fold of the cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldRecord {
    /// Counted from 0, as in `fold-K`.
    pub fold: usize,
    pub train_images: usize,
    pub validation_images: usize,
    /// The images this fold did not train on.
    pub images: Vec<ImageRecord>,
    pub mean_iou: f64,
    pub min_iou: f64,
    pub median_iou: f64,
    pub epochs: usize,
    pub seconds: f64,
    /// Probability at which the network drew the outline before it was moved to one half, chosen on the other folds.
    /// One half if the fold was trained alone.
    pub threshold: f32,
}

impl FoldRecord {
    /// Summarises a fold by the images it was validated on.
    pub fn new(
        fold: usize,
        train_images: usize,
        images: Vec<ImageRecord>,
        epochs: usize,
        seconds: f64,
        threshold: f32,
    ) -> Self {
        let summary = IouSummary::of(images.iter().map(|image| image.iou));
        Self {
            fold,
            train_images,
            validation_images: images.len(),
            images,
            mean_iou: summary.mean,
            min_iou: summary.min,
            median_iou: summary.median,
            epochs,
            seconds,
            threshold,
        }
    }
}

/// `cross-validation.json`. Every image counts once: in the fold that did not train on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossValidation {
    /// Over all images.
    pub mean_iou: f64,
    /// Standard deviation of the folds' mean IoUs.
    pub std_iou: f64,
    pub min_iou: f64,
    pub median_iou: f64,
    pub share_above_95: f64,
    pub folds: Vec<FoldRecord>,
    /// The worst images, worst first.
    pub worst: Vec<ImageRecord>,
    pub seconds: f64,
    pub device: String,
    pub seed: u64,
    /// The command line of the run.
    pub command: String,
    /// Every setting of the run.
    pub config: serde_json::Value,
}

/// Number of images listed as the worst.
pub const WORST: usize = 12;

impl CrossValidation {
    /// Summarises the folds. `seconds` is the sum over all folds.
    pub fn new(
        folds: Vec<FoldRecord>,
        device: &str,
        seed: u64,
        command: String,
        config: serde_json::Value,
    ) -> Self {
        let images = || folds.iter().flat_map(|fold| &fold.images);
        let all = IouSummary::of(images().map(|image| image.iou));
        let std_iou = IouSummary::of(folds.iter().map(|fold| fold.mean_iou)).std;
        let worst = worst(images()).into_iter().cloned().collect();
        let seconds = folds.iter().map(|fold| fold.seconds).sum();
        Self {
            mean_iou: all.mean,
            std_iou,
            min_iou: all.min,
            median_iou: all.median,
            share_above_95: all.share_above_95,
            folds,
            worst,
            seconds,
            device: device.into(),
            seed,
            command,
            config,
        }
    }
}

/// `report.json` of `trainer evaluate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub images: Vec<ImageRecord>,
    pub mean_iou: f64,
    pub min_iou: f64,
    pub median_iou: f64,
    pub share_above_95: f64,
    pub device: String,
    /// Time of segmentation alone, without decoding and scoring.
    pub seconds: f64,
    pub megapixels_per_second: f64,
    /// The weights: a file, or `shipped`.
    pub weights: String,
    pub threshold: f32,
    /// Cell diameter that was given; `null` if it was estimated.
    pub diameter_px: Option<f32>,
    pub command: String,
}

/// Summary statistics of a list of IoUs; all 0 if it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct IouSummary {
    pub mean: f64,
    pub std: f64,
    pub min: f64,
    pub median: f64,
    pub share_above_95: f64,
}

impl IouSummary {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        if sorted.is_empty() {
            return Self::default();
        }
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        let mean = sorted.iter().sum::<f64>() / count;
        Self {
            mean,
            std: (sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt(),
            min: sorted[0],
            median,
            share_above_95: sorted.iter().filter(|&&value| value >= GOOD_IOU).count() as f64 / count,
        }
    }
}

/// The [`WORST`] images with the lowest IoU, worst first; ties are ordered by name.
pub fn worst<'a>(images: impl IntoIterator<Item = &'a ImageRecord>) -> Vec<&'a ImageRecord> {
    let mut images: Vec<&ImageRecord> = images.into_iter().collect();
    images.sort_by(|a, b| a.iou.total_cmp(&b.iou).then_with(|| a.name.cmp(&b.name)));
    images.truncate(WORST);
    images
}

/// Writes indented JSON. The file appears complete or not at all.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(write_lasting(path, text.as_bytes())?)
}

/// Reads what [`write_json`] wrote.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Problem> {
    let text = std::fs::read_to_string(path).map_err(|error| Problem::io(path, "cannot read", &error))?;
    serde_json::from_str(&text)
        .map_err(|error| Problem::new(path, format!("not what this program writes ({error})")))
}

pub fn write_history(path: &Path, history: &[EpochRecord]) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for epoch in history {
        writer.serialize(epoch)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(write_lasting(path, &bytes)?)
}

pub fn read_history(path: &Path) -> Result<Vec<EpochRecord>, Problem> {
    let bytes =
        std::fs::read(path).map_err(|error| Problem::io(path, "cannot read the training history", &error))?;
    let records = csv::Reader::from_reader(bytes.as_slice()).deserialize().collect::<Result<_, _>>();
    records.map_err(|error| Problem::new(path, format!("cannot read the training history ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::record as image;

    #[test]
    fn a_summary_has_the_middle_of_an_even_list() {
        let summary = IouSummary::of([0.9, 1.0, 0.95, 0.8]);
        assert!((summary.median - 0.925).abs() < 1e-12);
        assert!((summary.mean - 0.9125).abs() < 1e-12);
        assert_eq!((summary.min, summary.share_above_95), (0.8, 0.5));
        assert_eq!(IouSummary::of([]), IouSummary::default());
    }

    #[test]
    fn cross_validation_counts_images_and_spreads_folds() {
        let folds = vec![
            FoldRecord::new(0, 3, vec![image("a", 0.9), image("b", 0.9), image("c", 0.9)], 4, 1.0, 0.5),
            FoldRecord::new(1, 3, vec![image("d", 0.5)], 4, 2.0, 0.5),
        ];
        let all = CrossValidation::new(folds, "cpu", 7, String::new(), serde_json::Value::Null);
        assert!((all.mean_iou - 0.8).abs() < 1e-12, "images count, not folds");
        assert!((all.std_iou - 0.2).abs() < 1e-12);
        assert_eq!((all.seconds, all.worst[0].name.as_str()), (3.0, "d"));
    }

    #[test]
    fn history_survives_the_way_through_the_file() -> Result<()> {
        let folder = crate::fixture::Folder::new("history")?;
        let path = folder.path.join("history.csv");
        let history = [None, Some(0.25)].map(|validation| EpochRecord {
            epoch: 1,
            steps: 10,
            train_loss: 0.5,
            validation_loss: validation,
            validation_iou: validation,
            learning_rate: 1e-3,
            seconds: 1.5,
        });
        write_history(&path, &history)?;
        assert_eq!(read_history(&path)?, history);
        Ok(())
    }
}
