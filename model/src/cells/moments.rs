//! Second moments of a set of pixels.

/// Sums over pixels, each a unit square around its coordinates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moments {
    pixels: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Moments {
    /// Adds a pixel. Coordinates are best counted from a place nearby, for precision.
    pub fn add(&mut self, x: f64, y: f64) {
        self.pixels += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// Number of pixels.
    pub fn area(&self) -> f64 {
        self.pixels
    }

    /// NaN without pixels.
    pub fn centroid(&self) -> [f64; 2] {
        [self.x / self.pixels, self.y / self.pixels]
    }

    /// Covariance of the points within the pixels: xx, yy, xy.
    pub fn covariance(&self) -> [f64; 3] {
        let [x, y] = self.centroid();
        // 1/12: second moment of a unit square about its centre, as a pixel is not a point.
        [
            self.xx / self.pixels - x * x + 1.0 / 12.0,
            self.yy / self.pixels - y * y + 1.0 / 12.0,
            self.xy / self.pixels - x * y,
        ]
    }

    /// Ratio of the short axis to the long one of the ellipse with this covariance, squared: 1 for a disc, 0 for a line.
    pub fn axis_ratio_squared(&self) -> f64 {
        let [xx, yy, xy] = self.covariance();
        let (mean, half) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
        ((mean - half) / (mean + half)).max(0.0)
    }

    /// Area² / (2π J), J being the second moment of area about the centroid: 1 for a disc, less for any other shape
    /// (square 0.95, ellipse with axes 2 : 1 0.8).
    pub fn roundness(&self) -> f64 {
        let [xx, yy, _] = self.covariance();
        self.pixels / (std::f64::consts::TAU * (xx + yy))
    }
}
