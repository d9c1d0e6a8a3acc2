//! The appearance of a slide: its stain, light, camera, and what lies on it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of slide and microscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Thin malaria smear, Giemsa, bright violet cells on white.
    Violet,
    /// Thin malaria smear, dark blue-grey cells on off-white.
    Slate,
    /// Thin malaria smear under a dim lamp: flat grey-green cells hardly darker than the slide.
    Drab,
    /// Leukaemia ward: flat tan cells on grey-green, large purple white cells.
    Ward,
    /// Low magnification, brown-red cells on pale green or mauve, many burr cells.
    Field,
    /// Thick, warm, soft: heavy overlap, pink-orange cells.
    Warm,
}

impl Family {
    pub const ALL: [Self; 6] = [Self::Violet, Self::Slate, Self::Drab, Self::Ward, Self::Field, Self::Warm];

    pub fn name(self) -> &'static str {
        match self {
            Self::Violet => "violet",
            Self::Slate => "slate",
            Self::Drab => "drab",
            Self::Ward => "ward",
            Self::Field => "field",
            Self::Warm => "warm",
        }
    }

    /// Whether its red cells are violet to blue, as only white cells are in other families.
    pub fn is_violet(self) -> bool {
        matches!(self, Self::Violet | Self::Slate)
    }

    /// Smallest and largest typical cell diameter of the family in px.
    pub fn usual_diameter(self) -> (f32, f32) {
        match self {
            Self::Violet | Self::Slate | Self::Drab => (45.0, 120.0),
            Self::Ward => (40.0, 95.0),
            Self::Field => (25.0, 60.0),
            Self::Warm => (60.0, 110.0),
        }
    }
}

/// All parameters of a smear. Lengths are in cell diameters unless the name ends in `px`; absorbances are natural-log
/// optical densities of one cell at its thickest, for each colour channel (red, green, blue).
#[derive(Clone, Debug)]
pub struct Style {
    pub family: Family,
    /// Mean diameter of a red cell in px.
    pub diameter_px: f32,
    /// Relative standard deviation of the diameter.
    pub size_spread: f32,
    /// Share of the picture to be covered by cells; overlaps count twice.
    pub coverage: f32,
    /// 0: cells are spread evenly; 1: crowded in some places and sparse in others.
    pub clumping: f32,
    /// Shares of the placed cells that lie over another one, stand in a rouleau, are pressed against others.
    pub overlap: f32,
    pub rouleaux: f32,
    pub packed: f32,
    /// Shares of the shapes; all other cells are round.
    pub oval: f32,
    pub burr: f32,
    pub teardrop: f32,
    pub sickle: f32,
    /// Flattened on one to three sides.
    pub angular: f32,
    /// Shares of target cells and of cells with a fold.
    pub target: f32,
    pub folded: f32,
    /// Irregularity of a round outline.
    pub wobble: f32,
    /// Depth of the pale centre: 0 none, 1 that of Evans and Fung's resting cell.
    pub pallor: f32,
    /// Spread of the difference in thickness from one side to the other.
    pub tilt: f32,
    /// How gradually the rim rises: exponent of (1 - r²). Dried cells have steep rims.
    pub rim: f32,
    /// Strength of the refracted line along the outline.
    pub rim_line: f32,
    /// How much a cell thins those beneath it (0: absorbances add up in full), and the brightness of the line that its
    /// edge draws on them.
    pub squeeze: f32,
    pub lift: f32,
    /// Light of the empty slide in each channel, 1 being full scale.
    pub background: [f32; 3],
    /// Absorbance of red cells, and its relative spread between cells.
    pub stain: [f32; 3],
    pub density_spread: f32,
    /// Absorbances of nuclei (also of platelets and parasites) and of the cytoplasm of white cells.
    pub nucleus: [f32; 3],
    pub cytoplasm: [f32; 3],
    /// White cells and platelets, each per red cell.
    pub white_cells: f32,
    pub platelets: f32,
    /// Share of red cells with a parasite.
    pub parasites: f32,
    /// Share of red cells with bright drying bubbles.
    pub bubbles: f32,
    /// Specks and clouds of precipitate per squared cell diameter.
    pub debris: f32,
    /// Stained protein film all over the slide, as a share of the absorbance of nuclei.
    pub film: f32,
    /// Relative fall of the light from one side to the other and from centre to corner, and its mottling.
    pub gradient: f32,
    pub vignette: f32,
    pub mottling: f32,
    /// Standard deviation of the point spread in px.
    pub blur_px: f32,
    /// Share of the light that is scattered widely.
    pub glow: f32,
    /// Strength of the camera's own sharpening.
    pub sharpen: f32,
    /// Sideways shift of red against blue in the corners in px.
    pub chromatic_px: f32,
    /// Standard deviation of the noise, relative to full scale.
    pub noise: f32,
    /// JPEG quality, if the picture went through JPEG.
    pub jpeg: Option<u8>,
}

