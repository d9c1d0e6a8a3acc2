//! How `trainer` handles bad files: it prints one helpful line for each, and processes the others.

use anyhow::{Context, Result, ensure};
use rbc_tests::pictures::{self, calibrated_tiff};
use rbc_tests::scratch::Scratch;
use rbc_tests::trainer::{Run, predict, program, synth, trainer};
use rbc_tests::{table, weights};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

fn evaluate(data: &Path, out: &Path) -> Result<Run> {
    let words = ["evaluate", "--device", "cpu", "--data"].map(OsStr::new);
    trainer(words.into_iter().chain([data.as_os_str(), OsStr::new("--out"), out.as_os_str()]))
}

/// A good smear to put among the broken files.
fn smear(scratch: &Scratch) -> Result<PathBuf> {
    synth(&scratch.path().join("synth"), 1, 11)?.pop().context("synth wrote no image")
}

/// The first half of a JPEG.
fn half_a_jpeg() -> Result<Vec<u8>> {
    let picture =
        image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x ^ y) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg)?;
    let mut bytes = bytes.into_inner();
    bytes.truncate(bytes.len() / 2);
    Ok(bytes)
}

#[test]
fn broken_images_get_a_line_each_and_the_others_are_segmented() -> Result<()> {
    let scratch = Scratch::new("broken")?;
    let good = smear(&scratch)?;
    let text = scratch.write("in/text.png", "this is no picture")?;
    let empty = scratch.write("in/empty.png", "")?;
    let truncated = scratch.write("in/truncated.jpg", half_a_jpeg()?)?;
    let missing = scratch.path().join("in/missing.png");
    let out = scratch.path().join("out");

    let run = predict(&[&text, &empty, &good, &truncated, &missing], &out, &[])?;

    ensure!(!run.success, "a broken input is no success:\n{}", run.stderr);
    for name in ["text.png", "empty.png", "truncated.jpg", "missing.png"] {
        let line = run.line_about(name)?;
        ensure!(line.len() > name.len() + 20, "says too little: {line}");
        ensure!(!line.contains("panicked"), "{line}");
    }
    ensure!(run.line_about("missing.png")?.contains("check the path"), "{}", run.stderr);
    let stem = good.file_stem().context("the smear has a name")?.to_string_lossy();
    let mask = image::open(out.join(format!("{stem}.mask.png")))?.into_luma8();
    let (width, height) = image::image_dimensions(&good)?;
    assert_eq!(mask.dimensions(), (width, height));
    ensure!(mask.pixels().all(|pixel| matches!(pixel.0[0], 0 | 255)), "a mask is 0 and 255");
    for rest in ["labels.png", "cells.csv", "overlay.png"] {
        ensure!(out.join(format!("{stem}.{rest}")).is_file(), "no {stem}.{rest}");
    }
    let summary = std::fs::read_to_string(out.join("summary.csv"))?;
    ensure!(summary.contains(&*stem) && !summary.contains("text"), "{summary}");
    Ok(())
}

#[test]
fn good_images_are_a_success() -> Result<()> {
    let scratch = Scratch::new("good")?;
    let run = predict(&[&smear(&scratch)?], &scratch.path().join("out"), &[])?.succeeded()?;
    ensure!(!run.stderr.contains("error"), "{}", run.stderr);
    Ok(())
}

#[test]
fn the_columns_of_the_cell_table_are_the_promised_ones() -> Result<()> {
    let scratch = Scratch::new("columns")?;
    let good = smear(&scratch)?;
    let stem = good.file_stem().context("the smear has a name")?.to_string_lossy().into_owned();
    let plain =
        "id,x,y,area_px,perimeter_px,diameter_px,circularity,eccentricity,mean_probability,touches_edge";
    for (more, columns) in
        [(&[][..], plain.to_string()), (&["--um-per-px", "0.1"], format!("{plain},area_um2,diameter_um"))]
    {
        let out = scratch.path().join(format!("out{}", more.len()));
        predict(&[&good], &out, more)?.succeeded()?;
        let table = std::fs::read_to_string(out.join(format!("{stem}.cells.csv")))?;
        assert_eq!(table.lines().next(), Some(columns.as_str()));
    }
    Ok(())
}

