//! Reads the tables that the page and `trainer` write.

use anyhow::{Context, Result};
use std::path::Path;

/// The cells of a named column, without the name.
pub fn column(file: &Path, name: &str) -> Result<Vec<String>> {
    let mut table =
        csv::Reader::from_path(file).with_context(|| format!("cannot read {}", file.display()))?;
    let at = table.headers()?.iter().position(|head| head == name);
    let at = at.with_context(|| format!("{}: no column {name}", file.display()))?;
    table.records().map(|row| Ok(row?[at].to_string())).collect()
}
