//! `trainer predict`: turns images into masks, labels, tables and overlays.

use crate::cli::PredictArgs;
use crate::device::{self, Device, Job};
use crate::files::{self, create_folder};
use crate::inputs::{Input, Inputs};
use crate::lock::Lock;
use crate::outputs::{self, Outcome, Row};
use crate::problem::Problem;
use crate::progress::{bar, working_on};
use crate::queue;
use crate::results;
use crate::say::{self, plural};
use crate::shipped::Weights;
use anyhow::{Result, bail};
use image::ImageReader;
use indicatif::ProgressBar;
use rbc_model::backend::{SegBackward, TileBackend};
use rbc_model::cells::{CellOptions, Summary, find_cells};
use rbc_model::decode;
use rbc_model::export::Made;
use rbc_model::segment::{self, Progress, Segmenter};
use std::path::Path;
use std::sync::{PoisonError, RwLock};

pub fn run(args: &PredictArgs) -> Result<()> {
    let inputs = Inputs::gather(&args.inputs, &args.out, args.recursive, &results::suffixes(args));
    for note in &inputs.notes {
        say::err!("note: {note}");
    }
    for problem in &inputs.problems {
        say::err!("error: {problem}");
    }
    if inputs.images.is_empty() {
        bail!("there is no image to segment");
    }
    let weights = Weights::find(args.weights.weights.as_deref())?;
    let device = device::choose(args.device.device, false)?;
    create_folder(&args.out)?;
    let _lock = Lock::whole(&args.out)?;
    // Much of the work on a small image runs on one core. How a GPU takes several images at a time was never measured.
    let threads = if device == Device::Cpu { queue::threads() } else { 1 };
    let job = Predict { args, inputs: &inputs, weights: &weights, threads };
    let failed = inputs.problems.len() + device::dispatch(device, job)?;
    match failed {
        0 => Ok(()),
        _ => bail!("{} failed, see above", plural(failed, "input", "inputs")),
    }
}

struct Predict<'a> {
    args: &'a PredictArgs,
    inputs: &'a Inputs,
    weights: &'a Weights,
    /// Images segmented at a time.
    threads: usize,
}

impl Job for Predict<'_> {
    /// Number of images that failed.
    type Out = usize;

    fn run<B: SegBackward>(self, device: B::Device) -> Result<usize> {
        let segmenter = Segmenter::<B>::load(&self.weights.bytes, &device)
            .map_err(|error| self.weights.refused(error))?;
        let weights = files::file_name(Path::new(&self.weights.name));
        outputs::clear_summary(&self.args.out)?;
        let mut rows = Vec::new();
        let mut failed = 0;
        let images = &self.inputs.images;
        let bar = bar(images.len() as u64, "images");
        let alone = RwLock::new(());
        let work = |input: &Input| {
            let mut outcome = Outcome::default();
            if let Err(problem) = self.segment(&segmenter, input, &bar, &alone, &mut outcome) {
                outcome.problems.push(problem);
                results::clear(self.args, &input.stem, &mut outcome);
            }
            bar.inc(1);
            outcome
        };
        let report = |Outcome { notes, row, problems }: Outcome| {
            bar.suspend(|| {
                notes.iter().for_each(|note| say::err!("note: {note}"));
                row.iter().for_each(warn);
                problems.iter().for_each(|problem| say::err!("error: {problem}"));
            });
            rows.extend(row);
            failed += usize::from(!problems.is_empty());
        };
        queue::in_order(images, self.threads, work, report);
        bar.finish_and_clear();
        let made = Made {
            threshold: self.args.mask.threshold,
            split: !self.args.mask.no_split,
            skip_edge: self.args.skip_edge,
            left_out: 0,
            drawn: 0,
            weights: &weights,
        };
        outputs::write_summary(&self.args.out, &rows, made)?;
        say::out!("{}", outputs::sentence(&rows, &self.args.out));
        Ok(failed)
    }
}

