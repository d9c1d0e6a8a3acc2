//! 3x3 convolution, stride 1, zero padding 1, with bias and ReLU fused.
//!
//! Each thread computes a column of [`ROWS`] pixels for a vector of output channels in registers: `3 (ROWS + 2)` input
//! loads and 9 vector loads of weights feed `9 ROWS` vector multiply-adds. Neighbouring threads are neighbours in x, so
//! their input loads coalesce; all threads of a workgroup read the same weights. Shared memory and barriers are avoided
//! on purpose: an input tile in shared memory made this kernel 3 to 4 times slower on SwiftShader (where a barrier is a
//! coroutine switch), and on a GPU the first-level cache serves the reuse just as well.
#![allow(unsafe_code)]

use super::pool::{countable, empty};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Pixels of a column computed by one thread.
pub(super) const ROWS: usize = 8;
/// Threads in a workgroup.
const THREADS: u32 = 64;

/// Extents of a convolution.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Extent {
    /// Channels in.
    c: usize,
    /// Channels out.
    o: usize,
    h: usize,
    w: usize,
}

/// `x`: `[n, c, h, w]`; `weight`: as packed by [`pack_kernel`]; `bias`: `[o]`; `out`: `[n, o, h, w]`.
///
/// Grid: pixel columns × blocks of output channels × images.
#[cube(launch_unchecked)]
fn conv_kernel<F: Float, N: Size>(
    x: &Array<F>,
    weight: &Array<Vector<F, N>>,
    bias: ComptimeOption<Array<F>>,
    out: &mut Array<F>,
    extent: Extent,
    #[comptime] relu: bool,
    #[define(F)] _dtype: StorageType,
) {
    let (h, w) = (extent.h, extent.w);
    let thread = ABSOLUTE_POS_X as usize;
    let column = thread % w;
    let top = thread / w * ROWS;
    if top >= h {
        terminate!();
    }
    let plane = h * w;
    let lanes = N::value();
    let first = CUBE_POS_Y as usize * lanes;
    let image = CUBE_POS_Z as usize;

    let mut sums = Array::<Vector<F, N>>::new(ROWS);
    let mut start = Vector::<F, N>::new(F::new(0.0));
    #[comptime]
    match bias {
        ComptimeOption::Some(bias) =>
        {
            #[unroll]
            for lane in 0..lanes {
                start[lane] = bias[min(first + lane, extent.o - 1)];
            }
        }
        ComptimeOption::None => {}
    }
    #[unroll]
    for row in 0..ROWS {
        sums[row] = start;
    }

    // Row offsets and columns of the window, clamped into the image, and whether they lie inside it.
    let mut columns = Sequence::<usize>::new();
    let mut in_columns = Sequence::<bool>::new();
    #[unroll]
    for step in 0..3usize {
        let at = column + step;
        columns.push(min(max(at, 1), w) - 1);
        in_columns.push(at >= 1 && at <= w);
    }
    let mut rows = Sequence::<usize>::new();
    let mut in_rows = Sequence::<bool>::new();
    #[unroll]
    for step in 0..comptime!(ROWS + 2) {
        let at = top + step;
        rows.push((min(max(at, 1), h) - 1) * w);
        in_rows.push(at >= 1 && at <= h);
    }

    let mut from = image * extent.c * plane;
    let mut filter = CUBE_POS_Y as usize * extent.c * 9;
    for _ in 0..extent.c {
        let mut window = Sequence::<F>::new();
        #[unroll]
        for row in 0..comptime!(ROWS + 2) {
            #[unroll]
            for step in 0..3usize {
                let value = x[from + *rows.index(row) + *columns.index(step)];
                window.push(select(*in_rows.index(row) && *in_columns.index(step), value, F::new(0.0)));
            }
        }
        #[unroll]
        for tap in 0..9usize {
            let factor = weight[filter + tap];
            #[unroll]
            for row in 0..ROWS {
                let at = comptime!((row + tap / 3) * 3 + tap % 3);
                sums[row] += factor * Vector::new(*window.index(at));
            }
        }
        from += plane;
        filter += 9;
    }

    #[unroll]
    for row in 0..ROWS {
        if top + row < h {
            let sum = sums[row];
            #[unroll]
            for lane in 0..lanes {
                if first + lane < extent.o {
                    let mut value = sum[lane];
                    if comptime!(relu) {
                        // Not `max`, so that NaN stays NaN.
                        value = select(value < F::new(0.0), F::new(0.0), value);
                    }
                    out[((image * extent.o + first + lane) * h + top + row) * w + column] = value;
                }
            }
        }
    }
}

