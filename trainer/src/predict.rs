//! `trainer predict`: turns images into masks, labels, tables and overlays.

use crate::cli::PredictArgs;
use crate::device::{self, Job};
use crate::files::{self, create_folder};
use crate::inputs::{Input, Inputs};
use crate::lock::Lock;
use crate::outputs::{self, Row};
use crate::problem::Problem;
use crate::progress::{bar, working_on};
use crate::say;
use crate::shipped::Weights;
use anyhow::{Result, bail};
use indicatif::ProgressBar;
use rbc_model::backend::{SegBackend, SegBackward};
use rbc_model::cells::{CellOptions, Summary, find_cells};
use rbc_model::decode;
use rbc_model::segment::{Progress, Segmenter, TileNetwork};

pub fn run(args: &PredictArgs) -> Result<()> {
    let inputs = Inputs::gather(&args.inputs, &args.out, args.recursive);
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
    let device = device::choose(args.device.device)?;
    create_folder(&args.out)?;
    let _lock = Lock::whole(&args.out)?;
    let failed = inputs.problems.len()
        + device::dispatch(device, Predict { args, inputs: &inputs, weights: &weights })?;
    match failed {
        0 => Ok(()),
        1 => bail!("one input failed, see above"),
        _ => bail!("{failed} inputs failed, see above"),
    }
}

struct Predict<'a> {
    args: &'a PredictArgs,
    inputs: &'a Inputs,
    weights: &'a Weights,
}

impl Job for Predict<'_> {
    /// Number of images that failed.
    type Out = usize;

    fn run<B: SegBackward>(self, device: B::Device) -> Result<usize> {
        let segmenter = Segmenter::<B>::load(&self.weights.bytes, &device)
            .map_err(|error| self.weights.refused(error))?;
        outputs::clear_summary(&self.args.out)?;
        let mut rows = Vec::new();
        let mut failed = 0;
        let bar = bar(self.inputs.images.len() as u64, "images");
        let report = |problems: &[Problem]| {
            bar.suspend(|| problems.iter().for_each(|problem| say::err!("error: {problem}")));
        };
        for input in &self.inputs.images {
            match self.segment(&segmenter, input, &bar) {
                Ok((row, problems)) => {
                    rows.push(row);
                    failed += usize::from(!problems.is_empty());
                    report(&problems);
                }
                Err(problem) => {
                    failed += 1;
                    report(&[problem]);
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        outputs::write_summary(&self.args.out, &rows)?;
        say::out!("{}", outputs::sentence(&rows, &self.args.out));
        Ok(failed)
    }
}

impl Predict<'_> {
    /// Segments one image and writes its results; returns the problems of those that could not be written.
    fn segment<B: SegBackend>(
        &self,
        segmenter: &Segmenter<B>,
        input: &Input,
        bar: &ProgressBar,
    ) -> Result<(Row, Vec<Problem>), Problem> {
        let path = &input.path;
        let args = self.args;
        working_on(bar, &input.stem);
        for note in outputs::clear(args, &input.stem)? {
            bar.suspend(|| say::err!("note: {note}"));
        }
        let bytes = files::read(path)?;
        let image = decode::decode(&bytes, &path.display().to_string())
            .map_err(|error| Problem::model(path, error))?;
        let options = args.mask.segment_options();
        let mut tiles =
            |at: Progress| working_on(bar, &format!("{}, tile {} of {}", input.stem, at.done, at.total));
        let segmentation = pollster::block_on(segmenter.segment(&image, &options, &mut tiles))
            .map_err(|error| Problem::model(path, error))?;
        let cells = find_cells(
            &segmentation.probability,
            &CellOptions {
                um_per_px: args.um_per_px.or_else(|| decode::um_per_px(&bytes).map(|um| um as f32)),
                skip_edge: args.skip_edge,
                ..args.mask.cell_options(segmentation.diameter_px)
            },
        );
        let problems = outputs::write(args, input, &image, &cells);
        let (stem, summary) = (input.stem.clone(), Summary::of(&cells));
        let unread = decode::unread(&bytes).map(String::from);
        let warnings: Vec<String> =
            unread.into_iter().chain(segmentation.warnings).chain(summary.doubt()).collect();
        for warning in &warnings {
            bar.suspend(|| say::err!("warning: {}", Problem::new(path, warning.trim_end_matches('.'))));
        }
        Ok((Row { stem, summary, warnings, file: path.clone() }, problems))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DeviceArgs, MaskArgs, WeightsArgs};
    use crate::device::{Device, Request};
    use crate::files::file_name;
    use crate::fixture::Folder;
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
        assert!(result.is_err_and(|error| error.to_string().contains("one input failed")));
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
        assert!(crate::inputs::SUFFIXES.iter().all(|suffix| kept(suffix)));
        assert!(left("a.geojson") && left("a.mask.png") && left("a.rois.zip"));

        // Results that this program wrote are replaced; those that were changed by hand are not.
        assert_eq!(crate::outputs::foreign(&out, "a"), None);
        image::open(out.join("a.labels.png"))?.save(out.join("a.labels.png"))?;
        assert_eq!(crate::outputs::foreign(&out, "a"), Some(out.join("a.labels.png")));
        Ok(())
    }
}
