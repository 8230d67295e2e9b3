//! Steps that a race asks its owner to take, with their reasons.

use std::time::Instant;

use super::super::Family;
use super::FirstAttemptReason;

/// Next step for the owner of a [`Race`](super::Race).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Query the addresses of this family now, then poll again.
    Query(Family),
    /// Start this attempt now, then poll again.
    Start(Start),
    /// Cancel this attempt now, then poll again. The race already counts it as ended.
    Cancel {
        /// Number of the attempt.
        attempt: usize,
        /// Reason of the cancellation.
        why: CancelReason,
    },
    /// Poll again at this instant, or earlier if something happens. `None`: only if something happens.
    Wait(Option<Instant>),
    /// The race is over, and this attempt is the connection. Cancel the others and ignore missing answers.
    Won(usize),
    /// The race is over without a connection.
    Lost(LossReason),
}

/// Start of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Number of the attempt; [`Race::address`](super::Race::address) has its address.
    pub attempt: usize,
    /// Planned start. If the attempt starts later, this host caused the delay, not the network.
    pub planned: Instant,
    /// Reason for starting at that time.
    pub reason: Reason,
}

/// Reason for the start time of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// First attempt: enough answers had arrived.
    First(FirstAttemptReason),
    /// The Connection Attempt Delay had passed.
    Timer,
    /// The attempt with this number had ended.
    AttemptEnded(usize),
    /// The address had just become known; without that the attempt would have started earlier.
    LateAnswer,
    /// An attempt had just ended that had kept the race at [`max_parallel`](super::super::Policy#structfield.max_parallel).
    ParallelLimit,
}

/// Reason for cancelling an attempt during the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// The attempt reached its [`attempt_timeout`](super::super::Policy::attempt_timeout).
    TimedOut,
    /// A newer attempt replaced it ([`AtLimit::ReplaceOldest`](super::super::AtLimit::ReplaceOldest)).
    Replaced,
}

/// Reason for a race without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// There was no address to try.
    NoAddress,
    /// Every attempt failed.
    AllFailed,
}
