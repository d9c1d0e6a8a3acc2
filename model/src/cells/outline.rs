//! Outlines of cells as polygons.

use super::{Cell, Labels};

/// The outer border of a cell as a closed polygon along the pixels' corners, clockwise on the screen, from the top
/// left corner of the cell's first pixel in raster order; the first corner is not repeated at the end. Points in
/// image pixels (pixel x covers x to x + 1), only where the direction changes. Holes are left out.
///
/// A cell's pixels hang together by their sides, so that one polygon holds them all. Empty where the label image
/// does not hold the cell.
pub fn outline(labels: &Labels, cell: &Cell) -> Vec<[u32; 2]> {
    let [left, top, width, _] = cell.bounds;
    let inside = |x: i64, y: i64| {
        x >= 0
            && y >= 0
            && x < i64::from(labels.width)
            && y < i64::from(labels.height)
            && labels.ids[y as usize * labels.width as usize + x as usize] == cell.id
    };
    let Some(first) = (left..left + width).find(|&x| inside(i64::from(x), i64::from(top))) else {
        return Vec::new();
    };
    let start = [i64::from(first), i64::from(top)];
    // Right along the upper side of the first pixel; the cell stays on the right hand.
    let (mut at, mut heading) = (start, [1i64, 0]);
    let mut points = vec![[first, top]];
    loop {
        at = [at[0] + heading[0], at[1] + heading[1]];
        if at == start {
            return points;
        }
        // The two pixels ahead, on either side of the line.
        let ahead = |side: i64| {
            // Half steps along the heading and to the side, doubled to stay whole.
            let x = 2 * at[0] + heading[0] - side * heading[1];
            let y = 2 * at[1] + heading[1] + side * heading[0];
            inside(x.div_euclid(2), y.div_euclid(2))
        };
        // At a corner where two pixels of the cell only touch, the border turns right and stays with its own.
        let turned = match (ahead(1), ahead(-1)) {
            (false, _) => [-heading[1], heading[0]],
            (true, false) => heading,
            (true, true) => [heading[1], -heading[0]],
        };
        if turned != heading {
            points.push([at[0] as u32, at[1] as u32]);
            heading = turned;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::measure;
    use super::*;
    use crate::GrayImage;

    fn traced(rows: &[&str]) -> Vec<[u32; 2]> {
        let ids = rows.concat().bytes().map(|b| u32::from(b == b'#')).collect();
        let labels = Labels { width: rows[0].len() as u32, height: rows.len() as u32, ids };
        let cells = measure(&labels, 1, &GrayImage::new(labels.width, labels.height));
        outline(&labels, &cells[0])
    }

    fn area(points: &[[u32; 2]]) -> f64 {
        let next = points.iter().cycle().skip(1);
        let cross = |(a, b): (&[u32; 2], &[u32; 2])| {
            f64::from(a[0]) * f64::from(b[1]) - f64::from(b[0]) * f64::from(a[1])
        };
        points.iter().zip(next).map(cross).sum::<f64>() / 2.0
    }

    #[test]
    fn a_rectangle_has_four_corners() {
        assert_eq!(traced(&["....", ".##.", ".##."]), [[1, 1], [3, 1], [3, 3], [1, 3]]);
        assert_eq!(traced(&["#"]), [[0, 0], [1, 0], [1, 1], [0, 1]]);
    }

    #[test]
    fn the_polygon_has_the_area_of_the_pixels() {
        assert_eq!(area(&traced(&[".#..", "####", ".##."])), 7.0);
        assert_eq!(area(&traced(&["..#", "###", "#.."])), 5.0);
        // The hole counts as inside: the polygon is the outer border.
        assert_eq!(area(&traced(&["###", "#.#", "###"])), 9.0);
        // Two arms that touch only at a corner.
        assert_eq!(area(&traced(&["####", "#..#", "##.#", "..##"])), 14.0 - 3.0);
    }
}
