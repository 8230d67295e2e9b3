//! Policies of real clients, by name.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::Duration;

use super::{
    AddressQueues, AddressSelection, AdvanceOn, AtLimit, DelayFrom, InterleaveScope, MinimumDelay,
    NegativeAnswers, Pacing, Policy, Resolution, Success,
};

/// Policy of a standard or of a well-known client.
///
/// The rules of the clients were read in their source code and measured on the wire, packet by packet.
/// `tests/races/clients` contains the behaviour of each of them under the same conditions.
///
/// ```
/// use loopctl::plan::{AddressQueues, Policy, Preset};
/// use std::time::Duration;
///
/// let preset: Preset = "curl-7.88".parse()?;
/// assert_eq!(preset.to_string(), "curl-7.88");
/// let policy = Policy::from(preset);
/// assert_eq!(policy.connection_attempt_delay, Some(Duration::from_millis(200)));
/// assert_eq!(policy.pacing.queues, AddressQueues::PerFamily);
/// # Ok::<(), loopctl::plan::PresetError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// `hev3`: Happy Eyeballs version 3 (draft-ietf-happy-happyeyeballs-v3). Where the draft leaves a choice it does
    /// as most clients: a failure starts the next attempt at once, but at least 10 ms after the last packet. No more
    /// than 16 addresses while one of them may still connect, and six at a time. The seventh replaces the oldest, or
    /// six silent ones would block it.
    #[default]
    Hev3,
    /// `rfc8305`: RFC 8305. SERVFAIL for AAAA does not end the Resolution Delay, the 10 ms between starts have no
    /// exception, and no attempt is replaced. A failure starts the next attempt, as in all clients.
    Rfc8305,
    /// `asyncio`: Python's `create_connection(happy_eyeballs_delay=0.25)`; also aiohttp and anyio.
    Asyncio,
    /// `curl`: curl 8.22 (lib/cf-ip-happy.c). The Resolution Delay of 25 ms counts from the start of the race. A
    /// failure starts the next attempt only if no other is under way.
    Curl,
    /// `curl-7.88`: two queues, 200 ms apart. After a failure, the next address of a queue waits until curl looks
    /// again: after 1 s, or when the other queue starts or fails (lib/connect.c).
    Curl7,
    /// `node`: Node 20 and later (lib/net.js). Not a race: every attempt but the last is closed after 250 ms.
    Node,
    /// `go`: Go's net.Dialer (src/net/dial.go); also hyper and reqwest. Two queues, 300 ms apart.
    Go,
    /// `chrome`: Chromium 156. Two attempts share the addresses, 300 ms apart (tcp_connect_job.h).
    Chrome,
    /// `chrome-hev3`: Chromium 156 with `--enable-features=HappyEyeballsV3`.
    ChromeHev3,
    /// `firefox`: Firefox ESR 153. One connection, and after 250 ms another for IPv4.
    Firefox,
    /// `firefox-nightly`: `network.http.happy_eyeballs_enabled` and mozilla/happy-eyeballs. 50 ms, doubled for each
    /// attempt under way.
    FirefoxNightly,
    /// `trio`: trio 0.35. Like asyncio, but only the second address is of the other family.
    Trio,
    /// `sequential`: one address after another, each until the kernel gives up (Python's requests, wget, ssh, nc,
    /// Rust's `TcpStream::connect`).
    Sequential,
    /// `simultaneous`: every address as soon as it is known, which RFC 8305 section 5 forbids ("MUST NOT").
    Simultaneous,
}

/// Unknown name of a [`Preset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetError(String);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Preset {
    /// All presets, the standards first.
    pub const ALL: [Self; 14] = [
        Self::Hev3,
        Self::Rfc8305,
        Self::Asyncio,
        Self::Curl,
        Self::Curl7,
        Self::Node,
        Self::Go,
        Self::Chrome,
        Self::ChromeHev3,
        Self::Firefox,
        Self::FirefoxNightly,
        Self::Trio,
        Self::Sequential,
        Self::Simultaneous,
    ];

    /// Name of the preset, such as `hev3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hev3 => "hev3",
            Self::Rfc8305 => "rfc8305",
            Self::Asyncio => "asyncio",
            Self::Curl => "curl",
            Self::Curl7 => "curl-7.88",
            Self::Node => "node",
            Self::Go => "go",
            Self::Chrome => "chrome",
            Self::ChromeHev3 => "chrome-hev3",
            Self::Firefox => "firefox",
            Self::FirefoxNightly => "firefox-nightly",
            Self::Trio => "trio",
            Self::Sequential => "sequential",
            Self::Simultaneous => "simultaneous",
        }
    }
}

