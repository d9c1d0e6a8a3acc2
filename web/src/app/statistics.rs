//! The figures of the cells of one image, counted once for each new set of rows: lists and tables of 200 images show them
//! again and again.

use crate::message::CellRow;

/// Mean and spread of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    count: usize,
    mean: f64,
    /// Sum of the squared deviations from the mean.
    squares: f64,
}

impl Spread {
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let (count, sum) = values.clone().fold((0, 0.0), |(count, sum), value| (count + 1, sum + value));
        let mean = sum / f64::max(count as f64, 1.0);
        Self { count, mean, squares: values.map(|value| (value - mean).powi(2)).sum() }
    }

    /// `None` without values.
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Sample standard deviation; `None` for fewer than two values.
    pub fn deviation(self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }

    /// The spread of both sets of values together.
    pub fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        let share = other.count as f64 / f64::max(count as f64, 1.0);
        let apart = other.mean - self.mean;
        let squares = self.squares + other.squares + apart.powi(2) * share * self.count as f64;
        Self { count, mean: self.mean + apart * share, squares }
    }

    /// Lengths or (with `power` 2) areas in micrometres if the scale is known.
    pub fn sized(self, um_per_px: Option<f64>, power: i32) -> Self {
        let factor = um_per_px.map_or(1.0, |scale| scale.powi(power));
        Self { mean: self.mean * factor, squares: self.squares * factor.powi(2), ..self }
    }
}

/// The figures of an image. Lengths and areas are in its pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Number of cells that count.
    pub count: usize,
    /// Over the whole cells, as in the files; likewise in the following fields.
    pub diameter: Spread,
    pub area: Spread,
    pub circularity: Spread,
}

impl Figures {
    pub fn of(rows: &[CellRow]) -> Self {
        let spread = |value: fn(&CellRow) -> f64| Spread::of(whole(rows).map(value));
        Self {
            count: rows.iter().filter(|row| !row.excluded).count(),
            diameter: spread(|row| row.diameter),
            area: spread(|row| row.area),
            circularity: spread(|row| row.circularity),
        }
    }
}

/// The counted cells not cut by the edge.
pub fn whole(rows: &[CellRow]) -> impl Iterator<Item = &CellRow> + Clone {
    rows.iter().filter(|row| !row.excluded && !row.edge)
}
