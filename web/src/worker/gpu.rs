//! The network on WebGPU, if the browser has a GPU for it that computes correctly.

use burn::backend::wgpu::{WgpuDevice, graphics, init_setup_async};
use burn::backend::{Flex, WebGpu};
use js_sys::{Function, Promise, Reflect};
use rbc_model::segment::{Segmenter, agree};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::message::Reply;

/// Why the CPU computes; completes "because".
pub enum Refusal {
    /// WebGPU can't be used here.
    Absent(String),
    /// It could be, but would take longer.
    Slower(String),
}

thread_local! {
    /// Name of the GPU adapter once the device is set up, which can be done only once.
    static ADAPTER: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether results depend on the GPU.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
    /// What went wrong before.
    static FAULT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The network on the GPU, if there is one and it gives the same results as the CPU; also the adapter's name. An
/// emulated GPU is used only if WebGPU was `selected`.
pub async fn start(
    weights: &[u8],
    cpu: &Segmenter<Flex>,
    selected: bool,
) -> Result<(Segmenter<WebGpu>, String), Refusal> {
    let absent = |why: String| Err(Refusal::Absent(why));
    match adapter().await {
        None => return absent("this browser offers no WebGPU on this computer".into()),
        Some(Adapter::Emulated) if !selected => {
            let why = "WebGPU is emulated by the CPU on this computer, which is slower";
            return Err(Refusal::Slower(why.into()));
        }
        Some(Adapter::WithoutClock) => {
            return absent("WebGPU lacks timestamps in this browser, which the program needs".into());
        }
        Some(_) => {}
    }
    let device = WgpuDevice::default();
    let known = ADAPTER.with_borrow(Option::clone);
    let adapter = match known {
        Some(adapter) => adapter,
        None => set_up(&device).await,
    };
    let gpu = match Segmenter::<WebGpu>::load(weights, &device) {
        Ok(gpu) => gpu,
        Err(error) => return absent(error.to_string()),
    };
    // A shader that does not compile leaves its output as it was, zeros or garbage.
    let agrees = agree(&gpu, cpu).await;
    match (FAULT.take(), agrees) {
        (None, Ok(true)) => Ok((gpu, adapter)),
        (None, Ok(false)) => absent(format!("WebGPU computes wrong results on this computer{adapter}")),
        (Some(fault), _) => absent(format!("WebGPU fails on this computer{adapter}: {fault}")),
        (None, Err(error)) => absent(format!("WebGPU fails on this computer{adapter}: {error}")),
    }
}

/// Says whether results depend on the GPU from now on: only then its faults end the worker.
pub fn rely(on: bool) {
    IN_USE.set(on);
}

/// Sets up the device; returns the adapter's name.
async fn set_up(device: &WgpuDevice) -> String {
    let setup = init_setup_async::<graphics::WebGpu>(device, Default::default()).await;
    setup.device.set_device_lost_callback(|_, message| fail("was lost", &message));
    // Memory that could not be had, for one: the commands that need it are dropped, and reading their results gives what
    // was there before. The browser reports the error first.
    setup.device.on_uncaptured_error(Arc::new(|error| {
        let text = error.to_string();
        fail("failed", text.lines().next().unwrap_or_default());
    }));
    let info = setup.adapter.get_info();
    let name = if info.name.is_empty() { String::new() } else { format!(" ({})", info.name) };
    ADAPTER.set(Some(name.clone()));
    name
}

/// Ends this worker if results depend on the GPU.
fn fail(how: &str, message: &str) {
    if IN_USE.get() {
        super::tell(Reply::Crashed { message: format!("the graphics processor {how}: {message}") });
    } else {
        FAULT.set(Some(message.into()));
    }
}

/// What answers to WebGPU.
enum Adapter {
    Gpu,
    /// A program that computes shaders on the CPU (SwiftShader, Mesa's lavapipe), many times slower than our own kernels
    /// there.
    Emulated,
    /// A GPU without `timestamp-query`, without which CubeCL panics in browsers.
    WithoutClock,
}

/// The GPU adapter that the browser provides, if any. Asked for beforehand, because Burn panics without one.
async fn adapter() -> Option<Adapter> {
    async fn ask() -> Result<JsValue, JsValue> {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
        let gpu = Reflect::get(&navigator, &"gpu".into())?;
        let request: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
        JsFuture::from(request.call0(&gpu)?.dyn_into::<Promise>()?).await
    }
    /// Whether the adapter has a feature; features are a set of JavaScript's kind.
    fn has(adapter: &JsValue, feature: &str) -> Result<bool, JsValue> {
        let features = Reflect::get(adapter, &"features".into())?;
        let has: Function = Reflect::get(&features, &"has".into())?.dyn_into()?;
        Ok(has.call1(&features, &feature.into())?.is_truthy())
    }
    let adapter = ask().await.ok().filter(JsValue::is_truthy)?;
    // Browsers from before 2025 tell it on the adapter itself.
    let told_by = |object: &JsValue| Reflect::get(object, &"isFallbackAdapter".into());
    let info = Reflect::get(&adapter, &"info".into()).unwrap_or_default();
    let emulated = [told_by(&info), told_by(&adapter)].into_iter().flatten().any(|told| told.is_truthy());
    Some(if emulated {
        Adapter::Emulated
    } else if has(&adapter, "timestamp-query").unwrap_or(false) {
        Adapter::Gpu
    } else {
        Adapter::WithoutClock
    })
}
