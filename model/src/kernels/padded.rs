//! A band of rows copied out with its zero border, so that the kernels need no edge cases.

use super::Shape;

/// Where a band lies and how its copy is laid out: `[channels][rows + 2][stride]`, one row above and one
/// below, one column left, and zeros on the right up to a whole number of vector pairs.
#[derive(Clone, Copy)]
pub struct Band {
    /// First row of the image that the band covers.
    pub y: usize,
    pub rows: usize,
    pub stride: usize,
}

impl Band {
    pub fn stride(width: usize, lanes: usize) -> usize {
        width.next_multiple_of(2 * lanes) + 2
    }

    /// Floats from one channel to the next.
    pub fn plane(&self) -> usize {
        (self.rows + 2) * self.stride
    }

    /// Copies the band of one image (`shape.c` planes); where `gate` is given, only what lies where the gate
    /// is positive (the backward of ReLU).
    pub fn fill(&self, image: &[f32], gate: Option<&[f32]>, shape: Shape, into: &mut [f32]) {
        for c in 0..shape.c {
            let plane = &mut into[c * self.plane()..][..self.plane()];
            for (row, line) in plane.chunks_exact_mut(self.stride).enumerate() {
                let y = self.y + row;
                if y == 0 || y > shape.h {
                    line.fill(0.0);
                    continue;
                }
                let from = c * shape.plane() + (y - 1) * shape.w;
                line[0] = 0.0;
                let source = &image[from..from + shape.w];
                let target = &mut line[1..=shape.w];
                match gate {
                    None => target.copy_from_slice(source),
                    Some(gate) => {
                        let gate = &gate[from..from + shape.w];
                        for ((t, &s), &g) in target.iter_mut().zip(source).zip(gate) {
                            *t = if g > 0.0 { s } else { 0.0 };
                        }
                    }
                }
                line[shape.w + 1..].fill(0.0);
            }
        }
    }
}

/// How many rows a band may have so that `channels` of them stay in the second-level cache.
pub fn band_rows(channels: usize, stride: usize, height: usize) -> usize {
    const FLOATS: usize = 160 * 1024;
    (FLOATS / (channels * stride).max(1)).saturating_sub(2).clamp(4, height.max(4)).min(height)
}

thread_local! {
    static SCRATCH: std::cell::Cell<Vec<f32>> = const { std::cell::Cell::new(Vec::new()) };
}

/// Lends this thread's scratch buffer, `len` floats of unspecified content.
pub fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.take();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = body(&mut buffer[..len]);
    SCRATCH.set(buffer);
    result
}
