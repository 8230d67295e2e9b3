//! The rules of a race, as numbers and choices. [`Preset`](super::Preset) has those of real clients.

use std::num::NonZero;
use std::time::Duration;

use super::interleave;

/// How addresses are ordered and when attempts start. The default is asyncio's: one address after another,
/// in the resolver's order.
///
/// ```
/// use loopctl::plan::{Kick, Pacing, Policy, Preset};
/// use std::time::Duration;
///
/// let policy = Policy { max_parallel: std::num::NonZero::new(4), ..Policy::default() };
/// assert_eq!(policy.connection_attempt_delay, None);
/// assert_eq!(Policy::happy_eyeballs(Duration::from_millis(250)).interleave, 1);
///
/// let hev3 = Policy::from(Preset::Hev3);
/// let patient = Policy { pacing: Pacing { kick: Kick::Idle, ..hev3.pacing }, ..hev3 };
/// assert_eq!(patient.pacing.kick, Kick::Idle);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// The Connection Attempt Delay (RFC 8305 section 8; 250 ms recommended). `None`: the next attempt
    /// starts when the one before has failed.
    pub connection_attempt_delay: Option<Duration>,
    /// The First Address Family Count (RFC 8305 section 8); 0 keeps the resolver's order.
    pub interleave: usize,
    /// At most this many attempts at a time; [`Pacing::when_full`] says what becomes of the next.
    pub max_parallel: Option<NonZero<usize>>,
    /// How long one attempt may take. `None`: as long as the kernel tries.
    pub attempt_timeout: Option<Duration>,
    /// Start every attempt and wait for all of them, whoever wins.
    pub run_all: bool,
    /// How long the first attempt waits for answers.
    pub resolution: Resolution,
    /// When the next attempt starts.
    pub pacing: Pacing,
    /// Which addresses are tried.
    pub endpoints: Endpoints,
}

/// How long the first attempt waits for the answers to the questions of each family. Answers that come after
/// it has started are merged into what is left to try, and put off or hasten no attempt that has its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// For all of them, as `getaddrinfo` does.
    Together {
        /// Without any answer about IPv4, the lookup fails whatever there was for IPv6. So it is with glibc,
        /// which then says `EAI_AGAIN`; without an answer about IPv6 it makes do with IPv4.
        needs_ipv4: bool,
    },
    /// For addresses of the preferred family; where another family has some, only for a while
    /// (RFC 8305 section 3).
    Apart {
        /// The Resolution Delay: how long addresses in hand wait for better ones (RFC 8305 section 8; 50 ms
        /// recommended).
        delay: Duration,
        /// From when on it counts.
        since: Since,
        /// Which answers without an address end the wait.
        gives_up: GivesUp,
    },
}

/// From when on the Resolution Delay counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Since {
    /// The first addresses of another family (RFC 8305 section 3).
    #[default]
    Answer,
    /// The beginning of the race (curl 8).
    Beginning,
}

/// Which answers without an address, about the preferred family, end the wait for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GivesUp {
    /// Any, "with or without error" (draft-ietf-happy-happyeyeballs-v3).
    #[default]
    AtAnyAnswer,
    /// Only "no error, no data" (RFC 8305 section 3).
    AtNoData,
}

/// When the next attempt starts, and which attempts run beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// Whose end starts the next attempt before its time.
    pub kick: Kick,
    /// The Connection Attempt Delay after a start is multiplied by this for each attempt already under way.
    pub multiplier: u32,
    /// How close two starts may be.
    pub floor: Floor,
    /// How the addresses are divided among attempts that run side by side.
    pub lanes: Lanes,
    /// What becomes of a start beyond [`max_parallel`](Policy#structfield.max_parallel).
    pub when_full: WhenFull,
    /// What an attempt has to reach to win.
    pub success: Success,
}

/// Whose end starts the next attempt at once. Without a delay it is always the newest attempt's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kick {
    /// The newest attempt's: an older one's successor is on its way already (asyncio, and most others).
    #[default]
    Newest,
    /// The last one's under way: while any is, only time starts another (curl 8).
    Idle,
    /// Nobody's (RFC 8305 section 5, to the letter).
    Never,
}

/// The Minimum Connection Attempt Delay (RFC 8305 section 8): "MUST NOT be less than 10 milliseconds".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floor {
    /// No two attempts start closer than this.
    pub least: Duration,
    /// An attempt that this host refused counts as not started: no packet has left, so none is too many.
    pub spares_unsent: bool,
}

