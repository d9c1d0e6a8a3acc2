#![allow(clippy::unwrap_used, reason = "a test may fail that way")]

use super::*;
use crate::cells::Labels;

fn mask(rows: &[&str]) -> GrayImage {
    let data = rows.iter().flat_map(|row| row.bytes().map(|b| if b == b'#' { 255 } else { 0 })).collect();
    GrayImage::from_raw(rows[0].len() as u32, rows.len() as u32, data).unwrap()
}

fn labels(rows: &[&str]) -> Labels {
    let ids = rows.iter().flat_map(|row| row.bytes().map(|b| u32::from(b - b'0'))).collect();
    Labels { width: rows[0].len() as u32, height: rows.len() as u32, ids }
}

#[test]
fn overlap_is_counted() {
    let overlap = Overlap::of(&mask(&["##..", "##.."]), &mask(&[".##.", ".##."])).unwrap();
    assert_eq!(overlap, Overlap { both: 2, predicted_only: 2, truth_only: 2, neither: 2 });
    assert_eq!(overlap.iou(), 2.0 / 6.0);
    assert_eq!(overlap.background_iou(), 2.0 / 6.0);
    assert_eq!(overlap.dice(), 0.5);
    assert_eq!((overlap.precision(), overlap.recall()), (0.5, 0.5));
}

#[test]
fn two_empty_masks_agree_and_one_does_not() {
    let (empty, full) = (GrayImage::new(4, 4), GrayImage::from_pixel(4, 4, image::Luma([1])));
    let same = score_mask(&empty, &empty, 0).unwrap();
    assert_eq!(
        same,
        MaskScore { iou: 1.0, miou: 1.0, dice: 1.0, precision: 1.0, recall: 1.0, boundary_f1: 1.0 }
    );
    assert_eq!(score_mask(&full, &full, 0).unwrap(), same);
    let other = score_mask(&empty, &full, 0).unwrap();
    assert_eq!((other.iou, other.miou, other.dice), (0.0, 0.0, 0.0));
    assert_eq!((other.precision, other.recall), (1.0, 0.0));
    assert_eq!((other.boundary_f1, score_mask(&full, &empty, 0).unwrap().boundary_f1), (0.0, 0.0));
    let spot = mask(&["....", ".##.", "....", "...."]);
    assert_eq!(score_mask(&spot, &empty, 0).unwrap().boundary_f1, 0.0);
    assert_eq!(score_mask(&empty, &spot, 0).unwrap().boundary_f1, 0.0);
}

#[test]
fn a_margin_is_left_out() {
    let truth = mask(&["....", ".##.", ".##.", "...."]);
    let predicted = mask(&["####", "###.", ".##.", "#..."]);
    assert_eq!(score_mask(&predicted, &truth, 1).unwrap().iou, 1.0);
    assert!(score_mask(&predicted, &truth, 0).unwrap().iou < 1.0);
    assert!(score_mask(&predicted, &truth, 2).is_err());
    assert!(score_mask(&predicted, &GrayImage::new(5, 4), 0).unwrap_err().to_string().contains("one size"));
}

#[test]
fn outlines_are_compared_within_the_tolerance() {
    let square = |at: u32| {
        GrayImage::from_fn(40, 40, |x, y| {
            image::Luma([if (at..at + 15).contains(&x) && (10..25).contains(&y) { 255 } else { 0 }])
        })
    };
    assert_eq!(boundary_f1(&square(10), &square(10), 0.0).unwrap(), 1.0);
    assert_eq!(boundary_f1(&square(10), &square(12), 2.0).unwrap(), 1.0);
    assert!(boundary_f1(&square(10), &square(12), 1.0).unwrap() < 1.0);
    assert!((boundary_tolerance(128, 128) - 1.357).abs() < 0.001);
    assert_eq!(boundary_tolerance(8, 8), 1.0);
}

#[test]
fn cells_are_paired_once() {
    let truth = labels(&["1122", "1122", "0000", "3333"]);
    let merged = labels(&["5555", "5555", "0000", "7770"]);
    let score = match_instances(&merged, &truth, 0.5).unwrap();
    // Half of two merged cells matches neither of them.
    assert_eq!((score.cells_true, score.cells_predicted, score.matched), (3, 2, 1));
    assert_eq!(score.f1(), 0.4);
    assert!((score.matched_iou - 0.75).abs() < 1e-12);
    assert_eq!(match_instances(&merged, &truth, 0.49).unwrap().matched, 2);
    assert_eq!(match_instances(&truth, &truth, 0.5).unwrap().panoptic_quality(), 1.0);
    let none = labels(&["0000", "0000", "0000", "0000"]);
    assert_eq!(match_instances(&none, &none, 0.5).unwrap().f1(), 1.0);
    assert_eq!(match_instances(&none, &truth, 0.5).unwrap().f1(), 0.0);
    assert!(match_instances(&labels(&["1"]), &truth, 0.5).is_err());
}
