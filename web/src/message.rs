//! What page and worker say to each other. Large buffers are transferred, not copied.
//!
//! A worker keeps one image open (decoded, with its probability map and cells), for drawing and export. Everything
//! that must outlive a worker (files, probability maps, settings) stays with the page, so a worker can be
//! stopped or lost at any time.

mod ask;
mod tell;

pub use ask::{Ask, Export, Opening, Tile};
pub use tell::{Measured, Segmented, Tell};

use crate::js::{Build, View};
use js_sys::ArrayBuffer;

/// How cells are read off a probability map; mirrors the model's own options, which the page does not link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    pub threshold: f64,
    pub split: bool,
    /// Expected cell diameter in pixels of the image.
    pub diameter: Option<f64>,
    pub um_per_px: Option<f64>,
    pub skip_edge: bool,
    /// The page's version of these rules, and of the list of cells left out of this image; both come back with what was
    /// found by them.
    pub stamp: u32,
    pub choice: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            split: true,
            diameter: None,
            um_per_px: None,
            skip_edge: false,
            stamp: 0,
            choice: 0,
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
            .with("stamp", self.stamp)
            .with("choice", self.choice)
    }

    fn read(object: &View) -> Self {
        Self {
            threshold: object.number("threshold"),
            split: object.flag("split"),
            diameter: object.maybe_number("diameter"),
            um_per_px: object.maybe_number("umPerPx"),
            skip_edge: object.flag("skipEdge"),
            stamp: object.number("stamp") as u32,
            choice: object.number("choice") as u32,
        }
    }
}

/// A truth mask as a file, if there is one, and which of its image's it is: an answer tells what it was compared with.
#[derive(Clone, Default)]
pub struct Truth {
    pub file: Option<ArrayBuffer>,
    pub serial: u32,
}

impl Truth {
    fn write(self, object: Build) -> Build {
        object.maybe("truth", self.file).with("truthSerial", self.serial)
    }

    fn read(object: &View) -> Self {
        Self { file: object.typed("truth"), serial: object.number("truthSerial") as u32 }
    }
}

/// One cell as the page shows it; travels as [`CellRow::WIDTH`] numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CellRow {
    pub id: u32,
    pub x: f64,
    pub y: f64,
    /// A pixel of the cell: the centroid may lie outside it, or in another.
    pub inside: (f64, f64),
    pub area: f64,
    pub perimeter: f64,
    pub diameter: f64,
    pub circularity: f64,
    pub eccentricity: f64,
    pub probability: f64,
    pub edge: bool,
    /// The person left it out by hand.
    pub excluded: bool,
}

impl CellRow {
    pub const WIDTH: usize = 13;

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
            self.eccentricity,
            self.probability,
            f64::from(u8::from(self.edge)),
            f64::from(u8::from(self.excluded)),
        ]
    }

    pub fn from_numbers(numbers: &[f64; Self::WIDTH]) -> Self {
        let [id, x, y, inside_x, inside_y, area, perimeter, diameter, rest @ ..] = *numbers;
        let [circularity, eccentricity, probability, edge, excluded] = rest;
        Self {
            id: id as u32,
            x,
            y,
            inside: (inside_x, inside_y),
            area,
            perimeter,
            diameter,
            circularity,
            eccentricity,
            probability,
            edge: edge > 0.0,
            excluded: excluded > 0.0,
        }
    }
}
