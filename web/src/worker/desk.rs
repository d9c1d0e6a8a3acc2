//! The image being looked at: decoded, with its probability map and cells, ready to be drawn and exported.

use super::render::{Layers, Picture};
use super::{bytes, exports, failed, render, tell};
use crate::message::{Ask, ByHand, CellRow, Measured, Opening, Rules, Tell, Tile, Truth};
use image::GrayImage;
use js_sys::Uint8Array;
use rbc_model::cells::{Cell, CellOptions, Cells, Stroke, Summary, find_cells};
use rbc_model::decode::{decode, decode_mask};
use rbc_model::metrics::Overlap;
use rbc_model::{Error, RgbImage, export};
use std::collections::HashSet;

/// The open image.
pub struct Open {
    pub id: u32,
    pub name: String,
    pub image: RgbImage,
    probability: Option<GrayImage>,
    truth: Option<GrayImage>,
    /// Which of the page's truths for this image that is, also where it could not be used.
    truth_serial: u32,
    found: Option<Found>,
    rules: Rules,
    by_hand: ByHand,
}

/// The cells of a map, and which of them the person left out.
struct Found {
    cells: Cells,
    excluded: HashSet<u32>,
}

impl Found {
    fn counted(&self) -> Cells {
        let mut cells = self.cells.clone();
        if !self.excluded.is_empty() {
            cells.leave_out(|cell| self.excluded.contains(&cell.id));
        }
        cells
    }
}

#[derive(Default)]
pub struct Desk {
    open: Option<Open>,
}

fn options(rules: &Rules) -> CellOptions {
    CellOptions {
        threshold: rules.threshold as f32,
        split: rules.split,
        diameter_px: rules.diameter.map(|diameter| diameter as f32),
        um_per_px: rules.um_per_px.map(|scale| scale as f32),
        // Left out here, after the corrections by hand, which may reach the edge.
        skip_edge: false,
    }
}

/// The lines that the person drew, as the model knows them.
fn strokes(by_hand: &ByHand) -> Vec<Stroke> {
    let stroke = |stroke: &crate::message::Stroke| {
        let points = stroke.points.as_chunks::<2>().0.iter().map(|&[x, y]| (x, y)).collect();
        if stroke.cut { Stroke::Cut(points) } else { Stroke::Outline(points) }
    };
    by_hand.strokes.iter().map(stroke).collect()
}

/// The cell at a point, 0 if none.
fn cell_at(cells: &Cells, x: f64, y: f64) -> u32 {
    let labels = &cells.labels;
    if x < 0.0 || y < 0.0 || x >= f64::from(labels.width) || y >= f64::from(labels.height) {
        return 0;
    }
    let at = y as usize * labels.width as usize + x as usize;
    labels.ids.get(at).copied().unwrap_or(0)
}

/// A point that is surely the cell's: its centroid, else (a crescent's lies outside it, or in another cell) the middle of
/// its longest row, which a stricter threshold leaves last.
fn inside(cells: &Cells, cell: &Cell) -> (f64, f64) {
    if cell_at(cells, cell.x, cell.y) == cell.id {
        return (cell.x, cell.y);
    }
    let [left, top, width, height] = cell.bounds;
    let (mut longest, mut middle) = (0, (cell.x, cell.y));
    for y in top..top + height {
        let mut run = 0;
        for x in left..left + width {
            let own = cell_at(cells, f64::from(x), f64::from(y)) == cell.id;
            run = if own { run + 1 } else { 0 };
            if run > longest {
                longest = run;
                middle = (f64::from(x - run / 2) + 0.5, f64::from(y) + 0.5);
            }
        }
    }
    middle
}

fn row(cells: &Cells, cell: &Cell, excluded: bool) -> CellRow {
    CellRow {
        id: cell.id,
        x: cell.x,
        y: cell.y,
        inside: inside(cells, cell),
        area: cell.area_px,
        perimeter: cell.perimeter_px,
        diameter: cell.diameter_px,
        circularity: cell.circularity,
        eccentricity: cell.eccentricity,
        probability: cell.mean_probability,
        edge: cell.touches_edge,
        excluded,
    }
}

/// Finds the cells and what the page shows of them.
fn measure(
    id: u32,
    map: &GrayImage,
    rules: &Rules,
    by_hand: &ByHand,
    (truth, serial): (Option<&GrayImage>, u32),
) -> Result<(Found, Measured), Error> {
    let mut cells = find_cells(map, &options(rules));
    let changed = cells.correct(&strokes(by_hand), map);
    if rules.skip_edge {
        cells.retain(|cell| !cell.touches_edge);
    }
    let points = by_hand.excluded.as_chunks::<2>().0;
    let hits: Vec<u32> = points.iter().map(|&[x, y]| cell_at(&cells, x, y)).collect();
    let excluded: HashSet<u32> = hits.iter().copied().filter(|id| *id != 0).collect();
    let summary = Summary::of_some(&cells, |cell| !excluded.contains(&cell.id));
    let found = Found { cells, excluded };
    // Of the mask as it would be saved.
    let overlap = truth.map(|truth| Overlap::of(&found.counted().labels.mask(), truth)).transpose()?;
    let Found { cells, excluded } = &found;
    let measured = Measured {
        id,
        stamp: rules.stamp,
        choice: rules.choice,
        truth: serial,
        rows: cells.cells.iter().map(|cell| row(cells, cell, excluded.contains(&cell.id))).collect(),
        lit: cells.lit_px as f64,
        covered: summary.covered,
        iou: overlap.as_ref().map(Overlap::iou),
        dice: overlap.as_ref().map(Overlap::dice),
        hits: hits.into_iter().map(f64::from).collect(),
        vain: changed.last() == Some(&false),
        // The page fills in the first and the last field: the name depends on the other images, the warnings are not
        // known here.
        summary: export::summary_csv([("", &summary, &[][..])])?,
    };
    Ok((found, measured))
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
    let map = map.ok_or_else(|| Error::Export(format!("there is no probability map: {name}")))?;
    let serial = truth.serial;
    let truth = truth.file.and_then(|truth| {
        let truth = read_truth(&bytes(&truth), name, map.dimensions());
        truth.map_err(|error| refuse_truth(id, serial, &error)).ok()
    });
    let (_, measured) = measure(id, &map, rules, by_hand, (truth.as_ref(), serial))?;
    tell(Tell::Measured(measured));
    Ok(())
}

