use super::*;
use crate::dataset::Sample;
use crate::fixture::sample;
use image::{GrayImage, Luma, Rgb, RgbImage};
use rand::RngCore;
use std::collections::BTreeSet;

#[test]
fn runs_of_different_seeds_draw_different_crops() {
    assert_eq!(first_seed(5, 40), 5 << 40);
    // Some of the seeds are dates.
    let seeds = [0, 1, 1 << 24, 1 << 25, 20_261_128, 20_261_129, 20_261_128_235_959, u64::MAX];
    let drawn: BTreeSet<u64> =
        seeds.iter().flat_map(|seed| (0..10_000).map(move |index| first_seed(*seed, 40) ^ index)).collect();
    assert_eq!(drawn.len(), seeds.len() * 10_000);
}

/// Computed from the definitions of ChaCha12 and of `seed_from_u64`, not with the library.
#[test]
fn the_random_numbers_of_a_seed_stay_the_same() {
    let mut rng = numbers(5);
    assert_eq!(
        [(); 5].map(|()| rng.next_u32()),
        [0x2dfb_197a, 0x5795_9a09, 0x2e0c_c1f7, 0x01b1_b8fb, 0x85ec_e0d9]
    );
    let mut rng = numbers(5);
    assert_eq!([(); 5].map(|()| rng.random_range(0..1000u32)), [179, 342, 179, 6, 523]);
}

const SIDE: usize = 64;
/// Width of the unlabelled margin of [`pool`].
const MARGIN: u32 = 40;

/// Discs in an image that shows its own truth: red where there is cell, green in the margin.
fn pool() -> Pool {
    let mask = GrayImage::from_fn(360, 300, |x, y| {
        let from_centre = |at: u32| (at % 60) as f32 - 29.5;
        Luma([if from_centre(x).hypot(from_centre(y)) < 20.0 { 255 } else { 0 }])
    });
    let image = RgbImage::from_fn(360, 300, |x, y| {
        let within = (MARGIN..360 - MARGIN).contains(&x) && (MARGIN..300 - MARGIN).contains(&y);
        Rgb([mask.get_pixel(x, y).0[0], if within { 0 } else { 255 }, 0])
    });
    let sample = Sample { margin: MARGIN, ..sample("a", "a", image, mask) };
    Pool::new(&[&sample], 34.0, |_| 1)
}

fn drawn(pool: &Pool, colour: f32, as_taken: f64, seed: u64) -> Crop {
    draw(pool, SIDE, 34.0, &Augmentation { colour, as_taken, ..Augmentation::default() }, seed)
}

#[test]
fn image_target_and_margin_are_cut_from_one_place() {
    let pool = pool();
    let (mut pixels, mut unknown, mut cells, mut apart) = (0, 0, 0, 0.0);
    for seed in 0..60 {
        let crop = drawn(&pool, 0.0, 0.0, seed);
        let (red, rest) = crop.image.split_at(SIDE * SIDE);
        let (green, blue) = rest.split_at(SIDE * SIDE);
        assert!(blue.iter().all(|value| *value == 0.0), "seed {seed}");
        for at in 0..SIDE * SIDE {
            let (target, known, green) = (crop.target[at], crop.known[at], green[at]);
            // At the margin's edge green is about a half of 255, at its corners up to three quarters; half a pixel further
            // it is nothing or all.
            assert!(
                if known == 0.0 { green > 90.0 } else { known == 1.0 && green < 225.0 },
                "seed {seed}, {at}: {green}"
            );
            apart += (red[at] - 255.0 * target).abs();
            pixels += 1;
            unknown += usize::from(known == 0.0);
            cells += usize::from(target > 0.5);
        }
    }
    // Rounded in two ways; shifted by a pixel, they would be five apart.
    assert!(apart / (pixels as f32) < 2.0, "{}", apart / pixels as f32);
    let share = |count: usize| count as f32 / pixels as f32;
    assert!(
        (0.002..0.5).contains(&share(unknown)) && (0.2..0.6).contains(&share(cells)),
        "{unknown}, {cells}"
    );
}

#[test]
fn a_seed_gives_one_crop() {
    let pool = pool();
    let all = |crop: Crop| (crop.image, crop.target, crop.known, crop.gap);
    for seed in 0..20 {
        let one = all(drawn(&pool, 1.0, 0.5, seed));
        assert!(one == all(drawn(&pool, 1.0, 0.5, seed)), "seed {seed}");
        assert!(one != all(drawn(&pool, 1.0, 0.5, seed + 1)), "seed {seed}");
    }
}

#[test]
fn colours_change_and_what_is_to_be_learnt_does_not() {
    let pool = pool();
    for seed in 0..20 {
        let (plain, kept, changed) =
            (drawn(&pool, 0.0, 0.0, seed), drawn(&pool, 1.0, 1.0, seed), drawn(&pool, 1.0, 0.0, seed));
        assert!(plain.image == kept.image && plain.image != changed.image, "seed {seed}");
        assert!(plain.target == changed.target && plain.known == changed.known, "seed {seed}");
        // The blur may round up.
        assert!(changed.image.iter().all(|value| (-0.01..255.01).contains(value)), "seed {seed}");
    }
}
