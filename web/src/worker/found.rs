//! The cells of an image under the rules and the corrections by hand.

use crate::message::{self, ByHand, CellRow, Measured, Rules};
use image::GrayImage;
use rbc_model::cells::{Cell, CellOptions, Cells, Stroke, Summary, find_cells};
use rbc_model::metrics::Overlap;
use rbc_model::{Error, export};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The cells of a probability map, and those that the user left out.
pub struct Found {
    pub cells: Cells,
    pub excluded: HashSet<u32>,
    /// Left-out points at which there is no cell; each with the id of the cell there before cells cut by the edge were
    /// removed, 0 if none.
    missed: Missed,
    by: Basis,
}

/// Everything that determines which cells there are.
#[derive(PartialEq)]
struct Basis {
    options: CellOptions,
    skip_edge: bool,
    strokes: Vec<Rc<message::Stroke>>,
}

impl Basis {
    fn of(rules: &Rules, by_hand: &ByHand) -> Self {
        let options = CellOptions {
            threshold: rules.threshold as f32,
            split: rules.split,
            diameter_px: rules.diameter.map(|diameter| diameter as f32),
            // Only affects units, not which cells there are.
            um_per_px: None,
            // Edge cells are left out later, after corrections by hand, which may reach the edge.
            skip_edge: false,
        };
        Self { options, skip_edge: rules.skip_edge, strokes: by_hand.strokes.clone() }
    }

    /// The cells under these rules, what was at the left-out `points` (see `Found::missed`), and whether the last
    /// stroke had no effect. Finding cells takes seconds in a large image, so an `earlier` result of the same map is
    /// reused if it differs only in the latest strokes or not at all.
    fn cells(&self, map: &GrayImage, points: &[[f64; 2]], earlier: Option<Found>) -> (Cells, Missed, bool) {
        if let Some(earlier) = earlier
            && (&earlier.by.options, earlier.by.skip_edge) == (&self.options, self.skip_edge)
            && let Some(new) = self.strokes.strip_prefix(&earlier.by.strokes[..])
            && (!self.skip_edge || new.is_empty() && earlier.knows(points))
        {
            let (mut cells, missed) = (earlier.cells, earlier.missed);
            let changed = cells.correct(&strokes(new), map);
            return (cells, missed, changed.last() == Some(&false));
        }
        let mut cells = find_cells(map, &self.options);
        let changed = cells.correct(&strokes(&self.strokes), map);
        let mut missed = Missed::new();
        if self.skip_edge {
            let before: Vec<u32> = points.iter().map(|&[x, y]| cut_at(&cells, x, y)).collect();
            cells.drop_cut_and_renumber();
            let there = points.iter().zip(before).filter(|([x, y], _)| cell_at(&cells, *x, *y) == 0);
            missed = there.map(|(point, cut)| (point.map(f64::to_bits), cut)).collect();
        }
        let gone =
            self.skip_edge && self.strokes.last().is_some_and(|drawn| !drawn.cut && !shows(&cells, drawn));
        (cells, missed, changed.last() == Some(&false) || gone)
    }
}

/// See [`Found::missed`]. Keys are the bits of the coordinates.
type Missed = HashMap<[u64; 2], u32>;

/// The cell at a point if the image edge cuts it, else 0.
fn cut_at(cells: &Cells, x: f64, y: f64) -> u32 {
    let id = cell_at(cells, x, y);
    if cells.cells.iter().any(|cell| cell.id == id && cell.touches_edge) { id } else { 0 }
}

/// Whether there is a cell inside an outline.
fn shows(cells: &Cells, outline: &message::Stroke) -> bool {
    let (points, _) = outline.points.as_chunks::<2>();
    let range = |axis: usize, size: u32| {
        let values = || points.iter().map(|point| point[axis]);
        let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
        least.max(0.0) as u32..(most.ceil() as u32).min(size)
    };
    let columns = range(0, cells.labels.width);
    range(1, cells.labels.height).any(|y| {
        columns.clone().any(|x| {
            let (x, y) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
            cell_at(cells, x, y) != 0 && outline.encloses(x, y)
        })
    })
}

/// Converts strokes to the model's type.
fn strokes(drawn: &[Rc<message::Stroke>]) -> Vec<Stroke> {
    let stroke = |stroke: &Rc<message::Stroke>| {
        let points = stroke.points.as_chunks::<2>().0.iter().map(|&[x, y]| (x, y)).collect();
        if stroke.cut { Stroke::Cut(points) } else { Stroke::Outline(points) }
    };
    drawn.iter().map(stroke).collect()
}

