//! One decoder for native and browser, so that the same file gives the same mask in both.

use crate::{Error, GrayImage, RgbImage};

/// Decodes a picture (PNG, JPEG, WebP, BMP, GIF, TIFF; 8 and 16 bit, gray, alpha) into upright 8-bit RGB.
pub fn decode(_bytes: &[u8], name: &str) -> Result<RgbImage, Error> {
    Err(Error::Image { name: name.to_string(), reason: "not implemented".into() })
}

/// Decodes a mask: non-zero is a red blood cell; comes back as 0 and 255.
pub fn decode_mask(_bytes: &[u8], name: &str) -> Result<GrayImage, Error> {
    Err(Error::Image { name: name.to_string(), reason: "not implemented".into() })
}
