//! The operations of the network on a GPU against naive references. Built with feature `cuda` or `wgpu`: `bench/gpu.sh`
//! runs it on machines with an NVIDIA card; otherwise it needs a Vulkan, Metal or DirectX driver.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::{checks, known};
use pollster::block_on;

#[cfg(feature = "cuda")]
type Gpu = burn::backend::Cuda;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Gpu = burn::backend::Wgpu;

#[test]
fn convolution() {
    block_on(checks::convolution::<Gpu>(&Default::default()));
    block_on(checks::convolution_of_views::<Gpu>(&Default::default()));
}

#[test]
fn backward_of_the_convolution() {
    block_on(checks::convolution_backward::<Gpu>(&Default::default()));
}

#[test]
fn normalisation() {
    block_on(checks::normalisation::<Gpu>(&Default::default()));
}

#[test]
fn tiles_in_every_orientation() {
    block_on(checks::tiles::<Gpu>(&Default::default()));
}

#[test]
fn the_whole_network() {
    block_on(known::answer::<Gpu>(&Default::default()));
}

#[test]
fn pooling_and_unpooling() {
    block_on(checks::pooling::<Gpu>(&Default::default()));
    block_on(checks::fused::<Gpu>(&Default::default()));
    block_on(checks::unpooling::<Gpu>(&Default::default()));
    block_on(checks::identities::<Gpu>(&Default::default()));
}
