//! Whether a device computes correctly: a shader that does not compile, or a driver's error, may only show in its results.

use super::{SegmentOptions, TileNetwork, logits};
use crate::backend::{MOST, STEPS};
use crate::{Error, RgbImage};

/// Largest difference of a logit that counts as rounding, as a share of the greatest.
const CLOSE: f32 = 0.01;
/// Share of the pixels that may differ by more, because rounding decided which of two nearly equal values a pooling
/// passed on; and by how much.
const FEW: f32 = 0.005;
const APART: f32 = 0.25;

/// Whether a network gives the same logits on a GPU as on the CPU, apart from rounding. In all orientations, because a
/// GPU's kernels turn and add them.
///
/// # Errors
///
/// [`Error::Compute`] if a device fails.
pub async fn agree(gpu: &impl TileNetwork, cpu: &impl TileNetwork) -> Result<bool, Error> {
    let image = sample();
    let (expected, found) = (answer(cpu, &image).await?, answer(gpu, &image).await?);
    let scale = expected.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
    let apart = |(a, b): (&f32, &f32)| (a.clamp(-MOST, MOST) - b).abs();
    // Not by the greatest error, in which what is no number would be lost.
    let within = |share: f32| {
        let close = |error: f32| error <= scale * share + 1.0 / STEPS;
        expected.iter().zip(&found).map(apart).filter(|error| close(*error)).count()
    };
    let all = expected.len();
    Ok(found.len() == all && within(APART) == all && within(CLOSE) as f32 >= (1.0 - FEW) * all as f32)
}

/// A small image with a cell, edges and noise, to try a network on.
pub fn sample() -> RgbImage {
    RgbImage::from_fn(72, 64, |x, y| {
        let (dx, dy) = (x as f32 - 34.0, y as f32 - 30.0);
        let inside = (dx * dx + dy * dy).sqrt() < 20.0;
        let noise = (x.wrapping_mul(7919) ^ y.wrapping_mul(104_729)) % 23;
        let base: [u32; 3] = if inside { [180, 110, 130] } else { [228, 214, 219] };
        image::Rgb(base.map(|value| (value + noise) as u8))
    })
}

async fn answer(network: &impl TileNetwork, image: &RgbImage) -> Result<Vec<f32>, Error> {
    Ok(logits(network, image, SegmentOptions::default().tile, 8, &mut |_| {}).await?.values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkConfig;
    use crate::segment::Segmenter;
    use burn::backend::Flex;
    use std::ops::Range;

    /// A network whose results are spoilt at a number of pixels.
    struct Spoilt(Segmenter<Flex>, usize, f32);

    impl TileNetwork for Spoilt {
        fn config(&self) -> &NetworkConfig {
            self.0.config()
        }

        async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
            let mut logits = self.0.tile(pixels, orientations).await?;
            logits[1000..1000 + self.1].iter_mut().for_each(|logit| *logit += self.2);
            Ok(logits)
        }
    }

    #[test]
    fn wrong_logits_are_noticed_and_rounding_is_not() {
        let config = NetworkConfig::default().folded();
        let device = Default::default();
        let network = config.init::<Flex>(&device);
        let segmenter = || Segmenter::new(network.clone(), config.clone(), device);
        let expected = pollster::block_on(answer(&segmenter(), &sample())).expect("the CPU computes");
        let greatest = expected.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        // `tile` adds up the eight orientations.
        let agrees = |pixels, error: f32| {
            pollster::block_on(agree(&Spoilt(segmenter(), pixels, 8.0 * error), &segmenter()))
                .expect("both compute")
        };
        assert!(agrees(0, 0.0) && agrees(300, 0.5 / STEPS));
        // A few pixels, another maximum.
        assert!(agrees(20, 0.1 * greatest) && !agrees(60, 0.1 * greatest));
        assert!(!agrees(1, 0.5 * greatest + 1.0) && !agrees(1, f32::NAN));
    }
}