/// Strides of a weight tensor, in elements.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Strides {
    outputs: usize,
    inputs: usize,
    y: usize,
    x: usize,
}

/// Packs weights in the order in which [`conv_kernel`] reads them: `[o / N, c, 3, 3]` vectors of `N` output channels,
/// zero beyond `o`. If `turned`, the kernel is rotated by 180 degrees (the caller swaps the channels by their strides).
#[cube(launch_unchecked)]
fn pack_kernel<F: Float, N: Size>(
    weight: &Array<F>,
    packed: &mut Array<Vector<F, N>>,
    vectors: usize,
    extent: Extent,
    strides: Strides,
    #[comptime] turned: bool,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let slot = ABSOLUTE_POS % 9;
    let channel = ABSOLUTE_POS / 9 % extent.c;
    let first = ABSOLUTE_POS / 9 / extent.c * N::value();
    let tap = if comptime!(turned) { 8 - slot } else { slot };
    let at = channel * strides.inputs + tap / 3 * strides.y + tap % 3 * strides.x;
    let mut vector = Vector::<F, N>::new(F::new(0.0));
    #[unroll]
    for lane in 0..N::value() {
        let output = first + lane;
        let value = weight[at + min(output, extent.o - 1) * strides.outputs];
        vector[lane] = select(output < extent.o, value, F::new(0.0));
    }
    packed[ABSOLUTE_POS] = vector;
}

/// `x` `[n, c, h, w]`, `weight` `[o, c, 3, 3]` and `bias` `[o]` to `[n, o, h, w]`.
pub fn forward<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    bias: CubeTensor<R>,
    relu: bool,
) -> CubeTensor<R> {
    convolve(x, weight, Some(into_contiguous(bias)), relu, false)
}

/// The gradient of the input, `[n, c, h, w]`, from that of the output, `[n, o, h, w]`, and `weight` `[o, c, 3, 3]`:
/// again a convolution, with the kernel rotated by 180 degrees and its channels swapped.
pub fn backward_input<R: CubeRuntime>(gradient: CubeTensor<R>, weight: CubeTensor<R>) -> CubeTensor<R> {
    convolve(gradient, weight, None, false, true)
}

fn convolve<R: CubeRuntime>(
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    bias: Option<CubeTensor<R>>,
    relu: bool,
    turned: bool,
) -> CubeTensor<R> {
    let [n, c, h, w] = x.meta.shape().dims();
    let [outputs, inputs, ..] = weight.meta.shape().dims::<4>();
    let o = if turned { inputs } else { outputs };
    assert_eq!(c, if turned { outputs } else { inputs });
    assert!(bias.as_ref().is_none_or(|bias| bias.meta.num_elements() == o));
    countable(&x);
    let x = into_contiguous(x);
    let client = x.client.clone();
    let dtype = x.dtype.into();
    let lanes = if o <= 2 { o.max(1) } else { 4 };
    let blocks = o.div_ceil(lanes);

    let packed = empty(&x, [blocks, c, 9, lanes], x.dtype);
    let strides = weight.meta.strides().to_vec();
    let (of_outputs, of_inputs) = if turned { (strides[1], strides[0]) } else { (strides[0], strides[1]) };
    let vectors = blocks * c * 9;
    // SAFETY: one thread per vector, surplus threads exit; strides and clamped channels stay within the weights.
    unsafe {
        pack_kernel::launch_unchecked(
            &client,
            CubeCount::Static((vectors as u32).div_ceil(THREADS), 1, 1),
            CubeDim::new_1d(THREADS),
            lanes,
            weight.into_array_arg(),
            packed.clone().into_array_arg(),
            vectors,
            ExtentLaunch::new(c, o, h, w),
            StridesLaunch::new(of_outputs, of_inputs, strides[2], strides[3]),
            turned,
            dtype,
        );
    }

    let out = empty(&x, [n, o, h, w], x.dtype);
    let threads = (h.div_ceil(ROWS) * w) as u32;
    // SAFETY: the grid covers each pixel, block and image once; loads are clamped to the image and the channels, and
    // stores are guarded by both.
    unsafe {
        conv_kernel::launch_unchecked(
            &client,
            CubeCount::Static(threads.div_ceil(THREADS), blocks as u32, n as u32),
            CubeDim::new_1d(THREADS),
            lanes,
            x.into_array_arg(),
            packed.into_array_arg(),
            bias.map(|bias| bias.into_array_arg()).into(),
            out.clone().into_array_arg(),
            ExtentLaunch::new(c, o, h, w),
            relu,
            dtype,
        );
    }
    out
}
