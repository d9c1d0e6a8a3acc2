use super::*;
use crate::fixture::Folder;
use crate::instances;
use rbc_model::GrayImage;

#[test]
fn what_is_wrong_in_one_part_is_nothing_to_the_others() -> Result<()> {
    let folder = Folder::new("dataset-parts")?;
    folder.image("images/a.png", 8, 8, 1)?;
    folder.mask("masks/a.png", 8, 8)?;
    folder.image("images/alone.png", 8, 8, 2)?;
    folder.image("test/images/orphan.png", 8, 8, 3)?;
    std::fs::create_dir_all(folder.path.join("test/masks"))?;
    let dataset = Dataset::open(&folder.path)?;
    let names = |part| -> Vec<String> {
        dataset.problems_of(part).iter().map(|problem| file_name(&problem.path)).collect()
    };
    assert_eq!(
        (names(Part::Unsplit), names(Part::Test)),
        (vec!["alone.png".into()], vec!["orphan.png".into()])
    );
    Ok(())
}

#[test]
fn bad_labels_cost_neither_image_nor_mask() -> Result<()> {
    let folder = Folder::new("labels")?;
    for (index, name) in ["good", "broken", "size"].into_iter().enumerate() {
        folder.pair("train", name, 8, 8, index as u8)?;
    }
    folder.mask("train/labels/good.png", 8, 8)?;
    folder.file("train/labels/broken.png", b"no picture")?;
    folder.mask("train/labels/size.png", 7, 8)?;
    folder.mask("train/labels/size.bmp", 8, 8)?;
    let dataset = Dataset::open(&folder.path)?;
    let loaded = dataset.load(Part::Train);
    let cells: Vec<_> = loaded
        .samples
        .iter()
        .map(|s| (s.name.as_str(), s.instances.as_ref().map(instances::count)))
        .collect();
    assert_eq!(cells, [("broken", None), ("good", Some(1)), ("size", Some(1))]);
    assert_eq!(loaded.samples[1].file, folder.path.join("train/images/good.png"));
    assert_eq!((loaded.problems.len(), loaded.warnings.len(), dataset.warnings.len()), (0, 1, 1));
    assert!(
        loaded.warnings[0].to_string().starts_with("ignored, so only the mask"),
        "{}",
        loaded.warnings[0]
    );
    Ok(())
}

#[test]
fn labels_of_no_image_or_of_another_are_warned_of() -> Result<()> {
    let folder = Folder::new("labels-doubt")?;
    folder.pair("train", "a", 8, 8, 1)?;
    folder.pair("train", "b", 8, 8, 2)?;
    folder.image("train/images/alone.png", 8, 8, 3)?;
    for name in ["a_label", "b.labels", "alone"] {
        folder.mask(&format!("train/labels/{name}.png"), 8, 8)?;
    }
    // The upper half, whereas the mask marks the lower one.
    let upper = |_, y: u32| image::Luma([u8::from(y < 4)]);
    GrayImage::from_fn(8, 8, upper).save(folder.path.join("train/labels/b.labels.png"))?;
    let dataset = Dataset::open(&folder.path)?;
    let told = |warnings: &[Problem]| warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
    let left = told(&dataset.warnings);
    assert!(left.len() == 1 && left[0].starts_with("labels without an image"), "{left:?}");
    assert!(left[0].ends_with("a_label.png"), "{left:?}");
    let loaded = dataset.load(Part::Train);
    assert!(loaded.samples.iter().all(|sample| sample.instances.is_none()));
    let against = told(&loaded.warnings);
    assert!(against.len() == 1 && against[0].contains("contradict the mask"), "{against:?}");
    assert!(against[0].ends_with("b.labels.png"), "{against:?}");
    Ok(())
}

#[test]
fn what_is_not_read_and_masks_that_were_smoothed_are_warned_of() -> Result<()> {
    use image::codecs::gif::{GifEncoder, Repeat};
    let folder = Folder::new("doubts")?;
    let mut animation = Vec::new();
    let mut gif = GifEncoder::new(&mut animation);
    gif.set_repeat(Repeat::Infinite)?;
    for width in [3, 5] {
        let half = |x: u32, _| image::Rgba(if x < width { [0, 0, 0, 255] } else { [255; 4] });
        gif.encode_frame(image::Frame::new(image::RgbaImage::from_fn(8, 8, half)))?;
    }
    drop(gif);
    folder.file("images/a.gif", &animation)?;
    folder.file("masks/a.gif", &animation)?;
    folder.image("images/b.png", 40, 40, 1)?;
    let disc = |x: u32, y: u32| {
        let away = (x as f32 - 19.3).hypot(y as f32 - 19.7);
        image::Luma([(255.0 * (12.5 - away).clamp(0.0, 1.0)) as u8])
    };
    GrayImage::from_fn(40, 40, disc).save(folder.path.join("masks/b.png"))?;
    let loaded = Dataset::open(&folder.path)?.load(Part::Unsplit);
    assert_eq!((loaded.samples.len(), loaded.warnings.len()), (2, 3), "{:?}", loaded.warnings);
    for (told, (what, file)) in loaded.warnings.iter().zip([
        ("only the first frame", "images/a.gif"),
        ("only the first frame", "masks/a.gif"),
        ("levels of grey along its outlines", "masks/b.png"),
    ]) {
        assert!(told.what.contains(what) && told.path.ends_with(file), "{told}");
    }
    Ok(())
}

