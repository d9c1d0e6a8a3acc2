//! Shows the progress of a fit and measures it on the images held out.

use crate::dataset::Sample;
use crate::field::Field;
use crate::fit::{self, Watcher};
use crate::recipe::{FitConfig, STEPS};
use crate::{progress, say};
use anyhow::Result;
use burn::tensor::backend::Backend;
use indicatif::ProgressBar;
use rbc_model::backend::TileBackend;
use rbc_model::network::{Network, NetworkConfig};
use rbc_model::segment::Segmenter;

/// Shows the progress of a fit and validates it after each epoch.
pub struct Watch<B: Backend> {
    network: NetworkConfig,
    device: B::Device,
    pub bar: ProgressBar,
    name: String,
    /// At the working scale.
    held_out: Vec<Field>,
}

impl<B: Backend> Watch<B> {
    pub fn new(name: String, held_out: &[&Sample], config: &FitConfig, device: &B::Device) -> Self {
        let held_out = Field::prepare(held_out, config.network.working_diameter);
        let bar = progress::bar((config.epochs * STEPS) as u64, "steps");
        bar.set_message(name.clone());
        Self { network: config.network.folded(), device: device.clone(), bar, name, held_out }
    }

    /// Prints a line for each epoch if there is no terminal to show the bar on, so that it appears in a log.
    fn line(&self, validation: &str) {
        if self.bar.is_hidden() {
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let steps = STEPS as u64;
            say::err!("{}: epoch {} of {}{validation}", self.name, done / steps, total / steps);
        }
    }
}

impl<B: TileBackend> Watcher<B> for Watch<B> {
    fn step(&mut self, done: usize, total: usize, loss: Option<f64>) {
        self.bar.set_length(total as u64);
        // A resumed run starts in the middle: the remaining time is estimated from here on.
        if self.bar.position() == 0 && done > 1 {
            self.bar.set_position(done as u64);
            self.bar.reset_eta();
        }
        self.bar.set_position(done as u64);
        if let Some(loss) = loss {
            self.bar.set_message(format!("{}, loss {loss:.4}", self.name));
        }
    }

    fn validate(&mut self, network: &dyn Fn() -> Network<B>) -> Result<Option<(f64, f64)>> {
        if self.held_out.is_empty() {
            self.line("");
            return Ok(None);
        }
        let segmenter = Segmenter::new(network(), self.network.clone(), self.device.clone());
        let (mut loss, mut iou) = (0.0, 0.0);
        for field in &self.held_out {
            let (one_loss, one_iou) = fit::validate(&segmenter, field)?;
            loss += one_loss;
            iou += one_iou;
        }
        let count = self.held_out.len() as f64;
        self.line(&format!(", loss {:.4} and IoU {:.4} on the images held out", loss / count, iou / count));
        Ok(Some((loss / count, iou / count)))
    }
}
