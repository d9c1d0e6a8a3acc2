//! A labelled image, prepared for drawing crops at the working scale.

use crate::dataset::Sample;
use crate::instances;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;
use rbc_model::cells::distance::squared_distance_within;
use rbc_model::cells::estimate_diameter;
use rbc_model::{GrayImage, RgbImage, scale};
use std::borrow::Cow;
use std::f32::consts::PI;

/// The images that crops are drawn from.
pub struct Pool {
    pub fields: Vec<Field>,
    /// Indices into `fields`, each repeated as often as the field should be drawn relative to the others.
    pub draws: Vec<usize>,
}

impl Pool {
    /// Draws each field in proportion to the `share` of its sample, but at least once.
    pub fn new(samples: &[&Sample], working_diameter: f32, share: impl Fn(&Sample) -> usize) -> Self {
        let fields = Field::prepare(samples, working_diameter);
        let draws = samples.iter().enumerate().flat_map(|(at, s)| std::iter::repeat_n(at, share(s).max(1)));
        Self { fields, draws: draws.collect() }
    }

    /// A checksum of everything that can be drawn: images, masks, margins and frequencies.
    pub fn fingerprint(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        for level in self.fields.iter().map(Field::working) {
            sum.update(level.image.as_raw());
            sum.update(level.coverage.as_raw());
            sum.update(&level.margin.to_le_bytes());
        }
        for &at in &self.draws {
            sum.update(&at.to_le_bytes());
        }
        sum.finalize()
    }
}

/// One image at several resolutions. No crop is reduced by much more than a factor of 2, so bilinear sampling suffices.
pub struct Field {
    /// From fine to coarse.
    levels: Vec<Level>,
}

/// The image and its mask, resampled to one cell diameter.
pub struct Level {
    /// Cell diameter at this level in pixels.
    pub diameter: f32,
    pub image: RgbImage,
    /// Fraction of each pixel covered by cell, 0 to 255: the outline is known to less than a pixel.
    pub coverage: GrayImage,
    /// Fraction of each pixel that is background between cells which nearly touch, 0 to 255.
    pub gap: GrayImage,
    /// Width of the unlabelled border in pixels of this level.
    pub margin: f32,
}

/// The mask to learn. With two classes, only background can separate cells; if instances are known, a line of it is
/// drawn between those that touch.
fn target(sample: &Sample) -> Cow<'_, GrayImage> {
    let labels = sample.instances.as_ref();
    match labels.and_then(|labels| Some((labels, instances::diameter(labels)?))) {
        Some((labels, diameter)) => Cow::Owned(instances::separated(&sample.mask, labels, diameter)),
        None => Cow::Borrowed(&sample.mask),
    }
}

/// An image with the area of at least this many cells is trusted to show its own cell size.
const MANY: f32 = 8.0;

/// Cell diameters of the levels, as multiples of the working diameter.
const LEVELS: [f32; 3] = [1.7, 1.0, 0.6];

impl Field {
    /// Prepares all samples; one without a whole cell takes the typical diameter of the others.
    pub fn prepare(samples: &[&Sample], working_diameter: f32) -> Vec<Self> {
        let targets: Vec<Cow<GrayImage>> = samples.par_iter().copied().map(target).collect();
        let estimates: Vec<Option<f32>> = targets.par_iter().map(|mask| estimate_diameter(mask)).collect();
        let mut known: Vec<f32> = estimates.iter().flatten().copied().collect();
        known.sort_by(f32::total_cmp);
        let typical = known.get(known.len() / 2).copied().unwrap_or(scale::DEFAULT_DIAMETER);
        let prepare = |((sample, mask), estimate): ((&&Sample, &Cow<GrayImage>), &Option<f32>)| {
            let estimate = estimate.unwrap_or(typical);
            let cells = mask.iter().filter(|value| **value != 0).count() as f32;
            // A crop with a single cell cut in half says less about the cell size than all the others together.
            let many = cells >= MANY * PI / 4.0 * estimate * estimate;
            let diameter = if many {
                estimate.clamp(scale::RANGE[0], scale::RANGE[1])
            } else {
                estimate.clamp(typical / 2.5, typical * 2.5)
            };
            Self::new(sample, mask, diameter, working_diameter)
        };
        samples.par_iter().zip(&targets).zip(&estimates).map(prepare).collect()
    }

    fn new(sample: &Sample, mask: &GrayImage, diameter: f32, working_diameter: f32) -> Self {
        let gaps = gaps(mask, GAP * diameter);
        let level = |relative: f32| {
            let scale = (working_diameter * relative / diameter).min(scale::max_scale(&sample.image));
            let image = scale::resample(&sample.image, scale);
            let (width, height) = image.dimensions();
            let coverage = resize(mask, width, height, FilterType::Triangle);
            let gap = resize(&gaps, width, height, FilterType::Triangle);
            Level { diameter: diameter * scale, image, coverage, gap, margin: sample.margin as f32 * scale }
        };
        let levels = LEVELS.map(level).into();
        Self { levels }
    }

