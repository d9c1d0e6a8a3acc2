//! One red cell: its position, its outline, and how much light it absorbs at each point.

use std::f32::consts::TAU;

use rand::Rng;

use super::{noise, outline::Outline, style::Style};

#[derive(Clone, Debug)]
pub struct Cell {
    /// Centre in px.
    pub x: f32,
    pub y: f32,
    pub outline: Outline,
    pub inside: Inside,
}

/// What varies within the outline. Positions and lengths are in cell radii.
#[derive(Clone, Debug)]
pub struct Inside {
    /// Absorbance relative to the slide's typical cell.
    pub density: f32,
    /// Relative absorbance per channel: young cells are bluer, some others redder.
    pub tint: [f32; 3],
    pub rim: f32,
    rim_line: f32,
    pallor: f32,
    pallor_at: (f32, f32),
    pallor_size: f32,
    /// Radius of the flat floor of the pale centre.
    floor: f32,
    /// Slope of the thickness across the cell, in x and y.
    tilt: (f32, f32),
    /// How far the pale centre is narrowed to a slit, and the direction of the slit.
    slit: f32,
    turn: f32,
    dent: (f32, f32),
    /// Height of the stained spot in the centre of a target cell.
    target: f32,
    /// Height of a fold across the cell, and its offset from the centre.
    fold: (f32, f32),
    mottle: f32,
    pub seed: u32,
}

/// Thickness of a resting red cell at distance `q` from its axis (in radii) after Evans and Fung, without the factor
/// sqrt(1 - q²) that closes the rim, relative to its maximum. E. Evans, Y. C. Fung, Microvascular Research 4 (1972)
/// 335: 0.81 + 7.83 q² - 4.39 q⁴ µm.
fn evans_fung(q: f32) -> f32 {
    let q2 = (q * q).min(0.89);
    (0.81 + 7.83 * q2 - 4.39 * q2 * q2) / 4.301
}

impl Inside {
    pub fn random(style: &Style, is_burr: bool, rng: &mut impl Rng) -> Self {
        let near = |spread: f32, rng: &mut dyn rand::RngCore| {
            (rng.random_range(-1.0..1.0) + rng.random_range(-1.0..1.0_f32)) * spread
        };
        let folded = rng.random::<f32>() < style.folded;
        let target = if rng.random::<f32>() < style.target { rng.random_range(0.4..1.0) } else { 0.0 };
        let slit = if folded { rng.random_range(0.3..0.65) } else { rng.random_range(0.0..0.25) };
        let flat = rng.random::<f32>() < 0.15;
        let mut pallor = style.pallor * rng.random_range(0.7..1.2) * if flat { 0.25 } else { 1.0 };
        if is_burr {
            pallor *= 0.5;
        }
        if target > 0.0 {
            pallor = pallor.max(0.6);
        }
        let bluish = if rng.random::<f32>() < 0.03 { rng.random_range(0.04..0.15) } else { 0.0 };
        let ghost = if rng.random::<f32>() < 0.012 { 0.5 } else { 1.0 };
        Self {
            density: (1.0 + near(style.density_spread, rng)).max(0.5) * ghost,
            tint: [
                1.0 + bluish + near(0.04, rng),
                1.0 + near(0.02, rng),
                1.0 - bluish * 0.5 + near(0.04, rng),
            ],
            rim: style.rim * rng.random_range(0.8..1.3),
            rim_line: style.rim_line * rng.random_range(0.5..1.3),
            pallor: pallor.min(1.1),
            pallor_at: (near(0.08, rng), near(0.08, rng)),
            pallor_size: rng.random_range(0.8..1.1),
            floor: rng.random_range(0.0..0.4),
            tilt: (near(style.tilt, rng), near(style.tilt, rng)),
            slit,
            turn: rng.random_range(0.0..TAU),
            dent: (rng.random_range(0.0..0.12), rng.random_range(0.0..TAU)),
            target,
            fold: if folded { (rng.random_range(0.05..0.5), near(0.2, rng)) } else { (0.0, 0.0) },
            mottle: rng.random_range(0.01..0.05),
            seed: rng.random(),
        }
    }

