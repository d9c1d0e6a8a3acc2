//! Connection to one worker.

use super::{act, dom, files};
use crate::js::View;
use crate::message::{Reply, Request};
use js_sys::{Array, Promise, WebAssembly};
use std::cell::RefCell;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{Blob, BlobPropertyBag, Event, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

/// Purpose of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs the model on the queued images.
    Network,
    /// Holds the image being looked at.
    Desk,
    /// Writes one zip.
    Packer,
    /// Times the other back end, once.
    Racer,
}

/// Connection to one worker, with a queue for requests until the worker is ready.
pub struct Link {
    role: Role,
    /// Distinguishes this worker from its predecessors, whose last messages may still arrive.
    pub generation: u32,
    /// The program failed to load, so no image or weights are to blame.
    pub absent: bool,
    /// `None` until the program has loaded.
    running: Option<Running>,
    up: bool,
    backlog: Vec<Request>,
}

struct Running {
    worker: Worker,
    // Kept alive for as long as the worker may call them.
    _heard: Closure<dyn FnMut(MessageEvent)>,
    _lost: Closure<dyn FnMut(Event)>,
}

/// The workers' program: the URL that workers start from, and the compiled module that is sent to them.
pub struct Program {
    url: String,
    module: JsValue,
}

thread_local! {
    /// `[url, module]`, fetched once: an open page keeps using its own workers after a new version is published.
    static PROGRAM: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

/// Appended to the worker script, whose initialiser is `__wbg_init`: waits for the module and reports errors that would
/// otherwise go unnoticed. Nested workers start from the same URL.
const BOOT: &str = r#"
const lost = (event) => {
  event.preventDefault(); // Else it would also count as an error of a worker that this one helps.
  postMessage({ kind: "crashed", message: String(event.reason ?? event.message ?? event) });
};
addEventListener("unhandledrejection", lost);
addEventListener("error", lost);
onmessage = async ({ data }) => { await __wbg_init({ module_or_path: data }); };
"#;

async fn fetch_program() -> Result<JsValue, JsValue> {
    let script = files::text(&files::fetch_bytes("worker.js").await?);
    let code: JsValue = files::fetch("worker_bg.wasm").await?.into();
    // Fallback for hosts that do not serve the right MIME type.
    let module = match JsFuture::from(WebAssembly::compile_streaming(&Promise::resolve(&code))).await {
        Ok(module) => module,
        Err(_) => {
            let bytes = files::fetch_bytes("worker_bg.wasm").await?;
            JsFuture::from(WebAssembly::compile(&bytes)).await?
        }
    };
    // A worker started from a blob inherits the page's Content-Security-Policy; one started from a fetched script does
    // not.
    let kind = BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let parts = Array::of1(&format!("{script}{BOOT}").into());
    let blob = Blob::new_with_str_sequence_and_options(&parts, &kind)?;
    Ok(Array::of2(&Url::create_object_url_with_blob(&blob)?.into(), &module).into())
}

/// The program, once it is loaded. After a failure the next call fetches it again.
async fn program() -> Result<Program, String> {
    let coming = PROGRAM
        .with_borrow_mut(|program| program.get_or_insert_with(|| future_to_promise(fetch_program())).clone());
    match JsFuture::from(coming).await {
        Ok(parts) => {
            let parts = Array::from(&parts);
            Ok(Program { url: parts.get(0).as_string().unwrap_or_default(), module: parts.get(1) })
        }
        Err(error) => {
            PROGRAM.set(None);
            Err(dom::reason(&error))
        }
    }
}

impl Link {
    /// Starts a worker. If that fails, it is reported like any other loss of the worker.
    pub fn start(role: Role, generation: u32) -> Self {
        spawn_local(async move {
            let program = program().await;
            act(move |app| app.begun(role, generation, program));
        });
        Self { role, generation, absent: false, running: None, up: false, backlog: Vec::new() }
    }

    /// Called when the program has loaded.
    ///
    /// # Errors
    ///
    /// A message for the user if the browser cannot start the worker.
    pub fn begin(&mut self, program: &Program) -> Result<(), String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(&program.url, &options).map_err(|error| dom::reason(&error))?;
        let (role, generation) = (self.role, self.generation);
        let heard = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(tell) = Reply::read(&event.data()) {
                act(move |app| app.heard(role, generation, tell));
            }
        });
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let lost = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            // A program that does not load causes an event without a message.
            let message = View(&event).text("message");
            let message = if message.is_empty() { "its program did not load".to_string() } else { message };
            act(move |app| app.heard(role, generation, Reply::Crashed { message }));
        });
        worker.set_onerror(Some(lost.as_ref().unchecked_ref()));
        worker.post_message(&program.module).map_err(|error| dom::reason(&error))?;
        self.running = Some(Running { worker, _heard: heard, _lost: lost });
        Ok(())
    }

    /// Called when the worker is ready: sends the queued requests.
    pub fn up(&mut self) {
        self.up = true;
        for ask in std::mem::take(&mut self.backlog) {
            self.post(ask);
        }
    }

    /// Sends a request, or queues it until the worker is ready.
    pub fn ask(&mut self, ask: Request) {
        if self.up {
            self.post(ask);
        } else {
            self.backlog.push(ask);
        }
    }

    fn post(&self, ask: Request) {
        let Some(running) = &self.running else { return };
        let (message, over) = ask.write();
        if let Err(error) = running.worker.post_message_with_transfer(&message, &over) {
            let (generation, message) = (self.generation, dom::reason(&error));
            super::dom::after(0, move || act(move |app| app.lost_generation(generation, message)));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}
