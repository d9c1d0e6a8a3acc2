//! Reproducible random tensors.

/// A xorshift generator: the same sequence natively and in wasm.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Uniform in `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 32) as usize % end
    }

    /// Uniform in -1..1.
    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.value()).collect()
    }

    /// Few distinct values, many of them zero, so that pooling windows have ties.
    pub fn coarse(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| if self.below(3) == 0 { 0.0 } else { (self.value() * 2.0).round() / 2.0 }).collect()
    }

    /// Window places, 0 to 3.
    pub fn places(&mut self, len: usize) -> Vec<i32> {
        (0..len).map(|_| self.below(4) as i32).collect()
    }

    /// Positive values in random order, any two at least `1 / 16` apart.
    pub fn distinct(&mut self, len: usize) -> Vec<f32> {
        let mut values: Vec<f32> = (1..=len).map(|i| i as f32 / 16.0).collect();
        for i in (1..len).rev() {
            values.swap(i, self.below(i + 1));
        }
        values
    }
}
