//! Small data sets and records for tests; folders are removed after the test.

use crate::cli::{Cli, Command, TrainArgs};
use crate::dataset::Sample;
use crate::records::ImageRecord;
use anyhow::{Result, bail};
use clap::Parser;
use rbc_model::{GrayImage, RgbImage};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The arguments of `trainer train --out OUT`, followed by the words in `more`.
pub fn train_args(out: &Path, more: &str) -> Result<TrainArgs> {
    let words = ["trainer", "train", "--out"].map(OsString::from).into_iter();
    let words = words.chain([out.into()]).chain(more.split_whitespace().map(Into::into));
    match Cli::try_parse_from(words)?.command {
        Command::Train(args) => Ok(args),
        _ => bail!("not train"),
    }
}

/// The figures of an image of 128 x 128 pixels.
pub fn record(name: &str, iou: f64) -> ImageRecord {
    ImageRecord {
        name: name.into(),
        width: 128,
        height: 128,
        iou,
        miou: iou,
        dice: iou,
        precision: iou,
        recall: iou,
        boundary_f1: iou,
        cells_true: 9,
        cells_predicted: 8,
        instances: Default::default(),
        diameter_px: Some(30.0),
        warnings: Vec::new(),
    }
}

/// A labelled image that was read from no file.
pub fn sample(name: &str, source: &str, image: RgbImage, mask: GrayImage) -> Sample {
    let (name, file, source) = (name.into(), name.into(), source.into());
    Sample { name, file, source, image, mask, margin: 0, instances: None }
}

pub struct Folder {
    pub path: PathBuf,
}

impl Folder {
    /// `name` must differ between tests, which run side by side.
    pub fn new(name: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("rbc-{name}-{}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    /// An image whose pixels depend on `shade`.
    pub fn image(&self, name: &str, width: u32, height: u32, shade: u8) -> Result<PathBuf> {
        let path = self.file(name, b"")?;
        RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, shade])).save(&path)?;
        Ok(path)
    }

    /// A mask whose lower half is RBC, marked with 1 as by many tools.
    pub fn mask(&self, name: &str, width: u32, height: u32) -> Result<PathBuf> {
        let path = self.file(name, b"")?;
        GrayImage::from_fn(width, height, |_, y| image::Luma([u8::from(y >= height / 2)])).save(&path)?;
        Ok(path)
    }

    pub fn pair(&self, part: &str, name: &str, width: u32, height: u32, shade: u8) -> Result<()> {
        self.image(&format!("{part}/images/{name}.png"), width, height, shade)?;
        self.mask(&format!("{part}/masks/{name}.png"), width, height)?;
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder left behind in the temporary directory does no harm.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
