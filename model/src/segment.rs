//! The way of one image: scale, tiles, network, probability map.

use crate::GrayImage;
use serde::{Deserialize, Serialize};

/// How one image is segmented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentOptions {
    /// Typical cell diameter in pixels of this image. `None`: estimated from the image.
    pub diameter_px: Option<f32>,
    /// Side of a tile in working pixels, halo included; a multiple of 8. Bounds the memory.
    pub tile: usize,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { diameter_px: None, tile: 512 }
    }
}

/// How far along a segmentation is: tiles done of all tiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// What the network says of one image, at the image's own resolution.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Probability of red blood cell, 0 to 255 for 0 to 1, the size of the image.
    pub probability: GrayImage,
    /// Cell diameter in image pixels that the working scale was chosen for (estimated or given).
    pub diameter_px: f32,
    /// Working pixels per image pixel.
    pub scale: f32,
    /// Why this result should not be trusted, in sentences for the user; empty if nothing is known.
    pub warnings: Vec<String>,
}
