//! The vector instructions that the kernels are written against, once for each instruction set.
//!
//! One place for every platform `cfg` and for the unsafe loads and stores. The widest set that the
//! processor has is found at run time; in wasm it is simd128, fixed at build time.
#![allow(unsafe_code)]

/// A vector of `LANES` floats.
///
/// # Safety
/// The methods may only run on a processor that has the instruction set; [`dispatch!`] sees to that.
/// `load` and `store` touch `LANES` floats from the pointer on, which the caller guarantees are there.
pub unsafe trait Simd: Copy {
    const LANES: usize;
    /// Output channels that one register block of the convolution holds (times two vectors of pixels).
    const BLOCK: usize;
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

/// One float at a time: every processor can. In wasm the choice is made when it is built.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[derive(Clone, Copy)]
pub struct Scalar;

// SAFETY: plain Rust.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
unsafe impl Simd for Scalar {
    const LANES: usize = 1;
    const BLOCK: usize = 4;
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::*;

    #[derive(Clone, Copy)]
    pub struct Avx512;

    // SAFETY: chosen by `dispatch!` only where avx512f was detected.
    unsafe impl Simd for Avx512 {
        const LANES: usize = 16;
        const BLOCK: usize = 8;
        type V = __m512;
        #[inline(always)]
        unsafe fn zero() -> __m512 {
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m512) {
            unsafe { _mm512_storeu_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn where_positive(gate: __m512, value: __m512) -> __m512 {
            unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), value) }
        }
        #[inline(always)]
        unsafe fn sums(values: [__m512; 4]) -> [f32; 4] {
            unsafe {
                // Transposed in parts of four lanes, and added up on the way.
                let [a, b, c, d] = values;
                let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                let all = _mm512_add_ps(
                    _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)),
                );
                let parts = std::mem::transmute::<__m512, [__m128; 4]>(all);
                let found = _mm_add_ps(_mm_add_ps(parts[0], parts[1]), _mm_add_ps(parts[2], parts[3]));
                std::mem::transmute::<__m128, [f32; 4]>(found)
            }
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx2;

    // SAFETY: chosen by `dispatch!` only where avx2 and fma were detected.
    unsafe impl Simd for Avx2 {
        const LANES: usize = 8;
        const BLOCK: usize = 4;
        type V = __m256;
        #[inline(always)]
        unsafe fn zero() -> __m256 {
            unsafe { _mm256_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m256 {
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m256 {
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m256) {
            unsafe { _mm256_storeu_ps(to, value) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn where_positive(gate: __m256, value: __m256) -> __m256 {
            unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), value) }
        }
        #[inline(always)]
        unsafe fn sums(values: [__m256; 4]) -> [f32; 4] {
            unsafe {
                // Pairs of neighbours are added; then the parts of four lanes.
                let [a, b, c, d] = values;
                let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
                let parts = std::mem::transmute::<__m256, [__m128; 2]>(all);
                std::mem::transmute::<__m128, [f32; 4]>(_mm_add_ps(parts[0], parts[1]))
            }
        }
    }
}
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wasm {
    use super::Simd;
    use std::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct Simd128;

    // SAFETY: compiled only where the whole module requires simd128.
    unsafe impl Simd for Simd128 {
        const LANES: usize = 4;
        const BLOCK: usize = 4;
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
}
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub use wasm::Simd128;

/// Instruction sets of x86 that there are kernels for.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    None,
    Avx2,
    Avx512,
}

/// The widest set that this processor has, or a narrower one that the environment variable `RBC_SIMD` asks for (`none`,
/// `avx2`): so that one machine can try them all.
#[cfg(target_arch = "x86_64")]
pub fn set() -> Set {
    static FOUND: std::sync::OnceLock<Set> = std::sync::OnceLock::new();
    *FOUND.get_or_init(|| {
        let has = if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
            Set::None
        } else if !is_x86_feature_detected!("avx512f") {
            Set::Avx2
        } else {
            Set::Avx512
        };
        match std::env::var("RBC_SIMD").as_deref() {
            Ok("none") => Set::None,
            Ok("avx2") => Set::Avx2.min(has),
            _ => has,
        }
    })
}

/// Calls `$body::<S>($args)` with the widest instruction set this processor has.
///
/// `$body` is an `#[inline(always)] unsafe fn` generic over [`Simd`]; it is compiled once for each set,
/// inside a function with that set enabled.
macro_rules! dispatch {
    ($body:ident::<S $(, $generic:tt)*>($($arg:ident: $ty:ty),* $(,)?)) => {{
        #[cfg(target_arch = "x86_64")]
        {
            use crate::kernels::simd::{Avx2, Avx512};
            #[target_feature(enable = "avx512f,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx512($($arg: $ty),*) {
                unsafe { $body::<Avx512 $(, $generic)*>($($arg),*) }
            }
            #[target_feature(enable = "avx2,fma")]
            #[allow(clippy::too_many_arguments)]
            unsafe fn avx2($($arg: $ty),*) {
                unsafe { $body::<Avx2 $(, $generic)*>($($arg),*) }
            }
            match crate::kernels::simd::set() {
                // SAFETY: `set` detected it.
                crate::kernels::simd::Set::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                crate::kernels::simd::Set::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: needs no instruction set.
                crate::kernels::simd::Set::None => unsafe { $body::<crate::kernels::simd::Scalar $(, $generic)*>($($arg),*) },
            }
        }
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        {
            // SAFETY: the module as a whole requires simd128.
            unsafe { $body::<crate::kernels::simd::Simd128 $(, $generic)*>($($arg),*) }
        }
        #[cfg(not(any(target_arch = "x86_64", all(target_arch = "wasm32", target_feature = "simd128"))))]
        {
            // SAFETY: needs no instruction set.
            unsafe { $body::<crate::kernels::simd::Scalar $(, $generic)*>($($arg),*) }
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

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::{Set, set};

    #[test]
    fn the_set_is_no_wider_than_asked_for() {
        match std::env::var("RBC_SIMD").as_deref() {
            Ok("none") => assert_eq!(set(), Set::None),
            Ok("avx2") => assert!(set() <= Set::Avx2),
            _ => assert_eq!(set() == Set::Avx512, is_x86_feature_detected!("avx512f")),
        }
    }
}
