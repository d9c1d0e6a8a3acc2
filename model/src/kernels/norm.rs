//! Batch normalisation with ReLU, forward and backward, for training only; for inference it is folded into the
//! convolution.
//!
//! Ioffe, Szegedy: Batch Normalization, 2015. One task per channel, two passes over memory in each direction. There are
//! no explicit vector instructions: the bodies are dispatched so that the compiler can vectorise them for each
//! instruction set.
#![allow(unsafe_code)]

use super::Shape;
use super::simd::{Simd, dispatch};
use crate::parallel::{Unwritten, for_each_part};

/// Added to the variance for numerical stability.
pub const EPSILON: f32 = 1e-5;

/// Number of independent partial sums, so that the compiler can vectorise.
const LANES: usize = 32;

/// Batch statistics returned by [`forward`].
pub struct Statistics {
    /// `[c]`
    pub mean: Vec<f32>,
    /// `[c]`; biased (divided by the number of samples).
    pub variance: Vec<f32>,
}

/// `relu(gamma (x - mean) / sqrt(variance + epsilon) + beta)`, with mean and variance taken over `n, h, w`.
pub fn forward(x: &[f32], shape: Shape, gamma: &[f32], beta: &[f32]) -> (Vec<f32>, Statistics) {
    assert_eq!(x.len(), shape.len());
    let mut sums = vec![0.0; 2 * shape.c];
    let mut out = Vec::with_capacity(x.len());
    let target = Unwritten::spare(&mut out, x.len());
    let stats = sums.chunks_exact_mut(2).collect();
    for_each_part(stats, |c, stat| forward_channel(x, shape, c, [gamma[c], beta[c]], target, stat));
    // SAFETY: the channels cover the output, and each task writes its own.
    unsafe { out.set_len(x.len()) };
    let mean = sums.iter().step_by(2).copied().collect();
    let variance = sums.iter().skip(1).step_by(2).copied().collect();
    (out, Statistics { mean, variance })
}

/// Gradients of `x`, `gamma` and `beta`; `out` is the output of [`forward`].
pub fn backward(
    x: &[f32],
    shape: Shape,
    gamma: &[f32],
    statistics: &Statistics,
    out: &[f32],
    gradient: &[f32],
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    assert!(x.len() == shape.len() && out.len() == shape.len() && gradient.len() == shape.len());
    let mut sums = vec![0.0; 2 * shape.c];
    let mut input = Vec::with_capacity(x.len());
    let into = Unwritten::spare(&mut input, x.len());
    for_each_part(sums.chunks_exact_mut(2).collect(), |c, sum| {
        let params = [gamma[c], statistics.mean[c], 1.0 / (statistics.variance[c] + EPSILON).sqrt()];
        backward_channel([x, out, gradient], shape, c, params, into, sum);
    });
    // SAFETY: the channels cover the gradient, and each task writes its own.
    unsafe { input.set_len(x.len()) };
    let gamma = sums.iter().step_by(2).copied().collect();
    let beta = sums.iter().skip(1).step_by(2).copied().collect();
    (input, gamma, beta)
}

fn forward_channel(x: &[f32], shape: Shape, c: usize, params: [f32; 2], out: Unwritten, stat: &mut [f32]) {
    dispatch!(forward_body::<S>(
        x: &[f32],
        shape: Shape,
        c: usize,
        params: [f32; 2],
        out: Unwritten<'_>,
        stat: &mut [f32],
    ))
}

#[inline(always)]
unsafe fn forward_body<S: Simd>(
    x: &[f32],
    shape: Shape,
    c: usize,
    [gamma, beta]: [f32; 2],
    out: Unwritten<'_>,
    stat: &mut [f32],
) {
    let plane = |n: usize| n * shape.image() + c * shape.plane();
    let count = (shape.n * shape.plane()) as f64;
    // Sums of differences from a value near the mean, as squares of large numbers would cancel. The value is taken from
    // the middle of the image, because zero padding distorts those at the border.
    let shift = x[plane(0) + shape.h / 2 * shape.w + shape.w / 2];
    let (mut first, mut second) = (0.0f64, 0.0f64);
    for n in 0..shape.n {
        let (a, b) = two_sums(&x[plane(n)..][..shape.plane()], |v| (v - shift, (v - shift) * (v - shift)));
        first += a;
        second += b;
    }
    let offset = first / count;
    let variance = (second / count - offset * offset).max(0.0) as f32;
    let mean = shift + offset as f32;
    let scale = gamma / (variance + EPSILON).sqrt();
    let bias = beta - scale * mean;
    for n in 0..shape.n {
        // SAFETY: one task per channel.
        let target = unsafe { out.slice(plane(n), shape.plane()) };
        for (target, &v) in target.iter_mut().zip(&x[plane(n)..]) {
            let value = scale * v + bias;
            target.write(if value < 0.0 { 0.0 } else { value });
        }
    }
    stat.copy_from_slice(&[mean, variance]);
}

