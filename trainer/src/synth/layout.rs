//! Places the cells: alone, pressed against each other, overlapping, in rouleaux.

use std::f32::consts::TAU;

use rand::Rng;

use super::{
    cell::{self, Cell, Inside},
    noise,
    style::Style,
};

/// A round body that red cells keep away from: a white cell.
#[derive(Clone, Copy, Debug)]
pub struct Obstacle {
    pub x: f32,
    pub y: f32,
    pub r: f32,
}

#[derive(Clone, Copy)]
struct Spot {
    x: f32,
    y: f32,
    r: f32,
    /// Whether the cell lies over its neighbours instead of being flattened against them.
    over: bool,
}

/// Smallest distance between two cells, as a share of the sum of their radii.
const TOUCHING: f32 = 0.88;
const OVERLAPPING: f32 = 0.5;

struct Layout<'a> {
    style: &'a Style,
    width: f32,
    height: f32,
    obstacles: &'a [Obstacle],
    spots: Vec<Spot>,
    /// Indices of the spots in each grid square of side `pitch`.
    grid: Vec<Vec<u32>>,
    columns: usize,
    pitch: f32,
    margin: f32,
}

/// Red cells for a picture of `width` x `height` px, in drawing order. Some extend beyond the picture.
pub fn cells(
    style: &Style,
    width: u32,
    height: u32,
    obstacles: &[Obstacle],
    rng: &mut impl Rng,
) -> Vec<Cell> {
    let mut layout = Layout::new(style, width as f32, height as f32, obstacles);
    layout.fill(rng);
    layout.into_cells(rng)
}

impl<'a> Layout<'a> {
    fn new(style: &'a Style, width: f32, height: f32, obstacles: &'a [Obstacle]) -> Self {
        let (margin, pitch) = (style.diameter_px, style.diameter_px * 1.5);
        let columns = ((width + 2.0 * margin) / pitch) as usize + 1;
        let rows = ((height + 2.0 * margin) / pitch) as usize + 1;
        let grid = vec![Vec::new(); columns * rows];
        Self { style, width, height, obstacles, spots: Vec::new(), grid, columns, pitch, margin }
    }

    fn fill(&mut self, rng: &mut impl Rng) {
        let style = self.style;
        let room = (self.width + 2.0 * self.margin) * (self.height + 2.0 * self.margin);
        let one = style.diameter_px.powi(2) * 0.785;
        // Labels have 16 bits; cells entirely beyond the frame get none.
        let wanted = ((room * style.coverage / one).round() as usize).min(60_000);
        let crowd: u32 = rng.random();
        for _ in 0..wanted * 30 {
            if self.spots.len() >= wanted {
                break;
            }
            let kind: f32 = rng.random();
            if kind < style.rouleaux {
                self.roll(rng);
            } else if kind < style.rouleaux + style.overlap {
                self.beside_another(OVERLAPPING + 0.1, 0.95, true, rng);
            } else if kind < style.rouleaux + style.overlap + style.packed {
                self.beside_another(0.92, 1.04, false, rng);
            } else {
                let spot = self.anywhere(rng);
                let scale = 4.0 * style.diameter_px;
                let density = noise::fractal(spot.x / scale, spot.y / scale, crowd, 2);
                if density * 1.5 > (rng.random_range(-1.5..1.0) * style.clumping) + style.clumping * 0.6 - 0.9
                {
                    self.add(spot, 1.02);
                }
            }
        }
    }

    fn radius(&self, rng: &mut impl Rng) -> f32 {
        let spread: f32 = (0..4).map(|_| rng.random_range(-1.0..1.0_f32)).sum::<f32>() * 0.87;
        self.style.diameter_px * 0.5 * (1.0 + self.style.size_spread * spread).clamp(0.55, 1.5)
    }

    fn anywhere(&self, rng: &mut impl Rng) -> Spot {
        let x = rng.random_range(-self.margin..self.width + self.margin);
        let y = rng.random_range(-self.margin..self.height + self.margin);
        Spot { x, y, r: self.radius(rng), over: false }
    }

    fn beside_another(&mut self, near: f32, far: f32, over: bool, rng: &mut impl Rng) {
        if self.spots.is_empty() {
            let spot = self.anywhere(rng);
            self.add(spot, 1.0);
            return;
        }
        let other = self.spots[rng.random_range(0..self.spots.len())];
        let r = self.radius(rng);
        let apart = (other.r + r) * rng.random_range(near..far);
        let (s, c) = rng.random_range(0.0..TAU).sin_cos();
        let spot = Spot { x: other.x + c * apart, y: other.y + s * apart, r, over };
        self.add(spot, if over { OVERLAPPING } else { TOUCHING });
    }

