//! Pixels to the network's input and logits back, in bytes: a pixel goes up in four, a logit comes back in two.
#![allow(unsafe_code)]

use super::pool::{PAIR, countable, empty, grid};
use crate::RgbImage;
use crate::backend::tile::{MIDDLE, MOST, SPREAD, STEPS, Turned, Walk};
use burn::tensor::{DType, DataError, TensorData};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// [`Walk`] on the device.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct WalkOnDevice {
    start: i32,
    down: i32,
    right: i32,
}

#[cube]
fn place(way: WalkOnDevice, y: usize, x: usize) -> usize {
    (way.start + y as i32 * way.down + x as i32 * way.right) as usize
}

impl<R: Runtime> WalkOnDeviceLaunch<R> {
    /// Tiles are small enough: [`input`] panics if a tensor of three channels has more than 2³² elements.
    fn along(walk: &Walk) -> Self {
        let [start, down, right] = [walk.start, walk.down, walk.right].map(|step| step as i32);
        Self::new(start, down, right)
    }
}

/// `pixels`: `[h, w]`, as [`packed`]; `out`: `[3, rows, columns]`.
#[cube(launch_unchecked)]
fn input_kernel<F: Float, I: Int>(
    pixels: &Array<I>,
    out: &mut Array<F>,
    columns: usize,
    way: WalkOnDevice,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= pixels.len() {
        terminate!();
    }
    let pixel = pixels[place(way, ABSOLUTE_POS / columns, ABSOLUTE_POS % columns)];
    #[unroll]
    for channel in 0..3usize {
        let value = F::cast_from((pixel >> I::new(comptime!(8 * channel as i64))) & I::new(255));
        out[channel * pixels.len() + ABSOLUTE_POS] = (value - F::new(MIDDLE)) / F::new(SPREAD);
    }
}

/// `logits`: `[2, rows, columns]`; `sum` and `out`: `[h, w]`.
#[cube(launch_unchecked)]
fn add_kernel<F: Float>(
    sum: ComptimeOption<Array<F>>,
    logits: &Array<F>,
    out: &mut Array<F>,
    width: usize,
    way: WalkOnDevice,
    #[define(F)] _dtype: StorageType,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let at = place(way, ABSOLUTE_POS / width, ABSOLUTE_POS % width);
    let mut logit = logits[out.len() + at] - logits[at];
    #[comptime]
    match sum {
        ComptimeOption::Some(sum) => {
            logit += sum[ABSOLUTE_POS];
        }
        ComptimeOption::None => {}
    }
    out[ABSOLUTE_POS] = logit;
}

/// `sum`: pairs of logits; `out`: each pair in 16 bits each, the first in the lower ones.
#[cube(launch_unchecked)]
fn round_kernel<F: Float, I: Int, N: Size>(
    sum: &Array<Vector<F, N>>,
    out: &mut Array<I>,
    factor: f32,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let pair = sum[ABSOLUTE_POS];
    let most = F::new(comptime!(MOST * STEPS));
    let first = I::cast_from(clamp(pair[0] * F::cast_from(factor), -most, most).round());
    let second = I::cast_from(clamp(pair[1] * F::cast_from(factor), -most, most).round());
    out[ABSOLUTE_POS] = (first & I::new(0xffff)) | (second << I::new(16));
}

/// The pixels as integers `[h, w]`: red in the lowest byte, then green and blue.
pub fn packed(pixels: &RgbImage) -> TensorData {
    let values: Vec<i32> =
        pixels.pixels().map(|pixel| i32::from_le_bytes([pixel[0], pixel[1], pixel[2], 0])).collect();
    TensorData::new(values, [pixels.height() as usize, pixels.width() as usize])
}

/// [`packed`] pixels on the device to the network's input, `[1, 3, rows, columns]`.
pub fn input<R: CubeRuntime>(pixels: CubeTensor<R>, turned: &Turned, float: DType) -> CubeTensor<R> {
    // CUDA pads the rows of what is uploaded.
    let pixels = into_contiguous(pixels);
    countable(&pixels);
    let out = empty(&pixels, [1, 3, turned.rows, turned.columns], float);
    let (count, dim) = grid(&pixels, turned.rows * turned.columns);
    let dtypes = [float.into(), pixels.dtype.into()];
    let client = pixels.client.clone();
    // SAFETY: one thread per pixel, surplus threads exit; the way visits each pixel once, and no row is padded.
    unsafe {
        input_kernel::launch_unchecked(
            &client,
            count,
            dim,
            pixels.into_array_arg(),
            out.clone().into_array_arg(),
            turned.columns,
            WalkOnDeviceLaunch::along(&turned.there),
            dtypes,
        );
    }
    out
}

/// Adds the logits of red blood cell against background in `[1, 2, rows, columns]`, turned back, to `sum`, `[h, w]`.
pub fn add<R: CubeRuntime>(
    sum: Option<CubeTensor<R>>,
    logits: CubeTensor<R>,
    turned: &Turned,
    (width, height): (u32, u32),
) -> CubeTensor<R> {
    assert_eq!(logits.meta.shape().dims(), [1, 2, turned.rows, turned.columns]);
    let logits = into_contiguous(logits);
    let out = empty(&logits, [height as usize, width as usize], logits.dtype);
    let (count, dim) = grid(&logits, turned.rows * turned.columns);
    let dtype = logits.dtype.into();
    let client = logits.client.clone();
    // SAFETY: as in `input`; there are two logits for each pixel.
    unsafe {
        add_kernel::launch_unchecked(
            &client,
            count,
            dim,
            sum.map(|sum| sum.into_array_arg()).into(),
            logits.into_array_arg(),
            out.clone().into_array_arg(),
            width as usize,
            WalkOnDeviceLaunch::along(&turned.back),
            dtype,
        );
    }
    out
}

/// Sums of `count` logits, `[h, w]` (`w` even), as the mean in 16 bits: integers `[h, w / 2]`.
pub fn rounded<R: CubeRuntime>(sum: CubeTensor<R>, count: usize, int: DType) -> CubeTensor<R> {
    let [h, w] = sum.meta.shape().dims();
    assert!(w.is_multiple_of(2));
    let out = empty(&sum, [h, w / 2], int);
    let (cubes, dim) = grid(&sum, h * (w / 2));
    let dtypes = [sum.dtype.into(), int.into()];
    let client = sum.client.clone();
    // SAFETY: one thread per pair, surplus threads exit.
    unsafe {
        round_kernel::launch_unchecked(
            &client,
            cubes,
            dim,
            PAIR,
            sum.into_array_arg(),
            out.clone().into_array_arg(),
            STEPS / count as f32,
            dtypes,
        );
    }
    out
}

/// The sums of `count` logits that [`rounded`] integers stand for.
pub fn unpacked(pairs: TensorData, count: usize) -> Result<Vec<f32>, DataError> {
    let pairs = pairs.convert::<i32>();
    let back = count as f32 / STEPS;
    let both = |&pair: &i32| [pair as i16, (pair >> 16) as i16].map(|logit| f32::from(logit) * back);
    Ok(pairs.as_slice::<i32>()?.iter().flat_map(both).collect())
}
