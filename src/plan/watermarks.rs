//! Write watermarks: the buffer sizes at which a protocol pauses and resumes writing.

use std::fmt;

/// State of the write buffer after a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the bytes may have been dropped, or the buffer may be full"]
pub enum Flow {
    /// The buffer takes more.
    Open,
    /// The bytes were buffered, but the buffer is above the high mark: stop writing until `resume_writing`.
    Full,
    /// The bytes were dropped, as later ones will be: the connection is closed or broken, or its sending side was
    /// shut down.
    Closed,
}

/// Sizes of the write buffer, in bytes: writing pauses above `high` and resumes at `low`.
///
/// ```
/// use loopctl::plan::WriteLimits;
///
/// assert_eq!(WriteLimits::default(), WriteLimits { low: 16 * 1024, high: 64 * 1024 });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteLimits {
    /// Low mark: writing resumes at this size or below.
    pub low: usize,
    /// High mark: writing pauses above this size.
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
    /// Limits with a default for the mark that is `None`: the high mark is four times the low one.
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

/// Call of a flow control method of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowCall {
    /// `pause_writing`.
    Pause,
    /// `resume_writing`.
    Resume,
}

impl FlowCall {
    /// Name of the method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Pause => "pause_writing",
            Self::Resume => "resume_writing",
        }
    }
}

/// Size of a write buffer, turned into alternating `pause_writing` and `resume_writing` calls.
///
/// The calls happen later than the changes of the buffer. A writer that saw [`Flow::Full`] waits for a `Resume`, so a
/// buffer that filled up and drained in between still causes a pair of calls.
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
    /// A writer saw `Full`, and no `pause_writing` has followed yet.
    owes_pause: bool,
    last_call: LastCall,
}

/// Last flow control call; a new protocol counts as resumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum LastCall {
    #[default]
    Resume,
    Pause,
}

impl Watermarks {
    /// Current limits.
    pub fn limits(&self) -> WriteLimits {
        self.limits
    }

    /// Whether the writer should wait.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Changes the limits and applies them to a buffer of `size` bytes.
    pub fn set_limits(&mut self, limits: WriteLimits, size: usize) {
        self.limits = limits;
        self.changed(size);
    }

    /// Records that the buffer has grown or shrunk to `size` bytes.
    pub fn changed(&mut self, size: usize) {
        self.shrank(size);
        let _ = self.grew(size);
    }

    /// Records that the buffer has grown to `size` bytes.
    pub fn grew(&mut self, size: usize) -> Flow {
        if size > self.limits.high && !self.is_full {
            (self.is_full, self.owes_pause) = (true, true);
        }
        if self.is_full { Flow::Full } else { Flow::Open }
    }

    /// Records that the buffer has shrunk to `size` bytes. Returns `true` if writing may resume.
    pub fn shrank(&mut self, size: usize) -> bool {
        let resumes = self.is_full && size <= self.limits.low;
        self.is_full &= !resumes;
        resumes
    }

    /// Returns the next flow control call and counts it as made.
    pub fn next_call(&mut self) -> Option<FlowCall> {
        match self.last_call {
            LastCall::Resume if self.owes_pause => {
                (self.last_call, self.owes_pause) = (LastCall::Pause, false);
                Some(FlowCall::Pause)
            }
            LastCall::Pause if !self.is_full => {
                (self.last_call, self.owes_pause) = (LastCall::Resume, false);
                Some(FlowCall::Resume)
            }
            _ => None,
        }
    }

    /// Whether a flow control call is due.
    pub fn has_pending_call(&self) -> bool {
        Self::next_call(&mut self.clone()).is_some()
    }

    /// Starts over for another protocol, which has received no calls yet.
    pub fn change_writer(&mut self) {
        (self.last_call, self.owes_pause) = (LastCall::Resume, self.is_full);
    }

    /// Forgets the buffer and all pending calls, and keeps the limits.
    pub fn reset(&mut self) {
        *self = Self { limits: self.limits, ..Self::default() };
    }

    /// Whether the state equals a new one.
    pub fn is_default(&self) -> bool {
        !self.is_full && !self.has_pending_call() && self.limits == WriteLimits::default()
    }
}
