use std::collections::BTreeSet;

use super::*;
use crate::cli::SynthArgs;
use crate::dataset::Dataset;
use crate::fixture::Folder;
use crate::lock::Lock;

fn look(family: Family, diameter_px: f32) -> Style {
    Style::of(family, diameter_px, 3)
}

#[test]
fn one_seed_gives_one_smear() {
    for family in Family::ALL {
        let style = look(family, 40.0);
        let (a, b, c) = (smear(200, 150, 5, &style), smear(200, 150, 5, &style), smear(200, 150, 6, &style));
        assert_eq!((a.image.as_raw(), a.labels.as_raw()), (b.image.as_raw(), b.labels.as_raw()));
        assert_ne!(a.image, c.image, "{}: two seeds, one picture", family.name());
    }
}

#[test]
fn mask_labels_and_count_agree() {
    for seed in 0..30 {
        let style = Style::random(seed);
        let s = smear(260, 190, seed, &style);
        assert_eq!((s.image.dimensions(), s.mask.dimensions()), ((260, 190), (260, 190)));
        let present: BTreeSet<u16> = s.labels.iter().copied().filter(|&l| l > 0).collect();
        assert!(present.iter().copied().eq(1..=s.count as u16), "{present:?} are not 1 to {}", s.count);
        assert!(s.mask.iter().zip(s.labels.iter()).all(|(&m, &l)| m == if l > 0 { 255 } else { 0 }));
    }
}

#[test]
fn crowded_cells_all_stay_visible() {
    let mut style = look(Family::Warm, 30.0);
    (style.overlap, style.rouleaux, style.coverage) = (0.6, 0.2, 0.9);
    let s = smear(400, 300, 1, &style);
    let mut seen = vec![0; s.count + 1];
    s.labels.iter().for_each(|&l| seen[l as usize] += 1);
    assert!(
        s.count > 80 && seen.iter().all(|&n| n >= 12),
        "{} cells, smallest {:?}",
        s.count,
        seen.iter().min()
    );
}

#[test]
fn white_cells_are_not_in_the_mask() {
    let mut style = look(Family::Ward, 50.0);
    (style.white_cells, style.platelets, style.debris, style.film) = (0.3, 0.0, 0.0, 0.0);
    let mut whites = 0;
    for seed in 0..4 {
        let s = smear(400, 400, seed, &style);
        for (pixel, mask) in s.image.pixels().zip(s.mask.iter()) {
            // Nuclei absorb far more green light than any red cell of this slide.
            if f32::from(pixel.0[1]) < 255.0 * style.background[1] * 0.3 {
                whites += 1;
                assert_eq!(*mask, 0);
            }
        }
    }
    assert!(whites > 5000, "{whites} pixels of nuclei");
}

#[test]
fn platelets_change_the_picture_and_not_the_mask() {
    let mut style = look(Family::Field, 40.0);
    style.platelets = 0.0;
    let without = smear(300, 300, 1, &style);
    style.platelets = 0.5;
    let with = smear(300, 300, 1, &style);
    assert_ne!(with.image, without.image);
    assert_eq!(with.labels, without.labels);
}

#[test]
fn a_bare_slide_has_no_cells() {
    let mut style = look(Family::Violet, 40.0);
    (style.coverage, style.debris) = (0.0, 0.5);
    let s = smear(200, 200, 1, &style);
    assert_eq!((s.count, s.mask.iter().max()), (0, Some(&0)));
}

#[test]
fn the_image_turns_dark_where_the_outline_is() {
    let mut style = look(Family::Violet, 60.0);
    (style.white_cells, style.platelets, style.debris, style.film) = (0.0, 0.0, 0.0, 0.0);
    (style.overlap, style.packed, style.rouleaux) = (0.0, 0.0, 0.0);
    (style.noise, style.jpeg, style.chromatic_px) = (0.0, None, 0.0);
    let s = smear(500, 500, 2, &style);
    // Mean green just outside and just inside the outline, along each row.
    let green = |x: u32, y: u32| f32::from(s.image.get_pixel(x, y).0[1]);
    let (mut outside, mut inside, mut edges) = (0.0, 0.0, 0.0);
    for y in 0..500 {
        for x in 2..497 {
            if s.mask.get_pixel(x, y).0[0] == 0 && (1..=3).all(|d| s.mask.get_pixel(x + d, y).0[0] > 0) {
                outside += green(x - 2, y);
                inside += green(x + 3, y);
                edges += 1.0;
            }
        }
    }
    assert!(edges > 500.0 && (outside - inside) / edges > 50.0, "{outside} {inside} over {edges} edges");
}

#[test]
fn cells_have_the_size_asked_for() {
    for diameter in [15.0, 60.0, 250.0] {
        let s = smear(900, 700, 4, &look(Family::Slate, diameter));
        assert!((s.diameter_px / diameter - 1.0).abs() < 0.15, "{} for {diameter}", s.diameter_px);
        assert!(s.count > 2);
    }
}

#[test]
fn any_size_is_a_picture() {
    for (width, height) in [(1, 1), (1, 40), (7, 3), (61, 83)] {
        let s = smear(width, height, 9, &Style::random(9));
        assert_eq!(s.image.dimensions(), (width, height));
    }
}

