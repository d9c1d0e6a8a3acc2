//! The worker program. Except when it starts, and when it or the graphics processor fails, it sends messages only in
//! response to requests. It keeps nothing that the page would miss if the worker were lost.

mod batch;
mod desk;
mod engine;
mod exports;
mod found;
mod gpu;
mod render;
mod tile_pool;

use crate::message::{Backend, DIAMETERS, RED_CELLS, Reply, Request, Segmented, Task, UM_PER_PX};
use batch::Batch;
use desk::Desk;
use engine::Engine;
use js_sys::{ArrayBuffer, Uint8Array, Uint8ClampedArray};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, ImageBitmap, MessageEvent};

thread_local! {
    /// The model, and the serial number of its weights.
    static ENGINE: RefCell<Option<(u32, Rc<Engine>)>> = const { RefCell::new(None) };
    static DESK: RefCell<Desk> = RefCell::new(Desk::default());
    static BATCH: RefCell<Option<Batch>> = const { RefCell::new(None) };
}

/// The page has copies of these constants, because it does not link the model.
const _: () = {
    assert!(same(&UM_PER_PX, &rbc_model::cells::UM_PER_PX));
    assert!(same(&DIAMETERS, &rbc_model::segment::DIAMETERS));
    assert!(same(&RED_CELLS, &rbc_model::cells::RED_CELLS));
};

/// Whether two ranges are equal; `==` cannot be used in constants.
const fn same(one: &RangeInclusive<f64>, other: &RangeInclusive<f64>) -> bool {
    *one.start() == *other.start() && *one.end() == *other.end()
}

/// The worker's global scope; this program only ever runs in a worker.
fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Milliseconds since the worker started.
fn now() -> f64 {
    scope().performance().map_or_else(js_sys::Date::now, |clock| clock.now())
}

fn tell(tell: Reply) {
    let (message, over) = tell.write();
    // Only fails if the page is gone.
    let _ = scope().post_message_with_transfer(&message, &over);
}

fn bytes(buffer: &ArrayBuffer) -> Vec<u8> {
    Uint8Array::new(buffer).to_vec()
}

fn failed(id: u32, task: Task, error: &impl ToString) {
    tell(Reply::Failed { id, task, truth_version: 0, message: error.to_string() });
}

/// Installs the message handler.
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        tell(Reply::Crashed { message: crate::js::told_of(info) });
    }));
    let heard = Closure::<dyn FnMut(MessageEvent)>::new(|event: MessageEvent| {
        if let Some(ask) = Request::read(&event.data()) {
            answer(ask);
        }
    });
    scope().set_onmessage(Some(heard.as_ref().unchecked_ref()));
    heard.forget();
    tell(Reply::Up);
}

/// Handles a request.
fn answer(ask: Request) {
    match ask {
        Request::Start { weights_serial, backend, weights } => {
            spawn_local(load(weights_serial, backend, bytes(&weights)));
        }
        Request::Segment { id, name, file, diameter } => {
            spawn_local(segment(id, name, bytes(&file), diameter))
        }
        Request::JoinPool { weights } => tell(tile_pool::join(&bytes(&weights))),
        Request::ComputeTile { pixels, width, height, orientations } => {
            spawn_local(async move {
                tell(tile_pool::compute(&pixels, (width, height), orientations).await);
            });
        }
        Request::Time { side, rounds } => spawn_local(async move {
            let Some((_, engine)) = ENGINE.with_borrow(Option::clone) else { return };
            match engine.time(side, rounds).await {
                Ok(timed) => tell(timed),
                Err(error) => failed(0, Task::Time, &error),
            }
        }),
        Request::Tile { tile, version } => {
            let picture = DESK.with_borrow(|desk| desk.tile(tile));
            // Always answered, because the page waits for its earlier requests before it sends more.
            spawn_local(async move {
                let bitmap = match picture {
                    Some(picture) => picture.into_bitmap().await.ok(),
                    None => None,
                };
                tell(Reply::Tile { tile, version, bitmap });
            });
        }
        Request::Pack { stem } => {
            let packed = DESK.with_borrow(|desk| {
                BATCH.with_borrow_mut(|batch| batch.get_or_insert_with(Batch::new).add(desk, &stem))
            });
            match packed {
                Ok((bytes, missing)) => {
                    missing.iter().for_each(|line| failed(0, Task::Pack, line));
                    tell(Reply::Packed { bytes: Uint8Array::from(&bytes[..]), done: false });
                }
                Err(error) => {
                    failed(0, Task::Pack, &error);
                    tell(Reply::Packed { bytes: Uint8Array::new_with_length(0), done: false });
                }
            }
        }
        Request::PackEnd { table } => match BATCH.take().unwrap_or_else(Batch::new).finish(&table) {
            Ok(bytes) => tell(Reply::Packed { bytes: Uint8Array::from(&bytes[..]), done: true }),
            Err(error) => tell(Reply::Crashed { message: error.to_string() }),
        },
        other => DESK.with_borrow_mut(|desk| desk.answer(other)),
    }
}

