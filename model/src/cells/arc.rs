//! The circle that a cell's outline lies on, as far as it is seen.

use super::crop::Crop;

/// Root mean square distance, in radii, of the outline of a single cell from a circle: an ellipse of axes 4 : 3 has 0.1.
const ARC: f64 = 0.1;

/// Diameter of the circle on which the outline of a region lies, as far as it is seen: the least squares of Kåsa, "A
/// circle fitting procedure and its error analysis" (IEEE Trans. Instrum. Meas. 25, 1976). `None`: it lies on none.
pub fn diameter(crop: &Crop) -> Option<f64> {
    let mut outline = Vec::new();
    for at in (0..crop.inside.len()).filter(|&at| crop.inside[at]) {
        for next in crop.around(at).into_iter().flatten().filter(|&next| !crop.inside[next]) {
            let middle = |a: usize, b: usize| (a + b) as f64 / 2.0;
            outline.push([
                middle(at % crop.width, next % crop.width),
                middle(at / crop.width, next / crop.width),
            ]);
        }
    }
    let count = outline.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| outline.iter().map(|&[x, y]| of(x, y)).sum::<f64>() / count;
    let (mx, my) = (mean(&|x, _| x), mean(&|_, y| y));
    // About the centroid the normal equations are two.
    let moment = |a: i32, b: i32| mean(&|x, y| (x - mx).powi(a) * (y - my).powi(b));
    let (xx, yy, xy) = (moment(2, 0), moment(0, 2), moment(1, 1));
    let (along_x, along_y) = ((moment(3, 0) + moment(1, 2)) / 2.0, (moment(0, 3) + moment(2, 1)) / 2.0);
    let determinant = xx * yy - xy * xy;
    let (cx, cy) = ((along_x * yy - along_y * xy) / determinant, (along_y * xx - along_x * xy) / determinant);
    let radius = (cx * cx + cy * cy + xx + yy).sqrt();
    let error = mean(&|x, y| ((x - mx - cx).hypot(y - my - cy) - radius).powi(2)).sqrt();
    (error < ARC * radius).then_some(2.0 * radius)
}

#[cfg(test)]
mod tests {
    use super::super::regions::{Neighbours, regions};
    use super::*;

    /// The diameter of the first region of an image of 100 x 80 pixels.
    fn diameter_of(inside: impl Fn(f32, f32) -> bool) -> Option<f64> {
        let at = |at: usize| inside((at % 100) as f32 + 0.5, (at / 100) as f32 + 0.5);
        diameter(&Crop::of(&regions(100, 80, Neighbours::Four, at)[0], 100, 80))
    }

    #[test]
    fn a_cut_disc_has_the_diameter_of_the_whole_one() {
        // Whole; less than half seen at the left edge; a corner.
        for (cx, cy) in [(50.0, 40.0), (-6.0, 40.0), (98.0, 76.0)] {
            let found = diameter_of(|x, y| (x - cx).hypot(y - cy) < 25.0);
            assert!(found.is_some_and(|found| (found / 50.0 - 1.0).abs() < 0.03), "{cx}, {cy}: {found:?}");
        }
    }

    #[test]
    fn a_clump_lies_on_no_circle() {
        let discs = [(8.0f32, 20.0f32), (12.0, 44.0), (36.0, 48.0)];
        assert_eq!(diameter_of(|x, y| discs.iter().any(|(cx, cy)| (x - cx).hypot(y - cy) < 15.0)), None);
    }

    #[test]
    fn what_has_no_outline_lies_on_no_circle() {
        assert_eq!(diameter_of(|_, _| true), None);
        assert_eq!(diameter_of(|_, y| y < 30.0), None);
    }
}
