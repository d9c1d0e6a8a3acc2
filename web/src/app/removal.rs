//! Taking images off the list, and putting the last one back.

use super::input::is_same_file;
use super::item::Item;
use super::results::card_id;
use super::state::AGAIN;
use super::{App, dom};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// An image that was taken off the list, with everything known about it.
pub struct Removed {
    /// Its place in the list.
    at: usize,
    item: Item,
    card: Option<Element>,
    /// Whether it still had to be segmented, and the cell diameter set by hand then.
    pending: bool,
    diameter: Option<f64>,
}

impl App {
    pub fn remove(&mut self, id: u32) {
        let (pending, diameter) =
            self.item(id).map(|item| (item.pending(), item.diameter)).unwrap_or_default();
        self.stop(id);
        let Some(at) = self.items.iter().position(|item| item.id == id) else { return };
        let item = self.items.remove(at);
        self.forget_complaints(&item.name);
        self.faces.remove(&id);
        let card = dom::document().get_element_by_id(&card_id(id));
        if let Some(card) = &card {
            card.remove();
        }
        dom::set_text(
            "spoken",
            &format!("{} was removed. Put back, above the list, undoes that.", item.name),
        );
        self.removed = Some(Removed { at, item, card, pending, diameter });
        if self.active == Some(id) {
            (self.active, self.hovered) = (None, None);
            (self.desk_open, self.desk_has) = (None, None);
            self.view.forget();
            self.leave_difference();
            if self.items.is_empty() {
                self.put_pen_down();
            }
        }
        let next = self.items.get(at.min(self.items.len().saturating_sub(1))).map(|item| item.id);
        if let (Some(next), None) = (next, self.active) {
            self.activate(next);
        }
        if self.racer.is_some() && self.raced == id {
            self.race_over("The image was removed.");
        }
        // Focus moves to the neighbouring card, so that several can be removed in a row.
        if !next.is_some_and(focus_card) {
            let _ = dom::element(if self.items.is_empty() { "pick" } else { "add" }).focus();
        }
        // Pending saves may have been waiting for this image only.
        self.go_on();
    }

    /// Puts the image that was removed last back to its place, with its corrections.
    pub fn put_back(&mut self) {
        let Some(Removed { at, mut item, card, pending, diameter }) = self.removed.take() else { return };
        let id = item.id;
        // What was saved may follow other rules by now.
        item.saved &= item.measured_rules == self.rules_version;
        if self.items.iter().any(|other| is_same_file(&other.file, &item.file)) {
            self.complain(&format!("{}: {AGAIN}.", item.name));
        }
        // Another image may have come by the name of its files meanwhile.
        if self.items.iter().any(|other| other.stem.to_lowercase() == item.stem.to_lowercase()) {
            item.stem = self.new_stem(&item.name);
        }
        if pending {
            item.diameter = diameter;
        }
        let at = at.min(self.items.len());
        if let Some(card) = card {
            if let Some(name) = card.query_selector(".name").ok().flatten() {
                name.set_text_content(Some(&item.label()));
            }
            let next =
                self.items.get(at).and_then(|next| dom::document().get_element_by_id(&card_id(next.id)));
            let _ = dom::element("results").insert_before(&card, next.as_deref());
        }
        self.items.insert(at, item);
        self.choose(id);
        if pending {
            self.retry(id);
        }
        self.go_on();
        let _ = focus_card(id);
    }

    pub fn show_put_back(&self) {
        let name = self.removed.as_ref().map(|removed| removed.item.name.as_str());
        dom::show("put-back", name.is_some());
        let text = name.map(|name| format!("Put back {name}")).unwrap_or_default();
        dom::set_text("put-back", &text);
        // The text may be cut off.
        dom::set(&dom::element("put-back"), "title", &format!("{text}, to its place, with its corrections"));
        // Above the list; among the welcoming buttons if the list is empty and not shown.
        let button = dom::element("put-back");
        let place = dom::element(if self.items.is_empty() { "welcome-buttons" } else { "put-back-place" });
        if !place.contains(Some(&button)) {
            let focused = dom::has_focus("put-back");
            dom::append(&place, &button);
            if focused {
                let _ = button.focus();
            }
        }
    }
}

/// Moves the focus to an image's card; returns whether it has one.
fn focus_card(id: u32) -> bool {
    let card = dom::document().get_element_by_id(&card_id(id));
    let button = card.and_then(|card| card.query_selector(".result").ok().flatten());
    button
        .as_ref()
        .and_then(|button| button.dyn_ref::<HtmlElement>())
        .is_some_and(|button| button.focus().is_ok())
}
