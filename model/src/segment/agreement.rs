//! Whether a device computes correctly: a shader that does not compile, or a driver's error, may only show in its results.

use super::{SegmentOptions, TileNetwork};
use crate::backend::{MOST, STEPS};
use crate::{Error, RgbImage};

/// Whether a network gives the same logits on a GPU as on the CPU, apart from their rounding there. In all orientations,
/// because a GPU's kernels turn and add them.
///
/// # Errors
///
/// [`Error::Compute`] if a device fails.
pub async fn agree(gpu: &impl TileNetwork, cpu: &impl TileNetwork) -> Result<bool, Error> {
    let image = sample();
    let (expected, found) = (answer(cpu, &image).await?, answer(gpu, &image).await?);
    let scale = expected.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
    let apart = |(a, b): (&f32, &f32)| (a.clamp(-MOST, MOST) - b).abs();
    let close = |error: f32| error <= scale * 0.01 + 1.0 / STEPS;
    // Not by the greatest error, in which no number would be lost.
    Ok(expected.len() == found.len() && expected.iter().zip(&found).map(apart).all(close))
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
    Ok(network.logits(image, SegmentOptions::default().tile, 8, &mut |_| {}).await?.values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkConfig;
    use crate::segment::Segmenter;
    use burn::backend::Flex;
    use std::ops::Range;

    /// A network whose results are spoilt at one pixel.
    struct Spoilt(Segmenter<Flex>, f32);

    impl TileNetwork for Spoilt {
        fn config(&self) -> &NetworkConfig {
            self.0.config()
        }

        async fn tile(&self, pixels: RgbImage, orientations: Range<usize>) -> Result<Vec<f32>, Error> {
            let mut logits = self.0.tile(pixels, orientations).await?;
            logits[1000] += self.1;
            Ok(logits)
        }
    }

    #[test]
    fn one_wrong_logit_is_noticed_and_rounding_is_not() {
        let config = NetworkConfig::default().folded();
        let device = Default::default();
        let network = config.init::<Flex>(&device);
        let segmenter = || Segmenter::new(network.clone(), config.clone(), device);
        let agrees = |error: f32| pollster::block_on(agree(&Spoilt(segmenter(), error), &segmenter()));
        assert!(agrees(0.0).is_ok_and(|agrees| agrees) && agrees(4.0 / STEPS).is_ok_and(|agrees| agrees));
        assert!(agrees(100.0).is_ok_and(|agrees| !agrees) && agrees(f32::NAN).is_ok_and(|agrees| !agrees));
    }
}
