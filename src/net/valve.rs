//! Write limits: when a writer is asked to pause, and when to go on.

use std::cell::Cell;
use std::io;

/// asyncio's high-water mark, and how far below it the low one lies.
const HIGH: usize = 64 * 1024;
const RATIO: usize = 4;

/// Follows the size of a write buffer and says what the protocol must be told.
pub(crate) struct Valve {
    low: Cell<usize>,
    high: Cell<usize>,
    is_shut: Cell<bool>,
}

/// What a protocol is told. Pauses and resumptions alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Pause,
    Resume,
}

impl Flow {
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Pause => "pause_writing",
            Self::Resume => "resume_writing",
        }
    }
}

impl Default for Valve {
    fn default() -> Self {
        Self { low: Cell::new(HIGH / RATIO), high: Cell::new(HIGH), is_shut: Cell::default() }
    }
}

impl Valve {
    /// A mark that is not given follows from the other.
    pub(crate) fn set(&self, high: Option<usize>, low: Option<usize>) -> io::Result<()> {
        let high = high.or_else(|| low?.checked_mul(RATIO)).unwrap_or(HIGH);
        let low = low.unwrap_or(high / RATIO);
        if low > high {
            let text = format!("high ({high}) must be >= low ({low}) must be >= 0");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.low.set(low);
        self.high.set(high);
        Ok(())
    }

    /// Low and high, as in asyncio.
    pub(crate) fn limits(&self) -> (usize, usize) {
        (self.low.get(), self.high.get())
    }

    /// What there is to tell about a buffer of this size.
    pub(crate) fn news(&self, size: usize) -> Option<Flow> {
        match self.is_shut.get() {
            false if size > self.high.get() => Some(Flow::Pause),
            true if size <= self.low.get() => Some(Flow::Resume),
            _ => None,
        }
    }

    /// As [`news`](Self::news), and takes it as told.
    pub(crate) fn turn(&self, size: usize) -> Option<Flow> {
        let news = self.news(size)?;
        self.is_shut.set(news == Flow::Pause);
        Some(news)
    }

    /// Whether a writer had better wait.
    pub(crate) fn is_shut(&self, size: usize) -> bool {
        match self.news(size) {
            Some(news) => news == Flow::Pause,
            None => self.is_shut.get(),
        }
    }
}
