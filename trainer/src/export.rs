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
    if let Some(folder) = args.out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create_folder(folder)?;
    }
    let weights = Weights::find(args.weights.weights.as_deref())?;
    // Nothing is computed here, so the CPU back end serves on every machine.
    let (network, config) =
        weights::load::<Flex>(&weights.bytes, &Default::default()).map_err(|error| weights.refused(error))?;
    let precision = args.precision.map_or(Precision::F32, Into::into);
    let bytes = encode(&network, &config, precision).map_err(|error| Problem::model(&args.out, error))?;
    write_whole(&args.out, &bytes)?;
    say::out!("{} kB in {}", bytes.len().div_ceil(1000), args.out.display());
    Ok(())
}
