//! Output on the terminal. If nobody reads it any more, or a disk is full, the output is lost, but the work goes on.

use std::fmt::{Arguments, Display};
use std::io::Write;

/// Prints a line on standard output; unlike `println!`, it never panics.
macro_rules! out {
    ($($text:tt)*) => {
        $crate::say::line(std::io::stdout(), format_args!($($text)*))
    };
}

/// Prints a line on standard error; unlike `eprintln!`, it never panics.
macro_rules! err {
    ($($text:tt)*) => {
        $crate::say::line(std::io::stderr(), format_args!($($text)*))
    };
}

pub(crate) use {err, out};

/// Writes a line, if that is possible. Control characters, which may be in a file's name, are replaced.
pub fn line(mut to: impl Write, text: Arguments) {
    let _ = writeln!(to, "{}", shown(&text.to_string()));
}

/// Prints the first few warnings on standard error, then how many more there are and what lists them all.
pub fn warnings(warnings: &[impl Display], list: &str) {
    shortened(warnings, list).iter().for_each(|told| err!("{told}"));
}

fn shortened(warnings: &[impl Display], list: &str) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut told: Vec<String> =
        warnings.iter().take(SHOWN).map(|warning| format!("warning: {warning}")).collect();
    if let more @ 1.. = warnings.len().saturating_sub(SHOWN) {
        told.push(format!("and {}, which {list} lists", plural(more, "more warning", "more warnings")));
    }
    told
}

/// A number with its noun: `1 image`, `2 images`.
pub fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A list shortened to five names: `a, b, c, d, e and 2 more`.
pub fn join_first(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The text with the control characters that could command a terminal replaced.
pub fn shown(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let told = [0, 1, 2].map(|number| plural(number, "mask marks", "masks mark"));
        assert_eq!(told, ["0 masks mark", "1 mask marks", "2 masks mark"]);
    }

    #[test]
    fn many_warnings_are_shortened() {
        assert_eq!(shortened(&["a", "b"], "it"), ["warning: a", "warning: b"]);
        let told = shortened(&["a"; 7], "report.json");
        assert_eq!((told.len(), told[5].as_str()), (6, "and 2 more warnings, which report.json lists"));
    }

    #[test]
    fn what_cannot_be_told_goes_untold() {
        let mut told = Vec::new();
        line(&mut told, format_args!("{} cells", 3));
        assert_eq!(told, b"3 cells\n");
        told.clear();
        line(&mut told, format_args!("a\x1b[2J\r.png\n\tb"));
        assert_eq!(told, "a\u{fffd}[2J\u{fffd}.png\n\tb\n".as_bytes());
        // A writer without room for the line.
        line(&mut [0u8; 2][..], format_args!("{} cells", 3));
    }
}
