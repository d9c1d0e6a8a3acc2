//! Zip archives.

use crate::Error;
use std::collections::HashSet;
use std::io::{Cursor, Seek, Write};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A zip archive: in memory, or written to a stream as it grows. The output is deterministic: no timestamps are stored.
pub struct Archive<W: Write + Seek = Cursor<Vec<u8>>> {
    zip: ZipWriter<W>,
}

impl Default for Archive {
    fn default() -> Self {
        Self::new()
    }
}

impl Archive {
    /// An empty archive in memory.
    pub fn new() -> Self {
        Self { zip: ZipWriter::new(Cursor::new(Vec::new())) }
    }

    /// Completes the archive and returns its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the archive has become too large.
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        Ok(self.finish()?.into_inner())
    }
}

impl<W: Write> Archive<StreamWriter<W>> {
    /// An empty archive whose bytes go to `out` as soon as they are known.
    pub fn to(out: W) -> Self {
        Self { zip: ZipWriter::new_stream(out) }
    }
}

impl<W: Write + Seek> Archive<W> {
    /// Adds a file under a path with `/` as separator. PNG and zip files are stored, others deflated.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the path already exists or the archive becomes too large.
    pub fn add(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let packed = path.ends_with(".png") || path.ends_with(".zip");
        let method = if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default()
            .last_modified_time(DateTime::default())
            .compression_method(method)
            .large_file(bytes.len() >= u32::MAX as usize);
        self.zip.start_file(path, options).map_err(|error| failed(path, &error))?;
        self.zip.write_all(bytes).map_err(|error| failed(path, &error))
    }

    /// Completes the archive and returns what it was written to.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the archive has become too large.
    pub fn finish(self) -> Result<W, Error> {
        self.zip.finish().map_err(|error| failed("the archive", &error))
    }
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Export(format!("the zip could not be written ({error}): {what}"))
}

/// File names without folder and extension, made unique, in the same order: base names for the output files of a batch.
/// A repeated name gets the suffix `-2`, `-3` ...; names that differ only in case count as equal, as on Windows.
pub fn unique_stems<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .into_iter()
        .map(|name| {
            let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
            let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            let stem = if stem.is_empty() { "image" } else { stem };
            let mut unique = stem.to_string();
            let mut number = 2;
            while !taken.insert(unique.to_lowercase()) {
                unique = format!("{stem}-{number}");
                number += 1;
            }
            unique
        })
        .collect()
}
