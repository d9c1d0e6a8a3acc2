//! What a device has to compute as the CPU does before it is used.

use crate::device::Job;
use crate::fit::loss;
use crate::optimiser::KernelMuon;
use crate::shipped;
use anyhow::{Result, bail};
use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rbc_model::backend::SegBackward;
use rbc_model::network::Network;
use rbc_model::segment::{Segmenter, agree, normalise, sample};
use rbc_model::weights;

/// Exposes devices that are listed but cannot compile or run a kernel, or compute something else than the CPU.
///
/// Not with random weights: where two values in a pooling window are nearly equal, rounding decides which is the greater,
/// and unpooling puts it elsewhere. A program without the shipped ones can't try.
pub struct Trial {
    /// Whether to try a training step too.
    pub training: bool,
}

impl Job for Trial {
    type Out = ();

    fn run<B: SegBackward>(self, device: B::Device) -> Result<()> {
        let Some(network) = shipped::SHIPPED else { return Ok(()) };
        let tried = Segmenter::<B>::load(network, &device)?;
        let known = Segmenter::<Flex>::load(network, &Default::default())?;
        if !pollster::block_on(agree(&tried, &known))? {
            bail!("it computes wrong results");
        }
        if self.training
            && !is_near(&step::<B>(network, &device)?, &step::<Flex>(network, &Default::default())?)
        {
            bail!("it computes a wrong training step");
        }
        Ok(())
    }
}

/// The change of every parameter in a training step with batch normalisation but without dropout, on an image of a cell.
fn step<B: SegBackward>(network: &[u8], device: &B::Device) -> Result<Vec<f32>> {
    let (network, config) = weights::load::<Autodiff<B>>(network, device)?;
    let mut config = config;
    config.dropout = 0.0;
    let image = sample();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let pixels: Vec<f32> = (0..3)
        .flat_map(|channel| image.pixels().map(move |pixel| normalise(f32::from(pixel[channel]))))
        .collect();
    // The cell is darker than all else.
    let target: Vec<f32> = image.pixels().map(|pixel| f32::from(u8::from(pixel[0] < 205))).collect();
    let images = Tensor::from_data(TensorData::new(pixels, [1, 3, height, width]), device);
    let target = Tensor::from_data(TensorData::new(target, [1, height, width]), device);
    let statistics = |network: &Network<_>| network.forward_with_statistics(images.clone()).1;
    let network = config.blank(device).load_record(network.into_record()).unfold(statistics);

    let before = values(&network.valid())?;
    let error = loss(network.forward(images.clone()), target.clone(), target.ones_like());
    let gradients = GradientsParams::from_grads(error.backward(), &network);
    let after = values(&KernelMuon::new(0.0).step(0.02, network, &gradients).valid())?;
    Ok(after.iter().zip(&before).map(|(after, before)| after - before).collect())
}

/// All parameters of a network, one after the other.
fn values<B: Backend>(network: &Network<B>) -> Result<Vec<f32>> {
    struct All(Result<Vec<f32>>);
    impl<B: Backend> ModuleVisitor<B> for All {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let Ok(all) = &mut self.0 else { return };
            match param.val().into_data().convert::<f32>().to_vec::<f32>() {
                Ok(values) => all.extend(values),
                Err(error) => self.0 = Err(anyhow::anyhow!("{error:?}")),
            }
        }
    }
    let mut all = All(Ok(Vec::new()));
    network.visit(&mut all);
    all.0
}

/// Whether two steps are the same but for rounding, which weighs most in Muon's smallest singular values, and more on GPUs
/// that multiply matrices in fewer bits: their difference is a tenth of the step or less, as root mean squares.
fn is_near(step: &[f32], known: &[f32]) -> bool {
    let square =
        |values: &mut dyn Iterator<Item = f32>| values.map(|value| f64::from(value).powi(2)).sum::<f64>();
    let apart = square(&mut step.iter().zip(known).map(|(a, b)| a - b));
    // Not by `>`, by which what is no number would pass.
    step.len() == known.len() && apart <= 0.01 * square(&mut known.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_wrong_step_is_told_from_rounding() -> Result<()> {
        let network = shipped::SHIPPED.context("no shipped weights")?;
        let known = step::<Flex>(network, &Default::default())?;
        let changed = |change: &dyn Fn(usize, f32) -> f32| -> Vec<f32> {
            known.iter().enumerate().map(|(at, value)| change(at, *value)).collect()
        };
        assert!(is_near(&known, &known) && is_near(&changed(&|_, value| 1.05 * value), &known));
        assert!(!is_near(&changed(&|_, value| -value), &known));
        assert!(!is_near(&changed(&|at, value| if at < known.len() / 20 { 0.0 } else { value }), &known));
        assert!(!is_near(&changed(&|at, value| if at == 3 { f32::NAN } else { value }), &known));
        assert!(!is_near(&known[1..], &known));
        // Every parameter moves, so none is left untried.
        assert!(known.iter().filter(|value| **value == 0.0).count() < known.len() / 20);
        Ok(())
    }

    #[test]
    fn the_cpu_passes() -> Result<()> {
        Trial { training: true }.run::<Flex>(Default::default())
    }
}
