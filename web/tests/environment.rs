//! Checks what the browser tests depend on: a browser with WebGPU.

use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
async fn the_browser_has_a_webgpu_adapter() -> Result<(), JsValue> {
    let adapter: Promise = js_sys::eval("navigator.gpu.requestAdapter()")?.dyn_into()?;
    let adapter = JsFuture::from(adapter).await?;
    assert!(
        !adapter.is_null(),
        "no adapter: is the browser started with the flags of xtask/src/browser/chromium.rs?"
    );
    let limits = Reflect::get(&adapter, &"limits".into())?;
    let storage = Reflect::get(&limits, &"maxStorageBufferBindingSize".into())?;
    assert!(storage.as_f64().is_some_and(|bytes| bytes >= f64::from(128 << 20)), "{storage:?}");
    Ok(())
}