#[test]
fn a_tiff_that_tells_its_scale_is_measured_in_micrometres() -> Result<()> {
    let scratch = Scratch::new("calibrated")?;
    let told = |out: &str, nanometres: [u32; 2], more: &[&str]| -> Result<(String, String)> {
        let image = scratch.write("a.tif", calibrated_tiff(&pictures::smear()?, nanometres)?)?;
        let out = scratch.path().join(out);
        let run = predict(&[&image], &out, more)?.succeeded()?;
        let mut scales = table::column(&out.join("summary.csv"), "um_per_px")?;
        Ok((scales.pop().context("no image")?, run.stderr))
    };
    let (own, warnings) = told("own", [130; 2], &[])?;
    assert_eq!((own.as_str(), warnings.contains("check the scale")), ("0.13", false), "{warnings}");
    ensure!(std::fs::read_to_string(scratch.path().join("own/a.cells.csv"))?.contains("diameter_um"));
    // A scale given on the command line takes precedence, and draws a warning if red cells cannot be so large.
    let (given, warnings) = told("given", [130; 2], &["--um-per-px", "1.3"])?;
    assert_eq!((given.as_str(), warnings.contains("check the scale")), ("1.3", true), "{warnings}");
    let (none, warnings) = told("oblong", [130, 260], &[])?;
    assert_eq!((none.as_str(), warnings.contains("not square (0.130 x 0.260 µm)")), ("", true), "{warnings}");
    let (given, warnings) = told("both", [130, 260], &["--um-per-px", "0.13"])?;
    assert_eq!((given.as_str(), warnings.contains("not square")), ("0.13", false), "{warnings}");
    Ok(())
}

#[test]
fn masks_that_do_not_fit_their_image_are_named() -> Result<()> {
    let scratch = Scratch::new("masks")?;
    let data = scratch.path().join("data");
    let images = synth(&data, 3, 12)?;
    let name = |image: &Path| -> Result<String> {
        Ok(image.file_stem().context("the smear has a name")?.to_string_lossy().into_owned())
    };
    let mask = |image: &Path| -> Result<PathBuf> {
        Ok(data.join("test/masks").join(format!("{}.png", name(image)?)))
    };
    image::GrayImage::new(7, 5).save(mask(&images[0])?)?;
    std::fs::remove_file(mask(&images[1])?)?;

    let run = evaluate(&data, &scratch.path().join("out"))?;
    ensure!(!run.success, "a mask that is missing is no success:\n{}", run.stderr);
    let wrong_size = run.line_about(&name(&images[0])?)?;
    ensure!(wrong_size.contains('7') && wrong_size.contains('5'), "the sizes help: {wrong_size}");
    let missing = run.line_about(&name(&images[1])?)?;
    ensure!(missing.contains("mask"), "{missing}");
    let report = std::fs::read_to_string(scratch.path().join("out/report.json"))?;
    ensure!(report.contains(&name(&images[2])?), "the good one is measured:\n{report}");

    let words = [OsStr::new("check"), OsStr::new("--data"), data.as_os_str()];
    let check = trainer(words)?;
    let all = format!("{}{}", check.stdout, check.stderr);
    ensure!(!check.success && all.contains(&name(&images[0])?) && all.contains(&name(&images[1])?), "{all}");
    Ok(())
}

#[test]
fn a_measurement_tells_what_makes_it_doubtful() -> Result<()> {
    let scratch = Scratch::new("doubtful")?;
    let data = scratch.path().join("data");
    synth(&data, 1, 14)?;
    let mask = data.join("test/masks/test_000.png");
    image::imageops::blur(&image::open(&mask)?.into_luma8(), 1.0).save(&mask)?;
    // The training image is of the same smear.
    for kind in ["images", "masks"] {
        let folder = data.join("train").join(kind);
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(data.join("test").join(kind).join("test_000.png"), folder.join("other.png"))?;
    }
    std::fs::write(data.join("manifest.csv"), "name,source_file\ntest_000.png,s\nother.png,s\n")?;
    let run = evaluate(&data, &scratch.path().join("out"))?.succeeded()?;
    ensure!(run.line_about("its source s is also that of")?.starts_with("warning: "), "{}", run.stderr);
    run.line_about("levels of grey").map(drop)
}

