#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use super::*;

/// A probability map: 255 inside the shapes, 0 elsewhere.
fn map(width: u32, height: u32, inside: impl Fn(f32, f32) -> bool) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        image::Luma([if inside(x as f32 + 0.5, y as f32 + 0.5) { 255 } else { 0 }])
    })
}

fn discs<'a>(discs: &'a [(f32, f32, f32)]) -> impl Fn(f32, f32) -> bool + 'a {
    move |x, y| discs.iter().any(|&(cx, cy, r)| (x - cx).hypot(y - cy) < r)
}

fn count(map: &GrayImage) -> usize {
    find_cells(map, &CellOptions::default()).cells.len()
}

#[test]
fn nothing_gives_nothing() {
    let none = find_cells(&GrayImage::new(30, 20), &CellOptions::default());
    assert!(none.cells.is_empty() && none.diameter_px.is_none());
    assert!(find_cells(&GrayImage::new(0, 0), &CellOptions::default()).cells.is_empty());
    assert_eq!(Summary::of(&none).covered, 0.0);
}

#[test]
fn an_image_full_of_cell_is_one() {
    assert_eq!(count(&GrayImage::from_pixel(9, 7, image::Luma([255]))), 1);
    assert_eq!(count(&GrayImage::from_pixel(1, 1, image::Luma([255]))), 1);
}

#[test]
fn touching_discs_come_apart_at_any_size() {
    for r in [7.0f32, 12.0, 30.0, 100.0] {
        for overlap in [1.95, 1.7, 1.4] {
            let d = overlap * r;
            let (a, b) = ((1.5 * r, 2.0 * r, r), (1.5 * r + d, 2.0 * r, r));
            let side = (6.0 * r) as u32;
            let alone = (1.2 * r, 4.8 * r, r * 0.9);
            let map = map(side, side, discs(&[a, b, alone]));
            let cells = find_cells(&map, &CellOptions { diameter_px: Some(2.0 * r), ..Default::default() });
            assert_eq!(cells.cells.len(), 3, "radius {r}, distance {overlap} radii");
            let whole = CellOptions { split: false, ..Default::default() };
            assert_eq!(find_cells(&map, &whole).cells.len(), 2);
        }
    }
}

#[test]
fn ovals_sickles_and_ragged_cells_stay_whole() {
    let oval = map(120, 60, |x, y| ((x - 60.0) / 50.0).powi(2) + ((y - 30.0) / 20.0).powi(2) < 1.0);
    assert_eq!(count(&oval), 1);
    let sickle = map(100, 100, |x, y| (x - 50.0).hypot(y - 50.0) < 40.0 && (x - 75.0).hypot(y - 50.0) > 40.0);
    assert_eq!(count(&sickle), 1);
    let burr = map(100, 100, |x, y| {
        let (dx, dy) = (x - 50.0, y - 50.0);
        dx.hypot(dy) < 32.0 + 4.0 * (12.0 * dy.atan2(dx)).cos()
    });
    assert_eq!(count(&burr), 1);
}

#[test]
fn pale_centres_are_filled_and_gaps_between_cells_are_not() {
    let ring = map(60, 60, |x, y| (7.0..24.0).contains(&(x - 30.0).hypot(y - 30.0)));
    let cells = find_cells(&ring, &CellOptions::default());
    assert_eq!(cells.cells.len(), 1);
    assert!((cells.cells[0].area_px / (PI as f64 * 576.0) - 1.0).abs() < 0.01);
    let r = 20.0;
    let four = [(30.0, 30.0, r), (69.0, 30.0, r), (30.0, 69.0, r), (69.0, 69.0, r)];
    let cells = find_cells(&map(100, 100, discs(&four)), &CellOptions::default());
    assert_eq!(cells.cells.len(), 4);
    assert_eq!(cells.labels.ids[49 * 100 + 49], 0);
}

