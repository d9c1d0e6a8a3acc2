//! The way of one image: scale, tiles, network, probability map.

use crate::backend::SegBackend;
use crate::network::{Network, NetworkConfig};
use crate::quality::Quality;
use crate::tiling::{padded, tiles};
use crate::{Error, GrayImage, RgbImage, scale, weights};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How one image is segmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentOptions {
    /// Typical cell diameter in pixels of this image. `None`: estimated from the image.
    pub diameter_px: Option<f32>,
    /// Side of a tile in working pixels, halo included; a multiple of 8. Bounds the memory.
    pub tile: usize,
    /// In how many of its eight orientations (turned by right angles, mirrored) an image is looked at: 1, 2, 4 or 8.
    /// The logits are averaged; the time grows with it.
    pub orientations: usize,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { diameter_px: None, tile: 512, orientations: 2 }
    }
}

/// How far along a segmentation is: tiles done of all tiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// What the network says of one image, at the image's own resolution.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Probability of red blood cell, 0 to 255 for 0 to 1, the size of the image.
    pub probability: GrayImage,
    /// Cell diameter in image pixels that the working scale was chosen for (estimated or given).
    pub diameter_px: f32,
    /// Working pixels per image pixel.
    pub scale: f32,
    /// What was measured of how far it can be trusted; `None` where there are no cells.
    pub quality: Option<Quality>,
    /// Why this result should not be trusted, in sentences for the user; empty if nothing is known.
    pub warnings: Vec<String>,
}

const NO_CELLS: &str =
    "no cells of a clear size were found: is this a stained smear? If it is, give the cell diameter by hand";

/// A loaded network and the device it runs on.
pub struct Segmenter<B: SegBackend> {
    pub(crate) network: Network<B>,
    pub(crate) config: NetworkConfig,
    pub(crate) device: B::Device,
}

impl<B: SegBackend> Segmenter<B> {
    pub fn new(network: Network<B>, config: NetworkConfig, device: B::Device) -> Self {
        Self { network, config, device }
    }

    /// Reads the weights (safetensors or burnpack) and puts them on the device.
    ///
    /// # Errors
    /// Where the bytes are no weights of this network.
    pub fn load(weights: &[u8], device: &B::Device) -> Result<Self, Error> {
        let (network, config) = weights::load(weights, device)?;
        Ok(Self { network, config, device: device.clone() })
    }

    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Segments one image of any size. `progress` hears of every tile.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn segment(
        &self,
        image: &RgbImage,
        options: &SegmentOptions,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Segmentation, Error> {
        let (diameter_px, mut warnings) = match options.diameter_px {
            Some(diameter) => (diameter, Vec::new()),
            None => match scale::estimate(self, image).await? {
                Some(diameter) => (diameter, Vec::new()),
                None => (scale::fallback(image), vec![NO_CELLS.to_string()]),
            },
        };
        let scale = self.config.working_diameter / diameter_px;
        let working = scale::resample(image, scale);
        let logits = self.logits(&working, options.tile, options.orientations, progress).await?;
        let quality = Quality::measure(
            &working,
            &logits.probability(working.dimensions()),
            self.config.working_diameter,
        );
        if warnings.is_empty() {
            warnings.extend(quality.iter().flat_map(Quality::warnings));
        }
        let probability = logits.probability(image.dimensions());
        Ok(Segmentation { probability, diameter_px, scale, quality, warnings })
    }

    /// Logits of an image at the working scale, tile by tile.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn logits(
        &self,
        image: &RgbImage,
        tile: usize,
        orientations: usize,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Logits, Error> {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let tiles = tiles(padded(height), padded(width), tile);
        let total = tiles.len();
        let mut logits = Logits { width, height, values: vec![0.0; width * height] };
        progress(Progress { done: 0, total });
        for (done, tile) in tiles.into_iter().enumerate() {
            let [rows, columns] = &tile.input;
            let input = tensor::<B>(image, rows.clone(), columns.clone(), &self.device);
            let difference = self.difference(input, orientations).into_data_async().await;
            let difference =
                difference.map_err(|error| Error::Compute(format!("the device failed: {error:?}")))?;
            let values: Vec<f32> =
                difference.to_vec().map_err(|error| Error::Compute(format!("{error:?}")))?;
            let keep = tile.keep[1].start..tile.keep[1].end.min(width);
            for y in tile.keep[0].start..tile.keep[0].end.min(height) {
                let from = (y - rows.start) * columns.len() + keep.start - columns.start;
                logits.values[y * width..][keep.clone()].copy_from_slice(&values[from..][..keep.len()]);
            }
            progress(Progress { done: done + 1, total });
        }
        Ok(logits)
    }

    /// Logit of cell less that of background, `[1, 1, h, w]`, as the mean over orientations.
    fn difference(&self, input: Tensor<B, 4>, orientations: usize) -> Tensor<B, 4> {
        let one = |orientation: usize| {
            let output =
                turn(self.network.forward(turn(input.clone(), orientation, false)), orientation, true);
            let background = output.clone().slice([0..1, 0..1]);
            output.slice([0..1, 1..2]) - background
        };
        let first = one(0);
        if orientations <= 1 {
            return first;
        }
        (1..orientations)
            .fold(first, |sum, orientation| sum + one(orientation))
            .div_scalar(orientations as f32)
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

/// A part of an image as network input `[1, 3, h, w]`; what lies beyond the image repeats its edge.
fn tensor<B: SegBackend>(
    image: &RgbImage,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    device: &B::Device,
) -> Tensor<B, 4> {
    let (h, w) = (rows.len(), columns.len());
    let mut values = vec![0.0f32; 3 * h * w];
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    for (row, y) in rows.enumerate() {
        for (column, x) in columns.clone().enumerate() {
            let pixel = image.get_pixel((x as u32).min(right), (y as u32).min(bottom));
            for (channel, &value) in pixel.0.iter().enumerate() {
                values[(channel * h + row) * w + column] = normalise(f32::from(value));
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, h, w]), device)
}

/// A channel of a pixel, 0 to 255, as the network wants it.
pub fn normalise(value: f32) -> f32 {
    (value - 127.5) / 64.0
}

/// Logit of red blood cell against background for each pixel of the working image.
#[derive(Clone, Debug)]
pub struct Logits {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Logits {
    /// Probabilities, 0 to 255, at another size: logits are interpolated bilinearly, so edges are sub-pixel.
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
                *pixel = (255.0 / (1.0 + (-logit).exp())).round() as u8;
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
