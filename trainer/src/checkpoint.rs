//! Checkpoints, from which an interrupted fit is resumed.
//!
//! `checkpoint-N.bin` holds network and optimiser after epoch N; `checkpoint.json` says which N is valid. It is written
//! only after `checkpoint-N.bin` is complete, so an interruption at any time leaves a matching pair.

use crate::files::{file_name, remove, write_lasting};
use crate::problem::Problem;
use crate::recipe::FitConfig;
use crate::records::{self, EpochRecord};
use crate::run_files::HISTORY;
use anyhow::Result;
use burn::record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The contents of `checkpoint.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    config: FitConfig,
    /// [`Checkpoints::fingerprint`].
    fingerprint: u32,
    pub epochs_done: usize,
    pub seconds: f64,
    /// Checksum of `checkpoint-N.bin`; earlier versions of this program wrote none.
    #[serde(default)]
    crc32: Option<u32>,
}

impl State {
    fn is_finished(&self) -> bool {
        self.epochs_done >= self.config.epochs
    }

    /// The settings that differ from those of `config`; `None` if they are the same.
    fn other_settings(&self, config: &FitConfig) -> serde_json::Result<Option<String>> {
        // Parsed from JSON like the stored settings, since parsing may change the last bit of a number.
        let own: FitConfig = serde_json::from_str(&serde_json::to_string(config)?)?;
        let mut before = self.config.clone();
        if before.start.is_some() && before.start == config.start_file {
            before.start = config.start;
        }
        let (before, now) = (before.to_json()?, own.to_json()?);
        Ok((before != now).then(|| differences(&before, &now)))
    }
}

/// All that is needed to resume a fit.
pub struct Last<R> {
    pub state: State,
    pub history: Vec<EpochRecord>,
    /// State of network and optimiser.
    pub record: R,
}

/// The checkpoints of one fit.
pub struct Checkpoints<'a> {
    pub folder: &'a Path,
    pub config: &'a FitConfig,
    /// [`Pool::fingerprint`](crate::field::Pool::fingerprint) of the images that crops are drawn from.
    pub fingerprint: u32,
}

impl Checkpoints<'_> {
    /// The last checkpoint and the history up to it, if there is one.
    ///
    /// # Errors
    /// If one of them can't be read or belongs to another fit.
    pub fn last<B: Backend, R: Record<B>>(&self, device: &B::Device) -> Result<Option<Last<R>>> {
        let Some(state) = self.state()? else { return Ok(None) };
        let path = tensors(self.folder, state.epochs_done);
        let bytes = std::fs::read(&path).map_err(|error| {
            with_advice(self.folder, Problem::io(&path, "cannot read the checkpoint", &error))
        })?;
        let damaged = || with_advice(self.folder, Problem::new(&path, "the checkpoint is damaged"));
        // Damaged bytes may decode without an error or make the decoder panic.
        if state.crc32.is_some_and(|crc32| crc32 != crc32fast::hash(&bytes)) {
            return Err(damaged().into());
        }
        let record = recorder().load(bytes, device).map_err(|_| match state.crc32 {
            Some(_) => {
                let what = "another version of this program wrote the checkpoint";
                with_advice(self.folder, Problem::new(&path, what))
            }
            None => damaged(),
        })?;
        let history = self.history(state.epochs_done)?;
        Ok(Some(Last { state, history, record }))
    }

    /// Reads `checkpoint.json`, if there is one, and checks that it belongs to this fit.
    fn state(&self) -> Result<Option<State>> {
        let Some(found) = read_state(self.folder)? else { return Ok(None) };
        if let Some(other) = found.other_settings(self.config)? {
            return Err(Problem::other_run(self.folder, &format!("settings ({other})")).into());
        }
        if found.fingerprint != self.fingerprint {
            return Err(Problem::other_run(self.folder, "images").into());
        }
        Ok(Some(found))
    }

    /// The lines of `history.csv` up to the checkpoint. If the run was interrupted between writing the two, there is
    /// one more.
    fn history(&self, epochs_done: usize) -> Result<Vec<EpochRecord>> {
        let path = self.folder.join(HISTORY);
        let mut history =
            records::read_history(&path).map_err(|problem| with_advice(self.folder, problem))?;
        history.truncate(epochs_done);
        if !history.iter().map(|line| line.epoch).eq(1..=epochs_done) {
            let what = format!("the training history lacks some of the {epochs_done} epochs done");
            return Err(with_advice(self.folder, Problem::new(&path, what)).into());
        }
        Ok(history)
    }

    /// Writes the checkpoint of an epoch, then removes the one before.
    ///
    /// # Errors
    /// If the folder can't be written to.
    pub fn save<B: Backend>(&self, record: impl Record<B>, epochs_done: usize, seconds: f64) -> Result<()> {
        let bytes = Recorder::<B>::record(&recorder(), record, ())?;
        write_lasting(&tensors(self.folder, epochs_done), &bytes)?;
        let (config, fingerprint) = (self.config.clone(), self.fingerprint);
        let crc32 = Some(crc32fast::hash(&bytes));
        let found = State { config, fingerprint, epochs_done, seconds, crc32 };
        records::write_json(&state(self.folder), &found)?;
        Ok(remove_tensors(self.folder, Some(epochs_done))?)
    }
}

/// Adds to the problem of a damaged file what to do about it without losing the other folds.
fn with_advice(folder: &Path, Problem { what, path }: Problem) -> Problem {
    let folder = folder.display();
    let advice =
        format!("delete the folder {folder} and continue with --resume, which trains only that part again");
    Problem::new(&path, format!("{what}; {advice}"))
}

/// Reads `checkpoint.json`, if there is one.
fn read_state(folder: &Path) -> Result<Option<State>, Problem> {
    let path = state(folder);
    let found = path.exists().then(|| records::read_json(&path)).transpose();
    found.map_err(|problem| with_advice(folder, problem))
}

/// The settings of the fit in this folder that differ from those of `config`; `None` if they are the same, or if there
/// is no fit.
///
/// # Errors
/// If `checkpoint.json` can't be read.
pub fn other_settings(folder: &Path, config: &FitConfig) -> Result<Option<String>> {
    match read_state(folder)? {
        Some(found) => Ok(found.other_settings(config)?),
        None => Ok(None),
    }
}

/// The [`fingerprint`](Checkpoints::fingerprint) of what the fit in this folder was trained on; `None` if there is no fit.
///
/// # Errors
/// If `checkpoint.json` can't be read.
pub fn fingerprint(folder: &Path) -> Result<Option<u32>, Problem> {
    Ok(read_state(folder)?.map(|found| found.fingerprint))
}

/// Whether the folder holds a checkpoint of this program.
pub fn is_ours(folder: &Path) -> bool {
    read_state(folder).is_ok_and(|found| found.is_some())
}

/// Whether the fit in this folder has done all its epochs; `None` if it was not begun. A fit whose state can't be read
/// counts as unfinished.
pub fn is_finished(folder: &Path) -> Option<bool> {
    let path = state(folder);
    path.exists().then(|| records::read_json::<State>(&path).is_ok_and(|found| found.is_finished()))
}

/// Removes the checkpoints of an earlier run, so that a later one does not resume from them.
///
/// # Errors
/// If they can't be removed.
pub fn clear(folder: &Path) -> Result<(), Problem> {
    remove(&state(folder))?;
    remove_tensors(folder, None)
}

/// Removes every `checkpoint-N.bin` but that of epoch `but`: an interrupted run may have left two.
fn remove_tensors(folder: &Path, but: Option<usize>) -> Result<(), Problem> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = file_name(&path);
        let number = name.strip_prefix("checkpoint-").and_then(|rest| rest.strip_suffix(".bin"));
        let epochs_done = number.and_then(|number| number.parse().ok());
        if epochs_done.is_some() && epochs_done != but {
            remove(&path)?;
        }
    }
    Ok(())
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

/// Lists every setting that differs, in the form `epochs 36, now 12`.
fn differences(before: &Value, now: &Value) -> String {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
            let differ = keys.into_iter().filter(|key| before.get(*key) != now.get(*key)).map(|key| {
                // Checksums tell nobody anything.
                if key == "start" {
                    return "the weights to start from differ".into();
                }
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                let (before, now) = (of(before), of(now));
                let within = differences(&before, &now);
                if before.is_object() && now.is_object() { within } else { format!("{key} {within}") }
            });
            differ.collect::<Vec<_>>().join("; ")
        }
        _ => format!("{before}, now {now}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Folder;
    use crate::optimiser::KernelMuon;
    use anyhow::{Context, bail};
    use burn::backend::{Autodiff, Flex};
    use burn::module::{AutodiffModule, Module};
    use burn::optim::GradientsParams;
    use burn::tensor::{Int, Tensor};
    use rbc_model::network::{Network, NetworkConfig};
    use rbc_model::weights;
    use serde_json::json;

    type Train = Autodiff<Flex>;

    #[test]
    fn settings_that_differ_are_named() {
        let before = json!({"epochs": 36, "network": {"widths": [16, 32, 64], "dropout": 0.5}, "seed": 0});
        let now =
            json!({"epochs": 12, "network": {"widths": [8, 16, 32], "dropout": 0.5}, "seed": 0, "crop": 128});
        assert_eq!(
            differences(&before, &now),
            "crop null, now 128; epochs 36, now 12; widths [16,32,64], now [8,16,32]"
        );
        let mut other = FitConfig::default();
        other.augmentation.scale = 1.7;
        let told = [FitConfig::default(), other].map(|config| config.to_json().unwrap_or_default());
        assert_eq!(differences(&told[0], &told[1]), "scale 1.6, now 1.7");
    }

    #[test]
    fn weights_to_start_from_are_known_by_their_numbers_or_as_earlier_by_their_file() -> Result<()> {
        let config = |start, start_file| FitConfig { start, start_file, ..Default::default() };
        let other = |before: Option<u32>, now: &FitConfig| -> Result<Option<String>> {
            let config = config(before, None);
            let state = State { config, fingerprint: 7, epochs_done: 1, seconds: 1.0, crc32: None };
            Ok(state.other_settings(now)?)
        };
        let now = config(Some(11), Some(22));
        assert_eq!((other(Some(11), &now)?, other(Some(22), &now)?), (None, None));
        let told = Some("the weights to start from differ".into());
        assert_eq!((other(Some(33), &now)?, other(None, &now)?), (told.clone(), told.clone()));
        assert_eq!((other(Some(11), &config(None, None))?, other(None, &config(None, None))?), (told, None));
        Ok(())
    }

    fn step(network: Network<Train>, optimiser: &mut KernelMuon<Flex>) -> Network<Train> {
        let ramp = Tensor::<Train, 1, Int>::arange(0..3 * 256, &Default::default()).float().sin();
        let loss = network.forward(ramp.reshape([1, 3, 16, 16])).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        optimiser.step(0.02, network, &gradients)
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

        let (mut network, mut optimiser) = (config.network.init(&device), KernelMuon::new(0.0));
        for epoch in 1..=3 {
            network = step(network, &mut optimiser);
            let record = (network.clone().into_record(), optimiser.to_record::<Train>());
            checkpoints.save::<Train>(record, epoch, 1.5)?;
        }
        records::write_history(&folder.path.join("history.csv"), &history(4))?;
        assert!(tensors(&folder.path, 3).exists() && !tensors(&folder.path, 2).exists());

        let (mut again, mut moments) = (config.network.init(&device), KernelMuon::new(0.0));
        let Some(Last { state, history, record: (network_record, record) }) =
            checkpoints.last::<Train, _>(&device)?
        else {
            bail!("no checkpoint was found");
        };
        assert_eq!((state.epochs_done, state.seconds, history.len()), (3, 1.5, 3));
        again = again.load_record(network_record);
        moments = moments.load_record(record);
        let mut forgetful = KernelMuon::new(0.0);
        let forgot = floats(&step(again.clone(), &mut forgetful))?;
        let (on, straight) = (floats(&step(again, &mut moments))?, floats(&step(network, &mut optimiser))?);
        // The order of summation depends on the threads, so the last bit may differ.
        assert!(apart(&on, &straight) < 1e-5, "{}", apart(&on, &straight));
        assert!(apart(&forgot, &straight) > 1e-3, "the moments decide nothing, so nothing is tested");

        let others = Checkpoints { fingerprint: 8, ..checkpoints };
        let refused = others.last::<Train, ()>(&device);
        assert!(refused.is_err_and(|error| error.to_string().contains("different images")));
        clear(&folder.path)?;
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 1, "only the history is left");
        Ok(())
    }

    fn history(epochs: usize) -> Vec<EpochRecord> {
        let line = |epoch| EpochRecord {
            epoch,
            steps: 100 * epoch,
            train_loss: 0.5,
            validation_loss: None,
            validation_iou: None,
            learning_rate: 1e-3,
            seconds: 1.0,
        };
        (1..=epochs).map(line).collect()
    }

    #[test]
    fn settings_are_the_same_after_their_way_through_the_file() -> Result<()> {
        let folder = Folder::new("checkpoint-settings")?;
        // As given on the command line; the JSON parser changes the last bit of some of these.
        for rate in [0.03f32, 0.0125, 0.013, 0.02] {
            let config = FitConfig { learning_rate: f64::from(rate), ..Default::default() };
            let checkpoints = Checkpoints { folder: &folder.path, config: &config, fingerprint: 7 };
            let found =
                State { config: config.clone(), fingerprint: 7, epochs_done: 1, seconds: 1.0, crc32: None };
            records::write_json(&state(&folder.path), &found)?;
            assert_eq!(checkpoints.state()?.map(|found| found.epochs_done), Some(1), "{rate}");
            let other = FitConfig { learning_rate: f64::from(rate) * 1.001, ..Default::default() };
            let others = Checkpoints { config: &other, ..checkpoints };
            assert!(others.state().is_err(), "{rate}");
        }
        Ok(())
    }

    #[test]
    fn what_is_damaged_names_its_file_and_the_folder_to_delete() -> Result<()> {
        let folder = Folder::new("checkpoint-damaged")?;
        let config = FitConfig { epochs: 2, ..Default::default() };
        let checkpoints = Checkpoints { folder: &folder.path, config: &config, fingerprint: 7 };
        let network = NetworkConfig { widths: [2, 2, 2], ..Default::default() };
        let network = network.init::<Flex>(&Default::default());
        let csv = folder.path.join("history.csv");
        let message =
            || match checkpoints.last::<Flex, <Network<Flex> as Module<Flex>>::Record>(&Default::default()) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            };
        let refused = |name: &str| {
            let told = message();
            let advice = format!("delete the folder {} and continue with --resume", folder.path.display());
            assert!(told.contains(&advice) && told.ends_with(name), "{name}: {told}");
        };
        checkpoints.save::<Flex>(network.into_record(), 2, 1.0)?;
        assert_eq!(is_finished(&folder.path), Some(true));

        refused("history.csv");
        for lines in [0, 1] {
            records::write_history(&csv, &history(lines))?;
            refused("history.csv");
        }
        std::fs::write(&csv, "")?;
        refused("history.csv");
        std::fs::write(&csv, "epoch,loss\n1,?\n2,?\n")?;
        refused("history.csv");
        records::write_history(&csv, &[history(1), history(1)].concat())?;
        refused("history.csv");
        records::write_history(&csv, &history(2))?;
        assert_eq!(message(), "");

        let whole = std::fs::read(tensors(&folder.path, 2))?;
        for at in (0..whole.len()).step_by(97) {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            std::fs::write(tensors(&folder.path, 2), flipped)?;
            refused("checkpoint-2.bin");
            assert!(message().starts_with("the checkpoint is damaged; "), "{}", message());
        }
        // As written by versions without checksums.
        let mut earlier: serde_json::Value = records::read_json(&state(&folder.path))?;
        earlier.as_object_mut().and_then(|fields| fields.remove("crc32")).context("there is a sum")?;
        records::write_json(&state(&folder.path), &earlier)?;
        std::fs::write(tensors(&folder.path, 2), whole)?;
        assert_eq!(message(), "");

        std::fs::write(tensors(&folder.path, 2), b"half")?;
        refused("checkpoint-2.bin");
        assert!(message().starts_with("the checkpoint is damaged; "), "{}", message());
        std::fs::remove_file(tensors(&folder.path, 2))?;
        refused("checkpoint-2.bin");
        std::fs::write(state(&folder.path), b"{")?;
        refused("checkpoint.json");
        assert_eq!(is_finished(&folder.path), Some(false));
        Ok(())
    }
}