#[test]
fn a_ragged_hole_in_a_lone_cell_is_filled() {
    let torn = map(60, 60, |x, y| {
        let (dx, dy) = (x - 30.0, y - 30.0);
        dx.hypot(dy) < 24.0 && dx.hypot(dy) > 8.0 + 5.0 * (5.0 * dy.atan2(dx)).cos()
    });
    let cells = find_cells(&torn, &CellOptions { diameter_px: Some(48.0), ..Default::default() });
    assert_eq!(cells.cells.len(), 1);
    assert!((cells.cells[0].area_px / (PI as f64 * 576.0) - 1.0).abs() < 0.01);
}

#[test]
fn doubt_parts_cells_along_a_line_but_not_around_a_pale_centre() {
    let doubtful = |doubt: &dyn Fn(f32, f32) -> bool, inside: &dyn Fn(f32, f32) -> bool| {
        GrayImage::from_fn(120, 80, |x, y| {
            let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
            image::Luma([if !inside(x, y) {
                0
            } else if doubt(x, y) {
                135
            } else {
                250
            }])
        })
    };
    let options = CellOptions { diameter_px: Some(44.0), ..Default::default() };
    let pale = doubtful(&|x, y| (x - 60.0).hypot(y - 40.0) < 9.0, &|x, y| (x - 60.0).hypot(y - 40.0) < 22.0);
    assert_eq!(find_cells(&pale, &options).cells.len(), 1);
    let pair = discs(&[(42.0, 40.0, 22.0), (76.0, 40.0, 22.0)]);
    let line = doubtful(&|x, _| (x - 59.0).abs() < 2.0, &pair);
    assert_eq!(find_cells(&line, &options).cells.len(), 2);
}

#[test]
fn doubt_parts_a_crowd_that_is_deepest_in_its_midst() {
    let r = 20.0f32;
    let turn = |i: u8| f32::from(i) * std::f32::consts::FRAC_PI_3;
    let around = (0..6).map(|i| (70.0 + 1.7 * r * turn(i).cos(), 70.0 + 1.7 * r * turn(i).sin()));
    let centres: Vec<(f32, f32)> = std::iter::once((70.0, 70.0)).chain(around).collect();
    let crowd = GrayImage::from_fn(140, 140, |x, y| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        let mut far: Vec<f32> = centres.iter().map(|c| (x - c.0).hypot(y - c.1)).collect();
        far.sort_by(f32::total_cmp);
        image::Luma([if (x - 70.0).hypot(y - 70.0) > 2.7 * r {
            0
        } else if far[1] - far[0] < 5.0 {
            150
        } else {
            250
        }])
    });
    let options = CellOptions { diameter_px: Some(2.0 * r), ..Default::default() };
    assert_eq!(find_cells(&crowd, &options).cells.len(), 7);
}

#[test]
fn sure_cells_come_apart_the_same_at_any_threshold() {
    let map = map(60, 60, discs(&[(20.0, 30.0, 10.0), (32.8, 30.0, 6.0)]));
    for threshold in [0.1, 0.5, 0.6, 0.75, 0.9, 0.99] {
        let options = CellOptions { threshold, diameter_px: Some(20.0), ..Default::default() };
        assert_eq!(find_cells(&map, &options).cells.len(), 2, "threshold {threshold}");
    }
}

#[test]
fn a_sliver_of_a_cell_beyond_the_edge_is_a_cell_of_its_own() {
    for r in [20.0f32, 40.0] {
        let size = (4.0 * r) as u32;
        let map = map(size, size, discs(&[(1.15 * r, 2.0 * r, r), (-0.8 * r, 2.0 * r, r)]));
        let cells = find_cells(&map, &CellOptions { diameter_px: Some(2.0 * r), ..Default::default() });
        assert_eq!(cells.cells.len(), 2, "radius {r}");
    }
}

#[test]
fn two_cells_that_the_edge_leaves_little_of_come_apart_and_one_does_not() {
    let options = CellOptions { diameter_px: Some(60.0), ..Default::default() };
    let count = |cells: &[(f32, f32, f32)]| find_cells(&map(150, 90, discs(cells)), &options).cells.len();
    // Caps 12 pixels high, each 0.14 of a cell, that overlap by 4 pixels along the edge.
    assert_eq!(count(&[(50.0, -18.0, 30.0), (94.0, -18.0, 30.0)]), 2);
    // One cap 18 pixels high, 0.25 of a cell.
    assert_eq!(count(&[(70.0, -12.0, 30.0)]), 1);
}

