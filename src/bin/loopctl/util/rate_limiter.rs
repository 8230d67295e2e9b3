//! A limit of bytes a second.

use std::num::NonZero;
use std::time::{Duration, Instant};

/// Spreads bytes over time. It reads no clock: the caller passes the time and waits for the delay.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    rate: NonZero<u64>,
    /// When the bytes recorded so far are due.
    due: Option<Instant>,
}

/// Chunks a second, where the rate allows: 20 ms apart looks even to a client.
const CHUNKS_PER_SECOND: u64 = 50;

/// Delay of a wake-up that later bytes make up for. A timer is late by a millisecond, a busy machine by more.
const MAX_LAG: Duration = Duration::from_millis(50);

impl RateLimiter {
    /// A limiter of `rate` bytes a second.
    pub(crate) fn new(rate: NonZero<u64>) -> Self {
        Self { rate, due: None }
    }

    /// Bytes to move at a time, at least one.
    pub(crate) fn chunk_size(&self) -> usize {
        usize::try_from((self.rate.get() / CHUNKS_PER_SECOND).max(1)).unwrap_or(usize::MAX)
    }

    /// Records bytes that move now. Idle time is not made up for, except for [`MAX_LAG`].
    pub(crate) fn record(&mut self, bytes: usize, now: Instant) {
        let earliest = now.checked_sub(MAX_LAG).unwrap_or(now);
        let from = self.due.map_or(now, |due| due.max(earliest));
        self.due = Some(from + Duration::from_secs_f64(bytes as f64 / self.rate.get() as f64));
    }

    /// The time to wait before more may move.
    pub(crate) fn delay(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loopctl::EventLoop;

    #[test]
    fn bytes_take_the_time_that_the_rate_gives_them() {
        let now = EventLoop::new().unwrap().handle().time();
        let mut limiter = RateLimiter::new(NonZero::new(1000).unwrap());
        let ms = Duration::from_millis;
        assert_eq!((limiter.chunk_size(), limiter.delay(now)), (20, ms(0)));
        limiter.record(20, now);
        assert_eq!(limiter.delay(now), ms(20));
        limiter.record(20, now);
        assert_eq!(limiter.delay(now), ms(40), "written without waiting");
        assert_eq!(limiter.delay(now + ms(40)), ms(0), "on time");
        limiter.record(20, now + ms(70));
        assert_eq!(limiter.delay(now + ms(50)), ms(10), "30 ms too late, and the next in time");
        limiter.record(100, now + ms(500));
        assert_eq!(limiter.delay(now + ms(500)), ms(50), "idle time is not saved up");
        assert_eq!(RateLimiter::new(NonZero::new(3).unwrap()).chunk_size(), 1);
    }
}
