//! The command line: commands, options and what they mean.

mod line;
#[cfg(test)]
mod tests;
mod values;

pub use line::{Refused, command_line, parse};

use crate::augment::Augmentation;
use crate::device::Request;
use crate::recipe::FitConfig;
use crate::run_files::{final_folder, fold_folder};
use crate::synth::SynthOptions;
use clap::{Args, Parser, Subcommand, ValueEnum};
use rbc_model::cells::CellOptions;
use rbc_model::network::NetworkConfig;
use rbc_model::segment::SegmentOptions;
use std::path::PathBuf;
use values::Widths;

/// Trains, measures and applies the red blood cell (RBC) segmentation network.
#[derive(Debug, Parser)]
#[command(version, about, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cross-validate on a data set, then train the final network on all of it
    Train(TrainArgs),
    /// Measure weights on labelled images of any size
    Evaluate(EvaluateArgs),
    /// Segment images: masks, labels, tables of cells, overlays
    Predict(PredictArgs),
    /// Write a data set of synthetic smears with exact masks
    Synth(SynthArgs),
    /// Check a data set and list every problem
    Check(CheckArgs),
    /// Convert weights between safetensors and burnpack, 32 and 16 bit
    Export(ExportArgs),
}

/// Default number of folds of a cross-validation.
pub const FOLDS: usize = 5;

/// The device to compute on.
#[derive(Clone, Debug, Args)]
pub struct DeviceArgs {
    /// auto, cpu, cuda, cuda:N or wgpu; auto picks the best device that works and says which
    #[arg(long, value_name = "D", default_value = "auto")]
    pub device: Request,
}

/// The weights to use.
#[derive(Clone, Debug, Args)]
pub struct WeightsArgs {
    /// Weights of this network, as written by `train` [default: those built into this program]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
}

/// The options that decide the mask, apart from the weights.
#[derive(Clone, Debug, Args)]
pub struct MaskArgs {
    /// Typical cell diameter in pixels of the image [default: estimated for each image]
    #[arg(long, value_name = "PX", allow_negative_numbers = true, value_parser = values::diameter)]
    pub diameter: Option<f32>,
    /// Probability from which a pixel counts as cell, 0 to 1; at 0, every pixel with a probability above 0 does
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = 0.5, value_parser = values::probability)]
    pub threshold: f32,
    /// Do not split touching cells
    #[arg(long)]
    pub no_split: bool,
    /// Average over this many orientations (mirrored, rotated) of the image: 1, 2, 4 or 8. More give steadier edges and
    /// take that many times as long [default: 2, more for small images]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = values::orientations)]
    pub orientations: Option<usize>,
}

impl MaskArgs {
    /// How to segment an image.
    pub fn segment_options(&self) -> SegmentOptions {
        let Self { diameter, orientations, .. } = *self;
        SegmentOptions { diameter_px: diameter, orientations, ..SegmentOptions::default() }
    }

