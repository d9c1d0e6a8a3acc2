//! `trainer synth`: writes a data set, `DIR/{train,test}/{images,masks,labels}/NAME.png` and `DIR/manifest.csv`.

use std::{collections::HashSet, fs, path::Path};

use anyhow::Result;
use image::{RgbImage, imageops};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rbc_model::cells::Labels;
use rbc_model::export::{labels_png, mask_png, png_of_rgb};
use serde::{Serialize, Serializer};

use super::truth::as_labels;
use super::{Family, LabelImage, Smear, Style, smear};
use crate::cli::SynthArgs;
use crate::data_files::UNFINISHED;
use crate::files::{create_folder, list_images, remove, sweep, write_whole};
use crate::lock::Lock;
use crate::problem::Problem;
use crate::progress;
use crate::say::{self, plural};

/// The number of images. The published experiment had 164 training crops and 40 test images.
#[derive(Clone, Copy, Debug)]
pub struct SynthOptions {
    pub train: usize,
    pub test: usize,
    pub seed: u64,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self { train: 164, test: 40, seed: 1 }
    }
}

/// Side of a training crop in px, number of crops per field, and side of the field in crops.
const CROP: u32 = 128;
const CROPS_PER_FIELD: usize = 4;
const FIELD_CROPS: u32 = 4;

/// The columns of the manifest, the fields of [`Entry`], by which a data set is recognised as one of these.
const HEADER: &str = "name,source_file,count,diameter_px,split,x,y,width,height,style,seed";

/// One line of the manifest.
#[derive(Serialize)]
struct Entry {
    name: String,
    source_file: String,
    count: usize,
    #[serde(serialize_with = "tenths")]
    diameter_px: f32,
    split: &'static str,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    style: &'static str,
    seed: u64,
}

pub fn run(args: &SynthArgs) -> Result<()> {
    create_folder(&args.out)?;
    let _lock = Lock::whole(&args.out)?;
    let options = SynthOptions { train: args.train, test: args.test, seed: args.seed };
    write_dataset(&args.out, &options)?;
    say::out!("{} training and {} test images in {}", args.train, args.test, args.out.display());
    Ok(())
}

/// Generates the data set on all cores and shows the progress. The result depends only on the options. Replaces an
/// earlier set, and one that was interrupted.
///
/// # Errors
/// If something else lies in `out`, or a file can't be written.
pub fn write_dataset(out: &Path, options: &SynthOptions) -> Result<()> {
    refuse_real(out)?;
    sweep(out)?;
    for split in ["train", "test"] {
        for kind in ["images", "masks", "labels"] {
            let folder = out.join(split).join(kind);
            create_folder(&folder)?;
            let count = if split == "train" { options.train } else { options.test };
            refuse_others(&folder, split, count)?;
            sweep(&folder)?;
        }
    }
    let (list, unfinished) = (out.join("manifest.csv"), out.join(UNFINISHED));
    write_whole(
        &unfinished,
        b"trainer synth has not finished this data set; to replace it, run it again.\n",
    )?;
    remove(&list)?;
    let fields = options.train.div_ceil(CROPS_PER_FIELD);
    let total = fields + options.test;
    let bar = progress::bar(total as u64, "smears");
    let entries: Vec<Result<Vec<Entry>>> = (0..total)
        .into_par_iter()
        .map(|i| {
            let entries = if i < fields {
                train_field(out, options, i)
            } else {
                test_image(out, options, i - fields).map(|entry| vec![entry])
            };
            bar.inc(1);
            entries
        })
        .collect();
    bar.finish_and_clear();
    let entries: Vec<Vec<Entry>> = entries.into_iter().collect::<Result<_>>()?;
    write_whole(&list, &manifest(entries.iter().flatten())?)?;
    Ok(remove(&unfinished)?)
}

/// Refuses to overwrite someone's images or manifest: public data sets have files of the same names.
fn refuse_real(out: &Path) -> Result<(), Problem> {
    let manifest = out.join("manifest.csv");
    let ours = out.join(UNFINISHED).exists()
        || fs::read_to_string(&manifest).is_ok_and(|text| text.starts_with(HEADER));
    let filled =
        |folder: &str| fs::read_dir(out.join(folder)).is_ok_and(|mut entries| entries.next().is_some());
    let real =
        manifest.exists() || ["train/images", "test/images", "images", "masks"].into_iter().any(filled);
    if real && !ours {
        let what = "the folder has a data set that is not synthetic or is incomplete: choose another --out or empty it";
        return Err(Problem::new(out, what));
    }
    Ok(())
}

/// Refuses if images would be left beside the new ones: they would count as part of the set, without a manifest line.
fn refuse_others(folder: &Path, split: &str, count: usize) -> Result<(), Problem> {
    let ours: HashSet<String> = (0..count).map(|index| file_name(split, index)).collect();
    let there = list_images(folder).map_err(|error| Problem::io(folder, "cannot list", &error))?;
    let others = there.iter().filter(|path| !ours.contains(&crate::files::file_name(path))).count();
    if others > 0 {
        let images = plural(others, "image", "images");
        let what = format!("the folder has {images} of another set: choose another --out or empty it");
        return Err(Problem::new(folder, what));
    }
    Ok(())
}

