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
    /// creates no band of uncertain pixels, and cells extend up to the last lit pixel.
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
