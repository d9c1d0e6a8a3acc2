//! Mouse, pen and touch input on the canvas: pan, zoom, pinch, hover and click.

use super::item::Item;
use super::view::View;
use super::{App, act, dom};
use crate::message::{CellRow, Request};
use std::cell::RefCell;
use std::rc::Rc;
use web_sys::{HtmlCanvasElement, MouseEvent, PointerEvent, WheelEvent};

/// A press that moves less than this, in screen pixels, counts as a click.
const CLICK: f64 = 5.0;

/// Number of the middle mouse button in events.
const MIDDLE: i16 = 1;

/// Pointers that are down (id and position), and the distance moved since the first went down.
#[derive(Default)]
struct Fingers {
    down: Vec<(i32, f64, f64)>,
    travelled: f64,
}

/// Position of an event in canvas pixels.
fn place(event: &MouseEvent) -> (f64, f64) {
    let ratio = View::pixel_ratio();
    (f64::from(event.offset_x()) * ratio, f64::from(event.offset_y()) * ratio)
}

pub fn listen() {
    let canvas: HtmlCanvasElement = dom::find("canvas");
    let fingers = Rc::new(RefCell::new(Fingers::default()));
    let listen_to = |kind: &str, heard: fn(&mut Fingers, &PointerEvent)| {
        let fingers = fingers.clone();
        dom::on(&canvas, kind, move |event: PointerEvent| heard(&mut fingers.borrow_mut(), &event));
    };
    listen_to("pointerdown", Fingers::press);
    listen_to("pointermove", Fingers::shift);
    listen_to("pointerup", Fingers::lift);
    listen_to("pointercancel", Fingers::lift);
    dom::on(&canvas, "wheel", wheel_turned);
    // Else the browser would scroll by itself after a press of the middle button.
    dom::on(&canvas, "mousedown", |event: MouseEvent| {
        if event.button() == MIDDLE {
            event.prevent_default();
        }
    });
    dom::on(&canvas, "pointerleave", |_: PointerEvent| {
        act(|app| {
            app.pointer = None;
            app.pointed_at_nothing();
        });
    });
    dom::on(&canvas, "dblclick", |event: MouseEvent| event.prevent_default());
    dom::on(&dom::window(), "resize", |_: web_sys::Event| act(App::draw_soon));
}

/// Zooms about the pointer.
fn wheel_turned(event: WheelEvent) {
    event.prevent_default();
    let (x, y) = place(&event);
    // Some systems report lines or pages instead of pixels.
    let unit = [1.0, 30.0, 300.0].get(event.delta_mode() as usize).copied().unwrap_or(1.0);
    let factor = (-event.delta_y() * unit * if event.ctrl_key() { 0.01 } else { 0.002 }).exp();
    act(move |app| {
        app.view.zoom_by(factor, x, y);
        app.draw_soon();
    });
}

impl Fingers {
    fn press(&mut self, event: &PointerEvent) {
        // The middle button moves the picture, whatever is in hand; others open menus etc.
        let middle = event.button() == MIDDLE;
        if event.button() != 0 && !middle {
            return;
        }
        let (x, y) = place(event);
        let canvas: HtmlCanvasElement = dom::find("canvas");
        let _ = canvas.set_pointer_capture(event.pointer_id());
        if self.down.is_empty() {
            // The middle button never clicks.
            self.travelled = if middle { f64::INFINITY } else { 0.0 };
        }
        self.down.push((event.pointer_id(), x, y));
        let fingers = self.down.len();
        if !middle {
            act(move |app| app.pressed(fingers, x, y));
        }
    }

    fn shift(&mut self, event: &PointerEvent) {
        let (x, y) = place(event);
        if event.buttons() == 0 && !self.down.is_empty() {
            // The release was not observed, for example because it happened over a menu.
            self.down.clear();
            act(move |app| app.released(false, x, y));
        }
        let Some(index) = self.down.iter().position(|finger| finger.0 == event.pointer_id()) else {
            act(move |app| app.point_at(x, y));
            return;
        };
        let before = self.down.clone();
        let (_, old_x, old_y) = before[index];
        self.down[index] = (event.pointer_id(), x, y);
        self.travelled += (x - old_x).hypot(y - old_y);
        if self.travelled < CLICK * View::pixel_ratio() {
            return;
        }
        let now = self.down.clone();
        let touch = event.pointer_type() == "touch";
        act(move |app| app.dragged(&before, &now, touch));
    }

