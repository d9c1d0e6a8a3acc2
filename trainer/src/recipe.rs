//! The recipe of a fit: its settings and the schedule of its learning rate.

use crate::augment::Augmentation;
use rbc_model::network::NetworkConfig;
use serde::{Deserialize, Serialize};

/// All that decides the result of a fit, apart from the data.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FitConfig {
    pub network: NetworkConfig,
    pub augmentation: Augmentation,
    /// Extra weight in the loss of the background in narrow gaps between cells; all other pixels weigh 1 (Ronneberger,
    /// Fischer, Brox: U-Net, 2015, section 3).
    #[serde(default)]
    pub gap_weight: f32,
    /// Each of [`STEPS`] batches of random crops: with crops drawn at random there is no pass over the data.
    pub epochs: usize,
    pub batch: usize,
    /// Side of a crop in working pixels.
    pub crop: usize,
    /// Peak of the schedule: a linear warm-up, then half a cosine down to zero.
    pub learning_rate: f64,
    /// For biases and normalisation parameters; kernels have none.
    pub weight_decay: f32,
    pub seed: u64,
    /// [`Weights::fingerprint`](crate::shipped::Weights::fingerprint) of those that the fit starts from; `None`: random
    /// ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<u32>,
    /// CRC-32 of the file of these weights: what earlier versions of this program recorded as `start`.
    #[serde(skip)]
    pub start_file: Option<u32>,
}

/// Optimiser steps per epoch.
pub const STEPS: usize = 100;

impl Default for FitConfig {
    fn default() -> Self {
        Self {
            network: NetworkConfig::default(),
            augmentation: Augmentation::default(),
            gap_weight: 10.0,
            epochs: 36,
            batch: 8,
            crop: 128,
            learning_rate: 2e-2,
            weight_decay: 1e-4,
            seed: 0,
            start: None,
            start_file: None,
        }
    }
}

impl FitConfig {
    /// The settings as JSON, by way of text: that keeps 32-bit numbers as they were given (1.6), whereas `to_value`
    /// would widen them to 64 bits (1.600000023841858).
    pub fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_str(&serde_json::to_string(self)?)
    }

    /// Learning rate of a step, counted from the start of training.
    pub fn rate(&self, step: usize) -> f64 {
        let total = (self.epochs * STEPS) as f64;
        let warm = (0.05 * total).clamp(1.0, 200.0);
        let step = step as f64;
        if step < warm {
            return self.learning_rate * (step + 1.0) / warm;
        }
        let done = (step - warm) / (total - warm).max(1.0);
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}
