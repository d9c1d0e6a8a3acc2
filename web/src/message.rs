//! Messages between page and workers. Large buffers are transferred, not copied.
//!
//! A worker keeps one image open (decoded, with its probability map and cells) for drawing and export. Everything that
//! must outlive a worker (files, probability maps, settings) stays with the page, so a worker can be stopped or lost at
//! any time.

mod reply;
mod request;
mod words;

pub use reply::{Measured, Reply, Segmented};
pub use request::{Export, Opening, Request};
pub use words::{Backend, Layer, Product, Task};

use crate::js::{Build, View};
use js_sys::{Array, ArrayBuffer, Float64Array};
use std::ops::RangeInclusive;
use std::rc::Rc;
use wasm_bindgen::JsCast;

/// Permitted micrometres per pixel. Copies of the model's constants; the worker asserts that they are equal.
pub const UM_PER_PX: RangeInclusive<f64> = 0.001..=1000.0;
/// Permitted cell diameters in pixels.
pub const DIAMETERS: RangeInclusive<f64> = 4.0..=1000.0;
/// Plausible mean diameters of red cells in µm; the page warns of others while the user types the scale.
pub const RED_CELLS: RangeInclusive<f64> = 4.5..=12.0;

/// How cells are derived from a probability map; mirrors the model's options, as the page does not link the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    pub threshold: f64,
    pub split: bool,
    /// Expected cell diameter in pixels of the image.
    pub diameter: Option<f64>,
    pub um_per_px: Option<f64>,
    pub skip_edge: bool,
    /// Versions of the rules and of the corrections by hand; returned with the results obtained with them.
    pub rules_version: u32,
    pub corrections_version: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            split: true,
            diameter: None,
            um_per_px: None,
            skip_edge: false,
            rules_version: 0,
            corrections_version: 0,
        }
    }
}

impl Rules {
    fn write(&self, object: Build) -> Build {
        object
            .with("threshold", self.threshold)
            .with("split", self.split)
            .maybe("diameter", self.diameter)
            .maybe("umPerPx", self.um_per_px)
            .with("skipEdge", self.skip_edge)
            .with("rulesVersion", self.rules_version)
            .with("correctionsVersion", self.corrections_version)
    }

    fn read(object: &View) -> Self {
        Self {
            threshold: object.number("threshold"),
            split: object.flag("split"),
            diameter: object.maybe_number("diameter"),
            um_per_px: object.maybe_number("umPerPx"),
            skip_edge: object.flag("skipEdge"),
            rules_version: object.number("rulesVersion") as u32,
            corrections_version: object.number("correctionsVersion") as u32,
        }
    }
}

/// A line that the user drew over the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Stroke {
    /// Whether it splits the cells that it crosses; otherwise it encloses one.
    pub cut: bool,
    /// x, y, … in image pixels.
    pub points: Vec<f64>,
}

impl Stroke {
    /// Whether a point lies inside the line, closed by a straight one, by the non-zero winding rule, as in the model:
    /// where a line overshoots its start and goes around a point twice, that point is inside too.
    pub fn encloses(&self, x: f64, y: f64) -> bool {
        let (points, _) = self.points.as_chunks::<2>();
        let sides = points.iter().zip(points.iter().cycle().skip(1));
        let crossed = sides.filter(|&(&[x0, y0], &[x1, y1])| {
            (y0 > y) != (y1 > y) && x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        });
        crossed.map(|(&[_, y0], &[_, y1])| if y0 < y1 { 1 } else { -1 }).sum::<i32>() != 0
    }
}

/// Corrections by hand of the cells of one image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByHand {
    /// In drawing order. Reference-counted, as the undo history shares them.
    pub strokes: Vec<Rc<Stroke>>,
    /// Points (x, y, …) whose cells are left out.
    pub excluded: Vec<f64>,
}

impl ByHand {
    pub fn count(&self) -> usize {
        self.strokes.len() + self.excluded.len() / 2
    }

