//! Rules of a race: numbers and choices. [`Preset`](super::Preset) holds those of real clients.

use std::num::NonZero;
use std::time::Duration;

/// Order of the addresses and start times of the attempts. The default is asyncio's: one address after another,
/// in the resolver's order.
///
/// ```
/// use loopctl::plan::{AdvanceOn, Pacing, Policy, Preset};
/// use std::time::Duration;
///
/// let policy = Policy { max_parallel: std::num::NonZero::new(4), ..Policy::default() };
/// assert_eq!(policy.connection_attempt_delay, None);
/// assert_eq!(Policy::happy_eyeballs(Duration::from_millis(250)).interleave, 1);
///
/// let hev3 = Policy::from(Preset::Hev3);
/// let slower = Policy { pacing: Pacing { advance_on: AdvanceOn::AllEnded, ..hev3.pacing }, ..hev3 };
/// assert_eq!(slower.pacing.advance_on, AdvanceOn::AllEnded);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Connection Attempt Delay (RFC 8305 section 8; 250 ms recommended). `None`: the next attempt starts when
    /// the previous one has failed.
    pub connection_attempt_delay: Option<Duration>,
    /// First Address Family Count (RFC 8305 section 8); 0 keeps the resolver's order.
    pub interleave: usize,
    /// Maximum number of attempts at a time; [`Pacing::at_limit`] decides about the next one.
    pub max_parallel: Option<NonZero<usize>>,
    /// Maximum duration of one attempt. `None`: the kernel's limit.
    pub attempt_timeout: Option<Duration>,
    /// Start every attempt and wait for all of them, also after one has succeeded.
    pub run_all: bool,
    /// Start condition of the first attempt.
    pub resolution: Resolution,
    /// Start conditions of the later attempts.
    pub pacing: Pacing,
    /// Selection of the addresses to try.
    pub selection: AddressSelection,
}

/// Start condition of the first attempt: the DNS answers that it waits for.
///
/// Answers that arrive after it has started are merged into the addresses left to try. They neither delay nor
/// hasten an attempt that is already scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// One joint lookup: wait for the answers of all families, as `getaddrinfo` does.
    Joint {
        /// Fail without an IPv4 answer, even if IPv6 addresses are known. glibc does this and returns
        /// `EAI_AGAIN`; a missing IPv6 answer is no failure.
        requires_ipv4: bool,
    },
    /// Separate queries: wait for the preferred family, but only for the Resolution Delay once another family has
    /// addresses (RFC 8305 section 3).
    Separate {
        /// Resolution Delay (RFC 8305 section 8; 50 ms recommended).
        delay: Duration,
        /// Start of the Resolution Delay.
        delay_from: DelayFrom,
        /// Answers without an address that end the Resolution Delay.
        ended_by: NegativeAnswers,
    },
}

/// Start of the Resolution Delay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayFrom {
    /// First addresses of another family (RFC 8305 section 3).
    #[default]
    FirstAnswer,
    /// Start of the race (curl 8).
    RaceStart,
}

/// Answers of the preferred family, without an address, that end the Resolution Delay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegativeAnswers {
    /// Any answer, "with or without error" (draft-ietf-happy-happyeyeballs-v3).
    #[default]
    Any,
    /// Only "no error, no data" (RFC 8305 section 3).
    NoDataOnly,
}

/// Start conditions of the attempts after the first, and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Ended attempts that start the next one before the Connection Attempt Delay has passed.
    pub advance_on: AdvanceOn,
    /// Factor on the Connection Attempt Delay, applied once for each attempt already under way.
    pub multiplier: u32,
    /// Minimum distance between two starts.
    pub minimum_delay: MinimumDelay,
    /// Queues from which parallel attempts take their addresses.
    pub queues: AddressQueues,
    /// Behaviour when [`max_parallel`](Policy#structfield.max_parallel) attempts are under way.
    pub at_limit: AtLimit,
    /// Handshake that an attempt has to complete to win.
    pub success: Success,
}

