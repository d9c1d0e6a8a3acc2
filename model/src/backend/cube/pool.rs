//! 2x2 max pooling with window places, max unpooling, and the gather that is the backward pass of unpooling.
//!
//! One thread per window; no scatter, no atomics. The tensors are contiguous `[n, c, h, w]`, with even `h` and `w` on
//! the large side. Two image rows are then `2 w` consecutive elements and windows never cross planes, so the kernels
//! can ignore plane boundaries.
#![allow(unsafe_code)]

use burn::tensor::{DType, Shape};
use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

/// Elements in one vector: one row of a window.
pub(super) const PAIR: usize = 2;

/// Index, in pairs, of the upper row of a window; the lower row is `width` pairs further on.
#[cube]
fn upper(window: usize, width: usize) -> usize {
    window + window / width * width
}

/// `x`: pairs of `[n, c, 2 h, 2 w]`; `values` and `places`: `[n, c, h, w]`; `width` is `w`.
#[cube(launch_unchecked)]
fn max_pool_kernel<F: Float, I: Int, N: Size>(
    x: &Array<Vector<F, N>>,
    values: &mut Array<F>,
    places: &mut Array<I>,
    width: usize,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= values.len() {
        terminate!();
    }
    let at = upper(ABSOLUTE_POS, width);
    let (a, b) = (x[at], x[at + width]);
    // Of equal values the first wins: only a greater value takes over.
    let in_upper = a[1] > a[0];
    let in_lower = b[1] > b[0];
    let of_upper = select(in_upper, a[1], a[0]);
    let of_lower = select(in_lower, b[1], b[0]);
    let lower = of_lower > of_upper;
    values[ABSOLUTE_POS] = select(lower, of_lower, of_upper);
    let place_upper = select(in_upper, I::new(1), I::new(0));
    let place_lower = select(in_lower, I::new(3), I::new(2));
    places[ABSOLUTE_POS] = select(lower, place_lower, place_upper);
}

/// `x` and `places`: `[n, c, h, w]`; `out`: pairs of `[n, c, 2 h, 2 w]`; `width` is `w`.
#[cube(launch_unchecked)]
fn max_unpool_kernel<F: Float, I: Int, N: Size>(
    x: &Array<F>,
    places: &Array<I>,
    out: &mut Array<Vector<F, N>>,
    width: usize,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= x.len() {
        terminate!();
    }
    let at = upper(ABSOLUTE_POS, width);
    let (value, place) = (x[ABSOLUTE_POS], places[ABSOLUTE_POS]);
    let zero = F::new(0.0);
    let mut a = Vector::<F, N>::new(zero);
    a[0] = select(place == I::new(0), value, zero);
    a[1] = select(place == I::new(1), value, zero);
    let mut b = Vector::<F, N>::new(zero);
    b[0] = select(place == I::new(2), value, zero);
    b[1] = select(place == I::new(3), value, zero);
    out[at] = a;
    out[at + width] = b;
}

/// `x`: pairs of `[n, c, 2 h, 2 w]`; `places` and `out`: `[n, c, h, w]`; `width` is `w`.
#[cube(launch_unchecked)]
fn gather_kernel<F: Float, I: Int, N: Size>(
    x: &Array<Vector<F, N>>,
    places: &Array<I>,
    out: &mut Array<F>,
    width: usize,
    #[define(F, I)] _dtypes: [StorageType; 2],
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let at = upper(ABSOLUTE_POS, width);
    let (a, b) = (x[at], x[at + width]);
    let place = places[ABSOLUTE_POS];
    let of_upper = select(place == I::new(0), a[0], a[1]);
    let of_lower = select(place == I::new(2), b[0], b[1]);
    out[ABSOLUTE_POS] = select(place < I::new(2), of_upper, of_lower);
}

