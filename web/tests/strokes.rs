//! The page and the model agree on what a hand-drawn line encloses: the page decides with its own rule which left-out
//! points a new cell takes in again.

use rbc_model::GrayImage;
use rbc_model::cells::{self, CellOptions, find_cells};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web::message::Stroke;

wasm_bindgen_test_configure!(run_in_browser);

/// A square whose line goes on past its start, so that it goes around some points twice.
const OVERSHOT: [[f64; 2]; 7] =
    [[5.0, 5.0], [25.0, 5.0], [25.0, 25.0], [5.0, 25.0], [5.0, 3.0], [15.0, 3.0], [15.0, 12.0]];

fn outline(points: &[[f64; 2]]) -> Stroke {
    Stroke { cut: false, points: points.concat() }
}

#[wasm_bindgen_test]
fn what_a_line_goes_around_twice_is_inside() {
    let stroke = outline(&OVERSHOT);
    let backwards: Vec<[f64; 2]> = OVERSHOT.iter().rev().copied().collect();
    for stroke in [stroke, outline(&backwards)] {
        assert!(stroke.encloses(8.0, 20.0), "gone around once");
        assert!(stroke.encloses(12.0, 8.0), "gone around twice");
        assert!(stroke.encloses(10.0, 4.0), "in the part beyond the start");
        assert!(!stroke.encloses(20.0, 4.0) && !stroke.encloses(30.0, 8.0) && !stroke.encloses(2.0, 8.0));
    }
}

#[wasm_bindgen_test]
fn the_page_takes_for_inside_what_the_model_fills() {
    let (width, height) = (40, 30);
    let map = GrayImage::new(width, height);
    let stroke = outline(&OVERSHOT);
    let line = OVERSHOT.iter().map(|&[x, y]| (x, y)).collect();
    let mut found = find_cells(&map, &CellOptions::default());
    assert_eq!(found.correct(&[cells::Stroke::Outline(line)], &map), [true]);
    for (at, id) in (0..).zip(&found.labels.ids) {
        let (x, y) = (f64::from(at % width) + 0.5, f64::from(at / width) + 0.5);
        assert_eq!(stroke.encloses(x, y), *id != 0, "at {x}, {y}");
    }
}
