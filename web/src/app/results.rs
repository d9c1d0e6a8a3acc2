//! The list of images, with the state of each.

use super::item::{Item, Phase};
use super::{App, act, dom};
use js_sys::Uint8ClampedArray;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, Element, Event, HtmlCanvasElement, ImageData};

fn card_id(id: u32) -> String {
    format!("result-{id}")
}

/// The card of an image, made at its first showing.
fn card(item: &Item) -> Element {
    if let Some(card) = dom::document().get_element_by_id(&card_id(item.id)) {
        return card;
    }
    let id = item.id;
    let card = dom::make("li", "", "");
    card.set_id(&card_id(id));
    dom::set(&card, "data-testid", "result");
    dom::set(&card, "data-name", &item.name);
    let button = dom::make("button", "result", "");
    dom::set(&button, "type", "button");
    dom::set(&button, "title", &format!("{} (J next, K previous)", item.name));
    let thumb = dom::make("canvas", "thumb", "");
    dom::set(&thumb, "width", "92");
    dom::set(&thumb, "height", "92");
    dom::set(&thumb, "aria-hidden", "true");
    for part in [thumb, dom::make("span", "name", &item.name), dom::make("span", "note", "")] {
        dom::append(&button, &part);
    }
    let bar = dom::make("progress", "", "");
    dom::set(&bar, "aria-label", &format!("Progress of {}", item.name));
    dom::append(&button, &bar);
    let side = dom::make("button", "side", "");
    dom::set(&side, "type", "button");
    dom::append(&card, &button);
    dom::append(&card, &side);
    dom::on(&button, "click", move |_: Event| act(move |app| app.activate(id)));
    dom::on(&side, "click", move |_: Event| act(move |app| app.side_action(id)));
    dom::append(&dom::element("results"), &card);
    card
}

/// What the card says under the name.
fn note(item: &Item) -> String {
    match &item.phase {
        Phase::Waiting => "waiting".into(),
        Phase::Working(share) if *share <= 0.0 => "starting…".into(),
        Phase::Working(share) => format!("{:.0} %", share * 100.0),
        Phase::Counting => "counting…".into(),
        Phase::Done => {
            let iou = item.iou.map(|iou| format!(", IoU {:.1} %", iou * 100.0)).unwrap_or_default();
            format!("{}, {:.1} %{iou}", super::figures::cells(item.count()), item.covered * 100.0)
        }
        Phase::Failed(why) => why.clone(),
        Phase::Stopped => "stopped".into(),
    }
}

fn show_card(item: &Item, active: bool) {
    let card = card(item);
    let (state, action) = match item.phase {
        Phase::Waiting => ("waiting", "Remove"),
        Phase::Working(_) => ("working", "Stop"),
        Phase::Counting => ("counting", ""),
        Phase::Done => ("done", "Remove"),
        Phase::Failed(_) => ("failed", "Retry"),
        Phase::Stopped => ("stopped", "Retry"),
    };
    dom::set(&card, "data-state", state);
    if let Ok(Some(button)) = card.query_selector(".result") {
        dom::set(&button, "aria-current", if active { "true" } else { "false" });
    }
    if let Ok(Some(element)) = card.query_selector(".note") {
        element.set_text_content(Some(&note(item)));
    }
    if let Some(side) = card.query_selector(".side").ok().flatten().and_then(|side| side.dyn_into().ok()) {
        let side: web_sys::HtmlElement = side;
        side.set_text_content(Some(action));
        side.set_hidden(action.is_empty());
        dom::set(&side, "aria-label", &format!("{action} {}", item.name));
    }
    if let Some(bar) = card.query_selector("progress").ok().flatten().and_then(|bar| bar.dyn_into().ok()) {
        let bar: web_sys::HtmlElement = bar;
        match item.phase {
            Phase::Working(share) => dom::set(&bar, "value", &share.to_string()),
            _ => drop(bar.remove_attribute("value")),
        }
        bar.set_hidden(!matches!(item.phase, Phase::Working(_) | Phase::Counting));
    }
}

impl App {
    pub fn show_results(&mut self) {
        for item in &self.items {
            show_card(item, Some(item.id) == self.active);
        }
        let (total, pending) = (self.items.len(), self.items.iter().filter(|item| item.pending()).count());
        dom::set_text("image-count", &if total > 0 { format!("({total})") } else { String::new() });
        let over = |item: &&Item| matches!(item.phase, Phase::Stopped | Phase::Failed(_));
        let over = self.items.iter().filter(over).count();
        dom::show("retry-all", pending == 0 && over > 0);
        dom::set_text("retry-all", &format!("Try {over} again"));
        dom::show("overall", pending > 0);
        let bar = dom::element("progress");
        dom::set(&bar, "value", &format!("{:.4}", self.share_done()));
        let waits = if self.network_ready { "" } else { ", waiting for the model" };
        dom::set_text("progress-text", &format!("{} of {total} done{waits}", total - pending));
    }

    pub fn show_thumb(&mut self, id: u32, pixels: &Uint8ClampedArray, width: u32, height: u32) {
        let Some(item) = self.item(id) else { return };
        let canvas = card(item).query_selector("canvas").ok().flatten();
        let Some(canvas) = canvas.and_then(|canvas| canvas.dyn_into::<HtmlCanvasElement>().ok()) else {
            return;
        };
        canvas.set_width(width);
        canvas.set_height(height);
        let pixels = pixels.to_vec();
        let data = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&pixels), width, height);
        let context = canvas.get_context("2d").ok().flatten();
        if let (Ok(data), Some(context)) = (data, context) {
            let _ = context.unchecked_into::<CanvasRenderingContext2d>().put_image_data(&data, 0.0, 0.0);
        }
    }

    /// The small button of a card: retry what failed, stop what runs, remove what is done or not begun.
    fn side_action(&mut self, id: u32) {
        match self.item(id).map(|item| item.phase.clone()) {
            Some(Phase::Failed(_) | Phase::Stopped) => self.retry(id),
            Some(Phase::Working(_)) => self.stop(id),
            Some(Phase::Done | Phase::Waiting) => self.remove(id),
            _ => {}
        }
    }

    fn remove(&mut self, id: u32) {
        let Some(at) = self.items.iter().position(|item| item.id == id) else { return };
        self.items.remove(at);
        if let Some(card) = dom::document().get_element_by_id(&card_id(id)) {
            card.remove();
        }
        if self.active == Some(id) {
            (self.active, self.hovered) = (None, None);
            (self.desk_open, self.desk_has) = (None, None);
            self.view.forget();
            self.leave_difference();
            if let Some(next) = self.items.get(at.min(self.items.len().saturating_sub(1))).map(|item| item.id)
            {
                self.activate(next);
            }
        }
        // What is to be saved may have waited for this one alone.
        self.go_on();
    }
}
