//! What the process was given.

use std::ffi::OsString;
use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The surroundings that decide how output looks.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    /// Whether the locale can show more than ASCII.
    pub(crate) is_utf8: bool,
    pub(crate) colors: ColorWish,
    /// A terminal that cannot move its cursor.
    pub(crate) is_dumb: bool,
}

/// One output stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) is_terminal: bool,
    /// In columns, where it is known.
    pub(crate) width: Option<usize>,
}

/// What the environment says about colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorWish {
    /// `NO_COLOR`, or a terminal without them.
    Never,
    /// `CLICOLOR_FORCE`.
    Force,
    /// Nothing: a terminal has them.
    Unsaid,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self {
            stdout: Stream::new(stdout().is_terminal()),
            stderr: Stream::new(stderr().is_terminal()),
            is_utf8: is_utf8(["LC_ALL", "LC_CTYPE", "LANG"].map(std::env::var_os)),
            colors: ColorWish::of_process(),
            is_dumb: is_dumb(),
        }
    }

    /// The name of this machine, where the system tells it.
    pub(crate) fn host_name() -> Option<String> {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
        Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "(none)")
    }

    /// Where the system looks for hosts, in its own words (nsswitch.conf(5)): `files`, `dns` and so on.
    pub(crate) fn name_sources() -> Vec<String> {
        let text = std::fs::read_to_string("/etc/nsswitch.conf").unwrap_or_default();
        let hosts = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
        let words = hosts.unwrap_or("dns files").split('#').next().unwrap_or_default();
        let mut is_action = false;
        let is_source = |word: &&str| {
            let is_one = !is_action && !word.starts_with('[');
            is_action = (is_action || word.starts_with('[')) && !word.ends_with(']');
            is_one
        };
        words.split_whitespace().filter(is_source).map(str::to_owned).collect()
    }

    /// Whether the system's resolver is told to put IPv4 before IPv6 (gai.conf(5)).
    pub(crate) fn prefers_ipv4() -> bool {
        prefers_ipv4(&std::fs::read_to_string("/etc/gai.conf").unwrap_or_default())
    }

    /// How long the kernel tries to connect where nothing answers (tcp(7)); what it does not tell is as in Linux 6.18.
    pub(crate) fn connect_patience() -> Duration {
        let setting = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
            text.trim().parse::<u32>().ok()
        };
        let retries = setting("tcp_syn_retries");
        let linear = setting("tcp_syn_linear_timeouts").or_else(|| retries.map(|_| 0));
        syn_patience(retries.unwrap_or(6), linear.unwrap_or(4))
    }

    /// Where files that only this run needs belong, the best place first.
    pub(crate) fn runtime_dirs() -> Vec<PathBuf> {
        let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
        own.map(PathBuf::from).into_iter().chain([std::env::temp_dir()]).collect()
    }

    /// The only wall-clock reading there is; all other times are offsets from it.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks for the date")]
    pub(crate) fn wall_clock() -> SystemTime {
        SystemTime::now()
    }
}

impl Stream {
    fn new(is_terminal: bool) -> Self {
        let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let seen = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let width = if is_terminal { told.or_else(seen) } else { None };
        Self { is_terminal, width }
    }
}

impl ColorWish {
    fn of_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if set("NO_COLOR").is_some() {
            Self::Never
        } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            Self::Force
        } else if is_dumb() {
            Self::Never
        } else {
            Self::Unsaid
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

/// The first SYN and some others wait 1 s each, the rest twice as long as the one before, at most two minutes.
fn syn_patience(retries: u32, linear: u32) -> Duration {
    const LONGEST: u64 = 120;
    let doubling = (1..=retries).map(|nth| 1_u64.checked_shl(nth).unwrap_or(LONGEST).min(LONGEST));
    Duration::from_secs(u64::from(linear) + 1 + doubling.sum::<u64>())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Whether `precedence` is larger for IPv4 than for what nothing else is said of.
fn prefers_ipv4(gai_conf: &str) -> bool {
    let precedence = |network: &str| {
        let lines = gai_conf.lines().map(|line| line.split('#').next().unwrap_or_default());
        let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut values = words.filter_map(|words| match words.as_slice() {
            ["precedence", it, value] if *it == network => value.parse::<u32>().ok(),
            _ => None,
        });
        values.next()
    };
    // 40 is what glibc has for the rest.
    precedence("::ffff:0:0/96").is_some_and(|ipv4| ipv4 > precedence("::/0").unwrap_or(40))
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
    fn gai_conf_may_put_ipv4_first() {
        let cases = [
            ("", false),
            ("#precedence ::ffff:0:0/96  100\n", false),
            ("precedence ::ffff:0:0/96  100 # legacy\n", true),
            ("precedence ::ffff:0:0/96 10\nprecedence ::/0 40\n", false),
            ("label ::/0 1\nprecedence  ::/0  5\nprecedence ::ffff:0:0/96 10\n", true),
            ("precedence ::ffff:0:0/96 much\n", false),
        ];
        for (text, expected) in cases {
            assert_eq!(prefers_ipv4(text), expected, "{text}");
        }
    }

    #[test]
    fn the_kernel_tries_for_two_minutes_unless_told_otherwise() {
        let cases = [((6, 4), 131), ((6, 0), 127), ((1, 0), 3), ((0, 0), 1), ((8, 4), 371)];
        for ((retries, linear), seconds) in cases {
            assert_eq!(syn_patience(retries, linear), Duration::from_secs(seconds), "{retries}");
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