#[test]
fn discs_that_overlap_without_a_neck_come_apart() {
    for r in [8.0f32, 20.0, 60.0] {
        let three = [(2.0 * r, 2.0 * r, r), (3.4 * r, 2.0 * r, r), (2.7 * r, 3.2 * r, r)];
        let map = map((6.0 * r) as u32, (6.0 * r) as u32, discs(&three));
        let cells = find_cells(&map, &CellOptions { diameter_px: Some(2.0 * r), ..Default::default() });
        assert_eq!(cells.cells.len(), 3, "radius {r}");
    }
}

#[test]
fn what_lies_beyond_the_edge_does_not_part_a_cell() {
    let map = map(60, 60, discs(&[(0.0, 0.0, 25.0), (60.0, 30.0, 20.0), (25.0, 62.0, 22.0)]));
    assert_eq!(
        find_cells(&map, &CellOptions { diameter_px: Some(44.0), ..Default::default() }).cells.len(),
        3
    );
}

#[test]
fn specks_are_dropped_and_edge_cells_marked() {
    let map =
        map(100, 60, discs(&[(30.0, 30.0, 15.0), (0.0, 30.0, 12.0), (70.0, 30.0, 2.0), (70.0, 8.0, 14.0)]));
    let cells = find_cells(&map, &CellOptions::default());
    assert_eq!(
        cells.cells.iter().map(|c| (c.id, c.touches_edge)).collect::<Vec<_>>(),
        [(1, true), (2, false), (3, true)]
    );
    let inner = find_cells(&map, &CellOptions { skip_edge: true, ..Default::default() });
    assert_eq!((inner.cells.len(), inner.cells[0].id), (1, 1));
    assert_eq!(inner.labels.mask().iter().filter(|&&v| v != 0).count() as f64, inner.cells[0].area_px);
    let summary = Summary::of(&cells);
    assert_eq!((summary.count, summary.count_whole), (3, 1));
    assert_eq!(summary.diameter_px.unwrap().mean, inner.cells[0].diameter_px);
}

#[test]
fn a_cell_that_is_erased_leaves_its_neighbours_whole() {
    // The bounding boxes overlap.
    let map = map(80, 64, discs(&[(30.0, 25.0, 16.0), (54.0, 47.0, 14.0)]));
    let found = find_cells(&map, &CellOptions { diameter_px: Some(30.0), ..Default::default() });
    assert_eq!(found.cells.len(), 2);
    for gone in [1, 2] {
        let mut left = found.clone();
        left.erase(|cell| cell.id == gone);
        assert_eq!(left.cells, [found.cells[2 - gone as usize].clone()]);
        let expected: Vec<u32> = found.labels.ids.iter().map(|&id| if id == gone { 0 } else { id }).collect();
        assert_eq!(left.labels.ids, expected);
        assert_eq!(found.labels.mask_where(|id| id != gone), left.labels.mask());
    }
    assert_eq!(found.labels.mask_where(|_| true), map);
}

#[test]
fn cells_at_the_edge_of_the_light_are_marked() {
    let mut map = map(120, 60, discs(&[(30.0, 30.0, 15.0), (66.0, 30.0, 15.0), (96.0, 30.0, 8.0)]));
    for (_, _, pixel) in map.enumerate_pixels_mut().filter(|(x, ..)| *x >= 75) {
        pixel.0 = [crate::segment::UNLIT];
    }
    let marked = |map: &GrayImage| {
        let found = find_cells(map, &CellOptions { diameter_px: Some(30.0), ..Default::default() });
        found.cells.iter().map(|cell| cell.touches_edge).collect::<Vec<_>>()
    };
    assert_eq!(marked(&map), [false, true]);
    map.iter_mut().filter(|p| **p == crate::segment::UNLIT).for_each(|p| *p = 0);
    assert_eq!(marked(&map), [false, false], "without a word of the light");
    map.iter_mut().filter(|p| **p == 0).for_each(|p| *p = crate::segment::UNLIT);
    let all = find_cells(&map, &CellOptions { threshold: 0.0, ..Default::default() });
    assert_eq!(all.cells.len(), 2, "the dark is no cell at any threshold");
}

