//! Cell outlines as polygons.

use super::{Cell, Labels};

/// The borders of a cell as closed polygons along pixel corners: first the outer one, clockwise on the screen, then one
/// counterclockwise for each hole. Only corners where the direction changes are listed, and the first is not repeated
/// at the end. Coordinates are in image pixels (pixel x covers x to x + 1).
///
/// The pixels of a cell are 4-connected, so a single polygon surrounds them all. No polygon visits a corner twice:
/// background enclosed by two pixels that touch only at a corner is a hole. Empty if the label image does not contain
/// the cell.
pub fn outlines(labels: &Labels, cell: &Cell) -> Vec<Vec<[u32; 2]>> {
    let [left, top, width, height] = cell.bounds;
    let inside = |[x, y]: [i64; 2]| {
        x >= 0
            && y >= 0
            && x < i64::from(labels.width)
            && y < i64::from(labels.height)
            && labels.ids[y as usize * labels.width as usize + x as usize] == cell.id
    };
    // Pixels whose lower side is already part of a polygon.
    let mut passed = vec![false; width as usize * height as usize];
    let place = |[x, y]: [i64; 2]| (y as usize - top as usize) * width as usize + x as usize - left as usize;
    let pixels =
        (top..top + height).flat_map(|y| (left..left + width).map(move |x| [i64::from(x), i64::from(y)]));
    let mut rings = Vec::new();
    for [x, y] in pixels.filter(|pixel| inside(*pixel)) {
        if rings.is_empty() {
            // Start along the upper side of the first pixel, heading right.
            rings.push(trace([x, y], [1, 0], inside, |pixel| passed[place(pixel)] = true));
        }
        if !inside([x, y + 1]) && !passed[place([x, y])] {
            rings.push(trace([x + 1, y + 1], [-1, 0], inside, |pixel| passed[place(pixel)] = true));
        }
    }
    rings
}

/// Follows a border from a corner, with the cell on the right, until it closes. Calls `below` with each cell pixel
/// along whose lower side it passes.
fn trace(
    start: [i64; 2],
    first: [i64; 2],
    inside: impl Fn([i64; 2]) -> bool,
    mut below: impl FnMut([i64; 2]),
) -> Vec<[u32; 2]> {
    let (mut at, mut heading) = (start, first);
    let mut points = vec![start.map(|axis| axis as u32)];
    loop {
        at = [at[0] + heading[0], at[1] + heading[1]];
        if heading == [-1, 0] {
            below([at[0], at[1] - 1]);
        }
        if at == start {
            if heading == first {
                // The trace started in the middle of a straight side, which is no corner.
                points.remove(0);
            }
            return points;
        }
        // Whether the pixel ahead on one side of the line (1: right, -1: left) is in the cell.
        let ahead = |side: i64| {
            // Half a step ahead and half a step sideways, in doubled coordinates to stay integral.
            let x = 2 * at[0] + heading[0] - side * heading[1];
            let y = 2 * at[1] + heading[1] + side * heading[0];
            inside([x.div_euclid(2), y.div_euclid(2)])
        };
        let turned = match (ahead(1), ahead(-1)) {
            (_, true) => [heading[1], -heading[0]],
            (true, false) => heading,
            (false, false) => [-heading[1], heading[0]],
        };
        if turned != heading {
            points.push(at.map(|axis| axis as u32));
            heading = turned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::measure;
    use super::*;
    use crate::GrayImage;

    fn traced(rows: &[&str]) -> Vec<Vec<[u32; 2]>> {
        let ids = rows.concat().bytes().map(|b| u32::from(b == b'#')).collect();
        let labels = Labels { width: rows[0].len() as u32, height: rows.len() as u32, ids };
        let cells = measure(&labels, 1, &GrayImage::new(labels.width, labels.height));
        outlines(&labels, &cells[0])
    }

    /// Signed areas; holes are negative.
    fn areas(rings: &[Vec<[u32; 2]>]) -> Vec<f64> {
        let cross = |(a, b): (&[u32; 2], &[u32; 2])| {
            f64::from(a[0]) * f64::from(b[1]) - f64::from(b[0]) * f64::from(a[1])
        };
        let area =
            |ring: &Vec<[u32; 2]>| ring.iter().zip(ring.iter().cycle().skip(1)).map(cross).sum::<f64>() / 2.0;
        rings.iter().map(area).collect()
    }

    #[test]
    fn a_rectangle_has_four_corners() {
        assert_eq!(traced(&["....", ".##.", ".##."]), [[[1, 1], [3, 1], [3, 3], [1, 3]]]);
        assert_eq!(traced(&["#"]), [[[0, 0], [1, 0], [1, 1], [0, 1]]]);
    }

    #[test]
    fn the_polygons_have_the_area_of_the_pixels() {
        assert_eq!(areas(&traced(&[".#..", "####", ".##."])), [7.0]);
        assert_eq!(areas(&traced(&["..#", "###", "#.."])), [5.0]);
        // A hole of two pixels, then, later in raster order, one of a single pixel.
        assert_eq!(areas(&traced(&["#####", "#..##", "###.#", "#####"])), [20.0, -2.0, -1.0]);
        // Two arms that touch only at a corner enclose a hole.
        assert_eq!(areas(&traced(&["####", "#..#", "##.#", "..##"])), [14.0, -3.0]);
    }

    #[test]
    fn a_hole_has_its_corners_and_no_others() {
        let rings = traced(&["#####", "#...#", "#####"]);
        let mut hole = rings[1].clone();
        hole.sort_unstable();
        assert_eq!(hole, [[1, 1], [1, 2], [4, 1], [4, 2]]);
    }

    #[test]
    fn no_polygon_comes_to_a_corner_twice() {
        for ring in traced(&["#######", "#.#.#.#", "##.#.##", "#######"]) {
            let mut corners = ring.clone();
            corners.sort_unstable();
            corners.dedup();
            assert_eq!(corners.len(), ring.len(), "{ring:?}");
        }
    }
}
