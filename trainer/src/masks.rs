//! Checks for masks that are probably wrong.

use crate::say::{join_first, plural};
use rbc_model::cells::distance::squared_distance_within;
use rbc_model::{GrayImage, RgbImage};
use std::collections::{BTreeMap, HashSet};

/// What a mask marks within the labelled part of its image.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Share of the pixels that are marked, 0 to 1.
    pub share: f64,
    /// Mean brightness of the marked pixels minus that of the others, in levels of 255; `None` if all pixels or none
    /// are marked.
    pub brighter: Option<f64>,
}

impl Marks {
    pub fn of(image: &RgbImage, mask: &GrayImage, margin: u32) -> Self {
        let (width, height) = mask.dimensions();
        // Sum of brightness and number of pixels, unmarked and marked.
        let mut sums = [(0u64, 0u64); 2];
        for y in margin..height.saturating_sub(margin) {
            for x in margin..width.saturating_sub(margin) {
                let sum = &mut sums[usize::from(mask.get_pixel(x, y).0[0] != 0)];
                sum.0 += image.get_pixel(x, y).0.iter().map(|&value| u64::from(value)).sum::<u64>();
                sum.1 += 1;
            }
        }
        let [background, marked] = sums;
        let mean = |(sum, count): (u64, u64)| sum as f64 / (3 * count) as f64;
        Self {
            share: marked.1 as f64 / (background.1 + marked.1).max(1) as f64,
            brighter: (background.1 > 0 && marked.1 > 0).then(|| mean(marked) - mean(background)),
        }
    }

    /// `all` or `none` if the mask marks all or none of the image.
    pub fn extreme(&self) -> Option<&'static str> {
        match self.share {
            0.0 => Some("none"),
            1.0 => Some("all"),
            _ => None,
        }
    }
}

/// Warnings about the masks of a data set, given by image name, that would spoil training and measurement.
pub fn doubts(marks: &[(String, Marks)]) -> Vec<String> {
    let extreme = ["none", "all"].into_iter().filter_map(|all| {
        let of = marks.iter().filter(|(_, marks)| marks.extreme() == Some(all));
        let names: Vec<String> = of.map(|(name, _)| name.clone()).collect();
        (!names.is_empty()).then(|| {
            let masks = plural(
                names.len(),
                &format!("mask marks {all} of the image as RBC: check it"),
                &format!("masks mark {all} of the image as RBC: check them"),
            );
            format!("{masks} ({})", join_first(&names))
        })
    });
    extreme.chain(inverted(marks.iter().map(|(_, marks)| marks))).collect()
}

/// Says so if a data set is useless because no mask has both cells and background.
pub fn nothing_to_learn<'a>(marks: impl Iterator<Item = &'a Marks>) -> Option<&'static str> {
    let mut extremes = marks.map(Marks::extreme);
    let first = extremes.next()?;
    if !extremes.all(|extreme| extreme.is_some()) {
        return None;
    }
    first.map(|_| {
        "no mask distinguishes cells from background: each marks all of its image or none of it; mark the cells (with \
         any value but 0)"
    })
}

/// A difference of more than this many levels is no accident.
const CLEARLY: f64 = 5.0;

/// A warning if most masks of a data set mark the bright background: stain makes cells darker.
pub fn inverted<'a>(marks: impl Iterator<Item = &'a Marks>) -> Option<String> {
    let known: Vec<f64> = marks.filter_map(|marks| marks.brighter).collect();
    let bright = known.iter().filter(|&&brighter| brighter > CLEARLY).count();
    (2 * bright > known.len()).then(|| {
        format!(
            "{bright} of {} masks mark the brighter part of the image; if that is the background, invert them",
            known.len()
        )
    })
}

/// A mask with more than this many grey levels, in more than this share of its pixels, was smoothed.
const LEVELS: usize = 16;
const SHARE: f64 = 0.01;

/// A warning if a mask, decoded from a lossless file, blends from black to its mark through many grey levels. Instance
/// numbers are many too, but each of them fills an area.
pub fn blurred(mask: &RgbImage) -> Option<String> {
    let mut counts = BTreeMap::<[u8; 3], usize>::new();
    mask.pixels()
        .filter(|pixel| pixel.0 != [0; 3])
        .for_each(|pixel| *counts.entry(pixel.0).or_default() += 1);
    let mark = counts.into_iter().max_by_key(|(_, count)| *count)?.0;
    let (mut levels, mut loose) = (HashSet::new(), 0usize);
    for (x, y, pixel) in mask.enumerate_pixels().filter(|(.., pixel)| pixel.0 != [0; 3] && pixel.0 != mark) {
        let beside = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
        let alike = beside.iter().filter(|(x, y)| mask.get_pixel_checked(*x, *y) == Some(pixel)).count();
        if alike < 2 {
            levels.insert(pixel.0);
            loose += 1;
        }
    }
    let many =
        levels.len() > LEVELS && loose as f64 > SHARE * f64::from(mask.width()) * f64::from(mask.height());
    many.then(|| {
        format!(
            "a mask with {} levels of grey along its outlines (smoothed, or once a JPEG): every pixel that is not black counts \
             as RBC, so cells come out too large; threshold it at half to make it black and white",
            levels.len()
        )
    })
}

/// Largest depth in pixels of a cell's smoothed rim.
const RIM: f32 = 2.0;

