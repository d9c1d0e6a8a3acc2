//! 2x2 max pooling with indices, max unpooling, and the gather that is the backward pass of unpooling.
//!
//! An index is the place in the 2x2 window, 0 to 3, row by row: two bits suffice, and they do not depend on where a
//! tile lies in its image. Of equal values the first wins, as in the published network.

use super::Shape;
use crate::parallel::for_each_part;

/// `[n, c, h, w]` to values and window places, both `[n, c, h / 2, w / 2]`. `h` and `w` must be even.
pub fn max_pool(x: &[f32], shape: Shape) -> (Vec<f32>, Vec<i32>) {
    assert!(shape.h.is_multiple_of(2) && shape.w.is_multiple_of(2));
    let len = shape.len() / 4;
    let (mut values, mut places) = (vec![0.0; len], vec![0; len]);
    let parts: Vec<_> =
        values.chunks_mut(shape.plane() / 4).zip(places.chunks_mut(shape.plane() / 4)).collect();
    for_each_part(parts, |plane, (values, places)| {
        let rows = x[plane * shape.plane()..][..shape.plane()].chunks_exact(2 * shape.w);
        let out = values.chunks_exact_mut(shape.w / 2).zip(places.chunks_exact_mut(shape.w / 2));
        for (pair, (values, places)) in rows.zip(out) {
            let (upper, lower) = pair.split_at(shape.w);
            let windows = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for ((value, place), (u, l)) in values.iter_mut().zip(places).zip(windows) {
                (*value, *place) = largest([u[0], u[1], l[0], l[1]]);
            }
        }
    });
    (values, places)
}

/// The largest value of a window and its place; of equal values the first.
#[inline(always)]
pub(super) fn largest([a, b, c, d]: [f32; 4]) -> (f32, i32) {
    let (upper, lower) = (if b > a { (b, 1) } else { (a, 0) }, if d > c { (d, 3) } else { (c, 2) });
    if lower.0 > upper.0 { lower } else { upper }
}

/// Writes one row of an unpooled plane. `first` is the place of a window's left element in this row: 0 or 2.
#[inline(always)]
pub(super) fn spread(values: &[f32], places: &[i32], first: i32, row: &mut [f32]) {
    for (pair, (&value, &place)) in row.chunks_exact_mut(2).zip(values.iter().zip(places)) {
        pair[0] = if place == first { value } else { 0.0 };
        pair[1] = if place == first + 1 { value } else { 0.0 };
    }
}

/// Values and places `[n, c, h / 2, w / 2]` to `shape`, `[n, c, h, w]`: each value at its place, zero elsewhere.
pub fn max_unpool(x: &[f32], places: &[i32], shape: Shape) -> Vec<f32> {
    let mut out = vec![0.0; shape.len()];
    let half = shape.w / 2;
    let parts: Vec<_> = out.chunks_mut(shape.plane()).collect();
    for_each_part(parts, |plane, out| {
        let from = plane * shape.plane() / 4;
        let rows = x[from..].chunks_exact(half).zip(places[from..].chunks_exact(half));
        for (pair, (values, places)) in out.chunks_exact_mut(2 * shape.w).zip(rows) {
            let (upper, lower) = pair.split_at_mut(shape.w);
            spread(values, places, 0, upper);
            spread(values, places, 2, lower);
        }
    });
    out
}

/// The backward pass of [`max_unpool`]: `shape`, `[n, c, h, w]`, to `[n, c, h / 2, w / 2]`, taking from each window the
/// element at its place.
pub fn gather(x: &[f32], places: &[i32], shape: Shape) -> Vec<f32> {
    assert!(shape.h.is_multiple_of(2) && shape.w.is_multiple_of(2));
    let mut out = vec![0.0; shape.len() / 4];
    let half = shape.w / 2;
    let parts: Vec<_> = out.chunks_mut(shape.plane() / 4).collect();
    for_each_part(parts, |plane, out| {
        let from = plane * shape.plane() / 4;
        let rows =
            x[plane * shape.plane()..].chunks_exact(2 * shape.w).zip(places[from..].chunks_exact(half));
        for (values, (pair, places)) in out.chunks_exact_mut(half).zip(rows) {
            let (upper, lower) = pair.split_at(shape.w);
            let windows = upper.chunks_exact(2).zip(lower.chunks_exact(2));
            for ((value, &place), (u, l)) in values.iter_mut().zip(places).zip(windows) {
                let row = if place & 2 == 0 { u } else { l };
                *value = if place & 1 == 0 { row[0] } else { row[1] };
            }
        }
    });
    out
}
