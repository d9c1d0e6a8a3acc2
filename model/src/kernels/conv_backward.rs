//! Backward pass of the 3x3 convolution with ReLU: gradients of input, weights and bias.
//!
//! The weight gradient uses Winograd as well (see [`winograd`]): six correlations with three taps, one for each product
//! of transformed gradient and input, replace four rows of nine taps. Vectors lie along x.
#![allow(unsafe_code)]

use super::conv::{self, Source};
use super::padded::{stride, with_scratch};
use super::simd::{Simd, dispatch, width};
use super::winograd::{self, PRODUCTS, ROWS};
use super::{Shape, strip};
use crate::parallel::for_each_part;

/// Result of [`backward`].
pub struct Gradients {
    /// `[n, c, h, w]`; `None` if it was not requested.
    pub input: Option<Vec<f32>>,
    /// `[outputs, c, 3, 3]`.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// Gradients of `relu?(conv(x, weight) + bias)`.
///
/// `x` is `[n, c, h, w]` (`shape`); `gradient` and `output` are `[n, outputs, h, w]`. `output` is the forward result if
/// ReLU was fused (its gate), else `None`. Each group of images is summed separately and the sums are added in order,
/// so the result does not depend on the number of threads.
pub fn backward(
    x: &[f32],
    shape: Shape,
    weight: &[f32],
    outputs: usize,
    output: Option<&[f32]>,
    gradient: &[f32],
    with_input: bool,
) -> Gradients {
    let swapped = Shape { c: outputs, ..shape };
    assert_eq!(x.len(), shape.len());
    assert_eq!(gradient.len(), swapped.len());
    assert!(output.is_none_or(|output| output.len() == swapped.len()));
    assert_eq!(weight.len(), outputs * shape.c * 9);
    let filters = outputs * shape.c;

    let pair = Pair {
        x: Source { x, gate: None, places: None, shape },
        gradient: Source { x: gradient, gate: output, places: None, shape: swapped },
        stride: stride(shape.w, width().lanes),
    };
    let group = shape.n.div_ceil(GROUPS).max(1);
    // Per group: the taps, by product, then the sums of the gradient.
    let each = filters * 3 * PRODUCTS + outputs;
    let mut sums = vec![0.0; shape.n.div_ceil(group).max(1) * each];
    for_each_part(sums.chunks_exact_mut(each).collect(), |at, sums| {
        with_scratch((PRODUCTS * pair.channels() * pair.bands() + 1) * pair.stride, |scratch| {
            for n in at * group..((at + 1) * group).min(shape.n) {
                correlate_image(&pair, n, scratch, sums);
            }
        });
    });
    let input = with_input.then(|| conv::backward(gradient, output, swapped, weight));

    let (total, rest) = sums.split_at_mut(each);
    for sums in rest.chunks_exact(each) {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    let mut weight = vec![0.0; filters * 9];
    for (filter, weight) in weight.chunks_exact_mut(9).enumerate() {
        for kx in 0..3 {
            let taps = std::array::from_fn(|product| total[(product * filters + filter) * 3 + kx]);
            for (ky, value) in winograd::filter_gradient(taps).into_iter().enumerate() {
                weight[ky * 3 + kx] = value;
            }
        }
    }
    let bias = total[each - outputs..].to_vec();
    Gradients { input, weight, bias }
}

/// Maximum number of groups of images, to bound the memory for the sums of a large batch. Splitting images into tasks,
/// for small batches on many cores, made two cores slower by 3 %.
const GROUPS: usize = 32;

/// Input and output gradient that are correlated.
struct Pair<'a> {
    x: Source<'a>,
    gradient: Source<'a>,
    stride: usize,
}

impl Pair<'_> {
    fn channels(&self) -> usize {
        self.x.shape.c + self.gradient.shape.c
    }

    /// Number of four-row bands processed at once, such that their products stay in the second-level cache.
    fn bands(&self) -> usize {
        const FLOATS: usize = 128 * 1024;
        (FLOATS / (PRODUCTS * self.channels() * self.stride)).clamp(1, self.x.shape.h.div_ceil(ROWS).max(1))
    }
}

fn correlate_image(pair: &Pair, n: usize, scratch: &mut [f32], sums: &mut [f32]) {
    dispatch!(image_body::<S>(
        pair: &Pair<'_>,
        n: usize,
        scratch: &mut [f32],
        sums: &mut [f32],
    ))
}