    fn write(&self, object: Build) -> Build {
        let strokes = self.strokes.iter().map(|stroke| {
            let numbers: Vec<f64> =
                [f64::from(u8::from(stroke.cut))].iter().chain(&stroke.points).copied().collect();
            Float64Array::from(&numbers[..])
        });
        object
            .with("strokes", strokes.collect::<Array>())
            .with("excluded", Float64Array::from(&self.excluded[..]))
    }

    fn read(object: &View) -> Self {
        let strokes = object.typed::<Array>("strokes").unwrap_or_default();
        let stroke = |numbers: Float64Array| {
            let numbers = numbers.to_vec();
            let (cut, points) = numbers.split_first()?;
            Some(Rc::new(Stroke { cut: *cut > 0.0, points: points.to_vec() }))
        };
        Self {
            strokes: strokes.iter().filter_map(|numbers| stroke(numbers.dyn_into().ok()?)).collect(),
            excluded: object.numbers("excluded"),
        }
    }
}

/// A truth mask as a file, if there is one, with its version: results state which one they were compared with.
#[derive(Clone, Default)]
pub struct Truth {
    pub file: Option<ArrayBuffer>,
    /// The mask's own name, for error messages.
    pub name: String,
    pub version: u32,
}

impl Truth {
    fn write(self, object: Build) -> Build {
        object.maybe("truth", self.file).with("truthName", self.name).with("truthVersion", self.version)
    }

    fn read(object: &View) -> Self {
        Self {
            file: object.typed("truth"),
            name: object.text("truthName"),
            version: object.number("truthVersion") as u32,
        }
    }
}

/// One square of the picture or its overlay. At level `n` a tile pixel is 2ⁿ image pixels wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    pub id: u32,
    pub layer: Layer,
    pub level: i32,
    pub column: u32,
    pub row: u32,
}

impl Tile {
    /// Pixels per side.
    pub const SIDE: u32 = 512;

    fn write(self, object: Build) -> Build {
        object
            .with("id", self.id)
            .with("layer", self.layer)
            .with("level", self.level)
            .with("column", self.column)
            .with("row", self.row)
    }

    fn read(object: &View) -> Option<Self> {
        Some(Self {
            id: object.number("id") as u32,
            layer: Layer::parse(&object.text("layer"))?,
            level: object.number("level") as i32,
            column: object.number("column") as u32,
            row: object.number("row") as u32,
        })
    }
}

/// One cell as shown on the page; transferred as [`CellRow::WIDTH`] numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CellRow {
    pub id: u32,
    pub x: f64,
    pub y: f64,
    /// A point inside the cell, as the centroid may lie outside it or in another cell.
    pub inside: (f64, f64),
    /// Area, perimeter and diameter in image pixels.
    pub area: f64,
    pub perimeter: f64,
    pub diameter: f64,
    pub circularity: f64,
    /// Mean probability inside, 0 to 1.
    pub probability: f64,
    /// Whether the edge cuts the cell.
    pub edge: bool,
    /// Whether the user left it out.
    pub excluded: bool,
}

impl CellRow {
    pub const WIDTH: usize = 12;

    pub fn to_numbers(self) -> [f64; Self::WIDTH] {
        [
            f64::from(self.id),
            self.x,
            self.y,
            self.inside.0,
            self.inside.1,
            self.area,
            self.perimeter,
            self.diameter,
            self.circularity,
            self.probability,
            f64::from(u8::from(self.edge)),
            f64::from(u8::from(self.excluded)),
        ]
    }

    pub fn from_numbers(numbers: &[f64; Self::WIDTH]) -> Self {
        let [id, x, y, inside_x, inside_y, area, perimeter, diameter, rest @ ..] = *numbers;
        let [circularity, probability, edge, excluded] = rest;
        Self {
            id: id as u32,
            x,
            y,
            inside: (inside_x, inside_y),
            area,
            perimeter,
            diameter,
            circularity,
            probability,
            edge: edge > 0.0,
            excluded: excluded > 0.0,
        }
    }
}