    /// Absorbance at `(u, v)`, in radii. `rho` is the distance from the centre relative to that of the outline,
    /// `edge_px` the distance to the outline and `line_px` the width of the refracted line.
    pub fn absorbance(&self, u: f32, v: f32, rho: f32, edge_px: f32, line_px: f32) -> f32 {
        let (s, c) = self.turn.sin_cos();
        let (du, dv) = (u - self.pallor_at.0, v - self.pallor_at.1);
        let (along, across) = (du * c + dv * s, dv * c - du * s);
        let bent = across + 0.25 * self.slit * along * along;
        let angle = dv.atan2(du);
        let shape = 1.0 + self.dent.0 * (3.0 * angle + self.dent.1).cos();
        let q = (along * along + (bent / (1.0 - self.slit)).powi(2)).sqrt() / self.pallor_size * shape;
        let q = (q - self.floor).max(0.0) / (1.0 - self.floor * 0.8);
        // An off-centre pale area must still end before the rim.
        let q = q.max((rho - 0.75) * 3.6);
        let mut h = 1.0 - self.pallor * (1.0 - evans_fung(q));
        h += self.target * self.pallor * (-(q / 0.3).powi(2)).exp();
        let ridge = (bent - self.fold.1) / 0.12;
        h += self.fold.0 * (-(ridge * ridge)).exp() * (1.0 - rho).clamp(0.0, 0.5);
        h *= (1.0 - rho * rho).max(0.0004).powf(self.rim);
        h *= (1.0 + u * self.tilt.0 + v * self.tilt.1).max(0.3);
        h += self.rim_line * (-((edge_px - line_px) / line_px).powi(2)).exp();
        let cloud = noise::fractal(u * 2.2 + 7.0, v * 2.2, self.seed, 2);
        self.density * h * (1.0 + self.mottle * 2.0 * cloud)
    }
}

/// A random outline of mean radius `r`, in the mix of shapes given by the style, and whether it is that of a burr cell.
pub fn outline(style: &Style, r: f32, rng: &mut impl Rng) -> (Outline, bool) {
    let turn = rng.random_range(0.0..TAU);
    let round = Outline::round(r, style.wobble, rng).oval(rng.random_range(0.9..1.0), turn);
    let mut left = rng.random::<f32>();
    let mut pick = |share: f32| {
        left -= share;
        left < 0.0 && left + share >= 0.0
    };
    if pick(style.burr) {
        let count = rng.random_range(9..22);
        let height = rng.random_range(0.05..0.22) * (14.0 / count as f32).min(1.2);
        (round.burr(count, height, rng).with_area_of(r * 0.95), true)
    } else if pick(style.sickle) {
        (Outline::sickle(r * 1.3, turn, rng).with_area_of(r * 0.75), false)
    } else if pick(style.teardrop) {
        let mut shape = round.tip(turn, rng.random_range(0.25..0.8));
        if rng.random_bool(0.3) {
            shape = shape.tip(turn + rng.random_range(2.7..3.6), rng.random_range(0.2..0.6));
        }
        (shape.with_area_of(r * 0.95), false)
    } else if pick(style.oval) {
        let longish = rng.random_range(0.62..0.9);
        (Outline::round(r, style.wobble * 1.6, rng).oval(longish, turn).with_area_of(r), false)
    } else if pick(style.angular) {
        let mut shape = Outline::round(r, style.wobble * 2.0, rng).oval(rng.random_range(0.8..1.0), turn);
        for _ in 0..rng.random_range(1..4) {
            shape.press(rng.random_range(0.0..TAU), r * rng.random_range(0.7..0.95));
        }
        (shape.with_area_of(r), false)
    } else {
        (round.with_area_of(r), false)
    }
}