/// How the addresses are divided among attempts that run side by side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Lanes {
    /// Not at all: whatever comes next may run beside what is under way (RFC 8305).
    #[default]
    One,
    /// The family of the first address has a lane, and all others have another, which opens after the
    /// Connection Attempt Delay or when the first lane has nothing left. In a lane one address follows another
    /// (RFC 6555: Go, hyper, curl 7, Firefox).
    PerFamily,
    /// Two attempts share the addresses. The first changes the family after each failure; the second begins
    /// after the Connection Attempt Delay, and takes IPv4 as long as there is some (Chrome).
    Two,
}

/// What becomes of a start for which [`max_parallel`](Policy#structfield.max_parallel) leaves no room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// It waits until an attempt ends.
    #[default]
    Waits,
    /// The oldest attempt is given up for it (curl 8 with six at a time; Node, with one). With
    /// [`Policy::run_all`] nobody is given up.
    ReplacesOldest,
}

/// What an attempt has to reach to win.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Success {
    /// A TCP connection.
    #[default]
    Tcp,
    /// The end of the TLS handshake, where there is one. While one is under way, the next attempt waits until
    /// the connection is as old as the Connection Attempt Delay, and as three times what TCP took
    /// (draft-ietf-happy-happyeyeballs-v3: the timer "SHOULD be extended").
    Tls,
}

/// Which addresses are tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// How far [`Policy::interleave`] reaches.
    pub spread: Spread,
    /// An address that the answers have twice is tried once.
    pub once: bool,
    /// At most this many are tried.
    pub most: Option<NonZero<usize>>,
}

/// How far interleaving reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spread {
    /// To the last address (RFC 8305 section 4).
    #[default]
    All,
    /// The second address is of another family than the first; the others keep their order (trio).
    SecondOnly,
}

impl Policy {
    /// A race with this Connection Attempt Delay between interleaved families; asyncio's.
    pub fn happy_eyeballs(connection_attempt_delay: Duration) -> Self {
        let connection_attempt_delay = Some(connection_attempt_delay);
        Self { connection_attempt_delay, interleave: 1, ..Self::default() }
    }

    /// These addresses in the order in which they are tried, as far as their families decide.
    ///
    /// ```
    /// use loopctl::plan::{Policy, Preset};
    ///
    /// let order = |preset: Preset| {
    ///     let known = vec!["6a", "6b", "6c", "4a", "4b", "4c"];
    ///     Policy::from(preset).order(known, |address| address.as_bytes()[0]).join(" ")
    /// };
    /// assert_eq!(order(Preset::Hev3), "6a 4a 6b 4b 6c 4c");
    /// assert_eq!(order(Preset::Trio), "6a 4a 6b 6c 4b 4c");
    /// assert_eq!(order(Preset::Sequential), "6a 6b 6c 4a 4b 4c");
    /// ```
    pub fn order<T, F: PartialEq>(&self, known: Vec<T>, family: impl Fn(&T) -> F) -> Vec<T> {
        match (self.interleave, self.endpoints.spread) {
            (0, _) => known,
            (first, Spread::All) => interleave(known, first, family),
            (_, Spread::SecondOnly) => second_of_another_family(known, family),
        }
    }

    pub(super) fn max_parallel(&self) -> usize {
        self.max_parallel.map_or(usize::MAX, NonZero::get)
    }

    /// The Connection Attempt Delay after a start beside so many others.
    pub(super) fn delay(&self, others: usize) -> Option<Duration> {
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let factor = self.pacing.multiplier.saturating_pow(others);
        Some(self.connection_attempt_delay?.saturating_mul(factor))
    }

    /// Whether a start may end the oldest attempt.
    pub(super) fn replaces_oldest(&self) -> bool {
        self.pacing.when_full == WhenFull::ReplacesOldest && !self.run_all
    }
}

fn second_of_another_family<T, F: PartialEq>(
    mut known: Vec<T>,
    family: impl Fn(&T) -> F,
) -> Vec<T> {
    let is_other = |item: &T| known.first().is_some_and(|first| family(item) != family(first));
    if let Some(at) = known.iter().position(is_other) {
        known[1..=at].rotate_right(1);
    }
    known
}

impl Default for Resolution {
    fn default() -> Self {
        Self::Together { needs_ipv4: true }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            kick: Kick::default(),
            multiplier: 1,
            floor: Floor::default(),
            lanes: Lanes::default(),
            when_full: WhenFull::default(),
            success: Success::default(),
        }
    }
}
