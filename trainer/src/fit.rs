//! Fits one network: batches, loss, optimiser, schedule, checkpoints.

use crate::augment::{self, Crop};
use crate::checkpoint::Checkpoints;
use crate::field::{Field, Pool};
use crate::files::create_folder;
use crate::optimiser::KernelMuon;
use crate::problem::Problem;
use crate::recipe::{FitConfig, STEPS};
use crate::records::{self, EpochRecord};
use crate::run_files::HISTORY;
use anyhow::Result;
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;
use burn::tensor::{ElementConversion, Tensor, TensorData, activation};
use rayon::prelude::*;
use rbc_model::backend::{SegBackend, SegBackward, TileBackend};
use rbc_model::metrics::Overlap;
use rbc_model::network::{Network, Statistics};
use rbc_model::segment::{self, SegmentOptions, Segmenter, normalise};
use rbc_model::weights;
use std::path::Path;
use std::time::Instant;

/// Follows a fit while it runs.
pub trait Watcher<B: Backend> {
    /// Called after each step: steps done, steps in total, and every tenth time the loss.
    fn step(&mut self, done: usize, total: usize, loss: Option<f64>);
    /// Called after each epoch; `network` gives the network for inference. Returns loss and IoU on the images held out,
    /// if there are any.
    fn validate(&mut self, network: &dyn Fn() -> Network<B>) -> Result<Option<(f64, f64)>>;
}

/// The state of a fit.
struct Fit<B: SegBackward> {
    network: Network<Autodiff<B>>,
    optimiser: KernelMuon<B>,
    history: Vec<EpochRecord>,
    /// Time taken before this run.
    seconds: f64,
}

/// Fits a network to crops of `pool`; writes `history.csv` and a checkpoint to `out` after each epoch. `start` holds the
/// weights to start from, those of a network for inference with the widths of `config`.
///
/// # Errors
/// If the loss is no longer finite, the folder can't be written to, or the weights to start from or the checkpoint to
/// resume from can't be used.
pub fn fit<B: SegBackward>(
    config: &FitConfig,
    start: Option<&[u8]>,
    pool: &Pool,
    out: &Path,
    resume: bool,
    device: &B::Device,
    watcher: &mut dyn Watcher<B>,
) -> Result<(Network<B>, Vec<EpochRecord>)> {
    create_folder(out)?;
    let checkpoints = Checkpoints { folder: out, config, fingerprint: pool.fingerprint() };
    B::seed(device, config.seed);
    let last = if resume { checkpoints.last::<Autodiff<B>, _>(device)? } else { None };
    let mut fit = Fit {
        network: match start {
            Some(weights) if last.is_none() => from_weights(weights, config, pool, device)?,
            _ => config.network.init::<Autodiff<B>>(device),
        },
        optimiser: KernelMuon::new(config.weight_decay),
        history: Vec::new(),
        seconds: 0.0,
    };
    if let Some(last) = last {
        let (weights, moments) = last.record;
        fit = Fit {
            network: fit.network.load_record(weights),
            optimiser: fit.optimiser.load_record(moments),
            history: last.history,
            seconds: last.state.seconds,
        };
    }

    let started = Instant::now();
    for epoch in fit.history.len()..config.epochs {
        // Dropout is the only thing that is random on the device; seeding it by epoch makes a resumed run take the same
        // course.
        B::seed(device, config.seed.wrapping_mul(1_000_003).wrapping_add(epoch as u64));
        let train_loss;
        (fit, train_loss) = run_epoch(fit, epoch, config, pool, out, device, watcher)?;
        let validation = watcher.validate(&|| for_inference(fit.network.valid(), config, pool, device))?;
        let seconds = fit.seconds + started.elapsed().as_secs_f64();
        fit.history.push(EpochRecord {
            epoch: epoch + 1,
            steps: (epoch + 1) * STEPS,
            train_loss,
            validation_loss: validation.map(|(loss, _)| loss),
            validation_iou: validation.map(|(_, iou)| iou),
            learning_rate: config.rate((epoch + 1) * STEPS - 1),
            seconds,
        });
        records::write_history(&out.join(HISTORY), &fit.history)?;
        let record = (fit.network.clone().into_record(), fit.optimiser.to_record::<Autodiff<B>>());
        checkpoints.save::<Autodiff<B>>(record, epoch + 1, seconds)?;
    }
    Ok((for_inference(fit.network.valid(), config, pool, device), fit.history))
}

