//! `trainer predict`: from images to masks, labels, tables and overlays.

use crate::cli::PredictArgs;
use crate::device::{self, Job};
use crate::evaluate::create_folder;
use crate::inputs::{Input, Inputs};
use crate::outputs;
use crate::problem::Problem;
use crate::progress::bar;
use crate::shipped::Weights;
use anyhow::{Result, bail};
use indicatif::ProgressBar;
use rbc_model::backend::SegBackend;
use rbc_model::cells::{CellOptions, Summary, find_cells};
use rbc_model::decode;
use rbc_model::segment::{Progress, SegmentOptions, Segmenter};

pub fn run(args: &PredictArgs) -> Result<()> {
    let inputs = Inputs::gather(&args.inputs, &args.out);
    for note in &inputs.notes {
        eprintln!("note: {note}");
    }
    for problem in &inputs.problems {
        eprintln!("error: {problem}");
    }
    if inputs.images.is_empty() {
        bail!("there is no image to segment");
    }
    let weights = Weights::find(args.weights.weights.as_deref())?;
    let device = device::choose(args.device.device)?;
    create_folder(&args.out)?;
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
    /// How many images failed.
    type Out = usize;

    fn run<B: SegBackend>(self, device: B::Device) -> Result<usize> {
        let segmenter = Segmenter::<B>::load(&self.weights.bytes, &device)
            .map_err(|error| self.weights.refused(error))?;
        let mut rows = Vec::new();
        let mut failed = 0;
        let bar = bar(self.inputs.images.len() as u64, "images");
        for input in &self.inputs.images {
            match self.segment(&segmenter, input, &bar) {
                Ok(summary) => rows.push((input.stem.clone(), summary)),
                Err(problem) => {
                    failed += 1;
                    bar.suspend(|| eprintln!("error: {problem}"));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        outputs::write_summary(&self.args.out, &rows)?;
        println!("{}", outputs::sentence(&rows, &self.args.out));
        Ok(failed)
    }
}

impl Predict<'_> {
    fn segment<B: SegBackend>(
        &self,
        segmenter: &Segmenter<B>,
        input: &Input,
        bar: &ProgressBar,
    ) -> Result<Summary, Problem> {
        let path = &input.path;
        let args = self.args;
        bar.set_message(input.stem.clone());
        let bytes = std::fs::read(path).map_err(|error| Problem::io(path, "cannot read", &error))?;
        let image = decode::decode(&bytes, &path.display().to_string())
            .map_err(|error| Problem::model(path, error))?;
        let options = SegmentOptions { diameter_px: args.mask.diameter, ..SegmentOptions::default() };
        let mut tiles =
            |at: Progress| bar.set_message(format!("{}, tile {} of {}", input.stem, at.done, at.total));
        let segmentation = pollster::block_on(segmenter.segment(&image, &options, &mut tiles))
            .map_err(|error| Problem::model(path, error))?;
        for warning in &segmentation.warnings {
            bar.suspend(|| eprintln!("warning: {}", Problem::new(path, warning.trim_end_matches('.'))));
        }
        let cells = find_cells(
            &segmentation.probability,
            &CellOptions {
                threshold: args.mask.threshold,
                split: !args.mask.no_split,
                diameter_px: Some(segmentation.diameter_px),
                um_per_px: args.um_per_px,
                skip_edge: args.skip_edge,
            },
        );
        outputs::write(args, input, &image, &cells)?;
        Ok(Summary::of(&cells))
    }
}
