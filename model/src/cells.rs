//! From the probability map to individual cells and their measurements.

mod arc;
mod blur;
mod centres;
mod crop;
mod diameter;
mod disjoint;
pub mod distance;
mod field_of_view;
mod hills;
mod holes;
mod measure;
mod moments;
mod outline;
mod oval;
mod pieces;
mod raster;
pub(crate) mod regions;
mod seams;
mod split;
mod strokes;
mod summary;

pub use diameter::estimate_diameter;
pub(crate) use diameter::estimate_diameter_within;
pub(crate) use field_of_view::FieldOfView;
pub use outline::outlines;
pub use strokes::Stroke;
pub use summary::{RED_CELLS, Spread, Summary};

use crate::segment::UNLIT;
use crate::{GrayImage, parallel};
use crop::Crop;
use oval::is_long_oval;
use regions::{Neighbours, Region, Run, regions};
use serde::{Deserialize, Serialize};
use split::OUTSIDE;
use std::f32::consts::PI;
use std::ops::RangeInclusive;

/// A region smaller than this share of the expected cell area is a speck, not a cell.
const SPECK: f32 = 0.1;
/// The same for a region at the edge of the field of view, where little of its cell may be visible.
const SPECK_AT_EDGE: f32 = 0.02;
/// A region smaller than this share of the expected cell area is not split.
const SPLIT_FROM: f32 = 0.5;
/// The same for a region at that edge, where little of two cells may be visible.
const SPLIT_FROM_AT_EDGE: f32 = 0.15;

/// Number of regions that are split in parallel before their cells are painted into the label image.
const AT_A_TIME: usize = 256;

/// Plausible scales in micrometres per pixel, from electron microscopes to hand lenses.
pub const UM_PER_PX: RangeInclusive<f64> = 0.001..=1000.0;

/// How cells are derived from a probability map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellOptions {
    /// Least probability, 0 to 1, of a pixel that belongs to a cell.
    pub threshold: f32,
    /// Whether touching cells are split.
    pub split: bool,
    /// Expected equivalent diameter of one cell in pixels of this image, by which specks, holes and the necks between cells
    /// are judged. `None`: estimated from the mask itself.
    pub diameter_px: Option<f32>,
    /// Micrometres per pixel, if known.
    pub um_per_px: Option<f32>,
    /// Whether cells cut by the image edge are left out.
    pub skip_edge: bool,
}

impl Default for CellOptions {
    fn default() -> Self {
        Self { threshold: 0.5, split: true, diameter_px: None, um_per_px: None, skip_edge: false }
    }
}

/// One red blood cell. Lengths are in pixels. The origin is the top left corner of the image, so the centre of the
/// first pixel is at 0.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Value of its pixels in the label image, from 1.
    pub id: u32,
    /// Centroid.
    pub x: f64,
    pub y: f64,
    /// Number of pixels.
    pub area_px: f64,
    /// Perimeter by the Cauchy-Crofton formula over four directions. The image edge counts as outline of a cell that it
    /// cuts.
    pub perimeter_px: f64,
    /// Equivalent diameter, sqrt(4 area / π).
    pub diameter_px: f64,
    /// 4π area / perimeter², at most 1.
    pub circularity: f64,
    /// Eccentricity of the ellipse with the same second moments: 0 for a disc, approaching 1 for a line.
    pub eccentricity: f64,
    /// Mean probability of its pixels, 0 to 1.
    pub mean_probability: f64,
    /// Whether it touches the edge of the image, or of the picture in a frame, or comes within two pixels of an eyepiece's
    /// rim, so that part of it may be out of view.
    pub touches_edge: bool,
    /// Bounding box: x, y, width, height.
    pub bounds: [u32; 4],
}

/// Instance label of each pixel, row by row; 0 is background.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    pub width: u32,
    pub height: u32,
    /// `width * height` labels.
    pub ids: Vec<u32>,
}

