//! Taking images off the list, and putting them back.

use super::input::identity;
use super::item::Item;
use super::results::{card_id, show_name};
use super::state::AGAIN;
use super::{App, dom};
use std::mem::take;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// Earlier removals are kept as long as all together are of no more images than this, for they take memory.
const KEPT: usize = 20;

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
        self.take_off(&[id]);
    }

    pub fn remove_all(&mut self) {
        self.take_off(&self.ids());
    }

    /// Takes images off the list. They can be put back.
    fn take_off(&mut self, ids: &[u32]) {
        let before: Vec<_> = self.items.iter().map(|item| (item.pending(), item.diameter)).collect();
        self.stop(ids);
        let mut removed = Vec::new();
        for (at, (item, (pending, diameter))) in take(&mut self.items).into_iter().zip(before).enumerate() {
            if ids.contains(&item.id) {
                let card = dom::document().get_element_by_id(&card_id(item.id));
                removed.push(Removed { at, item, card, pending, diameter });
            } else {
                self.items.push(item);
            }
        }
        let Some(at) = removed.first().map(|first| first.at) else { return };
        let names: Vec<String> = removed.iter().map(|removed| removed.item.name.clone()).collect();
        self.forget_complaints(&names);
        for Removed { item, card, .. } in &removed {
            self.faces.remove(&item.id);
            if let Some(card) = card {
                card.remove();
            }
        }
        self.removed.push(removed);
        while self.removed.len() > 1 && self.removed.iter().map(Vec::len).sum::<usize>() > KEPT {
            self.removed.remove(0);
        }
        self.leave_removed(ids, at);
        let place = if self.items.is_empty() { "" } else { ", above the list," };
        let what = self.named_removed().unwrap_or_default();
        dom::set_text("spoken", &format!("Removed: {what}. Put back{place} undoes that."));
        // Pending saves may have been waiting for these images only.
        self.go_on();
    }

    /// Turns from images that were removed to another one; `at`: the place of the first of them.
    fn leave_removed(&mut self, ids: &[u32], at: usize) {
        if self.active.is_some_and(|active| ids.contains(&active)) {
            (self.active, self.hovered) = (None, None);
            self.desk.left();
            self.view.forget();
            self.leave_difference();
            if self.items.is_empty() {
                self.put_pen_down();
                // The next images are another list.
                self.chosen = false;
                self.desk.exports_wanted.clear();
            }
        }
        let next = self.items.get(at.min(self.items.len().saturating_sub(1))).map(|item| item.id);
        if let (Some(next), None) = (next, self.active) {
            self.activate(next);
        }
        if self.racer.is_some() && ids.contains(&self.raced) {
            self.race_over("The image was removed.");
        }
        // Focus moves to the neighbouring card, so that several can be removed in a row.
        if !next.is_some_and(focus_card) {
            let _ = dom::element(if self.items.is_empty() { "pick" } else { "add" }).focus();
        }
    }

    /// Puts the images that were removed last back to their places, with their corrections. The next press puts back those
    /// that were removed before them.
    pub fn put_back(&mut self) {
        let removed = self.removed.pop().unwrap_or_default();
        let Some(first) = removed.first().map(|first| first.item.id) else { return };
        let pending: Vec<u32> =
            removed.iter().filter(|removed| removed.pending).map(|removed| removed.item.id).collect();
        let known = self.files_here();
        let twice = |removed: &&Removed| {
            removed.item.file.dyn_ref().is_some_and(|file| known.contains(&identity(file)))
        };
        let again: Vec<String> =
            removed.iter().filter(twice).map(|removed| removed.item.name.clone()).collect();
        removed.into_iter().for_each(|removed| self.put_back_one(removed));
        self.complain_of(&again, AGAIN);
        self.choose(first);
        self.retry(&pending);
        self.go_on();
        let _ = focus_card(first);
    }

    /// Puts one image back to its place.
    fn put_back_one(&mut self, removed: Removed) {
        let Removed { at, mut item, card, pending, diameter } = removed;
        // What was saved may follow other rules by now.
        item.saved &= item.measured_rules == self.rules_version;
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
                show_name(&name, &item.label());
            }
            let next =
                self.items.get(at).and_then(|next| dom::document().get_element_by_id(&card_id(next.id)));
            let _ = dom::element("results").insert_before(&card, next.as_deref());
        }
        self.items.insert(at, item);
    }

    /// What was removed last, for the user.
    fn named_removed(&self) -> Option<String> {
        match self.removed.last()?.as_slice() {
            [] => None,
            [one] => Some(one.item.name.clone()),
            all => Some(format!("{} images", all.len())),
        }
    }

    /// Offers to remove all images, and to put back what was removed.
    pub fn show_removal(&self) {
        dom::show("remove-all", self.items.len() > 1);
        let named = self.named_removed();
        dom::show("put-back", named.is_some());
        let text = named.map(|named| format!("Put back {named}")).unwrap_or_default();
        dom::set_text("put-back", &text);
        // The text may be cut off.
        dom::set(&dom::element("put-back"), "title", &format!("{text}, in place and with all corrections"));
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
