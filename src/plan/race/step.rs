//! What the owner of a race does next, and why.

use std::time::Instant;

use super::super::Family;
use super::Ready;

/// What the owner of a [`Race`](super::Race) does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask for the addresses of this family now, then poll again.
    Query(Family),
    /// Start this attempt now, then poll again.
    Start(Start),
    /// End this attempt now, then poll again. It counts as ended already.
    Cancel {
        /// Its number.
        attempt: usize,
        /// What for.
        why: CancelReason,
    },
    /// Nothing to do before this instant unless something happens; `None`: nothing until something does.
    Wait(Option<Instant>),
    /// Over: this attempt is the connection. Cancel the others, and do not wait for answers.
    Won(usize),
    /// Over: there is no connection.
    Lost(LossReason),
}

/// An attempt that starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// Its number; [`Race::address`](super::Race::address) says where to.
    pub attempt: usize,
    /// When it was to start: how much later it does is the owner's delay, not the network's.
    pub planned: Instant,
    /// Why then.
    pub reason: Reason,
}

/// Why an attempt starts when it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is the first, and there was enough of an answer.
    First(Ready),
    /// The Connection Attempt Delay has passed.
    Timer,
    /// This attempt has ended.
    Kick(usize),
    /// It would have started before, had its address been known.
    LateAnswer,
    /// It would have started before, had fewer been under way.
    Room,
}

/// Why an attempt ends before anything is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// It has used up its own time ([`Policy::attempt_timeout`](super::super::Policy::attempt_timeout)).
    TimedOut,
    /// The next takes its place ([`WhenFull::ReplacesOldest`](super::super::WhenFull::ReplacesOldest)).
    Replaced,
}

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossReason {
    /// There was nothing to try.
    NoAddress,
    /// Every attempt failed.
    AllFailed,
}
