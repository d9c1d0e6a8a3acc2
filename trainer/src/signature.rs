//! Marks PNG files as written by a command of this program, so that it recognises them later.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Length in bytes of a PNG's signature and first chunk.
const HEADER: usize = 33;

/// Contents of a PNG text chunk (tEXt) that says which command wrote the file.
pub struct Signature(&'static str);

pub const PREDICT: Signature = Signature("Software\0trainer predict");
pub const EVALUATE: Signature = Signature("Software\0trainer evaluate");

impl Signature {
    /// Adds it to a PNG.
    pub fn sign(&self, mut png: Vec<u8>) -> Vec<u8> {
        let chunk = [b"tEXt", self.0.as_bytes()].concat();
        let length = (self.0.len() as u32).to_be_bytes();
        let sum = crc32fast::hash(&chunk).to_be_bytes();
        png.splice(HEADER..HEADER, [length.as_slice(), &chunk, &sum].concat());
        png
    }

    /// Whether the file has it. A file that can't be read has none.
    pub fn is_on(&self, path: &Path) -> bool {
        let mut head = vec![0; HEADER + 8 + self.0.len()];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
        read.is_ok() && head.ends_with(self.0.as_bytes())
    }
}