#[test]
fn what_an_evaluation_doubts_is_told_and_recorded() -> Result<()> {
    let scratch = Scratch::new("doubted")?;
    let (data, out) = (scratch.path().join("data"), scratch.path().join("out"));
    for folder in ["images", "masks"] {
        std::fs::create_dir_all(data.join(folder))?;
        for name in ["a", "b", "c", "d", "e", "f"] {
            let gray = if folder == "images" { 200 } else { 0 };
            let nothing = image::GrayImage::from_pixel(90, 70, image::Luma([gray]));
            nothing.save(data.join(folder).join(format!("{name}.png")))?;
        }
    }
    let run = evaluate(&data, &out)?.succeeded()?;
    let told = "the cell diameter could not be estimated";
    assert_eq!(run.stderr.matches(told).count(), 5, "{}", run.stderr);
    ensure!(run.stderr.contains("give it by hand (`--diameter PX`): "), "{}", run.stderr);
    let more = run.line_about("and 1 more warning")?;
    ensure!(more.contains("report.json lists"), "{more}");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("report.json"))?)?;
    let last = &report["images"][5];
    ensure!(last["warnings"][0].as_str().is_some_and(|warning| warning.starts_with(told)), "{last}");
    ensure!(last["diameter_px"].is_f64(), "{last}");
    Ok(())
}

/// A program must not stop halfway because its messages can't be printed.
#[test]
#[cfg(target_os = "linux")]
fn work_is_done_where_nothing_can_be_told() -> Result<()> {
    let scratch = Scratch::new("unheard")?;
    let data = scratch.path().join("data");
    synth(&data, 1, 13)?;
    let program = program()?;
    for (out, closed) in [("full", false), ("closed", true)] {
        let stream = || -> Result<std::process::Stdio> {
            Ok(if closed {
                std::io::pipe()?.1.into()
            } else {
                std::fs::File::options().write(true).open("/dev/full")?.into()
            })
        };
        let out = scratch.path().join(out);
        let mut run = std::process::Command::new(&program);
        run.args(["evaluate", "--device", "cpu", "--data"]).arg(&data).arg("--out").arg(&out);
        ensure!(run.stdout(stream()?).stderr(stream()?).status()?.success(), "{}", out.display());
        ensure!(out.join("report.json").is_file(), "no report in {}", out.display());
    }
    Ok(())
}

#[test]
fn weights_that_do_not_fit_are_refused_in_one_line() -> Result<()> {
    let scratch = Scratch::new("weights")?;
    let good = smear(&scratch)?;
    let files = [
        ("architecture.safetensors", weights::of_other_widths()?),
        ("program.safetensors", weights::of_another_program()?),
        ("text.safetensors", b"not weights at all".to_vec()),
        ("empty.safetensors", Vec::new()),
    ];
    for (name, bytes) in files {
        let weights = scratch.write(name, bytes)?;
        let out = scratch.path().join("out");
        let run = predict(&[&good], &out, &["--weights", &weights.to_string_lossy()])?;
        ensure!(!run.success, "{name} was taken:\n{}", run.stdout);
        let line = run.line_about(name)?;
        ensure!(line.contains("weights") && !run.stderr.contains("panicked"), "{}", run.stderr);
    }
    Ok(())
}

/// Trains tiny networks for one epoch.
fn train(data: &Path, out: &Path, more: &[&str]) -> Result<Run> {
    let tiny = ["train", "--device", "cpu", "--widths", "2,2,2", "--epochs", "1", "--batch", "1"];
    let words = tiny.iter().chain(more).map(OsStr::new);
    let folders = [OsStr::new("--data"), data.as_os_str(), OsStr::new("--out"), out.as_os_str()];
    trainer(words.chain(folders))
}

/// Makes a data set of eight training crops from two fields.
fn crops(scratch: &Scratch) -> Result<PathBuf> {
    let data = scratch.path().join("crops");
    let words = ["synth", "--train", "8", "--test", "0", "--out"].map(OsStr::new);
    trainer(words.into_iter().chain([data.as_os_str()]))?.succeeded()?;
    Ok(data)
}

/// The mean IoU that `evaluate` reports; `more` are further options.
fn mean_iou(data: &Path, out: &Path, more: &[&OsStr]) -> Result<f64> {
    let named = [OsStr::new("--data"), data.as_os_str(), OsStr::new("--out"), out.as_os_str()];
    let words = ["evaluate", "--device", "cpu"].map(OsStr::new);
    trainer(words.into_iter().chain(named).chain(more.iter().copied()))?.succeeded()?;
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("report.json"))?)?;
    report["mean_iou"].as_f64().context("no mean_iou")
}

/// Two epochs gave a mean IoU of 0.90.
#[test]
fn a_network_learns() -> Result<()> {
    let scratch = Scratch::new("learns")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    // Without a test part, `evaluate` measures what was trained on.
    std::fs::remove_dir_all(data.join("test"))?;
    let words =
        ["train", "--device", "cpu", "--folds", "1", "--widths", "4,4,4", "--epochs", "2", "--batch", "2"];
    let folders = [OsStr::new("--data"), data.as_os_str(), OsStr::new("--out"), out.as_os_str()];
    trainer(words.map(OsStr::new).into_iter().chain(folders))?.succeeded()?;
    let weights = out.join("rbc.safetensors");
    let iou =
        mean_iou(&data, &scratch.path().join("report"), &[OsStr::new("--weights"), weights.as_os_str()])?;
    ensure!(iou > 0.75, "a mean IoU of only {iou}");
    Ok(())
}

