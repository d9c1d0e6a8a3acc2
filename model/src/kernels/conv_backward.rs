//! The backward pass of the 3x3 convolution with ReLU: gradients of input, weights and bias.
//!
//! The gradient of the weights correlates gradient and input, with vectors along x.
#![allow(unsafe_code)]

use super::conv;
use super::padded::{Band, band_rows, with_scratch};
use super::parallel::{Shared, for_each};
use super::simd::{Simd, dispatch, width};
use super::{Shape, strip};

/// What [`backward`] returns.
pub struct Gradients {
    /// `[n, c, h, w]`, unless it was not asked for.
    pub input: Option<Vec<f32>>,
    /// `[outputs, c, 3, 3]`.
    pub weight: Vec<f32>,
    /// `[outputs]`.
    pub bias: Vec<f32>,
}

/// Gradients of `relu?(conv(x, weight) + bias)`.
///
/// `x` is `[n, c, h, w]` by `shape`, `gradient` and `output` are `[n, outputs, h, w]`; `output` is the forward
/// result where ReLU was fused (its gate), `None` where it was not. Each image sums up on its own and the
/// sums are added in order, so the result does not depend on the number of threads.
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
    assert_eq!(weight.len(), outputs * shape.c * 9);
    let filters = outputs * shape.c * 9;

    // One sum an image, weights then bias.
    let mut sums = vec![0.0; shape.n * (filters + outputs)];
    let shared_sums = Shared::new(&mut sums);

    let stride = Band::stride(shape.w, width().lanes);
    let rows = band_rows(shape.c + outputs, stride, shape.h);
    for_each(shape.n, |n| {
        // SAFETY: one task an image.
        let sums = unsafe { shared_sums.slice(n * (filters + outputs), filters + outputs) };
        let (weight_sum, bias_sum) = sums.split_at_mut(filters);
        let mut y = 0;
        while y < shape.h {
            let band = Band { y, rows: rows.min(shape.h - y), stride };
            with_scratch((shape.c + outputs) * band.plane(), |scratch| {
                let (inputs, gradients) = scratch.split_at_mut(shape.c * band.plane());
                band.fill(&x[n * shape.image()..][..shape.image()], None, shape, inputs);
                let range = n * swapped.image()..(n + 1) * swapped.image();
                band.fill(&gradient[range.clone()], output.map(|o| &o[range]), swapped, gradients);
                correlate_band(inputs, gradients, band, shape, outputs, weight_sum);
                for (o, sum) in bias_sum.iter_mut().enumerate() {
                    for row in 0..band.rows {
                        let line = &gradients[o * band.plane() + (row + 1) * stride + 1..][..shape.w];
                        *sum += line.iter().sum::<f32>();
                    }
                }
            });
            y += band.rows;
        }
    });
    let input = with_input.then(|| conv::backward(gradient, output, swapped, weight));

    let mut weight = vec![0.0; filters];
    let mut bias = vec![0.0; outputs];
    for sums in sums.chunks_exact(filters + outputs) {
        for (total, sum) in weight.iter_mut().chain(bias.iter_mut()).zip(sums) {
            *total += sum;
        }
    }
    Gradients { input, weight, bias }
}

fn correlate_band(
    inputs: &[f32],
    gradients: &[f32],
    band: Band,
    shape: Shape,
    outputs: usize,
    into: &mut [f32],
) {
    dispatch!(correlate_body::<S>(
        inputs: &[f32],
        gradients: &[f32],
        band: Band,
        shape: Shape,
        outputs: usize,
        into: &mut [f32],
    ))
}

#[inline(always)]
unsafe fn correlate_body<S: Simd>(
    inputs: &[f32],
    gradients: &[f32],
    band: Band,
    shape: Shape,
    outputs: usize,
    into: &mut [f32],
) {
    let plane = band.plane();
    let mut o = 0;
    while o < outputs {
        let os = if o + 4 <= outputs { 4 } else { 1 };
        let mut c = 0;
        while c < shape.c {
            // Two input channels at once only where there are 32 registers.
            let cs = if S::BLOCK == 8 && c + 2 <= shape.c { 2 } else { 1 };
            for ky in 0..3 {
                // SAFETY: both bands have `rows + 2` rows of whole vectors.
                unsafe {
                    let g = gradients.as_ptr().add(o * plane + band.stride + 1);
                    let i = inputs.as_ptr().add(c * plane + ky * band.stride);
                    let into = &mut into[(o * shape.c + c) * 9 + ky * 3..];
                    let (s, r, w, f) = (band.stride, band.rows, shape.w, shape.c * 9);
                    match (os, cs) {
                        (4, 2) => strip::correlate::<S, 4, 2>(g, plane, i, plane, s, r, w, into, f),
                        (4, _) => strip::correlate::<S, 4, 1>(g, plane, i, plane, s, r, w, into, f),
                        (_, 2) => strip::correlate::<S, 1, 2>(g, plane, i, plane, s, r, w, into, f),
                        _ => strip::correlate::<S, 1, 1>(g, plane, i, plane, s, r, w, into, f),
                    }
                }
            }
            c += cs;
        }
        o += os;
    }
}