    fn lift(&mut self, event: &PointerEvent) {
        let (x, y) = place(event);
        if !self.down.iter().any(|finger| finger.0 == event.pointer_id()) {
            return;
        }
        self.down.retain(|finger| finger.0 != event.pointer_id());
        if !self.down.is_empty() {
            // The end of a pinch is not a click.
            self.travelled = f64::INFINITY;
            return;
        }
        let up = event.type_() == "pointerup";
        let clicked = up && self.travelled < CLICK * View::pixel_ratio();
        act(move |app| {
            if !up {
                // The system took the gesture over (palm rejection, a gesture of its own).
                app.ruler.lift();
                app.pen.lift();
            }
            app.released(clicked, x, y);
        });
    }
}

impl App {
    fn pressed(&mut self, fingers: usize, x: f64, y: f64) {
        let here = self.view.image.is_some_and(|(id, ..)| self.active == Some(id));
        if fingers > 1 || !here {
            // Two fingers zoom; what the first has begun to draw was unintended.
            self.ruler.lift();
            return self.pen.lift();
        }
        let at = self.view.to_image(x, y);
        self.ruler.press(at);
        self.pen.press(at);
    }

    /// Pans with one finger, zooms with two, or draws with the ruler or the pen.
    fn dragged(&mut self, before: &[(i32, f64, f64)], now: &[(i32, f64, f64)], touch: bool) {
        match (before, now) {
            ([(_, x0, y0)], [(_, x1, y1)]) => {
                let to = self.view.to_image(*x1, *y1);
                if self.ruler.drag(to) || self.pen.drag(to) {
                    self.draw_soon();
                    return;
                }
                if touch && self.view.fitted {
                    return;
                }
                self.view.move_by(x1 - x0, y1 - y0);
                let _ = self.view.canvas.class_list().add_1("dragging");
            }
            ([a0, b0, ..], [a1, b1, ..]) => {
                let middle =
                    |a: &(i32, f64, f64), b: &(i32, f64, f64)| ((a.1 + b.1) / 2.0, (a.2 + b.2) / 2.0);
                let apart = |a: &(i32, f64, f64), b: &(i32, f64, f64)| (a.1 - b.1).hypot(a.2 - b.2).max(1.0);
                let ((x0, y0), (x1, y1)) = (middle(a0, b0), middle(a1, b1));
                self.view.move_by(x1 - x0, y1 - y0);
                self.view.zoom_by(apart(a1, b1) / apart(a0, b0), x1, y1);
            }
            _ => {}
        }
        self.draw_soon();
    }

    fn released(&mut self, clicked: bool, x: f64, y: f64) {
        let _ = self.view.canvas.class_list().remove_1("dragging");
        self.pointer = self.pointer.map(|_| (x, y));
        if self.ruler.release() {
            self.ruler_drawn();
            return;
        }
        if clicked {
            self.pen.lift();
        } else if self.pen_released() {
            return;
        }
        if clicked {
            self.place_tip(x, y);
            self.probe(x, y, true);
        }
    }

    /// Called when no cell is hovered any more.
    pub fn pointed_at_nothing(&mut self) {
        self.hovered = None;
        let _ = self.view.canvas.class_list().remove_1("pointing");
        dom::show("tip", false);
        self.draw_soon();
    }

    fn point_at(&mut self, x: f64, y: f64) {
        self.pointer = Some((x, y));
        self.place_tip(x, y);
        self.probe(x, y, false);
    }

    fn place_tip(&self, x: f64, y: f64) {
        let ratio = View::pixel_ratio();
        let tip = dom::element("tip");
        let (across, down) =
            (f64::from(self.view.canvas.client_width()), f64::from(self.view.canvas.client_height()));
        let left = if x / ratio > across - 180.0 { x / ratio - 170.0 } else { x / ratio + 16.0 };
        let top = if y / ratio > down - 150.0 { y / ratio - 140.0 } else { y / ratio + 16.0 };
        let _ = tip.style().set_property("left", &format!("{left}px"));
        let _ = tip.style().set_property("top", &format!("{top}px"));
    }

