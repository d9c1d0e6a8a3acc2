//! Scores the segmentation of one image: the same figures in cross-validation and evaluation.

use crate::dataset::Sample;
use crate::instances::{self, is_labelled};
use crate::records::ImageRecord;
use rbc_model::cells::{Cell, CellOptions, Cells, Labels, estimate_diameter, find_cells};
use rbc_model::metrics::{self, InstanceScore};
use rbc_model::{Error, GrayImage};

/// The figures of one image, and the mask that they describe.
pub struct Scored {
    pub record: ImageRecord,
    pub mask: GrayImage,
}

/// Scores a probability map (255 = certain) against the sample's mask; the unlabelled margin is ignored.
pub fn score(sample: &Sample, probability: &GrayImage, options: &CellOptions) -> Result<Scored, Error> {
    // Cells at the edge count, in the truth as well.
    let options = CellOptions { skip_edge: false, ..options.clone() };
    let predicted = find_cells(probability, &options);
    let mask = predicted.labels.mask();
    let score = metrics::score_mask(&mask, &sample.mask, sample.margin)?;
    // Which parts of the truth are cells and which are specks must not depend on the prediction: the cell size is that
    // of the truth itself.
    let truth =
        CellOptions { threshold: 0.5, diameter_px: estimate_diameter(&sample.mask), ..options.clone() };
    let labels = sample.instances.clone().map(|labels| instances::within(labels, sample.margin));
    let cells_true = match &labels {
        Some(labels) => instances::count(labels),
        // Split in the same way as the prediction, so that the counts can be compared.
        None => count(&find_cells(&sample.mask, &truth), sample),
    };
    let cells_predicted = count(&predicted, sample);
    let labels = labels.unwrap_or_else(|| regions(sample, truth));
    let record = ImageRecord {
        name: sample.name.clone(),
        width: sample.image.width(),
        height: sample.image.height(),
        iou: score.iou,
        miou: score.miou,
        dice: score.dice,
        precision: score.precision,
        recall: score.recall,
        boundary_f1: score.boundary_f1,
        cells_true,
        cells_predicted,
        instances: match_cells(predicted, sample, &labels)?,
        diameter_px: options.diameter_px,
        warnings: Vec::new(),
    };
    Ok(Scored { record, mask })
}

/// Number of cells whose centre lies in the labelled part.
fn count(cells: &Cells, sample: &Sample) -> usize {
    cells.cells.iter().filter(|cell| labelled(cell, sample)).count()
}

fn labelled(cell: &Cell, sample: &Sample) -> bool {
    is_labelled((cell.x, cell.y), sample.image.dimensions(), sample.margin)
}

/// The cells of a truth without instance labels: the regions of the mask, without specks.
fn regions(sample: &Sample, truth: CellOptions) -> Labels {
    let mut truth = find_cells(&sample.mask, &CellOptions { split: false, ..truth });
    truth.retain(|cell| labelled(cell, sample));
    truth.labels
}

/// Matches the predicted cells with those of the truth.
fn match_cells(mut found: Cells, sample: &Sample, truth: &Labels) -> Result<InstanceScore, Error> {
    found.retain(|cell| labelled(cell, sample));
    metrics::match_instances(&found.labels, truth, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use rbc_model::RgbImage;

    /// Two discs of radius 12, one of them in the margin if that is 30.
    fn sample(margin: u32) -> Sample {
        let disc = |x: i32, y: i32, cx: i32| (x - cx).pow(2) + (y - 40).pow(2) <= 144;
        let mask = GrayImage::from_fn(120, 80, |x, y| {
            let (x, y) = (x as i32, y as i32);
            image::Luma([if disc(x, y, 14) || disc(x, y, 70) { 255 } else { 0 }])
        });
        Sample { margin, ..fixture::sample("a", "a", RgbImage::new(120, 80), mask) }
    }

    #[test]
    fn the_margin_does_not_count() -> Result<(), Error> {
        // The prediction misses the cell in the margin.
        let mut map = sample(0).mask;
        map.enumerate_pixels_mut().filter(|(x, ..)| *x < 28).for_each(|(.., pixel)| pixel.0[0] = 0);
        let all = score(&sample(0), &map, &CellOptions::default())?.record;
        assert!(all.iou < 0.6 && (all.cells_true, all.cells_predicted) == (2, 1), "{all:?}");
        let inner = score(&sample(30), &map, &CellOptions::default())?.record;
        assert_eq!((inner.iou, inner.cells_true, inner.cells_predicted), (1.0, 1, 1));
        assert_eq!((all.instances.matched, all.instances.cells_true), (1, 2));
        assert_eq!((inner.instances.matched, inner.instances.cells_true), (1, 1));
        Ok(())
    }

    #[test]
    fn the_cells_of_the_truth_do_not_hang_on_what_was_found() -> Result<(), Error> {
        let sample = sample(0);
        let of = |map: &GrayImage, diameter_px| {
            let options = CellOptions { diameter_px, ..CellOptions::default() };
            score(&sample, map, &options).map(|scored| scored.record)
        };
        // At four times the true size, all cells in the truth would be specks.
        for diameter_px in [None, Some(8.0), Some(24.0), Some(96.0)] {
            let record = of(&sample.mask, diameter_px)?;
            assert_eq!((record.cells_true, record.instances.cells_true), (2, 2), "{diameter_px:?}");
        }
        let nothing = of(&GrayImage::new(120, 80), Some(96.0))?;
        assert_eq!((nothing.cells_true, nothing.cells_predicted, nothing.instances.matched), (2, 0, 0));
        Ok(())
    }

    #[test]
    fn labels_tell_the_cells_where_there_are_any() -> Result<(), Error> {
        // Each disc is two cells, an upper and a lower one.
        let plain = sample(0);
        let ids = plain.mask.enumerate_pixels().map(|(x, y, value)| match value.0[0] {
            0 => 0,
            _ => 1 + x / 43 + 2 * (y / 40),
        });
        let labels = Labels { width: 120, height: 80, ids: ids.collect() };
        let counted = Sample { instances: Some(labels), ..plain };
        let scored = score(&counted, &counted.mask, &CellOptions::default())?;
        assert_eq!((scored.record.cells_true, scored.record.cells_predicted), (4, 2));
        // The lower half has more than half of a disc's pixels, so it matches the whole disc that was found.
        assert_eq!((scored.record.instances.cells_true, scored.record.instances.matched), (4, 2));
        assert_eq!(scored.mask, counted.mask);
        Ok(())
    }
}
