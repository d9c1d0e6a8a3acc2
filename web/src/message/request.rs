//! Messages from the page to a worker.

use super::{Backend, ByHand, Product, Rules, Tile, Truth};
use crate::js::{Build, View};
use js_sys::{Array, ArrayBuffer};
use wasm_bindgen::JsValue;

/// An image to open for drawing, measuring and export.
pub struct Opening {
    pub id: u32,
    pub name: String,
    pub file: ArrayBuffer,
    /// Its probability map, if the network has processed it.
    pub probability: Option<ArrayBuffer>,
    pub rules: Rules,
    pub by_hand: ByHand,
    pub truth: Truth,
}

/// A file to make from the open image.
pub struct Export {
    pub id: u32,
    pub what: Product,
    /// Base name of the file.
    pub stem: String,
}

/// A message from the page to a worker. `id` is that of the image.
pub enum Request {
    /// Load weights onto a back end, the better one if none is given. Must not be sent again before the answer: the GPU
    /// device must not be set up twice concurrently.
    Start {
        weights_serial: u32,
        backend: Option<Backend>,
        weights: ArrayBuffer,
    },
    /// Run the network over an image.
    Segment {
        id: u32,
        name: String,
        file: ArrayBuffer,
        diameter: Option<f64>,
    },
    /// Join a pool: load these weights, to compute tiles for another worker.
    JoinPool {
        weights: ArrayBuffer,
    },
    /// Run the network on an RGB tile, in the orientations from the first to before the second.
    ComputeTile {
        pixels: ArrayBuffer,
        width: u32,
        height: u32,
        orientations: [u32; 2],
    },
    /// Measure how long the network takes for a square image of this side.
    Time {
        side: u32,
        rounds: u32,
    },
    Open(Opening),
    /// Find the cells in the given probability map, or in that of the open image if none is given.
    Measure {
        id: u32,
        name: String,
        probability: Option<ArrayBuffer>,
        width: u32,
        height: u32,
        rules: Rules,
        by_hand: ByHand,
        truth: Truth,
    },
    Tile {
        tile: Tile,
        /// Version of the overlay.
        version: u32,
    },
    /// Find the cell at this point of the open image.
    Probe {
        id: u32,
        x: f64,
        y: f64,
    },
    Truth {
        id: u32,
        name: String,
        file: ArrayBuffer,
        truth_version: u32,
    },
    Export(Export),
    /// Add all files of the open image to this worker's zip, under this base name.
    Pack {
        stem: String,
    },
    /// Add the table of all images and complete the zip.
    PackEnd {
        table: String,
    },
}

impl Request {
    /// The message, and the buffers to transfer with it.
    pub fn write(self) -> (JsValue, Array) {
        let over = Array::new();
        let message = match self {
            Self::Start { weights_serial, backend, weights } => {
                over.push(&weights);
                Build::new("start")
                    .with("weightsSerial", weights_serial)
                    .maybe("backend", backend)
                    .with("weights", weights)
            }
            Self::Segment { id, name, file, diameter } => {
                over.push(&file);
                Build::new("segment")
                    .with("id", id)
                    .with("name", name)
                    .with("file", file)
                    .maybe("diameter", diameter)
            }
            Self::JoinPool { weights } => {
                over.push(&weights);
                Build::new("join-pool").with("weights", weights)
            }
            Self::ComputeTile { pixels, width, height, orientations: [first, end] } => {
                over.push(&pixels);
                Build::new("compute-tile")
                    .with("pixels", pixels)
                    .with("width", width)
                    .with("height", height)
                    .with("first", first)
                    .with("end", end)
            }
            Self::Time { side, rounds } => Build::new("time").with("side", side).with("rounds", rounds),
            Self::Open(open) => {
                over.push(&open.file);
                for buffer in [&open.probability, &open.truth.file].into_iter().flatten() {
                    over.push(buffer);
                }
                let object = open.by_hand.write(open.rules.write(Build::new("open")));
                open.truth
                    .write(object)
                    .with("id", open.id)
                    .with("name", open.name)
                    .with("file", open.file)
                    .maybe("probability", open.probability)
            }
            Self::Measure { id, name, probability, width, height, rules, by_hand, truth } => {
                for buffer in [&probability, &truth.file].into_iter().flatten() {
                    over.push(buffer);
                }
                truth
                    .write(by_hand.write(rules.write(Build::new("measure"))))
                    .with("id", id)
                    .with("name", name)
                    .maybe("probability", probability)
                    .with("width", width)
                    .with("height", height)
            }
            Self::Tile { tile, version } => tile.write(Build::new("tile")).with("version", version),
            Self::Probe { id, x, y } => Build::new("probe").with("id", id).with("x", x).with("y", y),
            Self::Truth { id, name, file, truth_version } => {
                over.push(&file);
                Build::new("truth")
                    .with("id", id)
                    .with("name", name)
                    .with("file", file)
                    .with("truthVersion", truth_version)
            }
            Self::Export(Export { id, what, stem }) => {
                Build::new("export").with("id", id).with("what", what).with("stem", stem)
            }
            Self::Pack { stem } => Build::new("pack").with("stem", stem),
            Self::PackEnd { table } => Build::new("pack-end").with("table", table),
        };
        (message.done(), over)
    }

    /// Parses a message written by [`Request::write`].
    pub fn read(message: &JsValue) -> Option<Self> {
        let view = View(message);
        let id = view.number("id") as u32;
        let name = view.text("name");
        Some(match view.text("kind").as_str() {
            "start" => Self::Start {
                weights_serial: view.number("weightsSerial") as u32,
                backend: Backend::parse(&view.text("backend")),
                weights: view.typed("weights")?,
            },
            "segment" => {
                Self::Segment { id, name, file: view.typed("file")?, diameter: view.maybe_number("diameter") }
            }
            "join-pool" => Self::JoinPool { weights: view.typed("weights")? },
            "compute-tile" => Self::ComputeTile {
                pixels: view.typed("pixels")?,
                width: view.number("width") as u32,
                height: view.number("height") as u32,
                orientations: [view.number("first") as u32, view.number("end") as u32],
            },
            "time" => Self::Time { side: view.number("side") as u32, rounds: view.number("rounds") as u32 },
            "open" => Self::Open(Opening {
                id,
                name,
                file: view.typed("file")?,
                probability: view.typed("probability"),
                rules: Rules::read(&view),
                by_hand: ByHand::read(&view),
                truth: Truth::read(&view),
            }),
            "measure" => Self::Measure {
                id,
                name,
                probability: view.typed("probability"),
                width: view.number("width") as u32,
                height: view.number("height") as u32,
                rules: Rules::read(&view),
                by_hand: ByHand::read(&view),
                truth: Truth::read(&view),
            },
            "tile" => Self::Tile { tile: Tile::read(&view)?, version: view.number("version") as u32 },
            "probe" => Self::Probe { id, x: view.number("x"), y: view.number("y") },
            "truth" => Self::Truth {
                id,
                name,
                file: view.typed("file")?,
                truth_version: view.number("truthVersion") as u32,
            },
            "export" => Self::Export(Export {
                id,
                what: Product::parse(&view.text("what"))?,
                stem: view.text("stem"),
            }),
            "pack" => Self::Pack { stem: view.text("stem") },
            "pack-end" => Self::PackEnd { table: view.text("table") },
            _ => return None,
        })
    }
}
