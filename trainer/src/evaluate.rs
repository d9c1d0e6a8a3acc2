//! `trainer evaluate`: measures weights on labelled images of any size.

use crate::cli::{EvaluateArgs, command_line};
use crate::compare;
use crate::data_files::Part;
use crate::dataset::{Dataset, Entry};
use crate::device::{self, Job};
use crate::files::{create_folder, file_name, list_images, refuse_foreign, remove, write_whole};
use crate::lock::Lock;
use crate::masks::{self, Marks};
use crate::problem::Problem;
use crate::progress::{bar, working_on};
use crate::records::{Evaluation, ImageRecord, IouSummary, read_json, write_json};
use crate::say::{self, plural};
use crate::score::{Scored, score};
use crate::shipped::Weights;
use crate::signature::EVALUATE;
use crate::table;
use anyhow::{Result, bail};
use rbc_model::GrayImage;
use rbc_model::backend::{SegBackward, TileBackend};
use rbc_model::metrics::InstanceScore;
use rbc_model::segment::{self, Segmenter};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub fn run(args: &EvaluateArgs) -> Result<()> {
    let mut dataset = Dataset::open(&args.data)?.sound()?;
    dataset.warnings.extend(dataset.straddlers());
    dataset.warn();
    refuse_empty(&dataset)?;
    let weights = Weights::find(args.weights.weights.as_deref())?;
    let device = device::choose(args.device.device, false)?;
    create_folder(&args.out)?;
    let _lock = Lock::whole(&args.out)?;
    device::dispatch(
        device,
        Measure { args, dataset: &dataset, weights: &weights, device: device.to_string() },
    )
}

/// Refuses a data set without an image to measure. One whose images have problems goes on, so that they are told.
fn refuse_empty(dataset: &Dataset) -> Result<(), Problem> {
    let part = dataset.test_part();
    if dataset.part(part).next().is_some() || !dataset.problems_of(part).is_empty() {
        return Ok(());
    }
    let (folder, advice) = match part {
        Part::Test => ("test/images", ", or delete test/ if there is no test set"),
        Part::Train => ("train/images", ""),
        Part::Unsplit => ("images", ""),
    };
    let what = format!("there is no image to measure in this folder: add some, and their masks{advice}");
    Err(Problem::new(&dataset.root.join(folder), what))
}

/// Removes the report of an earlier run: if nothing can be measured, it would be taken for this run's.
fn clear_report(out: &Path) -> Result<(), Problem> {
    let path = out.join("report.json");
    refuse_foreign(&path, |path| read_json::<Evaluation>(path).is_ok())?;
    remove(&path)
}

/// The overlay of the image `name`, the `rank`th worst, from 1.
fn overlay(out: &Path, rank: usize, name: &str) -> PathBuf {
    out.join(format!("worst-{rank:02}-{name}.png"))
}

/// Refuses to overwrite files of others that are called as overlays may be: which these are shows only at the end.
fn refuse_overlays(args: &EvaluateArgs, images: &[&Entry]) -> Result<(), Problem> {
    let ranks = 1..=args.worst.min(images.len());
    for path in list_images(&args.out).unwrap_or_default() {
        let Some((rank, name)) = rank_and_name(&path) else { continue };
        let in_the_way = ranks.contains(&rank) && images.iter().any(|entry| entry.name == name);
        if in_the_way && !EVALUATE.is_on(&path) {
            let what = "`trainer evaluate` may not have written this file and does not overwrite it: move it away or choose \
                        another --out";
            return Err(Problem::new(&path, what));
        }
    }
    Ok(())
}

/// The two parts of the name of an overlay.
fn rank_and_name(path: &Path) -> Option<(usize, String)> {
    let whole = file_name(path);
    let (rank, name) = whole.strip_prefix("worst-")?.strip_suffix(".png")?.split_once('-')?;
    let rank = rank.parse().ok()?;
    (overlay(Path::new(""), rank, name) == Path::new(&whole)).then(|| (rank, name.into()))
}

struct Measure<'a> {
    args: &'a EvaluateArgs,
    dataset: &'a Dataset,
    weights: &'a Weights,
    device: String,
}

/// An image whose result is among the worst so far.
struct Candidate<'a> {
    iou: f64,
    entry: &'a Entry,
    mask: GrayImage,
}

