//! A network with fixed weights, an input, and the expected output, which is the same on every back end.

use super::checks::{close, floats, tensor};
use super::random::Random;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use rbc_model::backend::SegBackend;
use rbc_model::network::{Network, NetworkConfig};
use std::marker::PhantomData;

/// Sets the parameters to random values that are the same on every back end.
struct Fixed<B>(u64, PhantomData<B>);

impl<B: Backend> ModuleMapper<B> for Fixed<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        self.0 += 1;
        let seed = self.0;
        param.map(|value| {
            let shape: [usize; D] = value.dims();
            let scale = if D == 4 { (2.0 / (9.0 * shape[1] as f32)).sqrt() * 1.7 } else { 0.1 };
            let len = shape.iter().product();
            let values: Vec<f32> = Random::new(seed).values(len).iter().map(|value| value * scale).collect();
            tensor::<B, D>(&values, shape, &value.device())
        })
    }
}

pub fn network<B: SegBackend>(widths: [usize; 3], device: &B::Device) -> Network<B> {
    NetworkConfig { widths, ..NetworkConfig::default().folded() }
        .init::<B>(device)
        .map(&mut Fixed(0, PhantomData))
}

pub fn input<B: SegBackend>(h: usize, w: usize, device: &B::Device) -> Tensor<B, 4> {
    let values: Vec<f32> =
        Random::new(99).values(3 * h * w).iter().map(|value| (value + 1.0) / 2.0).collect();
    tensor(&values, [1, 3, h, w], device)
}

/// Every 97th logit of the network of widths 5, 8, 12 on a 24 by 40 image, computed on the CPU.
const LOGITS: [f64; 20] = [
    0.050864972,
    -0.023513488,
    -0.11294116,
    0.02195119,
    -0.13076185,
    -0.045530893,
    -0.11088591,
    0.017548118,
    -0.08684275,
    -0.10471288,
    0.13095267,
    0.20012632,
    0.10066129,
    0.063370444,
    0.13231504,
    0.111692995,
    0.0772866,
    0.09768374,
    0.1265087,
    0.09227116,
];

/// Checks that the network gives the stored logits, to within a thousandth of their largest magnitude.
pub async fn answer<B: SegBackend>(device: &B::Device) {
    let logits = floats(network::<B>([5, 8, 12], device).forward(input(24, 40, device))).await;
    let found: Vec<f32> = logits.iter().copied().step_by(97).collect();
    let scale = LOGITS.iter().fold(0.0, |scale: f64, value| scale.max(value.abs()));
    close("stored logits", &found, &LOGITS, 1e-3 * scale.min(1.0));
}
