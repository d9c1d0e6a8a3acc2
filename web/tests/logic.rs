//! What the page decides by itself, without its workers: what added files are for, how corrections are undone and redone,
//! and the figures of several images together. One file, as each is linked and opened in a browser separately.

use js_sys::Array;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web::app::{Corrections, Dropped, Sorted, Spread};
use web::message::{CellRow, Stroke};
use web_sys::File;

wasm_bindgen_test_configure!(run_in_browser);

/// What files at these paths are for.
fn sorted(paths: &[&str], from_folder: bool) -> Result<Sorted, JsValue> {
    let dropped = |path: &&str| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok(Dropped { file: File::new_with_str_sequence(&Array::new(), name)?, folder: folder.into() })
    };
    Ok(Sorted::of(paths.iter().map(dropped).collect::<Result<_, JsValue>>()?, from_folder))
}

#[wasm_bindgen_test]
fn truth_masks_are_known_by_name_or_folder() -> Result<(), JsValue> {
    for (path, of) in [
        ("Smear_MASK.tif", "smear"),
        ("smear.mask.png", "smear"),
        ("smear-truth.png", "smear"),
        ("Day 2 gt.png", "day 2"),
        ("mask/smear.png", "smear"),
        ("set/Masks/smear.png", "smear"),
        ("truth/Smear.png", "smear"),
        ("set/labels/smear.png", "smear"),
        // The name counts first.
        ("masks/smear_mask.png", "smear"),
    ] {
        let sorted = sorted(&[path], false)?;
        assert!(sorted.images.is_empty() && sorted.made.is_empty(), "{path}");
        let stems: Vec<_> = sorted.truths.iter().map(|(stem, _)| stem.as_str()).collect();
        assert_eq!(stems, [of], "{path}");
    }
    for path in ["unmask.png", "mask.png", "masks.png", "mask_2.png", "masks/day/smear.png", "smear.png"] {
        let sorted = sorted(&[path], false)?;
        assert!(sorted.truths.is_empty() && sorted.images.len() == 1, "{path}");
    }
    Ok(())
}

#[wasm_bindgen_test]
fn from_a_folder_only_what_looks_like_an_image_is_taken() -> Result<(), JsValue> {
    let paths = [
        "set/smear.PNG",
        "set/masks/smear.png",
        "set/smear.overlay.png",
        "set/desktop.ini",
        "set/smear.cells.csv",
        "set/own.safetensors",
        "set/.thumbs/smear.png",
        "set/.smear.png",
        "own.bpk",
    ];
    let inside = sorted(&paths, true)?;
    let images: Vec<_> = inside.images.iter().map(|image| image.file.name()).collect();
    assert_eq!(images, ["smear.PNG"]);
    assert_eq!((inside.truths.len(), &inside.made[..]), (1, &["smear.overlay.png".to_string()][..]));
    let weights: Vec<_> = inside.weights.iter().map(File::name).collect();
    assert_eq!(weights, ["own.bpk"], "what lies beside a folder was given on purpose");

    // Given one by one, everything is taken: what is no image is an error that the user is to see.
    let given = sorted(&paths, false)?;
    assert_eq!((given.images.len(), given.truths.len(), given.made.len(), given.weights.len()), (4, 1, 2, 2));
    assert!(sorted(&["set/desktop.ini"], true)?.is_empty());
    Ok(())
}

/// A cell of this number around a point.
fn cell(id: u32, inside: (f64, f64)) -> CellRow {
    CellRow { id, inside, ..CellRow::default() }
}

/// A square line about a point, 10 pixels wide.
fn line(cut: bool, (x, y): (f64, f64)) -> Stroke {
    let corners = [(-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0)];
    Stroke { cut, points: corners.iter().flat_map(|(right, down)| [x + right, y + down]).collect() }
}

