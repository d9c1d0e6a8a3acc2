//! Gaussian blur of one plane; edge pixels are repeated.

/// Blurs with a standard deviation of `sigma` px: a small one with the kernel itself, a large one by three running
/// means.
pub fn blur(plane: &[f32], width: usize, height: usize, sigma: f32) -> Vec<f32> {
    if sigma < 0.2 {
        return plane.to_vec();
    }
    let pass = |plane: &[f32], width: usize, height: usize| {
        let rows = if sigma < 2.5 {
            rows_by_kernel(plane, width, sigma)
        } else {
            rows_by_means(plane, width, sigma)
        };
        transposed(&rows, width, height)
    };
    let columns = pass(plane, width, height);
    pass(&columns, height, width)
}

fn rows_by_kernel(plane: &[f32], width: usize, sigma: f32) -> Vec<f32> {
    let half = (3.0 * sigma).ceil() as usize;
    let mut kernel: Vec<f32> =
        (0..=2 * half).map(|i| (i as f32 - half as f32) / sigma).map(|d| (-0.5 * d * d).exp()).collect();
    let total: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= total);
    let mut out = vec![0.0; plane.len()];
    let mut padded = vec![0.0; width + 2 * half];
    for (row, out) in plane.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        padded[..half].fill(row[0]);
        padded[half..half + width].copy_from_slice(row);
        padded[half + width..].fill(row[width - 1]);
        for (k, weight) in kernel.iter().enumerate() {
            out.iter_mut().zip(&padded[k..]).for_each(|(o, v)| *o += weight * v);
        }
    }
    out
}

fn rows_by_means(plane: &[f32], width: usize, sigma: f32) -> Vec<f32> {
    // Three means of 2h + 1 px have a variance of (2h + 1)² / 4 - 1 / 4.
    let half = ((4.0 * sigma * sigma + 1.0).sqrt() / 2.0 - 0.5).round().max(1.0) as isize;
    let last = width as isize - 1;
    let mut out = plane.to_vec();
    let mut row = vec![0.0; width];
    for line in out.chunks_exact_mut(width) {
        for _ in 0..3 {
            row.copy_from_slice(line);
            let at = |i: isize| row[i.clamp(0, last) as usize];
            let mut sum: f32 = (-half..=half).map(at).sum();
            for (x, value) in line.iter_mut().enumerate() {
                *value = sum / (2 * half + 1) as f32;
                sum += at(x as isize + half + 1) - at(x as isize - half);
            }
        }
    }
    out
}

fn transposed(plane: &[f32], width: usize, height: usize) -> Vec<f32> {
    const BLOCK: usize = 32;
    let mut out = vec![0.0; plane.len()];
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            for y in top..(top + BLOCK).min(height) {
                for x in left..(left + BLOCK).min(width) {
                    out[x * height + y] = plane[y * width + x];
                }
            }
        }
    }
    out
}
