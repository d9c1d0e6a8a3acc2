//! What a fit that was cut off goes on from.
//!
//! `checkpoint-N.bin` holds network and optimiser after epoch N, `checkpoint.json` names the N that counts. The second is
//! written when the first is whole, so that a run cut off anywhere finds both of one epoch.

use crate::fit::FitConfig;
use crate::problem::Problem;
use crate::records;
use anyhow::{Result, bail};
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    config: FitConfig,
    /// Of the images drawn from.
    fingerprint: u32,
    pub epochs_done: usize,
    pub seconds: f64,
}

/// The checkpoints of one fit.
pub struct Checkpoints<'a> {
    pub folder: &'a Path,
    pub config: &'a FitConfig,
    /// [`Pool::fingerprint`](crate::field::Pool::fingerprint) of what it draws from.
    pub fingerprint: u32,
}

impl Checkpoints<'_> {
    /// The last checkpoint, if there is one.
    ///
    /// # Errors
    /// Where it can't be read or is that of another fit.
    pub fn last<B: Backend, R: Record<B>>(&self, device: &B::Device) -> Result<Option<(State, R)>> {
        let path = state(self.folder);
        if !path.exists() {
            return Ok(None);
        }
        let found: State = records::read_json(&path)?;
        let same = serde_json::to_value(&found.config)? == serde_json::to_value(self.config)?;
        if !same || found.fingerprint != self.fingerprint {
            let what = if same { "images" } else { "settings" };
            bail!(
                "a checkpoint of other {what}, take another --out or leave out --resume: {}",
                self.folder.display()
            );
        }
        let path = tensors(self.folder, found.epochs_done);
        let bytes = std::fs::read(&path).map_err(|error| Problem::io(&path, "cannot read", &error))?;
        let record = recorder().load(bytes, device).map_err(|error| {
            Problem::new(&path, format!("a checkpoint that cannot be read, leave out --resume ({error})"))
        })?;
        Ok(Some((found, record)))
    }

    /// Puts the checkpoint of an epoch in place of the one before.
    ///
    /// # Errors
    /// Where the folder can't be written.
    pub fn save<B: Backend>(&self, record: impl Record<B>, epochs_done: usize, seconds: f64) -> Result<()> {
        let bytes = Recorder::<B>::record(&recorder(), record, ())?;
        records::write_whole(&tensors(self.folder, epochs_done), &bytes)?;
        let (config, fingerprint) = (self.config.clone(), self.fingerprint);
        records::write_json(&state(self.folder), &State { config, fingerprint, epochs_done, seconds })?;
        match epochs_done {
            0 | 1 => Ok(()),
            _ => Ok(remove(&tensors(self.folder, epochs_done - 1))?),
        }
    }
}

/// Takes the checkpoint of an earlier run away, which a later one would go on from.
///
/// # Errors
/// Where it can't be removed.
pub fn clear(folder: &Path) -> Result<()> {
    let path = state(folder);
    if path.exists() {
        let epochs = records::read_json::<State>(&path).map(|found| found.epochs_done);
        remove(&path)?;
        if let Ok(epochs) = epochs {
            remove(&tensors(folder, epochs))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Problem> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Problem::io(path, "cannot remove the old checkpoint", &error))
        }
        _ => Ok(()),
    }
}

fn state(folder: &Path) -> PathBuf {
    folder.join("checkpoint.json")
}

fn tensors(folder: &Path, epochs_done: usize) -> PathBuf {
    folder.join(format!("checkpoint-{epochs_done}.bin"))
}

fn recorder() -> NamedMpkBytesRecorder<FullPrecisionSettings> {
    NamedMpkBytesRecorder::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;
    use crate::optimiser::KernelMuon;
    use burn::backend::{Autodiff, Flex};
    use burn::module::{AutodiffModule, Module};
    use burn::optim::{GradientsParams, Optimizer};
    use burn::tensor::{Int, Tensor};
    use rbc_model::network::{Network, NetworkConfig};
    use rbc_model::weights;

    type Train = Autodiff<Flex>;

    fn step(
        network: Network<Train>,
        optimiser: &mut impl Optimizer<Network<Train>, Train>,
    ) -> Network<Train> {
        let ramp = Tensor::<Train, 1, Int>::arange(0..3 * 256, &Default::default()).float().sin();
        let loss = network.forward(ramp.reshape([1, 3, 16, 16])).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        optimiser.step(0.02, network, gradients)
    }

    #[test]
    fn a_fit_goes_on_as_if_it_had_not_been_cut_off() -> Result<()> {
        let folder = Folder::new("checkpoint")?;
        let device = Default::default();
        let network = NetworkConfig { widths: [2, 3, 4], dropout: 0.0, ..Default::default() };
        let config = FitConfig { network, ..Default::default() };
        let checkpoints = Checkpoints { folder: &folder.path, config: &config, fingerprint: 7 };
        let floats = |network: &Network<Train>| -> Result<Vec<f32>> {
            let bytes = weights::to_safetensors(&network.valid(), &config.network)?;
            let (head, _) = safetensors::SafeTensors::read_metadata(&bytes)?;
            let values = bytes[8 + head..].chunks_exact(4);
            Ok(values.map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect())
        };
        let apart = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);

        let (mut network, mut optimiser) = (config.network.init(&device), KernelMuon::init(0.0));
        for epoch in 1..=3 {
            network = step(network, &mut optimiser);
            let record = (network.clone().into_record(), optimiser.to_record());
            checkpoints.save::<Train>(record, epoch, 1.5)?;
        }
        assert!(tensors(&folder.path, 3).exists() && !tensors(&folder.path, 2).exists());

        let (mut again, mut moments) = (config.network.init(&device), KernelMuon::init(0.0));
        let Some((state, (network_record, record))) = checkpoints.last::<Train, _>(&device)? else {
            bail!("no checkpoint was found");
        };
        assert_eq!((state.epochs_done, state.seconds), (3, 1.5));
        again = again.load_record(network_record);
        moments = moments.load_record(record);
        let mut forgetful = KernelMuon::init(0.0);
        let forgot = floats(&step(again.clone(), &mut forgetful))?;
        let (on, straight) = (floats(&step(again, &mut moments))?, floats(&step(network, &mut optimiser))?);
        // Cores share the sums, so the last bit is not always the same.
        assert!(apart(&on, &straight) < 1e-5, "{}", apart(&on, &straight));
        assert!(apart(&forgot, &straight) > 1e-3, "the moments decide nothing, so nothing is tested");

        let others = Checkpoints { fingerprint: 8, ..checkpoints };
        let refused = others.last::<Train, ()>(&device);
        assert!(refused.is_err_and(|error| error.to_string().contains("other images")));
        clear(&folder.path)?;
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 0);
        Ok(())
    }
}
