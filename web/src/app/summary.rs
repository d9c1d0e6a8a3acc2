//! The table of all images, on the page and as a file.

use super::figures::{density, short, sized, spread};
use super::item::{Item, Phase, mean_and_spread};
use super::{App, dom, input, save};
use std::collections::HashSet;
use wasm_bindgen::JsCast;
use web_sys::Element;

const COLUMNS: [&str; 9] =
    ["Image", "Cells", "Covered", "Density", "Diameter", "Area", "Circularity", "IoU", "Time, s"];

/// A table row with a cell of type `tag` for each text.
fn line(tag: &str, texts: &[String]) -> Element {
    let row = dom::make("tr", "", "");
    for text in texts {
        dom::append(&row, &dom::make(tag, "", text));
    }
    row
}

/// The cells of an image's row. `scale`: micrometres per pixel.
fn texts(item: &Item, scale: Option<f64>) -> Vec<String> {
    let doubt = if item.notices().next().is_none() { "" } else { " ⚠" };
    let name = format!("{}{doubt}", item.label());
    if let Phase::Failed(_) = &item.phase {
        return vec![name, "failed".into()];
    }
    if !item.is_measured() {
        let stands = if item.phase == Phase::Stopped { "stopped" } else { "…" };
        return vec![name, stands.into()];
    }
    let some = item.whole().next().is_some();
    let figure = |text: String| if some { text } else { super::figures::NONE.into() };
    let spread = |(mean, deviation): (f64, Option<f64>), power: i32| {
        let deviation = deviation.map(|deviation| sized(deviation, scale, power).0);
        figure(spread(sized(mean, scale, power).0, deviation))
    };
    let (per_area, unit) = density(item, scale);
    vec![
        name,
        item.count().to_string(),
        format!("{:.1} %", item.covered * 100.0),
        format!("{} {unit}", short(per_area)),
        spread(mean_and_spread(item.whole().map(|row| row.diameter)), 1),
        spread(mean_and_spread(item.whole().map(|row| row.area)), 2),
        figure(format!("{:.2}", mean_and_spread(item.whole().map(|row| row.circularity)).0)),
        item.iou.map(|iou| format!("{:.1} %", iou * 100.0)).unwrap_or_default(),
        short(item.seconds),
    ]
}

/// Message if there is nothing to save.
pub const NOTHING: &str = "There is no result to save yet.";

/// Quotes a CSV field if necessary.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_string()
    }
}

impl App {
    pub fn show_summary(&mut self) {
        let head = dom::element("images-head");
        if head.child_element_count() == 0 {
            for title in COLUMNS {
                let cell = dom::make("th", "", title);
                dom::set(&cell, "scope", "col");
                dom::append(&head, &cell);
            }
        }
        let done: Vec<&Item> = self.items.iter().filter(|item| item.is_measured()).collect();
        // The same unit for all rows.
        let scaled = !done.is_empty() && done.iter().all(|item| self.scale_of(item).is_some());
        let scale = |item: &Item| self.scale_of(item).filter(|_| scaled);
        let rows: Vec<(u32, Vec<String>)> =
            self.items.iter().map(|item| (item.id, texts(item, scale(item)))).collect();
        let cells: usize = done.iter().map(|item| item.count()).sum();
        let sizes = |item: &&Item| {
            let scale = scale(item);
            item.whole().map(|row| sized(row.diameter, scale, 1).0).collect::<Vec<_>>()
        };
        let sizes: Vec<f64> = done.iter().flat_map(sizes).collect();
        let some = !sizes.is_empty();
        let diameters = mean_and_spread(sizes.into_iter());
        // Rebuilt only when it changes, so that a text selection survives while other images are being processed.
        if self.images_shown != rows {
            let body = dom::element("images-body");
            // The focused row keeps the focus.
            let focused = dom::document().active_element().filter(|element| body.contains(Some(element)));
            let focused =
                focused.and_then(|element| element.closest("tr").ok()??.get_attribute("data-image"));
            body.set_inner_html("");
            for (id, texts) in &rows {
                let row = line("td", &texts[1..]);
                let first = dom::make("td", "", "");
                let go = dom::make("button", "small", &texts[0]);
                dom::set(&go, "type", "button");
                dom::set(&go, "title", "Show this image");
                dom::append(&first, &go);
                let _ = row.prepend_with_node_1(&first);
                dom::set(&row, "data-image", &id.to_string());
                dom::append(&body, &row);
            }
            let button = focused.map(|id| format!("tr[data-image='{id}'] button"));
            let button = button.and_then(|selector| body.query_selector(&selector).ok().flatten());
            if let Some(button) = button.and_then(|button| button.dyn_into::<web_sys::HtmlElement>().ok()) {
                let _ = button.focus();
            }
            let foot = dom::element("images-foot");
            foot.set_inner_html("");
            let none = || super::figures::NONE.to_string();
            let figure = |text: String, known: bool| if known { text } else { none() };
            let covered = mean_and_spread(done.iter().map(|item| item.covered)).0;
            let total = [
                if done.len() == 1 { "1 image".into() } else { format!("{} images", done.len()) },
                cells.to_string(),
                figure(format!("{:.1} % on average", covered * 100.0), !done.is_empty()),
                String::new(),
                figure(spread(diameters.0, diameters.1), some),
            ];
            dom::append(&foot, &line("td", &total));
            self.images_shown = rows;
        }
        for row in dom::all("#images-body tr") {
            let chosen = row.get_attribute("data-image") == self.active.map(|id| id.to_string());
            let _ = row.class_list().toggle_with_force("chosen", chosen);
        }
        let unit = if scaled { "µm" } else { "px" };
        dom::set_text(
            "table-note",
            &format!(
                "in {unit} and {unit}²; mean ± standard deviation of whole cells, those not cut by the edge"
            ),
        );
    }

