//! The policies of real clients, by name.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;
use std::time::Duration;

use super::{
    Endpoints, Floor, GivesUp, Kick, Lanes, Pacing, Policy, Resolution, Since, Spread, Success,
    WhenFull,
};

/// How a standard or a well-known client connects.
///
/// What clients do was read in their source and measured on the wire, packet by packet; `tests/races/clients` has
/// what each of them makes of the same conditions.
///
/// ```
/// use loopctl::plan::{Lanes, Policy, Preset};
/// use std::time::Duration;
///
/// let preset: Preset = "curl-7.88".parse()?;
/// assert_eq!(preset.to_string(), "curl-7.88");
/// let policy = Policy::from(preset);
/// assert_eq!(policy.connection_attempt_delay, Some(Duration::from_millis(200)));
/// assert_eq!(policy.pacing.lanes, Lanes::PerFamily);
/// # Ok::<(), loopctl::plan::PresetError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// `hev3`: Happy Eyeballs version 3 (draft-ietf-happy-happyeyeballs-v3), and what its text leaves open as
    /// most clients do: a failure starts the next attempt at once, though not within 10 ms of a packet. At most
    /// 16 addresses and six at a time; the seventh replaces the oldest, or six silent ones would hide it.
    #[default]
    Hev3,
    /// `rfc8305`: RFC 8305, in which SERVFAIL for AAAA does not end the Resolution Delay, 10 ms between starts
    /// have no exception and nobody is given up. A failure starts the next attempt, as in all clients.
    Rfc8305,
    /// `asyncio`: Python's `create_connection(happy_eyeballs_delay=0.25)`, aiohttp and anyio with it.
    Asyncio,
    /// `curl`: curl 8.22 (lib/cf-ip-happy.c). AAAA has 25 ms from the beginning; a failure starts the next attempt
    /// only where no other is under way.
    Curl,
    /// `curl-7.88`: two lanes, 200 ms apart.
    Curl7,
    /// `node`: Node 20 and later (lib/net.js). Not a race: every attempt but the last is closed after 250 ms.
    Node,
    /// `go`: Go's net.Dialer (src/net/dial.go), hyper and reqwest with it. Two lanes, 300 ms apart.
    Go,
    /// `chrome`: Chromium 156. Two attempts share the addresses, 300 ms apart (tcp_connect_job.h).
    Chrome,
    /// `chrome-hev3`: Chromium 156 with `--enable-features=HappyEyeballsV3`.
    ChromeHev3,
    /// `firefox`: Firefox ESR 153. A connection, and after 250 ms another for IPv4.
    Firefox,
    /// `firefox-nightly`: `network.http.happy_eyeballs_enabled` and mozilla/happy-eyeballs. 50 ms, doubled for each
    /// attempt under way.
    FirefoxNightly,
    /// `trio`: trio 0.35. As asyncio, but only the second address is of the other family.
    Trio,
    /// `sequential`: one address after another, each as long as the kernel tries: Python's requests, wget, ssh, nc,
    /// Rust's `TcpStream::connect`.
    Sequential,
    /// `simultaneous`: every address as soon as it is known. RFC 8305 section 5: "Clients MUST NOT" do so.
    Simultaneous,
}

/// A name that is none of a [`Preset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetError(String);

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Preset {
    /// All of them, the standards first.
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

    /// Its name.
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
            Preset::Curl7 => in_lanes(200, Lanes::PerFamily, true),
            Preset::Node => node(),
            Preset::Go => in_lanes(300, Lanes::PerFamily, false),
            Preset::Chrome => chrome(),
            Preset::ChromeHev3 => apart(250, 50),
            Preset::Firefox => in_lanes(250, Lanes::PerFamily, true),
            Preset::FirefoxNightly => firefox_nightly(),
            Preset::Trio => trio(),
            Preset::Sequential => Self::default(),
            Preset::Simultaneous => apart(0, 0),
        }
    }
}

/// Families asked for apart, attempts staggered, each address tried once; the rules of draft version 3.
fn apart(connection_attempt_delay: u64, resolution_delay: u64) -> Policy {
    let resolution = Resolution::Apart {
        delay: ms(resolution_delay),
        since: Since::Answer,
        gives_up: GivesUp::AtAnyAnswer,
    };
    let endpoints = Endpoints { once: true, ..Endpoints::default() };
    Policy { resolution, endpoints, ..Policy::happy_eyeballs(ms(connection_attempt_delay)) }
}

fn hev3() -> Policy {
    let plain = apart(250, 50);
    Policy {
        max_parallel: NonZero::new(6),
        pacing: Pacing {
            floor: Floor { least: ms(10), spares_unsent: true },
            when_full: WhenFull::ReplacesOldest,
            success: Success::Tls,
            ..plain.pacing
        },
        endpoints: Endpoints { most: NonZero::new(16), ..plain.endpoints },
        ..plain
    }
}

fn rfc8305() -> Policy {
    let plain = apart(250, 50);
    let gives_up = GivesUp::AtNoData;
    Policy {
        resolution: Resolution::Apart { delay: ms(50), since: Since::Answer, gives_up },
        pacing: Pacing { floor: Floor { least: ms(10), spares_unsent: false }, ..plain.pacing },
        ..plain
    }
}

fn curl() -> Policy {
    let (plain, gives_up) = (apart(200, 25), GivesUp::AtAnyAnswer);
    Policy {
        max_parallel: NonZero::new(6),
        resolution: Resolution::Apart { delay: ms(25), since: Since::Beginning, gives_up },
        pacing: Pacing { kick: Kick::Idle, when_full: WhenFull::ReplacesOldest, ..plain.pacing },
        ..plain
    }
}

fn node() -> Policy {
    let plain = Policy::happy_eyeballs(ms(250));
    let pacing = Pacing { when_full: WhenFull::ReplacesOldest, ..plain.pacing };
    Policy { max_parallel: NonZero::new(1), pacing, ..plain }
}

/// In lanes the resolver's order rules in each.
fn in_lanes(delay: u64, lanes: Lanes, needs_ipv4: bool) -> Policy {
    Policy {
        connection_attempt_delay: Some(ms(delay)),
        resolution: Resolution::Together { needs_ipv4 },
        pacing: Pacing { lanes, ..Pacing::default() },
        ..Policy::default()
    }
}

fn chrome() -> Policy {
    let plain = in_lanes(300, Lanes::Two, true);
    Policy { endpoints: Endpoints { once: true, ..plain.endpoints }, ..plain }
}

fn firefox_nightly() -> Policy {
    let plain = apart(50, 50);
    let pacing = Pacing { multiplier: 2, success: Success::Tls, ..plain.pacing };
    Policy { pacing, ..plain }
}

fn trio() -> Policy {
    let plain = Policy::happy_eyeballs(ms(250));
    Policy { endpoints: Endpoints { spread: Spread::SecondOnly, ..plain.endpoints }, ..plain }
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