impl From<Preset> for Policy {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Hev3 => hev3(),
            Preset::Rfc8305 => rfc8305(),
            Preset::Asyncio => Self::happy_eyeballs(ms(250)),
            Preset::Curl => curl(),
            Preset::Curl7 => curl_7(),
            Preset::Node => node(),
            Preset::Go => in_queues(300, AddressQueues::PerFamily, false),
            Preset::Chrome => chrome(),
            Preset::ChromeHev3 => separate(250, 50),
            Preset::Firefox => in_queues(250, AddressQueues::PerFamily, true),
            Preset::FirefoxNightly => firefox_nightly(),
            Preset::Trio => trio(),
            Preset::Sequential => Self::default(),
            Preset::Simultaneous => separate(0, 0),
        }
    }
}

/// Separate queries, staggered attempts, each address once: the rules of the version 3 draft.
fn separate(connection_attempt_delay: u64, resolution_delay: u64) -> Policy {
    let resolution = Resolution::Separate {
        delay: ms(resolution_delay),
        delay_from: DelayFrom::FirstAnswer,
        ended_by: NegativeAnswers::Any,
    };
    let selection = AddressSelection { deduplicate: true, ..AddressSelection::default() };
    Policy { resolution, selection, ..Policy::happy_eyeballs(ms(connection_attempt_delay)) }
}

fn hev3() -> Policy {
    let plain = separate(250, 50);
    Policy {
        max_parallel: NonZero::new(6),
        pacing: Pacing {
            minimum_delay: MinimumDelay { delay: ms(10), exempts_unsent: true },
            at_limit: AtLimit::ReplaceOldest,
            success: Success::Tls,
            ..plain.pacing
        },
        selection: AddressSelection { max_addresses: NonZero::new(16), ..plain.selection },
        ..plain
    }
}

fn rfc8305() -> Policy {
    let plain = separate(250, 50);
    let ended_by = NegativeAnswers::NoDataOnly;
    Policy {
        resolution: Resolution::Separate {
            delay: ms(50),
            delay_from: DelayFrom::FirstAnswer,
            ended_by,
        },
        pacing: Pacing {
            minimum_delay: MinimumDelay { delay: ms(10), exempts_unsent: false },
            ..plain.pacing
        },
        ..plain
    }
}

fn curl() -> Policy {
    let (plain, ended_by) = (separate(200, 25), NegativeAnswers::Any);
    Policy {
        max_parallel: NonZero::new(6),
        resolution: Resolution::Separate {
            delay: ms(25),
            delay_from: DelayFrom::RaceStart,
            ended_by,
        },
        pacing: Pacing {
            advance_on: AdvanceOn::AllEnded,
            at_limit: AtLimit::ReplaceOldest,
            ..plain.pacing
        },
        ..plain
    }
}

fn curl_7() -> Policy {
    let plain = in_queues(200, AddressQueues::PerFamily, true);
    // A socket is opened only when the poll of at most 1 s (lib/easy.c) has returned.
    Policy { pacing: Pacing { poll_interval: Some(ms(1000)), ..plain.pacing }, ..plain }
}

fn node() -> Policy {
    let plain = Policy::happy_eyeballs(ms(250));
    let pacing = Pacing { at_limit: AtLimit::ReplaceOldest, ..plain.pacing };
    Policy { max_parallel: NonZero::new(1), pacing, ..plain }
}

/// Policy with a queue for each family, each in the resolver's order.
fn in_queues(delay: u64, queues: AddressQueues, requires_ipv4: bool) -> Policy {
    Policy {
        connection_attempt_delay: Some(ms(delay)),
        resolution: Resolution::Joint { requires_ipv4 },
        pacing: Pacing { queues, ..Pacing::default() },
        ..Policy::default()
    }
}

fn chrome() -> Policy {
    let plain = in_queues(300, AddressQueues::Shared, true);
    Policy { selection: AddressSelection { deduplicate: true, ..plain.selection }, ..plain }
}

fn firefox_nightly() -> Policy {
    let plain = separate(50, 50);
    let pacing = Pacing { multiplier: 2, success: Success::Tls, ..plain.pacing };
    Policy { pacing, ..plain }
}

fn trio() -> Policy {
    let plain = Policy::happy_eyeballs(ms(250));
    Policy {
        selection: AddressSelection {
            interleave_scope: InterleaveScope::SecondOnly,
            ..plain.selection
        },
        ..plain
    }
}

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(name: &str) -> Result<Self, PresetError> {
        let found = Self::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| PresetError(name.to_owned()))
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for PresetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Preset::ALL.map(Preset::name).join(", ");
        write!(f, "`{}` is no policy; there are {known}", self.0)
    }
}

impl std::error::Error for PresetError {}
