//! Red blood cell segmentation: the network and everything else that determines the mask.
//!
//! Native programs and the web page are thin shells around this crate: they pass in bytes and get back a probability
//! map, cells and file contents. The crate itself uses neither the file system nor the DOM.
//!
//! ```
//! use rbc_model::cells::{CellOptions, Summary, find_cells};
//! use rbc_model::segment::{SegmentOptions, Segmenter, segment};
//! use rbc_model::{decode, export};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image = std::fs::read("../web/assets/samples/synthetic-overlaps.webp")?;
//! let weights = std::fs::read("../model-weights/rbc.safetensors")?;
//!
//! let image = decode::decode(&image, "synthetic-overlaps.webp")?;
//! let segmenter = Segmenter::<burn::backend::Flex>::load(&weights, &Default::default())?;
//! let found = pollster::block_on(segment(&segmenter, &image, &SegmentOptions::default(), &mut |_| {}))?;
//!
//! let options = CellOptions { diameter_px: Some(found.diameter_px), ..CellOptions::default() };
//! let cells = find_cells(&found.probability, &options);
//! let mask = export::mask_png(&cells.labels.mask())?;
//! println!("{} cells, mask of {} bytes", Summary::of(&cells).count, mask.len());
//! # assert!(cells.cells.len() > 20 && mask.starts_with(b"\x89PNG"));
//! # Ok(())
//! # }
//! ```

pub mod backend;
pub mod cells;
pub mod decode;
pub mod error;
pub mod export;
mod frame;
mod grid;
mod kernels;
pub mod light;
pub mod metrics;
pub mod network;
mod parallel;
pub mod quality;
pub mod scale;
pub mod segment;
mod surround;
pub mod tiling;
pub mod weights;
mod window;

pub use error::Error;
pub use image::{GrayImage, RgbImage};
