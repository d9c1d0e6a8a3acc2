//! Weight files: safetensors (with the network's configuration in the metadata) and burnpack.

mod fingerprint;
mod precision;
#[cfg(test)]
mod tests;

pub use fingerprint::fingerprint;
pub use precision::Precision;

use crate::Error;
use crate::backend::SegBackend;
use crate::network::{Network, NetworkConfig};
use burn::tensor::Bytes;
use burn_store::{BurnpackStore, ModuleSnapshot, SafetensorsStore};
use precision::{Convert, NOT_FINITE};
use serde_json::Value;
use std::collections::BTreeMap;

/// Metadata key of the [`NetworkConfig`], stored as JSON.
const CONFIG: &str = "rbc.config";

/// Reads a network from the bytes of a safetensors or burnpack file.
///
/// # Errors
///
/// [`Error::Weights`] if the bytes are neither, or hold another architecture; the message says which.
pub fn load<B: SegBackend>(bytes: &[u8], device: &B::Device) -> Result<(Network<B>, NetworkConfig), Error> {
    match safetensors::SafeTensors::read_metadata(bytes) {
        Ok((_, metadata)) => {
            let json = metadata.metadata().as_ref().and_then(|map| map.get(CONFIG)).ok_or_else(|| {
                Error::Weights(format!(
                    "weights of another program: the safetensors metadata has no `{CONFIG}`; use a file that `trainer train` wrote"
                ))
            })?;
            let config = parse(json)?;
            let mut store = SafetensorsStore::from_bytes(Some(bytes.to_vec()))
                .with_from_adapter(Convert { to: Precision::F32, strict: true })
                .validate(false)
                .allow_partial(true);
            Ok((fill(&config, &mut store, device)?, config))
        }
        Err(_) => load_burnpack(bytes, device),
    }
}

fn load_burnpack<B: SegBackend>(
    bytes: &[u8],
    device: &B::Device,
) -> Result<(Network<B>, NetworkConfig), Error> {
    // The metadata of a burnpack file is CBOR, in which the JSON of the configuration appears verbatim.
    let unreadable = || {
        Error::Weights("not a weights file, or not a whole one: neither safetensors nor burnpack; use a file that `trainer train` wrote".into())
    };
    let config = find_json(bytes).ok_or_else(unreadable)?;
    let mut store = BurnpackStore::from_bytes(Some(Bytes::from_bytes_vec(bytes.to_vec())))
        .with_from_adapter(Convert { to: Precision::F32, strict: true })
        .validate(false)
        .allow_partial(true);
    Ok((fill(&config, &mut store, device)?, config))
}

/// Finds the configuration in the metadata of a burnpack file, where it is stored as a plain string.
fn find_json(bytes: &[u8]) -> Option<NetworkConfig> {
    let key = CONFIG.as_bytes();
    let at = bytes.windows(key.len()).position(|window| window == key)? + key.len();
    let start = at + bytes[at..].iter().take(16).position(|&b| b == b'{')?;
    serde_json::Deserializer::from_slice(&bytes[start..]).into_iter().next()?.ok()
}

fn parse(json: &str) -> Result<NetworkConfig, Error> {
    serde_json::from_str(json).map_err(|error| {
        Error::Weights(format!(
            "weights with an unknown configuration, perhaps of a newer version of this program: {error}"
        ))
    })
}

/// Creates a network from the tensors of a store. The store's own validation is off, because its message would list
/// every tensor.
fn fill<B: SegBackend, S: burn_store::ModuleStore>(
    config: &NetworkConfig,
    store: &mut S,
    device: &B::Device,
) -> Result<Network<B>, Error>
where
    S::Error: std::fmt::Display,
{
    config.check().map_err(|what| {
        Error::Weights(format!(
            "weights with an impossible configuration ({what}); use a file that `trainer train` wrote"
        ))
    })?;
    let mut network = config.blank::<B>(device);
    let result = network.load_from(store).map_err(|error| unreadable(&error.to_string()))?;
    if !result.errors.is_empty() || !result.missing.is_empty() || !result.unused.is_empty() {
        let first = result.errors.first().map(ToString::to_string);
        let first =
            first.or_else(|| result.missing.first().map(|missing| format!("{} is missing", missing.0)));
        let first = first.or_else(|| result.unused.first().map(|name| format!("{name} is unknown")));
        if first.as_ref().is_some_and(|first| first.contains(NOT_FINITE)) {
            return Err(Error::Weights(format!(
                "weights with {NOT_FINITE}: the training diverged or the file is damaged; use another file"
            )));
        }
        return Err(misfit(config, &first.unwrap_or_default()));
    }
    Ok(network)
}