/// All cells of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    pub labels: Labels,
    /// Sorted by id. Ids are consecutive from 1, except for gaps left by [`Cells::erase`].
    pub cells: Vec<Cell>,
    /// The cell diameter in pixels, given, or estimated from the mask, where there may be no cells: then `None`.
    pub diameter_px: Option<f32>,
    /// Micrometres per pixel, if known.
    pub um_per_px: Option<f32>,
    /// Number of pixels of the picture itself: all but the unlit ones.
    pub lit_px: u64,
    /// Number of cells that were left out because the edge cuts them.
    pub cut_left_out: usize,
}

impl Labels {
    /// Binary mask: 255 in cells, 0 elsewhere.
    pub fn mask(&self) -> GrayImage {
        self.mask_where(|_| true)
    }

    /// The mask of the cells for whose ids `keep` holds.
    pub fn mask_where(&self, keep: impl Fn(u32) -> bool) -> GrayImage {
        let most = self.ids.iter().copied().max().unwrap_or(0);
        // Asked once per cell, not per pixel.
        let of_id: Vec<u8> = (0..=most).map(|id| if id != 0 && keep(id) { 255 } else { 0 }).collect();
        let mut mask = GrayImage::new(self.width, self.height);
        mask.iter_mut().zip(&self.ids).for_each(|(pixel, id)| *pixel = of_id[*id as usize]);
        mask
    }

    /// Removes a cell from the image.
    fn clear(&mut self, cell: &Cell) {
        let [left, top, width, height] = cell.bounds;
        for y in top..top + height {
            let row = Run { y, start: left, end: left + width }.indices(self.width);
            self.ids[row].iter_mut().filter(|id| **id == cell.id).for_each(|id| *id = 0);
        }
    }

    /// Turns each 4-connected region of a mask (non-zero: cell) into an instance, without dropping or splitting any:
    /// for ground-truth masks in which background lines separate the cells. Ids are in raster order of the first
    /// pixels.
    pub fn of_mask(mask: &GrayImage) -> Self {
        let (width, height) = mask.dimensions();
        let data = mask.as_raw();
        let mut ids = vec![0; data.len()];
        for (index, region) in regions(width, height, Neighbours::Four, |at| data[at] != 0).iter().enumerate()
        {
            region.runs.iter().for_each(|run| ids[run.indices(width)].fill(index as u32 + 1));
        }
        Self { width, height, ids }
    }
}

impl Cells {
    /// Keeps only the cells for which `keep` holds, and renumbers them from 1 in the same order.
    pub fn retain(&mut self, keep: impl Fn(&Cell) -> bool) {
        let most = self.cells.iter().map(|cell| cell.id).max().unwrap_or(0);
        let mut renamed = vec![0; most as usize + 1];
        self.cells.retain(|cell| keep(cell));
        for (index, cell) in self.cells.iter_mut().enumerate() {
            renamed[cell.id as usize] = index as u32 + 1;
            cell.id = index as u32 + 1;
        }
        self.labels.ids.iter_mut().for_each(|id| *id = renamed[*id as usize]);
    }

    /// Leaves out the cells that the edge cuts, renumbers the others, and adds the number left out to `cut_left_out`.
    pub fn drop_cut_and_renumber(&mut self) {
        let all = self.cells.len();
        self.retain(|cell| !cell.touches_edge);
        self.cut_left_out += all - self.cells.len();
    }

    /// Removes the cells for which `out` holds; the others keep their ids, and `cut_left_out` its value.
    pub fn erase(&mut self, out: impl Fn(&Cell) -> bool) {
        let (gone, left): (Vec<Cell>, _) = std::mem::take(&mut self.cells).into_iter().partition(out);
        self.cells = left;
        gone.iter().for_each(|cell| self.labels.clear(cell));
    }

    /// Renumbers the labels (ids up to `most`) in raster order and measures the cells anew.
    fn number_and_measure(&mut self, most: usize, probability: &GrayImage) {
        let count = number_in_raster_order(&mut self.labels.ids, most);
        self.cells = measure::measure(&self.labels, count, probability);
        FieldOfView::of(probability).mark_cut(&mut self.cells, &self.labels);
    }
}

