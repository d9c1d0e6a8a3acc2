//! A short name for a network, by which a result can say which one it is from.

use super::{json, load};
use crate::Error;
use burn::backend::Flex;
use burn_store::{ModuleSnapshot, TensorSnapshot};

/// Eight hexadecimal digits that tell networks apart, from the bytes of a weights file: the CRC-32 of all that decides the
/// mask, which is the configuration (as JSON) and the weights (as the 32-bit numbers that they are computed with). It does
/// not depend on the file's format; a file that is exported again without rounding its weights keeps it.
///
/// # Errors
///
/// As [`load`].
pub fn fingerprint(bytes: &[u8]) -> Result<String, Error> {
    let (network, config) = load::<Flex>(bytes, &Default::default())?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(json(&config)?.as_bytes());
    let mut tensors = network.collect(None, None, false);
    tensors.sort_by_cached_key(TensorSnapshot::full_path);
    for tensor in tensors {
        let data = tensor.to_data().map_err(|error| Error::Weights(error.to_string()))?;
        data.iter::<f32>().for_each(|value| sum.update(&value.to_le_bytes()));
    }
    Ok(format!("{:08x}", sum.finalize()))
}
