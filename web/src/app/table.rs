//! The tables: cells of the active image, and all images.

use super::figures::{short, sized};
use super::item::Item;
use super::{App, act, dom, focus};
use crate::message::CellRow;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlInputElement};

const COLUMNS: [&str; 10] =
    ["Cell", "Counted", "x", "y", "Diameter", "Area", "Perimeter", "Circularity", "Certainty", "Edge"];
/// Number of rows shown at first. Building all of 20 000 rows would freeze the page.
const PORTION: usize = 200;
/// Number of rows shown after "more".
const MOST: usize = 1200;

/// Order and extent of the table of cells.
pub struct Sorting {
    column: usize,
    falling: bool,
    rows: usize,
    shown: Option<Shown>,
}

/// What the table of cells shows. It is rebuilt only when this changes.
#[derive(PartialEq)]
struct Shown {
    image: u32,
    /// Which of the image's sets of rows, see [`Item::measurings`].
    measurings: u32,
    cells: usize,
    /// Changes with every cell that is left out, before the next set of rows has come.
    left_out: usize,
    /// Micrometres per pixel.
    scale: Option<f64>,
    column: usize,
    falling: bool,
    /// Maximum number of rows.
    rows: usize,
}

impl Default for Sorting {
    fn default() -> Self {
        Self { column: 0, falling: false, rows: PORTION, shown: None }
    }
}

impl Sorting {
    /// The places of the rows in this order.
    pub fn order(&self, rows: &[CellRow]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let value = |at: usize| value(&rows[at], self.column);
        order.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
        if self.falling {
            order.reverse();
        }
        order
    }
}

/// Value of a column, for sorting.
fn value(row: &CellRow, column: usize) -> f64 {
    match column {
        1 => f64::from(u8::from(row.excluded)),
        2 => row.x,
        3 => row.y,
        4 => row.diameter,
        5 => row.area,
        6 => row.perimeter,
        7 => row.circularity,
        8 => row.probability,
        9 => f64::from(u8::from(row.edge)),
        _ => f64::from(row.id),
    }
}

/// The cell whose row an event occurred in, and the event's target.
fn cell_of(event: &Event) -> Option<(u32, Element)> {
    let target: Element = event.target()?.dyn_into().ok()?;
    let row = target.closest("tr[data-cell]").ok()??;
    Some((row.get_attribute("data-cell")?.parse().ok()?, target))
}

pub fn listen() {
    for (column, title) in COLUMNS.iter().enumerate() {
        let head = dom::make("th", "", "");
        dom::set(&head, "scope", "col");
        let button = dom::make("button", "", title);
        dom::set(&button, "type", "button");
        dom::set(&button, "title", "Sort by this");
        dom::append(&head, &button);
        dom::append(&dom::element("cells-head"), &head);
        dom::on(&button, "click", move |_: Event| act(move |app| app.sort_by(column)));
    }
    // One listener for all rows.
    dom::on(&dom::element("cells-body"), "click", |event: Event| {
        let Some((cell, target)) = cell_of(&event) else { return };
        let toggle = target.dyn_ref::<HtmlInputElement>().is_some();
        act(move |app| if toggle { app.toggle(cell, None) } else { app.show_cell(cell) });
    });
    dom::on(&dom::element("images-body"), "click", |event: Event| {
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let row = target.and_then(|target| target.closest("tr[data-image]").ok().flatten());
        if let Some(id) = row.and_then(|row| row.get_attribute("data-image")?.parse().ok()) {
            act(move |app| app.choose(id));
        }
    });
    dom::on(&dom::element("cells-body"), "keydown", |event: web_sys::KeyboardEvent| {
        if event.key() == "Enter"
            && let Some((cell, _)) = cell_of(&event)
        {
            act(move |app| app.show_cell(cell));
        }
    });
}