/// Finds the cells of a probability map (255 = certain, [`UNLIT`](crate::segment::UNLIT) = outside the picture).
///
/// Steps: threshold; fill holes that look like pale centres; drop 4-connected regions smaller than a tenth of a cell
/// (at the edge of the picture, a fiftieth); split touching cells, if requested. Cells are numbered from 1 in raster
/// order of their first pixels: top to bottom, then left to right. The result is deterministic.
pub fn find_cells(probability: &GrayImage, options: &CellOptions) -> Cells {
    let (width, height) = probability.dimensions();
    let level = grey_level(options.threshold);
    let mut mask: Vec<u8> = probability.iter().map(|&p| if p >= level { 255 } else { 0 }).collect();
    let mut cells = Cells {
        labels: Labels { width, height, ids: vec![0; mask.len()] },
        cells: Vec::new(),
        diameter_px: options.diameter_px.filter(|diameter| diameter.is_finite() && *diameter > 0.0),
        um_per_px: options.um_per_px.filter(|um| um.is_finite() && *um > 0.0),
        lit_px: probability.iter().filter(|&&p| p != UNLIT).count() as u64,
        cut_left_out: 0,
    };
    let field = FieldOfView::of(probability);
    if cells.diameter_px.is_none() {
        cells.diameter_px = GrayImage::from_raw(width, height, mask.clone())
            .and_then(|mask| estimate_diameter_within(&mask, &field));
    }
    let Some(diameter) = cells.diameter_px else { return cells };
    let cell_area = disc_area(diameter);
    holes::fill(&mut mask, width, height, Some(f64::from(cell_area)));
    // The cells of a region; none where it is a speck.
    let taken_apart = |region: &Region| {
        let at_edge = field.cuts(region);
        let area = region.area as f32;
        let (speck, split_from) =
            if at_edge { (SPECK_AT_EDGE, SPLIT_FROM_AT_EDGE) } else { (SPECK, SPLIT_FROM) };
        if area < speck * cell_area {
            return None;
        }
        let crop = Crop::of(region, &field);
        let large = options.split && area >= split_from * cell_area;
        // The outline of a cell cut by the edge is too incomplete to tell whether the cell is an oval.
        let (parts, number) = if large && (at_edge || !is_long_oval(&crop)) {
            split::split(&crop, &crop.of_image(probability.as_raw(), width), level, diameter)
        } else {
            split::whole(&crop)
        };
        Some((crop, parts, number))
    };
    let mut count = 0;
    // Some at a time: together they need the memory of several images.
    for some in regions(width, height, Neighbours::Four, |at| mask[at] != 0).chunks(AT_A_TIME) {
        for (crop, parts, number) in parallel::map(some, taken_apart).into_iter().flatten() {
            for (row, parts) in crop.rows(width).zip(parts.chunks_exact(crop.width)) {
                let inside =
                    cells.labels.ids[row].iter_mut().zip(parts).filter(|(_, part)| **part != OUTSIDE);
                inside.for_each(|(id, part)| *id = count + part + 1);
            }
            count += number as u32;
        }
    }
    cells.number_and_measure(count as usize, probability);
    if options.skip_edge {
        cells.drop_cut_and_renumber();
    }
    cells
}

/// Area of a disc.
pub(crate) fn disc_area(diameter: f32) -> f32 {
    PI / 4.0 * diameter * diameter
}

/// The least grey value that counts as cell; always above [`UNLIT`], so that unlit pixels stay out even at threshold 0.
fn grey_level(threshold: f32) -> u8 {
    (threshold * 255.0).ceil().clamp(f32::from(UNLIT) + 1.0, 255.0) as u8
}

/// Renumbers the ids 1 to `most` from 1 in raster order of their first pixels; returns how many of them occur.
fn number_in_raster_order(ids: &mut [u32], most: usize) -> usize {
    let mut renamed = vec![0; most + 1];
    let mut next = 0;
    for id in ids.iter_mut().filter(|id| **id != 0) {
        let new = &mut renamed[*id as usize];
        if *new == 0 {
            next += 1;
            *new = next;
        }
        *id = *new;
    }
    next as usize
}

#[cfg(test)]
mod tests;
