//! The exact truth: which pixel belongs to which cell.

use image::{ImageBuffer, Luma};
use rbc_model::cells::Labels;

use super::cell::Cell;

pub type LabelImage = ImageBuffer<Luma<u16>, Vec<u16>>;

/// The same numbers as the model holds them.
pub fn as_labels(image: &LabelImage) -> Labels {
    let (width, height) = image.dimensions();
    Labels { width, height, ids: image.iter().map(|&id| id.into()).collect() }
}

/// Of a cell there must be visible: this share of its pixels in the frame, this share of its whole area, and this many
/// pixels. Other cells are not drawn at all, so that every cell drawn can be seen and counted.
const VISIBLE: f32 = 0.35;
const IN_FRAME: f32 = 0.03;
const PIXELS: u32 = 12;

/// Labels each pixel with its topmost cell, from 1; pixels under `covered` (white cells) get 0. Cells that could not be
/// seen are removed from `cells`; label `i + 1` is `cells[i]`.
pub fn label(cells: &mut Vec<Cell>, width: u32, height: u32, covered: &[bool]) -> LabelImage {
    loop {
        let mut labels = LabelImage::new(width, height);
        let mut own = vec![0_u32; cells.len()];
        for (i, cell) in cells.iter().enumerate() {
            own[i] = paint(cell, i as u16 + 1, &mut labels, covered);
        }
        let mut seen = vec![0_u32; cells.len()];
        for &label in labels.iter().filter(|&&l| l > 0) {
            seen[label as usize - 1] += 1;
        }
        let keep = |i: usize, cell: &Cell| {
            let enough = (own[i] as f32 * VISIBLE).max(cell.outline.area() * IN_FRAME);
            seen[i] >= PIXELS.min(own[i].max(1)) && seen[i] as f32 >= enough && own[i] >= PIXELS
        };
        let before = cells.len();
        let mut i = 0;
        cells.retain(|cell| {
            i += 1;
            keep(i - 1, cell)
        });
        if cells.len() == before {
            return labels;
        }
    }
}

/// Labels the pixels whose centre lies inside the cell; returns how many of them are in the frame, covered or not.
fn paint(cell: &Cell, label: u16, labels: &mut LabelImage, covered: &[bool]) -> u32 {
    let width = labels.width();
    let mut own = 0;
    each_pixel(cell, width, labels.height(), |x, y, _| {
        own += 1;
        if !covered[(y * width + x) as usize] {
            labels.put_pixel(x, y, Luma([label]));
        }
    });
    own
}

/// Labels each pixel with the cell in which it lies deepest, so that overlapping cells meet in the middle: light passes
/// through both, and which one is on top can't be seen.
pub fn shares(cells: &[Cell], truth: &LabelImage) -> LabelImage {
    let (width, height) = truth.dimensions();
    let mut labels = LabelImage::new(width, height);
    let mut least = vec![f32::INFINITY; (width * height) as usize];
    for (i, cell) in cells.iter().enumerate() {
        each_pixel(cell, width, height, |x, y, far| {
            let at = (y * width + x) as usize;
            if far < least[at] && truth.get_pixel(x, y).0[0] > 0 {
                least[at] = far;
                labels.put_pixel(x, y, Luma([i as u16 + 1]));
            }
        });
    }
    labels
}

/// Calls `of` for each pixel of the cell in the frame, with its column, row and distance from the centre (1 at the
/// outline).
fn each_pixel(cell: &Cell, width: u32, height: u32, mut of: impl FnMut(u32, u32, f32)) {
    let reach = cell.outline.reach() + 1.0;
    let (x0, x1) = span(cell.x, reach, width);
    let (y0, y1) = span(cell.y, reach, height);
    for y in y0..y1 {
        for x in x0..x1 {
            let (dx, dy) = (x as f32 + 0.5 - cell.x, y as f32 + 0.5 - cell.y);
            let far = dx.hypot(dy) / cell.outline.towards(dx, dy).0;
            if far <= 1.0 {
                of(x, y, far);
            }
        }
    }
}

/// The range of pixels on an axis of length `size` that lie within `reach` of `centre`.
pub fn span(centre: f32, reach: f32, size: u32) -> (u32, u32) {
    let low = (centre - reach).floor().clamp(0.0, size as f32) as u32;
    let high = (centre + reach).ceil().clamp(0.0, size as f32) as u32;
    (low, high)
}