#[test]
fn a_network_is_trained_further_from_given_weights() -> Result<()> {
    let scratch = Scratch::new("start")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    let smears = scratch.path().join("smears");
    synth(&smears, 3, 5)?;
    let further = |start: &Path, more: &[&str]| {
        let words = ["train", "--device", "cpu", "--folds", "1", "--epochs", "1", "--batch", "1"];
        let words = words.iter().chain(more).map(OsStr::new);
        let named = [("--data", data.as_path()), ("--out", &out), ("--start-from", start)];
        trainer(words.chain(named.iter().flat_map(|(name, path)| [OsStr::new(name), path.as_os_str()])))
    };
    // Steps too short to matter, on a network that segments these smears well: it still does.
    further(Path::new("shipped"), &["--learning-rate", "1e-7"])?.succeeded()?;
    let measured = |weights: &[&OsStr]| mean_iou(&smears, &scratch.path().join("measured"), weights);
    let (before, after) =
        (measured(&[])?, measured(&[OsStr::new("--weights"), out.join("rbc.safetensors").as_os_str()])?);
    ensure!(before > 0.8 && (before - after).abs() < 0.02, "{before} before, {after} after");
    let card: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("rbc.json"))?)?;
    assert_eq!(card["config"]["network"]["widths"], serde_json::json!([16, 32, 64]));
    ensure!(card["config"]["start"].is_u64(), "{card}");

    // The same weights in another file are the same, and those that came out are others.
    let copy = scratch.path().join("copy.bpk");
    trainer(["export", "--out"].map(OsStr::new).into_iter().chain([copy.as_os_str()]))?.succeeded()?;
    further(&copy, &["--learning-rate", "1e-7", "--resume"])?.succeeded()?;
    let run = further(&out.join("rbc.safetensors"), &["--learning-rate", "1e-7", "--resume"])?;
    ensure!(!run.success && run.stderr.contains("the weights to start from differ"), "{}", run.stderr);

    let run = further(Path::new("shipped"), &["--widths", "4,4,4"])?;
    ensure!(!run.success && run.stderr.contains("--start-from"), "{}", run.stderr);
    let run = further(&data.join("manifest.csv"), &[])?;
    ensure!(!run.success, "{}", run.stderr);
    run.line_about("manifest.csv").map(drop)
}

#[test]
fn a_mistyped_data_set_is_told_and_leaves_nothing_behind() -> Result<()> {
    let scratch = Scratch::new("mistyped")?;
    let (nowhere, out) = (scratch.path().join("nowhere"), scratch.path().join("out"));
    let run = train(&nowhere, &out, &[])?;
    ensure!(!run.success && run.line_about("nowhere")?.contains("check the path"), "{}", run.stderr);
    ensure!(!out.exists(), "an empty folder is left");
    Ok(())
}

#[test]
fn training_tells_of_a_bad_file_before_it_goes_on_without_it() -> Result<()> {
    let scratch = Scratch::new("bad-crop")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    std::fs::write(data.join("train/images/train_000.png"), "no picture")?;
    let run = train(&data, &out, &["--folds", "1"])?;
    ensure!(run.status == Some(1) && out.join("rbc.safetensors").is_file(), "{}", run.stderr);
    ensure!(run.line_about("train_000.png")?.starts_with("error: "), "{}", run.stderr);
    let told = run.line_about("1 file left out")?;
    ensure!(told.contains("the other 7 images") && told.contains("exit status 1"), "{told}");
    let epochs = run.stderr.find("epoch 1").context("no epoch")?;
    ensure!(run.stderr.find(told) < Some(epochs), "told too late:\n{}", run.stderr);
    Ok(())
}

