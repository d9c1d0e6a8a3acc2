//! File names, reading, and writing that never leaves half a file.

mod listing;
mod write;

use crate::problem::Problem;
pub use listing::{Listing, is_image, list_images, refuse_unlisted, skipped_folders};
use rbc_model::Error;
use std::path::Path;
pub use write::{create_folder, partial, refuse_foreign, remove, sweep, write_lasting, write_whole};

/// Reads a whole file.
pub fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|error| Problem::given(path, "cannot read", &error))
}

/// Reads a file and decodes it; `decode` gets the bytes and the name to use in its errors.
pub fn decoded<T>(path: &Path, decode: impl Fn(&[u8], &str) -> Result<T, Error>) -> Result<T, Problem> {
    decode(&read(path)?, &path.display().to_string()).map_err(|error| Problem::model(path, error))
}

/// The file name without extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file name, for messages and comparisons only: what is not UTF-8 is replaced, so no path can be made of it.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
