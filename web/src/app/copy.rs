//! The tables for the clipboard, from which every spreadsheet takes them: tabs between columns, and the decimal mark of
//! the browser's language. (A CSV file has decimal points, which a spreadsheet in another language misreads.)

use super::figures::{density, sized};
use super::item::{Item, mean_and_spread};
use super::{App, act, dom};
use js_sys::{Array, Intl, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Clipboard;

/// Writes lines of a table.
struct Lines {
    text: String,
    mark: char,
}

impl Lines {
    fn new(titles: &[String]) -> Self {
        let mut lines = Self { text: String::new(), mark: decimal_mark() };
        titles.iter().for_each(|title| lines.word(title));
        lines.end();
        lines
    }

    fn word(&mut self, word: &str) {
        // What begins like a formula would be computed.
        if word.starts_with(['=', '+', '-', '@']) {
            self.text.push('\'');
        }
        self.text.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.text.push('\t');
    }

    /// `None` leaves the field empty.
    fn number(&mut self, number: Option<f64>, digits: usize) {
        let text = number.filter(|number| number.is_finite()).map(|number| format!("{number:.digits$}"));
        let mark = self.mark;
        self.text.extend(text.iter().flat_map(|text| text.chars()).map(|c| if c == '.' { mark } else { c }));
        self.text.push('\t');
    }

    fn end(&mut self) {
        self.text.pop();
        self.text.push('\n');
    }
}

/// The decimal mark of the browser's language.
fn decimal_mark() -> char {
    let format = Intl::NumberFormat::new(&Array::new(), &Object::new()).format();
    let half = format.call1(&JsValue::NULL, &0.5.into()).ok().and_then(|text| text.as_string());
    if half.is_some_and(|half| half.contains(',')) { ',' } else { '.' }
}

fn titles(names: &[&str], units: &[(&str, &str)]) -> Vec<String> {
    let unit = |name: &str| units.iter().find(|(key, _)| name.starts_with(key));
    let title = |name: &&str| match unit(name) {
        Some((_, unit)) => format!("{name}, {unit}"),
        None => name.to_string(),
    };
    names.iter().map(title).collect()
}

/// A row for each cell, in the order of the table.
fn cells(item: &Item, order: &[usize], scale: Option<f64>) -> String {
    let ((_, length), (_, square)) = (sized(0.0, scale, 1), sized(0.0, scale, 2));
    let names = [
        "Cell",
        "Counted",
        "x",
        "y",
        "Diameter",
        "Area",
        "Perimeter",
        "Circularity",
        "Certainty",
        "At the edge",
    ];
    let units = [
        ("x", "px"),
        ("y", "px"),
        ("Diameter", length),
        ("Area", square),
        ("Perimeter", length),
        ("Certainty", "%"),
    ];
    let mut lines = Lines::new(&titles(&names, &units));
    for row in order.iter().filter_map(|&at| item.rows.get(at)) {
        lines.number(Some(f64::from(row.id)), 0);
        lines.number(Some(f64::from(u8::from(!row.excluded))), 0);
        lines.number(Some(row.x), 2);
        lines.number(Some(row.y), 2);
        lines.number(Some(sized(row.diameter, scale, 1).0), 3);
        lines.number(Some(sized(row.area, scale, 2).0), 3);
        lines.number(Some(sized(row.perimeter, scale, 1).0), 3);
        lines.number(Some(row.circularity), 4);
        lines.number(Some(row.probability * 100.0), 1);
        lines.number(Some(f64::from(u8::from(row.edge))), 0);
        lines.end();
    }
    lines.text
}

/// A row for each measured image. Micrometres if the scale of all is known.
fn images(items: &[(&Item, Option<f64>)]) -> String {
    let scaled = items.iter().all(|(_, scale)| scale.is_some());
    let one = Some(1.0).filter(|_| scaled);
    let ((_, length), (_, square)) = (sized(0.0, one, 1), sized(0.0, one, 2));
    let per_area = if scaled { "per mm²" } else { "per Mpx" };
    let names = [
        "Image",
        "Cells",
        "Covered",
        "Density",
        "Diameter mean",
        "Diameter SD",
        "Area mean",
        "Area SD",
        "Circularity mean",
        "IoU",
        "Dice",
        "Time",
        "Warnings",
    ];
    let units = [
        ("Covered", "%"),
        ("Density", per_area),
        ("Diameter", length),
        ("Area", square),
        ("IoU", "%"),
        ("Dice", "%"),
        ("Time", "s"),
    ];
    let mut lines = Lines::new(&titles(&names, &units));
    for &(item, scale) in items {
        let scale = scale.filter(|_| scaled);
        let some = item.whole().next().is_some();
        let spread = |lines: &mut Lines, values: (f64, Option<f64>), power| {
            lines.number(Some(sized(values.0, scale, power).0).filter(|_| some), 3);
            lines.number(values.1.map(|deviation| sized(deviation, scale, power).0).filter(|_| some), 3);
        };
        lines.word(&item.label());
        lines.number(Some(item.count() as f64), 0);
        lines.number(Some(item.covered * 100.0), 2);
        lines.number(Some(density(item, scale).0), 3);
        spread(&mut lines, mean_and_spread(item.whole().map(|row| row.diameter)), 1);
        spread(&mut lines, mean_and_spread(item.whole().map(|row| row.area)), 2);
        let circularity = mean_and_spread(item.whole().map(|row| row.circularity)).0;
        lines.number(Some(circularity).filter(|_| some), 4);
        lines.number(item.iou.map(|share| share * 100.0), 2);
        lines.number(item.dice.map(|share| share * 100.0), 2);
        lines.number(Some(item.seconds), 2);
        lines.word(&item.notices().collect::<Vec<_>>().join("; "));
        lines.end();
    }
    lines.text
}

impl App {
    /// Copies the table that is shown.
    pub fn copy_table(&mut self) {
        let text = if dom::element("table-images").hidden() {
            let Some(item) = self.active_item().filter(|item| item.is_measured()) else { return };
            cells(item, &self.sorting.order(&item.rows), self.scale_of(item))
        } else {
            let measured = self.items.iter().filter(|item| item.is_measured());
            images(&measured.map(|item| (item, self.scale_of(item))).collect::<Vec<_>>())
        };
        let rows = text.lines().count() - 1;
        spawn_local(async move {
            let copied = write(&text).await.is_some();
            if copied {
                dom::set_text("spoken", &format!("{rows} rows copied; paste them into a spreadsheet."));
                dom::set_text("copy-table", "Copied");
                dom::after(2000, || dom::set_text("copy-table", "Copy"));
            } else {
                const NOT: &str = "The browser does not let the page copy. Save the CSV instead.";
                act(|app| app.complain(NOT));
            }
        });
    }
}

/// Puts text on the clipboard; `None` if the browser does not allow it, or not over http.
async fn write(text: &str) -> Option<()> {
    let clipboard = Reflect::get(&dom::window().navigator(), &"clipboard".into()).ok()?;
    let clipboard: Clipboard = clipboard.dyn_into().ok()?;
    JsFuture::from(clipboard.write_text(text)).await.ok().map(drop)
}
