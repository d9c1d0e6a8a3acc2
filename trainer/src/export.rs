//! `trainer export`: converts weights to another format or precision.

use crate::cli::ExportArgs;
use crate::files::{create_folder, write_whole};
use crate::problem::Problem;
use crate::say;
use crate::shipped::Weights;
use anyhow::Result;
use burn::backend::Flex;
use rbc_model::weights::{self, Precision};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::WeightsArgs;
    use crate::fixture::Folder;

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
}