#[wasm_bindgen_test]
fn corrections_are_undone_and_redone_in_order() {
    let mut corrections = Corrections::default();
    assert!(!corrections.undo() && !corrections.redo() && !corrections.take_back());
    corrections.leave_out(1, (10.0, 10.0));
    corrections.draw(line(true, (50.0, 50.0)), &[]);
    corrections.leave_out(2, (20.0, 20.0));
    let all = corrections.by_hand().clone();
    assert_eq!((all.count(), &all.excluded[..]), (3, &[10.0, 10.0, 20.0, 20.0][..]));

    let mut counts = Vec::new();
    while corrections.undo() {
        counts.push(corrections.by_hand().count());
    }
    assert_eq!(counts, [2, 1, 0]);
    while corrections.redo() {}
    assert_eq!(*corrections.by_hand(), all);
    // What comes after an undone correction replaces it.
    corrections.undo();
    corrections.leave_out(3, (30.0, 30.0));
    assert!(corrections.can_undo() && !corrections.can_redo());
    assert_eq!(corrections.by_hand().excluded, [10.0, 10.0, 30.0, 30.0]);
}

#[wasm_bindgen_test]
fn a_cell_that_was_renumbered_is_taken_in_again() {
    let mut corrections = Corrections::default();
    corrections.leave_out(1, (10.0, 10.0));
    corrections.hit(vec![4.0]);
    corrections.leave_out(1, (20.0, 20.0));
    // The first point is in both states, so that its new number is known in the one before.
    corrections.undo();
    corrections.take_in(1);
    assert_eq!(corrections.by_hand().excluded, [10.0, 10.0], "another cell has its former number");
    corrections.take_in(4);
    assert!(corrections.by_hand().excluded.is_empty());
    corrections.undo();
    assert_eq!(corrections.by_hand().excluded, [10.0, 10.0]);
}

#[wasm_bindgen_test]
fn a_cell_that_is_drawn_counts_where_one_was_left_out() {
    let rows = [cell(1, (12.0, 10.0)), cell(2, (40.0, 10.0)), cell(3, (60.0, 60.0))];
    let mut corrections = Corrections::default();
    corrections.leave_out(1, (10.0, 10.0));
    corrections.leave_out(2, (11.0, 11.0));
    corrections.leave_out(3, (60.0, 60.0));
    let left_out = corrections.by_hand().excluded.clone();
    corrections.draw(line(true, (10.0, 10.0)), &rows);
    assert_eq!(corrections.by_hand().excluded, left_out, "a cut changes no point");
    corrections.draw(line(false, (10.0, 10.0)), &rows);
    // The first cell lies within the line as a whole, of the second there is some beyond it, the third is elsewhere.
    assert_eq!(corrections.by_hand().excluded, [40.0, 10.0, 60.0, 60.0]);
    corrections.undo();
    assert_eq!(corrections.by_hand().excluded, left_out);
}

#[wasm_bindgen_test]
fn a_stroke_in_vain_leaves_what_was_undone_before_it() {
    let mut corrections = Corrections::default();
    corrections.leave_out(1, (10.0, 10.0));
    corrections.undo();
    corrections.draw(line(true, (50.0, 50.0)), &[]);
    assert!(!corrections.can_redo());
    assert!(corrections.take_back());
    assert_eq!(corrections.by_hand().count(), 0);
    assert!(corrections.redo());
    assert_eq!(corrections.by_hand().excluded, [10.0, 10.0], "not the stroke");
    assert!(!corrections.can_redo());
}

#[wasm_bindgen_test]
fn figures_of_several_images_are_those_of_all_their_cells() {
    let spread = |values: &[f64]| Spread::of(values.iter().copied());
    let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        (one, other) => one == other,
    };
    let values = [4.0, 6.5, 5.0, 90.0, 91.0, 97.5, 2.0];
    let all = spread(&values);
    assert!(near(all.mean(), Some(296.0 / 7.0)));
    for cut in 0..=values.len() {
        let (left, right) = values.split_at(cut);
        let both = spread(left).and(spread(right));
        assert!(near(both.mean(), all.mean()) && near(both.deviation(), all.deviation()), "{cut}: {both:?}");
    }
    // Of two values: half their distance squared, times two, over one.
    assert!(near(spread(&[1.0]).and(spread(&[3.0])).deviation(), Some(2.0_f64.sqrt())));
    assert!(
        spread(&[1.0]).deviation().is_none() && Spread::default().and(Spread::default()).mean().is_none()
    );
    // Areas in micrometres.
    let sized = spread(&[100.0, 300.0]).sized(Some(0.5), 2);
    assert!(near(sized.mean(), Some(50.0)) && near(sized.deviation(), spread(&[25.0, 75.0]).deviation()));
}