    /// A rouleau: cells one over another like a fallen stack of coins, along a gentle curve.
    fn roll(&mut self, rng: &mut impl Rng) {
        let mut spot = self.anywhere(rng);
        spot.over = true;
        let mut turn = rng.random_range(0.0..TAU);
        let bend = rng.random_range(-0.2..0.2);
        let step = rng.random_range(0.52..0.7);
        for _ in 0..rng.random_range(3..8) {
            if !self.add(spot, OVERLAPPING) {
                break;
            }
            spot.x += turn.cos() * step * 2.0 * spot.r;
            spot.y += turn.sin() * step * 2.0 * spot.r;
            turn += bend + rng.random_range(-0.12..0.12);
        }
    }

    /// Adds the cell unless it is closer to others than `closest` allows; returns whether it was added.
    fn add(&mut self, spot: Spot, closest: f32) -> bool {
        let inside = |v: f32, size: f32| v > -self.margin && v < size + self.margin;
        if !inside(spot.x, self.width) || !inside(spot.y, self.height) {
            return false;
        }
        if self.obstacles.iter().any(|o| distance(&spot, o.x, o.y) < (o.r + spot.r) * 0.9) {
            return false;
        }
        let crowded = self.neighbours(&spot).any(|i| {
            let other = &self.spots[i];
            let limit = if other.over { closest.min(0.6) } else { closest };
            distance(&spot, other.x, other.y) < limit * (spot.r + other.r)
        });
        if crowded {
            return false;
        }
        let at = self.square(spot.x, spot.y);
        self.grid[at].push(self.spots.len() as u32);
        self.spots.push(spot);
        true
    }

    fn square(&self, x: f32, y: f32) -> usize {
        let column = ((x + self.margin) / self.pitch).max(0.0) as usize;
        let row = ((y + self.margin) / self.pitch).max(0.0) as usize;
        row * self.columns + column.min(self.columns - 1)
    }

    /// Spots in the 3 x 3 grid squares around this one: cells that touch are never farther apart.
    fn neighbours<'b>(&'b self, spot: &Spot) -> impl Iterator<Item = usize> + 'b {
        let rows = (self.grid.len() / self.columns) as isize;
        let at = self.square(spot.x, spot.y) as isize;
        let (row, column) = (at / self.columns as isize, at % self.columns as isize);
        (-1..=1)
            .flat_map(move |dy| (-1..=1).map(move |dx| (row + dy, column + dx)))
            .filter(move |&(y, x)| y >= 0 && x >= 0 && y < rows && x < self.columns as isize)
            .flat_map(move |(y, x)| {
                self.grid[(y * self.columns as isize + x) as usize].iter().map(|&i| i as usize)
            })
    }

    fn into_cells(self, rng: &mut impl Rng) -> Vec<Cell> {
        let draw = |i: usize, rng: &mut _| {
            let spot = self.spots[i];
            let (mut outline, is_burr) = cell::outline(self.style, spot.r, rng);
            let inside = Inside::random(self.style, is_burr, rng);
            let gap = (self.style.diameter_px * 0.015).max(0.6);
            for other in self.neighbours(&spot).filter(|&j| j != i && !spot.over).map(|j| &self.spots[j]) {
                let apart = distance(&spot, other.x, other.y);
                if !other.over && apart < 1.5 * (spot.r + other.r) {
                    let turn = (other.y - spot.y).atan2(other.x - spot.x);
                    outline.press(turn, apart * spot.r / (spot.r + other.r) - gap / 2.0);
                }
            }
            for o in self.obstacles {
                let apart = distance(&spot, o.x, o.y);
                if apart < o.r + 2.0 * spot.r {
                    outline.press((o.y - spot.y).atan2(o.x - spot.x), apart - o.r * 0.97);
                }
            }
            Cell { x: spot.x, y: spot.y, outline, inside }
        };
        let mut order: Vec<usize> = (0..self.spots.len()).collect();
        // Cells that lie over others are drawn after them, in the order in which they were placed.
        order.sort_by_key(|&i| self.spots[i].over);
        order.into_iter().map(|i| draw(i, rng)).collect()
    }
}

fn distance(spot: &Spot, x: f32, y: f32) -> f32 {
    (spot.x - x).hypot(spot.y - y)
}
