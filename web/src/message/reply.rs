//! Messages from a worker to the page.

use super::{Backend, CellRow, Task, Tile};
use crate::js::{Build, View};
use js_sys::{Array, ArrayBuffer, Float32Array, Float64Array, Uint8Array, Uint8ClampedArray};
use wasm_bindgen::JsValue;
use web_sys::ImageBitmap;

/// Result of the network for one image.
pub struct Segmented {
    pub id: u32,
    pub width: u32,
    pub height: u32,
    /// Probability map, one byte per pixel; 255 is certainly a cell.
    pub probability: ArrayBuffer,
    /// The cell diameter in image pixels that determined the working scale.
    pub diameter: f64,
    /// Micrometres per pixel, if stated in the file.
    pub um_per_px: Option<f64>,
    pub warnings: Vec<String>,
    /// Time that the network took.
    pub seconds: f64,
    pub backend: Backend,
    pub weights_serial: u32,
}

/// The cells of one image under the present rules.
pub struct Measured {
    pub id: u32,
    /// What this result corresponds to: versions of the rules, of the corrections by hand, and of the truth mask.
    pub rules_version: u32,
    pub corrections_version: u32,
    pub truth_version: u32,
    pub rows: Vec<CellRow>,
    /// Cells per megapixel of the picture, without a border or the black around an eyepiece's view.
    pub density: f64,
    /// Share of the picture covered by counted cells, 0 to 1.
    pub covered: f64,
    /// Agreement with the truth mask, if there is one.
    pub iou: Option<f64>,
    pub dice: Option<f64>,
    /// For every left-out point, the number of the cell that it lies in; 0 if none.
    pub hits: Vec<f64>,
    /// Whether the last stroke had no effect.
    pub vain: bool,
    /// Warning about the scale.
    pub doubt: Option<String>,
    /// Header and row for the table of all images.
    pub summary: String,
}

/// A message from a worker to the page. `id` is that of the image.
pub enum Reply {
    /// The worker's program is running and accepts messages.
    Up,
    /// The model with these weights is ready on this back end.
    Ready {
        weights_serial: u32,
        backend: Backend,
        facts: String,
    },
    /// The model cannot start with these weights; the previous one, if any, stays.
    Refused {
        weights_serial: u32,
        message: String,
    },
    Decoded {
        id: u32,
        width: u32,
        height: u32,
        thumb: Uint8ClampedArray,
        thumb_width: u32,
        thumb_height: u32,
    },
    Progress {
        id: u32,
        done: f64,
        total: f64,
    },
    Segmented(Segmented),
    /// A pool worker's answer for a tile: logits, row by row.
    ComputedTile {
        values: Float32Array,
    },
    /// Seconds of each round, on one thread or device, and with all pool workers.
    Timed {
        alone: Vec<f64>,
        together: Vec<f64>,
    },
    Opened {
        id: u32,
        width: u32,
        height: u32,
    },
    Measured(Measured),
    Tile {
        tile: Tile,
        version: u32,
        /// `None` if it could not be made.
        bitmap: Option<ImageBitmap>,
    },
    /// The cell at the requested point, 0 if none, numbered as under these versions of corrections and rules.
    Probed {
        id: u32,
        cell: u32,
        corrections_version: u32,
        rules_version: u32,
    },
    Exported {
        id: u32,
        name: String,
        mime: String,
        bytes: Uint8Array,
    },
    Packed {
        bytes: Uint8Array,
        done: bool,
    },
    /// One task failed; the worker goes on. `truth_version` is that of a truth mask which cannot be used, else 0.
    Failed {
        id: u32,
        task: Task,
        truth_version: u32,
        message: String,
    },
    /// The worker is unusable.
    Crashed {
        message: String,
    },
}

