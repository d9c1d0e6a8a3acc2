//! The crate's error type. Messages are written for the end user.

/// What went wrong and, where possible, what to do about it. The name of an image comes first.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes cannot be read as an image.
    #[error("{name}: {reason}")]
    Image { name: String, reason: String },
    /// The weights cannot be read or do not fit the network.
    #[error("{0}")]
    Weights(String),
    /// The back end failed during a computation.
    #[error("{0}")]
    Compute(String),
    /// The options of a segmentation are not possible.
    #[error("{0}")]
    Options(String),
    /// Two masks cannot be compared, for example because their sizes differ.
    #[error("{0}")]
    Metrics(String),
    /// A result could not be written in the requested format.
    #[error("{0}")]
    Export(String),
}
