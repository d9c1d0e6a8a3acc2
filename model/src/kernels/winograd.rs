//! Winograd's minimal filtering F(4, 3): four outputs of a three-tap filter from six products, where the direct way
//! takes twelve (Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, CVPR 2016).
//!
//! With six inputs `d` and the filter `g`, the outputs are `At [(G g) * (Bt d)]`, where
//!
//! ```text
//!      | 4  0 -5  0  1  0 |       |  1/4    0    0  |        | 1  1  1  1  1  0 |
//!      | 0 -4 -4  1  1  0 |       | -1/6 -1/6 -1/6  |   At = | 0  1 -1  2 -2  0 |
//! Bt = | 0  4 -4 -1  1  0 |   G = | -1/6  1/6 -1/6  |        | 0  1  1  4  4  0 |
//!      | 0 -2 -1  2  1  0 |       | 1/24 1/12  1/6  |        | 0  1 -1  8 -8  1 |
//!      | 0  2 -1 -2  1  0 |       | 1/24 -1/12 1/6  |
//!      | 0  4  0 -5  0  1 |       |   0     0    1  |
//! ```
#![allow(unsafe_code)]

use super::simd::Simd;

/// Number of outputs computed together.
pub const ROWS: usize = 4;
/// Number of inputs they need, and of products.
pub const PRODUCTS: usize = 6;

/// `G g`: the transformed filter.
pub fn filter(g: [f32; 3]) -> [f32; PRODUCTS] {
    let (ends, middle) = ((g[0] + g[2]) / -6.0, g[1] / 6.0);
    let (even, odd) = (g[0] / 24.0 + g[2] / 6.0, g[1] / 12.0);
    [g[0] / 4.0, ends - middle, ends + middle, even + odd, even - odd, g[2]]
}

/// `Gt m`: the gradient of the filter from that of its products.
pub fn filter_gradient(m: [f32; PRODUCTS]) -> [f32; 3] {
    let (near, far) = (m[1] + m[2], m[3] + m[4]);
    [
        m[0] / 4.0 - near / 6.0 + far / 24.0,
        (m[2] - m[1]) / 6.0 + (m[3] - m[4]) / 12.0,
        (far - near) / 6.0 + m[5],
    ]
}

/// `Bt d`: the transformed input.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
pub unsafe fn input<S: Simd>(d: [S::V; PRODUCTS]) -> [S::V; PRODUCTS] {
    // SAFETY: the caller dispatched on the instruction set.
    unsafe {
        let (two, four, minus_four, minus_five) =
            (S::splat(2.0), S::splat(4.0), S::splat(-4.0), S::splat(-5.0));
        let (even, odd) = (S::mul_add(minus_four, d[2], d[4]), S::mul_add(minus_four, d[1], d[3]));
        let (near, far) = (S::sub(d[4], d[2]), S::sub(d[3], d[1]));
        [
            S::mul_add(four, d[0], S::mul_add(minus_five, d[2], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::mul_add(two, far, near),
            S::sub(near, S::add(far, far)),
            S::mul_add(four, d[1], S::mul_add(minus_five, d[3], d[5])),
        ]
    }
}

/// `At m`: the outputs, from the products summed over the channels.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
pub unsafe fn output<S: Simd>(m: [S::V; PRODUCTS]) -> [S::V; ROWS] {
    // SAFETY: the caller dispatched on the instruction set.
    unsafe {
        let (two, four, eight) = (S::splat(2.0), S::splat(4.0), S::splat(8.0));
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (far, slope) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], sum), far),
            S::mul_add(two, slope, difference),
            S::mul_add(four, far, sum),
            S::add(S::mul_add(eight, slope, difference), m[5]),
        ]
    }
}

/// `A d`: the gradient of the summed products from that of the outputs.
///
/// # Safety
/// The processor must have the instruction set.
#[inline(always)]
pub unsafe fn output_gradient<S: Simd>(d: [S::V; ROWS]) -> [S::V; PRODUCTS] {
    // SAFETY: the caller dispatched on the instruction set.
    unsafe {
        let four = S::splat(4.0);
        let (even, odd) = (S::add(d[0], d[2]), S::add(d[1], d[3]));
        let (far, slope) = (S::mul_add(four, d[2], d[0]), S::mul_add(four, d[3], d[1]));
        let twice = S::add(slope, slope);
        [d[0], S::add(even, odd), S::sub(even, odd), S::add(far, twice), S::sub(far, twice), d[3]]
    }
}
