//! The innermost loops.
#![allow(unsafe_code)]

use super::pool::largest;
use super::simd::Simd;

/// Convolves one strip: `B` output channels of two vectors of pixels of one row, with a window of three columns.
///
/// `input` points at the strip's left neighbour in the row of the first channel, with `stride` floats to that of the
/// next; `weights` are packed `[channels][3][B]`.
///
/// # Safety
/// The instruction set must be there; `input` must have `2 * LANES + 2` floats in each channel's row, `weights`
/// `3 * channels * B`.
#[inline(always)]
pub unsafe fn convolve<S: Simd, const B: usize>(
    input: *const f32,
    channels: usize,
    stride: usize,
    weights: *const f32,
) -> [[S::V; 2]; B] {
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

/// Loads a vector, or what there is at the end of a row and zeros.
///
/// # Safety
/// The instruction set must be there.
#[inline(always)]
pub unsafe fn get<S: Simd>(line: &[f32]) -> S::V {
    unsafe {
        if line.len() >= S::LANES {
            S::load(line.as_ptr())
        } else {
            let mut whole = [0.0; 16];
            whole[..line.len()].copy_from_slice(line);
            S::load(whole.as_ptr())
        }
    }
}

/// Stores two vectors, or as much of them as the end of a row takes.
///
/// # Safety
/// The instruction set must be there.
#[inline(always)]
pub unsafe fn put<S: Simd>(line: &mut [f32], pair: [S::V; 2]) {
    unsafe {
        if line.len() == 2 * S::LANES {
            S::store(line.as_mut_ptr(), pair[0]);
            S::store(line.as_mut_ptr().add(S::LANES), pair[1]);
        } else {
            let mut whole = [0.0; 32];
            S::store(whole.as_mut_ptr(), pair[0]);
            S::store(whole.as_mut_ptr().add(S::LANES), pair[1]);
            line.copy_from_slice(&whole[..line.len()]);
        }
    }
}

/// Pools two rows of two vectors: values and places of as many windows as there is room for.
///
/// # Safety
/// The instruction set must be there.
#[inline(always)]
pub unsafe fn pool<S: Simd>(upper: [S::V; 2], lower: [S::V; 2], values: &mut [f32], places: &mut [i32]) {
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
        (*value, *place) = largest([u[0], u[1], l[0], l[1]]);
    }
}

/// Correlates `O` rows of gradients with three shifts of `C` input rows, over `rows` rows of `width` pixels:
/// the gradient of the weights of one kernel row. Adds to `into`, indexed `[O][C][3]` with the given strides.
///
/// # Safety
/// The instruction set must be there; `gradient` points at the first pixel of the band's first row, `input` one
/// column to its left and `ky - 1` rows below; both padded to whole vectors, `gradient` with zeros.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub unsafe fn correlate<S: Simd, const O: usize, const C: usize>(
    gradient: *const f32,
    gradient_plane: usize,
    input: *const f32,
    input_plane: usize,
    stride: usize,
    rows: usize,
    width: usize,
    into: &mut [f32],
    filter: usize,
) {
    unsafe {
        let mut sum = [[[S::zero(); 3]; C]; O];
        for row in 0..rows {
            let mut x = 0;
            while x < width {
                let at = row * stride + x;
                let mut shifted = [[S::zero(); 3]; C];
                for (c, shifted) in shifted.iter_mut().enumerate() {
                    for (kx, value) in shifted.iter_mut().enumerate() {
                        *value = S::load(input.add(c * input_plane + at + kx));
                    }
                }
                for (o, sum) in sum.iter_mut().enumerate() {
                    let g = S::load(gradient.add(o * gradient_plane + at));
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
            for (c, sum) in sum.iter().enumerate() {
                for (kx, &sum) in sum.iter().enumerate() {
                    into[o * filter + c * 9 + kx] += S::sum(sum);
                }
            }
        }
    }
}
