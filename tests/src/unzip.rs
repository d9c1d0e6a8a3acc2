//! Reads zip archives.

use anyhow::Result;
use std::io::{Cursor, Read};

/// Names and contents of all files, in the order of the archive's directory.
pub fn files(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        files.push((file.name().to_string(), bytes));
    }
    Ok(files)
}
