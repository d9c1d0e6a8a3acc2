//! One float at a time, for processors without a known instruction set.

use super::Simd;

#[derive(Clone, Copy)]
pub struct Scalar;

// SAFETY: plain Rust.
unsafe impl Simd for Scalar {
    const LANES: usize = 1;
    const BLOCK: usize = 4;
    const REGISTERS: usize = 16;
    type V = f32;
    #[inline(always)]
    unsafe fn zero() -> f32 {
        0.0
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> f32 {
        value
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> f32 {
        unsafe { *from }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: f32) {
        unsafe { *to = value }
    }
    #[inline(always)]
    unsafe fn mul_add(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
    #[inline(always)]
    unsafe fn max(a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    unsafe fn add(a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    unsafe fn sub(a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    unsafe fn where_positive(gate: f32, value: f32) -> f32 {
        if gate > 0.0 { value } else { 0.0 }
    }
}
