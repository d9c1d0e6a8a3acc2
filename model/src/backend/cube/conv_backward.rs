//! Backward pass of the 3x3 convolution: the ReLU gate, and the gradients of weights and bias.
//!
//! The gradient of the input is again a convolution ([`super::conv::backward_input`]). The gradient of the weights
//! correlates the output gradient with the input: each workgroup takes one input channel, a vector of output channels
//! and a share of the pixels, sums in registers, then in shared memory, and writes one partial sum per weight. A second
//! kernel adds the shares in a fixed order. Without atomics the result is reproducible.
#![allow(unsafe_code)]

use super::conv::ROWS;
use super::pool::{countable, empty, grid};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Threads in a workgroup of [`correlate_kernel`]; must be a power of two. [`SLOTS`] vectors of 4 floats per thread
/// take 10 KiB of shared memory, of the 16 KiB that WebGPU guarantees.
const THREADS: usize = 64;
/// Output channels in a vector.
const LANES: usize = 4;
/// Sums kept by each thread: nine weights and the bias.
const SLOTS: usize = 10;
/// Upper bound on workgroups; more shares would bring no more parallelism.
const WORKGROUPS: usize = 4096;

/// `gradient` where `output` is positive, else zero.
#[cube(launch_unchecked)]
fn gate_kernel<F: Float>(
    gradient: &Array<F>,
    output: &Array<F>,
    gated: &mut Array<F>,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= gated.len() {
        terminate!();
    }
    let zero = F::new(0.0);
    gated[ABSOLUTE_POS] = select(output[ABSOLUTE_POS] > zero, gradient[ABSOLUTE_POS], zero);
}

/// `x`: `[n, c, h, w]`; `gradient`: `[n, o, h, w]`; `partial`: `[shares, o / N, c, SLOTS]` vectors. The last slot holds
/// the bias sum, which is the same for every input channel.
///
/// Grid: shares × input channels × blocks of output channels. A work item is a column of [`ROWS`] pixels.
#[cube(launch_unchecked)]
#[allow(clippy::manual_div_ceil, reason = "a kernel has no div_ceil")]
fn correlate_kernel<F: Float, N: Size>(
    x: &Array<F>,
    gradient: &Array<F>,
    partial: &mut Array<Vector<F, N>>,
    images: usize,
    o: usize,
    h: usize,
    w: usize,
    #[define(F)] _dtype: StorageType,
) {
    let plane = h * w;
    let channels = CUBE_COUNT_Y as usize;
    let channel = CUBE_POS_Y as usize;
    let first = CUBE_POS_Z as usize * N::value();
    let unit = UNIT_POS as usize;
    let zero = F::new(0.0);

    let mut sums = Array::<Vector<F, N>>::new(SLOTS);
    #[unroll]
    for slot in 0..SLOTS {
        sums[slot] = Vector::<F, N>::new(zero);
    }

    let per_image = (h + ROWS - 1) / ROWS * w;
    let items = images * per_image;
    let step = CUBE_COUNT_X as usize * THREADS;
    let mut item = CUBE_POS_X as usize * THREADS + unit;
    while item < items {
        let image = item / per_image;
        let column = item % per_image % w;
        let top = item % per_image / w * ROWS;
        let from = (image * channels + channel) * plane;

        let mut window = Sequence::<F>::new();
        #[unroll]
        for row in 0..comptime!(ROWS + 2) {
            let y = top + row;
            #[unroll]
            for side in 0..3usize {
                let x_ = column + side;
                let value = x[from + (min(max(y, 1), h) - 1) * w + min(max(x_, 1), w) - 1];
                window.push(select(y >= 1 && y <= h && x_ >= 1 && x_ <= w, value, zero));
            }
        }
        #[unroll]
        for row in 0..ROWS {
            let y = top + row;
            let at = min(y, h - 1) * w + column;
            let mut slope = Vector::<F, N>::new(zero);
            #[unroll]
            for lane in 0..N::value() {
                let value = gradient[(image * o + min(first + lane, o - 1)) * plane + at];
                slope[lane] = select(y < h, value, zero);
            }
            #[unroll]
            for tap in 0..9usize {
                let at = comptime!((row + tap / 3) * 3 + tap % 3);
                sums[tap] += slope * Vector::new(*window.index(at));
            }
            sums[9] += slope;
        }
        item += step;
    }

    let mut shared = SharedMemory::<Vector<F, N>>::new(SLOTS * THREADS);
    #[unroll]
    for slot in 0..SLOTS {
        shared[slot * THREADS + unit] = sums[slot];
    }
    sync_cube();
    #[unroll]
    for level in 0..comptime!(THREADS.ilog2()) {
        let width = comptime!(THREADS >> (level + 1));
        if unit < width {
            #[unroll]
            for slot in 0..SLOTS {
                let other = shared[slot * THREADS + unit + width];
                shared[slot * THREADS + unit] += other;
            }
        }
        sync_cube();
    }
    if unit < SLOTS {
        let block = (CUBE_POS_X * CUBE_COUNT_Z + CUBE_POS_Z) as usize;
        partial[(block * channels + channel) * SLOTS + unit] = shared[unit * THREADS];
    }
}

