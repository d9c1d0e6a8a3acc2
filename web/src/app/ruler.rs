//! The line that the user draws along a scale bar.

use super::controls::typed;
use super::view::View;
use super::{App, dom};
use web_sys::CanvasRenderingContext2d;

const HINT: &str = "Drag along the scale bar from end to end.";

/// The ruler that measures a scale bar.
#[derive(Default)]
pub struct Ruler {
    /// Whether the next drag on the canvas draws the line.
    pub active: bool,
    drawing: bool,
    /// Start and end in image pixels.
    line: Option<((f64, f64), (f64, f64))>,
}

impl Ruler {
    pub fn stop(&mut self) {
        if self.active {
            self.put_down();
        }
        *self = Self::default();
        if dom::has_focus("scale-length") {
            let _ = dom::element("draw-scale").focus();
        }
        let _ = dom::element("scale-length").remove_attribute("aria-invalid");
        dom::set_text("scale-length-hint", "");
        dom::show("scale-form", false);
    }

    /// Called when dragging no longer draws.
    fn put_down(&mut self) {
        self.active = false;
        dom::set_text("pen-hint", "");
        dom::set_flag(&dom::element("draw-scale"), "aria-pressed", false);
        let _ = dom::element("canvas").class_list().remove_1("ruling");
    }

    pub fn start(&mut self) {
        self.active = true;
        dom::set_text("pen-hint", HINT);
        dom::bring_into_sight("view");
        dom::set_flag(&dom::element("draw-scale"), "aria-pressed", true);
        let _ = dom::element("canvas").class_list().add_1("ruling");
    }

    pub fn press(&mut self, at: (f64, f64)) {
        if self.active {
            self.drawing = true;
            self.line = Some((at, at));
        }
    }

    /// Continues the line; returns whether the ruler was drawing.
    pub fn drag(&mut self, to: (f64, f64)) -> bool {
        if let (true, Some((from, _))) = (self.drawing, self.line) {
            self.line = Some((from, to));
        }
        self.drawing
    }

    /// Discards a line in progress, because another finger came down or the system took the gesture over.
    pub fn lift(&mut self) {
        if std::mem::take(&mut self.drawing) {
            self.line = None;
        }
    }

    /// Ends the line; returns whether there was one in progress.
    pub fn release(&mut self) -> bool {
        std::mem::take(&mut self.drawing)
    }

    /// Length of the line in image pixels; 0 if there is none.
    pub fn length(&self) -> f64 {
        self.line.map_or(0.0, |((x0, y0), (x1, y1))| (x1 - x0).hypot(y1 - y0))
    }

    pub fn draw(&self, context: &CanvasRenderingContext2d, view: &View) {
        let Some((from, to)) = self.line else { return };
        let ((x0, y0), (x1, y1)) = (view.to_canvas(from.0, from.1), view.to_canvas(to.0, to.1));
        for (width, colour) in [(6.0, "rgb(0 0 0 / .6)"), (3.0, "#ffd23f")] {
            context.begin_path();
            context.move_to(x0, y0);
            context.line_to(x1, y1);
            context.set_line_width(width * View::pixel_ratio());
            context.set_stroke_style_str(colour);
            context.stroke();
        }
    }
}

impl App {
    pub fn toggle_ruler(&mut self) {
        let drawing = self.ruler.active;
        // A line that is there already was misplaced: it is drawn again. Esc only removes it.
        self.ruler.stop();
        if !drawing && !self.items.is_empty() {
            self.put_pen_down();
            self.ruler.start();
        }
        self.draw_soon();
    }

    /// Called when the line is finished: asks for its length.
    pub fn ruler_drawn(&mut self) {
        let length = self.ruler.length();
        if length < 3.0 {
            return;
        }
        self.ruler.put_down();
        dom::set_text("scale-pixels", &format!("{length:.0}"));
        dom::show("scale-form", true);
        let _ = dom::input("scale-length").focus();
        dom::input("scale-length").select();
        self.draw_soon();
    }

    pub fn ruler_applied(&mut self) {
        let Some(micrometres) = typed("scale-length", 0.01..=1e6) else { return };
        let Some(micrometres) = micrometres else {
            dom::set(&dom::element("scale-length"), "aria-invalid", "true");
            return dom::set_text("scale-length-hint", "Enter the length of the line in micrometres.");
        };
        let pixels = self.ruler.length();
        let scale = super::figures::rounded(micrometres / pixels);
        if scale > 0.0 && scale.is_finite() {
            dom::input("scale").set_value(&scale.to_string());
            self.ruler.stop();
            self.read_rules();
        }
    }
}
