//! Trains and measures the folds, then trains the final network.

use super::earlier;
use super::material::Material;
use super::watch::Watch;
use crate::calibrate::{self, Ious};
use crate::card;
use crate::checkpoint;
use crate::cli::{TrainArgs, command_line};
use crate::compare;
use crate::dataset::Sample;
use crate::device::Job;
use crate::field::Pool;
use crate::files;
use crate::fit;
use crate::folds::{Fold, Splits};
use crate::problem::Problem;
use crate::recipe::FitConfig;
use crate::records::{self, CrossValidation, FoldRecord, ImageRecord};
use crate::report;
use crate::run_files::{self, CARD, CROSS_VALIDATION, FIGURES, WEIGHTS, final_folder, fold_folder};
use crate::say::{self, plural};
use crate::score::{Scored, score};
use crate::shipped::Weights;
use anyhow::Result;
use burn::tensor::backend::Backend;
use rbc_model::backend::{SegBackend, SegBackward, TileBackend};
use rbc_model::cells::CellOptions;
use rbc_model::network::{Network, NetworkConfig};
use rbc_model::segment::{self, SegmentOptions, Segmentation, Segmenter};
use rbc_model::weights;
use std::path::Path;
use std::time::Instant;

/// A training run: what was asked for, and what it works with.
pub struct Training<'a> {
    pub args: &'a TrainArgs,
    pub config: FitConfig,
    pub material: Material,
    pub splits: Splits,
    pub device: String,
    /// The weights to start from, instead of random ones.
    pub start: Option<Weights>,
}

impl Job for Training<'_> {
    type Out = ();

    fn run<B: SegBackward>(self, device: B::Device) -> Result<()> {
        self.refuse_other_images()?;
        let mut fitted = Vec::new();
        for fold in self.due() {
            fitted.push(self.fold::<B>(fold, &device)?);
        }
        let mut folds = Vec::new();
        for (index, one) in fitted.iter().enumerate() {
            // A fold's threshold is chosen on the other folds, so that it is measured on images that had no part in the
            // choice.
            let others = fitted.iter().enumerate().filter(|(other, _)| *other != index);
            let threshold = calibrate::best(others.flat_map(|(_, other)| &other.ious));
            folds.push(self.measure::<B>(one, threshold, &device)?);
        }
        if let Some(fold) = self.args.fold {
            say::out!(
                "fold {fold} was measured at threshold 0.5; when all folds are joined, its threshold is chosen on the others"
            );
            return Ok(());
        }
        let threshold = calibrate::best(fitted.iter().flat_map(|one| &one.ious));
        let settings = self.config.to_json()?;
        let validation = CrossValidation::new(folds, &self.device, self.args.seed, command_line(), settings);
        if validation.folds.is_empty() {
            self.train_final::<B>(None, threshold, &device)?;
            return report::write(&self.args.out, &validation);
        }
        records::write_json(&self.args.out.join(CROSS_VALIDATION), &validation)?;
        say::out!(
            "cross-validation: mean IoU {:.4} ± {:.4}, median {:.4}, lowest {:.4}, {:.0} % at or above 0.95",
            validation.mean_iou,
            validation.std_iou,
            validation.median_iou,
            validation.min_iou,
            100.0 * validation.share_above_95
        );
        say::out!("outline threshold {threshold}, built into the weights: leave --threshold at 0.5");
        self.train_final::<B>(Some(&validation), threshold, &device)?;
        report::write(&self.args.out, &validation)
    }
}