/// Adds up the shares of [`correlate_kernel`]: `partial`, read as scalars, to `out`, `[o, c, 9]`, or `[o]` if `bias`.
#[cube(launch_unchecked)]
fn sum_kernel<F: Float>(
    partial: &Array<F>,
    out: &mut Array<F>,
    shares: usize,
    blocks: usize,
    channels: usize,
    #[comptime] bias: bool,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let per_output = if comptime!(bias) { 1usize.runtime() } else { channels * 9 };
    let output = ABSOLUTE_POS / per_output;
    let rest = ABSOLUTE_POS % per_output;
    let channel = rest / 9;
    let slot = if comptime!(bias) { 9usize.runtime() } else { rest % 9 };
    let first = ((output / LANES * channels + channel) * SLOTS + slot) * LANES + output % LANES;
    let step = blocks * channels * SLOTS * LANES;
    let mut sum = F::new(0.0);
    for share in 0..shares {
        sum += partial[first + share * step];
    }
    out[ABSOLUTE_POS] = sum;
}

/// `gradient` where `output` (of a ReLU) is positive, else zero; both `[n, o, h, w]`.
pub fn gate<R: CubeRuntime>(gradient: CubeTensor<R>, output: CubeTensor<R>) -> CubeTensor<R> {
    assert_eq!(gradient.meta.shape(), output.meta.shape());
    let (gradient, output) = (into_contiguous(gradient), into_contiguous(output));
    let gated = empty(&gradient, gradient.meta.shape().dims::<4>(), gradient.dtype);
    let (count, dim) = grid(&gated, gated.meta.num_elements());
    let (client, dtype) = (gated.client.clone(), gated.dtype.into());
    // SAFETY: three arrays of equal length, one thread per element, surplus threads exit at once.
    unsafe {
        gate_kernel::launch_unchecked(
            &client,
            count,
            dim,
            gradient.into_array_arg(),
            output.into_array_arg(),
            gated.clone().into_array_arg(),
            dtype,
        );
    }
    gated
}

/// Gradients of weights `[o, c, 3, 3]` and bias `[o]` from `x` `[n, c, h, w]` and the gated `gradient` `[n, o, h, w]`.
pub fn weight_and_bias<R: CubeRuntime>(
    x: CubeTensor<R>,
    gradient: CubeTensor<R>,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let [n, c, h, w] = x.meta.shape().dims();
    let [of, o, height, width] = gradient.meta.shape().dims();
    assert_eq!([of, height, width], [n, h, w]);
    countable(&x);
    countable(&gradient);
    let (x, gradient) = (into_contiguous(x), into_contiguous(gradient));
    let (client, dtype) = (x.client.clone(), x.dtype);
    let blocks = o.div_ceil(LANES);
    let items = n * h.div_ceil(ROWS) * w;
    let shares = items.div_ceil(THREADS).min((WORKGROUPS / (c * blocks)).max(1));

    let partial = empty(&x, [shares, blocks * c, SLOTS, LANES], dtype);
    let weight = empty(&x, [o, c, 3, 3], dtype);
    let bias = empty(&x, [o], dtype);
    // SAFETY: loads are clamped to the image and the channels; each workgroup writes its own sums, and `partial` has
    // room for the whole grid.
    unsafe {
        correlate_kernel::launch_unchecked(
            &client,
            CubeCount::Static(shares as u32, c as u32, blocks as u32),
            CubeDim::new_1d(THREADS as u32),
            LANES,
            x.into_array_arg(),
            gradient.into_array_arg(),
            partial.clone().into_array_arg(),
            n,
            o,
            h,
            w,
            dtype.into(),
        );
    }
    for (out, of_bias) in [(&weight, false), (&bias, true)] {
        let (count, dim) = grid(out, out.meta.num_elements());
        // SAFETY: one thread per element of `out`; `partial` has `shares` sums for each.
        unsafe {
            sum_kernel::launch_unchecked(
                &client,
                count,
                dim,
                partial.clone().into_array_arg(),
                out.clone().into_array_arg(),
                shares,
                blocks,
                c,
                of_bias,
                dtype.into(),
            );
        }
    }
    (weight, bias)
}
