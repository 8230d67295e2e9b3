//! The environment of the process: terminals, locale, variables, clock.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::time::SystemTime;

use super::ColorChoice;
use crate::util::style::Style;

/// The part of the environment that decides how output looks.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    /// Whether the locale can show more than ASCII.
    pub(crate) is_utf8: bool,
    pub(crate) colors: ColorPreference,
    /// Whether the terminal cannot move its cursor.
    pub(crate) is_dumb: bool,
}

/// One output stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) is_terminal: bool,
    /// In columns, if known.
    pub(crate) width: Option<usize>,
}

/// The preference of the environment for colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorPreference {
    /// `NO_COLOR`, or a terminal without colours.
    Never,
    /// `CLICOLOR_FORCE`.
    Force,
    /// Neither: terminals get colours.
    Unset,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self {
            stdout: Stream::new(stdout().is_terminal()),
            stderr: Stream::new(stderr().is_terminal()),
            is_utf8: is_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os)),
            colors: ColorPreference::of_process(),
            is_dumb: is_dumb(),
        }
    }

    /// The style of a stream; the flag overrides the environment.
    pub(crate) fn style(&self, choice: ColorChoice, stream: Stream) -> Style {
        let color = match (choice, self.colors) {
            (ColorChoice::Always, _) | (ColorChoice::Auto, ColorPreference::Force) => true,
            (ColorChoice::Never, _) | (ColorChoice::Auto, ColorPreference::Never) => false,
            (ColorChoice::Auto, ColorPreference::Unset) => stream.is_terminal,
        };
        let width = stream.is_terminal.then(|| stream.width.unwrap_or(80));
        Style { color, unicode: self.is_utf8, width }
    }

    /// The name of this machine, if the system has one.
    pub(crate) fn host_name() -> Option<String> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "(none)")
    }

    /// Directories for files that only this run needs, the best one first.
    pub(crate) fn runtime_dirs() -> Vec<PathBuf> {
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        own.map(PathBuf::from).into_iter().chain([std::env::temp_dir()]).collect()
    }

    /// The wall clock. Other times are offsets from a reading of it.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks for the date")]
    pub(crate) fn wall_clock() -> SystemTime {
        SystemTime::now()
    }
}

impl Stream {
    fn new(is_terminal: bool) -> Self {
        let variable = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let width = if is_terminal { variable.or_else(measured) } else { None };
        Self { is_terminal, width }
    }
}

impl ColorPreference {
    fn of_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            Self::Never
        } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            Self::Force
        } else if is_dumb() {
            Self::Never
        } else {
            Self::Unset
        }
    }
}

/// Whether the process was started with a signal ignored, as by nohup(1).
pub(crate) fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The first of the variables that is set decides, as in setlocale(3).
fn is_utf8(variables: [Option<OsString>; 3]) -> bool {
    let locale = variables.into_iter().flatten().find(|value| !value.is_empty());
    let locale = locale.map(|value| value.to_string_lossy().to_lowercase());
    locale.is_some_and(|name| name.contains("utf-8") || name.contains("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_follow_the_flag_then_the_environment_then_the_terminal() {
        let cases = [
            (ColorChoice::Auto, true, ColorPreference::Unset, true),
            (ColorChoice::Auto, false, ColorPreference::Unset, false),
            (ColorChoice::Auto, true, ColorPreference::Never, false),
            (ColorChoice::Auto, false, ColorPreference::Force, true),
            (ColorChoice::Always, false, ColorPreference::Never, true),
            (ColorChoice::Never, true, ColorPreference::Force, false),
        ];
        for (choice, is_terminal, colors, expected) in cases {
            let stdout = Stream { is_terminal, width: None };
            let env = Environment { stdout, stderr: stdout, is_utf8: true, colors, is_dumb: false };
            assert_eq!(env.style(choice, stdout).color, expected, "{choice:?} {colors:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        let some = |text: &str| Some(OsString::from(text));
        assert!(is_utf8([None, None, some("en_US.UTF-8")]));
        assert!(!is_utf8([some("C"), None, some("en_US.UTF-8")]));
        assert!(is_utf8([some(""), some("C.utf8"), None]));
        assert!(!is_utf8([None, None, None]));
    }
}
