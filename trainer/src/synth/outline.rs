//! Outlines of cells, given by the radius in pixels for each direction from the centre.
//!
//! The outline defines the truth: a pixel belongs to the cell if its centre lies inside. Every shape is star-shaped
//! about its centre; sickles are bent no further than this allows.

use std::f32::consts::{PI, TAU};

use rand::Rng;

/// Number of directions in an outline.
const STEPS: usize = 256;

#[derive(Clone, Debug)]
pub struct Outline {
    radius: Vec<f32>,
}

impl Outline {
    /// A circle of radius `r` with slight irregularities: harmonics 2 to 6, `wobble` being their relative size.
    pub fn round(r: f32, wobble: f32, rng: &mut impl Rng) -> Self {
        let waves: Vec<(f32, f32, f32)> = (2..=6)
            .map(|k| {
                (k as f32, wobble * rng.random_range(-1.0..1.0) * 2.0 / k as f32, rng.random_range(0.0..TAU))
            })
            .collect();
        Self::from_fn(|a| {
            r * (1.0 + waves.iter().map(|(k, size, shift)| size * (k * a + shift).cos()).sum::<f32>())
        })
    }

    fn from_fn(radius: impl Fn(f32) -> f32) -> Self {
        Self { radius: (0..STEPS).map(|i| radius(i as f32 * TAU / STEPS as f32)).collect() }
    }

    fn scale_by(&mut self, factor: impl Fn(f32) -> f32) {
        for (i, r) in self.radius.iter_mut().enumerate() {
            *r *= factor(i as f32 * TAU / STEPS as f32);
        }
    }

    /// Stretches it to an ellipse of the given aspect (short over long axis) without changing its area.
    pub fn oval(mut self, aspect: f32, turn: f32) -> Self {
        self.scale_by(|a| {
            let (s, c) = (a - turn).sin_cos();
            1.0 / (c * c * aspect + s * s / aspect).sqrt()
        });
        self
    }

    /// Burr cell (echinocyte): `count` short, unevenly spaced projections of `height` relative to the radius.
    pub fn burr(mut self, count: usize, height: f32, rng: &mut impl Rng) -> Self {
        let pitch = TAU / count as f32;
        let spikes: Vec<(f32, f32, f32)> = (0..count)
            .map(|i| {
                let at = (i as f32 + rng.random_range(-0.3..0.3)) * pitch;
                (at, height * rng.random_range(0.3..1.2), pitch * rng.random_range(0.22..0.42))
            })
            .collect();
        self.scale_by(|a| {
            1.0 - height * 0.4
                + spikes
                    .iter()
                    .map(|(at, h, width)| h * (-(turn_between(a, *at) / width).powi(2)).exp())
                    .sum::<f32>()
        });
        self
    }

    /// Draws it out to a tip in direction `turn`: one makes a teardrop, two opposite ones a lemon.
    pub fn tip(mut self, turn: f32, length: f32) -> Self {
        self.scale_by(|a| {
            let off = turn_between(a, turn).abs();
            1.0 + length * ((-off / 0.22).exp() * 0.75 + 0.35 * (-(off / 0.6).powi(2)).exp())
        });
        self.smoothed(3)
    }

    /// Sickle cell: a bent spindle of half-length `r`.
    pub fn sickle(r: f32, turn: f32, rng: &mut impl Rng) -> Self {
        let bend = rng.random_range(0.45..0.95_f32);
        let width = r * rng.random_range(0.26..0.4);
        let arc = r / bend;
        let side = |t: f32, sign: f32| {
            let half = width * (1.0 - t * t).max(0.0).powf(0.75) * if sign > 0.0 { 1.0 } else { 0.85 };
            let (s, c) = (bend * t).sin_cos();
            let reach = arc + sign * half;
            (s * reach, c * reach - arc)
        };
        let points = 400;
        let ring: Vec<(f32, f32)> = (0..=points)
            .map(|i| side(2.0 * i as f32 / points as f32 - 1.0, 1.0))
            .chain((0..=points).rev().map(|i| side(2.0 * i as f32 / points as f32 - 1.0, -1.0)))
            .collect();
        Self::from_fn(|a| farthest_crossing(&ring, a - turn)).smoothed(2)
    }

    /// Moves the outline outwards by `by` px.
    pub fn grow(&mut self, by: f32) {
        self.radius.iter_mut().for_each(|r| *r += by);
    }

    /// Flattens it against a neighbour: nothing remains beyond the distance `reach` in direction `turn`.
    pub fn press(&mut self, turn: f32, reach: f32) {
        for (i, r) in self.radius.iter_mut().enumerate() {
            let cos = (i as f32 * TAU / STEPS as f32 - turn).cos();
            if cos > 0.05 {
                let wall = reach.max(0.1) / cos;
                // A soft minimum, never larger than either value, rounds the corner where the flat side begins.
                *r = (r.powi(-14) + wall.powi(-14)).powf(-1.0 / 14.0);
            }
        }
    }

    /// Moving average over `2 * half + 1` neighbouring directions.
    pub fn smoothed(&self, half: usize) -> Self {
        let n = 2 * half + 1;
        let radius = (0..STEPS)
            .map(|i| (0..n).map(|k| self.radius[(i + STEPS + k - half) % STEPS]).sum::<f32>() / n as f32)
            .collect();
        Self { radius }
    }

    /// Scales it to the area of a circle of radius `r`.
    pub fn with_area_of(mut self, r: f32) -> Self {
        let factor = r / (self.area() / PI).sqrt();
        self.scale_by(|_| factor);
        self
    }

    /// Enclosed area in px².
    pub fn area(&self) -> f32 {
        self.radius.iter().map(|r| r * r).sum::<f32>() * PI / STEPS as f32
    }

    /// Distance of the farthest point from the centre in px.
    pub fn reach(&self) -> f32 {
        self.radius.iter().copied().fold(0.0, f32::max)
    }

    /// Radius in the direction of `(x, y)`, and the cosine between that direction and the outline's normal.
    pub fn towards(&self, x: f32, y: f32) -> (f32, f32) {
        let t = (y.atan2(x) / TAU).rem_euclid(1.0) * STEPS as f32;
        let i = t as usize % STEPS;
        let (a, b) = (self.radius[i], self.radius[(i + 1) % STEPS]);
        let r = a + (b - a) * (t - t.floor());
        let slope = (b - a) * STEPS as f32 / TAU;
        (r, r / (r * r + slope * slope).sqrt().max(1e-6))
    }
}

/// Distance from the origin, in direction `a`, to the outermost crossing of a closed polygon.
fn farthest_crossing(ring: &[(f32, f32)], a: f32) -> f32 {
    let (s, c) = a.sin_cos();
    let mut far = 0.0_f32;
    for i in 0..ring.len() {
        let (p, q) = (ring[i], ring[(i + 1) % ring.len()]);
        let (pc, qc) = (p.1 * c - p.0 * s, q.1 * c - q.0 * s);
        if (pc > 0.0) != (qc > 0.0) {
            let t = pc / (pc - qc);
            far = far.max((p.0 + (q.0 - p.0) * t) * c + (p.1 + (q.1 - p.1) * t) * s);
        }
    }
    far.max(0.5)
}

/// The signed angle from `b` to `a`, in (-pi, pi].
fn turn_between(a: f32, b: f32) -> f32 {
    let d = (a - b).rem_euclid(TAU);
    if d > PI { d - TAU } else { d }
}
