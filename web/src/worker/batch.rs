//! A zip with the files of all images, sent to the page in pieces so that it is never in memory as a whole.

use super::desk::Desk;
use super::exports;
use rbc_model::Error;
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Buffers the zip's output until it is sent.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A zip being written.
pub struct Batch {
    pipe: Pipe,
    zip: ZipWriter<StreamWriter<Pipe>>,
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::Export(format!("the zip could not be written ({error})"))
}

impl Batch {
    pub fn new() -> Self {
        let pipe = Pipe::default();
        Self { zip: ZipWriter::new_stream(pipe.clone()), pipe }
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        // PNG and zip files are already compressed.
        let packed = path.ends_with(".png") || path.ends_with(".zip");
        let method = if packed { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options =
            SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default());
        self.zip.start_file(path, options).map_err(|error| failed(&error))?;
        self.zip.write_all(bytes).map_err(|error| failed(&error))
    }

    fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipe.0.borrow_mut())
    }

    /// Adds all files of the open image that can be made. Returns the new bytes of the zip, and a message for each file
    /// that could not be made.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if there is nothing to make files from, or the zip cannot be written.
    pub fn add(&mut self, desk: &Desk, stem: &str) -> Result<(Vec<u8>, Vec<String>), Error> {
        let open =
            desk.opened().ok_or_else(|| Error::Export(format!("the image could not be opened: {stem}")))?;
        let cells = open.counted().ok_or_else(|| Error::Export(format!("there is no result: {stem}")))?;
        let mut missing = Vec::new();
        for kind in &exports::KINDS {
            let path = format!("{stem}.{}", kind.ending);
            match kind.bytes(open, &cells) {
                Ok(bytes) => self.write(&path, &bytes)?,
                Err(error) => missing.push(format!("{path} is not in the zip: {error}")),
            }
        }
        Ok((self.drain(), missing))
    }

    /// Adds the table of all images and completes the zip. Returns its remaining bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Export`] if the zip cannot be written.
    pub fn finish(mut self, table: &str) -> Result<Vec<u8>, Error> {
        self.write("summary.csv", table.as_bytes())?;
        let pipe = self.pipe.clone();
        self.zip.finish().map_err(|error| failed(&error))?;
        Ok(std::mem::take(&mut *pipe.0.borrow_mut()))
    }
}
