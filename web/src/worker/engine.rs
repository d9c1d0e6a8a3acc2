//! The model on its back end: WebGPU if it computes correctly here, else the CPU.

use burn::backend::{Flex, WebGpu};
use futures_util::lock::Mutex;
use rbc_model::cells::{CellOptions, find_cells};
use rbc_model::decode::decode;
use rbc_model::export::png_of_rgb;
use rbc_model::segment::{self, Progress, SegmentOptions, Segmentation, Segmenter, TileNetwork, sample};
use rbc_model::{Error, RgbImage};

use super::gpu::{self, Refusal};
use super::tile_pool::TilePool;
use crate::message::{Backend, Reply};

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

impl Engine {
    /// Loads the weights onto the back end `wish`, or the better one.
    ///
    /// # Errors
    ///
    /// A message for the user if the weights do not fit or the requested back end is not available.
    pub async fn start(wish: Option<Backend>, weights: &[u8]) -> Result<Self, String> {
        gpu::rely(false);
        // The CPU network comes first: it shows whether the weights fit, and is the reference for the GPU.
        let cpu = Segmenter::<Flex>::load(weights, &Default::default()).map_err(|error| error.to_string())?;
        if wish == Some(Backend::Cpu) {
            return Ok(Self::new(Network::Cpu(TilePool::new(cpu, weights)), "Runs on the CPU, as selected."));
        }
        let selected = wish == Some(Backend::WebGpu);
        let refusal = match gpu::start(weights, &cpu, selected).await {
            Ok((gpu, adapter)) if selected || !is_slower(&gpu, &cpu).await => {
                gpu::rely(true);
                return Ok(Self::new(Network::Gpu(gpu), &format!("Runs on WebGPU{adapter}.")));
            }
            Ok((_, adapter)) => {
                Refusal::Slower(format!("it is faster than WebGPU on this computer{adapter}"))
            }
            Err(refusal) => refusal,
        };
        let facts = match refusal {
            Refusal::Absent(why) if selected => {
                return Err(format!("WebGPU was selected, but {why}."));
            }
            Refusal::Absent(why) => format!(
                "Runs on the CPU because {why}. The results are practically the same; a large image may take longer."
            ),
            Refusal::Slower(why) => {
                format!("Runs on the CPU because {why}. The results are practically the same.")
            }
        };
        Ok(Self::new(Network::Cpu(TilePool::new(cpu, weights)), &facts))
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

    pub fn backend(&self) -> Backend {
        match self.network {
            Network::Gpu(_) => Backend::WebGpu,
            Network::Cpu(_) => Backend::Cpu,
        }
    }

    /// Segments an image; also returns the seconds that it took.
    ///
    /// # Errors
    ///
    /// As [`segment::segment`].
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
            Network::Gpu(gpu) => segment::segment(gpu, image, &options, progress).await?,
            Network::Cpu(cpu) => {
                cpu.gather().await;
                segment::segment(cpu, image, &options, progress).await?
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
        let image = noise(side);
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

/// Side of the image by which the back ends are compared.
const TRIAL: u32 = 256;
/// A GPU that takes no more seconds than this is not compared: it is as fast as anyone needs.
const FAST: f64 = 0.02;

/// Whether the GPU takes longer than the CPU on all its cores, as old ones in thin laptops do. In doubt it does not: the
/// browser may still be compiling the fast form of the CPU's program.
async fn is_slower(gpu: &Segmenter<WebGpu>, cpu: &Segmenter<Flex>) -> bool {
    let Ok(gpu) = pace(gpu).await else { return true };
    gpu > FAST && pace(cpu).await.is_ok_and(|cpu| gpu > cpu / TilePool::size() as f64)
}

/// Seconds for the trial image, the less of two passes after a first one.
async fn pace(network: &impl TileNetwork) -> Result<f64, Error> {
    let image = noise(TRIAL);
    let mut seconds = f64::INFINITY;
    for round in 0..3 {
        let begun = super::now();
        segment::logits(network, &image, SegmentOptions::default().tile, 1, &mut |_| {}).await?;
        if round > 0 {
            seconds = seconds.min((super::now() - begun) / 1000.0);
        }
    }
    Ok(seconds)
}

fn noise(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let noise = x.wrapping_mul(7919) ^ y.wrapping_mul(104_729);
        image::Rgb([0, 3, 6].map(|shift| (noise >> shift) as u8))
    })
}

/// From a file to its cells.
async fn try_out(network: &TilePool) -> Result<(), Error> {
    let image = decode(&png_of_rgb(&sample())?, "sample")?;
    let found = segment::segment(network, &image, &SegmentOptions::default(), &mut |_| {}).await?;
    find_cells(&found.probability, &CellOptions::default());
    Ok(())
}

/// Seconds of the first pass, and of `rounds` passes after two seconds of warm-up, in which browsers recompile hot
/// code.
async fn timed(network: &impl TileNetwork, image: &RgbImage, rounds: u32) -> Result<Vec<f64>, Error> {
    let pass = async || {
        let begun = super::now();
        segment::logits(network, image, SegmentOptions::default().tile, 1, &mut |_| {}).await?;
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
