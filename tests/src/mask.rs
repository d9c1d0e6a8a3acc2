//! Compares mask files.

use anyhow::{Context, Result, ensure};
use std::path::Path;

/// The share of pixels in which two mask files differ. They must be of the same size.
pub fn difference(a: &Path, b: &Path) -> Result<f64> {
    let read = |path: &Path| -> Result<image::GrayImage> {
        let image = image::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(image.into_luma8())
    };
    let (left, right) = (read(a)?, read(b)?);
    ensure!(
        left.dimensions() == right.dimensions(),
        "{:?} and {:?} pixels: {} and {}",
        left.dimensions(),
        right.dimensions(),
        a.display(),
        b.display()
    );
    let differ = left.pixels().zip(right.pixels()).filter(|(a, b)| (a.0[0] > 127) != (b.0[0] > 127)).count();
    Ok(differ as f64 / f64::from(left.width() * left.height()))
}

/// The share of pixels of a mask file that are marked as cell.
pub fn coverage(path: &Path) -> Result<f64> {
    let mask = image::open(path).with_context(|| format!("cannot read {}", path.display()))?.into_luma8();
    let inside = mask.pixels().filter(|pixel| pixel.0[0] > 127).count();
    Ok(inside as f64 / f64::from(mask.width() * mask.height()))
}
