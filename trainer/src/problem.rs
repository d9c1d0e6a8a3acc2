//! A problem with one file, in one line: what is wrong, what to do, and the file's name last.

use rbc_model::segment::NO_CELLS;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong and what to do.
    pub what: String,
    pub path: PathBuf,
}

impl Problem {
    pub fn new(path: &Path, what: impl Into<String>) -> Self {
        Self { what: what.into(), path: path.into() }
    }

    /// An error of the operating system: `cannot read (permission denied): FILE`.
    pub fn io(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let reason = error.to_string();
        // The error number is of no use beside the words.
        let reason = reason.split(" (os error").next().unwrap_or_default().to_lowercase();
        Self::new(path, format!("{doing} ({reason})"))
    }

    /// The same for a path from the command line, which may be mistyped.
    pub fn given(path: &Path, doing: &str, error: &std::io::Error) -> Self {
        let told = Self::io(path, doing, error);
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::new(path, format!("{}; check the path", told.what)),
            _ => told,
        }
    }

    /// The run in a folder cannot be continued, because it was started with other settings or images.
    pub fn other_run(folder: &Path, what: &str) -> Self {
        let what = format!(
            "the run was started with different {what}: use the original ones, choose another --out, or delete the \
             folder, with everything trained in it, to start over"
        );
        Self::new(folder, what)
    }

    /// A file stands where this program would write one of its own.
    pub fn foreign(path: &Path) -> Self {
        let what = "this program did not write this file and does not overwrite it: move it away or choose another --out";
        Self::new(path, what)
    }

    /// A sentence of the model that warns about a file.
    pub fn doubt(path: &Path, sentence: &str) -> Self {
        // The page, which shows the same sentence, has a field for it.
        let how = if sentence == NO_CELLS { " (`--diameter PX`)" } else { "" };
        Self::new(path, format!("{}{how}", sentence.trim_end_matches('.')))
    }

    /// An error that the model reports about a file. Its own message ends with the file's name, which is not repeated.
    pub fn model(path: &Path, error: rbc_model::Error) -> Self {
        match error {
            rbc_model::Error::Image { reason, .. } => Self::new(path, reason),
            other => Self::new(path, other.to_string()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        // A line break in a file name would make the rest look like a line of our own.
        write!(out, "{}: {}", self.what, self.path.display().to_string().replace('\n', "\u{fffd}"))
    }
}

impl std::error::Error for Problem {}
