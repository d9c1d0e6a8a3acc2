//! Renders squares of the picture and of its overlays as RGBA.
//!
//! At level `n`, pixels of a square are 2ⁿ image pixels wide. Overlays also have negative levels, finer than the image,
//! so that outlines stay thin lines along pixel borders at any zoom.

use crate::message::{Layer, Tile};
use image::GrayImage;
use rbc_model::RgbImage;
use rbc_model::cells::Labels;
use std::collections::HashSet;

/// An RGBA image.
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

/// What an overlay is drawn from.
pub struct Layers<'a> {
    pub labels: &'a Labels,
    /// Typical cell diameter in image pixels.
    pub diameter: f64,
    pub excluded: &'a HashSet<u32>,
    pub probability: &'a GrayImage,
    pub truth: Option<&'a GrayImage>,
}

/// Fill colours that distinguish neighbours (ids run along rows), also for colour-blind users, and contrast with
/// stains.
const PALETTE: [[u8; 3]; 6] =
    [[0, 200, 214], [255, 205, 0], [40, 110, 255], [0, 190, 95], [255, 110, 0], [170, 235, 30]];
const OUTLINE: [u8; 3] = [0, 224, 214];
/// As if bleached: dark ones would hide among stained cells.
const LEFT_OUT: [u8; 3] = [244, 244, 246];
const BOTH: [u8; 4] = [216, 216, 216, 120];
const MASK_ONLY: [u8; 4] = [245, 154, 35, 235];
const TRUTH_ONLY: [u8; 4] = [47, 125, 225, 235];
/// Colours from unlikely to certain: dark violet, blue, green, yellow.
const RAMP: [[f32; 3]; 5] = [
    [40.0, 10.0, 70.0],
    [50.0, 80.0, 150.0],
    [25.0, 150.0, 140.0],
    [110.0, 205.0, 90.0],
    [255.0, 235.0, 50.0],
];

/// Geometry of a square: image pixels per square pixel, its corner in the image, and its size in square pixels.
struct Place {
    step: f64,
    x: f64,
    y: f64,
    width: u32,
    height: u32,
}

fn place(tile: Tile, image: (u32, u32)) -> Place {
    let step = f64::from(tile.level).exp2();
    let side = f64::from(Tile::SIDE) * step;
    let (x, y) = (f64::from(tile.column) * side, f64::from(tile.row) * side);
    let size = |at: f64, end: u32| (((f64::from(end) - at).min(side) / step).ceil()).max(1.0) as u32;
    Place { step, x, y, width: size(x, image.0), height: size(y, image.1) }
}

/// The picture itself; at coarse levels each pixel is the mean of at most 4 x 4 samples.
pub fn image_tile(image: &RgbImage, tile: Tile) -> Picture {
    let Place { step, x, y, width, height } = place(tile, image.dimensions());
    let (step, x, y) = ((step as u32).max(1), x as u32, y as u32);
    let stride = (step / 4).max(1);
    let (image_width, image_height) = image.dimensions();
    let raw = image.as_raw();
    let mut rgba = Vec::with_capacity((width * height * 4) as usize);
    for row in 0..height {
        for column in 0..width {
            let (left, top) = (x + column * step, y + row * step);
            let (mut sum, mut count) = ([0_u32; 3], 0);
            for sy in (top..(top + step).min(image_height)).step_by(stride as usize) {
                for sx in (left..(left + step).min(image_width)).step_by(stride as usize) {
                    let at = (sy as usize * image_width as usize + sx as usize) * 3;
                    if let Some(pixel) = raw.get(at..at + 3) {
                        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                        count += 1;
                    }
                }
            }
            let count = count.max(1);
            rgba.extend(sum.map(|sum| ((sum + count / 2) / count) as u8));
            rgba.push(255);
        }
    }
    Picture { width, height, rgba }
}

/// The overlay of this layer.
pub fn overlay_tile(layers: &Layers, tile: Tile) -> Picture {
    let labels = layers.labels;
    let place = place(tile, (labels.width, labels.height));
    match tile.layer {
        Layer::Probability => each(&place, (labels.width, labels.height), |at| {
            let value = layers.probability.as_raw().get(at).copied().unwrap_or(0);
            heat(value)
        }),
        Layer::Difference => each(&place, (labels.width, labels.height), |at| {
            let id = labels.ids.get(at).copied().unwrap_or(0);
            let mask = id != 0 && !layers.excluded.contains(&id);
            let truth =
                layers.truth.is_some_and(|truth| truth.as_raw().get(at).is_some_and(|value| *value > 0));
            match (mask, truth) {
                (true, true) => BOTH,
                (true, false) => MASK_ONLY,
                (false, true) => TRUTH_ONLY,
                (false, false) => [0; 4],
            }
        }),
        Layer::Fill => cells(layers, &place, true),
        Layer::Outline | Layer::Image => cells(layers, &place, false),
    }
}

