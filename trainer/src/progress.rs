//! Progress on the terminal; silent where standard error is none.

use crate::say::shown;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `length` things, with the time left and what is being worked on.
pub fn bar(length: u64, things: &str) -> ProgressBar {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {things}, {{eta}} left  {{wide_msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// What is being worked on, beside the bar.
pub fn working_on(bar: &ProgressBar, what: &str) {
    bar.set_message(shown(what));
}
