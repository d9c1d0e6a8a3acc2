//! The way of one image: light, scale, tiles, network, probability map.

use crate::backend::SegBackend;
use crate::frame::Frame;
use crate::network::{Network, NetworkConfig};
use crate::quality::{Quality, Unmeasured};
use crate::tiling::{Tile, padded, tiles};
use crate::{Error, GrayImage, RgbImage, scale, weights};
use burn::tensor::{Tensor, TensorData};
use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use std::ops::{Range, RangeInclusive};

/// How one image is segmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentOptions {
    /// Typical cell diameter in pixels of this image, one of [`DIAMETERS`]. `None`: estimated from the image.
    pub diameter_px: Option<f32>,
    /// Side of a tile in working pixels, halo included; a multiple of 8. Bounds the memory.
    pub tile: usize,
    /// In how many of its eight orientations (turned by right angles, mirrored) an image is looked at: 1, 2, 4 or 8.
    /// The logits are averaged; the time grows with it. `None`: the more, the smaller the image.
    pub orientations: Option<usize>,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { diameter_px: None, tile: 640, orientations: None }
    }
}

/// Cell diameters in pixels that can be given by hand: with others there is nothing to see, or nothing to compute.
pub const DIAMETERS: RangeInclusive<f64> = 4.0..=1000.0;

/// How far along a segmentation is: tiles done of all tiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// What the network says of one image, at the image's own resolution.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Probability of red blood cell, 0 to 255 for 0 to 1, and [`UNLIT`], the size of the image.
    pub probability: GrayImage,
    /// Cell diameter in image pixels that the working scale was chosen for (estimated or given).
    pub diameter_px: f32,
    /// Working pixels per image pixel.
    pub scale: f32,
    /// What was measured of how far it can be trusted; `None` where there are no cells, or nothing but cells.
    pub quality: Option<Quality>,
    /// Why this result should not be trusted, in sentences for the user; empty if nothing is known.
    pub warnings: Vec<String>,
}

const NO_CELLS: &str =
    "the cell diameter could not be estimated: is this a stained smear? If so, give it by hand";

const NONE_OF_THIS_SIZE: &str =
    "no cells of the given diameter were found: omit it to have the diameter estimated from the image";

const NO_BACKGROUND: &str =
    "cells all over, with no background to compare them with: check the outlines before you use the numbers";

const TOO_LARGE: &str = "the image is too large for cells this small: it was processed at a coarser scale than the network was \
                         trained for; cut it into pieces";
/// Working pixels, over all orientations, that take a CPU a fraction of a second.
const UNNOTICED: u32 = 1 << 17;

/// In how many orientations to look at an image: as many as go unnoticed, but always at the mirror image too. A small
/// image has few edges, and every look at them counts.
fn affordable(working: &RgbImage) -> usize {
    let goes_unnoticed = |orientations: &u32| orientations * working.width() * working.height() <= UNNOTICED;
    [8, 4].into_iter().find(goes_unnoticed).unwrap_or(2) as usize
}

/// A network that answers for one tile at a time. Where it computes is its own matter: on this thread, on a graphics
/// processor, in several workers.
#[allow(async_fn_in_trait, reason = "nobody here needs the futures to be Send")]
pub trait TileNetwork {
    fn config(&self) -> &NetworkConfig;

    /// How many tiles it can have in hand at a time.
    fn at_once(&self) -> usize {
        1
    }

    /// Logit of cell less that of background, row by row, summed over these of the eight orientations. Width and height
    /// of the tile are multiples of [`ALIGNMENT`](crate::network::ALIGNMENT).
    ///
    /// # Errors
    /// Where the device fails.
    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error>;