    /// The level at the working diameter.
    pub fn working(&self) -> &Level {
        &self.levels[1]
    }

    /// The coarsest level that still has all the detail of a crop at this diameter.
    pub fn level(&self, diameter: f32) -> &Level {
        self.levels.iter().rev().find(|level| level.diameter >= 0.85 * diameter).unwrap_or(&self.levels[0])
    }
}

/// Background within this many cell diameters of cells on both sides is a gap.
const GAP: f32 = 0.08;

/// Background that a disc of radius `reach` (pixels) within the image can't cover without touching a cell: the
/// morphological closing minus the mask. So background between a cell and the image's edge is a gap too.
fn gaps(mask: &GrayImage, reach: f32) -> GrayImage {
    let (width, height) = mask.dimensions();
    let (w, cells, within) = (width as usize, mask.as_raw(), reach.ceil() as usize);
    let reach = reach * reach;
    let away = squared_distance_within(within, w, height as usize, |at| cells[at] != 0);
    let back = squared_distance_within(within, w, height as usize, |at| away[at] > reach);
    GrayImage::from_fn(width, height, |x, y| {
        let at = y as usize * w + x as usize;
        image::Luma([if cells[at] == 0 && back[at] > reach { 255 } else { 0 }])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::sample;
    use image::Luma;
    use rbc_model::cells::Labels;

    fn discs(centres: &[f32]) -> GrayImage {
        let inside = |x: f32, y: f32, cx: f32| (x - cx).hypot(y - 30.0) <= 14.0;
        GrayImage::from_fn(90, 60, |x, y| {
            let any = centres.iter().any(|&cx| inside(x as f32, y as f32, cx));
            Luma([if any { 255 } else { 0 }])
        })
    }

    #[test]
    fn a_gap_is_ground_between_two_cells_and_nothing_else() {
        // One pixel of background between the two discs.
        let (mask, two) = (discs(&[30.0, 60.0]), gaps(&discs(&[30.0, 60.0]), 0.08 * 28.0));
        assert_eq!([29, 30, 31].map(|y| two.get_pixel(45, y).0[0]), [255; 3]);
        assert!(two.iter().zip(mask.iter()).all(|(gap, cell)| *gap == 0 || *cell == 0));
        assert_eq!((two.get_pixel(10, 30).0[0], two.get_pixel(45, 10).0[0]), (0, 0));
        // There is none around a lone cell or between two cells far apart.
        assert!(gaps(&discs(&[30.0]), 0.08 * 28.0).iter().all(|gap| *gap == 0));
        assert!(gaps(&discs(&[22.0, 66.0]), 0.08 * 28.0).iter().all(|gap| *gap == 0));
    }

    #[test]
    fn cells_that_touch_are_learnt_with_a_line_between_them_where_labels_tell() {
        let mask = discs(&[30.0, 56.0]);
        let image = RgbImage::new(90, 60);
        let ids = mask.enumerate_pixels().map(|(x, _, value)| if value.0[0] == 0 { 0 } else { 1 + x / 43 });
        let labels = Labels { width: 90, height: 60, ids: ids.collect() };
        let alone = sample("a", "a", image, mask);
        let known = Sample { instances: Some(labels), ..alone.clone() };
        let cells = |sample: &Sample| Labels::of_mask(&target(sample)).ids.into_iter().max();
        assert_eq!((cells(&alone), cells(&known)), (Some(1), Some(2)));
        // The line between the cells counts as a gap, so its weight in the loss is higher.
        let fields = Field::prepare(&[&alone, &known], 28.0);
        // The middle row, away from the notches above and below the point of contact.
        let middle = |field: &Field| {
            let gap = &field.working().gap;
            (0..gap.width()).any(|x| gap.get_pixel(x, gap.height() / 2).0[0] > 200)
        };
        assert_eq!(fields.iter().map(middle).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn the_size_of_many_cells_is_believed_and_that_of_one_is_not() {
        let row = |pitch: u32, radius: f32, count: u32| {
            let mask = GrayImage::from_fn(pitch * count, pitch, |x, y| {
                let (x, y) = ((x % pitch) as f32 + 0.5, y as f32 + 0.5);
                let middle = pitch as f32 / 2.0;
                Luma([u8::from((x - middle).hypot(y - middle) < radius) * 255])
            });
            let image = RgbImage::new(mask.width(), mask.height());
            sample("a", "a", image, mask)
        };
        let (large, many, one) = (row(120, 50.0, 4), row(24, 10.0, 30), row(24, 10.0, 1));
        let fields = Field::prepare(&[&large, &large, &large, &many, &one], 34.0);
        let widths: Vec<u32> = fields.iter().map(|field| field.working().image.width()).collect();
        // Many cells of 20 px are enlarged to 34 px; a single one is taken for a larger cell that was cut.
        assert!((1200..1250).contains(&widths[3]), "{widths:?}");
        assert!((20..24).contains(&widths[4]), "{widths:?}");
    }
}
