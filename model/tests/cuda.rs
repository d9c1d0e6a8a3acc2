//! The operations of the network on an NVIDIA GPU, against naive references. Built with the feature `cuda` alone, and
//! meant for a machine that has one: `bench/gpu.sh`.
#![cfg(feature = "cuda")]

mod common;

use burn::backend::Cuda;
use common::checks;
use pollster::block_on;

#[test]
fn convolution() {
    block_on(checks::convolution::<Cuda>(&Default::default()));
    block_on(checks::convolution_of_views::<Cuda>(&Default::default()));
}

#[test]
fn backward_of_the_convolution() {
    block_on(checks::convolution_backward::<Cuda>(&Default::default()));
    block_on(checks::normalisation::<Cuda>(&Default::default()));
}

#[test]
fn pooling_and_unpooling() {
    block_on(checks::pooling::<Cuda>(&Default::default()));
    block_on(checks::fused::<Cuda>(&Default::default()));
    block_on(checks::unpooling::<Cuda>(&Default::default()));
    block_on(checks::identities::<Cuda>(&Default::default()));
}