    /// How to find the cells in the segmented image, given their diameter in pixels.
    pub fn cell_options(&self, diameter_px: f32) -> CellOptions {
        CellOptions {
            threshold: self.threshold,
            split: !self.no_split,
            diameter_px: Some(diameter_px),
            ..CellOptions::default()
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct TrainArgs {
    /// Data set: DIR/{train,test}/{images,masks}/NAME.* or DIR/{images,masks}/NAME.*; mask non-zero = RBC
    /// [default: synthetic smears made on the spot]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Whole labelled fields (images/, masks/, manifest.csv) that the training images were cut from. Crops are drawn
    /// from these fields instead, never from one whose source is held out. Can be repeated
    #[arg(long, value_name = "DIR")]
    pub fields: Vec<PathBuf>,
    /// Number of synthetic smears to train on in addition to the images; each counts as one training image
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0, value_parser = values::images)]
    pub synthetic: usize,
    /// Minimum number of white cells per 100 red cells in the synthetic smears, except in styles whose red cells are
    /// violet. Needs --synthetic. Use 6 if your images show no white cells but later ones will [default: few, as in
    /// blood]
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0.0, hide_default_value = true, value_parser = values::white_cells)]
    pub white_cells: f32,
    /// Output folder for folds, reports and rbc.safetensors. A finished run in it is replaced; an interrupted run can
    /// only be continued, with --resume
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of cross-validation folds; images of one source stay in one fold. 1: no cross-validation, only the final
    /// network
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = FOLDS, value_parser = values::folds)]
    pub folds: usize,
    /// Train only this fold, counted from 0. Folds can be trained in parallel, one process each; the same command
    /// without --fold and with --resume then joins them
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = values::fold)]
    pub fold: Option<usize>,
    /// Number of epochs, of 100 batches of random crops each, for each fold and for the final network
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = FitConfig::default().epochs, value_parser = values::epochs)]
    pub epochs: usize,
    /// Weights to start from, to adapt them to smears of which there are few labelled images: a file that `train` or
    /// `export` wrote, or `shipped` for those built into this program. They also set widths and working diameter
    /// [default: random weights]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["widths", "working_diameter"])]
    pub start_from: Option<PathBuf>,
    /// Channels of the three stages, for example 8,16,32
    #[arg(long, value_name = "W,W,W", allow_hyphen_values = true, default_value_t = Widths(FitConfig::default().network.widths), value_parser = values::widths)]
    pub widths: Widths,
    /// Cell diameter in pixels at which the network works; images are resampled to it
    #[arg(long, value_name = "PX", allow_negative_numbers = true, default_value_t = FitConfig::default().network.working_diameter, value_parser = values::working_diameter)]
    pub working_diameter: f32,
    /// Crops per batch
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = FitConfig::default().batch, value_parser = values::batch)]
    pub batch: usize,
    /// Train without batch normalisation
    #[arg(long)]
    pub no_batch_norm: bool,
    /// Peak learning rate of the schedule
    #[arg(long, value_name = "R", allow_negative_numbers = true, default_value_t = FitConfig::default().learning_rate, value_parser = values::learning_rate)]
    pub learning_rate: f64,
    /// Scale augmentation: cell diameters in crops range from the working diameter / F to the working diameter x F
    #[arg(long, value_name = "F", allow_negative_numbers = true, default_value_t = FitConfig::default().augmentation.scale, value_parser = values::scale_jitter)]
    pub scale_jitter: f32,
    /// How strongly colour, light, blur and noise of the crops are varied; 0: not at all
    #[arg(long, value_name = "F", allow_negative_numbers = true, default_value_t = FitConfig::default().augmentation.colour, value_parser = values::colour_jitter)]
    pub colour_jitter: f32,
    /// Share of the crops that keep their original colours, 0 to 1; use less for data sets with many stains and
    /// cameras, where colour carries no information
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = FitConfig::default().augmentation.as_taken, value_parser = values::share)]
    pub as_taken: f64,
    /// Extra loss weight of the background in narrow gaps between cells (other pixels weigh 1), so that touching cells
    /// are separated; 0: none
    #[arg(long, value_name = "F", allow_negative_numbers = true, default_value_t = FitConfig::default().gap_weight, value_parser = values::gap_weight)]
    pub gap_weight: f32,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Seed of the folds, the initial weights and the augmentation
    #[arg(long, value_name = "S", allow_negative_numbers = true, default_value_t = 0, value_parser = values::seed)]
    pub seed: u64,
    /// Continue the interrupted run in this folder
    #[arg(long)]
    pub resume: bool,
}

impl Cli {
    /// Whether the options make sense together.
    ///
    /// # Errors
    /// What is wrong with them, in one line.
    fn check(&self) -> Result<(), String> {
        match &self.command {
            Command::Train(args) => args.check(),
            _ => Ok(()),
        }
    }
}

impl TrainArgs {
    fn check(&self) -> Result<(), String> {
        // Weights of such a network could not be loaded again.
        self.config().network.check().map_err(|what| format!("no network has {what}"))?;
        if self.white_cells > 0.0 && self.synthetic == 0 {
            return Err(
                "--white-cells applies only to synthetic smears: add --synthetic N, or omit --white-cells"
                    .into(),
            );
        }
        match (self.fold, self.cross_validated()) {
            (Some(_), None) => {
                Err("--folds 1 means no cross-validation, so there is no fold to train: omit --fold".into())
            }
            (Some(fold), Some(count)) if fold >= count => {
                Err(format!("there is no fold {fold}: of {count} folds, --fold takes 0 to {}", count - 1))
            }
            _ => Ok(()),
        }
    }