/// Images with more pixels are segmented one at a time, to limit memory; those of small cells need several times as much
/// memory for their size as others.
const LARGE: u64 = 10_000_000;

/// Whether a file holds such an image, or may do so because `image` cannot read its header.
fn is_large(path: &Path) -> bool {
    let size = ImageReader::open(path).and_then(ImageReader::with_guessed_format).ok();
    let size = size.and_then(|reader| reader.into_dimensions().ok());
    size.is_none_or(|(width, height)| u64::from(width) * u64::from(height) > LARGE)
}

fn warn(row: &Row) {
    for warning in &row.warnings {
        say::err!("warning: {}", Problem::doubt(&row.file, warning));
    }
}

impl Predict<'_> {
    /// Segments one image and writes its results. `alone` is held for writing by a large image, for reading by the
    /// others.
    fn segment<B: TileBackend>(
        &self,
        segmenter: &Segmenter<B>,
        input: &Input,
        bar: &ProgressBar,
        alone: &RwLock<()>,
        outcome: &mut Outcome,
    ) -> Result<(), Problem> {
        let path = &input.path;
        let args = self.args;
        // It guards no data that a panic could have left half done.
        let (_alone, _beside) = if is_large(path) {
            (Some(alone.write().unwrap_or_else(PoisonError::into_inner)), None)
        } else {
            (None, Some(alone.read().unwrap_or_else(PoisonError::into_inner)))
        };
        working_on(bar, &input.stem);
        let bytes = files::read(path)?;
        let image = decode::decode(&bytes, &path.display().to_string())
            .map_err(|error| Problem::model(path, error))?;
        let options = args.mask.segment_options();
        let mut tiles =
            |at: Progress| working_on(bar, &format!("{}, tile {} of {}", input.stem, at.done, at.total));
        let segmentation = pollster::block_on(segment::segment(segmenter, &image, &options, &mut tiles))
            .map_err(|error| Problem::model(path, error))?;
        let cells = find_cells(
            &segmentation.probability,
            &CellOptions {
                um_per_px: args.um_per_px.or_else(|| decode::um_per_px(&bytes).map(|um| um as f32)),
                skip_edge: args.skip_edge,
                ..args.mask.cell_options(segmentation.diameter_px)
            },
        );
        results::write(args, (path, &input.stem), &image, &cells, outcome);
        let (stem, summary) = (input.stem.clone(), Summary::of(&cells));
        let unread = decode::unread(&bytes).map(String::from);
        let oblong = decode::oblong(&bytes).filter(|_| args.um_per_px.is_none());
        let of_file = unread.into_iter().chain(oblong);
        let warnings = of_file.chain(segmentation.warnings).chain(summary.doubt()).collect();
        outcome.row = Some(Row { stem, summary, warnings, file: path.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DeviceArgs, MaskArgs, WeightsArgs};
    use crate::device::Request;
    use crate::files::file_name;
    use crate::fixture::Folder;
    use crate::results::SUFFIXES;
    use rbc_model::network::NetworkConfig;
    use rbc_model::weights;

    #[test]
    fn a_bad_file_does_not_stop_the_others() -> Result<()> {
        let folder = Folder::new("predict")?;
        folder.image("in/a.png", 50, 41, 1)?;
        folder.image("in/a.bmp", 33, 64, 2)?;
        folder.file("in/bad.png", b"no picture")?;
        let config = NetworkConfig { widths: [4, 4, 4], ..NetworkConfig::default() }.folded();
        let network = config.init::<burn::backend::Flex>(&Default::default());
        let weights = folder.file("w.safetensors", &weights::to_safetensors(&network, &config)?)?;
        let out = folder.path.join("out");
        let args = PredictArgs {
            recursive: false,
            weights: WeightsArgs { weights: Some(weights) },
            out: out.clone(),
            inputs: vec![folder.path.join("in")],
            mask: MaskArgs { diameter: Some(20.0), threshold: 0.5, no_split: false, orientations: Some(1) },
            um_per_px: None,
            skip_edge: false,
            geojson: true,
            rois: true,
            device: DeviceArgs { device: Request::Only(Device::Cpu) },
        };
        let result = run(&args);
        assert!(result.is_err_and(|error| error.to_string().contains("1 input failed")));
        let mut written = Vec::new();
        for entry in std::fs::read_dir(&out)? {
            written.push(file_name(&entry?.path()));
        }
        written.sort();
        let kinds = ["cells.csv", "geojson", "labels.png", "mask.png", "overlay.png", "rois.zip"];
        let mut expected: Vec<String> =
            ["a-2", "a"].iter().flat_map(|stem| kinds.map(|kind| format!("{stem}.{kind}"))).collect();
        expected.push("summary.csv".into());
        expected.sort();
        assert_eq!(written, expected);
        // Sorted by name, the BMP comes first and keeps the plain stem.
        assert_eq!(image::image_dimensions(out.join("a.mask.png"))?, (33, 64));
        assert_eq!(image::image_dimensions(out.join("a-2.labels.png"))?, (50, 41));

        // An earlier run's summary is not left in place by a run that fails.
        std::fs::create_dir(crate::files::partial(&out.join("summary.csv")))?;
        let again = run(&args);
        assert!(again.is_err_and(|error| error.to_string().contains("summary.csv")));
        assert!(!out.join("summary.csv").exists());

        // Nor are the results of an image that can no longer be read.
        std::fs::remove_dir(crate::files::partial(&out.join("summary.csv")))?;
        folder.file("in/a.png", b"no picture")?;
        let fewer = PredictArgs { geojson: false, ..args };
        assert!(run(&fewer).is_err());
        let left = |name: &str| out.join(name).exists();
        // Optional files that may be someone's own and are not asked for now are kept.
        let kept = |suffix: &str| left(&format!("a-2{suffix}")) == (suffix == ".geojson");
        assert!(SUFFIXES.iter().all(|suffix| kept(suffix)));
        assert!(left("a.geojson") && left("a.mask.png") && left("a.rois.zip"));

        // Results that this program wrote are replaced; those that were changed by hand are not.
        let foreign = || results::foreign(&out, "a", &SUFFIXES);
        assert_eq!(foreign(), None);
        image::open(out.join("a.labels.png"))?.save(out.join("a.labels.png"))?;
        assert_eq!(foreign(), Some(out.join("a.labels.png")));

        // Where a killed run left only the mask, with files that were not asked for, the next one may ask for them.
        for suffix in [".labels.png", ".cells.csv", ".overlay.png"] {
            std::fs::remove_file(out.join(format!("a{suffix}")))?;
        }
        let all = PredictArgs { geojson: true, inputs: vec![folder.path.join("in/a.bmp")], ..fewer };
        run(&all)?;
        assert!(SUFFIXES.iter().all(|suffix| left(&format!("a{suffix}"))));

        // Without its mask, nothing of the image is there.
        let in_the_way = crate::files::partial(&out.join("a.mask.png"));
        std::fs::create_dir(&in_the_way)?;
        assert!(run(&all).is_err());
        assert!(!SUFFIXES.iter().any(|suffix| left(&format!("a{suffix}"))));
        std::fs::remove_dir(in_the_way)?;

        // Files of others are kept, and only those in the way of something stop the image, or the run.
        let theirs = |suffix: &str| folder.file(&format!("out/a{suffix}"), b"theirs");
        let geojson = theirs(".geojson")?;
        assert!(run(&all).is_err() && !left("a.mask.png"));
        let fewer = PredictArgs { geojson: false, ..all.clone() };
        run(&fewer)?;
        assert_eq!(std::fs::read(geojson)?, b"theirs");
        let summary = theirs(".csv")?;
        std::fs::rename(summary, out.join("summary.csv"))?;
        assert!(run(&fewer).is_err_and(|error| error.to_string().contains("summary.csv")));
        assert_eq!(std::fs::read(out.join("summary.csv"))?, b"theirs");
        Ok(())
    }
}
