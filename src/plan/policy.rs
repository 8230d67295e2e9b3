//! The rules of a race, as numbers.

use std::num::NonZero;
use std::time::Duration;

/// How addresses are ordered and when attempts start. The default is asyncio's: one address after another,
/// in the resolver's order.
///
/// ```
/// use loopctl::plan::Policy;
/// use std::time::Duration;
///
/// let policy = Policy { max_parallel: std::num::NonZero::new(4), ..Policy::default() };
/// assert_eq!(policy.connection_attempt_delay, None);
/// assert_eq!(Policy::happy_eyeballs(Duration::from_millis(250)).interleave, 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The Connection Attempt Delay (RFC 8305 section 8; 250 ms recommended). `None`: the next attempt
    /// starts when the one before has failed.
    pub connection_attempt_delay: Option<Duration>,
    /// The First Address Family Count (RFC 8305 section 8); 0 keeps the resolver's order.
    pub interleave: usize,
    /// At most this many attempts at a time; a start that has to wait happens as soon as an attempt ends.
    pub max_parallel: Option<NonZero<usize>>,
    /// How long one attempt may take. `None`: as long as the kernel tries.
    pub attempt_timeout: Option<Duration>,
    /// Start every attempt and wait for all of them, whoever wins.
    pub run_all: bool,
}

impl Policy {
    /// A race with this Connection Attempt Delay between interleaved families.
    pub fn happy_eyeballs(connection_attempt_delay: Duration) -> Self {
        let connection_attempt_delay = Some(connection_attempt_delay);
        Self { connection_attempt_delay, interleave: 1, ..Self::default() }
    }

    pub(crate) fn max_parallel(&self) -> usize {
        self.max_parallel.map_or(usize::MAX, NonZero::get)
    }
}
