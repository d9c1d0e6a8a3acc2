//! Euclidean distance transform.

/// Larger than any distance in an image.
const FAR: f32 = 1e9;
/// Distance along a column, in pixels, where the column has no site.
const FAR_ALONG: i16 = i16::MAX;
/// The largest distance whose square fits into an `i16`.
const SHORT: usize = 181;
/// Every so many steps sideways the loop tests whether a further one could still matter.
const CHECK: usize = 8;

/// Squared distance in pixels from each pixel's centre to the centre of the nearest site: `width * height` values row
/// by row, 0 on sites, at least 1e9 if there is no site at all. Exact for squared distances up to 2^24.
pub fn squared_distance(width: usize, height: usize, is_site: impl Fn(usize) -> bool) -> Vec<f32> {
    squared_distance_within(usize::MAX, width, height, is_site)
}

/// The same, but at least 1e9 wherever the nearest site is more than `reach` pixels away. The shorter the reach, the
/// less time it takes.
///
/// Two sweeps give the distances along the columns. Along each row the lower envelope of their parabolas is then taken:
/// near sites by trying one step sideways after another for many pixels at once, elsewhere by the linear-time algorithm
/// of Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions" (Theory of Computing 8, 2012).
pub fn squared_distance_within(
    reach: usize,
    width: usize,
    height: usize,
    is_site: impl Fn(usize) -> bool,
) -> Vec<f32> {
    let mut along: Vec<i16> = (0..width * height).map(|at| if is_site(at) { 0 } else { FAR_ALONG }).collect();
    let nearer = |line: &mut [i16], neighbour: &[i16]| {
        line.iter_mut().zip(neighbour).for_each(|(d, next)| *d = (*d).min(next.saturating_add(1)));
    };
    for y in 1..height {
        let (above, line) = along.split_at_mut(y * width);
        nearer(&mut line[..width], &above[(y - 1) * width..]);
    }
    for y in (1..height).rev() {
        let (above, line) = along.split_at_mut(y * width);
        nearer(&mut above[(y - 1) * width..], &line[..width]);
    }
    let mut out = vec![0.0; width * height];
    let mut rows = Rows { reach, ..Rows::default() };
    let width = width.max(1);
    for (row, out) in along.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        rows.sideways(row, out);
    }
    out
}

/// Turns column distances into squared distances, row by row.
#[derive(Default)]
struct Rows {
    reach: usize,
    /// Squared column distances of a stretch, padded on both sides by the number of steps.
    squares: Vec<i16>,
    least: Vec<i16>,
    envelope: Envelope,
}

impl Rows {
    /// One row, one stretch between two sites at a time: nothing beyond a site can be nearer than the site itself.
    fn sideways(&mut self, row: &[i16], out: &mut [f32]) {
        let mut start = 0;
        while start < row.len() {
            if row[start] == 0 {
                start += 1;
                continue;
            }
            let end = row[start..].iter().position(|&d| d == 0).map_or(row.len(), |n| start + n);
            let (from, to) = (start.saturating_sub(1), (end + 1).min(row.len()));
            self.stretch(&row[from..to], &mut out[from..to]);
            start = end;
        }
    }

    fn stretch(&mut self, along: &[i16], out: &mut [f32]) {
        let last = along.len() - 1;
        let to_end = |x: usize| {
            let left = if along[0] == 0 { x } else { usize::MAX };
            left.min(if along[last] == 0 { last - x } else { usize::MAX })
        };
        let bound =
            |(x, &d): (usize, &i16)| if d == FAR_ALONG { to_end(x) } else { to_end(x).min(d as usize) };
        let farthest = along.iter().enumerate().map(bound).max().unwrap_or(0);
        let steps = farthest.min(self.reach);
        if steps > SHORT - 1 {
            self.envelope.fill(along, out);
        } else {
            self.step_by_step(along, steps, out);
        }
        if farthest > self.reach {
            let reach = (self.reach as f32).powi(2);
            out.iter_mut().filter(|d| **d > reach).for_each(|d| *d = FAR);
        }
    }

    /// A stretch in which no distance above `steps` occurs or matters.
    fn step_by_step(&mut self, along: &[i16], steps: usize, out: &mut [f32]) {
        let square = |d: i16| if d < SHORT as i16 { d * d } else { i16::MAX };
        self.squares.clear();
        self.squares.resize(steps, i16::MAX);
        self.squares.extend(along.iter().map(|&d| square(d)));
        self.squares.resize(along.len() + 2 * steps, i16::MAX);
        self.least.clear();
        self.least.extend_from_slice(&self.squares[steps..steps + along.len()]);
        for step in 1..=steps {
            let sideways = (step * step) as i16;
            if step % CHECK == 0 && self.least.iter().all(|&least| least <= sideways) {
                break;
            }
            let both = self.squares[steps - step..].iter().zip(&self.squares[steps + step..]);
            for (least, (left, right)) in self.least.iter_mut().zip(both) {
                *least = (*least).min((*left).min(*right).saturating_add(sideways));
            }
        }
        out.iter_mut().zip(&self.least).for_each(|(out, &least)| *out = f32::from(least));
    }
}

/// The lower envelope: for each parabola its centre, its height there, and the x from which it is the lowest.
#[derive(Default)]
struct Envelope {
    parabolas: Vec<(f32, f32, f32)>,
}

impl Envelope {
    fn fill(&mut self, along: &[i16], out: &mut [f32]) {
        self.parabolas.clear();
        for (x, &distance) in along.iter().enumerate().filter(|(_, distance)| **distance < FAR_ALONG) {
            let (x, height) = (x as f32, f32::from(distance) * f32::from(distance));
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
            out.fill(FAR);
            return;
        }
        let mut lowest = 0;
        for (x, out) in out.iter_mut().enumerate() {
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

    fn sites(width: usize, height: usize, rarity: u32) -> Vec<bool> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8).is_multiple_of(rarity)
        };
        (0..width * height).map(|_| next()).collect()
    }

    fn brute_force(width: usize, sites: &[bool], at: usize) -> f32 {
        let squared = |site: usize| {
            let dx = (site % width).abs_diff(at % width);
            let dy = (site / width).abs_diff(at / width);
            (dx * dx + dy * dy) as f32
        };
        (0..sites.len()).filter(|&site| sites[site]).map(squared).fold(FAR, f32::min)
    }

    #[test]
    fn equals_the_brute_force() {
        // The last two have distances whose squares do not fit into an `i16`.
        for (width, height, rarity) in
            [(1, 1, 2), (9, 5, 3), (17, 23, 40), (40, 3, 9), (31, 29, 200), (700, 2, 400), (3, 500, 400)]
        {
            let sites = sites(width, height, rarity);
            let all = squared_distance(width, height, |at| sites[at]);
            let near = squared_distance_within(6, width, height, |at| sites[at]);
            for (at, (&all, &near)) in all.iter().zip(&near).enumerate() {
                let best = brute_force(width, &sites, at);
                assert_eq!(all, best, "{width} x {height}, pixel {at}");
                assert_eq!(near, if best <= 36.0 { best } else { FAR }, "{width} x {height}, pixel {at}");
            }
        }
    }

    #[test]
    fn no_site_is_far_from_everything() {
        assert!(squared_distance(4, 3, |_| false).iter().all(|&d| d >= FAR));
        assert!(squared_distance_within(2, 4, 3, |_| false).iter().all(|&d| d >= FAR));
        assert!(squared_distance(0, 0, |_| false).is_empty());
    }
}