    /// Segments one image of any size. `progress` hears of every tile.
    ///
    /// # Errors
    /// Where the device fails.
    async fn segment(
        &self,
        image: &RgbImage,
        options: &SegmentOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Segmentation, Error> {
        let Some(frame) = Frame::find(image) else {
            return self.segment_picture(image, options, progress).await;
        };
        let found = self.segment_picture(&frame.picture(image), options, progress).await?;
        Ok(Segmentation { probability: frame.around(&found.probability), ..found })
    }

    /// The same for an image that has no frame around it.
    ///
    /// # Errors
    /// Where the device fails.
    async fn segment_picture(
        &self,
        image: &RgbImage,
        options: &SegmentOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Segmentation, Error> {
        let light = self.config().correction(image);
        let (diameter_px, mut warnings) = match options.diameter_px {
            Some(diameter) => (diameter, Vec::new()),
            None => match scale::estimate(self, image, light).await? {
                Some(diameter) => (diameter, Vec::new()),
                None => (scale::fallback(image), vec![NO_CELLS.to_string()]),
            },
        };
        let working_diameter = self.config().working_diameter;
        let scale = (working_diameter / diameter_px).min(scale::largest(image));
        // How wide cells are in the working image.
        let mut across = working_diameter;
        if scale * diameter_px < 0.99 * working_diameter {
            across = scale * diameter_px;
            warnings.push(TOO_LARGE.to_string());
        }
        let (working, surround) = scale::working(image, scale, light, across);
        let orientations = options.orientations.unwrap_or_else(|| affordable(&working));
        let mut logits = self.logits(&working, options.tile, orientations, progress).await?;
        if let Some(surround) = surround {
            surround.clear(&mut logits);
        }
        let quality = Quality::measure(&working, &logits.probability(working.dimensions()), across);
        if warnings.is_empty() {
            match &quality {
                Ok(quality) => warnings.extend(quality.warnings()),
                Err(Unmeasured::NoBackground) => warnings.push(NO_BACKGROUND.to_string()),
                Err(Unmeasured::NoCells) if options.diameter_px.is_some() => {
                    warnings.push(NONE_OF_THIS_SIZE.to_string());
                }
                Err(Unmeasured::NoCells) => {}
            }
        }
        let probability = logits.probability(image.dimensions());
        Ok(Segmentation { probability, diameter_px, scale, quality: quality.ok(), warnings })
    }

    /// Logits of an image at the working scale, tile by tile, as the mean over orientations.
    ///
    /// # Errors
    /// Where the device fails.
    async fn logits(
        &self,
        image: &RgbImage,
        tile: usize,
        orientations: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Logits, Error> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let tiles = tiles(padded(height), padded(width), tile);
        let mut logits = Logits { width, height, values: vec![0.0; width * height] };
        // Where several are in hand at a time, the orientations of one tile are.
        let parts = if self.at_once() > 1 { orientations } else { 1 };
        let task = |at: usize| {
            let (tile, part) = (&tiles[at / parts], at % parts);
            async move {
                let seen = if parts > 1 { part..part + 1 } else { 0..orientations };
                Ok((tile, self.tile(cut(image, &tile.input), seen).await?))
            }
        };
        let total = tiles.len() * parts;
        progress(Progress { done: 0, total: tiles.len() });
        // In order: sums of more than two orientations depend on it in their last bit.
        let mut answers = stream::iter((0..total).map(task)).buffered(self.at_once());
        let mut done = 0;
        while let Some(answer) = answers.next().await {
            let (tile, values): (&Tile, Vec<f32>) = answer?;
            let [rows, columns] = &tile.input;
            let keep = tile.keep[1].start..tile.keep[1].end.min(width);
            for y in tile.keep[0].start..tile.keep[0].end.min(height) {
                let from = (y - rows.start) * columns.len() + keep.start - columns.start;
                let line = &mut logits.values[y * width..][keep.clone()];
                for (sum, value) in line.iter_mut().zip(&values[from..]) {
                    *sum += value / orientations as f32;
                }
            }
            done += 1;
            progress(Progress { done: done / parts, total: tiles.len() });
        }
        drop(answers);
        Ok(logits)
    }
}

/// A loaded network and the device it runs on.
pub struct Segmenter<B: SegBackend> {
    network: Network<B>,
    config: NetworkConfig,
    device: B::Device,
}

impl<B: SegBackend> Segmenter<B> {
    pub fn new(network: Network<B>, config: NetworkConfig, device: B::Device) -> Self {
        Self { network, config, device }
    }

    /// Reads the weights (safetensors or burnpack) and puts them on the device.
    ///
    /// # Errors
    /// Where the bytes are no weights of this network, or those of a network that is still being trained.
    pub fn load(weights: &[u8], device: &B::Device) -> Result<Self, Error> {
        let (network, config) = weights::load(weights, device)?;
        if config.batch_norm {
            // It would normalise each tile by itself.
            let what =
                "weights of an unfinished training run; use the rbc.safetensors that it writes at the end";
            return Err(Error::Weights(what.into()));
        }
        Ok(Self { network, config, device: device.clone() })
    }
}

impl<B: SegBackend> TileNetwork for Segmenter<B> {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
        let input = tensor::<B>(&pixels, &self.device);
        let one = |orientation: usize| {
            let output =
                turn(self.network.forward(turn(input.clone(), orientation, false)), orientation, true);
            let background = output.clone().slice([0..1, 0..1]);
            output.slice([0..1, 1..2]) - background // [1, 1, h, w]
        };
        // Summed on the device: one read-back for all.
        let Some(sum) = orientations.map(one).reduce(|sum, next| sum + next) else {
            return Ok(vec![0.0; (pixels.width() * pixels.height()) as usize]);
        };
        let failed = |error: &dyn std::fmt::Debug| Error::Compute(format!("the device failed: {error:?}"));
        let data = sum.into_data_async().await.map_err(|error| failed(&error))?;
        data.to_vec().map_err(|error| failed(&error))
    }
}

/// One of the eight orientations of a square grid, and `back` from it. The first two are mirror images, the first
/// four are turned by half a turn at most and keep height and width.
fn turn<B: SegBackend>(x: Tensor<B, 4>, orientation: usize, back: bool) -> Tensor<B, 4> {
    let transposed = |x: Tensor<B, 4>| if orientation & 4 == 0 { x } else { x.swap_dims(2, 3) };
    let flipped = |x: Tensor<B, 4>| match orientation & 3 {
        0 => x,
        1 => x.flip([3]),
        2 => x.flip([2, 3]),
        _ => x.flip([2]),
    };
    if back { transposed(flipped(x)) } else { flipped(transposed(x)) }
}

/// A part of an image, rows and columns; what lies beyond the image repeats its edge.
fn cut(image: &RgbImage, [rows, columns]: &[Range<usize>; 2]) -> RgbImage {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    RgbImage::from_fn(columns.len() as u32, rows.len() as u32, |x, y| {
        let (x, y) = (x + columns.start as u32, y + rows.start as u32);
        *image.get_pixel(x.min(right), y.min(bottom))
    })
}

/// Pixels as network input `[1, 3, h, w]`.
fn tensor<B: SegBackend>(pixels: &RgbImage, device: &B::Device) -> Tensor<B, 4> {
    let (w, h) = (pixels.width() as usize, pixels.height() as usize);
    let mut values = vec![0.0f32; 3 * h * w];
    for (at, pixel) in pixels.pixels().enumerate() {
        for (channel, &value) in pixel.0.iter().enumerate() {
            values[channel * h * w + at] = normalise(f32::from(value));
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, h, w]), device)
}