/// What is known of the images measured so far.
#[derive(Default)]
struct Findings<'a> {
    records: Vec<ImageRecord>,
    marks: Vec<(String, Marks)>,
    /// Worst first. Only these keep their masks.
    worst: Vec<Candidate<'a>>,
    /// Doubts about the data set's files.
    warnings: Vec<Problem>,
    /// Doubts about the results; the records have them too.
    doubts: Vec<Problem>,
    problems: Vec<Problem>,
    /// Time of segmentation alone.
    seconds: f64,
    pixels: u64,
}

impl<'a> Findings<'a> {
    /// Keeps an image if it is one of the `most` worst ones so far; ties are ordered by name.
    fn consider(&mut self, candidate: Candidate<'a>, most: usize) {
        let at = self.worst.partition_point(|other| {
            let order = other.iou.total_cmp(&candidate.iou);
            order.then_with(|| other.entry.name.cmp(&candidate.entry.name)).is_lt()
        });
        self.worst.insert(at, candidate);
        self.worst.truncate(most);
    }
}

impl Job for Measure<'_> {
    type Out = ();

    fn run<B: SegBackward>(self, device: B::Device) -> Result<()> {
        let segmenter = Segmenter::<B>::load(&self.weights.bytes, &device)
            .map_err(|error| self.weights.refused(error))?;
        let part = self.dataset.test_part();
        refuse_overlays(self.args, &self.dataset.part(part).collect::<Vec<_>>())?;
        clear_report(&self.args.out)?;
        if part != Part::Test {
            let what = "there is no test/, so all images are measured, including those that a network was trained on";
            say::err!("note: {}", Problem::new(&self.args.data, what));
        }
        self.report(self.measure_all(&segmenter, part))
    }
}

