//! The CPU back end on several cores: workers of the worker, each with a network of its own, that take tiles. They share
//! no memory, so that no host has to send special headers.

use super::{bytes, scope};
use crate::message::{Ask, Tell};
use burn::backend::Flex;
use js_sys::{Promise, Uint8Array};
use rbc_model::network::NetworkConfig;
use rbc_model::segment::{Segmenter, TileNetwork};
use rbc_model::{Error, RgbImage};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// Each has the feature maps of a tile in memory, and phones with many cores have little of that.
const MOST: usize = 4;

/// The network on this thread, and the hands that help it.
pub struct Crew {
    own: Segmenter<Flex>,
    weights: Vec<u8>,
    wanted: usize,
    started: Cell<bool>,
    idle: RefCell<Vec<Hand>>,
}

/// One worker of the worker.
struct Hand(Worker);

impl Crew {
    pub fn new(own: Segmenter<Flex>, weights: &[u8]) -> Self {
        let cores = scope().navigator().hardware_concurrency() as usize;
        // One core alone has nobody to share with.
        let wanted = if cores > 1 { cores.min(MOST) } else { 0 };
        Self { own, weights: weights.to_vec(), wanted, started: Cell::new(false), idle: RefCell::default() }
    }

    /// Starts the hands, once. What does not start is missed by nobody: this thread can do it all.
    pub async fn gather(&self) {
        if self.started.replace(true) {
            return;
        }
        let starting: Vec<_> = (0..self.wanted).map_while(|_| Hand::start().ok()).collect();
        for hand in starting {
            if hand.ready(&self.weights).await.is_ok() {
                self.idle.borrow_mut().push(hand);
            }
        }
    }

    /// The network on this thread alone.
    pub fn alone(&self) -> &Segmenter<Flex> {
        &self.own
    }
}

impl TileNetwork for Crew {
    fn config(&self) -> &NetworkConfig {
        self.own.config()
    }

    fn at_once(&self) -> usize {
        self.idle.borrow().len().max(1)
    }

    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
        let hand = self.idle.borrow_mut().pop();
        if let Some(hand) = hand
            && let Ok(values) = hand.tile(&pixels, &orientations).await
        {
            self.idle.borrow_mut().push(hand);
            return Ok(values);
        }
        // Nobody is free, or the hand was lost.
        self.own.tile(pixels, orientations).await
    }
}

impl Hand {
    fn start() -> Result<Self, JsValue> {
        // From where this worker was started: the same program, whatever lies beside the page by now.
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        Ok(Self(Worker::new_with_options(&scope().location().href(), &options)?))
    }

    /// The next message of this hand.
    async fn answer(&self) -> Result<JsValue, JsValue> {
        let next = Promise::new(&mut |resolve, reject| {
            let heard = Closure::once_into_js(move |event: MessageEvent| {
                resolve.call1(&JsValue::NULL, &event.data())
            });
            self.0.set_onmessage(Some(heard.unchecked_ref()));
            self.0.set_onerror(Some(&reject));
        });
        let answer = JsFuture::from(next).await;
        self.0.set_onmessage(None);
        self.0.set_onerror(None);
        answer
    }

    /// Hands speak only when spoken to, so that no message comes while nobody listens.
    async fn ask(&self, ask: Ask) -> Result<JsValue, JsValue> {
        let (message, over) = ask.write();
        self.0.post_message_with_transfer(&message, &over)?;
        self.answer().await
    }

    /// Hands over the program and the weights.
    async fn ready(&self, weights: &[u8]) -> Result<(), JsValue> {
        self.0.post_message(&wasm_bindgen::module())?;
        let answer = self.answer().await?;
        let Some(Tell::Up) = Tell::read(&answer) else { return Err(answer) };
        let answer = self.ask(Ask::Help { weights: Uint8Array::from(weights).buffer() }).await?;
        match Tell::read(&answer) {
            Some(Tell::Ready { .. }) => Ok(()),
            _ => Err(answer),
        }
    }

    async fn tile(&self, pixels: &RgbImage, orientations: &Range<usize>) -> Result<Vec<f32>, JsValue> {
        let (width, height) = pixels.dimensions();
        let pixels = Uint8Array::from(pixels.as_raw().as_slice()).buffer();
        let orientations = [orientations.start as u32, orientations.end as u32];
        let answer = self.ask(Ask::Part { pixels, width, height, orientations }).await?;
        match Tell::read(&answer) {
            Some(Tell::Part { values }) => Ok(values.to_vec()),
            _ => Err(answer),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.0.terminate();
    }
}

thread_local! {
    /// The network of a hand.
    static NETWORK: RefCell<Option<Segmenter<Flex>>> = const { RefCell::new(None) };
}

/// Makes this worker a hand.
pub fn help(weights: &[u8]) -> Tell {
    match Segmenter::load(weights, &Default::default()) {
        Ok(network) => {
            NETWORK.set(Some(network));
            Tell::Ready { serial: 0, backend: "cpu".into(), facts: String::new() }
        }
        Err(error) => Tell::Refused { serial: 0, message: error.to_string() },
    }
}

/// A hand's answer for a tile.
pub async fn part(pixels: &js_sys::ArrayBuffer, (width, height): (u32, u32), orientations: [u32; 2]) -> Tell {
    let crashed = |message: String| Tell::Crashed { message };
    let Some(pixels) = RgbImage::from_raw(width, height, bytes(pixels)) else {
        return crashed("a tile of the wrong size".into());
    };
    let Some(network) = NETWORK.take() else { return crashed("a tile before the weights".into()) };
    let [first, end] = orientations.map(|orientation| orientation as usize);
    let values = network.tile(pixels, first..end).await;
    NETWORK.set(Some(network));
    match values {
        Ok(values) => Tell::Part { values: js_sys::Float32Array::from(&values[..]) },
        Err(error) => crashed(error.to_string()),
    }
}