/// Some crowded cells.
fn crowd(state: &mut u32) -> Vec<(f32, f32, f32)> {
    let mut random = |most: f32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 8) as f32 / (1 << 24) as f32 * most
    };
    (0..60).map(|_| (random(300.0), random(240.0), 14.0 + random(10.0))).collect()
}

#[test]
fn a_frame_around_the_picture_changes_nothing() {
    let mut state = 5;
    for diameter_px in [None, Some(38.0), None, Some(38.0)] {
        let picture = map(300, 240, discs(&crowd(&mut state)));
        let mut framed = GrayImage::from_pixel(350, 280, image::Luma([crate::segment::UNLIT]));
        image::imageops::replace(&mut framed, &picture, 30, 10);
        let options = CellOptions { diameter_px, ..Default::default() };
        let (plain, framed) = (find_cells(&picture, &options), find_cells(&framed, &options));
        let moved = |cell: &Cell| Cell {
            x: cell.x + 30.0,
            y: cell.y + 10.0,
            bounds: [cell.bounds[0] + 30, cell.bounds[1] + 10, cell.bounds[2], cell.bounds[3]],
            ..cell.clone()
        };
        assert!(plain.cells.len() > 15, "{}", plain.cells.len());
        assert_eq!(framed.diameter_px, plain.diameter_px);
        assert_eq!(
            framed.cells.iter().map(|c| c.bounds).collect::<Vec<_>>(),
            plain.cells.iter().map(|c| moved(c).bounds).collect::<Vec<_>>()
        );
        for (framed, plain) in framed.cells.iter().zip(&plain.cells) {
            let plain = moved(plain);
            assert!((framed.x - plain.x).abs() + (framed.y - plain.y).abs() < 1e-9);
            let [framed, plain] = [framed, &plain].map(|cell| Cell { x: 0.0, y: 0.0, ..cell.clone() });
            assert_eq!(framed, plain);
        }
    }
}

#[test]
fn the_rim_of_an_eyepiece_cuts_cells_as_the_edge_of_an_image_does() {
    let mut state = 9;
    let (mut round, mut whole, mut off) = (0, 0, 0.0f32);
    for _ in 0..8 {
        let cells = crowd(&mut state);
        // The wide field of a low magnification, and a round part of it.
        let all = map(300, 240, discs(&cells));
        let mut part = all.clone();
        for (x, y, pixel) in part.enumerate_pixels_mut() {
            if (x as f32 - 150.0).hypot(y as f32 - 120.0) > 90.0 {
                pixel.0 = [crate::segment::UNLIT];
            }
        }
        let options = CellOptions { diameter_px: Some(38.0), ..Default::default() };
        let found = find_cells(&part, &options);
        round += found.cells.len();
        // The cells of the whole image of which more than a sliver is seen in that part.
        let ids = find_cells(&all, &options).labels.ids;
        let mut seen = std::collections::HashMap::<u32, f32>::new();
        for (&id, _) in ids.iter().zip(part.iter()).filter(|(id, lit)| **id > 0 && **lit == 255) {
            *seen.entry(id).or_default() += 1.0;
        }
        whole += seen.values().filter(|area| **area > 0.05 * PI * 19.0 * 19.0).count();
        let estimated = |map: &GrayImage| find_cells(map, &CellOptions::default()).diameter_px.unwrap();
        off += (estimated(&part) / estimated(&all)).ln() / 8.0;
    }
    assert!(round.abs_diff(whole) * 10 <= whole, "{round} cells seen of {whole}");
    assert!(off.abs() < 0.1, "{off}");
}

#[test]
fn the_outermost_point_of_a_rim_cuts_cells_too() {
    let cell = discs(&[(14.0, 30.0, 8.0)]);
    let round = GrayImage::from_fn(60, 60, |x, y| {
        let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
        image::Luma([match (x - 30.0).hypot(y - 30.0) {
            away if away > 25.0 => crate::segment::UNLIT,
            _ if cell(x, y) => 255,
            _ => 0,
        }])
    });
    // A line of background lies between the cell and the leftmost lit pixels.
    let found = find_cells(&round, &CellOptions { diameter_px: Some(16.0), ..Default::default() });
    assert_eq!(
        found.cells.iter().map(|cell| (cell.bounds[0], cell.touches_edge)).collect::<Vec<_>>(),
        [(6, true)]
    );
}

