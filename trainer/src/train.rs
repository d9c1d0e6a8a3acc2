//! `trainer train`: cross-validation, then the final network on all images.

mod earlier;
mod material;
mod training;
mod watch;

use crate::cli::TrainArgs;
use crate::device;
use crate::files::create_folder;
use crate::fit::FitConfig;
use crate::folds::Splits;
use crate::lock::Lock;
use crate::run_files::SPLITS;
use crate::say::plural;
use crate::shipped::Weights;
use anyhow::{Result, anyhow, bail};
use material::Material;
use rbc_model::network::NetworkConfig;
use training::Training;

pub fn run(args: &TrainArgs) -> Result<()> {
    let mut config = args.config();
    check(args, &config)?;
    let start = args.start_from.as_deref().map(Weights::to_start_from).transpose()?;
    if let Some(start) = &start {
        let NetworkConfig { widths, working_diameter, .. } = start.network()?;
        config.network = NetworkConfig { widths, working_diameter, ..config.network };
        config.start = Some(crc32fast::hash(&start.bytes));
    }
    create_folder(&args.out)?;
    let _lock = Lock::take(args)?;
    earlier::refuse_unfinished(args)?;
    earlier::sweep_partial(args)?;
    let mut material = Material::gather(args)?;
    // A single fold would leave nothing to train on; it stands for no cross-validation.
    let splits = match args.folds {
        1 => Splits { seed: args.seed, folds: Vec::new() },
        folds => Splits::new(&material.samples, folds, args.seed)?,
    };
    // Before anything of an earlier run is removed.
    let device = device::choose(args.device.device)?;
    // A single fold may lie beside others, which must have held out other images.
    splits.write(&args.out.join(SPLITS), args.resume || args.fold.is_some())?;
    if !args.resume {
        earlier::clear(args)?;
    }
    let bad = material.left_out;
    // After everything that may fail: a thousand smears take minutes.
    material.add_smears(args);
    let device_name = device.to_string();
    device::dispatch(device, Training { args, config, material, splits, device: device_name, start })?;
    if bad > 0 {
        bail!("trained without {}, named above", plural(bad, "bad file", "bad files"));
    }
    Ok(())
}

/// Checks that need no files.
fn check(args: &TrainArgs, config: &FitConfig) -> Result<()> {
    // Weights of such a network could not be loaded again.
    config.network.check().map_err(|what| anyhow!("no network has {what}"))?;
    if args.white_cells > 0.0 && args.synthetic == 0 {
        bail!("--white-cells applies only to synthetic smears: add --synthetic N, or omit --white-cells");
    }
    match (args.fold, args.folds) {
        (Some(_), 1) => {
            bail!("--folds 1 means no cross-validation, so there is no fold to train: omit --fold")
        }
        (Some(fold), count) if fold >= count => {
            bail!("there is no fold {fold}: of {count} folds, --fold takes 0 to {}", count - 1)
        }
        _ => Ok(()),
    }
}