/// A warning if whole areas of a lossy mask, not only the rims of cells, are marked but too dark to count. `faint` is
/// 255 in such pixels.
pub fn faint(faint: &GrayImage) -> Option<String> {
    let (width, height) = (faint.width() as usize, faint.height() as usize);
    let pixels = faint.as_raw();
    let inside = squared_distance_within(RIM.ceil() as usize, width, height, |at| pixels[at] == 0);
    let area = inside.into_iter().filter(|&away| away > RIM * RIM).count();
    (area as f64 > SHARE * pixels.len() as f64).then(|| {
        "a lossy file that marks cells with different grey levels; the darker ones count as background: save it as PNG".into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(at: impl Fn(f32) -> u8) -> RgbImage {
        RgbImage::from_fn(64, 64, |x, y| image::Rgb([at((x as f32 - 31.3).hypot(y as f32 - 31.8)); 3]))
    }

    #[test]
    fn smoothed_masks_are_told_from_marks_and_from_numbers() -> anyhow::Result<()> {
        let sharp = disc(|away| if away < 20.0 { 255 } else { 0 });
        assert_eq!(blurred(&sharp), None);
        let smooth = disc(|away| (255.0 * (20.5 - away).clamp(0.0, 1.0)) as u8);
        assert!(blurred(&smooth).is_some());

        let mut jpeg = std::io::Cursor::new(Vec::new());
        sharp.write_to(&mut jpeg, image::ImageFormat::Jpeg)?;
        let once_a_jpeg = image::load_from_memory(jpeg.get_ref())?.into_rgb8();
        assert!(blurred(&once_a_jpeg).is_some());

        // Cells of 6 x 6 pixels, each with a number of its own.
        let numbers = RgbImage::from_fn(64, 64, |x, y| {
            let cell = x % 8 < 6 && y % 8 < 6;
            image::Rgb([if cell { (1 + x / 8 + 8 * (y / 8)) as u8 } else { 0 }; 3])
        });
        assert_eq!(blurred(&numbers), None);
        assert_eq!(blurred(&RgbImage::new(8, 8)), None);
        Ok(())
    }

    #[test]
    fn faint_cells_are_told_from_smoothed_rims() -> anyhow::Result<()> {
        let told = |mask: &RgbImage| -> anyhow::Result<bool> {
            let mut jpeg = std::io::Cursor::new(Vec::new());
            mask.write_to(&mut jpeg, image::ImageFormat::Jpeg)?;
            Ok(faint(&rbc_model::decode::decode_faint(jpeg.get_ref(), "a")?).is_some())
        };
        let smooth = disc(|away| (255.0 * (22.0 - away).clamp(0.0, 4.0) / 4.0) as u8);
        assert!(!told(&smooth)? && !told(&disc(|away| if away < 20.0 { 255 } else { 0 }))?);
        let mut two = disc(|away| if away < 20.0 { 255 } else { 0 });
        let small = |x: u32, y: u32| (x as f32 - 8.0).hypot(y as f32 - 8.0) < 7.0;
        two.enumerate_pixels_mut()
            .filter(|(x, y, _)| small(*x, *y))
            .for_each(|(.., pixel)| pixel.0 = [90; 3]);
        assert!(told(&two)?);
        Ok(())
    }

    #[test]
    fn masks_of_the_ground_are_told_where_they_are_the_most() {
        let image = disc(|away| if away < 20.0 { 90 } else { 200 });
        let cells = GrayImage::from_fn(64, 64, |x, y| {
            image::Luma([if image.get_pixel(x, y).0[0] == 90 { 255 } else { 0 }])
        });
        let mut background = cells.clone();
        image::imageops::invert(&mut background);
        let of = |mask: &GrayImage| Marks::of(&image, mask, 2);
        let (cells, background, none) = (of(&cells), of(&background), of(&GrayImage::new(64, 64)));
        assert_eq!((none.extreme(), none.brighter, cells.extreme()), (Some("none"), None, None));
        assert_eq!(inverted([none].iter()), None);
        assert_eq!(inverted([cells, background, none].iter()), None);
        let told = inverted([cells, background, none, background].iter());
        assert!(told.is_some_and(|told| told.starts_with("2 of 3 masks")));
    }

    #[test]
    fn masks_that_spoil_figures_are_told_in_a_line_each() {
        let marks = |name: &str, mask: fn(u32) -> u8| {
            let image = RgbImage::from_fn(8, 8, |_, y| image::Rgb([20 * y as u8; 3]));
            let mask = GrayImage::from_fn(8, 8, |_, y| image::Luma([mask(y)]));
            (name.to_string(), Marks::of(&image, &mask, 1))
        };
        let useless = |of: &[(String, Marks)]| nothing_to_learn(of.iter().map(|(_, marks)| marks)).is_some();
        let (upper, lower) = (|y| if y < 4 { 255 } else { 0 }, |y| if y < 4 { 0 } else { 255 });
        let good = [marks("a", upper), marks("b", lower)];
        assert!(doubts(&good).is_empty() && !useless(&good));
        // Marks in the margin do not count.
        let bad = [marks("a", |_| 0), marks("b", |y| if y == 0 { 255 } else { 0 }), marks("c", |_| 255)];
        assert_eq!(
            doubts(&bad),
            [
                "2 masks mark none of the image as RBC: check them (a, b)",
                "1 mask marks all of the image as RBC: check it (c)"
            ]
        );
        assert!(useless(&bad) && !useless(&[bad[0].clone(), good[0].clone()]) && !useless(&[]));
        let inverted = doubts(&[marks("a", lower)]);
        assert!(inverted.len() == 1 && inverted[0].contains("invert"), "{inverted:?}");
    }
}
