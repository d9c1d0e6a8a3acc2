//! Conversion of logits at the working scale to probabilities at the image's own.

use crate::{GrayImage, parallel};

/// Value in a probability map that marks an unlit pixel, outside the picture. Probabilities never have this value.
pub const UNLIT: u8 = 1;
/// Least grey value in a probability map that is at least one half.
pub(crate) const HALF: u8 = 128;

/// Logit of red blood cell against background for each pixel of the working image.
#[derive(Clone, Debug)]
pub struct Logits {
    pub width: usize,
    pub height: usize,
    /// `width * height` logits, row by row.
    pub values: Vec<f32>,
}

impl Logits {
    /// Logit of unlit pixels. So low that even a hundredth of it is certain background: interpolation towards it
    /// creates no band of uncertain pixels (at most one, where a pixel lies just beside a lit sample), and cells extend up
    /// to the last lit pixel.
    pub(crate) const UNLIT: f32 = -1000.0;

    /// Probabilities, 0 to 255 or [`UNLIT`], at another size. The logits are interpolated bilinearly, so edges are
    /// accurate to less than a working pixel.
    pub fn probability(&self, (width, height): (u32, u32)) -> GrayImage {
        let columns: Vec<_> = (0..width).map(|x| Tap::new(x, width, self.width)).collect();
        let mut out = GrayImage::new(width, height);
        let lines: Vec<&mut [u8]> = out.chunks_exact_mut(width as usize).collect();
        parallel::for_each_part(lines, |y, line| {
            let row = Tap::new(y as u32, height, self.height);
            let upper = &self.values[row.low * self.width..][..self.width];
            let lower = &self.values[row.high * self.width..][..self.width];
            for (pixel, tap) in line.iter_mut().zip(&columns) {
                let (above, below) =
                    (tap.mix(upper[tap.low], upper[tap.high]), tap.mix(lower[tap.low], lower[tap.high]));
                *pixel = grey(row.mix(above, below));
            }
        });
        out
    }
}

/// Logits beyond this round to probability 0 or 255. Most pixels are, and are spared the exponential function.
const CERTAIN: f32 = 6.25;

/// Value of a logit in a probability map.
fn grey(logit: f32) -> u8 {
    if logit >= CERTAIN {
        255
    } else if logit < 0.1 * Logits::UNLIT {
        UNLIT
    } else if logit <= -CERTAIN {
        0
    } else {
        match (255.0 / (1.0 + (-logit).exp()) + 0.5) as u8 {
            UNLIT => 0,
            probability => probability,
        }
    }
}

/// The two source samples around a pixel of the resized image, and the weight of the second.
struct Tap {
    low: usize,
    high: usize,
    share: f32,
}

impl Tap {
    fn new(at: u32, of: u32, source: usize) -> Self {
        let position = (at as f32 + 0.5) * source as f32 / of as f32 - 0.5;
        let position = position.clamp(0.0, (source - 1) as f32);
        let low = position as usize;
        Self { low, high: (low + 1).min(source - 1), share: position - low as f32 }
    }

    fn mix(&self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 10;

    /// Square logits, given by column and row.
    fn logits(of: impl Fn(f32, f32) -> f32) -> Logits {
        let at = |at: usize| of((at % SIDE) as f32, (at / SIDE) as f32);
        Logits { width: SIDE, height: SIDE, values: (0..SIDE * SIDE).map(at).collect() }
    }

    #[test]
    fn at_the_same_size_each_pixel_is_its_logit() {
        let logits = logits(|x, y| 1.7 * x - 1.3 * y);
        let found = logits.probability((SIDE as u32, SIDE as u32));
        let expected: Vec<u8> = logits.values.iter().map(|&logit| grey(logit)).collect();
        assert_eq!(found.into_raw(), expected);
    }

    #[test]
    fn a_ramp_stays_a_ramp_through_the_centres_of_the_pixels() {
        let ramp = |x: f32, y: f32| 0.3 * x - 0.4 * y + 0.5;
        let logits = logits(ramp);
        for size in [20, 37] {
            // Beyond the outermost centres it goes on level.
            let place =
                |at: u32| ((at as f32 + 0.5) * SIDE as f32 / size as f32 - 0.5).clamp(0.0, SIDE as f32 - 1.0);
            for (x, y, pixel) in logits.probability((size, size)).enumerate_pixels() {
                let expected = 255.0 / (1.0 + (-ramp(place(x), place(y))).exp());
                assert!((f32::from(pixel.0[0]) - expected).abs() < 0.51, "{x}, {y} of {size}: {expected}");
            }
        }
    }

    #[test]
    fn beside_an_unlit_pixel_there_is_no_doubt() {
        let logits = logits(|x, y| if (x, y) == (5.0, 4.0) { Logits::UNLIT } else { 6.0 });
        for size in [20, 37] {
            let map = logits.probability((size, size));
            assert!(map.iter().all(|value| [UNLIT, 0, 254].contains(value)), "{size}");
            let centre = (4.5 * size as f32 / SIDE as f32) as u32;
            assert_eq!(map.get_pixel(centre + size / 10, centre).0, [UNLIT]);
        }
    }

    #[test]
    fn along_a_dark_rim_there_is_at_most_one_pixel_of_doubt() {
        let logits = logits(|x, _| if x >= 5.0 { Logits::UNLIT } else { 6.0 });
        let mut most = 0;
        for size in SIDE as u32..10 * SIDE as u32 {
            let map = logits.probability((size, 1));
            most = most.max(map.iter().filter(|value| ![UNLIT, 0, 254].contains(value)).count());
        }
        // At some sizes a pixel lies just beside the last lit sample.
        assert_eq!(most, 1);
    }

    #[test]
    fn no_logit_that_a_network_gives_looks_unlit() {
        let steps = (-10_000..=10_000).map(|step| step as f32 / 100.0);
        let greys: Vec<u8> = steps.map(grey).collect();
        assert!(!greys.contains(&UNLIT) && greys.is_sorted());
        assert_eq!((greys[0], grey(0.0), greys[20_000]), (0, HALF, 255));
        assert_eq!([grey(-100.5), grey(Logits::UNLIT), grey(f32::NAN)], [UNLIT, UNLIT, 0]);
    }
}
