//! A zip with the files of all images, sent to the page in pieces so that it is never in memory as a whole.

use super::desk::Desk;
use crate::message::Product;
use rbc_model::Error;
use rbc_model::export::{Archive, StreamWriter};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

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
    zip: Archive<StreamWriter<Pipe>>,
}

impl Batch {
    pub fn new() -> Self {
        let pipe = Pipe::default();
        Self { zip: Archive::to(pipe.clone()), pipe }
    }

    fn drain(&mut self) -> Vec<u8> {
        self.pipe.0.take()
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
        for product in Product::ALL {
            let path = format!("{stem}.{}", product.ending());
            match product.bytes(open, &cells) {
                Ok(bytes) => self.zip.add(&path, &bytes)?,
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
        self.zip.add("summary.csv", table.as_bytes())?;
        self.zip.finish()?;
        Ok(self.pipe.0.take())
    }
}
