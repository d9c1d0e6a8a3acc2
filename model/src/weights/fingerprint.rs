//! A short name for a network, by which a result can say which one it is from.

use super::{json, load};
use crate::Error;
use burn::backend::Flex;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use std::collections::BTreeMap;

/// The values of each tensor by its full name. By hand: Burn's snapshots of a module would add much to the page.
#[derive(Default)]
struct Values {
    path: Vec<String>,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor<Flex> for Values {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Flex, D>>) {
        let values = param.val().into_data().to_vec().unwrap_or_default();
        self.found.insert(self.path.join("."), values);
    }
}

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
    let mut values = Values::default();
    network.visit(&mut values);
    values.found.values().flatten().for_each(|value| sum.update(&value.to_le_bytes()));
    Ok(format!("{:08x}", sum.finalize()))
}
