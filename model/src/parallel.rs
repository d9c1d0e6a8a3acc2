//! Parallel loops; the only place that depends on whether there are threads.

use std::mem::MaybeUninit;

/// Runs `task(0)` to `task(tasks - 1)` in parallel.
#[cfg(feature = "rayon")]
pub fn for_each(tasks: usize, task: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    (0..tasks).into_par_iter().for_each(task);
}

/// Runs `task(0)` to `task(tasks - 1)` one after the other.
#[cfg(not(feature = "rayon"))]
pub fn for_each(tasks: usize, task: impl Fn(usize) + Sync + Send) {
    (0..tasks).for_each(task);
}

/// Runs `task(index, part)` for each part in parallel.
#[cfg(feature = "rayon")]
pub fn for_each_part<T: Send>(parts: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    use rayon::prelude::*;
    parts.into_par_iter().enumerate().for_each(|(at, part)| task(at, part));
}

/// Runs `task(index, part)` for each part, one after the other.
#[cfg(not(feature = "rayon"))]
pub fn for_each_part<T: Send>(parts: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    parts.into_iter().enumerate().for_each(|(at, part)| task(at, part));
}

/// Maps `task` over the items, keeping their order, on all cores (natively).
#[cfg(feature = "rayon")]
pub fn map<T: Sync, R: Send>(items: &[T], task: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    items.par_iter().map(task).collect()
}

/// Maps `task` over the items, keeping their order, one after the other.
#[cfg(not(feature = "rayon"))]
pub fn map<T: Sync, R: Send>(items: &[T], task: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    items.iter().map(task).collect()
}

/// A slice to which several tasks write concurrently, each to its own, not necessarily contiguous parts.
#[derive(Clone, Copy)]
pub struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    life: std::marker::PhantomData<&'a mut [T]>,
}

#[allow(unsafe_code)]
// SAFETY: tasks write disjoint parts, as required by the safety contract of `slice`.
unsafe impl<T: Send> Send for Shared<'_, T> {}
#[allow(unsafe_code)]
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

/// A shared slice of uninitialised elements.
pub type Unwritten<'a, T = f32> = Shared<'a, MaybeUninit<T>>;

#[allow(unsafe_code)]
impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: std::marker::PhantomData }
    }

    /// The part `from..from + len`. Panics if it is out of bounds.
    ///
    /// # Safety
    /// No two tasks may hold overlapping parts at the same time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, from: usize, len: usize) -> &'a mut [T] {
        assert!(from <= self.len && len <= self.len - from);
        // SAFETY: within bounds, and the caller guarantees that nobody else holds these elements.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}

impl<'a, T> Unwritten<'a, T> {
    /// The spare capacity for `len` elements of an empty vector; the caller sets the length once they are written.
    /// Zeroing them first would cost a tenth of the convolution that writes a large feature map.
    pub fn spare(empty: &'a mut Vec<T>, len: usize) -> Self {
        Self::new(&mut empty.spare_capacity_mut()[..len])
    }
}
