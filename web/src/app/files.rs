//! Reads files that the user provides and files served with the page.

use super::dom;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Response};

/// Reads a file.
///
/// # Errors
///
/// A message for the user if the file is gone, locked or not permitted.
pub async fn read(blob: &Blob) -> Result<ArrayBuffer, String> {
    let buffer = JsFuture::from(blob.array_buffer()).await;
    // Browsers' own messages only speak of permissions.
    buffer.ok().and_then(|buffer| buffer.dyn_into().ok()).ok_or_else(|| {
        "can't be read any more. If it was moved, renamed or changed, or its disk removed, add it again."
            .into()
    })
}

/// Reads a file, if there is one.
///
/// # Errors
///
/// As [`read`].
pub async fn read_if_any(blob: Option<&Blob>) -> Result<Option<ArrayBuffer>, String> {
    match blob {
        Some(blob) => read(blob).await.map(Some),
        None => Ok(None),
    }
}

/// Fetches a file served with the page.
///
/// # Errors
///
/// A message for the user if it cannot be loaded.
pub async fn fetch(path: &str) -> Result<Response, String> {
    let response = JsFuture::from(dom::window().fetch_with_str(path)).await;
    let response: Response = response
        .ok()
        .and_then(|response| response.dyn_into().ok())
        .ok_or_else(|| format!("{path} did not load; check the connection and reload the page"))?;
    if response.ok() {
        Ok(response)
    } else {
        Err(format!("{path} did not load ({}); check the connection and reload the page", response.status()))
    }
}

pub async fn fetch_bytes(path: &str) -> Result<ArrayBuffer, String> {
    let buffer = fetch(path).await?.array_buffer().map_err(|error| dom::reason(&error))?;
    let buffer = JsFuture::from(buffer).await.map_err(|error| dom::reason(&error))?;
    buffer.dyn_into().map_err(|_| format!("{path} did not load"))
}

/// Decodes UTF-8; empty if invalid.
pub fn text(bytes: &ArrayBuffer) -> String {
    String::from_utf8(Uint8Array::new(bytes).to_vec()).unwrap_or_default()
}

pub async fn fetch_blob(path: &str) -> Result<Blob, String> {
    let blob = fetch(path).await?.blob().map_err(|error| dom::reason(&error))?;
    let blob = JsFuture::from(blob).await.map_err(|error| dom::reason(&error))?;
    blob.dyn_into().map_err(|_| format!("{path} did not load"))
}
