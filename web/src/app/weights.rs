//! Weights of the network, with what is known about them.

use crate::js::View;
use js_sys::{ArrayBuffer, JSON};

/// Weights as fetched or dropped.
#[derive(Clone)]
pub struct Weights {
    pub bytes: ArrayBuffer,
    /// The model card, JSON as `trainer train` writes it; empty if there is none.
    pub card: String,
    pub name: String,
    /// Unique while the page is open, unlike names.
    pub serial: u32,
}

impl Weights {
    /// Describes the model and its accuracy for the user.
    pub fn facts(&self) -> String {
        let card = JSON::parse(&self.card).unwrap_or_default();
        let [measured, data] = ["cross_validation", "data"].map(|key| View(&card).value(key));
        let iou = View(&measured).maybe_number("mean_iou");
        let told = iou.zip(View(&data).maybe_number("images")).map(|(iou, images)| {
            format!(" In cross-validation on {images} images its mean IoU was {iou:.2}.")
        });
        format!("Model: {}.{}", self.name, told.unwrap_or_default())
    }
}
