//! The table of all images, on the page and as a file.

use super::figures::{NONE, density, short, spread};
use super::item::{Item, Phase};
use super::results::show_name;
use super::statistics::Spread;
use super::{App, dom, focus, input, save};
use std::collections::HashSet;
use web_sys::Element;

const COLUMNS: [&str; 9] =
    ["Image", "Cells", "Covered", "Density", "Diameter", "Area", "Circularity", "IoU", "Time, s"];

/// A table row with a cell for each text.
fn line(texts: &[String]) -> Element {
    let row = dom::make("tr", "", "");
    for text in texts {
        dom::append(&row, &dom::make("td", "", text));
    }
    row
}

/// The row of an image, with the texts of its cells.
fn row_element(id: u32, texts: &[String]) -> Element {
    let row = line(&texts[1..]);
    if texts.len() < COLUMNS.len() {
        row.set_class_name("quiet");
    }
    let first = dom::make("td", "", "");
    let go = dom::make("button", "small", "");
    dom::set(&go, "type", "button");
    dom::set(&go, "title", &format!("Show {}", texts[0]));
    let name = dom::make("span", "name", "");
    show_name(&name, &texts[0]);
    dom::append(&go, &name);
    dom::append(&first, &go);
    let _ = row.prepend_with_node_1(&first);
    dom::set(&row, "data-image", &id.to_string());
    row
}

/// The cells of an image's row: its figures or, if there are none under the present rules, why. `scale`: micrometres per
/// pixel.
fn texts(item: &Item, scale: Option<f64>, rules_version: u32) -> Vec<String> {
    let doubt = if item.notices().next().is_none() { "" } else { " ⚠" };
    let name = format!("{}{doubt}", item.label());
    let instead = match item.phase {
        Phase::Failed(_) => "failed",
        _ if item.has_result() && item.is_recounted(rules_version) => "counting…",
        _ if item.has_result() => "",
        Phase::Stopped => "stopped",
        _ => "…",
    };
    if !instead.is_empty() {
        return vec![name, instead.into()];
    }
    let figures = item.figures;
    let (per_area, unit) = density(item, scale);
    vec![
        name,
        figures.count.to_string(),
        format!("{:.1} %", item.covered * 100.0),
        format!("{} {unit}", short(per_area)),
        spread(figures.diameter.sized(scale, 1)),
        spread(figures.area.sized(scale, 2)),
        figures.circularity.mean().map_or(NONE.into(), |mean| format!("{mean:.2}")),
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

/// Names the columns of the table, unless that is done.
fn show_head() {
    let head = dom::element("images-head");
    if head.child_element_count() > 0 {
        return;
    }
    for title in COLUMNS {
        let cell = dom::make("th", "", title);
        dom::set(&cell, "scope", "col");
        dom::append(&head, &cell);
    }
}

impl App {
    /// Images with a result, even if it is being counted again.
    fn with_result(&self) -> impl Iterator<Item = &Item> + Clone {
        self.items.iter().filter(|item| item.has_result())
    }

    /// Whether the table of all images is in micrometres: one unit for all rows.
    pub fn all_scaled(&self) -> bool {
        self.with_result().all(|item| self.scale_of(item).is_some())
    }

    pub fn show_summary(&mut self) {
        show_head();
        let scaled = self.all_scaled();
        let row =
            |item: &Item| (item.id, texts(item, self.scale_of(item).filter(|_| scaled), self.rules_version));
        let rows: Vec<(u32, Vec<String>)> = self.items.iter().map(row).collect();
        // Rebuilt only when it changes, so that a text selection survives while other images are being processed.
        if self.images_shown != rows {
            let elements = rows.iter().map(|(id, texts)| row_element(*id, texts)).collect();
            focus::rebuild(&dom::element("images-body"), "data-image", elements);
            self.show_totals(scaled);
            let compared = self.with_result().any(|item| item.iou.is_some());
            let table = dom::element("table-images");
            let _ = table.class_list().toggle_with_force("no-truth", !compared);
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

    /// The figures of all images together, once all follow the same rules.
    fn show_totals(&self, scaled: bool) {
        let settled = self.with_result().all(|item| !item.is_recounted(self.rules_version));
        let figure = |text: String| if settled { text } else { NONE.into() };
        let cells: usize = self.with_result().map(|item| item.figures.count).sum();
        let covered = Spread::of(self.with_result().map(|item| item.covered)).mean().unwrap_or_default();
        let diameter = |item: &Item| item.figures.diameter.sized(self.scale_of(item).filter(|_| scaled), 1);
        let diameters = self.with_result().map(diameter).fold(Spread::default(), Spread::and);
        let foot = dom::element("images-foot");
        foot.set_inner_html("");
        let total = [
            match self.with_result().count() {
                1 => "1 image".into(),
                count => format!("{count} images"),
            },
            figure(cells.to_string()),
            figure(format!("mean {:.1} %", covered * 100.0)),
            String::new(),
            figure(spread(diameters)),
        ];
        // The rest is empty, but the line above the totals goes on.
        let mut total = total.to_vec();
        total.resize(COLUMNS.len(), String::new());
        dom::append(&foot, &line(&total));
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
            text.push_str(line.trim_end().strip_suffix(",,").unwrap_or_default());
            text.push_str(&quoted(self.model.weights_name()));
            text.push(',');
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
        let name = "summary.csv";
        if let Err(error) = save::download(name, "text/csv", &bytes) {
            return self.not_saved(name, &error);
        }
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
