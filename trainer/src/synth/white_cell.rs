//! White cells: large, with a stained nucleus. They are never in the mask.

use std::f32::consts::TAU;

use rand::Rng;

use super::{layout::Obstacle, noise, outline::Outline, slide::Slide, style::Style};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Lymphocyte or blast: a round nucleus that fills nearly all of the cell.
    Round,
    /// Neutrophil or eosinophil: lobes joined by threads, granules in the cytoplasm.
    Lobed,
    /// Monocyte: a kidney-shaped nucleus, grey-blue cytoplasm.
    Kidney,
    /// Smudge cell: a burst nucleus without an outline.
    Smudge,
}

pub struct WhiteCell {
    kind: Kind,
    x: f32,
    y: f32,
    r: f32,
    outline: Outline,
    /// The nucleus as discs `(u, v, radius)` in cell radii.
    lobes: Vec<(f32, f32, f32)>,
    granules: [f32; 3],
    strength: f32,
    seed: u32,
}

impl WhiteCell {
    pub fn random(style: &Style, at: (f32, f32), rng: &mut impl Rng) -> Self {
        let kind = match rng.random_range(0..10) {
            0..4 => Kind::Round,
            4..7 => Kind::Lobed,
            7..8 => Kind::Kidney,
            _ => Kind::Smudge,
        };
        let times = match kind {
            Kind::Round => rng.random_range(1.05..1.75),
            Kind::Lobed => rng.random_range(1.4..1.8),
            Kind::Kidney => rng.random_range(1.6..2.1),
            Kind::Smudge => rng.random_range(1.2..2.0),
        };
        let r = style.diameter_px * 0.5 * times;
        let turn = rng.random_range(0.0..TAU);
        let wobble = if kind == Kind::Smudge { 0.12 } else { 0.03 };
        let outline = Outline::round(r, wobble, rng).oval(rng.random_range(0.82..1.0), turn);
        let eosinophil = rng.random_bool(0.25);
        Self {
            kind,
            x: at.0,
            y: at.1,
            r,
            outline,
            lobes: lobes(kind, turn, rng),
            granules: if eosinophil { [0.05, 0.45, 0.5] } else { [0.12, 0.3, 0.1] },
            strength: rng.random_range(0.8..1.25),
            seed: rng.random(),
        }
    }

    /// The area that red cells keep away from.
    pub fn obstacle(&self) -> Obstacle {
        Obstacle { x: self.x, y: self.y, r: self.r }
    }

    /// Stains the slide and records in `hidden` the fraction of each pixel that is covered.
    pub fn paint(&self, style: &Style, slide: &mut Slide, hidden: &mut [f32]) {
        let soft = (1.2 / self.r).max(0.03);
        slide.over((self.x, self.y), &self.outline, |slide, (x, y), p| {
            let rag = noise::fractal(p.u * 3.0, p.v * 3.0, self.seed, 3);
            let nucleus = self.nucleus(p.u, p.v, rag);
            let mut inside = (nucleus / soft + 0.5).clamp(0.0, 1.0);
            let mut cover = p.cover;
            if self.kind == Kind::Smudge {
                let streak = noise::fractal(p.u * 5.0 + rag, p.v * 5.0 - rag * 2.0, self.seed ^ 5, 3);
                inside = ((nucleus + streak * 0.35) / 0.16 + 0.5).clamp(0.0, 1.0);
                inside *= 0.75 + 0.5 * streak;
                cover *= inside.max(((1.0 - p.rho) * 3.0).clamp(0.0, 0.35));
            }
            let chromatin = noise::fractal(p.u * 7.0, p.v * 7.0, self.seed ^ 1, 3);
            let grain = noise::fractal(p.u * 14.0, p.v * 14.0, self.seed ^ 2, 2);
            let dark = self.strength * (1.0 + 0.32 * chromatin);
            let density: [f32; 3] = std::array::from_fn(|c| {
                let pale = self.cytoplasm(style, c, grain, p.rho);
                inside * style.nucleus[c] * dark + (1.0 - inside) * pale
            });
            slide.add(x, y, density, cover);
            let at = (y * slide.width + x) as usize;
            hidden[at] = hidden[at].max(p.cover);
        });
    }

    /// Depth of a point in the nucleus in cell radii; negative outside.
    fn nucleus(&self, u: f32, v: f32, rag: f32) -> f32 {
        // Smooth union of the discs.
        let sum: f32 = self.lobes.iter().map(|&(x, y, r)| ((r - (u - x).hypot(v - y)) * 18.0).exp()).sum();
        sum.max(1e-9).ln() / 18.0 + rag * 0.06
    }

    fn cytoplasm(&self, style: &Style, channel: usize, grain: f32, rho: f32) -> f32 {
        let edge = 0.75 + 0.45 * rho * rho;
        match self.kind {
            Kind::Lobed => (self.granules[channel] * (1.0 + 1.2 * grain) + 0.06).max(0.0) * self.strength,
            Kind::Smudge => style.nucleus[channel] * 0.18 * (1.0 + 0.8 * grain),
            _ => style.cytoplasm[channel] * edge * (1.0 + 0.35 * grain) * self.strength,
        }
    }
}

fn lobes(kind: Kind, turn: f32, rng: &mut impl Rng) -> Vec<(f32, f32, f32)> {
    let polar = |a: f32, d: f32, r: f32| (a.cos() * d, a.sin() * d, r);
    match kind {
        Kind::Round => {
            let fill = rng.random_range(0.72..0.93);
            vec![polar(turn, 0.95 - fill, fill), polar(turn + 2.0, 0.1, fill * 0.9)]
        }
        Kind::Kidney => {
            (-3..=3).map(|i| polar(turn + i as f32 * 0.42, 0.32, 0.34 + 0.02 * (i as f32).abs())).collect()
        }
        Kind::Smudge => {
            (0..4).map(|_| polar(rng.random_range(0.0..TAU), rng.random_range(0.0..0.3), 0.5)).collect()
        }
        Kind::Lobed => {
            let count = rng.random_range(2..6);
            let pitch = rng.random_range(0.95..1.35_f32).min(5.2 / count as f32);
            let size = if count == 2 { 0.38 } else { 0.28 };
            let mut discs = Vec::new();
            for i in 0..count {
                let a = turn + i as f32 * if count == 2 { 2.2 } else { pitch };
                let d = rng.random_range(0.34..0.5);
                discs.push(polar(a, d, size * rng.random_range(0.8..1.2)));
                if i > 0 {
                    // The thread that joins it to the previous lobe.
                    let (p, q) = (discs[discs.len() - 2], discs[discs.len() - 1]);
                    for t in [0.35, 0.5, 0.65] {
                        discs.push((p.0 + (q.0 - p.0) * t, p.1 + (q.1 - p.1) * t, 0.08));
                    }
                    let last = discs.len() - 1;
                    discs.swap(last, last - 3);
                }
            }
            discs
        }
    }
}
