//! The list of images with their states.

use super::item::{Item, Phase};
use super::{App, act, dom};
use js_sys::Uint8ClampedArray;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{
    CanvasRenderingContext2d, Element, Event, HtmlCanvasElement, ImageData, ScrollIntoViewOptions,
    ScrollLogicalPosition,
};

/// The id of an image's card in the list.
pub fn card_id(id: u32) -> String {
    format!("result-{id}")
}

/// Writes an image's name in two parts. Where it does not fit, the first is shortened: names of one smear differ at the end.
pub fn show_name(place: &Element, label: &str) {
    const LAST: usize = 14;
    let at = label.char_indices().rev().nth(LAST - 1).map_or(0, |(at, _)| at);
    let (first, last) = label.split_at(at);
    place.set_text_content(None);
    for part in [first, last] {
        dom::append(place, &dom::make("span", "", part));
    }
}

/// The card of an image, created on first use.
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
    let thumb = dom::make("canvas", "thumb", "");
    dom::set(&thumb, "width", "92");
    dom::set(&thumb, "height", "92");
    dom::set(&thumb, "aria-hidden", "true");
    let name = dom::make("span", "name", "");
    show_name(&name, &item.label());
    for part in [thumb, name, dom::make("span", "note", "")] {
        dom::append(&button, &part);
    }
    let bar = dom::make("progress", "", "");
    dom::set(&bar, "aria-label", &format!("Progress of {}", item.name));
    dom::append(&button, &bar);
    let side = dom::make("div", "side", "");
    let again = dom::make("button", "again", "");
    let remove = dom::make("button", "remove", "×");
    dom::set(&remove, "aria-label", &format!("Remove {}", item.name));
    dom::set(&remove, "title", "Remove from the list");
    for button in [&again, &remove] {
        dom::set(button, "type", "button");
        dom::append(&side, button);
    }
    dom::append(&card, &button);
    dom::append(&card, &side);
    dom::on(&button, "click", move |_: Event| act(move |app| app.choose(id)));
    dom::on_press(&again, move || act(move |app| app.stop_or_retry(id)));
    // After it the next card lies under the pointer.
    dom::on_press(&remove, move || act(move |app| app.remove(id)));
    dom::append(&dom::element("results"), &card);
    card
}

/// Scrolls the list if necessary to show an image's card.
pub fn bring_into_sight(id: u32) {
    let how = ScrollIntoViewOptions::new();
    how.set_block(ScrollLogicalPosition::Nearest);
    if let Some(card) = dom::document().get_element_by_id(&card_id(id)) {
        card.scroll_into_view_with_scroll_into_view_options(&how);
    }
}

/// Text under the name on the card of an image in this phase.
fn note(item: &Item, phase: &Phase) -> String {
    match phase {
        Phase::Waiting => "waiting".into(),
        Phase::Working(share) if *share <= 0.0 => "starting…".into(),
        Phase::Working(share) => format!("{:.0} %", share * 100.0),
        Phase::Counting => "counting…".into(),
        Phase::Done => {
            let iou = item.iou.map(|iou| format!(", IoU\u{a0}{:.1}\u{a0}%", iou * 100.0)).unwrap_or_default();
            let doubt = if item.notices().next().is_none() { "" } else { "\u{a0}⚠" };
            format!(
                "{}, {:.1}\u{a0}%{iou}{doubt}",
                super::figures::cells(item.figures.count),
                item.covered * 100.0
            )
        }
        // The name stands above.
        Phase::Failed(why) => {
            let rest = why.strip_prefix(&item.name).and_then(|rest| rest.strip_prefix(": "));
            rest.unwrap_or(why).into()
        }
        Phase::Stopped => "stopped".into(),
    }
}

/// Everything shown on a card. A card is only redrawn when this changes, so with 200 images one is redrawn at a time.
#[derive(PartialEq)]
pub struct Face {
    state: &'static str,
    active: bool,
    note: String,
    /// Tooltip with the full text, which the card truncates.
    title: String,
    /// Label of the small button; empty if there is nothing to do.
    action: &'static str,
    working: bool,
    share: Option<f64>,
}