/// The cell at a point, 0 if none.
pub fn cell_at(cells: &Cells, x: f64, y: f64) -> u32 {
    let labels = &cells.labels;
    if x < 0.0 || y < 0.0 || x >= f64::from(labels.width) || y >= f64::from(labels.height) {
        return 0;
    }
    let at = y as usize * labels.width as usize + x as usize;
    labels.ids.get(at).copied().unwrap_or(0)
}

/// A point inside the cell: its centroid or, if that lies outside (as in a crescent), the middle of its longest row,
/// which survives longest as the threshold rises.
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
        probability: cell.mean_probability,
        edge: cell.touches_edge,
        excluded,
    }
}

impl Found {
    /// Finds the cells and prepares what the page shows of them. `earlier` is a previous result for the same map.
    ///
    /// # Errors
    ///
    /// [`Error`] if the truth mask has the wrong size or the table cannot be written.
    pub fn measure(
        id: u32,
        map: &GrayImage,
        rules: &Rules,
        by_hand: &ByHand,
        (truth, truth_version): (Option<&GrayImage>, u32),
        earlier: Option<Self>,
    ) -> Result<(Self, Measured), Error> {
        let by = Basis::of(rules, by_hand);
        let points = by_hand.excluded.as_chunks::<2>().0;
        let (mut cells, missed, vain) = by.cells(map, points, earlier);
        cells.um_per_px = rules.um_per_px.map(|scale| scale as f32);
        let hits: Vec<u32> = points.iter().map(|&[x, y]| cell_at(&cells, x, y)).collect();
        let excluded: HashSet<u32> = hits.iter().copied().filter(|id| *id != 0).collect();
        // Cells left out by hand do not count at all, so they must not count again as cut cells (which count as half).
        let cut = points.iter().filter_map(|point| missed.get(&point.map(f64::to_bits)));
        let cut: HashSet<&u32> = cut.filter(|id| **id != 0).collect();
        let cut = cells.cut_left_out.saturating_sub(cut.len());
        let summary = Summary::of_some(&cells, |cell| !excluded.contains(&cell.id), cut);
        let found = Self { cells, excluded, missed, by };
        // Compared with the mask as it would be saved.
        let mask = || found.cells.labels.mask_where(|id| !found.excluded.contains(&id));
        let overlap = truth.map(|truth| Overlap::of(&mask(), truth)).transpose()?;
        let Self { cells, excluded, .. } = &found;
        let measured = Measured {
            id,
            rules_version: rules.rules_version,
            corrections_version: rules.corrections_version,
            truth_version,
            rows: cells.cells.iter().map(|cell| row(cells, cell, excluded.contains(&cell.id))).collect(),
            density: summary.density_per_megapixel,
            covered: summary.covered,
            iou: overlap.as_ref().map(Overlap::iou),
            dice: overlap.as_ref().map(Overlap::dice),
            hits: hits.into_iter().map(f64::from).collect(),
            vain,
            doubt: summary.doubt(),
            // The page fills in the first field and the last three (name, weights, warnings, file), unknown here.
            summary: export::summary_csv([export::SummaryRow {
                name: "",
                summary: &summary,
                warnings: &[],
                file: "",
                made: export::Made {
                    threshold: rules.threshold as f32,
                    split: rules.split,
                    skip_edge: rules.skip_edge,
                    left_out: excluded.len(),
                    drawn: by_hand.strokes.len(),
                    weights: "",
                },
            }])?,
        };
        Ok((found, measured))
    }

    /// Whether it is known what was at each of these points.
    fn knows(&self, points: &[[f64; 2]]) -> bool {
        let known = |point: &[f64; 2]| self.missed.contains_key(&point.map(f64::to_bits));
        points.iter().all(|point| cell_at(&self.cells, point[0], point[1]) != 0 || known(point))
    }

    /// The cells that count, numbered as on the page.
    pub fn counted(&self) -> Cow<'_, Cells> {
        // Borrowed where possible: the labels of a large image take a gigabyte.
        let mut cells = Cow::Borrowed(&self.cells);
        if !self.excluded.is_empty() {
            cells.to_mut().erase(|cell| self.excluded.contains(&cell.id));
        }
        cells
    }
}
