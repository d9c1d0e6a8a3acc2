//! The operations of the network on a graphics card, against naive references. Built with the feature `cuda` or `wgpu`
//! alone: `bench/gpu.sh` on a machine with an NVIDIA card, any machine with a Vulkan, Metal or DirectX driver else.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::checks;
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
    block_on(checks::normalisation::<Gpu>(&Default::default()));
}

#[test]
fn pooling_and_unpooling() {
    block_on(checks::pooling::<Gpu>(&Default::default()));
    block_on(checks::fused::<Gpu>(&Default::default()));
    block_on(checks::unpooling::<Gpu>(&Default::default()));
    block_on(checks::identities::<Gpu>(&Default::default()));
}