impl Desk {
    pub fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Open(opening) => {
                let id = opening.id;
                if let Err(error) = self.open(opening) {
                    failed(id, "open", &error);
                }
            }
            Ask::Measure { id, name, probability, width, height, rules, by_hand, truth } => {
                let map = probability.and_then(|map| GrayImage::from_raw(width, height, bytes(&map)));
                let measured = match self.open.as_mut().filter(|open| open.id == id) {
                    Some(open) => {
                        open.probability = map.or(open.probability.take());
                        (open.rules, open.by_hand) = (rules, by_hand);
                        open.measure()
                    }
                    None => passing(id, &name, map, &rules, &by_hand, truth),
                };
                if let Err(error) = measured {
                    failed(id, "measure", &error);
                }
            }
            Ask::Probe { id, x, y } => {
                let found =
                    self.open.as_ref().filter(|open| open.id == id).and_then(|open| open.found.as_ref());
                tell(Tell::Probed { id, cell: found.map_or(0, |found| cell_at(&found.cells, x, y)) });
            }
            Ask::Truth { id, name, file, serial } => {
                if let Err(error) = self.truth(id, &name, &bytes(&file), serial) {
                    failed(id, "measure", &error);
                }
            }
            Ask::Export(export) => match self.open.as_ref().filter(|open| open.id == export.id) {
                Some(open) => match exports::make(open, &export.what) {
                    Ok((kind, bytes)) => tell(Tell::Exported {
                        id: export.id,
                        name: format!("{}.{}", export.stem, kind.ending),
                        mime: kind.mime.into(),
                        bytes: Uint8Array::from(&bytes[..]),
                    }),
                    Err(error) => failed(export.id, "export", &error),
                },
                None => failed(export.id, "export", &"the image is not open yet; try again in a moment"),
            },
            // The others never reach the desk.
            _ => {}
        }
    }

    fn open(&mut self, opening: Opening) -> Result<(), Error> {
        let Opening { id, name, file, probability, rules, by_hand, truth } = opening;
        // The old image goes first: two large ones may not fit.
        self.open = None;
        let image = decode(&bytes(&file), &name)?;
        drop(file);
        let (width, height) = image.dimensions();
        let probability = probability.and_then(|map| GrayImage::from_raw(width, height, bytes(&map)));
        tell(Tell::Opened { id, width, height });
        let truth_serial = truth.serial;
        let truth = truth.file.and_then(|truth| {
            let truth = read_truth(&bytes(&truth), &name, image.dimensions());
            truth.map_err(|error| refuse_truth(id, truth_serial, &error)).ok()
        });
        let mut open =
            Open { id, name, image, probability, truth, truth_serial, found: None, rules, by_hand };
        open.measure()?;
        self.open = Some(open);
        Ok(())
    }

    fn truth(&mut self, id: u32, name: &str, file: &[u8], serial: u32) -> Result<(), Error> {
        if let Some(open) = self.open.as_mut().filter(|open| open.id == id) {
            // One that does not fit takes the place of the one before all the same.
            let truth = read_truth(file, name, open.image.dimensions());
            open.truth = truth.map_err(|error| refuse_truth(id, serial, &error)).ok();
            open.truth_serial = serial;
            open.measure()?;
        }
        Ok(())
    }

    /// One square of the picture, if that image is open.
    pub fn tile(&self, tile: &Tile) -> Option<Picture> {
        let open = self.open.as_ref().filter(|open| open.id == tile.id)?;
        if tile.layer == "image" {
            return Some(render::image_tile(&open.image, tile));
        }
        let found = open.found.as_ref()?;
        let probability = open.probability.as_ref()?;
        let layers = Layers {
            labels: &found.cells.labels,
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

/// Says that a truth mask cannot be used; its image is measured without one.
fn refuse_truth(id: u32, serial: u32, error: &Error) {
    tell(Tell::Failed { id, task: "truth".into(), serial, message: error.to_string() });
}

/// A truth mask, which must be the size of its image.
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
        let truth = (self.truth.as_ref(), self.truth_serial);
        let (found, measured) = measure(self.id, map, &self.rules, &self.by_hand, truth)?;
        self.found = Some(found);
        tell(Tell::Measured(measured));
        Ok(())
    }

    /// The cells that count, by their numbers on the page; `None` before they were found.
    pub fn counted(&self) -> Option<Cells> {
        self.found.as_ref().map(Found::counted)
    }
}
