//! Small objects that are not red cells: platelets, precipitate, dust. Also what lies on or in red cells and leaves
//! them in the mask: parasites and drying bubbles.

use std::f32::consts::TAU;

use rand::Rng;

use super::{cell::Cell, noise, outline::Outline, slide::Slide, style::Style};

/// A platelet: a granular purple fleck with a seventh to a third of a red cell's diameter.
pub fn platelet(style: &Style, at: (f32, f32), slide: &mut Slide, hidden: &[f32], rng: &mut impl Rng) {
    let r = style.diameter_px * rng.random_range(0.07..0.17);
    let turn = rng.random_range(0.0..TAU);
    let outline = Outline::round(r, 0.12, rng).oval(rng.random_range(0.65..1.0), turn);
    let (seed, strength) = (rng.random::<u32>(), rng.random_range(0.35..0.85));
    slide.over(at, &outline, |slide, (x, y), p| {
        let grain = noise::fractal(p.u * 3.0, p.v * 3.0, seed, 2);
        let body = (1.0 - p.rho * p.rho).clamp(0.0, 1.0).sqrt() * (0.75 + 0.7 * grain).clamp(0.1, 1.4);
        let open = 1.0 - hidden[(y * slide.width + x) as usize];
        slide.add(x, y, style.nucleus, strength * body * p.cover * open);
    });
}

/// A speck of dust or a crystal of stain, or a pale cloud of precipitate.
pub fn speck(style: &Style, at: (f32, f32), slide: &mut Slide, rng: &mut impl Rng) {
    let cloud = rng.random_bool(0.2);
    let r = if cloud {
        style.diameter_px * rng.random_range(0.15..0.6)
    } else {
        (style.diameter_px * rng.random_range(0.01..0.035)).max(0.5)
    };
    let turn = rng.random_range(0.0..TAU);
    let outline = Outline::round(r, 0.15, rng).oval(rng.random_range(0.35..1.0), turn);
    let seed: u32 = rng.random();
    let mut ink: [f32; 3] = if rng.random_bool(0.6) { style.nucleus } else { [0.5, 0.5, 0.55] };
    let strength = if cloud { rng.random_range(0.04..0.16) } else { rng.random_range(0.15..0.9) };
    ink = ink.map(|d| d * strength);
    slide.over(at, &outline, |slide, (x, y), p| {
        let soft = (1.0 - p.rho).clamp(0.0, 1.0).sqrt();
        let ragged =
            if cloud { (0.4 + 1.4 * noise::fractal(p.u * 3.0, p.v * 3.0, seed, 3)).max(0.0) } else { 1.0 };
        slide.add(x, y, ink, soft * ragged * p.cover);
    });
}

/// A malaria parasite in a cell: a ring with its dot, or a mature one that fills most of the cell.
pub fn parasite(style: &Style, cell: &Cell, slide: &mut Slide, hidden: &[f32], rng: &mut impl Rng) {
    let radius = (cell.outline.area() / std::f32::consts::PI).sqrt();
    let (turn, seed) = (rng.random_range(0.0..TAU), rng.random::<u32>());
    let grown = rng.random_bool(0.35);
    let (reach, size) =
        if grown { (0.1, rng.random_range(0.5..0.8)) } else { (0.4, rng.random_range(0.14..0.26)) };
    let off = radius * rng.random_range(0.0..reach);
    let at = (cell.x + turn.cos() * off, cell.y + turn.sin() * off);
    let outline = Outline::round(radius * size, if grown { 0.08 } else { 0.03 }, rng);
    let dot = turn + rng.random_range(0.0..TAU);
    slide.over(at, &outline, |slide, (x, y), p| {
        let open = 1.0 - hidden[(y * slide.width + x) as usize];
        let share = if grown {
            let grain = noise::fractal(p.u * 4.0, p.v * 4.0, seed, 3);
            (0.45 + grain * 0.9).max(0.0) * (1.0 - p.rho.powi(4)).max(0.0)
        } else {
            let ring = (-((p.rho - 0.75) / 0.18).powi(2)).exp() * 0.5;
            let spot = (p.u - 0.7 * dot.cos()).hypot(p.v - 0.7 * dot.sin());
            ring + (-(spot / 0.3).powi(2)).exp()
        };
        slide.add(x, y, style.nucleus, share * p.cover * open * 0.8);
    });
}

/// A drying bubble: a bright refracting spot with a dark rim.
pub fn bubble(style: &Style, cell: &Cell, slide: &mut Slide, hidden: &[f32], rng: &mut impl Rng) {
    let r = style.diameter_px * rng.random_range(0.035..0.11);
    let (turn, off) = (rng.random_range(0.0..TAU), style.diameter_px * rng.random_range(0.0..0.25));
    let at = (cell.x + turn.cos() * off, cell.y + turn.sin() * off);
    let outline = Outline::round(r, 0.1, rng).oval(rng.random_range(0.4..1.0), turn);
    let dark = rng.random_range(0.2..0.6);
    slide.over(at, &outline, |slide, (x, y), p| {
        let open = (1.0 - hidden[(y * slide.width + x) as usize]) * p.cover;
        let rim = (-((p.rho - 0.8) / 0.2).powi(2)).exp() * dark;
        let bright = (-(p.rho / 0.45).powi(2)).exp();
        let density = std::array::from_fn(|c| style.nucleus[c] * rim - style.stain[c] * 0.8 * bright);
        slide.add(x, y, density, open);
    });
}
