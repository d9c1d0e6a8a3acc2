//! The appearance of each family of slides: stain, light and shapes of cells.
//!
//! The colours were chosen by eye from photographs of such slides.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::style::Style;

impl Style {
    pub(super) fn violet(&mut self, rng: &mut ChaCha8Rng) {
        let white = rng.random_range(0.93..0.995);
        self.background = [white, white, white + 0.004];
        self.stain = scaled([0.62, 0.86, 0.24], rng.random_range(0.8..1.35));
        self.pallor = rng.random_range(0.75..1.1);
        self.parasites = rng.random_range(0.0..0.06);
        self.nucleus = [0.75, 1.9, 0.55];
        self.vignette *= 0.3;
        self.film *= 0.3;
        self.lift = rng.random_range(0.1..0.7);
        self.tilt = rng.random_range(0.05..0.25);
        self.gradient *= 0.4;
    }

    pub(super) fn slate(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.82..0.93);
        self.background = [base, base * 1.01, base * rng.random_range(0.93..1.0)];
        let (purple, gray) = (rng.random_range(0.0..1.0_f32).powi(2), rng.random_range(0.0..1.0_f32).powi(2));
        let hue = [1.0, 0.92 + 0.3 * purple * (1.0 - gray), 0.55 + 0.1 * purple + 0.3 * gray];
        self.stain = scaled(hue, rng.random_range(0.55..1.7));
        self.pallor = rng.random_range(0.1..0.9);
        self.parasites = rng.random_range(0.0..0.06);
        self.glow = rng.random_range(0.02..0.16);
        self.film = rng.random_range(0.0..0.02);
        self.lift = rng.random_range(0.1..0.7);
        self.tilt = rng.random_range(0.05..0.25);
        self.density_spread = rng.random_range(0.1..0.3);
        self.nucleus = [0.9, 1.6, 0.5];
    }

    pub(super) fn drab(&mut self, rng: &mut ChaCha8Rng) {
        let base = rng.random_range(0.52..0.68);
        self.background = [base, base * rng.random_range(0.99..1.02), base * rng.random_range(0.9..0.99)];
        let green = rng.random_range(0.0..1.0);
        self.stain = scaled([0.2, 0.19 - 0.08 * green, 0.15 - 0.1 * green], rng.random_range(0.75..1.4));
        self.pallor = rng.random_range(0.0..0.35);
        self.rim = rng.random_range(0.05..0.12);
        self.angular = rng.random_range(0.1..0.4);
        self.packed = rng.random_range(0.2..0.6);
        self.overlap *= 0.5;
        self.parasites = rng.random_range(0.0..0.08);
        self.nucleus = [0.25, 0.75, 0.35];
        self.noise *= 0.6;
    }

    pub(super) fn ward(&mut self, rng: &mut ChaCha8Rng) {
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

    pub(super) fn field(&mut self, rng: &mut ChaCha8Rng) {
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

    pub(super) fn warm(&mut self, rng: &mut ChaCha8Rng) {
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
        self.squeeze = rng.random_range(0.3..0.75);
    }

    /// Slight variation within a family: white balance and stain.
    pub(super) fn vary(&mut self, rng: &mut ChaCha8Rng) {
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
