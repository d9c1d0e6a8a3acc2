//! The training material: the images, the whole fields that they were cut from, and synthetic smears; and which of them
//! a network sees.

use crate::dataset::Sample;
use crate::field::Pool;
use crate::folds::Fold;
use rbc_model::light::Lights;
use std::collections::{HashMap, HashSet};

/// Everything that a run trains on.
pub struct Material {
    /// The images that are split into folds.
    pub samples: Vec<Sample>,
    /// Whole fields; crops are drawn from them instead of the samples of the same source.
    pub fields: Vec<Sample>,
    /// Synthetic smears, on which every network is trained.
    pub smears: Vec<Sample>,
    /// Number of bad files; each was reported.
    pub left_out: usize,
}

impl Material {
    /// The images a fold holds out, and those it trains on.
    pub fn split(&self, fold: &Fold) -> (Vec<&Sample>, Vec<&Sample>) {
        let held_out: HashSet<&str> = fold.validation.iter().map(String::as_str).collect();
        self.samples.iter().partition(|sample| held_out.contains(sample.name.as_str()))
    }

    /// The whole fields that the images were cut from, and those images that have no field. The threshold is chosen on
    /// them: like the images that users will segment, they have their original resolution and many cells.
    pub fn calibration_images<'a>(&'a self, images: &[&'a Sample]) -> Vec<&'a Sample> {
        let sources: HashSet<&str> = images.iter().map(|image| image.source.as_str()).collect();
        let fields = self.fields.iter().filter(|field| sources.contains(field.source.as_str()));
        let covered: HashSet<&str> = fields.clone().map(|field| field.source.as_str()).collect();
        fields
            .chain(images.iter().copied().filter(|image| !covered.contains(image.source.as_str())))
            .collect()
    }

    /// The lights of the training images. Synthetic smears are left out, since theirs may never occur in a microscope.
    pub fn lights(&self, train: &[&Sample], held_out: &[&Sample]) -> Option<Lights> {
        Lights::of(self.crop_sources(train, held_out).map(|sample| &sample.image))
    }

    /// The images that crops are drawn from: whole fields, and those training images whose source has no field. Fields
    /// whose source is held out are left out.
    fn crop_sources<'a>(
        &'a self,
        train: &[&'a Sample],
        held_out: &[&Sample],
    ) -> impl Iterator<Item = &'a Sample> {
        let away: HashSet<&str> = held_out.iter().map(|sample| sample.source.as_str()).collect();
        let fields = self.fields.iter().filter(move |field| !away.contains(field.source.as_str()));
        let covered: HashSet<&str> = self.fields.iter().map(|field| field.source.as_str()).collect();
        let rest = train.iter().copied().filter(move |sample| !covered.contains(sample.source.as_str()));
        fields.chain(rest)
    }

    /// The pool that crops are drawn from: the images of [`Self::crop_sources`] and the synthetic smears.
    pub fn pool(&self, train: &[&Sample], held_out: &[&Sample], working_diameter: f32) -> Pool {
        let samples: Vec<&Sample> = self.crop_sources(train, held_out).chain(&self.smears).collect();
        let share = shares(train, &self.fields);
        Pool::new(&samples, working_diameter, share)
    }
}

/// How often something is drawn. The fields of a source together count about as often as training images were cut from it,
/// which keeps the images' mixture of smears; everything else counts once.
fn shares<'a>(train: &[&'a Sample], fields: &'a [Sample]) -> impl Fn(&Sample) -> usize + use<'a> {
    let mut of_source: HashMap<&str, (usize, usize)> = HashMap::new();
    for field in fields {
        of_source.entry(&field.source).or_default().0 += 1;
    }
    for sample in train {
        of_source.entry(&sample.source).or_default().1 += 1;
    }
    move |sample| match of_source.get(sample.source.as_str()) {
        Some(&(fields, cuts)) if fields > 0 => (cuts / fields).max(1),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::sample;
    use rbc_model::{GrayImage, RgbImage};

    #[test]
    fn the_mixture_of_smears_is_that_of_the_images() {
        let of = |source: &str| sample("a", source, RgbImage::new(8, 8), GrayImage::new(8, 8));
        let train: Vec<Sample> = ["a", "a", "a", "a", "b", "c", "c"].map(of).into();
        let share = shares(&train.iter().collect::<Vec<_>>(), &[]);
        assert_eq!(["a", "b", "c", "synthetic-0"].map(|source| share(&of(source))), [1; 4]);
        // Two fields of one smear, and one that no image was cut from.
        let fields = ["a", "a", "b", "d"].map(of);
        let share = shares(&train.iter().collect::<Vec<_>>(), &fields);
        assert_eq!(["a", "b", "c", "d"].map(|source| share(&of(source))), [2, 1, 1, 1]);
    }
}