impl Reply {
    /// The message, and the buffers to transfer with it.
    pub fn write(self) -> (JsValue, Array) {
        let over = Array::new();
        let message = match self {
            Self::Up => Build::new("up"),
            Self::Ready { weights_serial, backend, facts } => Build::new("ready")
                .with("weightsSerial", weights_serial)
                .with("backend", backend)
                .with("facts", facts),
            Self::Refused { weights_serial, message } => {
                Build::new("refused").with("weightsSerial", weights_serial).with("message", message)
            }
            Self::Decoded { id, width, height, thumb, thumb_width, thumb_height } => {
                over.push(&thumb.buffer());
                Build::new("decoded")
                    .with("id", id)
                    .with("width", width)
                    .with("height", height)
                    .with("thumb", thumb)
                    .with("thumbWidth", thumb_width)
                    .with("thumbHeight", thumb_height)
            }
            Self::Progress { id, done, total } => {
                Build::new("progress").with("id", id).with("done", done).with("total", total)
            }
            Self::Segmented(result) => {
                over.push(&result.probability);
                Build::new("segmented")
                    .with("id", result.id)
                    .with("width", result.width)
                    .with("height", result.height)
                    .with("probability", result.probability)
                    .with("diameter", result.diameter)
                    .maybe("umPerPx", result.um_per_px)
                    .with("warnings", result.warnings.iter().map(JsValue::from).collect::<Array>())
                    .with("seconds", result.seconds)
                    .with("backend", result.backend)
                    .with("weightsSerial", result.weights_serial)
            }
            Self::ComputedTile { values } => {
                over.push(&values.buffer());
                Build::new("computed-tile").with("values", values)
            }
            Self::Timed { alone, together } => Build::new("timed")
                .with("alone", Float64Array::from(&alone[..]))
                .with("together", Float64Array::from(&together[..])),
            Self::Opened { id, width, height } => {
                Build::new("opened").with("id", id).with("width", width).with("height", height)
            }
            Self::Measured(measured) => {
                let numbers: Vec<f64> = measured.rows.iter().flat_map(|row| row.to_numbers()).collect();
                let rows = Float64Array::from(&numbers[..]);
                over.push(&rows.buffer());
                Build::new("measured")
                    .with("id", measured.id)
                    .with("rulesVersion", measured.rules_version)
                    .with("correctionsVersion", measured.corrections_version)
                    .with("truthVersion", measured.truth_version)
                    .with("rows", rows)
                    .with("density", measured.density)
                    .with("covered", measured.covered)
                    .maybe("iou", measured.iou)
                    .maybe("dice", measured.dice)
                    .with("hits", Float64Array::from(&measured.hits[..]))
                    .with("vain", measured.vain)
                    .maybe("doubt", measured.doubt)
                    .with("summary", measured.summary)
            }
            Self::Tile { tile, version, bitmap } => {
                if let Some(bitmap) = &bitmap {
                    over.push(bitmap);
                }
                tile.write(Build::new("tile")).with("version", version).maybe("bitmap", bitmap)
            }
            Self::Probed { id, cell, corrections_version, rules_version } => Build::new("probed")
                .with("id", id)
                .with("cell", cell)
                .with("correctionsVersion", corrections_version)
                .with("rulesVersion", rules_version),
            Self::Exported { id, name, mime, bytes } => {
                over.push(&bytes.buffer());
                Build::new("exported")
                    .with("id", id)
                    .with("name", name)
                    .with("mime", mime)
                    .with("bytes", bytes)
            }
            Self::Packed { bytes, done } => {
                over.push(&bytes.buffer());
                Build::new("packed").with("bytes", bytes).with("done", done)
            }
            Self::Failed { id, task, truth_version, message } => Build::new("failed")
                .with("id", id)
                .with("task", task)
                .with("truthVersion", truth_version)
                .with("message", message),
            Self::Crashed { message } => Build::new("crashed").with("message", message),
        };
        (message.done(), over)
    }

    /// Parses a message written by [`Reply::write`].
    pub fn read(message: &JsValue) -> Option<Self> {
        let view = View(message);
        let id = view.number("id") as u32;
        let (width, height) = (view.number("width") as u32, view.number("height") as u32);
        let weights_serial = view.number("weightsSerial") as u32;
        let rules_version = view.number("rulesVersion") as u32;
        let corrections_version = view.number("correctionsVersion") as u32;
        let truth_version = view.number("truthVersion") as u32;
        let backend = || Backend::parse(&view.text("backend"));
        Some(match view.text("kind").as_str() {
            "up" => Self::Up,
            "ready" => Self::Ready { weights_serial, backend: backend()?, facts: view.text("facts") },
            "refused" => Self::Refused { weights_serial, message: view.text("message") },
            "decoded" => Self::Decoded {
                id,
                width,
                height,
                thumb: view.typed("thumb")?,
                thumb_width: view.number("thumbWidth") as u32,
                thumb_height: view.number("thumbHeight") as u32,
            },
            "progress" => Self::Progress { id, done: view.number("done"), total: view.number("total") },
            "segmented" => Self::Segmented(Segmented {
                id,
                width,
                height,
                probability: view.typed("probability")?,
                diameter: view.number("diameter"),
                um_per_px: view.maybe_number("umPerPx"),
                warnings: view.texts("warnings"),
                seconds: view.number("seconds"),
                backend: backend()?,
                weights_serial,
            }),
            "computed-tile" => Self::ComputedTile { values: view.typed("values")? },
            "timed" => Self::Timed { alone: view.numbers("alone"), together: view.numbers("together") },
            "opened" => Self::Opened { id, width, height },
            "measured" => {
                let numbers = view.numbers("rows");
                let (rows, _) = numbers.as_chunks::<{ CellRow::WIDTH }>();
                Self::Measured(Measured {
                    id,
                    rules_version,
                    corrections_version,
                    truth_version,
                    rows: rows.iter().map(CellRow::from_numbers).collect(),
                    density: view.number("density"),
                    covered: view.number("covered"),
                    iou: view.maybe_number("iou"),
                    dice: view.maybe_number("dice"),
                    hits: view.numbers("hits"),
                    vain: view.flag("vain"),
                    doubt: Some(view.text("doubt")).filter(|doubt| !doubt.is_empty()),
                    summary: view.text("summary"),
                })
            }
            "tile" => Self::Tile {
                tile: Tile::read(&view)?,
                version: view.number("version") as u32,
                bitmap: view.typed("bitmap"),
            },
            "probed" => {
                Self::Probed { id, cell: view.number("cell") as u32, corrections_version, rules_version }
            }
            "exported" => Self::Exported {
                id,
                name: view.text("name"),
                mime: view.text("mime"),
                bytes: view.typed("bytes")?,
            },
            "packed" => Self::Packed { bytes: view.typed("bytes")?, done: view.flag("done") },
            "failed" => Self::Failed {
                id,
                task: Task::parse(&view.text("task"))?,
                truth_version,
                message: view.text("message"),
            },
            "crashed" => Self::Crashed { message: view.text("message") },
            _ => return None,
        })
    }
}
