//! Instance labels beside a mask: which pixel belongs to which cell.

use crate::files;
use crate::problem::Problem;
use rbc_model::cells::Labels;
use rbc_model::metrics::{Overlap, without_margin};
use rbc_model::{Error, GrayImage, decode};
use std::collections::BTreeMap;
use std::f32::consts::PI;
use std::path::Path;

/// Half the width of the line of background between touching cells, in cell diameters: about one pixel on each side at
/// the working scale.
const LINE: f32 = 0.02;

/// Labels and mask differ by lines between cells and by holes. A smaller overlap (IoU) has another reason.
const AGREES: f64 = 0.5;

/// Reads the instance image that belongs to a mask with an unlabelled margin of `margin` pixels; see
/// [`decode::decode_labels`].
///
/// # Errors
/// If it can't be read, is of another size, or contradicts the mask.
pub fn read(path: &Path, mask: &GrayImage, margin: u32) -> Result<Labels, Problem> {
    let labels = files::decoded(path, decode::decode_labels)?;
    let (width, height) = mask.dimensions();
    if (labels.width, labels.height) != (width, height) {
        let what = format!(
            "the instances are {} x {} but their image is {width} x {height}; they must be of the same size",
            labels.width, labels.height
        );
        return Err(Problem::new(path, what));
    }
    let iou = overlap(&labels, mask, margin).map_err(|error| Problem::model(path, error))?;
    if iou < AGREES {
        let what = format!(
            "the instances contradict the mask (IoU {iou:.2}): check that both are of this image and turned the same way"
        );
        return Err(Problem::new(path, what));
    }
    Ok(labels)
}

/// IoU of what labels and mask mark as cells within the margin; 1 if neither marks any.
fn overlap(labels: &Labels, mask: &GrayImage, margin: u32) -> Result<f64, Error> {
    let labelled = without_margin(&labels.mask(), margin)?;
    Ok(Overlap::of(&labelled, &without_margin(mask, margin)?)?.iou())
}

/// The labels without the cells whose centroid lies in the unlabelled margin of `margin` pixels.
pub fn within(mut labels: Labels, margin: u32) -> Labels {
    let width = labels.width as usize;
    let mut sums: BTreeMap<u32, [f64; 3]> = BTreeMap::new();
    for (at, &id) in labels.ids.iter().enumerate().filter(|(_, id)| **id > 0) {
        let sum = sums.entry(id).or_default();
        let pixel = [(at % width) as f64 + 0.5, (at / width) as f64 + 0.5, 1.0];
        sum.iter_mut().zip(pixel).for_each(|(sum, of)| *sum += of);
    }
    sums.retain(|_, [x, y, area]| {
        !is_labelled((*x / *area, *y / *area), (labels.width, labels.height), margin)
    });
    labels.ids.iter_mut().filter(|id| sums.contains_key(id)).for_each(|id| *id = 0);
    labels
}

/// Whether a point, in pixels from the top left corner, lies in the labelled part: `margin` or farther from each edge.
pub fn is_labelled((x, y): (f64, f64), (width, height): (u32, u32), margin: u32) -> bool {
    let margin = f64::from(margin);
    let within = |at: f64, length: u32| at >= margin && at <= f64::from(length) - margin;
    within(x, width) && within(y, height)
}

/// Number of cells.
pub fn count(labels: &Labels) -> usize {
    areas(labels).len()
}

/// Median equivalent diameter in pixels; `None` if there are no cells.
pub fn diameter(labels: &Labels) -> Option<f32> {
    let mut areas: Vec<usize> = areas(labels).into_values().collect();
    areas.sort_unstable();
    let median = areas.get(areas.len() / 2)?;
    Some((4.0 / PI * *median as f32).sqrt())
}

fn areas(labels: &Labels) -> BTreeMap<u32, usize> {
    let mut areas = BTreeMap::new();
    for line in labels.ids.chunk_by(|a, b| a == b).filter(|run| run[0] > 0) {
        *areas.entry(line[0]).or_default() += line.len();
    }
    areas
}

