//! Euclidean distance transform.

/// Larger than any distance in an image.
const FAR: f32 = 1e9;

/// Squared distance in pixels from each pixel's centre to the centre of the nearest site: `width * height` values row
/// by row, 0 on sites, at least 1e9 if there is no site at all. Exact for squared distances up to 2^24. Linear time:
/// two sweeps along the columns, then along each row the lower envelope of parabolas of Felzenszwalb and Huttenlocher,
/// "Distance Transforms of Sampled Functions" (Theory of Computing 8, 2012).
pub fn squared_distance(width: usize, height: usize, is_site: impl Fn(usize) -> bool) -> Vec<f32> {
    let mut grid: Vec<f32> = (0..width * height).map(|at| if is_site(at) { 0.0 } else { FAR }).collect();
    for at in width..grid.len() {
        grid[at] = grid[at].min(grid[at - width] + 1.0);
    }
    for at in (0..grid.len().saturating_sub(width)).rev() {
        grid[at] = grid[at].min(grid[at + width] + 1.0);
    }
    let mut envelope = Envelope::default();
    for row in grid.chunks_exact_mut(width.max(1)) {
        along_row(row, &mut envelope);
    }
    grid
}

/// The lower envelope: for each parabola its centre, its height there, and the x from which it is the lowest.
#[derive(Default)]
struct Envelope {
    parabolas: Vec<(f32, f32, f32)>,
}

/// Turns column distances of one row into squared distances, one stretch between two sites at a time: nothing beyond a
/// site can be nearer than the site itself.
fn along_row(row: &mut [f32], envelope: &mut Envelope) {
    let mut start = 0;
    while start < row.len() {
        if row[start] == 0.0 {
            start += 1;
            continue;
        }
        let end = row[start..].iter().position(|&d| d == 0.0).map_or(row.len(), |n| start + n);
        let (from, to) = (start.saturating_sub(1), (end + 1).min(row.len()));
        envelope.fill(&mut row[from..to]);
        start = end;
    }
}

impl Envelope {
    fn fill(&mut self, stretch: &mut [f32]) {
        self.parabolas.clear();
        for (x, &distance) in stretch.iter().enumerate() {
            if distance >= FAR {
                continue;
            }
            let (x, height) = (x as f32, distance * distance);
            let mut from = f32::MIN;
            while let Some(&(other, other_height, other_from)) = self.parabolas.last() {
                // (x² + h - o² - g) / (2 (x - o)), rearranged to avoid cancellation.
                from = 0.5 * (x + other + (height - other_height) / (x - other));
                if from > other_from {
                    break;
                }
                self.parabolas.pop();
                from = f32::MIN;
            }
            self.parabolas.push((x, height, from));
        }
        if self.parabolas.is_empty() {
            stretch.fill(FAR);
            return;
        }
        let mut lowest = 0;
        for (x, out) in stretch.iter_mut().enumerate() {
            let x = x as f32;
            while self.parabolas.get(lowest + 1).is_some_and(|next| next.2 < x) {
                lowest += 1;
            }
            let (centre, height, _) = self.parabolas[lowest];
            *out = (x - centre) * (x - centre) + height;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_brute_force() {
        let mut state = 7u32;
        for (width, height, rarity) in [(1, 1, 2), (9, 5, 3), (17, 23, 40), (40, 3, 9), (31, 29, 200)] {
            let sites: Vec<bool> = (0..width * height)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 16).is_multiple_of(rarity)
                })
                .collect();
            let fast = squared_distance(width, height, |at| sites[at]);
            for (at, &fast) in fast.iter().enumerate() {
                let best = (0..width * height)
                    .filter(|&site| sites[site])
                    .map(|site| {
                        let dx = (site % width).abs_diff(at % width);
                        let dy = (site / width).abs_diff(at / width);
                        (dx * dx + dy * dy) as f32
                    })
                    .fold(FAR, f32::min);
                assert_eq!(fast, best, "{width} x {height}, pixel {at}");
            }
        }
    }

    #[test]
    fn no_site_is_far_from_everything() {
        assert!(squared_distance(4, 3, |_| false).iter().all(|&d| d >= FAR));
    }
}
