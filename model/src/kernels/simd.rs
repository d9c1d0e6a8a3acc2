//! The vector operations that the kernels are written in, implemented for each instruction set.
//!
//! All platform `cfg`s of the kernels and the unsafe loads and stores are here. On x86 the widest instruction set of
//! the processor is detected at run time; elsewhere it is fixed by the target.
#![allow(unsafe_code)]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each block of an implementation is an instruction of the set that the comment above it vouches for"
)]

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(any(target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

// The instruction set that every processor of the target has.
#[cfg(target_arch = "aarch64")]
pub use neon::Neon as Baseline;
#[cfg(not(any(target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128"))))]
pub use scalar::Scalar as Baseline;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Simd128 as Baseline;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512, Set, set};

/// A vector of `LANES` floats.
///
/// # Safety
/// The methods may only run on a processor that has the instruction set; [`dispatch!`] ensures that. The caller
/// guarantees that `LANES` floats can be read (`load`) or written (`store`) from the pointer on.
pub unsafe trait Simd: Copy {
    const LANES: usize;
    /// Output channels per register block of the convolution (times two vectors of pixels).
    const BLOCK: usize;
    /// Number of vector registers.
    const REGISTERS: usize;
    type V: Copy;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// `a * b + c`; fused if the instruction set supports it.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater of the two; `b` if either is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `value` where `gate` is positive, else zero.
    unsafe fn where_positive(gate: Self::V, value: Self::V) -> Self::V;

    /// Sum over the lanes.
    #[inline(always)]
    unsafe fn sum(value: Self::V) -> f32 {
        let mut lanes = [0.0f32; 16];
        // SAFETY: no instruction set here has more than 16 lanes.
        unsafe { Self::store(lanes.as_mut_ptr(), value) };
        // Pairwise halving: in a sequential sum each addition would wait for the previous one.
        let mut half = Self::LANES / 2;
        while half > 0 {
            let (low, high) = lanes.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
            half /= 2;
        }
        lanes[0]
    }

    /// Sum over the lanes of each of four vectors.
    #[inline(always)]
    unsafe fn sums(values: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: upheld by the caller.
        values.map(|value| unsafe { Self::sum(value) })
    }
}

/// Calls `$body::<S>($args)` with the widest instruction set that this processor has.
///
/// `$body` is an `#[inline(always)] unsafe fn` generic over [`Simd`]. It is compiled once per instruction set, inside a
/// function with that set enabled.
macro_rules! dispatch {
    ($body:ident::<S>($($arg:ident: $ty:ty),* $(,)?)) => {{
        use crate::kernels::simd;
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) {
                // SAFETY: this function is called only where the set was detected.
                unsafe { $body::<simd::Avx512>($($arg),*) }
            }
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) {
                // SAFETY: this function is called only where the set was detected.
                unsafe { $body::<simd::Avx2>($($arg),*) }
            }
            match simd::set() {
                // SAFETY: `set` has detected it.
                simd::Set::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                simd::Set::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: every processor of this target has it.
                simd::Set::None => unsafe { $body::<simd::Baseline>($($arg),*) },
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            // SAFETY: every processor of this target has it.
            unsafe { $body::<simd::Baseline>($($arg),*) }
        }
    }};
}
pub(crate) use dispatch;

/// Properties of the chosen instruction set that determine the kernels' data layout.
#[derive(Clone, Copy)]
pub struct Width {
    pub lanes: usize,
    pub block: usize,
}

/// Lanes and register block of the instruction set that [`dispatch!`] uses.
pub fn width() -> Width {
    let mut width = Width { lanes: 0, block: 0 };
    let into = &mut width;
    dispatch!(width_body::<S>(into: &mut Width));
    width
}

#[inline(always)]
unsafe fn width_body<S: Simd>(into: &mut Width) {
    *into = Width { lanes: S::LANES, block: S::BLOCK };
}
