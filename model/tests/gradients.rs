//! Gradients from automatic differentiation against finite differences, for each operation and the whole network.
#![cfg(all(feature = "train", not(target_arch = "wasm32")))]

mod common;

use burn::backend::{Autodiff, Flex};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Int, Tensor, TensorData};
use common::checks::tensor;
use common::random::Random;
use rbc_model::backend::{conv3x3, max_pool2, max_unpool2};
use rbc_model::network::{Network, NetworkConfig};

type B = Autodiff<Flex>;

fn values<const D: usize>(tensor: Tensor<impl burn::tensor::backend::Backend, D>) -> Vec<f32> {
    tensor.into_data().to_vec().expect("32-bit floats")
}

/// The sum of `out` weighted by fixed random numbers: a loss with a non-uniform gradient.
fn weighted<const D: usize>(out: Tensor<B, D>) -> Tensor<B, 1> {
    let shape: [usize; D] = out.dims();
    let factors = Random::new(5).values(shape.iter().product());
    (out * tensor::<B, D>(&factors, shape, &Default::default())).sum()
}

/// As [`weighted`], but summed in double precision, so that rounding does not swamp finite differences.
fn loss<const D: usize>(out: Tensor<B, D>) -> f64 {
    let out = values(out);
    let factors = Random::new(5).values(out.len());
    out.iter().zip(&factors).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Compares the gradient of each element of `x` with the central difference of `forward`.
fn check<const D: usize, const O: usize>(
    what: &str,
    x: &[f32],
    shape: [usize; D],
    forward: impl Fn(Tensor<B, D>) -> Tensor<B, O>,
) {
    let device = Default::default();
    let leaf = tensor::<B, D>(x, shape, &device).require_grad();
    let gradients = weighted(forward(leaf.clone())).backward();
    let gradient = values(leaf.grad(&gradients).expect("a gradient"));
    let at = |i: usize, by: f32| {
        let mut moved = x.to_vec();
        moved[i] += by;
        loss(forward(tensor(&moved, shape, &device)))
    };
    const STEP: f32 = 1.0 / 128.0;
    for (i, &found) in gradient.iter().enumerate() {
        let expected = (at(i, STEP) - at(i, -STEP)) / f64::from(2.0 * STEP);
        assert!((f64::from(found) - expected).abs() < 2e-3, "{what}: element {i}: {found}, not {expected}");
    }
}

#[test]
fn convolution() {
    let device = Default::default();
    let mut random = Random::new(1);
    let (x, weight, bias) = (random.values(2 * 3 * 5 * 6), random.values(4 * 3 * 9), random.values(4));
    let (of_x, of_weight) =
        (tensor::<B, 4>(&x, [2, 3, 5, 6], &device), tensor::<B, 4>(&weight, [4, 3, 3, 3], &device));
    let of_bias = tensor::<B, 1>(&bias, [4], &device);
    check("input", &x, [2, 3, 5, 6], |x| conv3x3(x, of_weight.clone(), of_bias.clone(), false));
    check("weight", &weight, [4, 3, 3, 3], |weight| conv3x3(of_x.clone(), weight, of_bias.clone(), false));
    check("bias", &bias, [4], |bias| conv3x3(of_x.clone(), of_weight.clone(), bias, false));
    // With ReLU, inputs are chosen such that no output comes near the kink: all outputs are odd multiples of 1/8, and a
    // step changes them by at most 1/64.
    let coarse: Vec<f32> = random.coarse(4 * 3 * 9).iter().map(|value| value / 2.0).collect();
    let steps: Vec<f32> = random.coarse(x.len()).iter().map(|value| (value * 2.0).round()).collect();
    let shifted = tensor::<B, 1>(&[0.125, -0.125, 0.375, -0.375], [4], &device);
    let coarse_weight = tensor::<B, 4>(&coarse, [4, 3, 3, 3], &device);
    check("input, ReLU", &steps, [2, 3, 5, 6], |x| conv3x3(x, coarse_weight.clone(), shifted.clone(), true));
    check("weight, ReLU", &coarse, [4, 3, 3, 3], |weight| {
        conv3x3(tensor(&steps, [2, 3, 5, 6], &device), weight, shifted.clone(), true)
    });
}

#[test]
fn pooling_and_unpooling() {
    let mut random = Random::new(2);
    let x = random.distinct(2 * 3 * 4 * 6);
    check("pooling", &x, [2, 3, 4, 6], |x| max_pool2(x).0);
    let places: Tensor<B, 4, Int> =
        Tensor::from_data(TensorData::new(random.places(36), [2, 3, 2, 3]), &Default::default());
    check("unpooling", &x[..36], [2, 3, 2, 3], |x| max_unpool2(x, places.clone()));
    check("both", &x, [2, 3, 4, 6], |x| {
        let (values, places) = max_pool2(x);
        max_unpool2(values, places)
    });
}

/// Adds a fixed random direction times `step` to parameter number `target`.
struct Move {
    target: usize,
    step: f32,
    next: usize,
}

impl ModuleMapper<B> for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let this = self.next;
        self.next += 1;
        if this != self.target {
            return param;
        }
        param.map(|value| {
            let direction =
                tensor::<B, D>(&direction(this, value.shape().num_elements()), value.dims(), &value.device());
            value + direction * self.step
        })
    }
}

