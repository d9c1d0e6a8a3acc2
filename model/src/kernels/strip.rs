//! The innermost loops of the convolution kernels.
#![allow(unsafe_code)]

use super::pool::largest;
use super::simd::Simd;
use super::winograd::{self, PRODUCTS};
use std::mem::MaybeUninit;

/// Convolves one strip: `B` output channels of two vectors of pixels in one row, with a window of three columns.
///
/// `input` points at the strip's left neighbour in the row of the first channel; the next channel's row is `stride`
/// floats further on. `weights` are packed `[channels][3][B]`.
///
/// # Safety
/// The processor must have the instruction set; `input` must have `2 * LANES + 2` readable floats in each channel's
/// row, `weights` `3 * channels * B`.
#[inline(always)]
pub unsafe fn convolve<S: Simd, const B: usize>(
    input: *const f32,
    channels: usize,
    stride: usize,
    weights: *const f32,
) -> [[S::V; 2]; B] {
    // SAFETY: upheld by the caller: the last load of a row ends at its `2 * LANES + 2` floats.
    unsafe {
        let mut sum = [[S::zero(); 2]; B];
        let mut w = weights;
        for c in 0..channels {
            let row = input.add(c * stride);
            for kx in 0..3 {
                let left = S::load(row.add(kx));
                let right = S::load(row.add(kx + S::LANES));
                for (b, sum) in sum.iter_mut().enumerate() {
                    let weight = S::splat(*w.add(b));
                    sum[0] = S::mul_add(weight, left, sum[0]);
                    sum[1] = S::mul_add(weight, right, sum[1]);
                }
                w = w.add(B);
            }
        }
        sum
    }
}

/// Loads a vector of each row from `x` on, padded with zeros beyond the end; zero where the gate is not positive.
///
/// # Safety
/// The processor must have the instruction set; all rows and gates must have the same length, greater than `x`.
#[inline(always)]
pub unsafe fn rows<S: Simd, const R: usize>(
    rows: &[&[f32]; R],
    gates: &Option<[&[f32]; R]>,
    x: usize,
) -> [S::V; R] {
    // SAFETY: a whole vector is loaded only where it lies within the first row, and all are as long.
    unsafe {
        let mut values = [S::zero(); R];
        if x + S::LANES <= rows[0].len() {
            for (value, row) in values.iter_mut().zip(rows) {
                *value = S::load(row.as_ptr().add(x));
            }
            if let Some(gates) = gates {
                for (value, gate) in values.iter_mut().zip(gates) {
                    *value = S::where_positive(S::load(gate.as_ptr().add(x)), *value);
                }
            }
        } else {
            for (value, row) in values.iter_mut().zip(rows) {
                *value = end::<S>(&row[x..]);
            }
            if let Some(gates) = gates {
                for (value, gate) in values.iter_mut().zip(gates) {
                    *value = S::where_positive(end::<S>(&gate[x..]), *value);
                }
            }
        }
        values
    }
}

/// Winograd-transforms six rows into `PRODUCTS` lines of `stride` floats, `step` floats apart. Each line starts with a
/// vector whose last element is the zero left of the image, and ends with zeros.
///
/// # Safety
/// The processor must have the instruction set; all rows must have the same length, and `stride` must leave room for
/// two vectors more.
#[inline(always)]
pub unsafe fn transform<S: Simd>(
    from: &[&[f32]; PRODUCTS],
    gates: &Option<[&[f32]; PRODUCTS]>,
    to: &mut [f32],
    step: usize,
    stride: usize,
) {
    let w = from[0].len();
    assert!(to.len() >= (PRODUCTS - 1) * step + stride);
    assert!(stride.is_multiple_of(S::LANES) && stride >= w.next_multiple_of(S::LANES) + S::LANES);
    // SAFETY: upheld by the caller; all writes lie within the lines.
    unsafe {
        let to = to.as_mut_ptr();
        for product in 0..PRODUCTS {
            let line = to.add(product * step);
            S::store(line, S::zero());
            let mut x = w.next_multiple_of(S::LANES) + S::LANES;
            while x < stride {
                S::store(line.add(x), S::zero());
                x += S::LANES;
            }
        }
        let mut x = 0;
        while x < w {
            let values = winograd::input::<S>(rows::<S, PRODUCTS>(from, gates, x));
            for (product, value) in values.into_iter().enumerate() {
                S::store(to.add(product * step + S::LANES + x), value);
            }
            x += S::LANES;
        }
    }
}

