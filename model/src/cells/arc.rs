//! Circles fitted to the visible part of cell outlines.

use super::crop::Crop;

/// Greatest root mean square distance, in radii, of a single cell's outline from its circle. An ellipse with axes 4 : 3
/// has 0.1.
const ARC: f64 = 0.1;

/// The same for a part of an outline, which is closer to a circle than the whole.
const PART: f64 = 0.05;
/// A circle this many times larger than the largest disc in the region is taken for a straight line.
const STRAIGHT: f64 = 4.0;
/// Maximum number of outline points that arcs are fitted around.
const LOOKED_AT: usize = 512;
/// Minimum number of arcs to be meaningful.
const MIN_ARCS: usize = 8;

type Point = [f64; 2];

/// Diameter in pixels of the circle through the visible outline of a region. `None` if the outline fits no circle.
pub fn diameter(crop: &Crop) -> Option<f64> {
    let circle = Circle::fit(&outline(crop))?;
    (circle.error < ARC * circle.radius).then_some(2.0 * circle.radius)
}

/// Diameters in pixels of the circles that parts of a clump's outline lie on. Each part is what lies within `disc`
/// (radius in pixels of the largest disc in the clump) of an outline point: mostly the arc of one cell. Empty if hardly
/// any part lies on a circle.
pub fn diameters(crop: &Crop, disc: f64) -> Vec<f64> {
    let outline = outline(crop);
    let mut near = Vec::new();
    let arc = |&[x, y]: &Point| {
        near.clear();
        near.extend(outline.iter().copied().filter(|[ox, oy]| (ox - x).hypot(oy - y) <= disc));
        let circle = Circle::fit(&near)?;
        // The cell must lie towards the centre of the circle; otherwise this is the concave corner between two cells.
        let [dx, dy] = [circle.centre[0] - x, circle.centre[1] - y];
        let step = 2.0 / dx.hypot(dy).max(2.0);
        let [ix, iy] = [x + dx * step, y + dy * step].map(|at| at.round() as usize);
        let convex = ix < crop.width && crop.inside.get(iy * crop.width + ix) == Some(&true);
        let lies_on_it = circle.error < PART * circle.radius && circle.radius < STRAIGHT * disc;
        (convex && lies_on_it).then_some(2.0 * circle.radius)
    };
    let found: Vec<f64> =
        outline.iter().step_by(outline.len().div_ceil(LOOKED_AT).max(1)).filter_map(arc).collect();
    if found.len() < MIN_ARCS { Vec::new() } else { found }
}

/// Midpoints between the pixels of a region and the adjacent pixels outside it, except along the edge of the field of
/// view.
fn outline(crop: &Crop) -> Vec<Point> {
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
    outline
}

struct Circle {
    centre: Point,
    radius: f64,
    /// Root mean square distance of the points from the circle.
    error: f64,
}

impl Circle {
    /// Least-squares fit after Kåsa, "A circle fitting procedure and its error analysis" (IEEE Trans. Instrum. Meas.
    /// 25, 1976). `None` if the points lie on a line.
    fn fit(points: &[Point]) -> Option<Self> {
        let count = points.len() as f64;
        let mean = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|&[x, y]| of(x, y)).sum::<f64>() / count;
        let (mx, my) = (mean(&|x, _| x), mean(&|_, y| y));
        // Relative to the centroid only two normal equations remain.
        let moment = |a: i32, b: i32| mean(&|x, y| (x - mx).powi(a) * (y - my).powi(b));
        let (xx, yy, xy) = (moment(2, 0), moment(0, 2), moment(1, 1));
        let (along_x, along_y) = ((moment(3, 0) + moment(1, 2)) / 2.0, (moment(0, 3) + moment(2, 1)) / 2.0);
        let determinant = xx * yy - xy * xy;
        let (cx, cy) =
            ((along_x * yy - along_y * xy) / determinant, (along_y * xx - along_x * xy) / determinant);
        let radius = (cx * cx + cy * cy + xx + yy).sqrt();
        let error = mean(&|x, y| ((x - mx - cx).hypot(y - my - cy) - radius).powi(2)).sqrt();
        (radius.is_finite() && error.is_finite()).then_some(Self {
            centre: [mx + cx, my + cy],
            radius,
            error,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::field_of_view::FieldOfView;
    use super::super::regions::{Neighbours, regions};
    use super::*;

    /// The first region of an image of 100 x 80 pixels.
    fn crop_of(inside: impl Fn(f32, f32) -> bool) -> Crop {
        let at = |at: usize| inside((at % 100) as f32 + 0.5, (at / 100) as f32 + 0.5);
        Crop::of(&regions(100, 80, Neighbours::Four, at)[0], &FieldOfView::whole(100, 80))
    }

    fn diameter_of(inside: impl Fn(f32, f32) -> bool) -> Option<f64> {
        diameter(&crop_of(inside))
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
    fn the_outline_of_a_clump_tells_how_large_its_cells_are() {
        // The edge cuts all of them.
        let discs = [(8.0f32, 20.0f32), (12.0, 44.0), (36.0, 78.0), (40.0, 60.0), (12.0, 68.0)];
        let clump = crop_of(|x, y| discs.iter().any(|(cx, cy)| (x - cx).hypot(y - cy) < 15.0));
        let mut found = diameters(&clump, 14.0);
        found.sort_by(f64::total_cmp);
        let median = found[found.len() / 2];
        assert!((median / 30.0 - 1.0).abs() < 0.1, "{median} of {}", found.len());
        assert!(diameters(&crop_of(|_, y| y < 30.0), 14.0).is_empty(), "a straight outline has no arcs");
    }

    #[test]
    fn what_has_no_outline_lies_on_no_circle() {
        assert_eq!(diameter_of(|_, _| true), None);
        assert_eq!(diameter_of(|_, y| y < 30.0), None);
    }
}