impl<'a> Measure<'a> {
    /// Measures the images of a part; one that can't be measured does not stop the others.
    fn measure_all<B: TileBackend>(&self, segmenter: &Segmenter<B>, part: Part) -> Findings<'a> {
        let entries: Vec<&'a Entry> = self.dataset.part(part).collect();
        let mut found = Findings { problems: self.dataset.problems_of(part), ..Findings::default() };
        let bar = bar(entries.len() as u64, "images");
        for entry in entries {
            working_on(&bar, &entry.name);
            if let Err(problem) = self.measure(segmenter, entry, &mut found) {
                found.problems.push(problem);
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        found
    }

    fn measure<B: TileBackend>(
        &self,
        segmenter: &Segmenter<B>,
        entry: &'a Entry,
        found: &mut Findings<'a>,
    ) -> Result<(), Problem> {
        let (sample, warnings) = entry.load()?;
        found.warnings.extend(warnings);
        let marks = Marks::of(&sample.image, &sample.mask, sample.margin);
        let options = self.args.mask.segment_options();
        let start = Instant::now();
        let segmentation =
            pollster::block_on(segment::segment(segmenter, &sample.image, &options, &mut |_| {}))
                .map_err(|error| Problem::model(&entry.image, error))?;
        found.seconds += start.elapsed().as_secs_f64();
        let cells = self.args.mask.cell_options(segmentation.diameter_px);
        let Scored { record, mask } = score(&sample, &segmentation.probability, &cells)
            .map_err(|error| Problem::model(&entry.image, error))?;
        found.marks.push((entry.name.clone(), marks));
        found.pixels += u64::from(record.width) * u64::from(record.height);
        found.consider(Candidate { iou: record.iou, entry, mask }, self.args.worst);
        let warnings = segmentation.warnings;
        found.doubts.extend(warnings.iter().map(|warning| Problem::doubt(&entry.image, warning)));
        found.records.push(ImageRecord { warnings, ..record });
        Ok(())
    }

    /// Prints the findings and writes them to the output folder. Fails if a file could not be read, segmented or written.
    fn report(&self, found: Findings) -> Result<()> {
        let Findings { records, marks, worst, warnings, doubts, mut problems, seconds, pixels } = found;
        let of_masks = masks::doubts(&marks).into_iter().map(|what| Problem::new(&self.args.data, what));
        self.dataset.tell(&of_masks.chain(warnings).collect::<Vec<_>>());
        say::warnings(&doubts, &self.args.out.join("report.json").display().to_string());
        if records.is_empty() {
            problems.iter().for_each(|problem| say::err!("error: {problem}"));
            bail!("no image could be measured in {}", self.args.data.display());
        }
        let evaluation = self.sum_up(records, seconds, pixels);
        write_json(&self.args.out.join("report.json"), &evaluation)?;
        say::out!("{}", table::of_images(&evaluation.images).trim_end());
        say::out!("{}", figures(&evaluation));
        problems.extend(self.draw(&worst));
        problems.iter().for_each(|problem| say::err!("error: {problem}"));
        match problems.len() {
            0 => Ok(()),
            count => bail!("{} could not be processed, see above", plural(count, "file", "files")),
        }
    }

    fn sum_up(&self, images: Vec<ImageRecord>, seconds: f64, pixels: u64) -> Evaluation {
        let summary = IouSummary::of(images.iter().map(|image| image.iou));
        Evaluation {
            images,
            mean_iou: summary.mean,
            min_iou: summary.min,
            median_iou: summary.median,
            share_above_95: summary.share_above_95,
            device: self.device.clone(),
            seconds,
            megapixels_per_second: pixels as f64 / 1e6 / seconds.max(1e-9),
            weights: self.weights.name.clone(),
            threshold: self.args.mask.threshold,
            diameter_px: self.args.mask.diameter,
            command: command_line(),
        }
    }

    /// Writes the overlays `worst-01-NAME.png` (the worst) and following, and removes those of an earlier run, which
    /// would be taken for this one's. Returns what could not be removed or written.
    fn draw(&self, worst: &[Candidate]) -> Vec<Problem> {
        let out = &self.args.out;
        let old = list_images(out).unwrap_or_default();
        let ours = |path: &PathBuf| rank_and_name(path).is_some() && EVALUATE.is_on(path);
        let gone = old.into_iter().filter(ours).map(|path| remove(&path));
        let draw = |(index, candidate): (usize, &Candidate)| {
            let (sample, _) = candidate.entry.load()?;
            let picture = compare::panels(&sample.image, &sample.mask, &candidate.mask, sample.margin);
            let path = overlay(out, index + 1, &sample.name);
            write_whole(&path, &EVALUATE.sign(compare::png(&picture, &path)?))
        };
        let gone: Vec<_> = gone.collect();
        let drawn = worst.iter().enumerate().map(draw);
        let problems = gone.into_iter().chain(drawn).filter_map(Result::err).collect();
        if !worst.is_empty() {
            say::out!("worst images: {} ({})", out.join("worst-*.png").display(), compare::LEGEND);
        }
        problems
    }
}

fn figures(evaluation: &Evaluation) -> String {
    let mut instances = InstanceScore::default();
    evaluation.images.iter().for_each(|image| instances += image.instances);
    format!(
        "{}: IoU mean {:.4}, median {:.4}, minimum {:.4}; {} at or above 0.95\n\
         per cell (valid only if the masks separate touching cells): F1 {:.4}, panoptic quality {:.4} at IoU 0.5\n\
         {:.1} s on {}, {:.2} megapixels a second",
        plural(evaluation.images.len(), "image", "images"),
        evaluation.mean_iou,
        evaluation.median_iou,
        evaluation.min_iou,
        (evaluation.share_above_95 * evaluation.images.len() as f64).round(),
        instances.f1(),
        instances.panoptic_quality(),
        evaluation.seconds,
        evaluation.device,
        evaluation.megapixels_per_second,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DeviceArgs, MaskArgs, WeightsArgs};
    use crate::device::{Device, Request};
    use crate::fixture::Folder;
    use rbc_model::network::NetworkConfig;
    use rbc_model::weights;

    fn args(folder: &Path, weights: Option<PathBuf>) -> EvaluateArgs {
        EvaluateArgs {
            weights: WeightsArgs { weights },
            data: folder.into(),
            out: folder.join("out"),
            mask: MaskArgs { diameter: Some(20.0), threshold: 0.5, no_split: false, orientations: Some(1) },
            worst: 1,
            device: DeviceArgs { device: Request::Only(Device::Cpu) },
        }
    }

    #[test]
    fn the_report_has_the_promised_keys_and_bad_files_do_not_stop_it() -> Result<()> {
        let folder = Folder::new("evaluate")?;
        folder.pair("test", "a", 61, 47, 1)?;
        folder.pair("test", "b", 30, 90, 2)?;
        folder.image("test/images/alone.png", 8, 8, 3)?;
        folder.image("train/images/of_no_concern.png", 8, 8, 4)?;
        let config = NetworkConfig { widths: [4, 4, 4], ..NetworkConfig::default() }.folded();
        let network = config.init::<burn::backend::Flex>(&Default::default());
        let weights = folder.file("w.safetensors", &weights::to_safetensors(&network, &config)?)?;
        let out = folder.path.join("out");
        let stale = folder.image("out/worst-09-old.png", 8, 8, 5)?;
        std::fs::write(&stale, EVALUATE.sign(std::fs::read(&stale)?))?;
        let kept = [
            folder.file("out/worst-case.png", b"")?,
            // Not written by `evaluate`, and in the way of nothing: no image has that name, or only one is drawn.
            folder.image("out/worst-01-old.png", 8, 8, 6)?,
            folder.image("out/worst-02-a.png", 8, 8, 7)?,
        ];
        let args = args(&folder.path, Some(weights));
        let result = run(&args);
        assert!(result.is_err_and(|error| error.to_string().starts_with("1 file could not")));
        assert!(!stale.exists() && kept.iter().all(|path| path.exists()));
        assert_eq!(list_images(&out)?.len(), kept.len() + 1);
        let drawn =
            list_images(&out)?.into_iter().find(|path| !kept.contains(path)).expect("the worst image");
        image::open(&drawn)?;
        let report: serde_json::Value = crate::records::read_json(&out.join("report.json"))?;
        for key in ["mean_iou", "min_iou", "median_iou", "share_above_95", "seconds", "megapixels_per_second"]
        {
            assert!(report[key].is_number(), "{key}");
        }
        assert_eq!((&report["device"], report["images"].as_array().map(Vec::len)), (&"cpu".into(), Some(2)));
        for key in [
            "width",
            "height",
            "iou",
            "miou",
            "dice",
            "precision",
            "recall",
            "boundary_f1",
            "cells_true",
            "cells_predicted",
            "diameter_px",
        ] {
            assert!(report["images"][0][key].is_number(), "{key}");
        }
        assert_eq!(report["images"][1]["name"], "b");
        assert!(report["images"][0]["warnings"].is_array(), "{report}");

        // A picture that may become someone else's stops the next run before it removes anything.
        image::open(&drawn)?.save(&drawn)?;
        assert!(run(&args).is_err_and(|error| error.to_string().ends_with(&drawn.display().to_string())));
        assert!(out.join("report.json").exists());
        std::fs::remove_file(&drawn)?;

        // The next run replaces the report, and one with nothing to measure does not leave it in place.
        assert!(run(&args).is_err_and(|error| error.to_string().starts_with("1 file could not")));
        assert!(out.join("report.json").exists());
        for image in ["a", "b"] {
            folder.file(&format!("test/images/{image}.png"), b"no picture")?;
        }
        assert!(run(&args).is_err() && !out.join("report.json").exists());
        Ok(())
    }

    #[test]
    fn a_report_of_another_program_is_kept() -> Result<()> {
        let folder = Folder::new("evaluate-foreign")?;
        let report = folder.file("report.json", b"{\"mean_iou\": 1}")?;
        let refused = clear_report(&folder.path);
        assert!(refused.is_err_and(|problem| problem.path == report) && report.exists());
        // As written before there were diameters and warnings in it.
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model-weights/reports/test.json");
        std::fs::copy(shipped, &report)?;
        clear_report(&folder.path)?;
        assert!(!report.exists());
        Ok(())
    }

    #[test]
    fn a_folder_where_another_run_is_at_work_is_left_alone() -> Result<()> {
        let folder = Folder::new("evaluate-lock")?;
        folder.pair("test", "a", 8, 8, 1)?;
        let args = args(&folder.path, Some(folder.file("w.safetensors", b"")?));
        create_folder(&args.out)?;
        let _training = Lock::whole(&args.out)?;
        let refused = run(&args);
        assert!(
            refused.is_err_and(|error| error.to_string().starts_with("another run is using this folder"))
        );
        Ok(())
    }

    #[test]
    fn an_empty_test_set_is_named() -> Result<()> {
        let folder = Folder::new("evaluate-empty")?;
        folder.pair("train", "a", 8, 8, 1)?;
        for kind in ["images", "masks"] {
            std::fs::create_dir_all(folder.path.join("test").join(kind))?;
        }
        let refused = run(&args(&folder.path, None)).err().map(|error| error.to_string()).unwrap_or_default();
        let end = format!("test set: {}", folder.path.join("test/images").display());
        assert!(refused.starts_with("there is no image to measure") && refused.ends_with(&end), "{refused}");
        Ok(())
    }
}
