//! Write watermarks: when a writer is told to pause, and when to go on.

use std::fmt;

/// What a write says of the queue that it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// There is room for more.
    Open,
    /// The bytes were taken, but more than the high mark waits: hold back until `resume_writing`.
    Full,
    /// The bytes were not taken, and no later ones will be: the connection is closed or broken, or its end was
    /// sent.
    Closed,
}

/// How much may wait to be sent, in bytes. A writer is told to pause above `high`, and to go on at `low`.
///
/// ```
/// use loopctl::plan::WriteLimits;
///
/// assert_eq!(WriteLimits::default(), WriteLimits { low: 16 * 1024, high: 64 * 1024 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// At this many bytes or fewer, writing goes on.
    pub low: usize,
    /// At more than this many bytes, writing pauses.
    pub high: usize,
}

/// Limits that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsError {
    high: usize,
    low: usize,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "high ({}) must be >= low ({}) must be >= 0", self.high, self.low)
    }
}

impl std::error::Error for LimitsError {}

impl Default for WriteLimits {
    fn default() -> Self {
        const HIGH: usize = 64 * 1024;
        Self { low: HIGH / 4, high: HIGH }
    }
}

impl WriteLimits {
    /// One of the two follows from the other where it is not given: the high mark is four times the low one.
    ///
    /// ```
    /// use loopctl::plan::WriteLimits;
    ///
    /// assert_eq!(WriteLimits::new(None, Some(10)), Ok(WriteLimits { low: 10, high: 40 }));
    /// let error = WriteLimits::new(Some(1), Some(2)).unwrap_err();
    /// assert_eq!(error.to_string(), "high (1) must be >= low (2) must be >= 0");
    /// ```
    ///
    /// # Errors
    /// When the high mark is below the low one.
    pub fn new(high: Option<usize>, low: Option<usize>) -> Result<Self, LimitsError> {
        let high = match (high, low) {
            (Some(high), _) => high,
            (None, Some(low)) => low.saturating_mul(4),
            (None, None) => Self::default().high,
        };
        let low = low.unwrap_or(high / 4);
        if high < low { Err(LimitsError { high, low }) } else { Ok(Self { low, high }) }
    }
}

/// What a writer is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowCall {
    /// `pause_writing`.
    Pause,
    /// `resume_writing`.
    Resume,
}

impl FlowCall {
    /// The name of the method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Pause => "pause_writing",
            Self::Resume => "resume_writing",
        }
    }
}

/// Follows the size of a write queue, and says what its writer is to be told: pause and resume by turns.
///
/// A writer is told later than the queue changes. Whoever saw [`Flow::Full`] waits for a `Resume`, so a queue
/// that was full and drained in between still makes a pair of calls.
///
/// ```
/// use loopctl::plan::{Flow, FlowCall, Watermarks};
///
/// let mut marks = Watermarks::default();
/// assert_eq!(marks.grew(64 * 1024), Flow::Open);
/// assert_eq!(marks.grew(64 * 1024 + 1), Flow::Full);
/// assert_eq!(marks.next_call(), Some(FlowCall::Pause));
/// assert!(!marks.shrank(16 * 1024 + 1), "not yet");
/// assert!(marks.shrank(16 * 1024));
/// assert_eq!(marks.next_call(), Some(FlowCall::Resume));
/// assert_eq!(marks.next_call(), None);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Watermarks {
    limits: WriteLimits,
    is_full: bool,
    /// Someone saw `Full` whom no call has told of it.
    owes_pause: bool,
    told: Told,
}

/// What the writer was told last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Told {
    #[default]
    Resume,
    Pause,
}

impl Watermarks {
    /// The limits in force.
    pub fn limits(&self) -> WriteLimits {
        self.limits
    }

    /// Whether the writer should hold back.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Changes the limits and judges a queue of `size` bytes by them at once.
    pub fn set_limits(&mut self, limits: WriteLimits, size: usize) {
        self.limits = limits;
        self.changed(size);
    }

    /// The queue has grown or shrunk to `size` bytes.
    pub fn changed(&mut self, size: usize) {
        self.shrank(size);
        self.grew(size);
    }

    /// The queue has grown to `size` bytes.
    pub fn grew(&mut self, size: usize) -> Flow {
        if size > self.limits.high && !self.is_full {
            (self.is_full, self.owes_pause) = (true, true);
        }
        if self.is_full { Flow::Full } else { Flow::Open }
    }

    /// The queue has shrunk to `size` bytes. Tells whether writing may go on that could not before.
    pub fn shrank(&mut self, size: usize) -> bool {
        let opens = self.is_full && size <= self.limits.low;
        self.is_full &= !opens;
        opens
    }

    /// What the writer is to be told now; it counts as told.
    pub fn next_call(&mut self) -> Option<FlowCall> {
        match self.told {
            Told::Resume if self.owes_pause => {
                (self.told, self.owes_pause) = (Told::Pause, false);
                Some(FlowCall::Pause)
            }
            Told::Pause if !self.is_full => {
                (self.told, self.owes_pause) = (Told::Resume, false);
                Some(FlowCall::Resume)
            }
            _ => None,
        }
    }

    /// Whether the writer is yet to be told something.
    pub fn has_pending_call(&self) -> bool {
        Self::next_call(&mut self.clone()).is_some()
    }

    /// Another writer, which has been told nothing.
    pub fn change_writer(&mut self) {
        (self.told, self.owes_pause) = (Told::Resume, self.is_full);
    }

    /// The queue is gone, and nobody is to be told anything.
    pub fn reset(&mut self) {
        *self = Self { limits: self.limits, ..Self::default() };
    }

    /// Whether all is as in the beginning.
    pub fn is_default(&self) -> bool {
        !self.is_full && !self.has_pending_call() && self.limits == WriteLimits::default()
    }
}
