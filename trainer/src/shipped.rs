//! The weights to use: a file, or the ones that come with the program.

use crate::problem::Problem;
use std::borrow::Cow;
use std::path::Path;

/// Weights as bytes, and what to call them in records and messages.
pub struct Weights {
    pub name: String,
    pub bytes: Cow<'static, [u8]>,
}

impl Weights {
    pub fn find(file: Option<&Path>) -> Result<Self, Problem> {
        // Until there are weights to build in: the place where they will lie.
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-weights/rbc.safetensors");
        let file = file.unwrap_or(&shipped);
        let bytes = std::fs::read(file).map_err(|error| Problem::io(file, "cannot read", &error))?;
        Ok(Self { name: file.display().to_string(), bytes: bytes.into() })
    }

    /// What is wrong with these weights, naming them.
    pub fn refused(&self, error: rbc_model::Error) -> Problem {
        Problem::model(Path::new(&self.name), error)
    }
}