impl Training<'_> {
    /// The folds to train: all, or the one that was asked for.
    fn due(&self) -> impl Iterator<Item = &Fold> {
        self.splits.folds.iter().filter(|fold| self.args.fold.is_none_or(|only| only == fold.fold))
    }

    /// Refuses to resume if a fold or the final network was trained on other images: otherwise this would be found only
    /// when its turn comes, after hours of work on those before it.
    fn refuse_other_images(&self) -> Result<()> {
        if !self.args.resume {
            return Ok(());
        }
        let all = || (Vec::new(), self.material.samples.iter().collect());
        let last = self.args.fold.is_none().then(|| (final_folder(&self.args.out), all()));
        let folds =
            self.due().map(|fold| (fold_folder(&self.args.out, fold.fold), self.material.split(fold)));
        let mut others = Vec::new();
        for (folder, (held_out, train)) in folds.chain(last) {
            let before = checkpoint::fingerprint(&folder)?;
            if before.is_some_and(|before| before != self.pool(&train, &held_out).fingerprint()) {
                others.push(files::file_name(&folder));
            }
        }
        let what = "images (--data, --fields, --synthetic, --white-cells, or the files in these folders)";
        Ok(earlier::refuse_different(&self.args.out, what, &others)?)
    }

    fn start(&self) -> Option<&[u8]> {
        self.start.as_ref().map(|weights| &*weights.bytes)
    }

    /// The pool that crops are drawn from.
    fn pool(&self, train: &[&Sample], held_out: &[&Sample]) -> Pool {
        self.material.pool(train, held_out, self.config.network.working_diameter)
    }

    /// Trains on all folds but one.
    fn fold<B: SegBackward>(&self, fold: &Fold, device: &B::Device) -> Result<Fitted<B>> {
        let out = fold_folder(&self.args.out, fold.fold);
        let (validation, train) = self.material.split(fold);
        let mut watcher = Watch::new(format!("fold {}", fold.fold), &validation, &self.config, device);
        let pool = self.pool(&train, &validation);
        let (network, history) =
            fit::fit::<B>(&self.config, self.start(), &pool, &out, self.args.resume, device, &mut watcher)?;
        watcher.bar.finish_and_clear();
        let config = self.inference_config(&train, &validation);
        let segmenter = Segmenter::new(network.clone(), config.clone(), device.clone());
        let ious = self.material.calibration_images(&validation).into_iter().map(|sample| {
            let found = segment(&segmenter, sample)?;
            calibrate::ious(sample, &found.probability, found.diameter_px)
                .map_err(|error| Problem::model(&sample.file, error).into())
        });
        let ious = ious.collect::<Result<_>>()?;
        // From the history, which includes the time of earlier runs if this one was resumed.
        let seconds = history.last().map_or(0.0, |epoch| epoch.seconds);
        Ok(Fitted { fold: fold.clone(), network, config, epochs: history.len(), seconds, ious })
    }

    /// Measures a fold's network on the images held out, from image to mask as `trainer evaluate` does.
    fn measure<B: TileBackend>(
        &self,
        fitted: &Fitted<B>,
        threshold: f32,
        device: &B::Device,
    ) -> Result<FoldRecord> {
        let started = Instant::now();
        let fold = fitted.fold.fold;
        let out = fold_folder(&self.args.out, fold);
        let (validation, train) = self.material.split(&fitted.fold);
        let network = fitted.network.clone().shift(calibrate::logit_shift(threshold));
        save(&network, &fitted.config, &out.join(WEIGHTS))?;
        let segmenter = Segmenter::new(network, fitted.config.clone(), device.clone());
        let scored = validation.iter().map(|sample| {
            let found = segment(&segmenter, sample)?;
            let options = CellOptions { diameter_px: Some(found.diameter_px), ..CellOptions::default() };
            let Scored { record, mask } = score(sample, &found.probability, &options)
                .map_err(|error| Problem::model(&sample.file, error))?;
            Ok(Scored { record: ImageRecord { warnings: found.warnings, ..record }, mask })
        });
        let scored: Vec<Scored> = scored.collect::<Result<_>>()?;
        draw(&out, &validation, &scored)?;
        let images = scored.into_iter().map(|scored| scored.record).collect();
        let seconds = fitted.seconds + started.elapsed().as_secs_f64();
        let record = FoldRecord::new(fold, train.len(), images, fitted.epochs, seconds, threshold);
        records::write_json(&out.join(FIGURES), &record)?;
        say::out!(
            "fold {}: {} trained on, {} held out: mean IoU {:.4}, median {:.4}, lowest {:.4} ({:.0} s)",
            record.fold,
            plural(record.train_images, "image", "images"),
            record.validation_images,
            record.mean_iou,
            record.median_iou,
            record.min_iou,
            record.seconds
        );
        Ok(record)
    }

    /// The configuration for inference of a network trained on these images.
    fn inference_config(&self, train: &[&Sample], held_out: &[&Sample]) -> NetworkConfig {
        NetworkConfig { lights: self.material.lights(train, held_out), ..self.config.network.folded() }
    }

    /// Trains the final network on all images, with the recipe that was cross-validated.
    fn train_final<B: SegBackward>(
        &self,
        validation: Option<&CrossValidation>,
        threshold: f32,
        device: &B::Device,
    ) -> Result<()> {
        let all: Vec<&Sample> = self.material.samples.iter().collect();
        let mut watcher = Watch::new("final".into(), &[], &self.config, device);
        let pool = self.pool(&all, &[]);
        let out = final_folder(&self.args.out);
        let (network, _) =
            fit::fit::<B>(&self.config, self.start(), &pool, &out, self.args.resume, device, &mut watcher)?;
        watcher.bar.finish_and_clear();
        let file = self.args.out.join(WEIGHTS);
        let network = network.shift(calibrate::logit_shift(threshold));
        let inference = self.inference_config(&all, &[]);
        save(&network, &inference, &file)?;
        let config = FitConfig {
            network: NetworkConfig { lights: inference.lights, ..self.config.network.clone() },
            ..self.config.clone()
        };
        let card = card::Card::new(
            self.args,
            &config,
            &self.device,
            validation.map(|validation| (validation, threshold)),
            [self.material.samples.len(), self.material.fields.len()],
        );
        records::write_json(&self.args.out.join(CARD), &card)?;
        earlier::forget(&self.args.out)?;
        say::out!("weights: {}", file.display());
        Ok(())
    }
}