#[test]
fn a_training_run_is_gone_on_with_or_replaced_but_never_lost() -> Result<()> {
    let scratch = Scratch::new("train")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    let (weights, fold) = (out.join("rbc.safetensors"), out.join("fold-0"));
    train(&data, &out, &["--folds", "2"])?.succeeded()?;

    // As if the run had been interrupted before its end.
    std::fs::remove_file(&weights)?;
    let run = train(&data, &out, &["--folds", "2"])?;
    ensure!(!run.success && run.line_about("not finished")?.contains("--resume"), "{}", run.stderr);
    ensure!(fold.join("checkpoint-1.bin").is_file(), "the work is lost");

    // An empty history is reported; the fold is not silently trained again.
    std::fs::write(fold.join("history.csv"), "")?;
    let run = train(&data, &out, &["--folds", "2", "--resume"])?;
    ensure!(!run.success, "{}", run.stderr);
    let line = run.line_about("history.csv")?;
    ensure!(line.contains("delete the folder") && line.contains("--resume"), "{line}");
    std::fs::remove_dir_all(&fold)?;

    // Parts trained on other images are all named before the first one is trained.
    let run = train(&data, &out, &["--folds", "2", "--resume", "--synthetic", "1"])?;
    let line = run.line_about("different images")?;
    let named = ["fold-1", "final", "--synthetic"].iter().all(|part| line.contains(part));
    ensure!(!run.success && named && !line.contains("fold-0"), "{}", run.stderr);
    ensure!(!fold.join("history.csv").exists(), "a fold was trained first");
    let others = std::fs::metadata(out.join("fold-1/checkpoint-1.bin"))?.modified()?;
    train(&data, &out, &["--folds", "2", "--resume"])?.succeeded()?;
    ensure!(weights.is_file() && fold.join("validation.json").is_file(), "the run did not go on");
    assert_eq!(std::fs::metadata(out.join("fold-1/checkpoint-1.bin"))?.modified()?, others);

    let run = train(&data, &out, &["--folds", "1"])?.succeeded()?;
    run.line_about("is replaced")?;
    ensure!(!fold.exists() && !out.join("fold-1").exists(), "the earlier run's folds are left");

    // A run that cannot write its folders replaces nothing.
    let before = std::fs::read(&weights)?;
    std::fs::remove_dir_all(out.join("final"))?;
    std::fs::write(out.join("final"), "in the way of the folder")?;
    let run = train(&data, &out, &["--folds", "1"])?;
    ensure!(!run.success && run.line_about("cannot create the folder")?.contains("final"), "{}", run.stderr);
    ensure!(std::fs::read(&weights)? == before, "they are lost");

    // A run that fails keeps the weights of the one before.
    std::fs::remove_file(out.join("final"))?;
    std::fs::create_dir_all(out.join("final/checkpoint-1.bin"))?;
    let run = train(&data, &out, &["--folds", "1"])?;
    ensure!(!run.success && run.line_about("cannot write")?.contains("checkpoint-1.bin"), "{}", run.stderr);
    ensure!(
        !weights.exists() && std::fs::read(out.join("rbc.earlier.safetensors"))? == before,
        "they are lost"
    );
    Ok(())
}

#[test]
fn options_that_would_do_nothing_are_refused() -> Result<()> {
    let scratch = Scratch::new("options")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    for (more, told) in [
        (&["--white-cells", "6"][..], "--synthetic"),
        (&["--white-cells", "6", "--synthetic", "0"], "--synthetic"),
        (&["--folds", "1", "--fold", "0"], "no cross-validation"),
        (&["--folds", "2", "--fold", "2"], "0 to 1"),
        (&["--folds", "0"], "from 1"),
    ] {
        let run = train(&data, &out, more)?;
        ensure!(run.status == Some(2) && run.stderr.contains(told), "{more:?}: {}", run.stderr);
    }
    train(&data, &out, &["--white-cells", "0", "--folds", "1"])?.succeeded()?;
    Ok(())
}

#[test]
fn what_is_skipped_or_in_doubt_is_told_and_the_rest_is_done() -> Result<()> {
    let scratch = Scratch::new("doubt")?;
    let (data, out) = (crops(&scratch)?, scratch.path().join("out"));
    std::fs::write(data.join("train/labels/train_000.png"), "no picture")?;
    image::GrayImage::new(128, 128).save(data.join("train/masks/train_001.png"))?;
    std::fs::write(data.join("train/images/scan.czi"), "")?;
    let folder = data.to_string_lossy();
    let run = train(&data, &out, &["--folds", "1", "--fields", &folder, "--fields", &folder])?.succeeded()?;
    for told in
        ["counts once", "only the mask separates cells", "marks none of the image as RBC", "(scan.czi)"]
    {
        ensure!(run.stderr.contains(told), "no word of {told}:\n{}", run.stderr);
    }

    let run = predict(&[&data.join("train/images")], &out, &["--diameter", "30"])?.succeeded()?;
    ensure!(run.line_about("scan.czi")?.starts_with("note: skipped 1 file"), "{}", run.stderr);
    Ok(())
}
