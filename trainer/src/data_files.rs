//! The parts of a data set on disk, as those know them that write, read and list it.

/// Which part of a data set a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Train,
    Test,
    /// The folder has no split into train and test.
    Unsplit,
}

impl Part {
    /// The part's name in the `split` column of `manifest.csv` and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
            Self::Unsplit => "all",
        }
    }
}

/// Lies in the folder of a synthetic data set until it is complete. An interrupted one may be a mixture of two, so it is
/// not used; and since it is known to be synthetic, it may be replaced.
pub const UNFINISHED: &str = "synth-unfinished.txt";
