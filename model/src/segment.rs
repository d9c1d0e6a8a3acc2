//! Segmentation of one image: light, scale, tiles, network, probability map.

mod agreement;
mod logits;
mod segmenter;

pub use crate::backend::normalise;
use crate::frame::Frame;
use crate::network::NetworkConfig;
use crate::quality::{Quality, Unmeasured};
use crate::tiling::{Tile, padded, tiles};
use crate::{Error, GrayImage, RgbImage, scale};
pub use agreement::{agree, sample};
use futures_util::stream::{self, StreamExt};
pub(crate) use logits::HALF;
pub use logits::{Logits, UNLIT};
pub use segmenter::Segmenter;
use serde::{Deserialize, Serialize};
use std::ops::{Range, RangeInclusive};

/// Options for segmenting one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentOptions {
    /// Typical cell diameter in pixels of this image, within [`DIAMETERS`]. `None`: estimated from the image.
    pub diameter_px: Option<f32>,
    /// Side of a tile in working pixels, halo included; a multiple of 8. Bounds the memory use.
    pub tile: usize,
    /// In how many of its eight orientations (rotations by right angles, with and without mirroring) the image is
    /// segmented: 1, 2, 4 or 8. The logits are averaged; the time grows proportionally. `None`: more for smaller
    /// images.
    pub orientations: Option<usize>,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { diameter_px: None, tile: 640, orientations: None }
    }
}

impl SegmentOptions {
    /// Refuses what would give no mask, or a meaningless one.
    fn check(&self) -> Result<(), Error> {
        let problem = match (self.orientations, self.diameter_px) {
            (Some(count), _) if ![1, 2, 4, 8].contains(&count) => {
                format!("orientations must be 1, 2, 4 or 8, not {count}")
            }
            (_, Some(diameter)) if !DIAMETERS.contains(&f64::from(diameter)) => {
                let (least, most) = (DIAMETERS.start(), DIAMETERS.end());
                format!("the cell diameter must be from {least} to {most} pixels, not {diameter}")
            }
            _ => return Ok(()),
        };
        Err(Error::Options(problem))
    }
}

/// Cell diameters in pixels that can be given by hand. Below, nothing could be recognised; above, hardly a pixel would
/// be left at the working scale.
pub const DIAMETERS: RangeInclusive<f64> = 4.0..=1000.0;

/// Progress of a segmentation: tiles done, of all tiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub done: usize,
    pub total: usize,
}

/// Result of segmenting one image, at the image's own resolution.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// Probability of red blood cell, 0 to 255 for 0 to 1, or [`UNLIT`]; same size as the image.
    pub probability: GrayImage,
    /// Cell diameter in image pixels that determined the working scale (estimated or given).
    pub diameter_px: f32,
    /// Working pixels per image pixel.
    pub scale: f32,
    /// Quality measurements; `None` if there are no cells, or no background.
    pub quality: Option<Quality>,
    /// Reasons not to trust this result, in sentences for the user, without semicolons, which separate them in tables; empty
    /// if there are none.
    pub warnings: Vec<String>,
}

/// The warning if the cell diameter is neither given nor shown by the image.
pub const NO_CELLS: &str =
    "the cell diameter could not be estimated: is this a stained smear? If so, give it by hand";

const NONE_OF_THIS_SIZE: &str =
    "no cells of the given diameter were found: omit it to have the diameter estimated from the image";

const NO_BACKGROUND: &str =
    "cells all over, with no background to compare them with: check the outlines before you use the numbers";

const TOO_LARGE: &str = "the image is too large for cells this small: it was processed at a coarser scale than the network was \
                         trained for: cut it into pieces";
/// Working pixels, over all orientations, that a CPU processes in a fraction of a second.
const UNNOTICED: u32 = 1 << 17;

/// Number of orientations for an image: as many as take no noticeable time, at least two (the image and its mirror
/// image). A small image has few edges, so additional looks at them are worthwhile.
fn affordable(working: &RgbImage) -> usize {
    let goes_unnoticed = |orientations: &u32| orientations * working.width() * working.height() <= UNNOTICED;
    [8, 4].into_iter().find(goes_unnoticed).unwrap_or(2) as usize
}

/// A network that evaluates single tiles, wherever it computes: on this thread, on a GPU, or in several workers.
#[allow(async_fn_in_trait, reason = "nobody here needs the futures to be Send")]
pub trait TileNetwork {
    /// The configuration of the network.
    fn config(&self) -> &NetworkConfig;

    /// How many calls of [`tile`](Self::tile) it computes at the same time.
    fn at_once(&self) -> usize {
        1
    }

    /// Whether each orientation is computed by a call of its own, so that several workers share even a single tile.
    fn splits_tiles(&self) -> bool {
        false
    }

    /// Logits of red blood cell against background, row by row, summed over the given ones of the eight orientations.
    /// Width and height of the tile must be multiples of [`ALIGNMENT`](crate::network::ALIGNMENT).
    ///
    /// # Errors
    ///
    /// [`Error::Compute`] if the device fails.
    async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error>;
}

