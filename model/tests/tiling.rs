//! Tiled segmentation gives the same result as untiled.
#![cfg(not(target_arch = "wasm32"))]

use burn::backend::Flex;
use burn::tensor::backend::Backend;
use rbc_model::network::{ALIGNMENT, HALO, NetworkConfig};
use rbc_model::segment::{self, Progress, SegmentOptions, Segmenter};
use rbc_model::tiling::{padded, tiles};
use rbc_model::{Error, RgbImage};
use std::sync::Mutex;

/// Noise with some structure, so that every layer is active.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let noise = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).wrapping_add(x * y);
        let wave = ((f64::from(x) / 9.0).sin() * (f64::from(y) / 7.0).cos() * 60.0) as i32;
        image::Rgb([0, 8, 16].map(|shift| (128 + wave + ((noise >> shift) % 61) as i32 - 30) as u8))
    })
}

/// A segmenter with random weights, reproducible from the seed.
fn segmenter(seed: u64) -> Segmenter<Flex> {
    // Other tests use the same generator concurrently.
    static DRAWING: Mutex<()> = Mutex::new(());
    let _drawing = DRAWING.lock();
    Flex::seed(&Default::default(), seed);
    let config = NetworkConfig::default().folded();
    Segmenter::new(config.init(&Default::default()), config, Default::default())
}

fn logits(segmenter: &Segmenter<Flex>, image: &RgbImage, tile: usize) -> Vec<f32> {
    pollster::block_on(segment::logits(segmenter, image, tile, 1, &mut |_| {}))
        .expect("the CPU computes")
        .values
}

/// Maximum difference between untiled and tiled logits, for each tile size.
fn apart<const N: usize>(segmenter: &Segmenter<Flex>, image: &RgbImage, sides: [usize; N]) -> [f32; N] {
    let whole = logits(segmenter, image, 4096);
    let spread = whole.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    assert!(spread > 1e-2, "the network says nothing, so nothing is tested");
    sides.map(|side| {
        let tiled = logits(segmenter, image, side);
        whole.iter().zip(&tiled).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    })
}

#[test]
fn tiled_logits_equal_untiled_ones() {
    // If two pixels of a pooling window are almost equal, the last bit decides which of them is the maximum, and
    // rounding may differ in a tile; this happens for one image in a hundred of random networks. Hence the median of
    // five.
    let networks: [_; 5] = [1, 2, 3, 4, 5].map(segmenter);
    let sides = [80, 128];
    for (width, height) in [(301, 173), (97, 250), (8, 333)] {
        let image = picture(width, height);
        let found: Vec<_> = networks.iter().map(|network| apart(network, &image, sides)).collect();
        for (at, side) in sides.into_iter().enumerate() {
            let mut most: Vec<f32> = found.iter().map(|found| found[at]).collect();
            most.sort_by(f32::total_cmp);
            assert!(most[2] < 1e-4, "{width} x {height} in tiles of {side}: {most:?}");
        }
    }
}

#[test]
fn a_smaller_halo_would_not_do() {
    // If two images differ only from column FROM on, their logits first differ in the aligned block one halo before it.
    const FROM: usize = 128;
    let image = picture(256, 64);
    let mut other = image.clone();
    other
        .enumerate_pixels_mut()
        .filter(|(x, ..)| *x >= FROM as u32)
        .for_each(|(.., pixel)| pixel.0 = [90, 160, 40]);
    let differs = |segmenter: &Segmenter<Flex>| {
        let (one, other) = (logits(segmenter, &image, 4096), logits(segmenter, &other, 4096));
        (0..256).find(|x| (0..64).any(|y| one[y * 256 + x] != other[y * 256 + x]))
    };
    let first = (0..5).filter_map(|seed| differs(&segmenter(seed))).min();
    let block = FROM - HALO..FROM - HALO + ALIGNMENT;
    assert!(first.is_some_and(|first| block.contains(&first)), "{first:?}");
}

#[test]
fn averaged_over_all_orientations_the_network_does_not_see_which_way_is_up() {
    let segmenter = segmenter(1);
    let image = picture(64, 40);
    let logits = |image: &RgbImage, orientations| {
        let found = pollster::block_on(segment::logits(&segmenter, image, 512, orientations, &mut |_| {}));
        found.expect("the CPU computes").values
    };
    let turned = image::imageops::rotate90(&image);
    // The rotation moves pixel (x, y) to (39 - y, x).
    let most = |orientations| {
        let (upright, turned) = (logits(&image, orientations), logits(&turned, orientations));
        let pairs = (0..40).flat_map(|y| (0..64).map(move |x| (y * 64 + x, x * 40 + 39 - y)));
        pairs.map(|(a, b)| (upright[a] - turned[b]).abs()).fold(0.0, f32::max)
    };
    assert!(most(8) < 1e-4, "{}", most(8));
    assert!(most(1) > 1e-2, "one orientation alone does see it, or nothing is tested");
}

#[test]
fn every_pixel_is_kept_once_and_no_tile_is_too_large() {
    for (width, height, side) in [(8, 8, 512), (512, 512, 512), (1000, 2008, 256), (3000, 72, 128)] {
        let mut seen = vec![0u8; width * height];
        for tile in tiles(height, width, side) {
            assert!(tile.input.iter().all(|range| range.len() <= side && range.start % 8 == 0));
            for y in tile.keep[0].clone() {
                for x in tile.keep[1].clone() {
                    seen[y * width + x] += 1;
                }
            }
        }
        assert!(seen.iter().all(|&count| count == 1), "{width} x {height} in tiles of {side}");
    }
}

#[test]
fn progress_counts_up_to_all_tiles() {
    let segmenter = segmenter(1);
    let mut heard: Vec<Progress> = Vec::new();
    let image = picture(300, 100);
    pollster::block_on(segment::logits(&segmenter, &image, 128, 1, &mut |progress| heard.push(progress)))
        .expect("the CPU computes");
    let expected = tiles(padded(100), padded(300), 128).len();
    assert_eq!(heard.len(), expected + 1);
    assert!(heard.iter().enumerate().all(|(at, progress)| progress.done == at && progress.total == expected));
}

#[test]
fn impossible_options_are_refused() {
    let refused = |width: u32, orientations: Option<usize>, diameter_px: Option<f32>| {
        let options = SegmentOptions { orientations, diameter_px, ..SegmentOptions::default() };
        let image = picture(width, 16);
        let found = pollster::block_on(segment::segment(&segmenter(1), &image, &options, &mut |_| {}));
        matches!(found, Err(Error::Options(_)))
    };
    assert!(!refused(16, Some(4), Some(20.0)));
    assert!(refused(0, None, None) && refused(16, Some(0), None) && refused(16, Some(3), None));
    assert!(refused(16, None, Some(0.0)) && refused(16, None, Some(f32::NAN)));
}
