//! Messages on standard error: `error:`, `caused by:`, `warning:`, `hint:`.

use std::fmt::Write as _;
use std::io::{Write as _, stderr};

use anstyle::{AnsiColor, Style as Ansi};
use loopctl::plan::TargetError;

use crate::util::secrets::without_passwords;
use crate::util::style::Style;

/// An error with its causes and what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) error: Option<String>,
    pub(crate) causes: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) hints: Vec<String>,
}

const RED: Ansi = AnsiColor::Red.on_default().bold();
const YELLOW: Ansi = AnsiColor::Yellow.on_default().bold();
const CYAN: Ansi = AnsiColor::Cyan.on_default().bold();

impl Message {
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { error: Some(text.into()), ..Self::default() }
    }

    pub(crate) fn warnings(warnings: Vec<String>) -> Self {
        Self { warnings, ..Self::default() }
    }

    /// Prints the message to standard error. A failure to print is ignored, because there is no other place for it.
    pub(crate) fn print(&self, style: Style) {
        let _ = stderr().write_all(self.render(style).as_bytes());
    }

    /// The lines of the message, without passwords of URLs that were typed in a wrong place.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut text = String::new();
        let mut lines = |label: &str, ansi: Ansi, whats: &[String]| {
            let ansi = if style.color { ansi } else { Ansi::new() };
            for what in whats {
                let what = without_passwords(what);
                let _ = writeln!(text, "{ansi}{label}{ansi:#} {what}");
            }
        };
        lines("warning:", YELLOW, &self.warnings);
        lines("error:", RED, self.error.as_slice());
        lines("  caused by:", Ansi::new(), &self.causes);
        if self.hints.is_empty() { text } else { text + "\n" + &self.render_hints(style) }
    }

    fn render_hints(&self, style: Style) -> String {
        let ansi = if style.color { CYAN } else { Ansi::new() };
        self.hints.iter().map(|hint| format!("{ansi}hint:{ansi:#} {hint}\n")).collect()
    }
}

/// Text of a system error as part of a sentence: without the number that Rust appends and without its capital.
pub(crate) fn plain(error: impl ToString) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" (os error ")
        && let Some(length) = text[start..].find(')')
    {
        text.replace_range(start..=start + length, "");
    }
    let mut letters = text.chars();
    match letters.next() {
        // An abbreviation stays one.
        Some(_) if letters.clone().next().is_some_and(char::is_uppercase) => text,
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

impl From<TargetError> for Message {
    fn from(error: TargetError) -> Self {
        let hints = error.hint().into_iter().collect();
        Self { error: Some(error.to_string()), hints, ..Self::default() }
    }
}
