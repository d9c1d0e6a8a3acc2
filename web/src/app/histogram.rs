//! Histogram of the diameters of counted cells, without those cut by the image edge.

use super::figures::{cells, short, sized};
use super::statistics::whole;
use super::{App, dom};
use web_sys::Element;

const BINS: usize = 24;
const SIZE: (f64, f64) = (720.0, 240.0);
const MARGIN: f64 = 28.0;
/// Height at which the bars stand.
const FLOOR: f64 = SIZE.1 - MARGIN;

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

/// Diameters, counted in bins of equal width.
struct Histogram {
    bins: [usize; BINS],
    /// The smallest and the largest diameter.
    low: f64,
    top: f64,
}

impl Histogram {
    /// Counts diameters, of which there must be at least one.
    fn of(sizes: &[f64]) -> Self {
        let top = sizes.iter().copied().fold(0.0, f64::max);
        let low = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        let step = ((top - low) / BINS as f64).max(1e-9);
        let mut bins = [0; BINS];
        for size in sizes {
            bins[(((size - low) / step) as usize).min(BINS - 1)] += 1;
        }
        Self { bins, low, top }
    }

    /// Number of cells of the highest bar.
    fn highest(&self) -> usize {
        self.bins.iter().copied().max().unwrap_or(1).max(1)
    }

    fn describe(&self, mean: f64, deviation: f64, unit: &str) -> String {
        format!(
            "Diameters of {} whole cells: {} to {} {unit}, mean {}, standard deviation {}. Highest bar: {}.",
            self.bins.iter().sum::<usize>(),
            short(self.low),
            short(self.top),
            short(mean),
            short(deviation),
            cells(self.highest()),
        )
    }

    /// The picture, with a description for screen readers.
    fn picture(&self, description: &str, unit: &str) -> Option<Element> {
        let attributes = [
            ("viewBox", format!("0 0 {} {}", SIZE.0, SIZE.1)),
            ("role", "img".into()),
            ("aria-label", description.into()),
        ];
        let picture = svg("svg", &attributes)?;
        self.draw_bars(&picture);
        self.draw_axis(&picture, unit);
        let attributes = [("x", "0".to_string()), ("y", "20".to_string())];
        draw(&picture, "text", &attributes, &self.highest().to_string());
        Some(picture)
    }

    fn draw_bars(&self, picture: &Element) {
        let width = (SIZE.0 - 2.0 * MARGIN) / BINS as f64;
        for (index, count) in self.bins.iter().enumerate() {
            let height = *count as f64 / self.highest() as f64 * (FLOOR - 12.0);
            let attributes = [
                ("x", format!("{:.1}", MARGIN + index as f64 * width + 1.0)),
                ("y", format!("{:.1}", FLOOR - height)),
                ("width", format!("{:.1}", width - 2.0)),
                ("height", format!("{height:.1}")),
                ("rx", "2".into()),
            ];
            draw(picture, "rect", &attributes, "");
        }
    }

    fn draw_axis(&self, picture: &Element, unit: &str) {
        let line = [("x1", MARGIN), ("x2", SIZE.0 - MARGIN), ("y1", FLOOR), ("y2", FLOOR)];
        draw(picture, "line", &line.map(|(name, value)| (name, value.to_string())), "");
        for mark in 0..=4 {
            let share = f64::from(mark) / 4.0;
            // Labels are large on phones, so the outer ones are aligned to stay within the picture.
            let (x, anchor) = match mark {
                0 => (0.0, "start"),
                4 => (SIZE.0, "end"),
                _ => (MARGIN + share * (SIZE.0 - 2.0 * MARGIN), "middle"),
            };
            // The stylesheet hides every second label on phones.
            let class = if mark % 2 == 1 { "between" } else { "" };
            let attributes = [
                ("x", x.to_string()),
                ("y", (SIZE.1 - 8.0).to_string()),
                ("text-anchor", anchor.to_string()),
                ("class", class.to_string()),
            ];
            let value = short(self.low + share * (self.top - self.low));
            draw(picture, "text", &attributes, &format!("{value} {unit}"));
        }
    }
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
                let histogram = Histogram::of(&sizes);
                let text = histogram.describe(mean, deviation, unit);
                if let Some(picture) = histogram.picture(&text, unit) {
                    dom::append(&place, &picture);
                }
                text
            }
        };
        dom::set_text("histogram-text", &text);
        dom::set_text("table-note", "");
    }
}