fn backward_channel(
    from: [&[f32]; 3],
    shape: Shape,
    c: usize,
    params: [f32; 3],
    into: Unwritten,
    sum: &mut [f32],
) {
    dispatch!(backward_body::<S>(
        from: [&[f32]; 3],
        shape: Shape,
        c: usize,
        params: [f32; 3],
        into: Unwritten<'_>,
        sum: &mut [f32],
    ))
}

#[inline(always)]
unsafe fn backward_body<S: Simd>(
    [x, out, gradient]: [&[f32]; 3],
    shape: Shape,
    c: usize,
    [gamma, mean, inverse]: [f32; 3],
    into: Unwritten<'_>,
    sum: &mut [f32],
) {
    let plane = |n: usize| n * shape.image() + c * shape.plane();
    let count = (shape.n * shape.plane()) as f64;
    let gate = |out: f32, gradient: f32| if out > 0.0 { gradient } else { 0.0 };
    let (mut by_gamma, mut by_beta) = (0.0f64, 0.0f64);
    for n in 0..shape.n {
        let at = plane(n)..plane(n) + shape.plane();
        let (x, out, gradient) = (&x[at.clone()], &out[at.clone()], &gradient[at]);
        let mut lanes = [[0.0f32; LANES]; 2];
        let chunks = x.chunks_exact(LANES).zip(out.chunks_exact(LANES)).zip(gradient.chunks_exact(LANES));
        for ((x, out), gradient) in chunks {
            for lane in 0..LANES {
                let g = gate(out[lane], gradient[lane]);
                lanes[0][lane] += g * (x[lane] - mean);
                lanes[1][lane] += g;
            }
        }
        for at in x.len() / LANES * LANES..x.len() {
            let g = gate(out[at], gradient[at]);
            by_gamma += f64::from(g * (x[at] - mean));
            by_beta += f64::from(g);
        }
        by_gamma += lanes[0].iter().map(|&v| f64::from(v)).sum::<f64>();
        by_beta += lanes[1].iter().map(|&v| f64::from(v)).sum::<f64>();
    }
    let (by_gamma, by_beta) = (by_gamma * f64::from(inverse), by_beta);
    let scale = gamma * inverse;
    let level = (by_beta / count) as f32;
    let slope = (by_gamma / count) as f32 * inverse;
    for n in 0..shape.n {
        let at = plane(n)..plane(n) + shape.plane();
        // SAFETY: one task per channel.
        let target = unsafe { into.slice(at.start, shape.plane()) };
        let from = x[at.clone()].iter().zip(&out[at.clone()]).zip(&gradient[at]);
        for (target, ((&x, &out), &gradient)) in target.iter_mut().zip(from) {
            target.write(scale * (gate(out, gradient) - level - slope * (x - mean)));
        }
    }
    sum.copy_from_slice(&[by_gamma as f32, by_beta as f32]);
}

/// Sums, over all values, of the two functions that `of` computes.
#[inline(always)]
fn two_sums(values: &[f32], of: impl Fn(f32) -> (f32, f32)) -> (f64, f64) {
    let mut lanes = [[0.0f32; LANES]; 2];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &value) in chunk.iter().enumerate() {
            let (a, b) = of(value);
            lanes[0][lane] += a;
            lanes[1][lane] += b;
        }
    }
    let mut sums = lanes.map(|lanes| lanes.iter().map(|&v| f64::from(v)).sum::<f64>());
    for &value in rest {
        let (a, b) = of(value);
        sums[0] += f64::from(a);
        sums[1] += f64::from(b);
    }
    (sums[0], sums[1])
}
