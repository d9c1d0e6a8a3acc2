//! The network in a browser worker, as on the page: on WebGPU and on the CPU in wasm, each operation against its naive
//! reference, and the whole network against stored logits and against the other back end.
#![cfg(target_arch = "wasm32")]

mod common;

use burn::backend::wgpu::{WgpuDevice, graphics, init_setup_async};
use burn::backend::{Flex, WebGpu};
use burn::tensor::backend::Backend;
use common::{checks, known};
use rbc_model::network::NetworkConfig;
use rbc_model::weights;
use std::cell::Cell;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// The WebGPU device, initialised on the first call.
async fn webgpu() -> WgpuDevice {
    thread_local!(static READY: Cell<bool> = const { Cell::new(false) });
    let device = WgpuDevice::default();
    if !READY.replace(true) {
        init_setup_async::<graphics::WebGpu>(&device, Default::default()).await;
    }
    device
}

#[wasm_bindgen_test]
async fn webgpu_convolution() {
    checks::convolution::<WebGpu>(&webgpu().await).await;
    checks::convolution_of_views::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_backward_of_the_convolution() {
    checks::convolution_backward::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_batch_normalisation() {
    checks::normalisation::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_pooling() {
    checks::pooling::<WebGpu>(&webgpu().await).await;
    checks::fused::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_unpooling() {
    checks::unpooling::<WebGpu>(&webgpu().await).await;
    checks::identities::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_tiles() {
    checks::tiles::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_gives_the_stored_logits() {
    known::answer::<WebGpu>(&webgpu().await).await;
}

#[wasm_bindgen_test]
async fn webgpu_and_cpu_agree_on_the_whole_network() {
    let (cpu, gpu) = (Default::default(), webgpu().await);
    for (seed, widths, h, w) in [(1, [16, 32, 64], 64, 72), (2, [3, 7, 9], 8, 136)] {
        Flex::seed(&cpu, seed);
        let config = NetworkConfig { widths, ..NetworkConfig::default().folded() };
        let on_cpu = config.init::<Flex>(&cpu);
        let bytes = weights::to_safetensors(&on_cpu, &config).expect("weights as bytes");
        let (on_gpu, loaded) = weights::load::<WebGpu>(&bytes, &gpu).expect("the same weights");
        assert_eq!(loaded, config);
        let expected = checks::floats(on_cpu.forward(known::input(h, w, &cpu))).await;
        let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
        let found = checks::floats(on_gpu.forward(known::input(h, w, &gpu))).await;
        checks::close(&format!("{widths:?} on {h} x {w}"), &found, &expected, 1e-3);
    }
}

#[wasm_bindgen_test]
async fn cpu_convolution() {
    checks::convolution::<Flex>(&Default::default()).await;
    checks::convolution_of_views::<Flex>(&Default::default()).await;
    checks::convolution_backward::<Flex>(&Default::default()).await;
}

#[wasm_bindgen_test]
async fn cpu_pooling_and_unpooling() {
    checks::pooling::<Flex>(&Default::default()).await;
    checks::fused::<Flex>(&Default::default()).await;
    checks::unpooling::<Flex>(&Default::default()).await;
    checks::identities::<Flex>(&Default::default()).await;
}

#[wasm_bindgen_test]
async fn cpu_gives_the_stored_logits() {
    known::answer::<Flex>(&Default::default()).await;
}
