//! `trainer export`: converts weights to another format or precision.

use crate::cli::ExportArgs;
use crate::files::{create_folder, read, refuse_foreign, write_whole};
use crate::problem::Problem;
use crate::say;
use crate::shipped::Weights;
use anyhow::Result;
use burn::backend::Flex;
use rbc_model::weights::{self, Precision};
use same_file::is_same_file;

pub fn run(args: &ExportArgs) -> Result<()> {
    // First, so that nothing is created or read for a name that can't be written.
    let extension = args.out.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let encode = match extension.to_lowercase().as_str() {
        "safetensors" => weights::safetensors_bytes::<Flex>,
        "bpk" => weights::burnpack_bytes::<Flex>,
        _ => {
            let what = "the file name must end in .safetensors or .bpk (burnpack), which selects the format";
            return Err(Problem::new(&args.out, what).into());
        }
    };
    refuse_to_overwrite(args)?;
    let weights = Weights::find(args.weights.weights.as_deref())?;
    // Nothing is computed here, so the CPU back end serves on every machine.
    let (network, config) =
        weights::load::<Flex>(&weights.bytes, &Default::default()).map_err(|error| weights.refused(error))?;
    let precision = args.precision.map_or(Precision::F32, Into::into);
    let bytes = encode(&network, &config, precision).map_err(|error| Problem::model(&args.out, error))?;
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    write_whole(&args.out, &bytes)?;
    say::out!("{} kB in {}", bytes.len().div_ceil(1000), args.out.display());
    Ok(())
}

/// Refuses to replace the weights that are to be converted, which may be more exact than the result, or a file that
/// holds no weights.
fn refuse_to_overwrite(args: &ExportArgs) -> Result<(), Problem> {
    let own = args.weights.weights.as_deref();
    if own.is_some_and(|own| is_same_file(own, &args.out).unwrap_or(false)) {
        let what = "these are the weights to convert, which would be lost: choose another --out";
        return Err(Problem::new(&args.out, what));
    }
    refuse_foreign(&args.out, |path| {
        let loaded = read(path).map(|bytes| weights::load::<Flex>(&bytes, &Default::default()).is_ok());
        loaded.unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Precision, WeightsArgs};
    use crate::fixture::Folder;
    use rbc_model::network::NetworkConfig;
    use std::path::Path;

    #[test]
    fn without_weights_no_folder_is_made() -> Result<()> {
        let folder = Folder::new("export")?;
        let weights = WeightsArgs { weights: Some(folder.path.join("nope")) };
        let out = folder.path.join("new/x.bpk");
        let refused = run(&ExportArgs { weights, out, precision: None });
        assert!(refused.is_err_and(|error| error.to_string().ends_with("nope")));
        assert!(!folder.path.join("new").exists());
        Ok(())
    }

    #[test]
    fn only_other_weights_are_replaced() -> Result<()> {
        let folder = Folder::new("export-over")?;
        let config = NetworkConfig { widths: [2, 2, 2], ..NetworkConfig::default() }.folded();
        let network = config.init::<Flex>(&Default::default());
        let own = folder.file("own.safetensors", &weights::to_safetensors(&network, &config)?)?;
        let export = |out: &Path| {
            let weights = WeightsArgs { weights: Some(own.clone()) };
            let told = run(&ExportArgs { weights, out: out.into(), precision: Some(Precision::F16) });
            told.map_err(|error| error.to_string())
        };
        let before = std::fs::read(&own)?;
        folder.file("sub/x", b"")?;
        for same in [own.clone(), folder.path.join("sub/../own.safetensors")] {
            let told = export(&same);
            assert!(told.as_ref().is_err_and(|told| told.contains("another --out")), "{told:?}");
        }
        let theirs = folder.file("theirs.safetensors", b"of another program")?;
        let told = export(&theirs);
        assert!(told.as_ref().is_err_and(|told| told.contains("did not write")), "{told:?}");
        assert_eq!((std::fs::read(&own)?, std::fs::read(&theirs)?), (before, b"of another program".to_vec()));

        let other = folder.path.join("other.safetensors");
        std::fs::copy(&own, &other)?;
        let long = std::fs::metadata(&other)?.len();
        assert_eq!(export(&other), Ok(()));
        assert!(std::fs::metadata(&other)?.len() < long, "it was not replaced");
        Ok(())
    }
}
