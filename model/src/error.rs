//! Everything that can go wrong, worded for the person who can do something about it.

/// What is wrong and what to do. Where the name of a file is known, it comes last.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no image that can be read.
    #[error("{reason}: {name}")]
    Image { name: String, reason: String },
    /// The weights do not fit the network.
    #[error("{0}")]
    Weights(String),
    /// The back end failed while it computed.
    #[error("{0}")]
    Compute(String),
    /// Two masks can't be compared.
    #[error("{0}")]
    Metrics(String),
    /// A result could not be written in the asked format.
    #[error("{0}")]
    Export(String),
}
