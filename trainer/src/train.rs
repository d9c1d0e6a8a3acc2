//! `trainer train`: cross-validation, then the final network on all images.

mod earlier;
mod gather;
mod material;
mod smears;
mod training;
mod watch;

use crate::cli::TrainArgs;
use crate::device;
use crate::files::{create_folder, refuse_unlisted};
use crate::folds::Splits;
use crate::lock::Lock;
use crate::run_files::SPLITS;
use crate::say::{self, plural};
use crate::shipped::Weights;
use anyhow::{Result, bail};
use rbc_model::network::NetworkConfig;
use training::Training;

pub fn run(args: &TrainArgs) -> Result<()> {
    let mut config = args.config();
    let start = args.start_from.as_deref().map(Weights::to_start_from).transpose()?;
    if let Some(start) = &start {
        let NetworkConfig { widths, working_diameter, .. } = start.network()?;
        config.network = NetworkConfig { widths, working_diameter, ..config.network };
        config.start = Some(start.fingerprint()?);
        config.start_file = Some(crc32fast::hash(&start.bytes));
    }
    // Before a folder is left behind.
    args.data.iter().chain(&args.fields).try_for_each(|folder| refuse_unlisted(folder))?;
    create_folder(&args.out)?;
    let _lock = match args.fold {
        Some(fold) => Lock::fold(&args.out, fold)?,
        None => Lock::whole(&args.out)?,
    };
    // Before smears are made or images read, which takes minutes.
    let device = device::choose(args.device.device, true)?;
    earlier::refuse_others(args)?;
    earlier::refuse_unfinished(args)?;
    earlier::refuse_other_settings(args, &config)?;
    earlier::sweep_partial(args)?;
    let mut material = gather::gather(args)?;
    let splits = match args.cross_validated() {
        Some(folds) => Splits::new(&material.samples, folds, args.seed)?,
        None => Splits { seed: args.seed, folds: Vec::new() },
    };
    // A single fold may lie beside others, which must have held out other images.
    splits.write(&args.out.join(SPLITS), args.resume || args.fold.is_some())?;
    // Before anything of an earlier run is removed.
    args.due().iter().try_for_each(|fit| create_folder(fit))?;
    if !args.resume {
        earlier::clear(args)?;
    }
    let bad = material.left_out;
    if bad > 0 {
        let (left_out, rest) = (plural(bad, "file", "files"), material.samples.len() + material.fields.len());
        let rest = plural(rest, "image", "images");
        say::err!(
            "warning: {left_out} left out: training goes on with the other {rest} and ends with exit status 1"
        );
    }
    // After everything that may fail: a thousand smears take minutes.
    material.smears = smears::smears(args.synthetic, args.white_cells, args.seed);
    let device_name = device.to_string();
    device::dispatch(device, Training { args, config, material, splits, device: device_name, start })?;
    if bad > 0 {
        bail!("trained without {}, named above", plural(bad, "bad file", "bad files"));
    }
    Ok(())
}

#[cfg(all(test, not(feature = "wgpu")))]
mod tests {
    use super::*;
    use crate::fixture::{Folder, train_args};

    #[test]
    fn a_device_that_cannot_be_used_costs_no_time() -> Result<()> {
        let folder = Folder::new("no-device")?;
        let refused = run(&train_args(&folder.path, "--device wgpu")?);
        assert!(refused.is_err_and(|error| error.to_string().contains("--features wgpu")));
        assert_eq!(std::fs::read_dir(&folder.path)?.count(), 0, "smears were made first");
        Ok(())
    }
}