fn row_element(row: &CellRow, scale: Option<f64>) -> Element {
    let line = dom::make("tr", if row.excluded { "left-out" } else { "" }, "");
    dom::set(&line, "data-cell", &row.id.to_string());
    let first = dom::make("td", "", "");
    let go = dom::make("button", "small", &row.id.to_string());
    dom::set(&go, "type", "button");
    dom::set(&go, "title", "Show this cell in the picture");
    dom::append(&first, &go);
    dom::append(&line, &first);
    let check = dom::make("td", "", "");
    let tick = dom::make("input", "", "");
    dom::set(&tick, "type", "checkbox");
    dom::set(&tick, "aria-label", &format!("Count cell {}", row.id));
    if let Some(tick) = tick.dyn_ref::<HtmlInputElement>() {
        tick.set_checked(!row.excluded);
    }
    dom::append(&check, &tick);
    dom::append(&line, &check);
    let texts = [
        format!("{:.1}", row.x),
        format!("{:.1}", row.y),
        short(sized(row.diameter, scale, 1).0),
        short(sized(row.area, scale, 2).0),
        short(sized(row.perimeter, scale, 1).0),
        format!("{:.2}", row.circularity),
        format!("{:.0} %", row.probability * 100.0),
        if row.edge { "edge" } else { "" }.into(),
    ];
    for text in texts {
        dom::append(&line, &dom::make("td", "", &text));
    }
    line
}

/// The line above the table of cells, of which at most this many rows are shown.
fn note(item: &Item, scale: Option<f64>, rows: usize) -> String {
    if !item.has_result() {
        return String::new();
    }
    let counted = super::figures::cells(item.figures.count);
    let out = match item.rows.len() - item.figures.count {
        0 => String::new(),
        out => format!(" and {out} left out"),
    };
    let first = if rows == MOST && item.rows.len() > MOST {
        format!(", the first {MOST} in this order; the CSV has all")
    } else {
        String::new()
    };
    let unit = if scale.is_some() { "µm" } else { "px" };
    format!("{counted}{out}{first}; sizes in {unit}, x and y in px")
}

/// Marks the column by which the table of cells is sorted.
fn show_order(column: usize, falling: bool) {
    for (index, head) in dom::all("#cells-head th").iter().enumerate() {
        let order = match (index == column, falling) {
            (false, _) => "none",
            (true, false) => "ascending",
            (true, true) => "descending",
        };
        dom::set(head, "aria-sort", order);
    }
}

impl App {
    fn sort_by(&mut self, column: usize) {
        let falling = self.sorting.column == column && !self.sorting.falling;
        self.sorting = Sorting { column, falling, ..Sorting::default() };
        self.refresh();
    }

    pub fn more_rows(&mut self) {
        self.sorting.rows = MOST;
        self.refresh();
    }

    /// Shows a cell of the table in the picture.
    fn show_cell(&mut self, cell: u32) {
        let Some(row) =
            self.active_item().and_then(|item| item.rows.iter().find(|row| row.id == cell)).copied()
        else {
            return;
        };
        self.hovered = Some(cell);
        self.view.show_point(row.x, row.y, row.diameter);
        dom::element("view").scroll_into_view_with_bool(false);
        self.draw_soon();
    }

    pub fn show_tables(&mut self) {
        dom::show("numbers", self.items.iter().any(Item::has_result));
        if !dom::element("table-cells").hidden() {
            self.show_cells();
        }
        if !dom::element("table-images").hidden() {
            self.show_summary();
        }
        if !dom::element("table-sizes").hidden() {
            self.show_histogram();
        }
    }

    fn show_cells(&mut self) {
        let other = self.sorting.shown.as_ref().is_some_and(|shown| Some(shown.image) != self.active);
        if other {
            self.sorting.rows = PORTION;
        }
        let Some(item) = self.active_item() else { return };
        let (scale, cells) = (self.scale_of(item), item.shown_rows());
        dom::set_text("table-note", &note(item, scale, self.sorting.rows));
        let Sorting { column, falling, rows, .. } = self.sorting;
        let shown = Shown {
            image: item.id,
            measurings: item.measurings,
            cells: cells.len(),
            left_out: cells.iter().filter(|row| row.excluded).map(|row| row.id as usize + 1).sum(),
            scale,
            column,
            falling,
            rows,
        };
        if self.sorting.shown.as_ref() == Some(&shown) {
            return;
        }
        let sorted = self.sorting.order(cells);
        let elements = sorted.iter().take(rows).map(|at| row_element(&cells[*at], scale)).collect();
        focus::rebuild(&dom::element("cells-body"), "data-cell", elements);
        if (sorted.len() <= rows || rows == MOST) && dom::has_focus("more-rows") {
            let _ = dom::element("table-cells").focus();
        }
        dom::show("more-rows", sorted.len() > rows && rows < MOST);
        show_order(column, falling);
        self.sorting.shown = Some(shown);
    }
}
