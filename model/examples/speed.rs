//! Speed of the network: time of the first pass and median of several further ones for each image size and, if the
//! crate is built with `train`, of training steps. Runs on the CPU and, if built with `cuda` or `wgpu`, on a GPU. The scripts
//! in `bench/` print the same table for other programs.
//!
//!     cargo run --release -p rbc-model --features train --example speed [WEIGHTS [WORD]]
//!
//! With WORD, only the lines that contain it are run, for example `step` or `512`.

use burn::backend::Flex;
use burn::tensor::{Distribution, Tensor};
use rbc_model::RgbImage;
use rbc_model::backend::SegBackward;
use rbc_model::network::{Network, NetworkConfig};
use rbc_model::segment::{self, SegmentOptions, Segmenter};
use rbc_model::weights;
use std::time::Instant;

/// As in `trainer`: with the system allocator, fresh pages for every feature map cost more than the small layers.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIDES: [usize; 5] = [128, 512, 1024, 2048, 4096];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weights = std::env::args().nth(1).map(std::fs::read).transpose()?;
    run::<Flex>("CPU", weights.as_deref())?;
    #[cfg(feature = "cuda")]
    run::<burn::backend::Cuda>("CUDA", weights.as_deref())?;
    #[cfg(feature = "wgpu")]
    run::<burn::backend::Wgpu>("wgpu", weights.as_deref())?;
    Ok(())
}

fn run<B: SegBackward>(name: &str, weights: Option<&[u8]>) -> Result<(), Box<dyn std::error::Error>> {
    let device = B::Device::default();
    let (network, config): (Network<B>, NetworkConfig) = match weights {
        Some(bytes) => weights::load(bytes, &device)?,
        None => {
            let config = NetworkConfig::default().folded();
            (config.init(&device), config)
        }
    };
    let title = format!("this, widths {:?}, {name}", config.widths);
    println!("{title:<28} {:>6} {:>9} {:>9} {:>7} {:>8}", "side", "first ms", "then ms", "MP/s", "peak MB");
    for side in SIDES {
        let in_tiles = side == 4096 && wanted("in tiles", side);
        if !wanted("forward", side) && !in_tiles {
            continue;
        }
        let image = Tensor::random([1, 3, side, side], Distribution::Normal(0.0, 1.0), &device);
        let rounds = if side < 1024 { 21 } else { 5 };
        if in_tiles {
            // As the programs do it, in bounded memory. Before the untiled pass, so that the peak memory is its own.
            let image = RgbImage::new(side as u32, side as u32);
            let segmenter = Segmenter::new(network.clone(), config.clone(), device.clone());
            timed("in tiles", side, 1, rounds, || {
                let tile = SegmentOptions::default().tile;
                _ = pollster::block_on(segment::logits(&segmenter, &image, tile, 1, &mut |_| {}));
            });
        }
        // Reading the result back waits for the device.
        timed("forward", side, 1, rounds, || drop(network.forward(image.clone()).into_data()));
    }
    #[cfg(feature = "train")]
    for norm in [false, true] {
        step::<B>(&NetworkConfig { batch_norm: norm, ..config.clone() });
    }
    Ok(())
}

/// One optimiser step on a batch of 8 crops of 128 x 128.
#[cfg(feature = "train")]
fn step<B: SegBackward>(config: &NetworkConfig) {
    use burn::backend::Autodiff;
    use burn::optim::{AdamWConfig, GradientsParams, Optimizer};
    let device = B::Device::default();
    let mut network = config.init::<Autodiff<B>>(&device);
    let mut optimiser = AdamWConfig::new().init::<Autodiff<B>, Network<Autodiff<B>>>();
    let images = Tensor::<Autodiff<B>, 4>::random([8, 3, 128, 128], Distribution::Normal(0.0, 1.0), &device);
    let name = if config.batch_norm { "step with normalisation" } else { "step" };
    timed(name, 128, 8, 21, || {
        let loss = network.forward(images.clone()).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimiser.step(1e-4, network.clone(), gradients);
        drop(loss.into_data());
    });
}

/// Whether WORD, if given, selects this line.
fn wanted(name: &str, side: usize) -> bool {
    std::env::args().nth(2).is_none_or(|only| format!("{name} {side}").contains(&only))
}

/// Prints the time of the first call and the median of those from the third on.
fn timed(name: &str, side: usize, images: usize, rounds: usize, mut work: impl FnMut()) {
    if !wanted(name, side) {
        return;
    }
    let mut seconds: Vec<f64> = (0..rounds + 2)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    let first = seconds[0];
    seconds.drain(..2);
    seconds.sort_by(f64::total_cmp);
    let then = seconds[rounds / 2];
    let rate = (images * side * side) as f64 / 1e6 / then;
    println!("{name:<28} {side:>6} {:>9.2} {:>9.2} {rate:>7.2} {:>8}", 1e3 * first, 1e3 * then, peak());
}

/// Peak resident memory so far in MB, where the system reports it. Meaningful per line because sizes increase.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or_else(|| "-".into(), |kilobytes| format!("{:.0}", kilobytes * 1.024e-3))
}