/// A channel of a pixel, 0 to 255, as the network wants it.
pub fn normalise(value: f32) -> f32 {
    (value - 127.5) / 64.0
}

/// In a probability map: a pixel that no light falls on, beyond the picture. A probability is never this.
pub const UNLIT: u8 = 1;

/// Logit of red blood cell against background for each pixel of the working image.
#[derive(Clone, Debug)]
pub struct Logits {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Logits {
    /// What stands where no light falls. A hundredth of it is no doubt: cells go on up to the last lit pixel.
    pub(crate) const UNLIT: f32 = -1000.0;

    /// Probabilities, 0 to 255, or [`UNLIT`], at another size: logits are interpolated bilinearly, so edges are sub-pixel.
    pub fn probability(&self, (width, height): (u32, u32)) -> GrayImage {
        let columns: Vec<_> = (0..width).map(|x| Tap::new(x, width, self.width)).collect();
        let mut out = GrayImage::new(width, height);
        for (y, line) in out.chunks_exact_mut(width as usize).enumerate() {
            let row = Tap::new(y as u32, height, self.height);
            let upper = &self.values[row.low * self.width..][..self.width];
            let lower = &self.values[row.high * self.width..][..self.width];
            for (pixel, tap) in line.iter_mut().zip(&columns) {
                let logit = row
                    .mix(tap.mix(upper[tap.low], upper[tap.high]), tap.mix(lower[tap.low], lower[tap.high]));
                *pixel = match (255.0 / (1.0 + (-logit).exp())).round() as u8 {
                    UNLIT => 0,
                    _ if logit < 0.1 * Self::UNLIT => UNLIT,
                    probability => probability,
                };
            }
        }
        out
    }
}

/// The two samples between which a pixel of the resized image lies.
struct Tap {
    low: usize,
    high: usize,
    share: f32,
}

impl Tap {
    fn new(at: u32, of: u32, source: usize) -> Self {
        let position = (at as f32 + 0.5) * source as f32 / of as f32 - 0.5;
        let position = position.clamp(0.0, (source - 1) as f32);
        let low = position as usize;
        Self { low, high: (low + 1).min(source - 1), share: position - low as f32 }
    }

    fn mix(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.share
    }
}