async fn load(weights_serial: u32, wish: Option<Backend>, weights: Vec<u8>) {
    match Engine::start(wish, &weights).await {
        Ok(engine) => {
            let (backend, facts) = (engine.backend(), engine.facts.clone());
            tell(Reply::Ready { weights_serial, backend, facts });
            let engine = Rc::new(engine);
            ENGINE.set(Some((weights_serial, engine.clone())));
            engine.warm_up().await;
        }
        Err(message) => tell(Reply::Refused { weights_serial, message }),
    }
}

async fn segment(id: u32, name: String, file: Vec<u8>, diameter: Option<f64>) {
    let Some((weights_serial, engine)) = ENGINE.with_borrow(Option::clone) else {
        return failed(id, Task::Segment, &format!("{name}: the model is not loaded"));
    };
    let image = match rbc_model::decode::decode(&file, &name) {
        Ok(image) => image,
        Err(error) => return failed(id, Task::Decode, &error),
    };
    let unread = rbc_model::decode::unread(&file);
    let oblong = rbc_model::decode::oblong(&file);
    let um_per_px = rbc_model::decode::um_per_px(&file);
    drop(file);
    let (width, height) = image.dimensions();
    let thumb = render::thumb(&image);
    tell(Reply::Decoded {
        id,
        width,
        height,
        thumb: Uint8ClampedArray::from(&thumb.rgba[..]),
        thumb_width: thumb.width,
        thumb_height: thumb.height,
    });
    let mut progress = |progress: rbc_model::segment::Progress| {
        tell(Reply::Progress { id, done: progress.done as f64, total: progress.total as f64 });
    };
    match engine.segment(&image, diameter, &mut progress).await {
        Ok((result, seconds)) => tell(Reply::Segmented(Segmented {
            id,
            width,
            height,
            probability: Uint8Array::from(&result.probability.as_raw()[..]).buffer(),
            diameter: f64::from(result.diameter_px),
            um_per_px,
            warnings: unread.map(String::from).into_iter().chain(oblong).chain(result.warnings).collect(),
            seconds,
            backend: engine.backend(),
            weights_serial,
        })),
        // A GPU that failed once is not used again: the page starts a new worker.
        Err(rbc_model::Error::Compute(message)) => tell(Reply::Crashed { message }),
        Err(error) => failed(id, Task::Segment, &error),
    }
}

impl render::Picture {
    /// Converts to a bitmap, which is transferred to the page without copying and can be drawn directly.
    async fn into_bitmap(self) -> Result<ImageBitmap, JsValue> {
        let rgba = wasm_bindgen::Clamped(&self.rgba[..]);
        let data = web_sys::ImageData::new_with_u8_clamped_array_and_sh(rgba, self.width, self.height)?;
        JsFuture::from(scope().create_image_bitmap_with_image_data(&data)?).await?.dyn_into()
    }
}
