//! How a slide looks: its stain, its light, its camera, and what lies on it.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A kind of slide and microscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Thin malaria smear, Giemsa, bright violet cells on white.
    Violet,
    /// Thin malaria smear, dark blue-gray cells on off-white.
    Slate,
    /// Thin malaria smear under a dim lamp: flat gray-green cells hardly darker than the slide.
    Drab,
    /// Leukaemia ward: flat tan cells on gray-green, large purple white cells.
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

    /// Whether its red cells are violet to blue, as elsewhere only white ones are.
    pub fn is_violet(self) -> bool {
        matches!(self, Self::Violet | Self::Slate)
    }

    /// Cell diameters usual for the family, px, smallest and largest.
    pub fn usual_diameter(self) -> (f32, f32) {
        match self {
            Self::Violet | Self::Slate | Self::Drab => (45.0, 120.0),
            Self::Ward => (40.0, 95.0),
            Self::Field => (25.0, 60.0),
            Self::Warm => (60.0, 110.0),
        }
    }
}

/// Everything a smear is drawn from. Lengths are in cell diameters unless the name says px; absorbances are
/// natural-log optical densities per colour channel (red, green, blue) of one cell at its thickest.
#[derive(Clone, Debug)]
pub struct Style {
    pub family: Family,
    /// Mean diameter of a red cell, px.
    pub diameter_px: f32,
    /// Relative standard deviation of the diameter.
    pub size_spread: f32,
    /// Share of the picture that cells should cover, overlaps counted twice.
    pub coverage: f32,
    /// 0: cells spread evenly; 1: crowded here and bare there.
    pub clumping: f32,
    /// Of the cells placed, the shares that lie over another one, stand in a roll, are pressed against others.
    pub overlap: f32,
    pub rouleaux: f32,
    pub packed: f32,
    /// Shares of the shapes; the rest are round.
    pub oval: f32,
    pub burr: f32,
    pub teardrop: f32,
    pub sickle: f32,
    /// Flattened on one to three sides.
    pub angular: f32,
    pub target: f32,
    pub folded: f32,
    /// Irregularity of a round outline.
    pub wobble: f32,
    /// Depth of the pale centre: 0 none, 1 that of Evans and Fung's resting cell.
    pub pallor: f32,
    /// How much thicker a cell may be on one side.
    pub tilt: f32,
    /// How softly the rim rises: exponent of (1 - r²); dried cells have steep rims.
    pub rim: f32,
    /// Strength of the refracted line along the outline.
    pub rim_line: f32,
    /// How far a cell squeezes those beneath it thinner (0: absorbances add in full), and how bright the line is
    /// that its edge draws on them.
    pub squeeze: f32,
    pub lift: f32,
    pub background: [f32; 3],
    pub stain: [f32; 3],
    pub density_spread: f32,
    pub nucleus: [f32; 3],
    pub cytoplasm: [f32; 3],
    /// White cells and platelets per red cell.
    pub white_cells: f32,
    pub platelets: f32,
    /// Share of red cells with a parasite.
    pub parasites: f32,
    /// Share of red cells with bright drying bubbles.
    pub bubbles: f32,
    /// Specks and precipitate per area of one cell.
    pub debris: f32,
    /// Stained protein film, as a share of the red cell's absorbance.
    pub film: f32,
    /// Light: fall from one side to the other, from centre to corner, and cloudiness, relative.
    pub gradient: f32,
    pub vignette: f32,
    pub mottling: f32,
    /// Standard deviation of the point spread, px.
    pub blur_px: f32,
    /// Share of light scattered widely.
    pub glow: f32,
    /// The camera's own sharpening.
    pub sharpen: f32,
    /// Sideways shift of red against blue at the corner, px.
    pub chromatic_px: f32,
    /// Standard deviation of the noise, of full scale.
    pub noise: f32,
    /// JPEG quality, if the picture went through JPEG.
    pub jpeg: Option<u8>,
}

impl Style {
    /// A family's slide at one of its usual magnifications times `scale`.
    pub fn usual(family: Family, scale: f32, seed: u64, rng: &mut impl Rng) -> Self {
        let (low, high) = family.usual_diameter();
        Self::of(family, low * (high / low).powf(rng.random()) * scale, seed)
    }

    /// Any family, any usual magnification.
    #[cfg(test)]
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let family = Family::ALL[rng.random_range(0..Family::ALL.len())];
        Self::usual(family, 1.0, seed, &mut rng)
    }

    /// One slide of a family, with cells of the given diameter.
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

    /// What the families share.
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