/// Ended attempts that start the next one at once (RFC 8305 section 5). Without a Connection Attempt Delay,
/// [`NewestEnded`](Self::NewestEnded) always applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdvanceOn {
    /// The newest attempt: the successor of an older one has already started (asyncio, and most others).
    #[default]
    NewestEnded,
    /// All attempts: while one is under way, only the Connection Attempt Delay starts another (curl 8).
    AllEnded,
    /// None: only the Connection Attempt Delay starts another (RFC 8305 section 5, to the letter).
    DelayOnly,
}

/// Minimum Connection Attempt Delay (RFC 8305 section 8): "MUST NOT be less than 10 milliseconds".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MinimumDelay {
    /// Minimum time between two starts.
    pub delay: Duration,
    /// Ignore attempts that this host refused: they sent no packet.
    pub exempts_unsent: bool,
}

/// Queues from which parallel attempts take their addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressQueues {
    /// One queue, and attempts run beside each other (RFC 8305).
    #[default]
    Single,
    /// Two queues: the family of the first address, and all other families. Each has at most one attempt at a
    /// time. The second starts after the Connection Attempt Delay, or when the first is empty (RFC 6555: Go,
    /// hyper, curl 7, Firefox).
    PerFamily,
    /// Two attempts share one queue. The first changes the family after each failure. The second starts after the
    /// Connection Attempt Delay and takes IPv4 addresses first (Chrome).
    Shared,
}

/// Behaviour when [`max_parallel`](Policy#structfield.max_parallel) attempts are under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtLimit {
    /// The next attempt waits until one ends.
    #[default]
    Wait,
    /// The next attempt replaces the oldest (curl 8 with six at a time; Node, with one). With
    /// [`Policy::run_all`] it waits.
    ReplaceOldest,
}

/// Handshake that an attempt has to complete to win.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Success {
    /// The TCP handshake.
    #[default]
    Tcp,
    /// The TLS handshake, if there is one. During a handshake the next attempt waits for the Connection
    /// Attempt Delay, or for three times the duration of the TCP handshake if that is longer
    /// (draft-ietf-happy-happyeyeballs-v3: the timer "SHOULD be extended").
    Tls,
}

/// Selection of the addresses to try.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressSelection {
    /// Reach of [`Policy::interleave`].
    pub interleave_scope: InterleaveScope,
    /// Try an address once, even if several answers contain it.
    pub deduplicate: bool,
    /// Maximum number of addresses to try.
    pub max_addresses: Option<NonZero<usize>>,
}

/// Reach of interleaving.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterleaveScope {
    /// All addresses (RFC 8305 section 4).
    #[default]
    All,
    /// Only the second address, which is of another family; the others keep their order (trio).
    SecondOnly,
}

impl Policy {
    /// Policy with this Connection Attempt Delay between interleaved families, as in asyncio.
    pub fn happy_eyeballs(connection_attempt_delay: Duration) -> Self {
        let connection_attempt_delay = Some(connection_attempt_delay);
        Self { connection_attempt_delay, interleave: 1, ..Self::default() }
    }

    pub(super) fn max_parallel(&self) -> usize {
        self.max_parallel.map_or(usize::MAX, NonZero::get)
    }

    /// Connection Attempt Delay after a start beside `others` attempts.
    pub(super) fn delay(&self, others: usize) -> Option<Duration> {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let factor = self.pacing.multiplier.saturating_pow(others);
        Some(self.connection_attempt_delay?.saturating_mul(factor))
    }

    /// Whether a new attempt may replace the oldest.
    pub(super) fn replaces_oldest(&self) -> bool {
        self.pacing.at_limit == AtLimit::ReplaceOldest && !self.run_all
    }
}

impl Default for Resolution {
    fn default() -> Self {
        Self::Joint { requires_ipv4: true }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            advance_on: AdvanceOn::default(),
            multiplier: 1,
            minimum_delay: MinimumDelay::default(),
            queues: AddressQueues::default(),
            at_limit: AtLimit::default(),
            success: Success::default(),
        }
    }
}
