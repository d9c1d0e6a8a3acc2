//! How well one image was segmented: the same figures in training, cross validation and evaluation.

use crate::dataset::{Sample, is_labelled};
use crate::records::ImageRecord;
use rbc_model::cells::{Cell, CellOptions, Cells, estimate_diameter, find_cells};
use rbc_model::metrics::{self, InstanceScore};
use rbc_model::{Error, GrayImage};

/// One image's figures, and the mask that has them.
pub struct Scored {
    pub record: ImageRecord,
    pub mask: GrayImage,
}

/// Scores a probability map (255 = certain) against the sample's mask; the margin without labels is left out.
pub fn score(sample: &Sample, probability: &GrayImage, options: &CellOptions) -> Result<Scored, Error> {
    // A cell at the edge is a cell, in the truth as well.
    let options = CellOptions { skip_edge: false, ..options.clone() };
    let predicted = find_cells(probability, &options);
    let mask = predicted.labels.mask();
    let score = metrics::score_mask(&mask, &sample.mask, sample.margin)?;
    // What is a cell in the truth, and what a speck, must not hang on what was found: its size is the truth's own.
    let truth =
        CellOptions { threshold: 0.5, diameter_px: estimate_diameter(&sample.mask), ..options.clone() };
    // The truth is parted into cells in the same way, or the counts could not be compared.
    let cells_true = sample.cells.unwrap_or_else(|| count(&find_cells(&sample.mask, &truth), sample));
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
        cells_predicted: count(&predicted, sample),
        instances: instances(predicted, sample, truth)?,
    };
    Ok(Scored { record, mask })
}

/// Cells whose centre lies where there are labels.
fn count(cells: &Cells, sample: &Sample) -> usize {
    cells.cells.iter().filter(|cell| labelled(cell, sample)).count()
}

fn labelled(cell: &Cell, sample: &Sample) -> bool {
    is_labelled((cell.x, cell.y), sample.image.dimensions(), sample.margin)
}

/// The cells found against the regions of the mask; specks are no cells, in the truth either.
fn instances(mut found: Cells, sample: &Sample, truth: CellOptions) -> Result<InstanceScore, Error> {
    let mut truth = find_cells(&sample.mask, &CellOptions { split: false, ..truth });
    truth.retain(|cell| labelled(cell, sample));
    found.retain(|cell| labelled(cell, sample));
    metrics::match_instances(&found.labels, &truth.labels, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbc_model::RgbImage;

    /// Two discs of radius 12, one of them in the margin.
    fn sample(margin: u32) -> Sample {
        let disc = |x: i32, y: i32, cx: i32| (x - cx).pow(2) + (y - 40).pow(2) <= 144;
        let mask = GrayImage::from_fn(120, 80, |x, y| {
            let (x, y) = (x as i32, y as i32);
            image::Luma([if disc(x, y, 14) || disc(x, y, 70) { 255 } else { 0 }])
        });
        let (name, source) = ("a".into(), "a".into());
        Sample { name, source, image: RgbImage::new(120, 80), mask, margin, cells: None }
    }

    #[test]
    fn the_margin_does_not_count() -> Result<(), Error> {
        // The cell in the margin goes unseen.
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
        // Four times the true size: all that is there would be a speck beside it.
        for diameter_px in [None, Some(8.0), Some(24.0), Some(96.0)] {
            let record = of(&sample.mask, diameter_px)?;
            assert_eq!((record.cells_true, record.instances.cells_true), (2, 2), "{diameter_px:?}");
        }
        let nothing = of(&GrayImage::new(120, 80), Some(96.0))?;
        assert_eq!((nothing.cells_true, nothing.cells_predicted, nothing.instances.matched), (2, 0, 0));
        Ok(())
    }

    #[test]
    fn exact_counts_are_taken_where_there_are_any() -> Result<(), Error> {
        let counted = Sample { cells: Some(7), ..sample(0) };
        let scored = score(&counted, &counted.mask, &CellOptions::default())?;
        assert_eq!((scored.record.cells_true, scored.record.cells_predicted), (7, 2));
        assert_eq!(scored.mask, counted.mask);
        Ok(())
    }
}