/// Sets the parameters to fixed random values. Biases, scales and shifts are moved away from their initial values: with
/// zero biases, ReLU would be at its kink wherever unpooling leaves only zeros.
struct Fixed {
    next: u64,
}

impl ModuleMapper<B> for Fixed {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        self.next += 1;
        let mut random = Random::new(self.next);
        param.map(|value| {
            let shape: [usize; D] = value.dims();
            let noise = tensor::<B, D>(&random.values(shape.iter().product()), shape, &value.device());
            let filled = match D {
                4 => noise * (6.0 / (9.0 * shape[1] as f32)).sqrt(),
                _ => value + noise * 0.3,
            };
            filled.detach().require_grad()
        })
    }
}

fn direction(parameter: usize, len: usize) -> Vec<f32> {
    Random::new(1000 + parameter as u64).values(len)
}

/// The derivative of the loss along each parameter's direction.
struct Slopes<'a> {
    gradients: &'a <B as burn::tensor::backend::AutodiffBackend>::Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor<B> for Slopes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let gradient = values(param.val().grad(self.gradients).expect("each parameter has a gradient"));
        let direction = direction(self.found.len(), gradient.len());
        self.found.push(gradient.iter().zip(&direction).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum());
    }
}

#[test]
fn whole_network() {
    compare_network(false, 24);
}

#[test]
fn whole_network_with_batch_normalisation() {
    // 11 of the 12 layers have a scale and a shift in addition to weight and bias.
    compare_network(true, 46);
}

/// Compares gradients of the whole network with finite differences. A difference is not a derivative where the step
/// crosses a kink of ReLU or pooling, so each parameter is compared on several networks: it must agree on at least two,
/// and four fifths of all comparisons must agree. A wrong gradient would agree on none.
fn compare_network(batch_norm: bool, parameters: usize) {
    const NETWORKS: u64 = 5;
    let mut agreed = vec![0; parameters];
    for seed in 0..NETWORKS {
        let device = Default::default();
        let config =
            NetworkConfig { widths: [3, 4, 5], dropout: 0.0, batch_norm, ..NetworkConfig::default() };
        let network: Network<B> = config.init(&device).map(&mut Fixed { next: 100 * seed });
        let x = tensor::<B, 4>(&Random::new(seed).values(2 * 3 * 8 * 8), [2, 3, 8, 8], &device);
        let gradients = weighted(network.forward(x.clone())).backward();
        let mut slopes = Slopes { gradients: &gradients, found: Vec::new() };
        network.visit(&mut slopes);
        assert_eq!(slopes.found.len(), parameters);
        for (target, &found) in slopes.found.iter().enumerate() {
            let at = |step: f32| {
                let moved = network.clone().map(&mut Move { target, step, next: 0 });
                loss(moved.forward(x.clone()))
            };
            const STEP: f32 = 1.0 / 4096.0;
            let expected = (at(STEP) - at(-STEP)) / f64::from(2.0 * STEP);
            if (found - expected).abs() <= 0.02 * expected.abs().max(1.0) {
                agreed[target] += 1;
            }
        }
    }
    let all: u64 = agreed.iter().sum();
    let enough = agreed.iter().all(|&count| count >= 2) && 5 * all >= 4 * NETWORKS * parameters as u64;
    assert!(enough, "of {NETWORKS} networks agree: {agreed:?}");
}
