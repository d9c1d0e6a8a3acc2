//! Taking images off the list, and putting the last one back.

use super::item::Item;
use super::results::card_id;
use super::{App, dom};
use web_sys::{Element, HtmlElement};

/// An image that was taken off the list, with everything known about it.
pub struct Removed {
    /// Its place in the list.
    at: usize,
    item: Item,
    card: Option<Element>,
    /// Whether it still had to be segmented.
    pending: bool,
}

impl App {
    pub fn remove(&mut self, id: u32) {
        let pending = self.item(id).is_some_and(Item::pending);
        self.stop(id);
        let Some(at) = self.items.iter().position(|item| item.id == id) else { return };
        let item = self.items.remove(at);
        self.forget_complaints(&item.name);
        self.faces.remove(&id);
        let card = dom::document().get_element_by_id(&card_id(id));
        if let Some(card) = &card {
            card.remove();
        }
        self.removed = Some(Removed { at, item, card, pending });
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
        // Focus moves to the neighbouring card, so that several can be removed in a row.
        match next {
            Some(next) => focus_card(next),
            None => drop(dom::element("pick").focus()),
        }
        // Pending saves may have been waiting for this image only.
        self.go_on();
    }

    /// Puts the image that was removed last back to its place, with its corrections.
    pub fn put_back(&mut self) {
        let Some(Removed { at, mut item, card, pending }) = self.removed.take() else { return };
        let id = item.id;
        // Another image may have come by the name of its files meanwhile.
        if self.items.iter().any(|other| other.stem.eq_ignore_ascii_case(&item.stem)) {
            item.stem = self.new_stem(&item.name);
        }
        let at = at.min(self.items.len());
        if let Some(card) = card {
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
        focus_card(id);
    }

    pub fn show_put_back(&self) {
        let name = self.removed.as_ref().map(|removed| removed.item.name.as_str());
        dom::show("put-back", name.is_some());
        dom::set_text("put-back", &name.map(|name| format!("Put back {name}")).unwrap_or_default());
        // Above the list; among the welcoming buttons if the list is empty and not shown.
        let button = dom::element("put-back");
        let place = dom::element(if self.items.is_empty() { "welcome-buttons" } else { "put-back-place" });
        if !place.contains(Some(&button)) {
            dom::append(&place, &button);
        }
    }
}

fn focus_card(id: u32) {
    let card = dom::document().get_element_by_id(&card_id(id));
    let button = card.and_then(|card| card.query_selector(".result").ok().flatten());
    if let Some(button) = button.as_ref().and_then(wasm_bindgen::JsCast::dyn_ref::<HtmlElement>) {
        let _ = button.focus();
    }
}