fn unreadable(why: &str) -> Error {
    let why = why.lines().next().unwrap_or_default();
    Error::Weights(format!("weights that cannot be read, fetch or copy the file again ({why})"))
}

fn misfit(config: &NetworkConfig, why: &str) -> Error {
    let why = why.lines().next().unwrap_or_default();
    Error::Weights(format!(
        "weights of another architecture than their widths {:?} say ({why}); use a file that `trainer train` wrote",
        config.widths
    ))
}

/// Serialises a network as safetensors with 32-bit weights.
///
/// # Errors
///
/// As [`safetensors_bytes`].
pub fn to_safetensors<B: SegBackend>(network: &Network<B>, config: &NetworkConfig) -> Result<Vec<u8>, Error> {
    safetensors_bytes(network, config, Precision::F32)
}

/// Serialises a network as safetensors. The same network always gives the same bytes.
///
/// # Errors
///
/// [`Error::Export`] if serialisation fails or a weight is not finite in the chosen precision.
pub fn safetensors_bytes<B: SegBackend>(
    network: &Network<B>,
    config: &NetworkConfig,
    precision: Precision,
) -> Result<Vec<u8>, Error> {
    let store = SafetensorsStore::from_bytes(None).metadata(CONFIG, json(config)?);
    let mut store = store.with_to_adapter(Convert { to: precision, strict: false });
    network.save_into(&mut store).map_err(|error| Error::Export(error.to_string()))?;
    let bytes = store.get_bytes().map_err(|error| Error::Export(error.to_string()))?;
    if finite(&bytes) {
        return sorted(&bytes).ok_or_else(|| Error::Export("the header is not one of safetensors".into()));
    }
    Err(Error::Export(match precision {
        Precision::F32 => format!("the weights hold {NOT_FINITE}"),
        Precision::F16 => format!("in 16 bits the weights hold {NOT_FINITE}; keep 32"),
    }))
}

/// Whether all numbers of a safetensors file are finite (IEEE 754: infinities and NaNs have an exponent of all ones).
fn finite(bytes: &[u8]) -> bool {
    let Ok(file) = safetensors::SafeTensors::deserialize(bytes) else { return false };
    file.iter().all(|(_, tensor)| match tensor.dtype() {
        safetensors::Dtype::F16 => {
            tensor.data().as_chunks().0.iter().all(|two| u16::from_le_bytes(*two) & 0x7c00 != 0x7c00)
        }
        safetensors::Dtype::F32 => {
            tensor.data().as_chunks().0.iter().all(|four| f32::from_le_bytes(*four).is_finite())
        }
        _ => true,
    })
}

/// The safetensors file with its header in alphabetical order: Burn keeps the metadata in a hash map, which has another
/// order every time. `None` if it is no such file.
fn sorted(file: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = file.split_first_chunk()?;
    let (header, values) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let header: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(header).ok()?;
    let mut header = serde_json::to_vec(&header).ok()?;
    // So that the values are aligned.
    header.resize(header.len().next_multiple_of(8), b' ');
    Some([&(header.len() as u64).to_le_bytes(), header.as_slice(), values].concat())
}

/// Serialises a network as burnpack, Burn's own format. The same network always gives the same bytes.
///
/// # Errors
///
/// [`Error::Export`] if serialisation fails or a weight is not finite in the chosen precision.
pub fn burnpack_bytes<B: SegBackend>(
    network: &Network<B>,
    config: &NetworkConfig,
    precision: Precision,
) -> Result<Vec<u8>, Error> {
    let store = BurnpackStore::from_bytes(None).metadata(CONFIG, json(config)?);
    let mut store = store.with_to_adapter(Convert { to: precision, strict: true });
    network.save_into(&mut store).map_err(|error| Error::Export(error.to_string()))?;
    Ok(store.get_bytes().map_err(|error| Error::Export(error.to_string()))?.to_vec())
}

fn json(config: &NetworkConfig) -> Result<String, Error> {
    serde_json::to_string(config).map_err(|error| Error::Export(error.to_string()))
}
