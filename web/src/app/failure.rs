//! Tells the user when the page's own program has failed.

use super::{ask, dom};
use crate::js::View;
use std::cell::Cell;
use web_sys::Event;

thread_local! {
    static TOLD: Cell<bool> = const { Cell::new(false) };
}

pub fn listen() {
    std::panic::set_hook(Box::new(|info| tell(&crate::js::told_of(info))));
    // Traps, and what browser functions throw, break an action off without a panic.
    dom::on(&dom::window(), "error", |event: Event| {
        let problem = View(&event).text("message");
        // Later, when the state is only in use if an action broke off.
        dom::after(0, move || {
            if !ask(|_| true) {
                tell(&problem);
            }
        });
    });
}

fn tell(problem: &str) {
    // What comes after the first failure follows from it.
    if TOLD.replace(true) {
        return;
    }
    dom::set_text(
        "error",
        &format!(
            "The page has failed ({problem}). Reload it and add the images again; what was not saved is lost. If it fails with the same image again, leave that one out."
        ),
    );
    dom::show("error-box", true);
    dom::show("dismiss", false);
    dom::set(&dom::body(), "data-state", "error");
}
