//! Smooth noise for the unevenness of film, cytoplasm and chromatin.

/// A pseudo-random number in [-1, 1] for a lattice point, the same in every run.
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^= h >> 15;
    h as f32 / (u32::MAX as f32 / 2.0) - 1.0
}

/// Value noise in [-1, 1] with features of about one unit of `x` and `y`.
pub fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let (i, j) = (x0 as i32, y0 as i32);
    let fade = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (fade(x - x0), fade(y - y0));
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(
        mix(lattice(i, j, seed), lattice(i + 1, j, seed), u),
        mix(lattice(i, j + 1, seed), lattice(i + 1, j + 1, seed), u),
        v,
    )
}

/// Value noise summed over octaves, each twice as fine and half as strong; in about [-1, 1].
pub fn fractal(x: f32, y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    let (mut u, mut v) = (x, y);
    for octave in 0..octaves {
        // Rotate each octave, so that the lattice does not show.
        (u, v) = (0.8 * u - 0.6 * v, 0.6 * u + 0.8 * v);
        sum += weight * value(u, v, seed.wrapping_add(octave.wrapping_mul(0x51ED_270B)));
        total += weight;
        weight *= 0.5;
        (u, v) = (u * 2.03, v * 2.03);
    }
    sum / total
}
