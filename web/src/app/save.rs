//! Saving files to the user's disk.

use super::pack::Packing;
use super::{App, dom};
use crate::message::{Export, Product, Request, Truth};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

const CANCELLED: &str = "Cancelled; no file was saved.";

/// Saves bytes as a file of this name.
///
/// # Errors
///
/// The browser's reason if it has no room for them.
pub fn download(name: &str, mime: &str, bytes: &Uint8Array) -> Result<(), JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type(mime);
    download_blob(name, &Blob::new_with_u8_array_sequence_and_options(&Array::of1(bytes), &kind)?)
}

/// Saves a blob as a file of this name.
///
/// # Errors
///
/// As [`download`].
pub fn download_blob(name: &str, blob: &Blob) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    if let Ok(anchor) = dom::make("a", "", "").dyn_into::<HtmlAnchorElement>() {
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    // The browser needs the URL until it has begun to write.
    dom::after(60_000, move || drop(Url::revoke_object_url(&url)));
    Ok(())
}

impl App {
    /// Reports that a file was not saved.
    pub fn not_saved(&mut self, name: &str, error: &JsValue) {
        let why = dom::reason(error);
        self.complain(&format!(
            "{name}: not saved ({why}). Close other tabs, or free memory and disk space, and save it again."
        ));
    }

    /// Saves the table of all images; pressed again while that waits, cancels it.
    pub fn press_table(&mut self) {
        if std::mem::take(&mut self.table_wanted) {
            dom::set_text("spoken", CANCELLED);
        } else {
            self.save_images_table();
        }
        self.pressed_save(self.table_wanted);
    }

    /// Saves the zip; pressed again while that waits or packs, cancels it.
    pub fn press_zip(&mut self) {
        if std::mem::take(&mut self.zip_wanted) || self.packing.take().is_some() {
            dom::set_text("spoken", CANCELLED);
        } else {
            self.pack_all();
        }
        self.pressed_save(self.zip_wanted);
    }

    fn pressed_save(&mut self, waits: bool) {
        if waits {
            dom::set_text(
                "spoken",
                "The cells of some images are being counted; then it is saved. Press again to cancel.",
            );
        }
        self.show_saves();
        self.refresh();
    }

    /// Says on the buttons that save all images what they are waiting for.
    pub fn show_saves(&self) {
        let counting = |wanted: bool| wanted.then(|| format!("Counting {}…", self.stale().count().max(1)));
        let packing = self.packing.as_ref().map(Packing::progress);
        let table = ("export-images", "All images, CSV", counting(self.table_wanted));
        let zip = ("export-zip", "Everything, zip", counting(self.zip_wanted).or(packing));
        for (id, rest, busy) in [table, zip] {
            dom::set_flag(&dom::element(id), "aria-busy", busy.is_some());
            dom::set_text(id, busy.as_deref().unwrap_or(rest));
        }
    }

    /// Saves one file of the active image.
    pub fn export(&mut self, what: Product) {
        if self.desk.exporting.contains(&what) {
            return;
        }
        if self.desk.has() != self.active && self.active_item().is_some_and(|item| item.probability.is_some())
        {
            // Postponed until the desk has opened the image.
            self.desk.exports_wanted.push(what);
            if self.desk.open() != self.active {
                self.open_active();
            }
            return;
        }
        if let Some(id) = self.active.filter(|_| self.desk.open() == self.active) {
            let Some(stem) = self.item(id).map(|item| item.stem.clone()) else { return };
            if self.open_and_stale() == Some(id) {
                // What is saved must match what the page shows.
                self.measure(id, None, Truth::default());
            }
            self.desk.exporting.push_back(what);
            dom::set_text("spoken", "Saving…");
            self.ask_desk(Request::Export(Export { id, what, stem }));
            self.refresh();
        }
    }
}
