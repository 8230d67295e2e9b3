//! What a thread logs.

use std::cell::RefCell;
use std::sync::Once;

use log::{Level, LevelFilter, Log, Metadata, Record};

thread_local! {
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() == Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            WARNINGS.with_borrow_mut(|texts| texts.push(record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// The warnings of this thread from now on.
pub(crate) struct Logged;

impl Logged {
    pub(crate) fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            log::set_logger(&Logger).expect("no other logger");
            log::set_max_level(LevelFilter::Warn);
        });
        WARNINGS.take();
        Self
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        WARNINGS.with_borrow(Clone::clone)
    }
}