#[test]
fn data_set_has_what_its_manifest_says() -> anyhow::Result<()> {
    let folder = Folder::new("synth-manifest")?;
    let out = folder.path.join("set");
    let options = SynthOptions { train: 6, test: 3, seed: 2 };
    write_dataset(&out, &options)?;
    let mut rows = csv::Reader::from_path(out.join("manifest.csv"))?;
    let header = rows.headers()?.iter().collect::<Vec<_>>().join(",");
    assert_eq!(header, "name,source_file,count,diameter_px,split,x,y,width,height,style,seed");
    let rows: Vec<csv::StringRecord> = rows.records().collect::<Result<_, _>>()?;
    assert_eq!(rows.len(), 9);
    assert_eq!((&rows[3][1], &rows[4][1]), ("field_000", "field_001"));
    for row in &rows {
        let open = |kind| image::open(out.join(&row[4]).join(kind).join(&row[0]));
        let (image, mask, labels) =
            (open("images")?, open("masks")?.into_luma8(), open("labels")?.into_luma16());
        let size: (u32, u32) = (row[7].parse()?, row[8].parse()?);
        assert_eq!([image.to_rgb8().dimensions(), mask.dimensions(), labels.dimensions()], [size; 3]);
        let present: BTreeSet<u16> = labels.iter().copied().filter(|&l| l > 0).collect();
        assert_eq!(present.len().to_string(), row[2]);
        assert!(row[3].split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1), "{}", &row[3]);
        assert!(Family::ALL.iter().any(|family| family.name() == &row[9]) && row[10].parse::<u64>().is_ok());
    }
    // A real data set with files of the same names is left alone.
    let manifest = std::fs::read(out.join("manifest.csv"))?;
    for other in [Some("name,source_file\ntrain_000.png,a\n"), None] {
        match other {
            Some(text) => std::fs::write(out.join("manifest.csv"), text)?,
            None => std::fs::remove_file(out.join("manifest.csv"))?,
        }
        let refused = write_dataset(&out, &options);
        assert!(refused.is_err_and(|error| error.to_string().contains("not synthetic")), "{other:?}");
    }
    std::fs::write(out.join("manifest.csv"), manifest)?;
    // The same set may be written again; a smaller one would leave images of the old one behind.
    write_dataset(&out, &options)?;
    let smaller = SynthOptions { train: 4, ..options };
    let refused = write_dataset(&out, &smaller);
    assert!(refused.is_err_and(|error| error.to_string().contains("another set")));
    Ok(())
}

#[test]
fn an_interrupted_set_is_not_used_and_is_made_anew() -> anyhow::Result<()> {
    let folder = Folder::new("synth-interrupted")?;
    let out = folder.path.join("set");
    let options = SynthOptions { train: 2, test: 1, seed: 4 };
    write_dataset(&out, &options)?;
    let (image, list) = (out.join("train/images/train_001.png"), out.join("manifest.csv"));
    let files = || -> anyhow::Result<_> { Ok((std::fs::read(&image)?, std::fs::read(&list)?)) };
    let before = files()?;
    // A folder in the place of an image stops the run on its way.
    std::fs::remove_file(&image)?;
    std::fs::create_dir_all(image.join("in the way"))?;
    let stopped = write_dataset(&out, &options).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(stopped.starts_with("cannot write (") && stopped.ends_with("train_001.png"), "{stopped}");
    assert!(!list.exists());
    assert!(Dataset::open(&out).is_err_and(|error| error.to_string().contains("has not finished")));
    // A killed run leaves partial files, too.
    std::fs::remove_dir_all(&image)?;
    folder.file("set/train/images/.partial-0-1", b"")?;
    write_dataset(&out, &options)?;
    assert!(files()? == before, "another set");
    assert!(Dataset::open(&out)?.problems.is_empty());
    let count = |path: std::path::PathBuf| std::fs::read_dir(path).map(Iterator::count);
    assert_eq!((count(out.clone())?, count(out.join("train/images"))?), (3, 2));
    Ok(())
}

#[test]
fn two_runs_do_not_write_into_one_folder() -> anyhow::Result<()> {
    let folder = Folder::new("synth-lock")?;
    let args = SynthArgs { out: folder.path.join("set"), train: 1, test: 0, seed: 1 };
    std::fs::create_dir(&args.out)?;
    let other = Lock::whole(&args.out)?;
    assert!(run(&args).is_err_and(|error| error.to_string().starts_with("another run is using this folder")));
    drop(other);
    run(&args)
}

#[test]
fn a_parted_mask_keeps_the_cells_apart() {
    let mut style = Style::of(Family::Warm, 40.0, 3);
    (style.overlap, style.coverage) = (0.6, 0.6);
    let smear = smear(400, 300, 5, &style);
    let regions = |mask| rbc_model::cells::Labels::of_mask(mask).ids.into_iter().max().unwrap_or(0) as usize;
    let (whole, separated) = (regions(&smear.mask), regions(&smear.separated()));
    assert!(
        whole < smear.count && separated > whole,
        "{} cells, {whole} regions, {separated} separated",
        smear.count
    );
    let lost = |mask: &GrayImage| mask.iter().filter(|value| **value == 0).count();
    assert!(lost(&smear.separated()) - lost(&smear.mask) < 400 * 300 / 10, "lines, not gaps");
}
