//! The network on a single device.

use super::TileNetwork;
use crate::backend::SegBackend;
use crate::network::{Network, NetworkConfig};
use crate::{Error, RgbImage, weights};
use burn::tensor::{Tensor, TensorData};
use std::ops::Range;

/// A loaded network and the device it runs on.
pub struct Segmenter<B: SegBackend> {
    network: Network<B>,
    config: NetworkConfig,
    device: B::Device,
}

impl<B: SegBackend> Segmenter<B> {
    /// Combines a network, which must not be batch-normalised any more, with its configuration and device.
    pub fn new(network: Network<B>, config: NetworkConfig, device: B::Device) -> Self {
        Self { network, config, device }
    }

    /// Loads weights (safetensors or burnpack) onto a device.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] if the bytes are not weights of this network, or come from a training run that has not
    /// finished.
    pub fn load(weights: &[u8], device: &B::Device) -> Result<Self, Error> {
        let (network, config) = weights::load(weights, device)?;
        if config.batch_norm {
            // Batch normalisation would normalise each tile by its own statistics.
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
        let one = |orientation: usize| {
            let output = self.network.forward(turned(&pixels, orientation, &self.device));
            let background = output.clone().slice([0..1, 0..1]);
            turned_back(output.slice([0..1, 1..2]) - background, orientation) // [1, 1, h, w]
        };
        // Summed on the device, so that only one result is read back.
        let Some(sum) = orientations.map(one).reduce(|sum, next| sum + next) else {
            return Ok(vec![0.0; (pixels.width() * pixels.height()) as usize]);
        };
        let failed = |error: &dyn std::fmt::Debug| Error::Compute(format!("the device failed: {error:?}"));
        let data = sum.into_data_async().await.map_err(|error| failed(&error))?;
        data.to_vec().map_err(|error| failed(&error))
    }
}

/// Converts pixels, in one of the eight orientations of the square grid, to a network input `[1, 3, h, w]`, or
/// `[1, 3, w, h]`: orientations 4 to 7 swap rows and columns. 0 and 1 are mirror images of each other.
fn turned<B: SegBackend>(pixels: &RgbImage, orientation: usize, device: &B::Device) -> Tensor<B, 4> {
    let (w, h) = (pixels.width() as usize, pixels.height() as usize);
    let (rows, columns, down, right) = if orientation & 4 == 0 { (h, w, w, 1) } else { (w, h, 1, w) };
    let mirror = |at: usize, len: usize, mirrored: bool| if mirrored { len - 1 - at } else { at };
    let [up, left] = [[2, 3], [1, 2]].map(|those| those.contains(&(orientation & 3)));
    let mut values = vec![0.0f32; 3 * h * w];
    for y in 0..rows {
        let start = mirror(y, rows, up) * down;
        for x in 0..columns {
            let pixel = &pixels.as_raw()[3 * (start + mirror(x, columns, left) * right)..][..3];
            for (channel, &value) in pixel.iter().enumerate() {
                values[(channel * rows + y) * columns + x] = normalise(f32::from(value));
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, rows, columns]), device)
}

/// Turns what the network made of [`turned`] pixels back to their own orientation.
fn turned_back<B: SegBackend>(x: Tensor<B, 4>, orientation: usize) -> Tensor<B, 4> {
    let unmirrored = match orientation & 3 {
        0 => x,
        1 => x.flip([3]),
        2 => x.flip([2, 3]),
        _ => x.flip([2]),
    };
    if orientation & 4 == 0 { unmirrored } else { unmirrored.swap_dims(2, 3) }
}

/// Scales a channel value, 0 to 255, to the network's input range.
pub fn normalise(value: f32) -> f32 {
    (value - 127.5) / 64.0
}
