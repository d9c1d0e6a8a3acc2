//! The CPU back end on several cores: nested workers, each with its own network, that process tiles. They share no
//! memory, so hosts need not send special headers.

use super::{bytes, scope};
use crate::message::{Backend, Reply, Request};
use burn::backend::Flex;
use futures_util::future::{Either, join_all, select};
use js_sys::{Promise, Uint8Array};
use rbc_model::network::NetworkConfig;
use rbc_model::segment::{Segmenter, TileNetwork};
use rbc_model::{Error, RgbImage};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::pin::pin;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Event, MessageEvent, Worker, WorkerOptions, WorkerType};

/// Maximum number of workers. Each holds the feature maps of a tile, and phones with many cores have little memory.
const MOST: usize = 4;
/// Milliseconds after which a pool worker that has not answered is done without.
const PATIENCE: i32 = 15_000;

/// The network on this thread, and the pool workers that help it.
pub struct TilePool {
    own: Segmenter<Flex>,
    weights: Vec<u8>,
    wanted: usize,
    started: Cell<bool>,
    idle: RefCell<Vec<PoolWorker>>,
}

/// A nested worker.
struct PoolWorker(Worker);

impl TilePool {
    /// How many threads compute where there is a pool.
    pub fn size() -> usize {
        (scope().navigator().hardware_concurrency() as usize).clamp(1, MOST)
    }

    pub fn new(own: Segmenter<Flex>, weights: &[u8]) -> Self {
        // On a single core a pool does not help.
        let wanted = if Self::size() > 1 { Self::size() } else { 0 };
        Self { own, weights: weights.to_vec(), wanted, started: Cell::new(false), idle: RefCell::default() }
    }

    /// Starts the pool workers, once. Those that do not get ready are done without: this thread can do all the work.
    pub async fn gather(&self) {
        if self.started.replace(true) {
            return;
        }
        // All are listened to before one is waited for: nobody else hears of a program that does not load.
        let starting = (0..self.wanted).map_while(|_| PoolWorker::start().ok());
        let ready = starting.map(async |worker| worker.ready(&self.weights).await.then_some(worker));
        let ready = join_all(ready).await;
        self.idle.borrow_mut().extend(ready.into_iter().flatten());
    }

    /// The network on this thread alone.
    pub fn alone(&self) -> &Segmenter<Flex> {
        &self.own
    }
}

impl TileNetwork for TilePool {
    fn config(&self) -> &NetworkConfig {
        self.own.config()
    }

    fn at_once(&self) -> usize {
        self.idle.borrow().len().max(1)
    }

    fn splits_tiles(&self) -> bool {
        self.at_once() > 1
    }

    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
        let worker = self.idle.borrow_mut().pop();
        if let Some(worker) = worker
            && let Ok(values) = worker.tile(&pixels, &orientations).await
        {
            self.idle.borrow_mut().push(worker);
            return Ok(values);
        }
        // No worker is free, or this one was lost.
        self.own.tile(pixels, orientations).await
    }
}

impl PoolWorker {
    fn start() -> Result<Self, JsValue> {
        // From this worker's own URL: the same program, even if the page has been updated on the host meanwhile.
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        Ok(Self(Worker::new_with_options(&scope().location().href(), &options)?))
    }

    /// Awaits the next message of this worker.
    async fn answer(&self) -> Result<JsValue, JsValue> {
        let mut handlers = None;
        let next = Promise::new(&mut |resolve, reject| {
            let heard = Closure::<dyn FnMut(MessageEvent)>::once(move |event: MessageEvent| {
                let _ = resolve.call1(&JsValue::NULL, &event.data());
            });
            let lost = Closure::<dyn FnMut(Event)>::once(move |event: Event| {
                // Else it would also count as an error of this worker.
                event.prevent_default();
                let _ = reject.call1(&JsValue::NULL, &event);
            });
            self.0.set_onmessage(Some(heard.as_ref().unchecked_ref()));
            self.0.set_onerror(Some(lost.as_ref().unchecked_ref()));
            handlers = Some((heard, lost));
        });
        let answer = JsFuture::from(next).await;
        self.ignore();
        answer
    }

    fn ignore(&self) {
        self.0.set_onmessage(None);
        self.0.set_onerror(None);
    }

    /// Sends a request and awaits the answer. Pool workers only send answers, so no message can be missed.
    async fn ask(&self, ask: Request) -> Result<JsValue, JsValue> {
        let (message, over) = ask.write();
        self.0.post_message_with_transfer(&message, &over)?;
        self.answer().await
    }

    /// Whether the worker gets ready, and in time: browsers may keep a worker waiting until others have ended.
    async fn ready(&self, weights: &[u8]) -> bool {
        let late = Promise::new(&mut |resolve, _| {
            let clock = scope();
            let _ = clock.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, PATIENCE);
        });
        let joined = pin!(self.join(weights));
        matches!(select(joined, JsFuture::from(late)).await, Either::Left((Ok(()), _)))
    }

    /// Sends the program and the weights, and waits until the worker has loaded both.
    async fn join(&self, weights: &[u8]) -> Result<(), JsValue> {
        self.0.post_message(&wasm_bindgen::module())?;
        let answer = self.answer().await?;
        let Some(Reply::Up) = Reply::read(&answer) else { return Err(answer) };
        let answer = self.ask(Request::JoinPool { weights: Uint8Array::from(weights).buffer() }).await?;
        match Reply::read(&answer) {
            Some(Reply::Ready { .. }) => Ok(()),
            _ => Err(answer),
        }
    }

    async fn tile(&self, pixels: &RgbImage, orientations: &Range<usize>) -> Result<Vec<f32>, JsValue> {
        let (width, height) = pixels.dimensions();
        let pixels = Uint8Array::from(pixels.as_raw().as_slice()).buffer();
        let orientations = [orientations.start as u32, orientations.end as u32];
        let answer = self.ask(Request::ComputeTile { pixels, width, height, orientations }).await?;
        match Reply::read(&answer) {
            Some(Reply::ComputedTile { values }) => Ok(values.to_vec()),
            _ => Err(answer),
        }
    }
}

impl Drop for PoolWorker {
    fn drop(&mut self) {
        self.ignore();
        self.0.terminate();
    }
}

thread_local! {
    /// The network of a pool worker.
    static NETWORK: RefCell<Option<Segmenter<Flex>>> = const { RefCell::new(None) };
}

/// Makes this worker a pool worker.
pub fn join(weights: &[u8]) -> Reply {
    match Segmenter::load(weights, &Default::default()) {
        Ok(network) => {
            NETWORK.set(Some(network));
            Reply::Ready { weights_serial: 0, backend: Backend::Cpu, facts: String::new() }
        }
        Err(error) => Reply::Refused { weights_serial: 0, message: error.to_string() },
    }
}

/// Computes a tile in a pool worker.
pub async fn compute(
    pixels: &js_sys::ArrayBuffer,
    (width, height): (u32, u32),
    orientations: [u32; 2],
) -> Reply {
    let crashed = |message: String| Reply::Crashed { message };
    let Some(pixels) = RgbImage::from_raw(width, height, bytes(pixels)) else {
        return crashed("a tile of the wrong size".into());
    };
    let Some(network) = NETWORK.take() else { return crashed("a tile before the weights".into()) };
    let [first, end] = orientations.map(|orientation| orientation as usize);
    let values = network.tile(pixels, first..end).await;
    NETWORK.set(Some(network));
    match values {
        Ok(values) => Reply::ComputedTile { values: js_sys::Float32Array::from(&values[..]) },
        Err(error) => crashed(error.to_string()),
    }
}