    /// Number of folds of the cross-validation. A single fold would leave nothing to train on; it stands for none.
    pub fn cross_validated(&self) -> Option<usize> {
        Some(self.folds).filter(|folds| *folds > 1)
    }

    /// The folders that this run trains a network in.
    pub fn due(&self) -> Vec<PathBuf> {
        if let Some(fold) = self.fold {
            return vec![fold_folder(&self.out, fold)];
        }
        let folds = (0..self.cross_validated().unwrap_or(0)).map(|fold| fold_folder(&self.out, fold));
        folds.chain([final_folder(&self.out)]).collect()
    }

    /// The settings of the fit.
    pub fn config(&self) -> FitConfig {
        FitConfig {
            network: NetworkConfig {
                widths: self.widths.0,
                working_diameter: self.working_diameter,
                batch_norm: !self.no_batch_norm,
                ..NetworkConfig::default()
            },
            augmentation: Augmentation {
                scale: self.scale_jitter,
                colour: self.colour_jitter,
                as_taken: self.as_taken,
            },
            gap_weight: self.gap_weight,
            epochs: self.epochs,
            batch: self.batch,
            learning_rate: self.learning_rate,
            seed: self.seed,
            ..FitConfig::default()
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct EvaluateArgs {
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// Data set to measure on: its test part if it has one, else all of its images
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder for report.json and overlays of the worst images
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub mask: MaskArgs,
    /// Number of worst images to write overlays for
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 10, value_parser = values::images)]
    pub worst: usize,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Clone, Debug, Args)]
pub struct PredictArgs {
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// Output folder for STEM.mask.png, STEM.labels.png, STEM.cells.csv, STEM.overlay.png and summary.csv
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Images, or folders of images
    #[arg(value_name = "IMAGE_OR_DIR", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Enter subfolders too, except masks/ and labels/ beside images/; images of the same name are told apart by the
    /// column `file` of summary.csv
    #[arg(long, short)]
    pub recursive: bool,
    #[command(flatten)]
    pub mask: MaskArgs,
    /// Micrometres per pixel of all images; adds area_um2 and diameter_um to the tables [default: the scale stored in a
    /// TIFF file: OME, ImageJ, or its resolution if that is a microscope's]
    #[arg(long, value_name = "UM", allow_negative_numbers = true, value_parser = values::um_per_px)]
    pub um_per_px: Option<f32>,
    /// Leave out cells that are cut by the edge of the image
    #[arg(long)]
    pub skip_edge: bool,
    /// Also write STEM.geojson, for QuPath
    #[arg(long)]
    pub geojson: bool,
    /// Also write STEM.rois.zip, for ImageJ and Fiji
    #[arg(long)]
    pub rois: bool,
    #[command(flatten)]
    pub device: DeviceArgs,
}

#[derive(Clone, Debug, Args)]
pub struct SynthArgs {
    /// Output folder for train/ and test/, each with images/, masks/ and labels/, and for manifest.csv
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of training images, 128 x 128
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = SynthOptions::default().train, value_parser = values::images)]
    pub train: usize,
    /// Number of test images, of various sizes
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = SynthOptions::default().test, value_parser = values::images)]
    pub test: usize,
    /// The same seed gives the same images
    #[arg(long, value_name = "S", allow_negative_numbers = true, default_value_t = SynthOptions::default().seed, value_parser = values::seed)]
    pub seed: u64,
}

#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Data set: DIR/{train,test}/{images,masks}/NAME.* or DIR/{images,masks}/NAME.*
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub weights: WeightsArgs,
    /// File to write; its extension decides the format: .safetensors or .bpk (burnpack). Other weights are replaced, other
    /// files are not
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Precision of the stored numbers [default: f32]
    #[arg(long, value_name = "P")]
    pub precision: Option<Precision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    F32,
    F16,
}

impl From<Precision> for rbc_model::weights::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::F16 => Self::F16,
        }
    }
}
