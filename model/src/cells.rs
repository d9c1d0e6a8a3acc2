//! From the probability map to single cells and their measures.

mod arc;
mod blur;
mod centres;
mod crop;
mod diameter;
pub mod distance;
mod hills;
mod holes;
mod measure;
mod outline;
mod oval;
mod pieces;
pub(crate) mod regions;
mod seams;
mod split;
mod strokes;
mod summary;
mod unlit;

pub use diameter::estimate_diameter;
pub use outline::outlines;
pub use strokes::Stroke;
pub use summary::{Spread, Summary};

use crate::GrayImage;
use crate::segment::UNLIT;
use crop::Crop;
use oval::is_long_oval;
use regions::{Neighbours, regions};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::f32::consts::PI;
use std::ops::RangeInclusive;
use unlit::Unlit;

/// A region smaller than this share of the expected cell is a speck, not a cell.
const SPECK: f32 = 0.1;
/// A region cut by the image's edge may show this much less of its cell.
const SPECK_AT_EDGE: f32 = 0.02;
/// A region smaller than this share of the expected cell is not taken apart; at the image's edge little may show of
/// two.
const SPLIT_FROM: f32 = 0.5;
const SPLIT_FROM_AT_EDGE: f32 = 0.15;

/// Micrometres per pixel that are believed, from electron microscopes to hand lenses.
pub const UM_PER_PX: RangeInclusive<f64> = 0.001..=1000.0;

/// How cells are read off a probability map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellOptions {
    /// A pixel is a cell where its probability is at least this, 0 to 1.
    pub threshold: f32,
    /// Whether touching cells are split.
    pub split: bool,
    /// Expected equivalent diameter of one cell in pixels of this image; sets the smallest area and the
    /// smoothing of the split. `None`: read off the mask itself.
    pub diameter_px: Option<f32>,
    /// Micrometres per pixel, where known.
    pub um_per_px: Option<f32>,
    /// Leaves out cells cut by the image's edge.
    pub skip_edge: bool,
}

impl Default for CellOptions {
    fn default() -> Self {
        Self { threshold: 0.5, split: true, diameter_px: None, um_per_px: None, skip_edge: false }
    }
}

/// One red blood cell. Lengths in pixels; origin the top left corner of the image, so that the centre of the first
/// pixel is at 0.5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Its value in the label image, from 1.
    pub id: u32,
    /// Centroid.
    pub x: f64,
    pub y: f64,
    /// Number of pixels.
    pub area_px: f64,
    /// By the Cauchy-Crofton formula over four directions; the image's edge bounds a cell that it cuts.
    pub perimeter_px: f64,
    /// Equivalent diameter, sqrt(4 area / pi).
    pub diameter_px: f64,
    /// 4 pi area / perimeter², at most 1.
    pub circularity: f64,
    /// Of the ellipse with the same second moments: 0 for a disc, towards 1 for a line.
    pub eccentricity: f64,
    /// Mean probability inside, 0 to 1.
    pub mean_probability: f64,
    /// Whether it reaches the first or last row or column of the image, or where no light falls: it may go on beyond.
    pub touches_edge: bool,
    /// Bounding box: x, y, width, height.
    pub bounds: [u32; 4],
}

/// Instance ids per pixel, row by row; 0 is background.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    pub width: u32,
    pub height: u32,
    pub ids: Vec<u32>,
}

/// All cells of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    pub labels: Labels,
    /// Sorted by id: 1, 2, 3 ..., but for gaps that [`Cells::leave_out`] leaves.
    pub cells: Vec<Cell>,
    /// The cell diameter in pixels that was given or read off the mask; `None` where there are no cells.
    pub diameter_px: Option<f32>,
    /// Micrometres per pixel, where known.
    pub um_per_px: Option<f32>,
    /// Pixels of the picture itself: all but those where no light falls.
    pub lit_px: u64,
    /// Cells that the edge cuts and that were therefore left out.
    pub cut_left_out: usize,
}

impl Labels {
    /// The cells' pixels as 255, the rest 0.
    pub fn mask(&self) -> GrayImage {
        let ids = &self.ids;
        let width = self.width as usize;
        GrayImage::from_fn(self.width, self.height, |x, y| {
            image::Luma([if ids[y as usize * width + x as usize] == 0 { 0 } else { 255 }])
        })
    }

