//! The vector instructions that the kernels are written against, once for each instruction set.
//!
//! One place for every platform `cfg` and for the unsafe loads and stores. On x86 the widest set that the processor has
//! is found at run time; elsewhere the target says which there is.
#![allow(unsafe_code)]

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(not(any(target_arch = "aarch64", all(target_arch = "wasm32", target_feature = "simd128"))))]
mod scalar;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

// What every processor of the target has.
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
/// The methods may only run on a processor that has the instruction set; [`dispatch!`] sees to that.
/// `load` and `store` touch `LANES` floats from the pointer on, which the caller guarantees are there.
pub unsafe trait Simd: Copy {
    const LANES: usize;
    /// Output channels that one register block of the convolution holds (times two vectors of pixels).
    const BLOCK: usize;
    /// Vector registers.
    const REGISTERS: usize;
    type V: Copy;
    unsafe fn zero() -> Self::V;
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
    /// `a * b + c`; fused where the instruction set can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The greater; `b` where one of them is no number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `value` where `gate` is above zero, else zero.
    unsafe fn where_positive(gate: Self::V, value: Self::V) -> Self::V;

    /// Sum over the lanes.
    #[inline(always)]
    unsafe fn sum(value: Self::V) -> f32 {
        let mut lanes = [0.0f32; 16];
        // SAFETY: no instruction set here has more than 16 lanes.
        unsafe { Self::store(lanes.as_mut_ptr(), value) };
        // By halves: one after the other, each addition would wait for the last.
        let mut half = Self::LANES / 2;
        while half > 0 {
            let (low, high) = lanes.split_at_mut(half);
            low.iter_mut().zip(high).for_each(|(low, high)| *low += *high);
            half /= 2;
        }
        lanes[0]
    }

    /// Sums over the lanes of four vectors.
    #[inline(always)]
    unsafe fn sums(values: [Self::V; 4]) -> [f32; 4] {
        // SAFETY: by the caller.
        values.map(|value| unsafe { Self::sum(value) })
    }
}

/// Calls `$body::<S>($args)` with the widest instruction set this processor has.
///
/// `$body` is an `#[inline(always)] unsafe fn` generic over [`Simd`]; it is compiled once for each set,
/// inside a function with that set enabled.
macro_rules! dispatch {
    ($body:ident::<S>($($arg:ident: $ty:ty),* $(,)?)) => {{
        use crate::kernels::simd;
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) {
                unsafe { $body::<simd::Avx512>($($arg),*) }
            }
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) {
                unsafe { $body::<simd::Avx2>($($arg),*) }
            }
            match simd::set() {
                // SAFETY: `set` detected it.
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

/// What the kernels need to know of the chosen instruction set to lay out their data.
#[derive(Clone, Copy)]
pub struct Width {
    pub lanes: usize,
    pub block: usize,
}

/// Lanes and register block of the instruction set that [`dispatch!`] takes.
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
