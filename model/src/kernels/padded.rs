//! Rows padded with zeros, so that the kernels need no edge cases, and where they are kept.

/// Floats of a row of `width` pixels with a vector on its left, which ends with the column outside of the image, and
/// zeros on the right up to a whole number of vector pairs and a vector more.
pub fn stride(width: usize, lanes: usize) -> usize {
    width.next_multiple_of(2 * lanes) + 2 * lanes
}

thread_local! {
    static SCRATCH: std::cell::Cell<Vec<f32>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Bytes of a cache line: a vector that lies in two costs two loads.
const LINE: usize = 64;

/// Lends this thread's scratch buffer, `len` floats of unspecified content, at the start of a cache line.
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
