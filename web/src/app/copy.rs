//! The tables for the clipboard, as a spreadsheet in the browser's language takes them: tabs between columns, and its
//! decimal mark. (A CSV file has decimal points, which a spreadsheet in another language misreads.) No number has three
//! decimals, so that a wrong mark is no mark of thousands.

use super::figures::{density, sized};
use super::item::Item;
use super::statistics::Spread;
use super::summary::NOTHING;
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
        lines.number(Some(sized(row.diameter, scale, 1).0), 4);
        lines.number(Some(sized(row.area, scale, 2).0), 4);
        lines.number(Some(sized(row.perimeter, scale, 1).0), 4);
        lines.number(Some(row.circularity), 4);
        lines.number(Some(row.probability * 100.0), 1);
        lines.number(Some(f64::from(u8::from(row.edge))), 0);
        lines.end();
    }
    lines.text
}

/// A row for each measured image, in micrometres if `scaled`.
fn images(items: &[(&Item, Option<f64>)], scaled: bool) -> String {
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
        let spread = |lines: &mut Lines, values: Spread, power| {
            let values = values.sized(scale, power);
            lines.number(values.mean(), 4);
            lines.number(values.deviation(), 4);
        };
        lines.word(&item.label());
        lines.number(Some(item.figures.count as f64), 0);
        lines.number(Some(item.covered * 100.0), 2);
        lines.number(Some(density(item, scale).0), 4);
        spread(&mut lines, item.figures.diameter, 1);
        spread(&mut lines, item.figures.area, 2);
        lines.number(item.figures.circularity.mean(), 4);
        lines.number(item.iou.map(|share| share * 100.0), 2);
        lines.number(item.dice.map(|share| share * 100.0), 2);
        lines.number(Some(item.seconds), 2);
        lines.word(&item.notices().collect::<Vec<_>>().join("; "));
        lines.end();
    }
    lines.text
}

const COUNTING: &str = "The cells are still being counted. Copy the table again in a moment.";
const REFUSED: &str = "The browser does not let this page copy. Save the table under Save, as CSV, instead.";

impl App {
    /// Copies the table that is shown.
    pub fn copy_table(&mut self) {
        let all = !dom::element("table-images").hidden();
        let done: Vec<_> = self.exportable().map(|item| (item, self.scale_of(item))).collect();
        let shown = done.iter().find(|(item, _)| Some(item.id) == self.active);
        let text = match shown {
            _ if all && !self.unsettled() => images(&done, self.all_scaled()),
            Some((item, scale)) if !all => cells(item, &self.sorting.order(&item.rows), *scale),
            _ => return self.complain(if self.unsettled() { COUNTING } else { NOTHING }),
        };
        if all {
            self.tell_of_missing();
        }
        let rows = match text.lines().count() - 1 {
            1 => "1 row".to_string(),
            rows => format!("{rows} rows"),
        };
        // At once: Safari wants to see the click that asks for it.
        let writing = clipboard().map(|clipboard| clipboard.write_text(&text));
        spawn_local(async move {
            let copied = match writing {
                Some(writing) => JsFuture::from(writing).await.is_ok(),
                None => false,
            };
            if copied {
                dom::set_text("spoken", &format!("{rows} copied, to be pasted into a spreadsheet."));
                dom::set_text("copy-table", "Copied");
                dom::after(2000, || dom::set_text("copy-table", "Copy"));
            } else {
                act(|app| app.complain(REFUSED));
            }
        });
    }
}

/// The clipboard; `None` over plain http, where browsers have none.
fn clipboard() -> Option<Clipboard> {
    Reflect::get(&dom::window().navigator(), &"clipboard".into()).ok()?.dyn_into().ok()
}
