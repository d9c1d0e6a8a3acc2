//! The one place that knows whether there are threads.

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

/// A slice that several tasks write at once, each its own part.
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

#[allow(unsafe_code)]
impl<'a, T> Shared<'a, T> {
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: std::marker::PhantomData }
    }

    /// A new vector that `write` fills altogether. It is not zeroed first: for a large feature map that costs a tenth
    /// of the convolution that writes it.
    ///
    /// # Safety
    /// `write` must write every element before it returns, and read none that it has not written.
    pub unsafe fn fill(len: usize, write: impl FnOnce(Shared<'_, T>)) -> Vec<T> {
        let mut values: Vec<T> = Vec::with_capacity(len);
        let start = values.as_mut_ptr();
        write(Shared { start, len, life: std::marker::PhantomData });
        // SAFETY: the capacity is there and `write` has filled it.
        unsafe { values.set_len(len) };
        values
    }

    /// The part `from..from + len`.
    ///
    /// # Safety
    /// No two tasks may hold overlapping parts at the same time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, from: usize, len: usize) -> &'a mut [T] {
        assert!(from + len <= self.len);
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), len) }
    }
}
