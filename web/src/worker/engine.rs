//! The model on its back end: WebGPU if it computes correctly here, else the CPU.

use burn::backend::wgpu::{WgpuDevice, graphics, init_setup_async};
use burn::backend::{Flex, WebGpu};
use futures_util::lock::Mutex;
use js_sys::{Function, Promise, Reflect};
use rbc_model::cells::{CellOptions, find_cells};
use rbc_model::decode::decode;
use rbc_model::export::png_of_rgb;
use rbc_model::segment::{Progress, SegmentOptions, Segmentation, Segmenter, TileNetwork, agree, sample};
use rbc_model::{Error, RgbImage};
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::tile_pool::TilePool;
use crate::message::Reply;

enum Network {
    Gpu(Segmenter<WebGpu>),
    Cpu(TilePool),
}

/// A loaded model on a back end that has passed a check.
pub struct Engine {
    network: Network,
    /// Which back end is used and why, for the user.
    pub facts: String,
    /// Held by whoever is computing.
    turn: Mutex<()>,
}

thread_local! {
    /// Name of the GPU adapter once the device is set up, which can be done only once.
    static ADAPTER: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl Engine {
    /// Loads the weights onto the back end `wish` (`auto`, `webgpu`, `cpu`).
    ///
    /// # Errors
    ///
    /// A message for the user if the weights do not fit or the requested back end is not available.
    pub async fn start(wish: &str, weights: &[u8]) -> Result<Self, String> {
        // The CPU network comes first: it shows whether the weights fit, and is the reference for the GPU.
        let cpu = Segmenter::<Flex>::load(weights, &Default::default()).map_err(|error| error.to_string())?;
        if wish == "cpu" {
            return Ok(Self::new(Network::Cpu(TilePool::new(cpu, weights)), "Runs on the CPU, as selected."));
        }
        match gpu(weights, &cpu, wish).await {
            Ok((gpu, adapter)) => Ok(Self::new(Network::Gpu(gpu), &format!("Runs on WebGPU{adapter}."))),
            Err(why) if wish == "webgpu" => Err(format!("WebGPU was selected, but {why}.")),
            Err(why) => {
                let longer = if why == EMULATED { "" } else { "; a large image may take longer" };
                let facts =
                    format!("Runs on the CPU because {why}. The results are practically the same{longer}.");
                Ok(Self::new(Network::Cpu(TilePool::new(cpu, weights)), &facts))
            }
        }
    }

    fn new(network: Network, facts: &str) -> Self {
        Self { network, facts: facts.into(), turn: Mutex::new(()) }
    }

    /// Takes a small image all the way to its cells, before anyone asks for one: browsers compile a program, or its fast
    /// form, when it first runs, which takes WebKit some seconds. The workers share what is compiled.
    pub async fn warm_up(&self) {
        // The shaders of a GPU were compiled when it was checked.
        let Network::Cpu(cpu) = &self.network else { return };
        let _turn = self.turn.lock().await;
        cpu.gather().await;
        // If it fails, the next image tells why.
        let _ = try_out(cpu).await;
    }

    pub fn name(&self) -> &'static str {
        match self.network {
            Network::Gpu(_) => "webgpu",
            Network::Cpu(_) => "cpu",
        }
    }

    /// Segments an image; also returns the seconds that it took.
    ///
    /// # Errors
    ///
    /// As [`TileNetwork::segment`].
    pub async fn segment(
        &self,
        image: &RgbImage,
        diameter: Option<f64>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Segmentation, f64), Error> {
        let _turn = self.turn.lock().await;
        let begun = super::now();
        let diameter_px = diameter.map(|diameter| diameter as f32);
        let options = SegmentOptions { diameter_px, ..SegmentOptions::default() };
        let found = match &self.network {
            Network::Gpu(gpu) => gpu.segment(image, &options, progress).await?,
            Network::Cpu(cpu) => {
                cpu.gather().await;
                cpu.segment(image, &options, progress).await?
            }
        };
        Ok((found, (super::now() - begun) / 1000.0))
    }

    /// Measures the time for a square image of this side in one orientation: on one thread or device, and with all pool
    /// workers.
    ///
    /// # Errors
    ///
    /// [`Error::Compute`] if the device fails.
    pub async fn time(&self, side: u32, rounds: u32) -> Result<Reply, Error> {
        let _turn = self.turn.lock().await;
        let image = RgbImage::from_fn(side, side, |x, y| {
            let noise = x.wrapping_mul(7919) ^ y.wrapping_mul(104_729);
            image::Rgb([0, 3, 6].map(|shift| (noise >> shift) as u8))
        });
        let (alone, together) = match &self.network {
            Network::Gpu(gpu) => (timed(gpu, &image, rounds).await?, Vec::new()),
            Network::Cpu(cpu) => {
                cpu.gather().await;
                (timed(cpu.alone(), &image, rounds).await?, timed(cpu, &image, rounds).await?)
            }
        };
        Ok(Reply::Timed { alone, together })
    }
}

