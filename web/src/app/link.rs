//! The line to one worker.

use super::{act, dom, files};
use crate::js::View;
use crate::message::{Reply, Request};
use js_sys::{Array, Promise, WebAssembly};
use std::cell::RefCell;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
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
    role: Role,
    /// Told from its predecessors, whose last words may still arrive.
    pub generation: u32,
    /// The program did not come: nothing that it was asked for is to blame.
    pub absent: bool,
    /// None until the program has come.
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

/// The workers' program: where a worker starts from, and the compiled code that it is handed.
pub struct Program {
    url: String,
    module: JsValue,
}

thread_local! {
    /// Fetched once, as `[url, module]`: a page that stays open while a new version comes goes on with its own workers.
    static PROGRAM: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

/// Follows the program's script, which calls its start `__wbg_init`: waits for the code, and reports what would else be
/// lost in silence. A worker of the worker starts from the same address.
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
    // A host that does not call it WebAssembly has it compiled from its bytes.
    let module = match JsFuture::from(WebAssembly::compile_streaming(&Promise::resolve(&code))).await {
        Ok(module) => module,
        Err(_) => {
            let bytes = files::fetch_bytes("worker_bg.wasm").await?;
            JsFuture::from(WebAssembly::compile(&bytes)).await?
        }
    };
    // From a blob: a worker then inherits the page's Content-Security-Policy, from a fetched script it would not.
    let kind = BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let parts = Array::of1(&format!("{script}{BOOT}").into());
    let blob = Blob::new_with_str_sequence_and_options(&parts, &kind)?;
    Ok(Array::of2(&Url::create_object_url_with_blob(&blob)?.into(), &module).into())
}

/// The program, once it has come; where it did not, the next to ask fetches it again.
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
    /// Starts a worker; what keeps it from starting is heard like any other loss of it.
    pub fn start(role: Role, generation: u32) -> Self {
        spawn_local(async move {
            let program = program().await;
            act(move |app| app.begun(role, generation, program));
        });
        Self { role, generation, absent: false, running: None, up: false, backlog: Vec::new() }
    }

    /// The program has come.
    ///
    /// # Errors
    /// Where the browser starts no worker; in words for the person.
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
            // A program that does not load gives a bare event, one that fails gives an error with a message.
            let message = View(&event).text("message");
            let message = if message.is_empty() { "its program did not load".to_string() } else { message };
            act(move |app| app.heard(role, generation, Reply::Crashed { message }));
        });
        worker.set_onerror(Some(lost.as_ref().unchecked_ref()));
        worker.post_message(&program.module).map_err(|error| dom::reason(&error))?;
        self.running = Some(Running { worker, _heard: heard, _lost: lost });
        Ok(())
    }

    /// The worker's program runs: send what waited.
    pub fn up(&mut self) {
        self.up = true;
        for ask in std::mem::take(&mut self.backlog) {
            self.post(ask);
        }
    }

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
