//! 3x3 convolution, stride 1, zero padding 1, with bias and ReLU fused.
//!
//! Direct, in NCHW: a band of rows is copied out with its zero border, then register blocks of output
//! channels by two vectors of pixels run over it; each input vector loaded serves a whole block.
#![allow(unsafe_code)]

use super::padded::{Band, band_rows, with_scratch};
use super::parallel::{Shared, for_each};
use super::simd::{Simd, dispatch, width};
use super::{Shape, strip};

/// Weights in the order in which the kernel reads them: blocks of output channels, in each `[C][3][3][block]`.
pub struct Packed {
    blocks: Vec<Block>,
    weights: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Block {
    first: usize,
    size: usize,
}

impl Packed {
    /// Packs `at(o, c, tap)` for `outputs` by `inputs` channels; `tap` runs over the 3x3 window row by row.
    pub fn new(outputs: usize, inputs: usize, at: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < outputs {
            let mut size = width().block;
            while first + size > outputs {
                size /= 2;
            }
            blocks.push(Block { first, size });
            first += size;
        }
        let mut weights = Vec::with_capacity(outputs * inputs * 9);
        for block in &blocks {
            for c in 0..inputs {
                for tap in 0..9 {
                    weights.extend((0..block.size).map(|b| at(block.first + b, c, tap)));
                }
            }
        }
        Self { blocks, weights }
    }
}

/// `out[n, o, y, x] = relu?(bias[o] + sum over c, ky, kx of weight[o, c, ky, kx] x[n, c, y + ky - 1, x + kx - 1])`.
///
/// `x` is `[n, c, h, w]` by `shape`, `weight` `[outputs, c, 3, 3]`, `bias` `[outputs]`, the result `[n, outputs, h, w]`.
pub fn forward(x: &[f32], shape: Shape, weight: &[f32], bias: &[f32], relu: bool) -> Vec<f32> {
    let outputs = bias.len();
    assert_eq!(x.len(), shape.len());
    assert_eq!(weight.len(), outputs * shape.c * 9);
    let packed = Packed::new(outputs, shape.c, |o, c, tap| weight[(o * shape.c + c) * 9 + tap]);
    let stride = Band::stride(shape.w, width().lanes);
    // Small bands where there are few images, so that all cores have work.
    let rows =
        band_rows(shape.c, stride, shape.h).min(shape.h.div_ceil(if shape.n < 4 { 8 } else { 1 }).max(8));
    let bands = shape.h.div_ceil(rows);
    let convolve = |shared: Shared| {
        for_each(shape.n * bands, |task| {
            let (n, y) = (task / bands, task % bands * rows);
            let band = Band { y, rows: rows.min(shape.h - y), stride };
            with_scratch(shape.c * band.plane(), |scratch| {
                band.fill(&x[n * shape.image()..][..shape.image()], None, shape, scratch);
                let at = n * outputs * shape.plane();
                convolve_band(scratch, band, shape, &packed, bias, relu, shared, at);
            });
        });
    };
    // SAFETY: the bands of all images make up the output, and each writes all its channels and rows.
    unsafe { Shared::fill(shape.n * outputs * shape.plane(), convolve) }
}

/// Convolves one padded band of `shape.c` channels into the rows `band.y..` of the image that starts at `at`.
#[allow(clippy::too_many_arguments)]
pub(super) fn convolve_band(
    input: &[f32],
    band: Band,
    shape: Shape,
    packed: &Packed,
    bias: &[f32],
    relu: bool,
    out: Shared,
    at: usize,
) {
    dispatch!(band_body::<S>(
        input: &[f32],
        band: Band,
        shape: Shape,
        packed: &Packed,
        bias: &[f32],
        relu: bool,
        out: Shared<'_>,
        at: usize,
    ))
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn band_body<S: Simd>(
    input: &[f32],
    band: Band,
    shape: Shape,
    packed: &Packed,
    bias: &[f32],
    relu: bool,
    out: Shared<'_>,
    at: usize,
) {
    let mut weights = packed.weights.as_slice();
    for block in &packed.blocks {
        let (mine, rest) = weights.split_at(shape.c * 9 * block.size);
        weights = rest;
        let target = Target { out, at: at + block.first * shape.plane(), relu };
        let bias = &bias[block.first..][..block.size];
        // SAFETY: the caller dispatched on the instruction set.
        unsafe {
            match block.size {
                8 => block_body::<S, 8>(input, band, shape, mine, bias, target),
                4 => block_body::<S, 4>(input, band, shape, mine, bias, target),
                2 => block_body::<S, 2>(input, band, shape, mine, bias, target),
                _ => block_body::<S, 1>(input, band, shape, mine, bias, target),
            }
        }
    }
}

struct Target<'a> {
    out: Shared<'a>,
    at: usize,
    relu: bool,
}

#[inline(always)]
unsafe fn block_body<S: Simd, const B: usize>(
    input: &[f32],
    band: Band,
    shape: Shape,
    weights: &[f32],
    bias: &[f32],
    target: Target<'_>,
) {
    assert!(input.len() >= shape.c * band.plane() && weights.len() == shape.c * 9 * B);
    let step = 2 * S::LANES;
    for row in 0..band.rows {
        let mut x = 0;
        while x < shape.w {
            // SAFETY: x + step is at most the width rounded up to whole strips, two less than the stride.
            unsafe {
                let from = input.as_ptr().add(row * band.stride + x);
                let mut sum =
                    strip::convolve::<S, B>(from, shape.c, band.plane(), band.stride, weights.as_ptr(), bias);
                if target.relu {
                    for pair in &mut sum {
                        *pair = [S::max(pair[0], S::zero()), S::max(pair[1], S::zero())];
                    }
                }
                let len = step.min(shape.w - x);
                for (b, pair) in sum.iter().enumerate() {
                    let at = target.at + b * shape.plane() + (band.y + row) * shape.w + x;
                    // Rows of different bands, blocks of different channels: disjoint.
                    let line = target.out.slice(at, len);
                    if len == step {
                        S::store(line.as_mut_ptr(), pair[0]);
                        S::store(line.as_mut_ptr().add(S::LANES), pair[1]);
                    } else {
                        let mut whole = [0.0; 32];
                        S::store(whole.as_mut_ptr(), pair[0]);
                        S::store(whole.as_mut_ptr().add(S::LANES), pair[1]);
                        line.copy_from_slice(&whole[..len]);
                    }
                }
            }
            x += step;
        }
    }
}
