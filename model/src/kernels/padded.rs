//! Zero-padded rows, which spare the kernels edge cases, and the scratch memory that holds them.

/// Number of floats per padded row of `width` pixels: a vector on the left, whose last element is the column left of
/// the image, then the row, then zeros up to a whole number of vector pairs and one vector more.
pub fn stride(width: usize, lanes: usize) -> usize {
    width.next_multiple_of(2 * lanes) + 2 * lanes
}

thread_local! {
    static SCRATCH: std::cell::Cell<Vec<f32>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Bytes per cache line; a vector that straddles two takes two loads.
const LINE: usize = 64;

/// Lends out this thread's scratch buffer: `len` floats of unspecified content, aligned to a cache line.
pub fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < len + LINE / 4 {
        buffer.resize(len + LINE / 4, 0.0);
    }
    let start = buffer.as_ptr().align_offset(LINE).min(LINE / 4);
    let result = body(&mut buffer[start..start + len]);
    SCRATCH.set(buffer);
    result
}