/// A square in which each pixel depends on a single image pixel; `colour` gets its index.
fn each(place: &Place, (width, height): (u32, u32), colour: impl Fn(usize) -> [u8; 4]) -> Picture {
    let mut rgba = Vec::with_capacity((place.width * place.height * 4) as usize);
    for row in 0..place.height {
        let y = ((place.y + (f64::from(row) + 0.5) * place.step) as usize).min(height as usize - 1);
        for column in 0..place.width {
            let x = ((place.x + (f64::from(column) + 0.5) * place.step) as usize).min(width as usize - 1);
            rgba.extend(colour(y * width as usize + x));
        }
    }
    Picture { width: place.width, height: place.height, rgba }
}

/// Colour of a probability.
fn heat(value: u8) -> [u8; 4] {
    let at = f32::from(value) / 255.0 * (RAMP.len() - 1) as f32;
    let low = (at as usize).min(RAMP.len() - 2);
    let share = at - low as f32;
    let mix = |channel: usize| (RAMP[low][channel] * (1.0 - share) + RAMP[low + 1][channel] * share) as u8;
    [mix(0), mix(1), mix(2), 225]
}

/// Cells as outlines (a bright line inside, a dark one around it), optionally filled.
fn cells(layers: &Layers, place: &Place, fill: bool) -> Picture {
    const MARGIN: usize = 3;
    const AROUND: [(isize, isize); 12] = [
        (-2, 0),
        (2, 0),
        (0, -2),
        (0, 2),
        (-3, 0),
        (3, 0),
        (0, -3),
        (0, 3),
        (-2, -2),
        (2, -2),
        (-2, 2),
        (2, 2),
    ];
    let labels = layers.labels;
    // At low zoom thick lines would cover the cells.
    let thick = layers.diameter / place.step >= 16.0;
    let (across, down) = (place.width as usize + 2 * MARGIN, place.height as usize + 2 * MARGIN);
    // The labels of this square with a margin. Beyond the image the nearest pixel is repeated, so that a cell is not
    // outlined along the image edge.
    let clamp = |value: f64, end: u32| value.clamp(0.0, f64::from(end) - 1.0) as usize;
    let columns: Vec<usize> = (0..across)
        .map(|i| clamp((place.x + (i as f64 - MARGIN as f64 + 0.5) * place.step).floor(), labels.width))
        .collect();
    let mut grid = Vec::with_capacity(across * down);
    for j in 0..down {
        let y = clamp((place.y + (j as f64 - MARGIN as f64 + 0.5) * place.step).floor(), labels.height);
        let line = y * labels.width as usize;
        grid.extend(columns.iter().map(|x| labels.ids.get(line + x).copied().unwrap_or(0)));
    }
    let mut rgba = Vec::with_capacity((place.width * place.height * 4) as usize);
    for j in MARGIN..down - MARGIN {
        for i in MARGIN..across - MARGIN {
            let at = j * across + i;
            let id = grid[at];
            let near = [at - 1, at + 1, at - across, at + across];
            let colour = if id == 0 {
                if near.iter().any(|other| grid[*other] != 0) { [0, 0, 0, 130] } else { [0; 4] }
            } else {
                // Towards the background three pixels wide, with round corners; between touching cells one pixel each.
                let edge = near.iter().any(|other| grid[*other] != id)
                    || (thick
                        && AROUND
                            .iter()
                            .any(|(x, y)| grid[(at as isize + y * across as isize + x) as usize] == 0));
                let out = layers.excluded.contains(&id);
                let shade = match (out, fill) {
                    (true, _) => LEFT_OUT,
                    (false, true) => PALETTE[id as usize % PALETTE.len()],
                    (false, false) => OUTLINE,
                };
                match (edge, fill) {
                    (true, _) => [shade[0], shade[1], shade[2], 255],
                    (false, true) => [shade[0], shade[1], shade[2], 140],
                    (false, false) if out => [shade[0], shade[1], shade[2], 130],
                    (false, false) => [0; 4],
                }
            };
            rgba.extend(colour);
        }
    }
    Picture { width: place.width, height: place.height, rgba }
}

/// The thumbnail for the list: the central square of the image, at most 92 pixels per side.
pub fn thumb(image: &RgbImage) -> Picture {
    const MOST: u32 = 92;
    let (width, height) = image.dimensions();
    let side = width.min(height).max(1);
    let (left, top) = ((width - side.min(width)) / 2, (height - side.min(height)) / 2);
    let small = side.min(MOST);
    let step = f64::from(side) / f64::from(small);
    let mut rgba = Vec::with_capacity((small * small * 4) as usize);
    for row in 0..small {
        for column in 0..small {
            let x = left + ((f64::from(column) + 0.5) * step) as u32;
            let y = top + ((f64::from(row) + 0.5) * step) as u32;
            rgba.extend(image.get_pixel(x.min(width - 1), y.min(height - 1)).0);
            rgba.push(255);
        }
    }
    Picture { width: small, height: small, rgba }
}
