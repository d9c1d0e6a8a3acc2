//! Correction by hand: lines drawn around missed cells and across merged ones.

use super::corrections::Corrections;
use super::view::View;
use super::{App, act, dom};
use crate::message::Stroke;
use web_sys::{CanvasRenderingContext2d, Event};

/// What the pen draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The enclosed area becomes one cell.
    Outline,
    /// Splits the cells that the line crosses.
    Cut,
}

impl Tool {
    const ALL: [Self; 2] = [Self::Outline, Self::Cut];

    fn button(self) -> &'static str {
        match self {
            Self::Outline => "draw-cell",
            Self::Cut => "cut-cells",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::Outline => "Draw around a cell: what the line encloses becomes one cell.",
            Self::Cut => "Draw a line across cells that should be separated.",
        }
    }

    /// Message for a stroke that had no effect.
    fn in_vain(self) -> &'static str {
        match self {
            Self::Outline => "That line encloses nothing. Draw around the cell, back to where you began.",
            Self::Cut => {
                "That line splits no cell. Draw it all the way across, from background to background."
            }
        }
    }
}

const IN_VAIN_AT_THE_EDGE: &str =
    "That line encloses nothing, or only a cell at the image edge. Edge cells are left out now: see Adjust.";

/// The pen for corrections by hand.
#[derive(Default)]
pub struct Pen {
    /// If set, dragging on the canvas draws.
    pub tool: Option<Tool>,
    drawing: bool,
    /// In image pixels; shown until the cells have been measured with it.
    line: Vec<(f64, f64)>,
    /// The image and the version of its corrections that the last line became part of, until the cells have been
    /// measured with it.
    awaited: Option<(u32, u32)>,
}

impl Pen {
    pub fn press(&mut self, at: (f64, f64)) {
        if self.tool.is_some() {
            self.drawing = true;
            self.line = vec![at];
        }
    }

    /// Continues the line; returns whether the pen was drawing.
    pub fn drag(&mut self, to: (f64, f64)) -> bool {
        if self.drawing {
            self.line.push(to);
        }
        self.drawing
    }

    /// Discards the line, because the press was a click or another finger came down.
    pub fn lift(&mut self) {
        self.drawing = false;
        self.line.clear();
    }

    pub fn draw(&self, context: &CanvasRenderingContext2d, view: &View) {
        let Some((first, rest)) = self.line.split_first() else { return };
        context.begin_path();
        let (x, y) = view.to_canvas(first.0, first.1);
        context.move_to(x, y);
        for (x, y) in rest.iter().map(|point| view.to_canvas(point.0, point.1)) {
            context.line_to(x, y);
        }
        if self.tool != Some(Tool::Cut) {
            context.close_path();
            context.set_fill_style_str("rgb(255 210 63 / .25)");
            context.fill();
        }
        for (width, colour) in [(5.0, "rgb(0 0 0 / .6)"), (2.5, "#ffd23f")] {
            context.set_line_width(width * View::pixel_ratio());
            context.set_stroke_style_str(colour);
            context.stroke();
        }
    }
}

pub fn listen() {
    for tool in Tool::ALL {
        dom::on(&dom::element(tool.button()), "click", move |_: Event| act(move |app| app.take_pen(tool)));
    }
    dom::on(&dom::element("pen-done"), "click", |_: Event| act(App::lay_down));
    dom::on(&dom::element("undo"), "click", |_: Event| act(App::undo));
    dom::on(&dom::element("redo"), "click", |_: Event| act(App::redo));
}

impl App {
    /// Picks up a tool, or puts it down if it is already in use.
    pub fn take_pen(&mut self, tool: Tool) {
        if self.items.is_empty() {
            return;
        }
        self.ruler.stop();
        self.hold(Some(tool).filter(|tool| self.pen.tool != Some(*tool)));
    }

    /// Puts down what draws, pen or ruler, at a press of the button beside the hint, which goes with it.
    fn lay_down(&mut self) {
        self.ruler.stop();
        self.put_pen_down();
        self.keep_focus();
    }

    pub fn put_pen_down(&mut self) {
        self.hold(None);
    }

    fn hold(&mut self, held: Option<Tool>) {
        self.pen = Pen { tool: held, awaited: self.pen.awaited, ..Pen::default() };
        for tool in Tool::ALL {
            dom::set_flag(&dom::element(tool.button()), "aria-pressed", held == Some(tool));
        }
        let _ = self.view.canvas.class_list().toggle_with_force("drawing", held.is_some());
        self.pen_says(held.map(Tool::hint));
        self.pointed_at_nothing();
        self.draw_soon();
    }

    fn pen_says(&self, words: Option<&str>) {
        dom::set_text("pen-hint", words.unwrap_or_default());
    }

    /// Ends the line and applies it; returns whether the pen was drawing.
    pub fn pen_released(&mut self) -> bool {
        let Some(tool) = self.pen.tool.filter(|_| std::mem::take(&mut self.pen.drawing)) else {
            return false;
        };
        let stroke = Stroke {
            cut: tool == Tool::Cut,
            points: self.pen.line.iter().flat_map(|&(x, y)| [x, y]).collect(),
        };
        match self.active_item_mut().filter(|item| item.has_result()) {
            Some(item) => {
                item.draw(stroke);
                let awaited = Some((item.id, item.corrections_version));
                self.pen.awaited = awaited;
                self.measure_next();
                self.refresh();
            }
            None => {
                self.pen.lift();
                self.pen_says(Some("The cells of this image have not been found yet."));
            }
        }
        true
    }

    /// Called when the cells have been measured with the stroke. If it had no effect it is removed, unless more
    /// corrections followed.
    pub fn stroke_measured(&mut self, id: u32, corrections_version: u32, vain: bool) {
        let awaited = &mut self.pen.awaited;
        let measured = awaited.take_if(|(image, drawn)| *image == id && *drawn <= corrections_version);
        let Some(measured) = measured else { return };
        if !self.pen.drawing {
            // While drawing, the line is already the next one.
            self.pen.line.clear();
        }
        let vain =
            vain && self.active_item().is_some_and(|item| measured == (item.id, item.corrections_version));
        if let Some(tool) = self.pen.tool {
            self.pen_says(Some(match vain {
                true if tool == Tool::Outline && self.rules.skip_edge => IN_VAIN_AT_THE_EDGE,
                true => tool.in_vain(),
                false => tool.hint(),
            }));
        }
        if vain {
            self.turn(Corrections::take_back);
        }
    }

    /// Undoes the last correction of this image.
    pub fn undo(&mut self) {
        self.turn(Corrections::undo);
    }

    /// Redoes the correction undone last.
    pub fn redo(&mut self) {
        self.turn(Corrections::redo);
    }

    fn turn(&mut self, back_or_forth: fn(&mut Corrections) -> bool) {
        if self.active_item_mut().is_some_and(|item| item.turn(back_or_forth)) {
            self.measure_next();
            self.refresh();
        }
    }
}
