//! The network on a single device.

use super::TileNetwork;
use crate::backend::TileBackend;
use crate::network::{Network, NetworkConfig};
use crate::{Error, RgbImage, weights};
use std::ops::Range;

/// A loaded network and the device it runs on.
pub struct Segmenter<B: TileBackend> {
    network: Network<B>,
    config: NetworkConfig,
    device: B::Device,
}

impl<B: TileBackend> Segmenter<B> {
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

impl<B: TileBackend> TileNetwork for Segmenter<B> {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn at_once(&self) -> usize {
        B::TILES_AT_ONCE
    }

    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
        B::tile(&pixels, orientations, |image| self.network.forward(image), &self.device).await
    }
}
