//! WebAssembly: simd128, fixed at compile time.

use super::Simd;
use std::arch::wasm32::*;

#[derive(Clone, Copy)]
pub struct Simd128;

// SAFETY: compiled only where the whole module requires simd128.
unsafe impl Simd for Simd128 {
    const LANES: usize = 4;
    const BLOCK: usize = 4;
    const REGISTERS: usize = 16;
    type V = v128;
    #[inline(always)]
    unsafe fn zero() -> v128 {
        f32x4_splat(0.0)
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> v128 {
        f32x4_splat(value)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> v128 {
        unsafe { v128_load(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: v128) {
        unsafe { v128_store(to.cast(), value) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }
    #[inline(always)]
    unsafe fn max(a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    unsafe fn add(a: v128, b: v128) -> v128 {
        f32x4_add(a, b)
    }
    #[inline(always)]
    unsafe fn sub(a: v128, b: v128) -> v128 {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    unsafe fn where_positive(gate: v128, value: v128) -> v128 {
        v128_and(f32x4_gt(gate, f32x4_splat(0.0)), value)
    }
}
