//! The shipped weights, and what is made of them to be refused.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::paths;

/// The shipped weights as a file.
pub fn shipped() -> Result<Vec<u8>> {
    let path = paths::root().join("model-weights/rbc.safetensors");
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Weights whose header names a network with other widths than theirs.
pub fn of_other_widths() -> Result<Vec<u8>> {
    with_header(|header| {
        let config = &mut header["__metadata__"]["rbc.config"];
        let mut changed: Value = serde_json::from_str(config.as_str().context("no configuration")?)?;
        changed["widths"] = json!([8, 8, 8]);
        *config = changed.to_string().into();
        Ok(())
    })
}

/// Weights as another program would write them: the header names no network.
pub fn of_another_program() -> Result<Vec<u8>> {
    with_header(|header| {
        header["__metadata__"].take();
        Ok(())
    })
}

/// The shipped weights with a changed JSON header.
fn with_header(change: impl FnOnce(&mut Value) -> Result<()>) -> Result<Vec<u8>> {
    let bytes = shipped()?;
    let (length, rest) = bytes.split_first_chunk().context("the weights are empty")?;
    let (header, values) = rest.split_at(usize::try_from(u64::from_le_bytes(*length))?);
    let mut header = serde_json::from_slice(header)?;
    change(&mut header)?;
    let header = serde_json::to_vec(&header)?;
    Ok([&u64::try_from(header.len())?.to_le_bytes(), header.as_slice(), values].concat())
}
