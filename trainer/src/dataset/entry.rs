//! One image with its mask: where the files lie, and what is in them.

use crate::data_files::Part;
use crate::files;
use crate::instances;
use crate::masks;
use crate::problem::Problem;
use rbc_model::cells::Labels;
use rbc_model::decode::{self, Orientation};
use rbc_model::{Error, GrayImage, RgbImage};
use std::path::{Path, PathBuf};

/// One image and its mask, decoded.
#[derive(Clone, Debug)]
pub struct Sample {
    /// File name without extension.
    pub name: String,
    /// The image's file, for messages.
    pub file: PathBuf,
    /// The smear that the image was cut from: images of one source always go into the same fold.
    pub source: String,
    pub image: RgbImage,
    /// 255 where there is a red blood cell, 0 elsewhere.
    pub mask: GrayImage,
    /// Width in pixels of the border that has no labels and is ignored.
    pub margin: u32,
    /// The cell that each pixel belongs to, if the data set has `labels/NAME.*`.
    pub instances: Option<Labels>,
}

/// The files of one image and its mask.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub source: String,
    pub part: Part,
    pub image: PathBuf,
    pub mask: PathBuf,
    pub labels: Option<PathBuf>,
    pub margin: u32,
}

impl Entry {
    /// Decodes image and mask, which must be of the same size. Returns warnings as well: about files that look
    /// doubtful, and about labels that can't be used, which the sample then goes without.
    pub fn load(&self) -> Result<(Sample, Vec<Problem>), Problem> {
        let mut doubts = Vec::new();
        let (image, turned) =
            picture(&self.image, &mut doubts, |bytes, name| Ok((decode::decode(bytes, name)?, None)))?;
        let (mask, mask_turned) = picture(&self.mask, &mut doubts, |bytes, name| {
            Ok((decode::decode_mask(bytes, name)?, shades(bytes, name)?))
        })?;
        let turned = turned_apart(turned, mask_turned);
        let (width, height) = image.dimensions();
        if mask.dimensions() != (width, height) {
            let (mask_width, mask_height) = mask.dimensions();
            let mut what = format!(
                "the mask is {mask_width} x {mask_height} but its image is {width} x {height}; they must be of the \
                 same size"
            );
            if let Some(turned) = turned {
                what = format!("{what}; {turned}");
            }
            return Err(Problem::new(&self.mask, what));
        }
        if u64::from(self.margin) * 2 >= u64::from(width.min(height)) {
            let what =
                format!("manifest.csv ignores {} px along each edge, which leaves nothing", self.margin);
            return Err(Problem::new(&self.image, what));
        }
        doubts.extend(turned.map(|what| Problem::new(&self.mask, what)));
        let instances = self.labels.as_deref().map(|labels| instances::read(labels, &mask, self.margin));
        let instances = instances.transpose().unwrap_or_else(|Problem { what, path }| {
            let what = format!("ignored, so only the mask separates cells: {what}");
            doubts.push(Problem::new(&path, what));
            None
        });
        let (name, file, source) = (self.name.clone(), self.image.clone(), self.source.clone());
        Ok((Sample { name, file, source, image, mask, margin: self.margin, instances }, doubts))
    }
}

/// Decodes a file with `parse`, which may return a doubt about it; also returns its orientation. Adds that doubt to
/// `doubts`, and one about pages that are not read.
fn picture<T>(
    path: &Path,
    doubts: &mut Vec<Problem>,
    parse: impl Fn(&[u8], &str) -> Result<(T, Option<String>), Error>,
) -> Result<(T, Orientation), Problem> {
    let (picture, told, turned) = files::decoded(path, |bytes, name| {
        let (picture, doubt) = parse(bytes, name)?;
        let told = [decode::unread(bytes).map(String::from), doubt];
        Ok((picture, told, decode::orientation(bytes)))
    })?;
    doubts.extend(told.into_iter().flatten().map(|what| Problem::new(path, what)));
    Ok((picture, turned))
}

/// A warning if a mask has shades that make cells come out too large, or not at all. In a lossy file, shades along the
/// outlines come from the compression and do no harm.
fn shades(bytes: &[u8], name: &str) -> Result<Option<String>, Error> {
    Ok(if decode::is_lossy(bytes) {
        masks::faint(&decode::decode_faint(bytes, name)?)
    } else {
        masks::blurred(&decode::decode(bytes, name)?)
    })
}

/// A warning if the orientation tags of image and mask differ.
fn turned_apart(image: Orientation, mask: Orientation) -> Option<&'static str> {
    let upright = Orientation::NoTransforms;
    match (image == upright, mask == upright) {
        _ if image == mask => None,
        (false, true) => Some(
            "the image is rotated by its orientation tag but the mask has none: check that they match, or save both \
             upright",
        ),
        (true, false) => Some(
            "the mask is rotated by its orientation tag but the image has none: check that they match, or save both \
             upright",
        ),
        _ => Some("image and mask have different orientation tags: save both upright"),
    }
}