/// Runs the steps of one epoch; returns the mean loss too.
fn run_epoch<B: SegBackward>(
    mut fit: Fit<B>,
    epoch: usize,
    config: &FitConfig,
    pool: &Pool,
    out: &Path,
    device: &B::Device,
    watcher: &mut dyn Watcher<B>,
) -> Result<(Fit<B>, f64)> {
    let mut losses = Vec::new();
    for step in epoch * STEPS..(epoch + 1) * STEPS {
        let (images, targets, weights) = batch::<Autodiff<B>>(config, pool, step, device);
        let logits = fit.network.forward(images);
        let loss = loss(logits, targets, weights);
        // Reading the loss waits for the device, so it is done every tenth step only.
        let seen = (step % 10 == 9).then(|| loss.clone().inner());
        let gradients = GradientsParams::from_grads(loss.backward(), &fit.network);
        fit.network = fit.optimiser.step(config.rate(step), fit.network, &gradients);
        let seen = seen.map(|loss| f64::from(loss.into_scalar().elem::<f32>()));
        if let Some(loss) = seen {
            if !loss.is_finite() {
                let what = format!("the loss is {loss} at step {step}, lower the learning rate");
                return Err(Problem::new(out, what).into());
            }
            losses.push(loss);
        }
        watcher.step(step + 1, config.epochs * STEPS, seen);
    }
    let mean = losses.iter().sum::<f64>() / losses.len().max(1) as f64;
    Ok((fit, mean))
}

/// Number of batches over which the statistics of batch normalisation are averaged.
const STATISTICS: usize = 16;

/// The network for inference: batch normalisation is folded into the layers.
fn for_inference<B: SegBackend>(
    network: Network<B>,
    config: &FitConfig,
    pool: &Pool,
    device: &B::Device,
) -> Network<B> {
    if !config.network.batch_norm {
        return network;
    }
    let statistics = statistics(&network, config, pool, device);
    network.fold(statistics)
}

/// The network to start from: that of a weights file, in which batch normalisation was folded into the layers.
fn from_weights<B: SegBackward>(
    weights: &[u8],
    config: &FitConfig,
    pool: &Pool,
    device: &B::Device,
) -> Result<Network<Autodiff<B>>> {
    let (network, _) = weights::load::<Autodiff<B>>(weights, device)?;
    if !config.network.batch_norm {
        return Ok(network);
    }
    Ok(network.unfold(|network| {
        let found = statistics(&network.valid(), config, pool, device);
        found.into_iter().map(|both| both.map(Tensor::from_inner)).collect()
    }))
}

/// Mean and variance of each batch-normalised layer, averaged over a number of batches (Wu, Johnson: Rethinking "Batch"
/// in BatchNorm, 2021, section 3) instead of a moving average.
fn statistics<B: SegBackend>(
    network: &Network<B>,
    config: &FitConfig,
    pool: &Pool,
    device: &B::Device,
) -> Statistics<B> {
    // For each layer, the means and the variances of every batch.
    let mut layers: Vec<[Vec<Tensor<B, 1>>; 2]> = Vec::new();
    for index in 0..STATISTICS {
        // Batches that no training step has drawn.
        let (images, _, _) = batch::<B>(config, pool, config.epochs * STEPS + index, device);
        let found = network.forward_with_statistics(images).1;
        layers.resize_with(found.len(), Default::default);
        for (layer, [mean, variance]) in layers.iter_mut().zip(found) {
            layer[0].push(mean);
            layer[1].push(variance);
        }
    }
    let averaged = layers.into_iter().map(|[means, variances]| {
        let (means, variances) = (Tensor::stack::<2>(means, 0), Tensor::stack::<2>(variances, 0)); // [batches, c]
        let mean = means.clone().mean_dim(0); // [1, c]
        // The variance within the batches plus that between them.
        let variance = variances.mean_dim(0) + (means - mean.clone()).powi_scalar(2).mean_dim(0);
        [mean.squeeze_dim(0), variance.squeeze_dim(0)]
    });
    averaged.collect()
}