impl Style {
    /// A slide of a family at one of its typical magnifications, times `scale`.
    pub fn usual(family: Family, scale: f32, seed: u64, rng: &mut impl Rng) -> Self {
        let (low, high) = family.usual_diameter();
        Self::of(family, low * (high / low).powf(rng.random()) * scale, seed)
    }

    /// A slide of any family at any typical magnification.
    #[cfg(test)]
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let family = Family::ALL[rng.random_range(0..Family::ALL.len())];
        Self::usual(family, 1.0, seed, &mut rng)
    }

    /// A slide of a family with cells of the given diameter.
    pub fn of(family: Family, diameter_px: f32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ ((family as u64 + 1) << 40));
        let mut style = Self::plain(family, diameter_px.clamp(4.0, 1000.0), &mut rng);
        match family {
            Family::Violet => style.violet(&mut rng),
            Family::Slate => style.slate(&mut rng),
            Family::Ward => style.ward(&mut rng),
            Family::Drab => style.drab(&mut rng),
            Family::Field => style.field(&mut rng),
            Family::Warm => style.warm(&mut rng),
        }
        style.vary(&mut rng);
        style
    }

    /// The parameters common to all families.
    fn plain(family: Family, diameter_px: f32, rng: &mut ChaCha8Rng) -> Self {
        Self {
            family,
            diameter_px,
            size_spread: rng.random_range(0.05..0.13),
            coverage: rng.random_range(0.16..0.5),
            clumping: rng.random_range(0.0..0.9),
            overlap: rng.random_range(0.0..0.2),
            rouleaux: if rng.random_bool(0.2) { rng.random_range(0.02..0.06) } else { 0.0 },
            packed: rng.random_range(0.05..0.4),
            oval: rng.random_range(0.1..0.3),
            burr: if rng.random_bool(0.3) { rng.random_range(0.02..0.5) } else { 0.01 },
            teardrop: rng.random_range(0.0..0.06),
            sickle: if rng.random_bool(0.15) { rng.random_range(0.02..0.15) } else { 0.004 },
            angular: rng.random_range(0.02..0.2),
            target: rng.random_range(0.0..0.06),
            folded: rng.random_range(0.03..0.2),
            wobble: rng.random_range(0.008..0.024),
            pallor: rng.random_range(0.4..0.9),
            tilt: rng.random_range(0.02..0.12),
            rim: rng.random_range(0.08..0.25),
            rim_line: rng.random_range(0.0..0.12),
            squeeze: rng.random_range(0.0..0.35),
            lift: rng.random_range(0.0..0.3),
            background: [0.9; 3],
            stain: [0.6; 3],
            density_spread: rng.random_range(0.06..0.2),
            nucleus: [1.2, 1.7, 0.6],
            cytoplasm: [0.35, 0.4, 0.12],
            white_cells: rng.random_range(0.0..0.012),
            platelets: rng.random_range(0.0..0.08),
            parasites: 0.0,
            bubbles: 0.0,
            debris: rng.random_range(0.0..0.25),
            film: rng.random_range(0.0..0.012),
            gradient: rng.random_range(0.0..0.08),
            vignette: rng.random_range(0.0..0.1),
            mottling: rng.random_range(0.0..0.01),
            blur_px: (diameter_px
                * if rng.random_bool(0.1) {
                    rng.random_range(0.02..0.045)
                } else {
                    rng.random_range(0.006..0.016)
                })
            .max(0.55),
            glow: rng.random_range(0.0..0.08),
            sharpen: rng.random_range(0.0..0.4),
            chromatic_px: rng.random_range(-0.8..0.8),
            noise: rng.random_range(0.004..0.014),
            jpeg: rng.random_bool(0.7).then(|| rng.random_range(62..96)),
        }
    }
}
