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
    /// Leukaemia ward: flat tan cells on gray-green, large purple white cells.
    Ward,
    /// Low magnification, brown-red cells on pale green or mauve, many burr cells.
    Field,
    /// Thick, warm, soft: heavy overlap, pink-orange cells.
    Warm,
}

impl Family {
    pub const ALL: [Self; 5] = [Self::Violet, Self::Slate, Self::Ward, Self::Field, Self::Warm];

    pub fn name(self) -> &'static str {
        match self {
            Self::Violet => "violet",
            Self::Slate => "slate",
            Self::Ward => "ward",
            Self::Field => "field",
            Self::Warm => "warm",
        }
    }

    /// Cell diameters usual for the family, px, smallest and largest.
    pub fn usual_diameter(self) -> (f32, f32) {
        match self {
            Self::Violet | Self::Slate => (45.0, 120.0),
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
    pub target: f32,
    pub folded: f32,
    /// Irregularity of a round outline.
    pub wobble: f32,
    /// Depth of the pale centre: 0 none, 1 that of Evans and Fung's resting cell.
    pub pallor: f32,
    /// How softly the rim rises: exponent of (1 - r²); dried cells have steep rims.
    pub rim: f32,
    /// Strength of the refracted line along the outline.
    pub rim_line: f32,
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
    /// Any family, any usual magnification.
    pub fn random(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x57_1E_D0);
        let family = Family::ALL[rng.random_range(0..Family::ALL.len())];
        let (low, high) = family.usual_diameter();
        Self::of(family, low * (high / low).powf(rng.random()), seed)
    }

    /// One slide of a family, with cells of the given diameter.
    pub fn of(family: Family, diameter_px: f32, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x0005_717E);
        let mut style = Self::plain(family, diameter_px.clamp(4.0, 1000.0), &mut rng);
        match family {
            Family::Violet => style.violet(&mut rng),
            Family::Slate => style.slate(&mut rng),
            Family::Ward => style.ward(&mut rng),
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
            coverage: rng.random_range(0.12..0.5),
            clumping: rng.random_range(0.0..0.9),
            overlap: rng.random_range(0.0..0.2),
            rouleaux: if rng.random_bool(0.2) { rng.random_range(0.02..0.06) } else { 0.0 },
            packed: rng.random_range(0.05..0.4),
            oval: rng.random_range(0.1..0.3),
            burr: if rng.random_bool(0.3) { rng.random_range(0.02..0.5) } else { 0.01 },
            teardrop: rng.random_range(0.0..0.06),
            sickle: if rng.random_bool(0.15) { rng.random_range(0.02..0.15) } else { 0.004 },
            target: rng.random_range(0.0..0.06),
            folded: rng.random_range(0.03..0.2),
            wobble: rng.random_range(0.008..0.024),
            pallor: rng.random_range(0.4..0.9),
            rim: rng.random_range(0.08..0.25),
            rim_line: rng.random_range(0.0..0.12),
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
            film: rng.random_range(0.0..0.03),
            gradient: rng.random_range(0.0..0.08),
            vignette: rng.random_range(0.0..0.1),
            mottling: rng.random_range(0.0..0.02),
            blur_px: (diameter_px * rng.random_range(0.008..0.02)).max(0.55),
            glow: rng.random_range(0.0..0.08),
            sharpen: rng.random_range(0.0..0.4),
            chromatic_px: rng.random_range(-0.8..0.8),
            noise: rng.random_range(0.004..0.014),
            jpeg: rng.random_bool(0.7).then(|| rng.random_range(72..96)),
        }
    }

    fn violet(&mut self, rng: &mut ChaCha8Rng) {
        let white = rng.random_range(0.93..0.995);
        self.background = [white, white, white + 0.004];
        self.stain = scaled([0.62, 0.86, 0.24], rng.random_range(0.8..1.35));
        self.pallor = rng.random_range(0.7..1.0);
        self.parasites = rng.random_range(0.0..0.06);
        self.nucleus = [0.75, 1.9, 0.55];
        self.vignette *= 0.3;
        self.gradient *= 0.4;
    }

    fn slate(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.82..0.93);
        self.background = [base, base * 1.01, base * rng.random_range(0.93..1.0)];
        self.stain = scaled([1.0, 0.92, 0.55], rng.random_range(0.55..1.7));
        self.pallor = rng.random_range(0.1..0.9);
        self.parasites = rng.random_range(0.0..0.06);
        self.glow = rng.random_range(0.02..0.16);
        self.film = rng.random_range(0.005..0.05);
        self.density_spread = rng.random_range(0.1..0.3);
        self.nucleus = [0.9, 1.6, 0.5];
    }

    fn ward(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.5..0.74);
        self.background = [base, base * 1.012, base * rng.random_range(0.95..1.0)];
        self.stain = scaled([0.10, 0.235, 0.22], rng.random_range(0.8..1.7));
        self.pallor = rng.random_range(0.05..0.55);
        self.rim = rng.random_range(0.06..0.14);
        self.packed = rng.random_range(0.2..0.6);
        self.overlap *= 0.6;
        self.white_cells = rng.random_range(0.005..0.05);
        self.nucleus = [0.85, 1.75, 0.42];
        self.cytoplasm = [0.3, 0.3, 0.05];
        self.density_spread *= 0.6;
        self.noise = rng.random_range(0.005..0.016);
        self.burr *= 0.4;
        self.chromatic_px *= 1.5;
    }

    fn field(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.56..0.74);
        if rng.random_bool(0.6) {
            self.background = [base * 0.95, base * 1.04, base * 0.97];
            self.stain = scaled([0.62, 1.0, 0.72], rng.random_range(0.5..1.25));
        } else {
            self.background = [base, base * 0.9, base * 0.95];
            self.stain = scaled([0.2, 0.36, 0.25], rng.random_range(0.8..1.3));
        }
        self.pallor = rng.random_range(0.05..0.6);
        self.burr = rng.random_range(0.05..0.35);
        self.coverage = rng.random_range(0.25..0.5);
        self.platelets = rng.random_range(0.03..0.15);
        self.nucleus = [0.75, 1.1, 0.45];
        self.rim_line = rng.random_range(0.08..0.25);
        self.sharpen = rng.random_range(0.2..0.7);
        self.vignette = rng.random_range(0.04..0.16);
    }

    fn warm(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.82..0.92);
        self.background = [base, base * rng.random_range(0.96..1.0), base * rng.random_range(0.9..0.99)];
        self.stain = scaled([0.14, 0.38, 0.42], rng.random_range(0.8..1.3));
        self.pallor = rng.random_range(0.4..0.9);
        self.rim = rng.random_range(0.15..0.3);
        self.overlap = rng.random_range(0.15..0.45);
        self.rouleaux = rng.random_range(0.0..0.08);
        self.clumping = rng.random_range(0.5..1.0);
        self.coverage = rng.random_range(0.3..0.6);
        self.bubbles = rng.random_range(0.0..0.5);
        self.white_cells = rng.random_range(0.01..0.05);
        self.nucleus = [0.95, 1.1, 0.15];
        self.cytoplasm = [0.12, 0.22, 0.06];
        self.blur_px = self.blur_px.max(self.diameter_px * rng.random_range(0.012..0.028));
        self.rim_line = rng.random_range(0.05..0.2);
    }

    /// Slides of one family differ too: a little white balance, a little stain.
    fn vary(&mut self, rng: &mut ChaCha8Rng) {
        for c in 0..3 {
            self.background[c] = (self.background[c] * rng.random_range(0.98..1.02)).min(1.0);
            let stain = rng.random_range(0.92..1.08);
            self.stain[c] *= stain;
            self.nucleus[c] *= stain * rng.random_range(0.9..1.1);
            self.cytoplasm[c] *= stain;
        }
    }
}

fn scaled(v: [f32; 3], factor: f32) -> [f32; 3] {
    v.map(|x| x * factor)
}
