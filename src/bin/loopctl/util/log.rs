//! Log of the event loop, on standard error.

use std::io::{Write as _, stderr};

use log::{LevelFilter, Log, Metadata, Record};

struct ToStderr;

impl Log for ToStderr {
    /// `LOOPCTL_LOG` enables the messages of other crates.
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target().starts_with("loopctl") || std::env::var_os("LOOPCTL_LOG").is_some()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = record.level().as_str().to_lowercase();
        let _ = writeln!(stderr(), "{level}: {}", record.args());
    }

    fn flush(&self) {}
}

/// Listens from the level that `-v` or `LOOPCTL_LOG` asks for; the flag can only add to the variable.
pub(crate) fn install(verbosity: u8) {
    let asked = std::env::var("LOOPCTL_LOG").ok().and_then(|level| level.parse().ok());
    let flag = if verbosity > 1 { LevelFilter::Trace } else { LevelFilter::Warn };
    if log::set_logger(&ToStderr).is_ok() {
        log::set_max_level(asked.map_or(flag, |asked: LevelFilter| asked.max(flag)));
    }
}
