//! Reads the tables that the page and `trainer` write.

use anyhow::{Context, Result};
use std::io::Read;
use std::path::Path;

/// The cells of a named column in a file, without the name.
pub fn column(file: &Path, name: &str) -> Result<Vec<String>> {
    let table = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    column_in(table, name).with_context(|| file.display().to_string())
}

/// The same of a table that is no file of its own, such as one in an archive.
pub fn column_in(table: impl Read, name: &str) -> Result<Vec<String>> {
    let mut table = csv::Reader::from_reader(table);
    let at = table.headers()?.iter().position(|head| head == name);
    let at = at.with_context(|| format!("no column {name}"))?;
    table.records().map(|row| Ok(row?[at].to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::column_in;

    #[test]
    fn columns_are_found_by_name_also_behind_quoted_commas() -> anyhow::Result<()> {
        let table = "name,cells\n\"a, b\",3\nc,4\n".as_bytes();
        assert_eq!(column_in(table, "cells")?, ["3", "4"]);
        assert_eq!(column_in(table, "name")?, ["a, b", "c"]);
        assert!(column_in(table, "area").is_err_and(|error| error.to_string().contains("area")));
        Ok(())
    }
}
