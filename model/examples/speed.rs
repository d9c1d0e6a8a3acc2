//! How fast the network is: the median of several passes for each size, and of training steps where the crate is
//! built with `train`; on the CPU, and on an NVIDIA GPU where it is built with `cuda`.
//!
//!     cargo run --release -p rbc-model --features train --example speed [WEIGHTS]

use burn::backend::Flex;
use burn::tensor::{Distribution, Tensor};
use rbc_model::backend::SegBackend;
use rbc_model::network::{Network, NetworkConfig};
use rbc_model::weights;
use std::time::Instant;

/// As in `trainer`: fresh pages for every feature map would cost more than the small layers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIDES: [usize; 4] = [128, 512, 1024, 2048];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weights = std::env::args().nth(1).map(std::fs::read).transpose()?;
    run::<Flex>("CPU", weights.as_deref())?;
    #[cfg(feature = "cuda")]
    run::<burn::backend::Cuda>("CUDA", weights.as_deref())?;
    Ok(())
}

fn run<B: SegBackend>(name: &str, weights: Option<&[u8]>) -> Result<(), Box<dyn std::error::Error>> {
    let device = B::Device::default();
    let (network, config): (Network<B>, NetworkConfig) = match weights {
        Some(bytes) => weights::load(bytes, &device)?,
        None => {
            let config = NetworkConfig::default().folded();
            (config.init(&device), config)
        }
    };
    println!("widths {:?}, {name}", config.widths);
    for side in SIDES {
        let image = Tensor::random([1, 3, side, side], Distribution::Normal(0.0, 1.0), &device);
        let rounds = if side < 1024 { 21 } else { 5 };
        // Reading the result waits for the device.
        let seconds = median(rounds, || drop(network.forward(image.clone()).into_data()));
        let megapixels = (side * side) as f64 / 1e6;
        println!("forward {side:>5}: {:>9.2} ms {:>8.2} MP/s", 1e3 * seconds, megapixels / seconds);
    }
    #[cfg(feature = "train")]
    for norm in [false, true] {
        step::<B>(&NetworkConfig { batch_norm: norm, ..config.clone() });
    }
    Ok(())
}

/// One optimiser step on a batch of 8 crops of 128 x 128.
#[cfg(feature = "train")]
fn step<B: SegBackend>(config: &NetworkConfig) {
    use burn::backend::Autodiff;
    use burn::optim::{AdamWConfig, GradientsParams, Optimizer};
    let device = B::Device::default();
    let mut network = config.init::<Autodiff<B>>(&device);
    let mut optimiser = AdamWConfig::new().init::<Autodiff<B>, Network<Autodiff<B>>>();
    let images = Tensor::<Autodiff<B>, 4>::random([8, 3, 128, 128], Distribution::Normal(0.0, 1.0), &device);
    let seconds = median(21, || {
        let loss = network.forward(images.clone()).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimiser.step(1e-4, network.clone(), gradients);
        drop(loss.into_data());
    });
    let name = if config.batch_norm { "with batch normalisation" } else { "plain" };
    println!("training step, 8 x 128 x 128, {name}: {:.1} ms", 1e3 * seconds);
}

/// Median time of one call, after two that do not count.
fn median(rounds: usize, mut work: impl FnMut()) -> f64 {
    let mut seconds: Vec<f64> = (0..rounds + 2)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .skip(2)
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[rounds / 2]
}