    /// Asks the desk which cell is at a point. Answers come in the order of the requests.
    fn probe(&mut self, x: f64, y: f64, click: bool) {
        let busy = self.ruler.active || (self.pen.tool.is_some() && !click);
        let (Some((id, width, height)), false) = (self.view.image, busy) else { return };
        let (x, y) = self.view.to_image(x, y);
        let inside = x >= 0.0 && y >= 0.0 && x < width && y < height;
        if inside && self.active_item().is_some_and(Item::has_result) {
            self.desk.probes.push_back(click.then_some((x, y)));
            self.ask_desk(Request::Probe { id, x, y });
        } else {
            self.pointed(id, 0);
        }
    }

    /// Handles the desk's answer: shows the cell's measurements, or toggles the cell if it was clicked. Cell numbers
    /// are only valid if the `versions` of corrections and rules match those of the rows.
    pub fn probed(&mut self, id: u32, cell: u32, versions: (u32, u32)) {
        let Some(click) = self.desk.probes.pop_front() else { return };
        let Some(item) = self.active_item().filter(|item| item.id == id) else { return };
        let same = versions == (item.measured_corrections, item.measured_rules);
        match click {
            Some((x, y)) if !same && self.desk.expects(id) => {
                // Ask again after the measurement in progress.
                self.desk.probes.push_back(click);
                return self.ask_desk(Request::Probe { id, x, y });
            }
            Some(at) if same && cell > 0 => self.toggle(cell, Some(at)),
            _ => {}
        }
        // The pointer may have left, or the pen been picked up, since the request.
        let points =
            self.pen.tool.is_none() && !self.ruler.active && (click.is_some() || self.pointer.is_some());
        if same && points {
            self.pointed(id, cell);
        }
        if self.pointer.is_none() {
            // A finger does not hover: the measurements of a tapped cell are shown for a while.
            self.taps += 1;
            let tap = self.taps;
            dom::after(5000, move || {
                act(move |app| {
                    if app.pointer.is_none() && app.taps == tap {
                        app.pointed_at_nothing();
                    }
                });
            });
        }
    }

    /// The row of the cell that is hovered, in picture or table.
    pub fn row_pointed_at(&self) -> Option<&CellRow> {
        let hovered = self.hovered?;
        self.active_item()?.rows.iter().find(|row| row.id == hovered)
    }

    /// Called after measuring: the hovered cell may have another number now, so hover again.
    pub fn point_again(&mut self, before: Option<(f64, f64)>) {
        let same = self.row_pointed_at().map(|row| (row.x, row.y)).zip(before);
        if self.hovered.is_some()
            && same.is_none_or(|(now, before)| (now.0 - before.0).hypot(now.1 - before.1) > 2.0)
        {
            self.pointed_at_nothing();
        }
        if let Some((x, y)) = self.pointer {
            self.probe(x, y, false);
        }
    }

    /// Marks a cell as hovered and shows its measurements; `cell` 0 means none.
    fn pointed(&mut self, id: u32, cell: u32) {
        if self.active != Some(id) {
            return;
        }
        let cell = Some(cell).filter(|cell| *cell > 0);
        if self.hovered != cell {
            self.hovered = cell;
            let _ = self.view.canvas.class_list().toggle_with_force("pointing", cell.is_some());
            self.draw_soon();
        }
        let told = self.row_pointed_at().zip(self.active_item());
        let told = told.map(|(row, item)| super::figures::describe(row, self.scale_of(item)));
        if let Some(told) = &told {
            dom::set_text("tip", told);
        }
        dom::show("tip", told.is_some());
    }

    /// Leaves a cell out or takes it in again; `at` is the point that was clicked.
    pub fn toggle(&mut self, cell: u32, at: Option<(f64, f64)>) {
        if let Some(item) = self.active_item_mut().filter(|item| item.has_result()) {
            item.toggle(cell, at);
            // The results of other images are unaffected.
            self.measure_next();
            self.refresh();
        }
    }
}
