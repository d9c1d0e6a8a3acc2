//! The keyboard's focus: where the button that has it goes away, or can't be pressed any more, it goes on with the
//! work.

use super::dom;
use std::cell::RefCell;
use wasm_bindgen::JsCast;
use web_sys::{Event, FocusOptions, HtmlButtonElement, HtmlElement};

thread_local! {
    /// What had the focus last.
    static LAST: RefCell<Option<HtmlElement>> = const { RefCell::new(None) };
}

pub fn listen() {
    dom::on(&dom::document(), "focusin", |event: Event| {
        LAST.set(event.target().and_then(|target| target.dyn_into().ok()));
    });
}

fn gone(element: &HtmlElement) -> bool {
    // Those that save can be pressed again as soon as the image is done.
    let disabled = element.dyn_ref::<HtmlButtonElement>().is_some_and(HtmlButtonElement::disabled)
        && !element.has_attribute("data-export");
    // Nothing that is not shown lies within anything.
    disabled || element.offset_parent().is_none()
}

/// Gives the focus to this element if it was lost.
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
