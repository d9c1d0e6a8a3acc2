//! The line to one worker.

use super::{act, dom};
use crate::js::View;
use crate::message::{Ask, Tell};
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Blob, BlobPropertyBag, Event, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

/// What a worker is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the model over the queue.
    Network,
    /// Holds the image being looked at.
    Desk,
    /// Writes one zip.
    Packer,
    /// Times the other back end, once.
    Racer,
}

pub struct Link {
    worker: Worker,
    /// Told from its predecessors, whose last words may still arrive.
    pub generation: u32,
    up: bool,
    backlog: Vec<Ask>,
    // Kept alive for as long as the worker may call them.
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _lost: Closure<dyn FnMut(Event)>,
}

/// Starts the worker's program, which finds its own address in `program`, and reports what would else be lost in silence.
const BOOT: &str = r#"
const lost = (event) => postMessage({ kind: "crashed", message: String(event.reason ?? event.message ?? event) });
addEventListener("unhandledrejection", lost);
addEventListener("error", lost);
await init();
"#;

impl Link {
    /// Starts a worker. From a blob: it then inherits the page's Content-Security-Policy, a fetched script would not.
    pub fn start(role: Role, generation: u32) -> Result<Self, String> {
        let base = dom::document().base_uri().ok().flatten().unwrap_or_default();
        let script = Url::new_with_base("worker.js", &base).map_err(|error| dom::reason(&error))?.href();
        let text = format!("import init from {script:?};\nself.program = {script:?};{BOOT}");
        let kind = BlobPropertyBag::new();
        kind.set_type("text/javascript");
        let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &kind);
        let url = blob
            .and_then(|blob| Url::create_object_url_with_blob(&blob))
            .map_err(|error| dom::reason(&error))?;
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&url, &options).map_err(|error| dom::reason(&error))?;

        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(tell) = Tell::read(&event.data()) {
                act(move |app| app.heard(role, generation, tell));
            }
        });
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let lost = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // A program that does not load gives a bare event, one that fails gives an error with a message.
            let message = View(&event).text("message");
            let message = if message.is_empty() { "its program did not load".to_string() } else { message };
            act(move |app| app.heard(role, generation, Tell::Crashed { message }));
        });
        worker.set_onerror(Some(lost.as_ref().unchecked_ref()));
        Ok(Self { worker, generation, up: false, backlog: Vec::new(), _heard: heard, _lost: lost })
    }

    /// The worker's program runs: send what waited.
    pub fn up(&mut self) {
        self.up = true;
        for ask in std::mem::take(&mut self.backlog) {
            self.post(ask);
        }
    }

    pub fn ask(&mut self, ask: Ask) {
        if self.up {
            self.post(ask);
        } else {
            self.backlog.push(ask);
        }
    }

    fn post(&self, ask: Ask) {
        let (message, over) = ask.write();
        if let Err(error) = self.worker.post_message_with_transfer(&message, &over) {
            let (generation, message) = (self.generation, dom::reason(&error));
            super::dom::after(0, move || act(move |app| app.lost_generation(generation, message)));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