    /// Each 4-connected region of a mask (non-zero: cell) as an instance, nothing dropped and nothing split: for
    /// truth masks whose background lines part the cells. Ids in raster order of the first pixels.
    pub fn of_mask(mask: &GrayImage) -> Self {
        let (width, height) = mask.dimensions();
        let data = mask.as_raw();
        let mut ids = vec![0; data.len()];
        for (index, region) in regions(width, height, Neighbours::Four, |at| data[at] != 0).iter().enumerate()
        {
            for run in &region.runs {
                let row = run.y as usize * width as usize;
                ids[row + run.start as usize..row + run.end as usize].fill(index as u32 + 1);
            }
        }
        Self { width, height, ids }
    }
}

impl Cells {
    /// The same without the cells that `keep` refuses; the others are numbered anew in the same order.
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

    /// Leaves out the cells that the edge cuts, and remembers how many they were.
    pub fn leave_out_cut(&mut self) {
        let all = self.cells.len();
        self.retain(|cell| !cell.touches_edge);
        self.cut_left_out += all - self.cells.len();
    }

    /// Takes away the cells for which `out` holds; the others keep their numbers.
    pub fn leave_out(&mut self, out: impl Fn(&Cell) -> bool) {
        let gone: HashSet<u32> = self.cells.iter().filter(|cell| out(cell)).map(|cell| cell.id).collect();
        self.cells.retain(|cell| !gone.contains(&cell.id));
        self.labels.ids.iter_mut().filter(|id| gone.contains(id)).for_each(|id| *id = 0);
    }

    /// Numbers what the labels show, ids to `most`, in raster order, and measures it.
    fn number_and_measure(&mut self, most: usize, probability: &GrayImage) {
        let count = number_in_raster_order(&mut self.labels.ids, most);
        self.cells = measure::measure(&self.labels, count, probability);
        if let Some(unlit) = Unlit::of(probability) {
            let cut = unlit.cut_cells(&self.labels, count);
            self.cells.iter_mut().zip(cut).for_each(|(cell, cut)| cell.touches_edge |= cut);
        }
    }
}

/// Finds the cells of a probability map (255 = certain, [`UNLIT`](crate::segment::UNLIT) = beyond the picture).
///
/// Threshold; holes that look like pale centres are filled; regions (joined by pixel sides) below a tenth of a
/// cell, or a fiftieth at the picture's edge, are dropped; touching cells are split, if asked. Cells are numbered from
/// 1 in raster order of their first pixels: from top to bottom, then from left to right. The same map gives the same
/// cells.
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
    if cells.diameter_px.is_none() {
        cells.diameter_px =
            GrayImage::from_raw(width, height, mask.clone()).and_then(|m| estimate_diameter(&m));
    }
    let Some(diameter) = cells.diameter_px else { return cells };
    let cell_area = PI / 4.0 * diameter * diameter;
    holes::fill(&mut mask, width, height, Some(f64::from(cell_area)));
    let unlit = Unlit::of(probability);
    let mut count = 0;
    for region in regions(width, height, Neighbours::Four, |at| mask[at] != 0) {
        let cut = unlit.as_ref().is_some_and(|unlit| unlit.cuts(&region));
        let at_edge = cut || region.touches_edge(width, height);
        let area = region.area as f32;
        let (speck, split_from) =
            if at_edge { (SPECK_AT_EDGE, SPLIT_FROM_AT_EDGE) } else { (SPECK, SPLIT_FROM) };
        if area < speck * cell_area {
            continue;
        }
        let crop = Crop::of(&region, width, height);
        let large = options.split && area >= split_from * cell_area;
        // Of a cell that the edge cuts the outline tells too little.
        let (parts, number) = if large && (at_edge || !is_long_oval(&crop)) {
            let value = |at| probability.as_raw()[crop.in_image(at, width)];
            split::split(&crop, value, level, diameter)
        } else {
            split::whole(&crop)
        };
        for (at, part) in parts.into_iter().enumerate().filter(|(_, part)| *part != split::OUTSIDE) {
            cells.labels.ids[crop.in_image(at, width)] = count + part + 1;
        }
        count += number as u32;
    }
    cells.number_and_measure(count as usize, probability);
    if options.skip_edge {
        cells.leave_out_cut();
    }
    cells
}

/// The least grey value that counts as a cell; so much that the background stays out at threshold 0.
fn grey_level(threshold: f32) -> u8 {
    (threshold * 255.0).ceil().clamp(f32::from(UNLIT) + 1.0, 255.0) as u8
}

/// Numbers the ids from 1 to `most` that occur in raster order of their first pixels; returns how many they are.
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