#[inline(always)]
unsafe fn image_body<S: Simd>(pair: &Pair<'_>, n: usize, scratch: &mut [f32], sums: &mut [f32]) {
    let (stride, inputs, outputs) = (pair.stride, pair.x.shape.c, pair.gradient.shape.c);
    let (taps, bias) = sums.split_at_mut(PRODUCTS * outputs * inputs * 3);
    let (products, zeros) = scratch.split_at_mut(PRODUCTS * pair.channels() * pair.bands() * stride);
    zeros.fill(0.0);
    let h = pair.x.shape.h;
    for y in (0..h).step_by(pair.bands() * ROWS) {
        let bands = pair.bands().min((h - y).div_ceil(ROWS));
        let (of_gradient, of_input) = products.split_at_mut(PRODUCTS * outputs * bands * stride);
        for band in 0..bands {
            let from = Bands { n, y: y + band * ROWS, count: bands };
            // SAFETY: the caller dispatched on the instruction set.
            unsafe {
                transform_gradient::<S>(pair, from, zeros, &mut of_gradient[band * stride..], bias);
                transform_input::<S>(pair, from, zeros, &mut of_input[band * stride..]);
            }
        }
        let lines =
            strip::Lines { count: bands, step: stride, stride: bands * stride, width: pair.x.shape.w };
        for (product, taps) in taps.chunks_exact_mut(outputs * inputs * 3).enumerate() {
            let gradient = &of_gradient[product * outputs * bands * stride..];
            // Starts at the left neighbour.
            let input = &of_input[product * inputs * bands * stride + S::LANES - 1..];
            // SAFETY: as above; all lines have been written.
            unsafe { correlate_body::<S>(gradient, outputs, input, inputs, lines, taps) };
        }
    }
}

/// Four rows of an image from `y` on; `count` is the number of such bands processed at once.
#[derive(Clone, Copy)]
struct Bands {
    n: usize,
    y: usize,
    count: usize,
}

/// Products of four gradient rows from `y` on, `[product][outputs][bands][stride]`, padded with zeros on the right.
/// Adds the sum of each channel to `bias`.
#[inline(always)]
unsafe fn transform_gradient<S: Simd>(
    pair: &Pair<'_>,
    Bands { n, y, count: bands }: Bands,
    zeros: &[f32],
    products: &mut [f32],
    bias: &mut [f32],
) {
    let (w, channels) = (pair.x.shape.w, pair.gradient.shape.c);
    let step = channels * bands * pair.stride;
    for (c, bias) in bias.iter_mut().enumerate() {
        let (from, gates) = pair.gradient.rows::<ROWS>(n, c, y + 1, zeros);
        let to = &mut products[c * bands * pair.stride..][..(PRODUCTS - 1) * step + pair.stride];
        // SAFETY: the caller dispatched on the instruction set; a line has room for a whole vector more than `w`.
        unsafe {
            let mut sum = S::zero();
            let mut x = 0;
            while x < w {
                let found = winograd::output_gradient::<S>(strip::rows::<S, ROWS>(&from, &gates, x));
                for (product, &value) in found.iter().enumerate() {
                    S::store(to.as_mut_ptr().add(product * step + x), value);
                }
                // This product's transform has coefficient one in every row, so it sums the rows.
                sum = S::add(sum, found[1]);
                x += S::LANES;
            }
            *bias += S::sum(sum);
        }
    }
}

/// Products of the six input rows that contribute to four output rows from `y` on, `[product][inputs][bands][stride]`.
/// Each line starts with a vector whose last element is the zero left of the image, and ends with zeros.
#[inline(always)]
unsafe fn transform_input<S: Simd>(
    pair: &Pair<'_>,
    Bands { n, y, count: bands }: Bands,
    zeros: &[f32],
    products: &mut [f32],
) {
    let channels = pair.x.shape.c;
    let step = channels * bands * pair.stride;
    for c in 0..channels {
        let (from, gates) = pair.x.rows::<PRODUCTS>(n, c, y, zeros);
        let to = &mut products[c * bands * pair.stride..][..(PRODUCTS - 1) * step + pair.stride];
        // SAFETY: as above.
        unsafe { strip::transform::<S>(&from, &gates, to, step, pair.stride) };
    }
}

/// Correlates all gradient channels with all input channels; adds to `into`, `[outputs][inputs][3]`.
#[inline(always)]
unsafe fn correlate_body<S: Simd>(
    gradient: &[f32],
    outputs: usize,
    input: &[f32],
    inputs: usize,
    lines: strip::Lines,
    into: &mut [f32],
) {
    let mut o = 0;
    while o < outputs {
        let os = if o + 4 <= outputs { 4 } else { 1 };
        let mut c = 0;
        while c < inputs {
            // With four outputs, two input channels at once need 24 accumulators.
            let cs = if S::REGISTERS >= 32 && c + 2 <= inputs { 2 } else { 1 };
            let into = &mut into[(o * inputs + c) * 3..];
            // SAFETY: upheld by the caller.
            unsafe {
                let (g, i) = (gradient.as_ptr().add(o * lines.stride), input.as_ptr().add(c * lines.stride));
                match (os, cs) {
                    (4, 2) => strip::correlate::<S, 4, 2>(g, i, lines, into, inputs * 3),
                    (4, _) => strip::correlate::<S, 4, 1>(g, i, lines, into, inputs * 3),
                    (_, 2) => strip::correlate::<S, 1, 2>(g, i, lines, into, inputs * 3),
                    _ => strip::correlate::<S, 1, 1>(g, i, lines, into, inputs * 3),
                }
            }
            c += cs;
        }
        o += os;
    }
}