#[test]
fn the_diameter_is_read_off_cells_clumps_and_specks() {
    let single = [(40.0, 40.0, 20.0), (110.0, 40.0, 20.0), (180.0, 50.0, 19.0)];
    let clump = [(40.0, 150.0, 20.0), (74.0, 150.0, 20.0), (108.0, 150.0, 20.0), (142.0, 140.0, 20.0)];
    let specks: Vec<_> = (0..30).map(|i| (10.0 + 7.0 * i as f32, 95.0, 2.0)).collect();
    for shapes in [&single[..], &clump[..], &[&single[..], &clump, &specks].concat()] {
        let found = estimate_diameter(&map(240, 200, discs(shapes))).unwrap();
        assert!((found / 40.0 - 1.0).abs() < 0.12, "{found}");
    }
}

#[test]
fn gaps_in_a_crowd_are_none_of_a_cell() {
    let crowd: Vec<_> =
        (0..64).map(|i| (40.0 + 39.0 * (i % 8) as f32, 40.0 + 39.0 * (i / 8) as f32, 20.0)).collect();
    let map = map(360, 360, discs(&crowd));
    let found = estimate_diameter(&map).unwrap();
    assert!((found / 40.0 - 1.0).abs() < 0.12, "{found}");
    assert_eq!(find_cells(&map, &CellOptions::default()).cells.len(), 64);
}

#[test]
fn cells_cut_by_the_edge_tell_their_diameter_where_no_whole_one_does() {
    // Two half cells and a platelet; a clump that continues below the image.
    let halves = [(0.0, 40.0, 20.0), (60.0, 4.0, 20.0), (50.0, 60.0, 6.0)];
    let clump = [(20.0, 70.0, 20.0), (50.0, 52.0, 20.0), (80.0, 74.0, 20.0)];
    for shapes in [&halves, &clump] {
        let found = estimate_diameter(&map(100, 80, discs(shapes))).unwrap();
        assert!((found / 40.0 - 1.0).abs() < 0.15, "{found}");
    }
    // One whole cell outweighs them.
    let whole = [(0.0, 40.0, 20.0), (60.0, 4.0, 20.0), (60.0, 52.0, 16.0)];
    assert!((estimate_diameter(&map(100, 80, discs(&whole))).unwrap() / 32.0 - 1.0).abs() < 0.05);
}

#[test]
fn the_labels_cover_the_cells_and_are_in_raster_order() {
    let map = map(
        200,
        120,
        discs(&[(40.0, 40.0, 20.0), (75.0, 40.0, 20.0), (150.0, 30.0, 22.0), (60.0, 90.0, 20.0)]),
    );
    let cells = find_cells(&map, &CellOptions::default());
    assert_eq!(cells.labels.mask(), map);
    let mut seen = 0;
    for &id in &cells.labels.ids {
        assert!(id <= seen + 1);
        seen = seen.max(id);
    }
    for cell in &cells.cells {
        assert!(outlines(&cells.labels, cell)[0].len() > 8);
    }
    assert_eq!(Labels::of_mask(&map).ids.iter().max(), Some(&3));
}

#[test]
fn every_cell_of_a_crowd_is_in_one_piece() {
    let mut state = 3;
    for _ in 0..6 {
        let found = find_cells(
            &map(300, 240, discs(&crowd(&mut state))),
            &CellOptions { diameter_px: Some(38.0), ..Default::default() },
        );
        assert!(found.cells.len() > 15, "{}", found.cells.len());
        for cell in &found.cells {
            let pieces = regions(300, 240, Neighbours::Four, |at| found.labels.ids[at] == cell.id);
            assert_eq!(pieces.len(), 1, "cell {} at {}, {}", cell.id, cell.x, cell.y);
        }
    }
}
