//! The command line that the program was started with: parsed, rejected in one line, and written out for records.

use super::Cli;
use clap::Parser;

/// Parses the command line; the error is the text to print instead: an error in one line, or help or version as they
/// are.
pub fn parse() -> Result<Cli, Refused> {
    let cli = Cli::try_parse().map_err(|error| Refused::of(&error))?;
    cli.check().map_err(Refused::Error)?;
    Ok(cli)
}

/// The text to print if the command line does not say what to do.
pub enum Refused {
    /// Help or version, which were asked for.
    Answer(String),
    /// What is wrong, in one line.
    Error(String),
}

impl Refused {
    fn of(error: &clap::Error) -> Self {
        use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
        let text = error.to_string();
        match error.kind() {
            DisplayHelp | DisplayVersion => Self::Answer(text),
            DisplayHelpOnMissingArgumentOrSubcommand => {
                Self::Error("no command given; see `trainer --help`".into())
            }
            // Clap's message has paragraphs: the error, tips, the usage.
            _ => {
                let line = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
                let mut paragraphs = text.trim_end().split("\n\n").map(line);
                let what = paragraphs.next().unwrap_or_default();
                let tips: Vec<String> =
                    paragraphs.filter(|paragraph| paragraph.starts_with("tip:")).collect();
                let tips =
                    if tips.is_empty() { "see --help".into() } else { tips.join(" ").replace("tip: ", "") };
                Self::Error(format!("{}; {tips}", what.trim_start_matches("error: ")))
            }
        }
    }
}

/// The command line that this program was started with, for records; quoted so that a shell can read it back.
pub fn command_line() -> String {
    let quote = |word: String| {
        let plain = |letter: char| letter.is_alphanumeric() || "-_./=:,+@%".contains(letter);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    // A run that was interrupted and resumed gives the same result as one that was not.
    let words = words.filter(|word| word != "--resume").map(quote);
    std::iter::once("trainer".to_string()).chain(words).collect::<Vec<_>>().join(" ")
}
