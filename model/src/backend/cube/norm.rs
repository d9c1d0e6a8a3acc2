//! Batch normalisation with ReLU, forward and backward, in three launches each: partial sums, their totals for each
//! channel, and the elements.
//!
//! Partial sums are added in a fixed order, without atomics, so the result is reproducible.
#![allow(unsafe_code)]

use super::pool::{countable, empty, grid};
use crate::backend::EPSILON;
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Threads in a workgroup that sums; must be a power of two.
const THREADS: usize = 128;
/// Elements per thread, unless that would take more than [`SHARES`] workgroups a channel.
const EACH: usize = 8;
/// Upper bound on the workgroups of a channel, whose sums one thread adds up.
const SHARES: usize = 64;

/// Extents of what is normalised.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Extent {
    n: usize,
    c: usize,
    /// Pixels of a channel of one image.
    plane: usize,
}

/// Position of the element `item` of a channel.
#[cube]
fn position(extent: Extent, channel: usize, item: usize) -> usize {
    (item / extent.plane * extent.c + channel) * extent.plane + item % extent.plane
}

/// Adds up two sums over the workgroup; `partial`: `[shares, c, 2]`.
#[cube]
fn store_sums<F: Float>(first: F, second: F, partial: &mut Array<F>) {
    let unit = UNIT_POS as usize;
    let mut shared = SharedMemory::<F>::new(2 * THREADS);
    shared[unit] = first;
    shared[THREADS + unit] = second;
    sync_cube();
    #[unroll]
    for level in 0..comptime!(THREADS.ilog2()) {
        let width = comptime!(THREADS >> (level + 1));
        if unit < width {
            let of_first = shared[unit + width];
            shared[unit] += of_first;
            let of_second = shared[THREADS + unit + width];
            shared[THREADS + unit] += of_second;
        }
        sync_cube();
    }
    if unit < 2 {
        let share = (CUBE_POS_X * CUBE_COUNT_Y + CUBE_POS_Y) as usize;
        partial[share * 2 + unit] = shared[unit * THREADS];
    }
}

/// Sums of `x` and of its squares, both less the first element of the channel: close to the mean, so that little is
/// cancelled when the variance is computed from them.
///
/// Grid: shares × channels.
#[cube(launch_unchecked)]
fn moments_kernel<F: Float>(
    x: &Array<F>,
    partial: &mut Array<F>,
    extent: Extent,
    #[define(F)] _dtype: StorageType,
) {
    let channel = CUBE_POS_Y as usize;
    let near = x[channel * extent.plane];
    let (mut first, mut second) = (F::new(0.0), F::new(0.0));
    let step = CUBE_COUNT_X as usize * THREADS;
    let mut item = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    while item < extent.n * extent.plane {
        let apart = x[position(extent, channel, item)] - near;
        first += apart;
        second += apart * apart;
        item += step;
    }
    store_sums(first, second, partial);
}

/// Mean and variance of each channel from [`moments_kernel`]'s sums.
#[cube(launch_unchecked)]
fn statistics_kernel<F: Float>(
    x: &Array<F>,
    partial: &Array<F>,
    mean: &mut Array<F>,
    variance: &mut Array<F>,
    extent: Extent,
    shares: usize,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= mean.len() {
        terminate!();
    }
    let (mut first, mut second) = (F::new(0.0), F::new(0.0));
    for share in 0..shares {
        let at = (share * extent.c + ABSOLUTE_POS) * 2;
        first += partial[at];
        second += partial[at + 1];
    }
    let count = F::cast_from(extent.n * extent.plane);
    let apart = first / count;
    mean[ABSOLUTE_POS] = x[ABSOLUTE_POS * extent.plane] + apart;
    // Rounding must not make it negative.
    variance[ABSOLUTE_POS] = max(second / count - apart * apart, F::new(0.0));
}

/// `x` and `out`: `[n, c, plane]`; the others: `[c]`.
#[cube(launch_unchecked)]
fn apply_kernel<F: Float>(
    x: &Array<F>,
    mean: &Array<F>,
    variance: &Array<F>,
    gamma: &Array<F>,
    beta: &Array<F>,
    out: &mut Array<F>,
    extent: Extent,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS / extent.plane % extent.c;
    let scale = gamma[channel] / (variance[channel] + F::new(EPSILON)).sqrt();
    let value = (x[ABSOLUTE_POS] - mean[channel]) * scale + beta[channel];
    // Not `max`, so that NaN stays NaN.
    out[ABSOLUTE_POS] = select(value < F::new(0.0), F::new(0.0), value);
}

