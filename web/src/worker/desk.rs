//! The image being looked at: decoded, with its probability map and cells, ready to be drawn and exported.

use super::found::{Found, cell_at};
use super::render::{Layers, Picture};
use super::{bytes, exports, failed, render, tell};
use crate::message::{ByHand, Layer, Opening, Reply, Request, Rules, Task, Tile, Truth};
use image::GrayImage;
use js_sys::Uint8Array;
use rbc_model::cells::Cells;
use rbc_model::decode::{decode, decode_mask};
use rbc_model::{Error, RgbImage};
use std::borrow::Cow;

/// The open image.
pub struct Open {
    pub id: u32,
    pub name: String,
    pub image: RgbImage,
    probability: Option<GrayImage>,
    truth: Option<GrayImage>,
    /// Version of the truth mask, even if that could not be used.
    truth_version: u32,
    found: Option<Found>,
    rules: Rules,
    by_hand: ByHand,
}

/// The desk: holds the open image, if there is one.
#[derive(Default)]
pub struct Desk {
    open: Option<Open>,
}

fn no_map(name: &str) -> Error {
    Error::Export(format!("there is no probability map: {name}"))
}

/// Measures an image that is not open, for the list of all images.
fn passing(
    id: u32,
    name: &str,
    map: Option<GrayImage>,
    rules: &Rules,
    by_hand: &ByHand,
    truth: Truth,
) -> Result<(), Error> {
    let map = map.ok_or_else(|| no_map(name))?;
    let truth_version = truth.version;
    let truth = truth.decode(id, map.dimensions());
    let (_, measured) = Found::measure(id, &map, rules, by_hand, (truth.as_ref(), truth_version), None)?;
    tell(Reply::Measured(measured));
    Ok(())
}

impl Desk {
    /// Handles the requests that concern the desk.
    pub fn answer(&mut self, ask: Request) {
        match ask {
            Request::Open(opening) => {
                let id = opening.id;
                if let Err(error) = self.open(opening) {
                    failed(id, Task::Open, &error);
                }
            }
            Request::Measure { id, name, probability, width, height, rules, by_hand, truth } => {
                let map = probability.and_then(|map| GrayImage::from_raw(width, height, bytes(&map)));
                let measured = match self.open.as_mut().filter(|open| open.id == id) {
                    Some(open) => {
                        if map.is_some() {
                            (open.probability, open.found) = (map, None);
                        }
                        (open.rules, open.by_hand) = (rules, by_hand);
                        match open.probability {
                            Some(_) => open.measure(),
                            None => Err(no_map(&name)),
                        }
                    }
                    None => passing(id, &name, map, &rules, &by_hand, truth),
                };
                if let Err(error) = measured {
                    failed(id, Task::Measure, &error);
                }
            }
            Request::Probe { id, x, y } => {
                let open = self.open.as_ref().filter(|open| open.id == id);
                let found = open.and_then(|open| open.found.as_ref());
                let cell = found.map_or(0, |found| cell_at(&found.cells, x, y));
                let (corrections_version, rules_version) =
                    open.map_or((0, 0), |open| (open.rules.corrections_version, open.rules.rules_version));
                tell(Reply::Probed { id, cell, corrections_version, rules_version });
            }
            Request::Truth { id, name, file, truth_version } => {
                let truth = Truth { file: Some(file), name, version: truth_version };
                if let Err(error) = self.truth(id, truth) {
                    failed(id, Task::Measure, &error);
                }
            }
            Request::Export(export) => match self.open.as_ref().filter(|open| open.id == export.id) {
                Some(open) => match exports::make(open, export.what) {
                    Ok(bytes) => tell(Reply::Exported {
                        id: export.id,
                        name: format!("{}.{}", export.stem, export.what.ending()),
                        mime: export.what.mime().into(),
                        bytes: Uint8Array::from(&bytes[..]),
                    }),
                    Err(error) => failed(export.id, Task::Export, &error),
                },
                None => failed(export.id, Task::Export, &"the image is not open yet; try again in a moment"),
            },
            // The other requests are handled elsewhere.
            _ => {}
        }
    }

    fn open(&mut self, opening: Opening) -> Result<(), Error> {
        let Opening { id, name, file, probability, rules, by_hand, truth } = opening;
        // The old image is dropped first: two large ones may not fit in memory.
        self.open = None;
        let image = decode(&bytes(&file), &name)?;
        drop(file);
        let (width, height) = image.dimensions();
        let probability = probability.and_then(|map| GrayImage::from_raw(width, height, bytes(&map)));
        tell(Reply::Opened { id, width, height });
        let truth_version = truth.version;
        let truth = truth.decode(id, image.dimensions());
        let mut open =
            Open { id, name, image, probability, truth, truth_version, found: None, rules, by_hand };
        open.measure()?;
        self.open = Some(open);
        Ok(())
    }

    fn truth(&mut self, id: u32, truth: Truth) -> Result<(), Error> {
        if let Some(open) = self.open.as_mut().filter(|open| open.id == id) {
            // An unusable mask still replaces the previous one.
            open.truth_version = truth.version;
            open.truth = truth.decode(id, open.image.dimensions());
            open.measure()?;
        }
        Ok(())
    }

    /// One square of the picture or its overlay, if that image is open.
    pub fn tile(&self, tile: Tile) -> Option<Picture> {
        let open = self.open.as_ref().filter(|open| open.id == tile.id)?;
        if tile.layer == Layer::Image {
            return Some(render::image_tile(&open.image, tile));
        }
        let found = open.found.as_ref()?;
        let probability = open.probability.as_ref()?;
        let layers = Layers {
            labels: &found.cells.labels,
            diameter: found.cells.diameter_px.map_or(f64::INFINITY, f64::from),
            excluded: &found.excluded,
            probability,
            truth: open.truth.as_ref(),
        };
        Some(render::overlay_tile(&layers, tile))
    }

    pub fn opened(&self) -> Option<&Open> {
        self.open.as_ref()
    }
}

impl Truth {
    /// The truth mask of an image of this size. One that cannot be used is reported, and the image measured without.
    fn decode(self, id: u32, size: (u32, u32)) -> Option<GrayImage> {
        let refuse = |error: Error| {
            let message = error.to_string();
            tell(Reply::Failed { id, task: Task::Truth, truth_version: self.version, message });
        };
        read_truth(&bytes(&self.file?), &self.name, size).map_err(refuse).ok()
    }
}

/// Reads a truth mask, which must have the size of its image.
fn read_truth(file: &[u8], name: &str, (w, h): (u32, u32)) -> Result<GrayImage, Error> {
    let truth = decode_mask(file, name)?;
    let (tw, th) = truth.dimensions();
    if (tw, th) == (w, h) {
        return Ok(truth);
    }
    let reason =
        format!("the truth mask is {tw} x {th} px and its image {w} x {h}; they must be of one size");
    Err(Error::Image { name: name.into(), reason })
}

impl Open {
    fn measure(&mut self) -> Result<(), Error> {
        let Some(map) = &self.probability else { return Ok(()) };
        let truth = (self.truth.as_ref(), self.truth_version);
        let earlier = self.found.take();
        let (found, measured) = Found::measure(self.id, map, &self.rules, &self.by_hand, truth, earlier)?;
        self.found = Some(found);
        tell(Reply::Measured(measured));
        Ok(())
    }

    /// The cells that count, numbered as on the page; `None` before they were found.
    pub fn counted(&self) -> Option<Cow<'_, Cells>> {
        self.found.as_ref().map(Found::counted)
    }
}
