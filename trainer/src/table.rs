//! Tables for the terminal.

use crate::records::ImageRecord;
use std::fmt::Write;

/// A line for each image with its figures.
pub fn of_images(images: &[ImageRecord]) -> String {
    let name_width = images.iter().map(|image| image.name.chars().count()).max().unwrap_or(0).max(5);
    let mut out = format!(
        "{:<name_width$}  {:>11}  {:>6}  {:>6}  {:>6}  {:>11}  {:>13}\n",
        "image", "size", "IoU", "mIoU", "Dice", "boundary F1", "cells (true)"
    );
    for image in images {
        let size = format!("{} x {}", image.width, image.height);
        let cells = format!("{} ({})", image.cells_predicted, image.cells_true);
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{:<name_width$}  {size:>11}  {:.4}  {:.4}  {:.4}  {:>11.4}  {cells:>13}",
            image.name, image.iou, image.miou, image.dice, image.boundary_f1
        );
    }
    out
}
