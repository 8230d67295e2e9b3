//! What is logged. A process has one logger, so a test that looks at it runs in a child process.

use std::sync::{Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};

struct Keeper(Mutex<Vec<String>>);

static KEEPER: Keeper = Keeper(Mutex::new(Vec::new()));

impl Log for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{}: {}", record.level(), record.args());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn flush(&self) {}
}

pub(crate) fn start_logging() {
    log::set_logger(&KEEPER).expect("a process of its own");
    log::set_max_level(LevelFilter::Debug);
}

/// The lines logged since the last call, as `LEVEL: text`.
pub(crate) fn take_logged() -> Vec<String> {
    std::mem::take(&mut *KEEPER.0.lock().unwrap_or_else(PoisonError::into_inner))
}
