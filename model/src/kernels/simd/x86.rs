//! x86: AVX2 and AVX-512, detected at run time.

use super::Simd;
use std::arch::x86_64::*;

/// The x86 instruction sets that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    None,
    Avx2,
    Avx512,
}

/// The widest set of this processor, or a narrower one requested by the environment variable `RBC_SIMD` (`none`,
/// `avx2`), so that all of them can be tested on one machine.
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

#[derive(Clone, Copy)]
pub struct Avx512;

// SAFETY: chosen by `dispatch!` only where avx512f was detected.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    const BLOCK: usize = 8;
    const REGISTERS: usize = 32;
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
            // A transposition within groups of four lanes, with additions in between.
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
    const REGISTERS: usize = 16;
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
            // Pairwise additions, then the sum of the two halves.
            let [a, b, c, d] = values;
            let all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
            let parts = std::mem::transmute::<__m256, [__m128; 2]>(all);
            std::mem::transmute::<__m128, [f32; 4]>(_mm_add_ps(parts[0], parts[1]))
        }
    }
}

#[cfg(test)]
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
