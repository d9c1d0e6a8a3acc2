//! The one place that knows whether there are threads.

use std::mem::MaybeUninit;

/// Runs `task(0..tasks)` on all cores (natively) or one after the other (in the browser).
#[cfg(feature = "rayon")]
pub fn for_each(tasks: usize, task: impl Fn(usize) + Sync + Send) {
    use rayon::prelude::*;
    (0..tasks).into_par_iter().for_each(task);
}

/// Runs `task(0..tasks)` one after the other.
#[cfg(not(feature = "rayon"))]
pub fn for_each(tasks: usize, task: impl Fn(usize) + Sync + Send) {
    (0..tasks).for_each(task);
}

/// Hands each part of something to a task of its own, on all cores (natively).
#[cfg(feature = "rayon")]
pub fn for_each_part<T: Send>(parts: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    use rayon::prelude::*;
    parts.into_par_iter().enumerate().for_each(|(at, part)| task(at, part));
}

/// Hands each part of something to a task of its own, one after the other.
#[cfg(not(feature = "rayon"))]
pub fn for_each_part<T: Send>(parts: Vec<T>, task: impl Fn(usize, T) + Sync + Send) {
    parts.into_iter().enumerate().for_each(|(at, part)| task(at, part));
}

/// A slice that several tasks write at once, each its own parts, which do not lie together.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    life: std::marker::PhantomData<&'a mut [T]>,
}

#[allow(unsafe_code)]
// SAFETY: the tasks write disjoint parts; `slice` makes each caller say so.
unsafe impl<T: Send> Send for Shared<'_, T> {}
#[allow(unsafe_code)]
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

/// One that nobody has written yet.
pub(super) type Unwritten<'a, T = f32> = Shared<'a, MaybeUninit<T>>;

#[allow(unsafe_code)]
impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: std::marker::PhantomData }
    }

    /// The part `from..from + len`.
    ///
    /// # Safety
    /// No two tasks may hold overlapping parts at the same time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, from: usize, len: usize) -> &'a mut [T] {
        assert!(from <= self.len && len <= self.len - from);
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}

impl<'a, T> Unwritten<'a, T> {
    /// The room for `len` elements behind an empty vector, whose length the caller sets once they are written. They are
    /// not zeroed first: for a large feature map that costs a tenth of the convolution that writes it.
    pub fn spare(empty: &'a mut Vec<T>, len: usize) -> Self {
        Self::new(&mut empty.spare_capacity_mut()[..len])
    }
}
