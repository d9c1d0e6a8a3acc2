//! Red blood cell segmentation: the network and everything that decides what the mask is.
//!
//! Native programs and the browser are shells around this crate: they hand it bytes and get back a
//! probability map, cells and files. It touches no file system and no DOM.

pub mod cells;
pub mod decode;
pub mod error;
pub mod export;
pub mod metrics;
pub mod segment;

pub use error::Error;
pub use image::{GrayImage, RgbImage};
