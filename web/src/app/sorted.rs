//! What added files are for: weights, images, truth masks, or results that were saved here before.

use super::input::{Dropped, stem};
use web_sys::File;

const ENDINGS: [&str; 10] = ["png", "jpg", "jpeg", "webp", "bmp", "dib", "gif", "tif", "tiff", "jfif"];

/// Added files, by what they are for.
#[derive(Default)]
pub struct Sorted {
    /// Weights, and their model card.
    pub weights: Vec<File>,
    pub images: Vec<Dropped>,
    /// Truth masks, each with the lower-case stem of its image.
    pub truths: Vec<(String, Dropped)>,
    /// Names of files that this page or `trainer predict` made.
    pub made: Vec<String>,
}

impl Sorted {
    /// Sorts files. From a folder, only what looks like an image is taken.
    pub fn of(files: Vec<Dropped>, from_folder: bool) -> Self {
        let mut sorted = Self::default();
        for dropped in files {
            let name = dropped.file.name();
            if is_of_weights(&name) {
                // Weights inside a dropped folder are ignored too; those dropped next to it are not.
                if !from_folder || dropped.folder.is_empty() {
                    sorted.weights.push(dropped.file);
                }
            } else if from_folder && !looks_like_an_image(&name, &dropped.folder) {
                continue;
            } else if made_here(&name) {
                sorted.made.push(name);
            } else if let Some(of) = truth_of(&name, &dropped.folder) {
                sorted.truths.push((of, dropped));
            } else {
                sorted.images.push(dropped);
            }
        }
        sorted
    }

    pub fn is_empty(&self) -> bool {
        self.weights.is_empty() && self.images.is_empty() && self.truths.is_empty() && self.made.is_empty()
    }
}

/// Whether a file in a folder is meant as an image, judging by its name. Hidden folders contain thumbnails and the like.
fn looks_like_an_image(name: &str, folder: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let hidden = folder.split('/').chain([name]).any(|part| part.starts_with('.'));
    ENDINGS.contains(&ending.as_str()) && !hidden
}

/// Whether a file name is that of weights or of a model card.
pub fn is_of_weights(name: &str) -> bool {
    let name = name.to_lowercase();
    [".safetensors", ".bpk", ".json"].iter().any(|end| name.ends_with(end))
}

/// The lower-case stem of the image that a file is the truth mask of. By name: `smear.mask.png`, `Smear_MASK.tif` and
/// `smear-truth.png` belong to `smear`. By folder: `masks/smear.png`, the usual layout of data sets. The name counts first:
/// no image in the list has such a suffix, since a file with one is never taken for an image.
fn truth_of(name: &str, folder: &str) -> Option<String> {
    let stem = stem(name).to_lowercase();
    let marks = ["mask", "truth", "gt"].iter().find_map(|mark| stem.strip_suffix(mark));
    if let Some(of) = marks.and_then(|rest| rest.strip_suffix(['.', '_', '-', ' '])) {
        return Some(of.to_string());
    }
    let folder = folder.rsplit('/').next().unwrap_or_default().to_lowercase();
    matches!(folder.as_str(), "mask" | "masks" | "truth" | "labels").then_some(stem)
}

/// Whether a file is an output of this page or of `trainer predict`, which is never meant as input.
fn made_here(name: &str) -> bool {
    let name = name.to_lowercase();
    [".overlay.png", ".labels.png", ".cells.csv", ".geojson", ".rois.zip"]
        .iter()
        .any(|end| name.ends_with(end))
}
