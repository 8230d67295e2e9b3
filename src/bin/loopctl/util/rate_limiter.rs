//! So many bytes a second.

use std::num::NonZero;
use std::time::{Duration, Instant};

/// Spreads bytes over time. A decision: it takes the time and says how long to wait.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: NonZero<u64>,
    /// When what has been counted so far is due.
    due: Option<Instant>,
}

/// How often a second something moves, where the rate allows: 20 ms apart looks even to a client.
const PIECES: u64 = 50;

impl Pace {
    pub(crate) fn new(rate: NonZero<u64>) -> Self {
        Self { rate, due: None }
    }

    /// How many bytes to move at a time.
    pub(crate) fn piece(&self) -> usize {
        usize::try_from((self.rate.get() / PIECES).max(1)).unwrap_or(usize::MAX)
    }

    /// Counts bytes that move now. Time in which nothing moved is not made up for.
    pub(crate) fn count(&mut self, bytes: usize, now: Instant) {
        let begin = self.due.map_or(now, |due| due.max(now));
        self.due = Some(begin + Duration::from_secs_f64(bytes as f64 / self.rate.get() as f64));
    }

    /// How long to wait before more may move.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
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
        let mut pace = Pace::new(NonZero::new(1000).unwrap());
        let ms = Duration::from_millis;
        assert_eq!((pace.piece(), pace.wait(now)), (20, ms(0)));
        pace.count(20, now);
        assert_eq!(pace.wait(now), ms(20));
        pace.count(20, now);
        assert_eq!(pace.wait(now), ms(40), "written without waiting");
        assert_eq!(pace.wait(now + ms(40)), ms(0), "on time");
        pace.count(20, now + ms(500));
        assert_eq!(pace.wait(now + ms(500)), ms(20), "idle time is not saved up");
        assert_eq!(Pace::new(NonZero::new(3).unwrap()).piece(), 1);
    }
}