/// A fold's network before its threshold is applied.
struct Fitted<B: Backend> {
    fold: Fold,
    network: Network<B>,
    config: NetworkConfig,
    epochs: usize,
    seconds: f64,
    /// For each image of [`Material::calibration_images`] that was held out.
    ious: Vec<Ious>,
}

/// Draws those held-out images that fell short, and the worst in any case: the report may show them.
fn draw(fold: &Path, samples: &[&Sample], scored: &[Scored]) -> Result<(), Problem> {
    // Pictures of an earlier run would be taken for this one's.
    run_files::clear_overlays(fold)?;
    files::create_folder(&run_files::overlays(fold))?;
    let worst = records::worst(scored.iter().map(|scored| &scored.record));
    for (sample, Scored { record, mask }) in samples.iter().zip(scored) {
        if record.iou < records::GOOD_IOU || worst.contains(&record) {
            let picture = compare::panels(&sample.image, &sample.mask, mask, sample.margin);
            compare::save(&picture, &run_files::overlay(fold, &sample.name))?;
        }
    }
    Ok(())
}

/// Writes weights; the file appears complete or not at all.
fn save<B: SegBackend>(network: &Network<B>, config: &NetworkConfig, file: &Path) -> Result<()> {
    let bytes = weights::to_safetensors(network, config).map_err(|error| Problem::model(file, error))?;
    Ok(files::write_lasting(file, &bytes)?)
}

fn segment<B: TileBackend>(segmenter: &Segmenter<B>, sample: &Sample) -> Result<Segmentation> {
    pollster::block_on(segment::segment(segmenter, &sample.image, &SegmentOptions::default(), &mut |_| {}))
        .map_err(|error| Problem::model(&sample.file, error).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Folder, record, sample};
    use rbc_model::{GrayImage, RgbImage};

    #[test]
    fn the_worst_images_are_drawn_even_if_they_are_good() -> Result<()> {
        let folder = Folder::new("drawn")?;
        folder.file("overlays/of-an-earlier-run.png", b"")?;
        let notes = folder.file("overlays/notes.txt", b"")?;
        let mask = GrayImage::new(8, 8);
        let drawn = |ious: &[f64]| -> Result<Vec<String>> {
            let name = |index: usize| format!("{index:02}");
            let of = |index| sample(&name(index), &name(index), RgbImage::new(8, 8), mask.clone());
            let samples: Vec<Sample> = (0..ious.len()).map(of).collect();
            let one = |(index, iou): (usize, &f64)| Scored {
                record: record(&name(index), *iou),
                mask: mask.clone(),
            };
            let scored: Vec<Scored> = ious.iter().enumerate().map(one).collect();
            draw(&folder.path, &samples.iter().collect::<Vec<_>>(), &scored)?;
            let mut names: Vec<String> =
                run_files::pictures(&folder.path).iter().map(|path| files::stem(path)).collect();
            names.sort();
            Ok(names)
        };
        let good: Vec<f64> = (0..15).map(|index| 0.98 - 0.001 * f64::from(index)).collect();
        let worst: Vec<String> = (15 - records::WORST..15).map(|index| format!("{index:02}")).collect();
        assert_eq!(drawn(&good)?, worst);
        assert_eq!(drawn(&[0.5; 14])?.len(), 14, "all that fell short");
        assert!(notes.exists());
        Ok(())
    }
}