    /// Base name of a new image's files, as in `trainer predict`: a repeated name gets a number.
    pub fn new_stem(&self, name: &str) -> String {
        let taken: HashSet<String> = self.items.iter().map(|item| item.stem.to_lowercase()).collect();
        let stem = input::stem(name);
        let stem = if stem.is_empty() { "image" } else { stem };
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        // On many disks, names that differ only in case are the same.
        let mut names = std::iter::once(stem.to_string()).chain(numbered);
        names.find(|name| !taken.contains(&name.to_lowercase())).unwrap_or_default()
    }

    /// Items that go into table and zip: results that match the present rules.
    pub fn exportable(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.phase == Phase::Done && item.up_to_date(self.rules_version))
    }

    /// The table of all images as CSV, as `trainer predict` writes it: the model's rows under one header. If images
    /// were compared with truth masks, columns for the agreement follow.
    pub fn images_table(&self) -> String {
        let compared = self.exportable().any(|item| item.iou.is_some());
        let mut text = String::new();
        for item in self.exportable() {
            let (head, line) = item.summary.split_once('\n').unwrap_or_default();
            if text.is_empty() {
                text.push_str(head);
                text.push_str(if compared { ",iou,dice\n" } else { "\n" });
            }
            text.push_str(&quoted(&item.stem));
            text.push_str(line.trim_end().strip_suffix(',').unwrap_or_default());
            text.push_str(&quoted(&item.notices().collect::<Vec<_>>().join("; ")));
            text.push(',');
            text.push_str(&quoted(&item.path()));
            if compared {
                let figure =
                    |share: Option<f64>| share.map(|share| format!("{share:.6}")).unwrap_or_default();
                text.push_str(&format!(",{},{}", figure(item.iou), figure(item.dice)));
            }
            text.push('\n');
        }
        text
    }

    pub fn save_images_table(&mut self) {
        // The table must match one set of rules and the cells shown on the page.
        self.table_wanted = self.unsettled();
        if self.table_wanted {
            return self.measure_next();
        }
        let table = self.images_table();
        if table.is_empty() {
            return self.complain(NOTHING);
        }
        let bytes = js_sys::Uint8Array::from(table.as_bytes());
        save::download("summary.csv", "text/csv", &bytes);
        let told: Vec<u32> = self.exportable().map(|item| item.id).collect();
        self.items.iter_mut().filter(|item| told.contains(&item.id)).for_each(|item| item.saved = true);
        self.tell_of_missing();
    }

    /// Reports how many images are missing from a table or zip: unfinished, stopped or failed ones.
    pub fn tell_of_missing(&mut self) {
        let count = |which: fn(&Item) -> bool| self.items.iter().filter(|item| which(item)).count();
        let pending = count(Item::pending);
        let undone = count(|item| matches!(item.phase, Phase::Failed(_) | Phase::Stopped));
        for (number, what) in [(pending, "not done yet"), (undone, "stopped or failed")] {
            match number {
                0 => {}
                1 => self.complain(&format!("One image is {what} and not in the file.")),
                _ => self.complain(&format!("{number} images are {what} and not in the file.")),
            }
        }
    }
}
