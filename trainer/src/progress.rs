//! Progress on the terminal; nothing is shown if standard error is not a terminal.

use crate::say::shown;
use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar over `length` items called `things`, with the remaining time and the current item.
pub fn bar(length: u64, things: &str) -> ProgressBar {
    let template = format!("{{bar:32}} {{pos}}/{{len}} {things}, {{eta}} left  {{wide_msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

/// Shows the current item beside the bar.
pub fn working_on(bar: &ProgressBar, what: &str) {
    bar.set_message(shown(what));
}