/// The mask with a line of background where two cells of `diameter` pixels meet, so that a network trained on it
/// separates cells.
pub fn separated(mask: &GrayImage, labels: &Labels, diameter: f32) -> GrayImage {
    let reach = (LINE * diameter).round().max(1.0) as u32;
    let label = |x: u32, y: u32| {
        let inside = x < labels.width && y < labels.height;
        if inside { labels.ids[y as usize * labels.width as usize + x as usize] } else { 0 }
    };
    let mut lined = mask.clone();
    for (x, y, pixel) in lined.enumerate_pixels_mut() {
        let own = label(x, y);
        let beside = [
            (x.wrapping_sub(reach), y),
            (x.saturating_add(reach), y),
            (x, y.wrapping_sub(reach)),
            (x, y.saturating_add(reach)),
        ];
        let meets = |(x, y)| {
            let other = label(x, y);
            other > 0 && other != own
        };
        if own > 0 && beside.into_iter().any(meets) {
            pixel.0 = [0];
        }
    }
    lined
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Luma;

    /// Two squares of `side` pixels that share a side, and a third one apart from them.
    fn squares(side: u32) -> Labels {
        let (width, height) = (4 * side, side);
        let id = |x: u32| [1, 2, 0, 3][(x / side) as usize];
        Labels { width, height, ids: (0..width * height).map(|at| id(at % width)).collect() }
    }

    #[test]
    fn a_line_parts_cells_that_touch_and_only_those() {
        let labels = squares(20);
        let mask = labels.mask();
        let lined = separated(&mask, &labels, 20.0);
        let changed: Vec<u32> = (0..80).filter(|&x| lined.get_pixel(x, 7) != mask.get_pixel(x, 7)).collect();
        assert_eq!(changed, [19, 20]);
        assert_eq!(Labels::of_mask(&lined).ids.iter().max(), Some(&3));
        // Labels never turn background of the mask into cell.
        let none = separated(&GrayImage::new(80, 20), &labels, 20.0);
        assert!(none.iter().all(|value| *value == 0));
    }

    #[test]
    fn cells_in_the_margin_do_not_count() {
        let labels = squares(20);
        assert_eq!((count(&labels), diameter(&labels).map(f32::round)), (3, Some(23.0)));
        assert_eq!(count(&within(labels.clone(), 10)), 3);
        assert_eq!(within(labels, 11), Labels { width: 80, height: 20, ids: vec![0; 1600] });
    }

    #[test]
    fn numbers_that_a_lossy_file_blurs_are_refused() -> anyhow::Result<()> {
        let folder = crate::fixture::Folder::new("instances")?;
        let image = GrayImage::from_fn(16, 8, |x, _| Luma([(x / 4) as u8]));
        for name in ["a.png", "a.jpg"] {
            image.save(folder.path.join(name))?;
        }
        let read = |name: &str, mask: &GrayImage| read(&folder.path.join(name), mask, 0);
        assert_eq!(read("a.png", &image).map(|labels| count(&labels)).ok(), Some(3));
        let told = |result: Result<Labels, Problem>| result.err().map(|problem| problem.to_string());
        assert!(
            told(read("a.png", &GrayImage::new(8, 16)))
                .is_some_and(|told| told.contains("16 x 8 but their image is 8 x 16"))
        );
        assert!(told(read("a.jpg", &image)).is_some_and(|told| told.contains("lossy")));
        Ok(())
    }

    #[test]
    fn labels_that_contradict_the_mask_are_refused() -> anyhow::Result<()> {
        let folder = crate::fixture::Folder::new("contradiction")?;
        let path = folder.path.join("a.png");
        // Two cells on the left, without the line between them.
        GrayImage::from_fn(16, 16, |x, y| Luma([u8::from(x < 6) * (1 + u8::from(y > 7))])).save(&path)?;
        let mask = |marks: fn(u32, u32) -> bool| {
            GrayImage::from_fn(16, 16, |x, y| Luma([if marks(x, y) { 255 } else { 0 }]))
        };
        let read = |marks: fn(u32, u32) -> bool, margin| read(&path, &mask(marks), margin);
        // With the line, without the pale centres, and with a third cell.
        assert!(read(|x, y| x < 6 && y != 7, 0).is_ok());
        assert!(read(|x, y| x < 6 && !((2..4).contains(&x) && (2..14).contains(&y)), 0).is_ok());
        assert!(read(|x, _| x < 11, 0).is_ok());
        let told =
            |result: Result<Labels, Problem>| result.err().map(|problem| problem.what).unwrap_or_default();
        assert!(told(read(|x, _| x > 9, 0)).starts_with("the instances contradict the mask (IoU 0.00)"));
        assert!(told(read(|_, y| y < 6, 0)).contains("(IoU 0.23)"), "turned by a quarter");
        assert!(told(read(|_, _| false, 0)).contains("(IoU 0.00)"));
        // What is not labelled does not count.
        let edges = |x: u32, y: u32| x > 12 || (3..6).contains(&x) && (3..13).contains(&y);
        assert!(read(edges, 3).is_ok() && read(edges, 0).is_err());
        Ok(())
    }
}