/// From a file to its cells.
async fn try_out(network: &TilePool) -> Result<(), Error> {
    let image = decode(&png_of_rgb(&sample())?, "sample")?;
    let found = network.segment(&image, &SegmentOptions::default(), &mut |_| {}).await?;
    find_cells(&found.probability, &CellOptions::default());
    Ok(())
}

/// Seconds of the first pass, and of `rounds` passes after two seconds of warm-up, in which browsers recompile hot
/// code.
async fn timed(network: &impl TileNetwork, image: &RgbImage, rounds: u32) -> Result<Vec<f64>, Error> {
    let pass = async || {
        let begun = super::now();
        network.logits(image, SegmentOptions::default().tile, 1, &mut |_| {}).await?;
        Ok::<f64, Error>((super::now() - begun) / 1000.0)
    };
    let begun = super::now();
    let mut seconds = vec![pass().await?];
    while super::now() < begun + 2000.0 {
        pass().await?;
    }
    for _ in 0..rounds {
        seconds.push(pass().await?);
    }
    Ok(seconds)
}

/// Why the CPU computes although the browser has WebGPU.
const EMULATED: &str = "WebGPU is emulated by the CPU on this computer, which is slower";

/// The network on the GPU, if there is one and it gives the same results as the CPU; also the adapter's name. An
/// emulated GPU is used only if the `wish` is `webgpu`.
async fn gpu(
    weights: &[u8],
    cpu: &Segmenter<Flex>,
    wish: &str,
) -> Result<(Segmenter<WebGpu>, String), String> {
    match adapter().await {
        None => return Err("this browser offers no WebGPU on this computer".into()),
        Some(Adapter::Emulated) if wish != "webgpu" => return Err(EMULATED.into()),
        Some(_) => {}
    }
    let device = WgpuDevice::default();
    let known = ADAPTER.with_borrow(Option::clone);
    let adapter = match known {
        Some(adapter) => adapter,
        None => {
            let setup = init_setup_async::<graphics::WebGpu>(&device, Default::default()).await;
            setup.device.set_device_lost_callback(|_, message| {
                super::tell(Reply::Crashed {
                    message: format!("the graphics processor was lost: {message}"),
                });
            });
            let info = setup.adapter.get_info();
            let name = if info.name.is_empty() { String::new() } else { format!(" ({})", info.name) };
            ADAPTER.set(Some(name.clone()));
            name
        }
    };
    let gpu = Segmenter::<WebGpu>::load(weights, &device).map_err(|error| error.to_string())?;
    // A shader that does not compile only causes a console message; the output is then zeros or garbage.
    let agrees = agree(&gpu, cpu).await;
    if agrees.unwrap_or(false) {
        Ok((gpu, adapter))
    } else {
        Err(format!("WebGPU computes wrong results on this computer{adapter}"))
    }
}

/// What answers to WebGPU.
enum Adapter {
    Gpu,
    /// A program that computes shaders on the CPU (SwiftShader, Mesa's lavapipe), many times slower than our own kernels
    /// there.
    Emulated,
}

/// The GPU adapter that the browser provides, if any. Asked for beforehand, because Burn panics without one.
async fn adapter() -> Option<Adapter> {
    async fn ask() -> Result<JsValue, JsValue> {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
        let gpu = Reflect::get(&navigator, &"gpu".into())?;
        let request: Function = Reflect::get(&gpu, &"requestAdapter".into())?.dyn_into()?;
        JsFuture::from(request.call0(&gpu)?.dyn_into::<Promise>()?).await
    }
    let adapter = ask().await.ok().filter(JsValue::is_truthy)?;
    // Browsers from before 2025 tell it on the adapter itself.
    let told_by = |object: &JsValue| Reflect::get(object, &"isFallbackAdapter".into());
    let info = Reflect::get(&adapter, &"info".into()).unwrap_or_default();
    let emulated = [told_by(&info), told_by(&adapter)].into_iter().flatten().any(|told| told.is_truthy());
    Some(if emulated { Adapter::Emulated } else { Adapter::Gpu })
}
