//! Which pixels lie within a drawn line, and which under it.

use super::regions::Run;
use std::collections::HashSet;

/// Image indices of the pixels of all runs.
pub fn pixels(runs: &[Run], width: u32) -> impl Iterator<Item = usize> {
    runs.iter().flat_map(move |run| run.indices(width))
}

/// Bounding box of the runs: x, y, width, height. `None` if there are none.
pub fn bounds(runs: &[Run]) -> Option<[u32; 4]> {
    let left = runs.iter().map(|run| run.start).min()?;
    let right = runs.iter().map(|run| run.end).max()?;
    let (top, bottom) = (runs.first()?.y, runs.last()?.y);
    Some([left, top, right - left, bottom + 1 - top])
}

/// The pixels whose centres lie inside a closed line by the non-zero winding rule, from top to bottom.
pub fn enclosed(points: &[(f64, f64)], (width, height): (u32, u32)) -> Vec<Run> {
    let edges: Vec<_> = points.iter().zip(points.iter().cycle().skip(1)).collect();
    let (low, high) =
        points.iter().fold((f64::MAX, f64::MIN), |(a, b), point| (a.min(point.1), b.max(point.1)));
    let mut runs = Vec::new();
    for y in low.max(0.0) as u32..(high.max(0.0).ceil() as u32).min(height) {
        let middle = f64::from(y) + 0.5;
        let mut crossings: Vec<(f64, i32)> = edges
            .iter()
            .filter(|(a, b)| (a.1 <= middle) != (b.1 <= middle))
            .map(|(a, b)| {
                let x = a.0 + (middle - a.1) / (b.1 - a.1) * (b.0 - a.0);
                (x, if a.1 < b.1 { 1 } else { -1 })
            })
            .collect();
        crossings.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut winding = 0;
        for pair in crossings.windows(2) {
            winding += pair[0].1;
            // Index of the first pixel whose centre is not left of the crossing.
            let [start, end] =
                [pair[0].0, pair[1].0].map(|x| (x - 0.5).ceil().clamp(0.0, f64::from(width)) as u32);
            if winding != 0 && start < end {
                runs.push(Run { y, start, end });
            }
        }
    }
    runs
}

/// The pixels under a line as an 8-connected chain (Bresenham), which no 4-connected path can cross.
pub fn under(points: &[(f64, f64)], (width, height): (u32, u32)) -> HashSet<usize> {
    let mut line = HashSet::new();
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]].map(|point| (point.0.floor(), point.1.floor()));
        let steps = (x1 - x0).abs().max((y1 - y0).abs()).max(1.0);
        for step in 0..=steps as u32 {
            let share = f64::from(step) / steps;
            let (x, y) = ((x0 + share * (x1 - x0)).round(), (y0 + share * (y1 - y0)).round());
            if x >= 0.0 && y >= 0.0 && x < f64::from(width) && y < f64::from(height) {
                line.insert(y as usize * width as usize + x as usize);
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_encloses_the_pixels_whose_centres_lie_inside() {
        let square = [(1.4, 0.6), (4.6, 0.6), (4.6, 2.5), (1.4, 2.5)];
        let runs = enclosed(&square, (9, 9));
        assert_eq!(runs, [Run { y: 1, start: 1, end: 5 }]);
        assert_eq!(bounds(&runs), Some([1, 1, 4, 1]));
        assert_eq!(pixels(&runs, 9).collect::<Vec<_>>(), [10, 11, 12, 13]);
        assert_eq!(enclosed(&square, (3, 9)), [Run { y: 1, start: 1, end: 3 }], "what is beyond the image");
        assert_eq!(bounds(&enclosed(&square[..2], (9, 9))), None);
    }

    #[test]
    fn a_line_covers_a_chain_of_pixels() {
        let mut steep: Vec<usize> =
            under(&[(0.5, 0.5), (1.5, 3.5), (1.5, 9.0)], (2, 5)).into_iter().collect();
        steep.sort_unstable();
        assert_eq!(steep, [0, 2, 5, 7, 9]);
    }
}