/// Sums of the gradient where `output` is positive, and of its product with the normalised `x`.
///
/// Grid: shares × channels.
#[cube(launch_unchecked)]
fn slopes_kernel<F: Float>(
    x: &Array<F>,
    output: &Array<F>,
    gradient: &Array<F>,
    mean: &Array<F>,
    variance: &Array<F>,
    partial: &mut Array<F>,
    extent: Extent,
    #[define(F)] _dtype: StorageType,
) {
    let channel = CUBE_POS_Y as usize;
    let zero = F::new(0.0);
    let inverse = F::new(1.0) / (variance[channel] + F::new(EPSILON)).sqrt();
    let (mut first, mut second) = (F::new(0.0), F::new(0.0));
    let step = CUBE_COUNT_X as usize * THREADS;
    let mut item = CUBE_POS_X as usize * THREADS + UNIT_POS as usize;
    while item < extent.n * extent.plane {
        let at = position(extent, channel, item);
        let slope = select(output[at] > zero, gradient[at], zero);
        first += slope;
        second += slope * (x[at] - mean[channel]) * inverse;
        item += step;
    }
    store_sums(first, second, partial);
}

/// Gradients of gamma and beta from [`slopes_kernel`]'s sums, and the [`COEFFICIENTS`] of [`gradient_kernel`].
#[cube(launch_unchecked)]
fn totals_kernel<F: Float>(
    partial: &Array<F>,
    mean: &Array<F>,
    variance: &Array<F>,
    gamma: &Array<F>,
    by_gamma: &mut Array<F>,
    by_beta: &mut Array<F>,
    coefficients: &mut Array<F>,
    extent: Extent,
    shares: usize,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= extent.c {
        terminate!();
    }
    let (mut first, mut second) = (F::new(0.0), F::new(0.0));
    for share in 0..shares {
        let at = (share * extent.c + ABSOLUTE_POS) * 2;
        first += partial[at];
        second += partial[at + 1];
    }
    by_beta[ABSOLUTE_POS] = first;
    by_gamma[ABSOLUTE_POS] = second;
    let count = F::cast_from(extent.n * extent.plane);
    let inverse = F::new(1.0) / (variance[ABSOLUTE_POS] + F::new(EPSILON)).sqrt();
    let scale = gamma[ABSOLUTE_POS] * inverse;
    let at = ABSOLUTE_POS * COEFFICIENTS;
    coefficients[at] = mean[ABSOLUTE_POS];
    coefficients[at + 1] = scale;
    coefficients[at + 2] = scale * first / count;
    coefficients[at + 3] = scale * inverse * second / count;
}

/// For each channel the mean, and the factors of the gradient, of one, and of `x` less the mean. Together, because
/// WebGPU guarantees a kernel only eight arrays.
const COEFFICIENTS: usize = 4;

/// The gradient of `x` (Ioffe, Szegedy: Batch Normalization, 2015, section 3).
#[cube(launch_unchecked)]
fn gradient_kernel<F: Float>(
    x: &Array<F>,
    output: &Array<F>,
    gradient: &Array<F>,
    coefficients: &Array<F>,
    out: &mut Array<F>,
    extent: Extent,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let at = ABSOLUTE_POS / extent.plane % extent.c * COEFFICIENTS;
    let zero = F::new(0.0);
    let slope = select(output[ABSOLUTE_POS] > zero, gradient[ABSOLUTE_POS], zero);
    let apart = x[ABSOLUTE_POS] - coefficients[at];
    out[ABSOLUTE_POS] = coefficients[at + 1] * slope - coefficients[at + 2] - coefficients[at + 3] * apart;
}

/// Number of workgroups that share a channel of `items` elements.
fn shares(items: usize) -> usize {
    items.div_ceil(THREADS * EACH).clamp(1, SHARES)
}