#[test]
fn a_manifest_that_does_not_count_is_warned_of() -> Result<()> {
    let folder = Folder::new("manifests")?;
    let told = |root: &Path| -> Result<String> {
        Ok(Dataset::open(root)?.warnings.iter().map(|warning| format!("{warning}\n")).collect())
    };
    for (part, name, shade) in
        [("set/train", "a", 1), ("set/test", "b", 2), ("flat", "a", 3), ("flat", "b", 4)]
    {
        folder.pair(part, name, 8, 8, shade)?;
    }
    let manifest = b"name,source_file,split\na,s,train\nb,t,test\n";
    folder.file("set/manifest.csv", manifest)?;
    folder.file("flat/manifest.csv", manifest)?;
    assert_eq!(told(&folder.path.join("set"))?, "");
    let below = told(&folder.path.join("set/train"))?;
    assert!(
        below.starts_with("manifest.csv is in the parent folder ") && below.lines().count() == 1,
        "{below}"
    );
    // If a name has only one line, that line is meant whatever its split; if it has two, the one for the other part is
    // unused.
    let set = folder.path.join("set");
    folder.file("set/manifest.csv", b"name,source_file,split\na,s,val\nb,t,test\nb,t,train\n")?;
    assert!(told(&set)?.starts_with("one line names an image that does not exist"), "{}", told(&set)?);
    let flat = told(&folder.path.join("flat"))?;
    assert!(flat.contains("all 2 images are used") && flat.lines().count() == 1, "{flat}");
    Ok(())
}

#[test]
fn image_and_mask_that_are_turned_apart_are_warned_of() -> Result<()> {
    let folder = Folder::new("turned")?;
    // Rotated by 180 degrees, so that the size stays the same.
    let jpeg = |name: &str, turned: bool| -> Result<()> {
        let mut plain = std::io::Cursor::new(Vec::new());
        let half = |x: u32, _| image::Luma([if x < 8 { 0 } else { 255 }]);
        GrayImage::from_fn(16, 8, half).write_to(&mut plain, image::ImageFormat::Jpeg)?;
        let tag = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0];
        let exif = [b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01".as_slice(), &tag].concat();
        let (start, rest) = plain.get_ref().split_at(2);
        let exif = if turned { exif.as_slice() } else { &[] };
        folder.file(name, &[start, exif, rest].concat()).map(drop)
    };
    for (name, image, mask) in
        [("a", false, false), ("b", true, false), ("c", false, true), ("d", true, true)]
    {
        jpeg(&format!("images/{name}.jpg"), image)?;
        jpeg(&format!("masks/{name}.jpg"), mask)?;
    }
    let loaded = Dataset::open(&folder.path)?.load(Part::Unsplit);
    let told: Vec<String> = loaded.warnings.iter().map(|warning| warning.to_string()).collect();
    assert_eq!((loaded.samples.len(), told.len()), (4, 2), "{told:?}");
    assert!(told[0].starts_with("the image is rotated") && told[0].ends_with("b.jpg"), "{told:?}");
    assert!(told[1].starts_with("the mask is rotated") && told[1].ends_with("c.jpg"), "{told:?}");
    Ok(())
}

#[test]
fn what_is_not_used_is_warned_of() -> Result<()> {
    let folder = Folder::new("not-used")?;
    folder.pair("train", "a", 8, 8, 1)?;
    folder.file("train/images/b.czi", b"")?;
    folder.file("train/masks/c.npy", b"")?;
    folder.pair(".", "d", 8, 8, 2)?;
    folder.file("manifest.csv", b"name,split\na,train\nd,\n")?;
    let dataset = Dataset::open(&folder.path)?;
    let warnings: Vec<String> = dataset.warnings.iter().map(|warning| warning.to_string()).collect();
    for (what, file) in [
        ("without an image extension (b.czi)", "images"),
        ("without an image extension (c.npy)", "masks"),
        ("there is train/ beside it", "images"),
        ("`source_file`", "manifest.csv"),
    ] {
        let told = warnings.iter().any(|line| line.contains(what) && line.ends_with(file));
        assert!(told, "{what}: {warnings:?}");
    }
    assert_eq!((warnings.len(), dataset.problems.len()), (4, 0), "{warnings:?}");
    Ok(())
}

#[test]
fn masks_as_the_page_names_them_belong_to_their_images() -> Result<()> {
    let folder = Folder::new("dataset-suffix")?;
    folder.pair(".", "a", 8, 8, 1)?;
    folder.pair(".", "b", 8, 8, 2)?;
    let masks = folder.path.join("masks");
    std::fs::rename(masks.join("a.png"), masks.join("a.mask.png"))?;
    std::fs::copy(masks.join("b.png"), masks.join("b.mask.png"))?;
    let dataset = Dataset::open(&folder.path)?;
    let masks: Vec<String> = dataset.entries.iter().map(|entry| file_name(&entry.mask)).collect();
    assert_eq!(masks, ["a.mask.png", "b.png"]);
    let problems: Vec<String> = dataset.problems.iter().map(ToString::to_string).collect();
    assert!(problems.len() == 1 && problems[0].ends_with("b.mask.png"), "{problems:?}");
    assert!(dataset.ungrouped().is_some());
    folder.file("manifest.csv", b"name,source_file\na,one\nb,one\n")?;
    assert!(Dataset::open(&folder.path)?.ungrouped().is_none());
    Ok(())
}
