//! A labelled image made ready for drawing crops at the working scale.

use crate::dataset::Sample;
use image::imageops::{FilterType, resize};
use rayon::prelude::*;
use rbc_model::cells::estimate_diameter;
use rbc_model::{GrayImage, RgbImage, scale};

/// What crops are drawn from.
pub struct Pool {
    pub fields: Vec<Field>,
    /// Index of a field, as often as it should be drawn relative to the others.
    pub draws: Vec<usize>,
}

impl Pool {
    /// Draws each field as often as `share` says of its sample, at least once.
    pub fn new(samples: &[Sample], working_diameter: f32, share: impl Fn(&Sample) -> usize) -> Self {
        let fields = Field::prepare(samples, working_diameter);
        let draws = samples.iter().enumerate().flat_map(|(at, s)| std::iter::repeat_n(at, share(s).max(1)));
        Self { fields, draws: draws.collect() }
    }
}

/// One image at several resolutions, so that no crop is reduced by more than about 2 and bilinear sampling does.
pub struct Field {
    /// From fine to coarse.
    levels: Vec<Level>,
}

/// The image and what of each pixel is cell, resampled to one cell diameter.
pub struct Level {
    /// Cell diameter here, in pixels.
    pub diameter: f32,
    pub image: RgbImage,
    /// Share of the pixel that is cell, 0 to 255: the edge is sub-pixel.
    pub coverage: GrayImage,
    /// Width of the unlabelled border in pixels of this level.
    pub margin: f32,
}

/// Cell diameters of the levels, as multiples of the working diameter.
const LEVELS: [f32; 3] = [1.7, 1.0, 0.6];

impl Field {
    /// Prepares all samples; a sample without a whole cell takes the typical diameter of the others.
    pub fn prepare(samples: &[Sample], working_diameter: f32) -> Vec<Self> {
        let estimates: Vec<Option<f32>> = samples.par_iter().map(|s| estimate_diameter(&s.mask)).collect();
        let mut known: Vec<f32> = estimates.iter().flatten().copied().collect();
        known.sort_by(f32::total_cmp);
        let typical = known.get(known.len() / 2).copied().unwrap_or(scale::DEFAULT_DIAMETER);
        let prepare = |(sample, estimate): (&Sample, &Option<f32>)| {
            // A crop with one cell cut in half says less than the other crops together.
            let diameter = estimate.unwrap_or(typical).clamp(typical / 2.5, typical * 2.5);
            Self::new(sample, diameter, working_diameter)
        };
        samples.par_iter().zip(&estimates).map(prepare).collect()
    }

    fn new(sample: &Sample, diameter: f32, working_diameter: f32) -> Self {
        let level = |relative: f32| {
            let scale = working_diameter * relative / diameter;
            let image = scale::resample(&sample.image, scale);
            let (width, height) = image.dimensions();
            let coverage = resize(&sample.mask, width, height, FilterType::Triangle);
            Level { diameter: diameter * scale, image, coverage, margin: sample.margin as f32 * scale }
        };
        let levels = LEVELS.map(level).into();
        Self { levels }
    }

    /// The level at the working diameter.
    pub fn working(&self) -> &Level {
        &self.levels[1]
    }

    /// The coarsest level that still has what a crop at this diameter shows.
    pub fn level(&self, diameter: f32) -> &Level {
        self.levels.iter().rev().find(|level| level.diameter >= 0.85 * diameter).unwrap_or(&self.levels[0])
    }
}
