//! Red blood cell segmentation: the network and everything that decides what the mask is.
//!
//! Native programs and the browser are shells around this crate: they hand it bytes and get back a
//! probability map, cells and files. It touches no file system and no DOM.

pub mod backend;
pub mod cells;
pub mod decode;
pub mod error;
pub mod export;
mod frame;
pub mod kernels;
pub mod light;
pub mod metrics;
pub mod network;
pub mod quality;
pub mod scale;
pub mod segment;
pub mod surround;
pub mod tiling;
pub mod weights;
mod window;

pub use error::Error;
pub use image::{GrayImage, RgbImage};