/// One batch: images `[n, 3, s, s]`, targets and weights `[n, s, s]`.
fn batch<B: Backend>(
    config: &FitConfig,
    pool: &Pool,
    step: usize,
    device: &B::Device,
) -> (Tensor<B, 4>, Tensor<B, 3>, Tensor<B, 3>) {
    let (n, side) = (config.batch, config.crop);
    let diameter = config.network.working_diameter;
    let seed = |index: usize| augment::first_seed(config.seed, 40) ^ (step * n + index) as u64;
    let crops: Vec<Crop> = (0..n)
        .into_par_iter()
        .map(|index| augment::draw(pool, side, diameter, &config.augmentation, seed(index)))
        .collect();
    let gather = |part: fn(&Crop) -> &Vec<f32>| crops.iter().flat_map(move |crop| part(crop).iter().copied());
    let images: Vec<f32> = gather(|crop| &crop.image).map(normalise).collect();
    let targets: Vec<f32> = gather(|crop| &crop.target).collect();
    let weight = |(known, gap): (f32, f32)| known * (1.0 + config.gap_weight * gap);
    let weights: Vec<f32> = gather(|crop| &crop.known).zip(gather(|crop| &crop.gap)).map(weight).collect();
    (
        Tensor::from_data(TensorData::new(images, [n, 3, side, side]), device),
        Tensor::from_data(TensorData::new(targets, [n, side, side]), device),
        Tensor::from_data(TensorData::new(weights, [n, side, side]), device),
    )
}

/// Weighted pixel-wise cross entropy of two classes. The target is the fraction of each pixel covered by cell. Logits
/// `[n, 2, h, w]`, targets and weights `[n, h, w]`.
///
/// With logits `a` (background) and `b` (cell) the softmax depends on `d = b - a` alone, and
/// `-t log p - (1 - t) log(1 - p) = softplus(d) - t d`.
pub fn loss<B: Backend>(logits: Tensor<B, 4>, targets: Tensor<B, 3>, weights: Tensor<B, 3>) -> Tensor<B, 1> {
    let [n, _, h, w] = logits.dims();
    let background = logits.clone().slice([0..n, 0..1]).reshape([n, h, w]);
    let difference = logits.slice([0..n, 1..2]).reshape([n, h, w]) - background;
    // Burn's own softplus is infinite from 89 on; this equivalent form is not.
    let softplus = activation::log_sigmoid(difference.clone().neg()).neg();
    let entropy = softplus - targets * difference;
    (entropy * weights.clone()).sum() / weights.sum().add_scalar(1e-6)
}

/// Loss and IoU of a network on one whole labelled image at the working scale, processed in tiles.
pub fn validate<B: TileBackend>(segmenter: &Segmenter<B>, field: &Field) -> Result<(f64, f64)> {
    let level = field.working();
    let tile = SegmentOptions::default().tile;
    let logits = pollster::block_on(segment::logits(segmenter, &level.image, tile, 1, &mut |_| {}))?;
    let (width, height, margin) = (logits.width, logits.height, level.margin as usize);
    let (mut loss, mut known) = (0.0, 0usize);
    let mut overlap = Overlap::default();
    for y in margin..height.saturating_sub(margin) {
        for x in margin..width.saturating_sub(margin) {
            let at = y * width + x;
            let target = f64::from(level.coverage.as_raw()[at]) / 255.0;
            // The training loss without weights, in a form that does not overflow.
            let logit = f64::from(logits.values[at]);
            loss += logit.max(0.0) + (-logit.abs()).exp().ln_1p() - target * logit;
            known += 1;
            match (logit > 0.0, target >= 0.5) {
                (true, true) => overlap.both += 1,
                (true, false) => overlap.predicted_only += 1,
                (false, true) => overlap.truth_only += 1,
                (false, false) => overlap.neither += 1,
            }
        }
    }
    Ok((loss / known.max(1) as f64, overlap.iou()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    #[test]
    fn the_loss_is_finite_however_sure_the_network_is() {
        type B = Autodiff<Flex>;
        let device = Default::default();
        for (target, wrong) in [(1.0, -300.0), (0.0, 300.0), (1.0, -0.5), (0.5, 0.0)] {
            let logits = Tensor::<B, 4>::from_floats([[[[0.0]], [[wrong]]]], &device).require_grad();
            let targets = Tensor::full([1, 1, 1], target, &device);
            let loss = loss(logits.clone(), targets, Tensor::ones([1, 1, 1], &device));
            let gradient = logits.grad(&loss.backward()).map(|gradient| gradient.into_data());
            let [found, gradient] = [Some(loss.into_data()), gradient]
                .map(|data| data.and_then(|data| data.to_vec::<f32>().ok()).unwrap_or_default());
            let difference: f64 = wrong;
            let wanted = difference.max(0.0) + (-difference.abs()).exp().ln_1p() - target * difference;
            let slope = 1.0 / (1.0 + (-difference).exp()) - target;
            assert!((f64::from(found[0]) - wanted).abs() < 1e-4 * wanted, "{found:?}, {wanted}");
            assert!((f64::from(gradient[1]) - slope).abs() < 1e-5, "{gradient:?}, {slope}");
        }
    }
}
