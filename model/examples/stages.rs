//! Where the time of one image goes: `stages IMAGE [WORD]`, milliseconds of each stage whose name has the word, median of
//! five.

use burn::backend::Flex;
use rbc_model::cells::{CellOptions, find_cells};
use rbc_model::segment::{self, SegmentOptions, Segmenter};
use rbc_model::{decode, export};
use std::hint::black_box;
use std::time::Instant;

/// As in `trainer`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WEIGHTS: &[u8] = include_bytes!("../../model-weights/rbc.safetensors");
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("which image?")?;
    let bytes = std::fs::read(&path)?;
    let image = decode::decode(&bytes, &path)?;
    let network = Segmenter::<Flex>::load(WEIGHTS, &Default::default())?;
    let segment = |options: &SegmentOptions| {
        pollster::block_on(segment::segment(&network, &image, options, &mut |_| {}))
    };
    let found = segment(&SegmentOptions::default())?;
    let given = SegmentOptions { diameter_px: Some(found.diameter_px), ..SegmentOptions::default() };
    let options = CellOptions { diameter_px: Some(found.diameter_px), ..CellOptions::default() };
    let cells = find_cells(&found.probability, &options);
    let (width, height) = image.dimensions();
    println!("{width} x {height}, {} cells of {:.0} pixels", cells.cells.len(), found.diameter_px);
    timed("decode", || drop(black_box(decode::decode(&bytes, &path))));
    timed("segment, diameter estimated", || drop(black_box(segment(&SegmentOptions::default()))));
    timed("segment, diameter given", || drop(black_box(segment(&given))));
    timed("find cells", || drop(black_box(find_cells(&found.probability, &options))));
    timed("labels.png", || drop(black_box(export::labels_png(&cells.labels))));
    timed("overlay.png", || drop(black_box(export::overlay_png(&image, &cells.labels))));
    timed("mask.png", || drop(black_box(export::mask_png(&cells.labels.mask()))));
    timed("cells.csv", || drop(black_box(export::cells_csv(&cells))));
    timed("geojson", || drop(black_box(export::geojson(&cells))));
    timed("rois.zip", || drop(black_box(export::roi_zip(&cells))));
    Ok(())
}

/// Prints how long some work takes.
fn timed(name: &str, mut work: impl FnMut()) {
    if std::env::args().nth(2).is_some_and(|word| !name.contains(&word)) {
        return;
    }
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            1e3 * start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<28} {:>9.1}", times[ROUNDS / 2]);
}
