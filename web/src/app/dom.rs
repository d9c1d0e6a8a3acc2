//! Short wrappers around browser functions. Ids are those of `index.html`; a missing one is a bug.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, Event, EventTarget, HtmlElement, HtmlInputElement, KeyboardEvent, Window};

use crate::js::View;

pub fn window() -> Window {
    web_sys::window().expect("the app runs in a page")
}

pub fn document() -> Document {
    window().document().expect("a page has a document")
}

pub fn body() -> HtmlElement {
    document().body().expect("the page has a body")
}

/// The element with this id, which must exist and be of type `T`.
pub fn find<T: JsCast>(id: &str) -> T {
    let element = document().get_element_by_id(id);
    element
        .and_then(|element| element.dyn_into().ok())
        .unwrap_or_else(|| panic!("no #{id} of that type in the page"))
}

pub fn input(id: &str) -> HtmlInputElement {
    find(id)
}

pub fn element(id: &str) -> HtmlElement {
    find(id)
}

/// Parses the number typed into a field, with a decimal point or comma. `None` if the field is empty.
///
/// # Errors
///
/// A message for the user if it is not a number or not in this range.
pub fn number(id: &str, range: std::ops::RangeInclusive<f64>) -> Result<Option<f64>, String> {
    let text = input(id).value().trim().replace(',', ".");
    if text.is_empty() {
        return Ok(None);
    }
    let number: Option<f64> = text.parse().ok();
    let what = if number.is_some() { "Give a number" } else { "Not a number. Give one" };
    let number = number.filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| format!("{what} from {} to {}.", range.start(), range.end()))
}

/// All elements that match a selector, in document order.
pub fn all(selector: &str) -> Vec<Element> {
    let Ok(list) = document().query_selector_all(selector) else { return Vec::new() };
    (0..list.length()).filter_map(|index| list.get(index)?.dyn_into().ok()).collect()
}

pub fn has_focus(id: &str) -> bool {
    document().active_element().is_some_and(|element| element.id() == id)
}

/// Scrolls to an element, unless it is already well in view (on a phone it may not be).
pub fn bring_into_sight(id: &str) {
    let place = element(id).get_bounding_client_rect();
    let below = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(f64::MAX);
    if place.bottom() < below * 0.3 || place.top() > below * 0.7 {
        element(id).scroll_into_view();
    }
}

pub fn set_text(id: &str, text: &str) {
    let element = element(id);
    // Setting the same text again would make screen readers repeat it.
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

pub fn show(id: &str, visible: bool) {
    element(id).set_hidden(!visible);
}

pub fn set(element: &Element, name: &str, value: &str) {
    // Only an invalid attribute name fails.
    let _ = element.set_attribute(name, value);
}

/// Sets an attribute to `true` or `false`, as those for assistive technology are written.
pub fn set_flag(element: &Element, name: &str, on: bool) {
    set(element, name, if on { "true" } else { "false" });
}

/// Creates an element with a class and a text, either of which may be empty.
pub fn make(tag: &str, class: &str, text: &str) -> Element {
    let element = document().create_element(tag).expect("tag names here are valid");
    if !class.is_empty() {
        element.set_class_name(class);
    }
    if !text.is_empty() {
        element.set_text_content(Some(text));
    }
    element
}

pub fn append(parent: &Element, child: &Element) {
    let _ = parent.append_child(child);
}

/// Adds an event listener that lives as long as the page.
pub fn on<E: JsCast>(target: &EventTarget, event: &str, mut heard: impl FnMut(E) + 'static) {
    let closure = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
        if let Ok(event) = event.dyn_into::<E>() {
            heard(event);
        }
    });
    let _ = target.add_event_listener_with_callback(event, closure.as_ref().unchecked_ref());
    closure.forget();
}

/// Calls a function when a button is pressed whose next press means something else: a double click is one press, and so is a
/// key held down, which browsers report as many.
pub fn on_press(button: &EventTarget, mut pressed: impl FnMut() + 'static) {
    on(button, "click", move |event: Event| {
        if View(&event).number("detail") < 2.0 {
            pressed();
        }
    });
    on(button, "keydown", |event: KeyboardEvent| {
        if event.repeat() && event.key() == "Enter" {
            event.prevent_default();
        }
    });
}

/// Calls a function once, after the given delay.
pub fn after(milliseconds: i32, what: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(what);
    let _ = window()
        .set_timeout_with_callback_and_timeout_and_arguments_0(callback.unchecked_ref(), milliseconds);
}

/// Calls a function before the next frame is drawn.
pub fn next_frame(what: impl FnOnce() + 'static) {
    let callback = Closure::once_into_js(what);
    let _ = window().request_animation_frame(callback.unchecked_ref());
}

/// The message of a failed promise, for the user.
pub fn reason(error: &JsValue) -> String {
    let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| "the browser refused".into())
}