/// `x` `[n, c, h, w]`, `gamma` and `beta` `[c]` to output `[n, c, h, w]`, mean and variance `[c]`.
pub fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    gamma: CubeTensor<R>,
    beta: CubeTensor<R>,
) -> [CubeTensor<R>; 3] {
    let [n, c, h, w] = x.meta.shape().dims();
    assert!([&gamma, &beta].iter().all(|of| of.meta.shape().dims() == [c]));
    countable(&x);
    let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
    let (client, dtype) = (x.client.clone(), x.dtype);
    let shares = shares(n * h * w);
    let partial = empty(&x, [shares, c, 2], dtype);
    let (mean, variance) = (empty(&x, [c], dtype), empty(&x, [c], dtype));
    let out = empty(&x, [n, c, h, w], dtype);
    let extent = || ExtentLaunch::new(n, c, h * w);
    // SAFETY: items end with the channel; each workgroup writes its own two sums.
    unsafe {
        moments_kernel::launch_unchecked(
            &client,
            CubeCount::Static(shares as u32, c as u32, 1),
            CubeDim::new_1d(THREADS as u32),
            x.clone().into_array_arg(),
            partial.clone().into_array_arg(),
            extent(),
            dtype.into(),
        );
    }
    let (count, dim) = grid(&x, c);
    // SAFETY: one thread per channel, surplus threads exit at once; `partial` has `shares` pairs of sums for each.
    unsafe {
        statistics_kernel::launch_unchecked(
            &client,
            count,
            dim,
            x.clone().into_array_arg(),
            partial.into_array_arg(),
            mean.clone().into_array_arg(),
            variance.clone().into_array_arg(),
            extent(),
            shares,
            dtype.into(),
        );
    }
    let (count, dim) = grid(&x, n * c * h * w);
    // SAFETY: one thread per element, surplus threads exit at once; there are `c` of each parameter.
    unsafe {
        apply_kernel::launch_unchecked(
            &client,
            count,
            dim,
            x.into_array_arg(),
            mean.clone().into_array_arg(),
            variance.clone().into_array_arg(),
            gamma.into_array_arg(),
            beta.into_array_arg(),
            out.clone().into_array_arg(),
            extent(),
            dtype.into(),
        );
    }
    [out, mean, variance]
}

/// Gradients of `x` `[n, c, h, w]`, `gamma` and `beta` `[c]`; `found` is what [`forward`] returned.
pub fn backward<R: CubeRuntime>(
    x: CubeTensor<R>,
    gamma: CubeTensor<R>,
    found: [CubeTensor<R>; 3],
    gradient: CubeTensor<R>,
) -> [CubeTensor<R>; 3] {
    let [n, c, h, w] = x.meta.shape().dims();
    assert!([&found[0], &gradient].iter().all(|of| of.meta.shape().dims() == [n, c, h, w]));
    assert!([&gamma, &found[1], &found[2]].iter().all(|of| of.meta.shape().dims() == [c]));
    countable(&x);
    let [x, gamma, gradient] = [x, gamma, gradient].map(into_contiguous);
    let [output, mean, variance] = found.map(into_contiguous);
    let (client, dtype) = (x.client.clone(), x.dtype);
    let shares = shares(n * h * w);
    let partial = empty(&x, [shares, c, 2], dtype);
    let (by_gamma, by_beta) = (empty(&x, [c], dtype), empty(&x, [c], dtype));
    let coefficients = empty(&x, [c, COEFFICIENTS], dtype);
    let out = empty(&x, [n, c, h, w], dtype);
    let extent = || ExtentLaunch::new(n, c, h * w);
    // SAFETY: as in `forward`.
    unsafe {
        slopes_kernel::launch_unchecked(
            &client,
            CubeCount::Static(shares as u32, c as u32, 1),
            CubeDim::new_1d(THREADS as u32),
            x.clone().into_array_arg(),
            output.clone().into_array_arg(),
            gradient.clone().into_array_arg(),
            mean.clone().into_array_arg(),
            variance.clone().into_array_arg(),
            partial.clone().into_array_arg(),
            extent(),
            dtype.into(),
        );
    }
    let (count, dim) = grid(&x, c);
    // SAFETY: as in `forward`.
    unsafe {
        totals_kernel::launch_unchecked(
            &client,
            count,
            dim,
            partial.into_array_arg(),
            mean.into_array_arg(),
            variance.into_array_arg(),
            gamma.into_array_arg(),
            by_gamma.clone().into_array_arg(),
            by_beta.clone().into_array_arg(),
            coefficients.clone().into_array_arg(),
            extent(),
            shares,
            dtype.into(),
        );
    }
    let (count, dim) = grid(&x, n * c * h * w);
    // SAFETY: as in `forward`.
    unsafe {
        gradient_kernel::launch_unchecked(
            &client,
            count,
            dim,
            x.into_array_arg(),
            output.into_array_arg(),
            gradient.into_array_arg(),
            coefficients.into_array_arg(),
            out.clone().into_array_arg(),
            extent(),
            dtype.into(),
        );
    }
    [out, by_gamma, by_beta]
}
