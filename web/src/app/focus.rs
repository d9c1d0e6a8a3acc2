//! Keyboard focus: if the focused button disappears or becomes disabled, focus moves on to a useful place.

use super::dom;
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use web_sys::{Event, FocusOptions, HtmlButtonElement, HtmlElement};

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
