//! `rbc.json`: what the weights were trained on and how good they are.

use crate::cli::{TrainArgs, command_line};
use crate::recipe::FitConfig;
use crate::records::CrossValidation;
use serde::Serialize;

/// The model card, machine-readable.
#[derive(Clone, Debug, Serialize)]
pub struct Card {
    pub name: &'static str,
    pub version: &'static str,
    pub intended_use: &'static str,
    pub classes: [&'static str; 2],
    /// Every setting of the fit.
    pub config: FitConfig,
    pub data: Data,
    /// `null` if the weights were trained without cross-validation.
    pub cross_validation: Option<Figures>,
    pub seed: u64,
    pub device: String,
    /// The command line that produced the weights.
    pub command: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Data {
    pub images: usize,
    pub whole_fields: usize,
    pub synthetic_smears: usize,
    /// Minimum number of white cells per 100 red cells in the smears; 0 where no minimum was set.
    pub synthetic_white_cells: f32,
    pub folder: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub folds: usize,
    pub mean_iou: f64,
    pub std_iou_over_folds: f64,
    pub median_iou: f64,
    pub min_iou: f64,
    pub share_above_95: f64,
    pub seconds: f64,
    /// Probability at which the network drew the outline before its last bias was changed to move it to one half.
    pub threshold: f32,
}

impl Card {
    /// `validation` is the cross-validation with the threshold chosen from it; the counts are the images and the whole
    /// fields trained on.
    pub fn new(
        args: &TrainArgs,
        config: &FitConfig,
        device: &str,
        validation: Option<(&CrossValidation, f32)>,
        [images, whole_fields]: [usize; 2],
    ) -> Self {
        // Resolved, so that the folder has a name even if it was given as `.`; the path as typed is in the command.
        let whole = args.data.as_deref().map(|data| data.canonicalize().unwrap_or_else(|_| data.into()));
        let folder = whole.as_deref().map(|data| data.file_name().unwrap_or(data.as_os_str()));
        let cross_validation = validation.map(|(validation, threshold)| Figures {
            folds: validation.folds.len(),
            mean_iou: validation.mean_iou,
            std_iou_over_folds: validation.std_iou,
            median_iou: validation.median_iou,
            min_iou: validation.min_iou,
            share_above_95: validation.share_above_95,
            seconds: validation.seconds,
            threshold,
        });
        Self {
            name: "rbc",
            version: env!("CARGO_PKG_VERSION"),
            intended_use: "red blood cell segmentation in stained smears for research and teaching; not for diagnosis",
            classes: ["background", "red blood cell"],
            config: config.clone(),
            data: Data {
                images,
                whole_fields,
                synthetic_smears: args.synthetic,
                synthetic_white_cells: args.white_cells,
                folder: folder.map_or_else(|| "synthetic".into(), |name| name.to_string_lossy().into_owned()),
            },
            cross_validation,
            seed: args.seed,
            device: device.to_string(),
            command: command_line(),
        }
    }
}