/// `[n, c, h, w]` to values and places, both `[n, c, h / 2, w / 2]`. Places have the type `int`.
pub fn max_pool<R: CubeRuntime>(x: CubeTensor<R>, int: DType) -> (CubeTensor<R>, CubeTensor<R>) {
    let [n, c, h, w] = x.meta.shape().dims();
    assert!(h.is_multiple_of(2) && w.is_multiple_of(2));
    countable(&x);
    let x = into_contiguous(x);
    let values = empty(&x, [n, c, h / 2, w / 2], x.dtype);
    let places = empty(&x, [n, c, h / 2, w / 2], int);
    let (count, dim) = grid(&x, n * c * (h / 2) * (w / 2));
    let dtypes = [x.dtype.into(), int.into()];
    let client = x.client.clone();
    // SAFETY: one thread per window; `x` holds two pairs for each, and surplus threads exit at once.
    unsafe {
        max_pool_kernel::launch_unchecked(
            &client,
            count,
            dim,
            PAIR,
            x.into_array_arg(),
            values.clone().into_array_arg(),
            places.clone().into_array_arg(),
            w / 2,
            dtypes,
        );
    }
    (values, places)
}

/// Values and places `[n, c, h, w]` to `[n, c, 2 h, 2 w]`.
pub fn max_unpool<R: CubeRuntime>(x: CubeTensor<R>, places: CubeTensor<R>) -> CubeTensor<R> {
    let [n, c, h, w] = x.meta.shape().dims();
    assert_eq!(places.meta.shape().dims(), [n, c, h, w]);
    let (x, places) = (into_contiguous(x), into_contiguous(places));
    let out = empty(&x, [n, c, 2 * h, 2 * w], x.dtype);
    let (count, dim) = grid(&x, n * c * h * w);
    let dtypes = [x.dtype.into(), places.dtype.into()];
    let client = x.client.clone();
    // SAFETY: one thread per window; `out` holds two pairs for each, and surplus threads exit at once.
    unsafe {
        max_unpool_kernel::launch_unchecked(
            &client,
            count,
            dim,
            PAIR,
            x.into_array_arg(),
            places.into_array_arg(),
            out.clone().into_array_arg(),
            w,
            dtypes,
        );
    }
    out
}

/// `[n, c, h, w]` and places `[n, c, h / 2, w / 2]` to the elements at those places, `[n, c, h / 2, w / 2]`.
pub fn gather<R: CubeRuntime>(x: CubeTensor<R>, places: CubeTensor<R>) -> CubeTensor<R> {
    let [n, c, h, w] = x.meta.shape().dims();
    assert!(h.is_multiple_of(2) && w.is_multiple_of(2));
    assert_eq!(places.meta.shape().dims(), [n, c, h / 2, w / 2]);
    countable(&x);
    let (x, places) = (into_contiguous(x), into_contiguous(places));
    let out = empty(&x, [n, c, h / 2, w / 2], x.dtype);
    let (count, dim) = grid(&x, n * c * (h / 2) * (w / 2));
    let dtypes = [x.dtype.into(), places.dtype.into()];
    let client = x.client.clone();
    // SAFETY: as in `max_pool`.
    unsafe {
        gather_kernel::launch_unchecked(
            &client,
            count,
            dim,
            PAIR,
            x.into_array_arg(),
            places.into_array_arg(),
            out.clone().into_array_arg(),
            w / 2,
            dtypes,
        );
    }
    out
}

/// Uninitialised tensor on the device of `like`.
pub(super) fn empty<R: CubeRuntime, const D: usize>(
    like: &CubeTensor<R>,
    shape: [usize; D],
    dtype: DType,
) -> CubeTensor<R> {
    let tensor =
        empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), Shape::new(shape), dtype);
    countable(&tensor);
    tensor
}

/// Panics if a tensor has more elements than the kernels' 32-bit indices can address.
pub(super) fn countable<R: CubeRuntime>(tensor: &CubeTensor<R>) {
    assert!(u32::try_from(tensor.meta.num_elements()).is_ok());
}

/// Number and size of workgroups for `threads` threads in one dimension.
pub(super) fn grid<R: CubeRuntime>(like: &CubeTensor<R>, threads: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(&like.client, threads);
    (calculate_cube_count_elemwise(&like.client, threads, dim), dim)
}
