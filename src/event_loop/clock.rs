//! Clock of a loop: the only file that reads the system's clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Source of a loop's time.
///
/// A [`Manual`](Self::Manual) clock stands still while callbacks run. Where the loop would wait, it jumps to the next
/// timer, but at most by the longest wait of the [turn](crate::EnteredLoop::turn). Hours of timers therefore run in
/// microseconds, always in the same order. Such a loop rejects descriptors, because the network does not follow it.
///
/// ```
/// use loopctl::{Clock, EventLoop};
/// use std::time::{Duration, Instant};
///
/// let t0 = Instant::now();
/// let mut event_loop = EventLoop::with_clock(Clock::Manual(t0))?;
/// let handle = event_loop.handle();
/// event_loop.run_until_complete(handle.sleep(Duration::from_secs(3600)))?;
/// assert_eq!(handle.time(), t0 + Duration::from_secs(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub enum Clock {
    /// The system's monotonic clock.
    #[default]
    System,
    /// Clock that starts at this instant and advances only where the loop would wait.
    Manual(Instant),
}

/// State of a [`Clock`].
#[derive(Debug)]
pub(crate) enum LoopClock {
    System,
    Manual(Cell<Instant>),
}

impl From<Clock> for LoopClock {
    fn from(clock: Clock) -> Self {
        match clock {
            Clock::System => Self::System,
            Clock::Manual(start) => Self::Manual(Cell::new(start)),
        }
    }
}

impl LoopClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's clock"
    )]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(now) => now.get(),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }

    /// Advances a manual clock; has no effect on the system's.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual(now) = self {
            now.set(deadline(now.get(), by));
        }
    }
}

/// `now + delay`, or thirty years from now if that is out of range.
pub(crate) fn deadline(now: Instant, delay: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(delay).unwrap_or_else(|| now + THIRTY_YEARS)
}
