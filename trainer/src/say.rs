//! What is told on the terminal. That nobody listens any more, or a disk is full, costs no work: it goes untold.

use std::fmt::Arguments;
use std::io::Write;

/// A line on standard output, as `println!` would have it.
macro_rules! out {
    ($($text:tt)*) => {
        $crate::say::line(std::io::stdout(), format_args!($($text)*))
    };
}

/// A line on standard error, as `eprintln!` would have it.
macro_rules! err {
    ($($text:tt)*) => {
        $crate::say::line(std::io::stderr(), format_args!($($text)*))
    };
}

pub(crate) use {err, out};

/// Writes a line, or not, where it can't be written. A file's name may hold what commands a terminal: shown, not sent.
pub fn line(mut to: impl Write, text: Arguments) {
    let _ = writeln!(to, "{}", shown(&text.to_string()));
}

/// Text without what commands a terminal.
pub fn shown(text: &str) -> String {
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_goes_untold() {
        let mut told = Vec::new();
        line(&mut told, format_args!("{} cells", 3));
        assert_eq!(told, b"3 cells\n");
        told.clear();
        line(&mut told, format_args!("a\x1b[2J\r.png\n\tb"));
        assert_eq!(told, "a\u{fffd}[2J\u{fffd}.png\n\tb\n".as_bytes());
        // Has no room for it.
        line(&mut [0u8; 2][..], format_args!("{} cells", 3));
    }
}