/// Segments one image of any size. `progress` is called for every tile.
///
/// # Errors
///
/// [`Error::Options`] for an image without pixels or impossible options, [`Error::Compute`] if the device fails.
pub async fn segment(
    network: &impl TileNetwork,
    image: &RgbImage,
    options: &SegmentOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Segmentation, Error> {
    options.check()?;
    if image.width() == 0 || image.height() == 0 {
        return Err(Error::Options("the image has no pixels".into()));
    }
    let Some(frame) = Frame::find(image) else {
        return segment_picture(network, image, options, progress).await;
    };
    let found = segment_picture(network, &frame.picture(image), options, progress).await?;
    Ok(Segmentation { probability: frame.around(&found.probability), ..found })
}

/// Logits of an image at the working scale, computed tile by tile and averaged over `orientations`.
///
/// # Errors
///
/// [`Error::Compute`] if the device fails.
pub async fn logits(
    network: &impl TileNetwork,
    image: &RgbImage,
    tile: usize,
    orientations: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Logits, Error> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let tiles = tiles(padded(height), padded(width), tile);
    let mut logits = Logits { width, height, values: vec![0.0; width * height] };
    let parts = if network.splits_tiles() { orientations } else { 1 };
    let task = |at: usize| {
        let (tile, part) = (&tiles[at / parts], at % parts);
        async move {
            let seen = if parts > 1 { part..part + 1 } else { 0..orientations };
            Ok((tile, network.tile(cut(image, &tile.input), seen).await?))
        }
    };
    let total = tiles.len() * parts;
    progress(Progress { done: 0, total: tiles.len() });
    // `buffered` keeps the order: the last bit of sums over more than two orientations depends on it.
    let mut answers = stream::iter((0..total).map(task)).buffered(network.at_once());
    let mut done = 0;
    while let Some(answer) = answers.next().await {
        let (tile, values): (&Tile, Vec<f32>) = answer?;
        let [rows, columns] = &tile.input;
        let keep = tile.keep[1].start..tile.keep[1].end.min(width);
        for y in tile.keep[0].start..tile.keep[0].end.min(height) {
            let from = (y - rows.start) * columns.len() + keep.start - columns.start;
            let line = &mut logits.values[y * width..][keep.clone()];
            for (sum, value) in line.iter_mut().zip(&values[from..]) {
                *sum += value / orientations as f32;
            }
        }
        done += 1;
        progress(Progress { done: done / parts, total: tiles.len() });
    }
    drop(answers);
    Ok(logits)
}

/// Segments an image without a frame.
async fn segment_picture(
    network: &impl TileNetwork,
    image: &RgbImage,
    options: &SegmentOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Segmentation, Error> {
    let light = network.config().correction(image);
    let (diameter_px, origin) = match options.diameter_px {
        Some(diameter) => (diameter, Origin::Given),
        None => match scale::estimate(network, image, light).await? {
            Some(diameter) => (diameter, Origin::Estimated),
            None => (scale::fallback(image), Origin::Unknown),
        },
    };
    let working_diameter = network.config().working_diameter;
    let scale = (working_diameter / diameter_px).min(scale::max_scale(image));
    let too_large = scale * diameter_px < 0.99 * working_diameter;
    // Cell diameter in the working image.
    let across = if too_large { scale * diameter_px } else { working_diameter };
    let (working, surround) = scale::working(image, scale, light, across);
    let orientations = options.orientations.unwrap_or_else(|| affordable(&working));
    let mut logits = logits(network, &working, options.tile, orientations, progress).await?;
    if let Some(surround) = surround {
        surround.clear(&mut logits);
    }
    let quality = Quality::measure(&working, &logits.probability(working.dimensions()), across);
    let probability = logits.probability(image.dimensions());
    let warnings = warnings(origin, too_large, &quality);
    Ok(Segmentation { probability, diameter_px, scale, quality: quality.ok(), warnings })
}

/// Where the cell diameter is from.
#[derive(Clone, Copy)]
enum Origin {
    Given,
    Estimated,
    /// Nothing in the image told it.
    Unknown,
}

/// See [`Segmentation::warnings`]. `too_large`: whether the image did not fit into memory at the working scale.
fn warnings(origin: Origin, too_large: bool, quality: &Result<Quality, Unmeasured>) -> Vec<String> {
    let mut warnings = match (origin, quality) {
        // Nothing is known of the objects found at a scale of no meaning.
        (Origin::Unknown, _) => vec![NO_CELLS.to_string()],
        (_, Ok(quality)) => quality.warnings(),
        (_, Err(Unmeasured::NoBackground)) => vec![NO_BACKGROUND.to_string()],
        (Origin::Given, Err(Unmeasured::NoCells)) => vec![NONE_OF_THIS_SIZE.to_string()],
        (Origin::Estimated, Err(Unmeasured::NoCells)) => Vec::new(),
    };
    if too_large {
        warnings.push(TOO_LARGE.to_string());
    }
    warnings
}

/// A part of an image, given by rows and columns; beyond the image its edge pixels are repeated.
fn cut(image: &RgbImage, [rows, columns]: &[Range<usize>; 2]) -> RgbImage {
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    RgbImage::from_fn(columns.len() as u32, rows.len() as u32, |x, y| {
        let (x, y) = (x + columns.start as u32, y + rows.start as u32);
        *image.get_pixel(x.min(right), y.min(bottom))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_is_too_large_is_judged_all_the_same() {
        let poor =
            Quality { cells: 9, outline: 0.9, certainty: 0.5, round: None, contrast: 40.0, sharpness: 0.3 };
        let unsure = poor.warnings();
        assert_eq!(unsure.len(), 1);
        for origin in [Origin::Given, Origin::Estimated] {
            assert_eq!(warnings(origin, false, &Ok(poor)), unsure);
            assert_eq!(warnings(origin, true, &Ok(poor)), [unsure[0].as_str(), TOO_LARGE]);
        }
        assert_eq!(warnings(Origin::Given, true, &Err(Unmeasured::NoCells)), [NONE_OF_THIS_SIZE, TOO_LARGE]);
        // At a scale of no meaning, what was found is not judged.
        assert_eq!(warnings(Origin::Unknown, true, &Ok(poor)), [NO_CELLS, TOO_LARGE]);
    }
}
