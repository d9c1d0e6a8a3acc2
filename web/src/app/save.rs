//! Saving files to the user's disk.

use super::{App, dom};
use crate::message::{Export, Request, Truth};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

pub fn download(name: &str, mime: &str, bytes: &Uint8Array) {
    let kind = BlobPropertyBag::new();
    kind.set_type(mime);
    if let Ok(blob) = Blob::new_with_u8_array_sequence_and_options(&Array::of1(bytes), &kind) {
        download_blob(name, &blob);
    }
}

pub fn download_blob(name: &str, blob: &Blob) {
    let Ok(url) = Url::create_object_url_with_blob(blob) else { return };
    if let Ok(anchor) = dom::make("a", "", "").dyn_into::<HtmlAnchorElement>() {
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    // The browser needs the URL until it has begun to write.
    dom::after(60_000, move || drop(Url::revoke_object_url(&url)));
}

impl App {
    /// Saves one file of the active image.
    pub fn export(&mut self, what: &str) {
        if self.exporting.iter().any(|making| making == what) {
            return;
        }
        if self.desk_has != self.active && self.active_item().is_some_and(|item| item.probability.is_some()) {
            // Postponed until the desk has opened the image.
            self.exports_wanted.push(what.to_string());
            if self.desk_open != self.active {
                self.open_active();
            }
            return;
        }
        if let Some(id) = self.active.filter(|_| self.desk_open == self.active) {
            let Some(stem) = self.item(id).map(|item| item.stem.clone()) else { return };
            if self.open_and_stale() == Some(id) {
                // What is saved must match what the page shows.
                self.measure(id, None, Truth::default());
            }
            self.exporting.push_back(what.to_string());
            dom::set_text("spoken", "Saving…");
            self.ask_desk(Request::Export(Export { id, what: what.to_string(), stem }));
            self.refresh();
        }
    }
}
