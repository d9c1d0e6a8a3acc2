//! Histogram of the diameters of the shown image's counted cells, without those cut by the image edge.

use super::figures::{short, sized, spread as with_deviation};
use super::statistics::whole;
use super::{App, dom};
use web_sys::Element;

const SIZE: (f64, f64) = (720.0, 280.0);
/// Where the bars stand, with room for texts of twice the size around them, as on phones.
const LEFT: f64 = 60.0;
const RIGHT: f64 = SIZE.0 - 30.0;
const TOP: f64 = 40.0;
const FLOOR: f64 = SIZE.1 - 68.0;

/// Creates an SVG element.
fn svg(tag: &str, attributes: &[(&str, String)]) -> Option<Element> {
    let element = dom::document().create_element_ns(Some("http://www.w3.org/2000/svg"), tag).ok()?;
    for (name, value) in attributes {
        dom::set(&element, name, value);
    }
    Some(element)
}

/// Adds an SVG element, with a text that may be empty, to a picture.
fn draw(picture: &Element, tag: &str, attributes: &[(&str, String)], text: &str) {
    if let Some(element) = svg(tag, attributes) {
        element.set_text_content(Some(text));
        dom::append(picture, &element);
    }
}

/// The numbers 1, 2, 5, 10, 20 and so on; for a negative `place`, 0.5, 0.2, 0.1 and so on.
fn round_number(place: i32) -> f64 {
    [1.0, 2.0, 5.0][place.rem_euclid(3) as usize] * 10f64.powi(place.div_euclid(3))
}

/// Diameters, counted in bins of equal width that start at multiples of it.
struct Histogram {
    width: f64,
    /// Digits after the point that the width has.
    digits: usize,
    /// The multiple of the width at which the first bin starts.
    first: i64,
    bins: Vec<usize>,
}

impl Histogram {
    /// Counts diameters, of which there must be at least one. The bins are as wide as Freedman and Diaconis advise, rounded
    /// up to a number that people count in, and 5 to 30 unless the diameters are almost the same.
    fn of(mut sizes: Vec<f64>) -> Self {
        sizes.sort_by(f64::total_cmp);
        let at = |share: f64| sizes[(share * (sizes.len() - 1) as f64).round() as usize];
        let (low, top) = (at(0.0), at(1.0));
        let advised = 2.0 * (at(0.75) - at(0.25)) / (sizes.len() as f64).cbrt();
        let bin = |size: f64, place: i32| (size / round_number(place)).floor() as i64;
        let bins = |place: i32| bin(top, place) - bin(low, place) + 1;
        // No measurement is finer than a thousandth.
        let mut place = -9;
        while bins(place) > 30 || (round_number(place) < advised && bins(place + 1) >= 5) {
            place += 1;
        }
        let first = bin(low, place);
        let mut counts = vec![0; bins(place) as usize];
        for size in &sizes {
            counts[(bin(*size, place) - first) as usize] += 1;
        }
        let digits = (-place.div_euclid(3)).max(0) as usize;
        Self { width: round_number(place), digits, first, bins: counts }
    }

    /// Number of cells of the highest bar.
    fn highest(&self) -> usize {
        self.bins.iter().copied().max().unwrap_or(1).max(1)
    }

    /// Where the bin of this number starts.
    fn x(&self, bin: usize) -> f64 {
        LEFT + bin as f64 * (RIGHT - LEFT) / self.bins.len() as f64
    }

    fn y(&self, cells: usize) -> f64 {
        FLOOR - cells as f64 / self.highest() as f64 * (FLOOR - TOP)
    }

    /// The picture, with a description for screen readers.
    fn picture(&self, description: &str, unit: &str) -> Option<Element> {
        let attributes = [
            ("viewBox", format!("0 0 {} {}", SIZE.0, SIZE.1)),
            ("role", "img".into()),
            ("aria-label", description.into()),
        ];
        let picture = svg("svg", &attributes)?;
        self.draw_scales(&picture);
        self.draw_bars(&picture);
        write(&picture, (0.0, 4.0), ("start", "1em"), "Cells");
        write(&picture, ((LEFT + RIGHT) / 2.0, FLOOR), ("middle", "2.5em"), &format!("Diameter, {unit}"));
        Some(picture)
    }

    fn draw_bars(&self, picture: &Element) {
        for (bin, &count) in self.bins.iter().enumerate() {
            let (x, y) = (self.x(bin) + 1.0, self.y(count));
            let sides = [("x", x), ("y", y), ("width", self.x(bin + 1) - 1.0 - x), ("height", FLOOR - y)];
            draw(picture, "rect", &sides.map(|(name, side)| (name, format!("{side:.1}"))), "");
        }
    }

    /// Draws a line for every few cells, and numbers at round multiples of the width.
    fn draw_scales(&self, picture: &Element) {
        let step = (0..).map(round_number).find(|step| self.highest() as f64 / step <= 4.0).unwrap_or(1.0);
        for cells in (0..=self.highest()).step_by(step as usize) {
            let y = self.y(cells);
            let ends = [("x1", LEFT), ("x2", RIGHT), ("y1", y), ("y2", y)];
            draw(picture, "line", &ends.map(|(name, end)| (name, end.to_string())), "");
            write(picture, (LEFT - 8.0, y), ("end", ".35em"), &cells.to_string());
        }
        let every = [1, 2, 5].into_iter().find(|every| self.bins.len() <= 8 * every).unwrap_or(5);
        for edge in 0..=self.bins.len() {
            let multiple = self.first + edge as i64;
            if multiple % every as i64 == 0 {
                let number = format!("{:.*}", self.digits, multiple as f64 * self.width);
                write(picture, (self.x(edge), FLOOR), ("middle", "1.3em"), &number);
            }
        }
    }
}

/// Writes a text at a place: `anchor` is the end of it that is there, `down` how far its foot is below, in heights of the text.
fn write(picture: &Element, (x, y): (f64, f64), (anchor, down): (&str, &str), text: &str) {
    let attributes = [
        ("x", format!("{x:.1}")),
        ("y", format!("{y:.1}")),
        ("text-anchor", anchor.into()),
        ("dy", down.into()),
    ];
    draw(picture, "text", &attributes, text);
}

impl App {
    pub fn show_histogram(&mut self) {
        let Some(item) = self.active_item() else { return };
        let scale = self.scale_of(item);
        let (_, unit) = sized(1.0, scale, 1);
        let sizes: Vec<f64> = whole(item.shown_rows()).map(|row| sized(row.diameter, scale, 1).0).collect();
        let place = dom::element("histogram");
        place.set_inner_html("");
        let spread = item.figures.diameter.sized(scale, 1);
        let text = match (spread.mean(), spread.deviation()) {
            _ if !item.has_result() => String::new(),
            (None, _) => "No whole cells.".to_string(),
            (Some(mean), None) => format!("A single whole cell: {} {unit}.", short(mean)),
            (Some(mean), Some(deviation)) => {
                let text = format!(
                    "{}: diameters of {} whole cells, {} {unit} (mean ± standard deviation), coefficient of variation {:.1} %.",
                    item.label(),
                    sizes.len(),
                    with_deviation(spread),
                    deviation / mean * 100.0
                );
                if let Some(picture) = Histogram::of(sizes).picture(&text, unit) {
                    dom::append(&place, &picture);
                }
                text
            }
        };
        dom::set_text("histogram-text", &text);
        dom::set_text("table-note", "");
    }
}