impl Face {
    fn of(item: &Item, active: bool, rules_version: u32) -> Self {
        let phase = item.shown_phase(rules_version);
        let (state, action) = match phase {
            Phase::Waiting => ("waiting", "Stop"),
            Phase::Working(_) => ("working", "Stop"),
            Phase::Counting => ("counting", ""),
            Phase::Done => ("done", ""),
            Phase::Failed(_) => ("failed", "Retry"),
            Phase::Stopped => ("stopped", "Retry"),
        };
        let action = if action == "Retry" && !item.can_retry() { "" } else { action };
        let folder = if item.folder.is_empty() { String::new() } else { format!("{}/", item.folder) };
        let more = match &item.phase {
            Phase::Failed(why) => format!("\n{why}"),
            _ => item.notices().map(|warning| format!("\n⚠ {warning}")).collect(),
        };
        let share = if let Phase::Working(share) = item.phase { Some(share) } else { None };
        Self {
            state,
            active,
            note: note(item, phase),
            title: format!("{folder}{} (J next, K previous){more}", item.name),
            action,
            // Without a bar while it is counted again: the list would jump with every move of the threshold.
            working: matches!(item.phase, Phase::Working(_) | Phase::Counting),
            share,
        }
    }

    fn show(&self, item: &Item) {
        let card = card(item);
        let part = |class: &str| -> Option<web_sys::HtmlElement> {
            card.query_selector(class).ok().flatten()?.dyn_into().ok()
        };
        dom::set(&card, "data-state", self.state);
        if let Some(button) = part(".result") {
            dom::set_flag(&button, "aria-current", self.active);
            dom::set(&button, "title", &self.title);
        }
        if let Some(note) = part(".note") {
            note.set_text_content(Some(&self.note));
        }
        if let Some(again) = part(".again") {
            again.set_text_content(Some(self.action));
            again.set_hidden(self.action.is_empty());
            dom::set(&again, "aria-label", &format!("{} {}", self.action, item.name));
        }
        if let Some(bar) = part("progress") {
            match self.share {
                Some(share) => dom::set(&bar, "value", &share.to_string()),
                None => drop(bar.remove_attribute("value")),
            }
            bar.set_hidden(!self.working);
        }
    }
}

impl App {
    /// Activates an image that the user chose.
    pub fn choose(&mut self, id: u32) {
        self.chosen = true;
        self.activate(id);
    }

    pub fn show_results(&mut self) {
        for item in &self.items {
            let face = Face::of(item, Some(item.id) == self.active, self.rules_version);
            if self.faces.get(&item.id) != Some(&face) {
                face.show(item);
                self.faces.insert(item.id, face);
            }
        }
        let total = self.items.len();
        let pending = self.items.iter().any(Item::pending);
        let open = self.items.iter().filter(|item| item.shown_phase(self.rules_version).pending()).count();
        dom::set_text("image-count", &if total > 0 { format!("({total})") } else { String::new() });
        let over = self.items.iter().filter(|item| item.can_retry()).count();
        dom::show("retry-all", !pending && over > 0);
        dom::set_text("retry-all", &format!("Try {over} again"));
        dom::show("overall", pending);
        self.show_removal();
        let bar = dom::element("progress");
        dom::set(&bar, "value", &format!("{:.4}", self.share_done()));
        let waits = if self.model.ready() { "" } else { ", waiting for the model" };
        dom::set_text("progress-text", &format!("{} of {total} done{waits}", total - open));
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

    /// Handles the small button of a card: retries a failed image, stops a waiting or running one.
    fn stop_or_retry(&mut self, id: u32) {
        match self.item(id).map(|item| item.phase.clone()) {
            Some(Phase::Failed(_) | Phase::Stopped) => self.retry(&[id]),
            Some(Phase::Waiting | Phase::Working(_)) => self.stop(&[id]),
            _ => {}
        }
    }
}