fn file_name(split: &str, index: usize) -> String {
    format!("{split}_{index:03}.png")
}

/// Seed of the field with this index, from which training crops are cut.
pub fn field_seed(seed: u64, index: usize) -> u64 {
    seed.wrapping_mul(0x1_0000_0001).wrapping_add(index as u64)
}

/// Makes a field and writes the crops cut from it.
fn train_field(out: &Path, options: &SynthOptions, index: usize) -> Result<Vec<Entry>> {
    let seed = field_seed(options.seed, index);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let style = style(index, seed, 1.0, &mut rng);
    let side = CROP * FIELD_CROPS;
    let field = smear(side, side, seed, &style);
    let first = index * CROPS_PER_FIELD;
    let mut taken: Vec<(u32, u32)> = Vec::new();
    (first..(first + CROPS_PER_FIELD).min(options.train))
        .map(|i| {
            let (x, y) = corner(&field, side, &taken, &mut rng);
            taken.push((x, y));
            let image = imageops::crop_imm(&field.image, x, y, CROP, CROP).to_image();
            let mut labels = imageops::crop_imm(&field.labels, x, y, CROP, CROP).to_image();
            let count = renumber(&mut labels);
            let name = file_name("train", i);
            write(out, "train", &name, &image, &as_labels(&labels))?;
            Ok(Entry {
                name,
                source_file: format!("field_{index:03}"),
                count,
                diameter_px: field.diameter_px,
                split: "train",
                x,
                y,
                width: CROP,
                height: CROP,
                style: style.family.name(),
                seed,
            })
        })
        .collect()
}

/// Where to cut the next crop: apart from those in `taken`, and nearly always where there are red cells.
fn corner(field: &Smear, side: u32, taken: &[(u32, u32)], rng: &mut impl Rng) -> (u32, u32) {
    let bare_allowed = rng.random_bool(0.04);
    let mut at = (0, 0);
    for _ in 0..60 {
        at = (rng.random_range(0..=side - CROP), rng.random_range(0..=side - CROP));
        let apart = taken.iter().all(|t| t.0.abs_diff(at.0) >= CROP || t.1.abs_diff(at.1) >= CROP);
        let mask = imageops::crop_imm(&field.mask, at.0, at.1, CROP, CROP);
        let share = mask.to_image().iter().filter(|&&m| m > 0).count() as f32 / (CROP * CROP) as f32;
        if apart && (bare_allowed || share > 0.04) {
            break;
        }
    }
    at
}

/// Makes a test image. The long side grows with the index from 60 to 1400 px.
fn test_image(out: &Path, options: &SynthOptions, index: usize) -> Result<Entry> {
    let seed = options.seed.wrapping_mul(0x1_0000_0001).wrapping_add(0x7E57_0000 + index as u64);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let step = index as f32 / (options.test.max(2) - 1) as f32;
    let long = 60.0 * (1400.0_f32 / 60.0).powf(step);
    let short = (long * rng.random_range(0.6..1.0)).max(60.0);
    let (mut width, mut height) = (long.round() as u32, short.round() as u32);
    if rng.random_bool(0.3) {
        std::mem::swap(&mut width, &mut height);
    }
    // A small picture shows a small area, or is of low magnification.
    let mut style = style(index, seed, (long / 300.0).clamp(0.45, 1.3), &mut rng);
    style.coverage = style.coverage.max(0.28);
    let smear = smear(width, height, seed, &style);
    let name = file_name("test", index);
    write(out, "test", &name, &smear.image, &as_labels(&smear.labels))?;
    Ok(Entry {
        name: name.clone(),
        source_file: name,
        count: smear.count,
        diameter_px: smear.diameter_px,
        split: "test",
        x: 0,
        y: 0,
        width,
        height,
        style: style.family.name(),
        seed,
    })
}

/// A style of each family in turn, so that each split has all of them.
fn style(index: usize, seed: u64, scale: f32, rng: &mut impl Rng) -> Style {
    Style::usual(Family::ALL[index % Family::ALL.len()], scale, seed, rng)
}

/// Renumbers the labels that are present from 1; returns their number.
fn renumber(labels: &mut LabelImage) -> usize {
    let mut number = std::collections::BTreeMap::new();
    for label in labels.iter_mut().filter(|l| **l > 0) {
        let next = number.len() as u16 + 1;
        *label = *number.entry(*label).or_insert(next);
    }
    number.len()
}

fn write(out: &Path, split: &str, name: &str, image: &RgbImage, labels: &Labels) -> Result<(), Problem> {
    let pictures =
        [("images", png_of_rgb(image)), ("masks", mask_png(&labels.mask())), ("labels", labels_png(labels))];
    for (kind, png) in pictures {
        let path = out.join(split).join(kind).join(name);
        write_whole(&path, &png.map_err(|error| Problem::model(&path, error))?)?;
    }
    Ok(())
}

fn manifest<'a>(entries: impl Iterator<Item = &'a Entry>) -> Result<Vec<u8>> {
    // The header is written even if there are no images.
    let header = format!("{HEADER}\n").into_bytes();
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(header);
    for entry in entries {
        csv.serialize(entry)?;
    }
    Ok(csv.into_inner().map_err(|error| error.into_error())?)
}

/// A number with one decimal.
fn tenths<S: Serializer>(number: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{number:.1}"))
}
