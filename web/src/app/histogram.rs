//! Histogram of the diameters of counted cells, without those cut by the image edge.

use super::figures::{short, sized};
use super::item::mean_and_spread;
use super::{App, dom};
use web_sys::Element;

const BINS: usize = 24;
const SIZE: (f64, f64) = (720.0, 240.0);
const MARGIN: f64 = 28.0;

/// Creates an SVG element.
fn svg(tag: &str, attributes: &[(&str, String)]) -> Option<Element> {
    let element = dom::document().create_element_ns(Some("http://www.w3.org/2000/svg"), tag).ok()?;
    for (name, value) in attributes {
        dom::set(&element, name, value);
    }
    Some(element)
}

impl App {
    pub fn show_histogram(&mut self) {
        let Some(item) = self.active_item() else { return };
        let scale = self.scale_of(item);
        let (_, unit) = sized(1.0, scale, 1);
        let sizes: Vec<f64> = item.whole().map(|row| sized(row.diameter, scale, 1).0).collect();
        let place = dom::element("histogram");
        place.set_inner_html("");
        let top = sizes.iter().copied().fold(0.0, f64::max);
        let low = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        if sizes.is_empty() {
            dom::set_text("histogram-text", "No whole cells.");
            dom::set_text("table-note", "");
            return;
        }
        let step = ((top - low) / BINS as f64).max(1e-9);
        let mut bins = [0usize; BINS];
        for size in &sizes {
            bins[(((size - low) / step) as usize).min(BINS - 1)] += 1;
        }
        let highest = bins.iter().copied().max().unwrap_or(1).max(1);
        let (mean, deviation) = mean_and_spread(sizes.iter().copied());
        let Some(deviation) = deviation else {
            dom::set_text("histogram-text", &format!("A single whole cell: {} {unit}.", short(mean)));
            dom::set_text("table-note", "");
            return;
        };
        let text = format!(
            "Diameters of {} whole cells: {} to {} {unit}, mean {}, standard deviation {}. Highest bar: {}.",
            sizes.len(),
            short(low),
            short(top),
            short(mean),
            short(deviation),
            super::figures::cells(highest),
        );
        let Some(picture) = svg(
            "svg",
            &[
                ("viewBox", format!("0 0 {} {}", SIZE.0, SIZE.1)),
                ("role", "img".into()),
                ("aria-label", text.clone()),
            ],
        ) else {
            return;
        };
        let floor = SIZE.1 - MARGIN;
        let width = (SIZE.0 - 2.0 * MARGIN) / BINS as f64;
        for (index, count) in bins.iter().enumerate() {
            let height = *count as f64 / highest as f64 * (floor - 12.0);
            let attributes = [
                ("x", format!("{:.1}", MARGIN + index as f64 * width + 1.0)),
                ("y", format!("{:.1}", floor - height)),
                ("width", format!("{:.1}", width - 2.0)),
                ("height", format!("{height:.1}")),
                ("rx", "2".into()),
            ];
            if let Some(bar) = svg("rect", &attributes) {
                dom::append(&picture, &bar);
            }
        }
        let line = [("x1", MARGIN), ("x2", SIZE.0 - MARGIN), ("y1", floor), ("y2", floor)];
        if let Some(line) = svg("line", &line.map(|(name, value)| (name, value.to_string()))) {
            dom::append(&picture, &line);
        }
        for mark in 0..=4 {
            let share = f64::from(mark) / 4.0;
            let x = MARGIN + share * (SIZE.0 - 2.0 * MARGIN);
            // Labels are large on phones, so the outer ones are aligned to stay within the picture.
            let (x, anchor) = match mark {
                0 => (0.0, "start"),
                4 => (SIZE.0, "end"),
                _ => (x, "middle"),
            };
            let attributes =
                [("x", x.to_string()), ("y", (SIZE.1 - 8.0).to_string()), ("text-anchor", anchor.into())];
            if let Some(label) = svg("text", &attributes) {
                // The stylesheet hides every second label on phones.
                dom::set(&label, "class", if mark % 2 == 1 { "between" } else { "" });
                label.set_text_content(Some(&format!("{} {unit}", short(low + share * (top - low)))));
                dom::append(&picture, &label);
            }
        }
        let top = [("x", "0".to_string()), ("y", "20".into())];
        if let Some(label) = svg("text", &top) {
            label.set_text_content(Some(&highest.to_string()));
            dom::append(&picture, &label);
        }
        dom::append(&place, &picture);
        dom::set_text("histogram-text", &text);
        dom::set_text("table-note", "");
    }
}