/// Loads less than a vector and pads it with zeros.
#[inline(always)]
unsafe fn end<S: Simd>(line: &[f32]) -> S::V {
    let mut whole = [0.0; 16];
    whole[..line.len()].copy_from_slice(line);
    // SAFETY: no instruction set has more than 16 lanes.
    unsafe { S::load(whole.as_ptr()) }
}

/// Stores two vectors, or as much of them as fits into the end of a row.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
pub unsafe fn put<S: Simd>(line: &mut [MaybeUninit<f32>], pair: [S::V; 2]) {
    // SAFETY: two vectors are stored only into a line as long, or into room for the longest ones.
    unsafe {
        if line.len() == 2 * S::LANES {
            let line = line.as_mut_ptr().cast::<f32>();
            S::store(line, pair[0]);
            S::store(line.add(S::LANES), pair[1]);
        } else {
            let mut whole = [0.0; 32];
            S::store(whole.as_mut_ptr(), pair[0]);
            S::store(whole.as_mut_ptr().add(S::LANES), pair[1]);
            line.iter_mut().zip(whole).for_each(|(to, value)| _ = to.write(value));
        }
    }
}

/// Max-pools two rows of two vectors each: values and places of as many windows as fit.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
pub unsafe fn pool<S: Simd>(
    upper: [S::V; 2],
    lower: [S::V; 2],
    values: &mut [MaybeUninit<f32>],
    places: &mut [MaybeUninit<i32>],
) {
    let mut rows = [[0.0f32; 32]; 2];
    for (row, pair) in rows.iter_mut().zip([upper, lower]) {
        // SAFETY: no instruction set has more than 16 lanes.
        unsafe {
            S::store(row.as_mut_ptr(), pair[0]);
            S::store(row.as_mut_ptr().add(S::LANES), pair[1]);
        }
    }
    let windows = rows[0].chunks_exact(2).zip(rows[1].chunks_exact(2));
    for ((value, place), (u, l)) in values.iter_mut().zip(places).zip(windows) {
        let found = largest([u[0], u[1], l[0], l[1]]);
        value.write(found.0);
        place.write(found.1);
    }
}

/// Layout of the lines to correlate: `count` lines of `width` floats, `step` floats from one line to the next and
/// `stride` from one channel to the next.
#[derive(Clone, Copy)]
pub struct Lines {
    pub count: usize,
    pub step: usize,
    pub stride: usize,
    pub width: usize,
}

/// Correlates the lines of `O` gradient channels with those of `C` input channels at three shifts: the gradient of the
/// three taps along x. Adds to `into`, `[O][C][3]`, with `filter` floats from one output to the next.
///
/// # Safety
/// The processor must have the instruction set. `gradient` must point at the first pixel of the first channel's first
/// line, `input` one column to its left; both must be zero-padded to whole vectors.
#[inline(always)]
pub unsafe fn correlate<S: Simd, const O: usize, const C: usize>(
    gradient: *const f32,
    input: *const f32,
    lines: Lines,
    into: &mut [f32],
    filter: usize,
) {
    // SAFETY: upheld by the caller: the lines are padded to whole vectors, and `input` starts a column before them.
    unsafe {
        let mut sum = [[[S::zero(); 3]; C]; O];
        for line in 0..lines.count {
            let mut x = 0;
            while x < lines.width {
                let at = line * lines.step + x;
                let mut shifted = [[S::zero(); 3]; C];
                for (c, shifted) in shifted.iter_mut().enumerate() {
                    for (kx, value) in shifted.iter_mut().enumerate() {
                        *value = S::load(input.add(c * lines.stride + at + kx));
                    }
                }
                for (o, sum) in sum.iter_mut().enumerate() {
                    let g = S::load(gradient.add(o * lines.stride + at));
                    for (sum, shifted) in sum.iter_mut().zip(&shifted) {
                        for (sum, &value) in sum.iter_mut().zip(shifted) {
                            *sum = S::mul_add(g, value, *sum);
                        }
                    }
                }
                x += S::LANES;
            }
        }
        for (o, sum) in sum.iter().enumerate() {
            // The 3 C sums, zero-padded to two groups of four.
            let mut flat = [S::zero(); 8];
            flat.iter_mut().zip(sum.as_flattened()).for_each(|(flat, &sum)| *flat = sum);
            let (first, rest) =
                (S::sums([flat[0], flat[1], flat[2], flat[3]]), [flat[4], flat[5], flat[6], flat[7]]);
            let rest = if C > 1 { S::sums(rest) } else { [0.0; 4] };
            for (into, sum) in into[o * filter..][..3 * C].iter_mut().zip(first.into_iter().chain(rest)) {
                *into += sum;
            }
        }
    }
}
