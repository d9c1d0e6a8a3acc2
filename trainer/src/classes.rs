//! Masks of several classes: every value but 0 counts as red cell, though perhaps only one of them is meant.

use crate::say::plural;
use rbc_model::cells::Labels;
use rbc_model::{GrayImage, RgbImage};
use std::collections::{BTreeMap, BTreeSet};

/// More values than this are numbers of cells, or shades.
const MOST: usize = 8;

/// The values of one mask that fill areas, apart from background.
#[derive(Clone, Debug, Default)]
pub struct Values {
    found: BTreeSet<[u8; 3]>,
    /// Number of areas of the value that has the most of them. A class marks several cells, an instance number only one.
    areas: usize,
}

impl Values {
    /// The values of a mask decoded to RGB, where `marked`, the same mask, is not 0.
    pub fn of(mask: &RgbImage, marked: &GrayImage) -> Self {
        // Number of pixels of each value, and of those within an area of it. The edges of smoothed cells have few.
        let mut counts = BTreeMap::<[u8; 3], [usize; 2]>::new();
        for (x, y, pixel) in mask.enumerate_pixels().filter(|(x, y, _)| marked.get_pixel(*x, *y).0[0] != 0) {
            let [all, inner] = counts.entry(pixel.0).or_default();
            *all += 1;
            *inner += usize::from(is_inner(mask, x, y));
        }
        let found = counts.into_iter().filter(|(_, [all, inner])| 3 * inner >= *all).map(|(value, _)| value);
        let found: BTreeSet<_> = found.collect();
        let areas = if (2..=MOST).contains(&found.len()) {
            found.iter().map(|value| areas(mask, *value)).max().unwrap_or(0)
        } else {
            0
        };
        Self { found, areas }
    }
}

/// Whether all four neighbours have the pixel's value.
fn is_inner(mask: &RgbImage, x: u32, y: u32) -> bool {
    let beside = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
    beside.into_iter().all(|(to_x, to_y)| mask.get_pixel_checked(to_x, to_y) == Some(mask.get_pixel(x, y)))
}

/// Number of connected areas of a value, without specks.
fn areas(mask: &RgbImage, value: [u8; 3]) -> usize {
    let (width, height) = mask.dimensions();
    let marked = |x, y| image::Luma([u8::from(mask.get_pixel(x, y).0 == value)]);
    let labels = Labels::of_mask(&GrayImage::from_fn(width, height, marked));
    let pixels = mask.enumerate_pixels().zip(&labels.ids);
    let inner = pixels.filter(|((x, y, _), id)| **id > 0 && is_inner(mask, *x, *y));
    inner.map(|(_, id)| id).collect::<BTreeSet<_>>().len()
}

/// A warning if the masks of a data set, of which these are the values, seem to be of several classes: the values are
/// few, and on average at least two areas of a mask share one.
pub fn doubt(masks: &[&Values]) -> Option<String> {
    let several: Vec<&Values> = masks.iter().filter(|mask| mask.found.len() > 1).copied().collect();
    let found: BTreeSet<[u8; 3]> = several.iter().flat_map(|mask| &mask.found).copied().collect();
    let areas: usize = several.iter().map(|mask| mask.areas).sum();
    if several.is_empty() || found.len() > MOST || areas < 2 * several.len() {
        return None;
    }
    let names: Vec<String> = found.into_iter().map(name).collect();
    let masks = plural(several.len(), "mask has areas", "masks have areas");
    Some(format!(
        "{masks} of {} values ({}), which all count as red cells; if they are classes, set the other classes to 0",
        names.len(),
        names.join(", ")
    ))
}

/// A grey level as a number, a colour as `#ff8000`.
fn name([red, green, blue]: [u8; 3]) -> String {
    if red == green && green == blue { red.to_string() } else { format!("#{red:02x}{green:02x}{blue:02x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mask of discs of radius 6 in a grid of four by four; `value` gives the grey level of each, from 0 to 15, and
    /// `edge` that of its outline.
    fn mask(value: impl Fn(u32) -> u8, edge: impl Fn(u8) -> u8) -> Values {
        let mask = RgbImage::from_fn(64, 64, |x, y| {
            let away = ((x % 16) as f32 - 7.5).hypot((y % 16) as f32 - 7.5);
            let value = value(x / 16 + 4 * (y / 16));
            image::Rgb(
                [if away < 5.5 {
                    value
                } else if away < 6.5 {
                    edge(value)
                } else {
                    0
                }; 3],
            )
        });
        let marked = GrayImage::from_fn(64, 64, |x, y| image::Luma([mask.get_pixel(x, y).0[0]]));
        Values::of(&mask, &marked)
    }

    fn told(masks: &[Values]) -> Option<String> {
        doubt(&masks.iter().collect::<Vec<_>>())
    }

    #[test]
    fn classes_are_told_from_numbers_and_edges() {
        let same = |value: u8| value;
        let classes = mask(|cell| if cell == 5 { 2 } else { 1 }, same);
        let plain = mask(|_| 1, same);
        let warning = told(&[plain.clone(), classes.clone(), classes.clone()]).unwrap_or_default();
        assert!(warning.starts_with("2 masks have areas of 2 values (1, 2), which all count"), "{warning}");
        // One class in each mask, each with its own mark.
        assert_eq!(told(&[plain, mask(|_| 255, same)]), None);
        assert_eq!(told(&[mask(|_| 255, |_| 128)]), None, "a smoothed edge");
        // Numbers of few cells, and of many.
        let few = mask(|cell| if cell < 5 { cell as u8 + 1 } else { 0 }, same);
        assert_eq!(told(&[few.clone(), few]), None);
        assert_eq!(told(&[mask(|cell| cell as u8 + 1, same), classes]), None);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn colours_are_named() {
        assert_eq!([name([7; 3]), name([255, 128, 0])], ["7", "#ff8000"]);
    }
}
