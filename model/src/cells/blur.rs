//! Box blur.

/// Replaces each value by the mean over a square of side `2 radius + 1`, rows first, then columns; edge values are
/// repeated beyond the edge. The cost does not depend on the radius.
pub fn blur(values: &mut [f32], width: usize, height: usize, radius: usize) {
    let mut line = Vec::new();
    for row in values.chunks_exact_mut(width) {
        line.clear();
        line.extend_from_slice(row);
        mean_along(&line, radius, |x, mean| row[x] = mean);
    }
    // Whole rows of column sums at a time, for cache locality.
    let mut sums = vec![0.0f32; width];
    let source = values.to_vec();
    let row = |y: isize| {
        let y = y.clamp(0, height as isize - 1) as usize;
        &source[y * width..(y + 1) * width]
    };
    let reach = radius as isize;
    for y in -reach..=reach {
        sums.iter_mut().zip(row(y)).for_each(|(sum, value)| *sum += value);
    }
    let share = 1.0 / (2 * radius + 1) as f32;
    for (y, out) in values.chunks_exact_mut(width).enumerate() {
        let y = y as isize;
        let (leaving, coming) = (row(y - reach), row(y + reach + 1));
        for x in 0..width {
            out[x] = sums[x] * share;
            sums[x] += coming[x] - leaving[x];
        }
    }
}

/// Calls `put` with each index of the line and the mean over `radius` values on either side.
fn mean_along(line: &[f32], radius: usize, mut put: impl FnMut(usize, f32)) {
    let last = line.len() as isize - 1;
    let value = |x: isize| line[x.clamp(0, last) as usize];
    let reach = radius as isize;
    let mut sum: f32 = (-reach..=reach).map(value).sum();
    let share = 1.0 / (2 * radius + 1) as f32;
    for x in 0..line.len() {
        put(x, sum * share);
        let x = x as isize;
        sum += value(x + reach + 1) - value(x - reach);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_is_the_mean_of_the_square() {
        let (width, height, radius) = (7usize, 5usize, 2usize);
        let values: Vec<f32> = (0..35).map(|i| ((i * 37) % 11) as f32).collect();
        let mut blurred = values.clone();
        blur(&mut blurred, width, height, radius);
        let value = |x: isize, y: isize| values[y.clamp(0, 4) as usize * width + x.clamp(0, 6) as usize];
        for (at, &got) in blurred.iter().enumerate() {
            let (x, y) = ((at % width) as isize, (at / width) as isize);
            let sum: f32 = (-2..=2)
                .flat_map(|dy| (-2..=2).map(move |dx| (dx, dy)))
                .map(|(dx, dy)| value(x + dx, y + dy))
                .sum();
            assert!((got - sum / 25.0).abs() < 1e-4, "pixel {at}");
        }
    }
}
