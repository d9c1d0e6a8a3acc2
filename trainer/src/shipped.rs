//! The weights to use: from a file, or those built into the program.

use crate::files;
use crate::problem::Problem;
use anyhow::Result;
use burn::backend::Flex;
use rbc_model::network::NetworkConfig;
use rbc_model::segment::{Segmenter, TileNetwork};
use rbc_model::weights;
use std::borrow::Cow;
use std::path::Path;

/// Built into the program so that a copied binary works anywhere; see `build.rs`.
#[cfg(shipped_weights)]
pub const SHIPPED: Option<&[u8]> = Some(include_bytes!("../../model-weights/rbc.safetensors"));
#[cfg(not(shipped_weights))]
pub const SHIPPED: Option<&[u8]> = None;

/// Weights as bytes, and their name in records and messages.
pub struct Weights {
    pub name: String,
    pub bytes: Cow<'static, [u8]>,
}

impl Weights {
    pub fn find(file: Option<&Path>) -> Result<Self, Problem> {
        let Some(file) = file else {
            let what = "this program has no built-in weights, specify some with --weights";
            let bytes =
                SHIPPED.ok_or_else(|| Problem::new(Path::new("model-weights/rbc.safetensors"), what))?;
            return Ok(Self { name: "shipped".into(), bytes: bytes.into() });
        };
        let bytes = files::read(file)?;
        Ok(Self { name: file.display().to_string(), bytes: bytes.into() })
    }

    /// The weights that `train --start-from` names.
    pub fn to_start_from(file: &Path) -> Result<Self, Problem> {
        // A file of that name, without an extension, is not one that this program wrote.
        Self::find((file != Path::new("shipped")).then_some(file))
    }

    /// The configuration of the network that these weights belong to.
    pub fn network(&self) -> Result<NetworkConfig, Problem> {
        let loaded = Segmenter::<Flex>::load(&self.bytes, &Default::default());
        loaded.map(|loaded| loaded.config().clone()).map_err(|error| self.refused(error))
    }

    /// [`weights::fingerprint`] as a number.
    pub fn fingerprint(&self) -> Result<u32> {
        let found = weights::fingerprint(&self.bytes).map_err(|error| self.refused(error))?;
        Ok(u32::from_str_radix(&found, 16)?)
    }

    /// The problem with these weights, with their name.
    pub fn refused(&self, error: rbc_model::Error) -> Problem {
        Problem::model(Path::new(&self.name), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbc_model::network::Network;
    use rbc_model::weights::Precision;

    #[test]
    fn weights_are_the_same_in_any_file() -> Result<()> {
        let device = Default::default();
        let config = NetworkConfig { widths: [2, 3, 4], ..NetworkConfig::default() }.folded();
        let of = |bytes: Vec<u8>| Weights { name: "w".into(), bytes: bytes.into() }.fingerprint();
        let network: Network<Flex> = config.init(&device);
        let own = of(weights::to_safetensors(&network, &config)?)?;
        assert_eq!(of(weights::burnpack_bytes(&network, &config, Precision::F32)?)?, own);
        // Rounded, moved, or for cells of another size, they are others.
        assert_ne!(of(weights::safetensors_bytes(&network, &config, Precision::F16)?)?, own);
        let larger = NetworkConfig { working_diameter: 40.0, ..config.clone() };
        assert_ne!(of(weights::to_safetensors(&network, &larger)?)?, own);
        assert_ne!(of(weights::to_safetensors(&network.shift(0.5), &config)?)?, own);
        assert!(of(b"no weights".to_vec()).is_err_and(|error| error.to_string().ends_with(": w")));
        Ok(())
    }
}
