//! Where time comes from: the only file that reads the system's clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Where a loop's time comes from.
///
/// With [`Manual`](Self::Manual), time stands still while callbacks run and jumps where a loop would otherwise
/// wait, to the next timer or as far as that [turn](crate::EnteredLoop::turn) may wait. So hours of timers run in
/// microseconds, in an order that never varies.
/// Such a loop refuses descriptors: the network does not jump.
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
    /// A clock that starts here and moves only where the loop would wait.
    Manual(Instant),
}

/// A [`Clock`] in use.
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
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::System => Instant::now(),
            Self::Manual(now) => now.get(),
        }
    }

    pub(crate) fn is_manual(&self) -> bool {
        matches!(self, Self::Manual(_))
    }

    /// Moves a manual clock forward; the system's moves by itself.
    pub(crate) fn advance(&self, by: Duration) {
        if let Self::Manual(now) = self {
            now.set(deadline(now.get(), by));
        }
    }
}

/// `now + delay`, or an instant that no process lives to see where that is out of range.
pub(crate) fn deadline(now: Instant, delay: Duration) -> Instant {
    const THIRTY_YEARS: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    now.checked_add(delay).unwrap_or_else(|| now + THIRTY_YEARS)
}
