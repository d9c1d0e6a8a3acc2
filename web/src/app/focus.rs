//! Keyboard focus: if the focused button disappears or becomes disabled, focus moves on to a useful place.

use super::dom;
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, FocusOptions, HtmlButtonElement, HtmlElement};

thread_local! {
    /// The element that last received focus.
    static LAST: RefCell<Option<HtmlElement>> = const { RefCell::new(None) };
}

pub fn listen() {
    dom::on(&dom::document(), "focusin", |event: Event| {
        LAST.set(event.target().and_then(|target| target.dyn_into().ok()));
    });
}

/// Whether an element can no longer hold the focus.
fn gone(element: &HtmlElement) -> bool {
    // Export buttons become enabled again once the image is done.
    let disabled = element.dyn_ref::<HtmlButtonElement>().is_some_and(HtmlButtonElement::disabled)
        && !element.has_attribute("data-export");
    // Elements that are not displayed have no offset parent.
    disabled || element.offset_parent().is_none()
}

/// Moves focus to this element if it was lost.
pub fn keep(id: &str) {
    let lost = LAST.with_borrow(|last| {
        let Some(last) = last.as_ref().filter(|last| gone(last)) else { return false };
        let now = dom::document().active_element();
        now.is_none_or(|now| now.tag_name() == "BODY" || now.is_same_node(Some(last)))
    });
    if lost {
        let here = FocusOptions::new();
        here.set_prevent_scroll(true);
        let _ = dom::element(id).focus_with_options(&here);
    }
}

/// Replaces the rows of a table. If one of them has the focus, it goes to the same place in the new row with the same
/// value of `attribute`.
pub fn rebuild(body: &HtmlElement, attribute: &str, rows: Vec<Element>) {
    let focused = dom::document().active_element().filter(|element| body.contains(Some(element)));
    let focused = focused.and_then(|element| {
        let value = element.closest("tr").ok()??.get_attribute(attribute)?;
        Some(format!("tr[{attribute}='{value}'] {}", element.tag_name().to_lowercase()))
    });
    body.set_inner_html("");
    for row in rows {
        dom::append(body, &row);
    }
    let focused = focused.and_then(|selector| body.query_selector(&selector).ok().flatten());
    if let Some(element) = focused.as_ref().and_then(|element| element.dyn_ref::<HtmlElement>()) {
        let _ = element.focus();
    }
}
