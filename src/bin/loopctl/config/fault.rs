//! The value of `--fault`: `[up:|down:]KIND[=VALUE][~JITTER][@PERCENT]`.

use std::str::FromStr;
use std::time::Duration;

use crate::cli::values::{duration, rate, size};

/// A fault, its place and its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FaultArg {
    pub(crate) direction: Direction,
    pub(crate) fault: Fault,
    /// Share of clients that get the fault, 0 to 100.
    pub(crate) percent: f64,
}

/// The prefix of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// No prefix: the client's connection. A rate limits both of its directions.
    Both,
    /// `down:`, the client's connection. A rate limits what is sent to the client.
    Down,
    /// `up:`, the connection to `--upstream`. A rate limits what is sent to the upstream.
    Up,
}

/// End of a proxied connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Upstream,
}

/// A fault with its values: durations in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is neither read nor written for this time after accept(2).
    AcceptDelay(Jittered),
    /// Each reply is sent later by this time.
    Delay(Jittered),
    /// The connection is closed after this time.
    Close(Jittered),
    /// The connection is reset after this time.
    Reset(Jittered),
    /// Our side of the connection is shut down after this time; the other stays open.
    HalfClose(Jittered),
    /// The connection stalls after this number of bytes.
    StallAfter(Jittered),
    /// The connection is reset after this number of bytes.
    ResetAfter(Jittered),
    /// Replies are sent in pieces of this size, with a pause between two of them.
    Slice(Jittered, Duration),
    /// The connection is limited to this number of bytes per second, in each direction.
    Rate(Jittered),
    /// No connection is accepted: the accept queue takes this number of them, or is full.
    Backlog(Option<u32>),
    /// The ClientHello of a TLS handshake is never answered.
    TlsStall,
    /// The connection is closed after the ClientHello.
    TlsClose,
    /// The certificate is for another name.
    TlsWrongName,
    /// The certificate has expired.
    TlsExpired,
    /// The connection ends without close_notify.
    TlsBareFin,
}

/// A value with its jitter: the largest deviation, up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jittered {
    pub(crate) value: u64,
    pub(crate) jitter: u64,
}

const KINDS: &str = "accept-delay=DUR, delay=DUR, close[=DUR], reset[=DUR], half-close[=DUR], \
                     stall-after=SIZE, reset-after=SIZE, slice=SIZE/DUR, rate=SIZE/s, backlog[=N], \
                     tls-stall, tls-close, tls-wrong-name, tls-expired, tls-bare-fin";

/// Beginnings of the values of `--fault` that shells complete.
pub(crate) const COMPLETED: [&str; 15] = [
    "accept-delay=",
    "delay=",
    "close",
    "reset",
    "half-close",
    "stall-after=",
    "reset-after=",
    "slice=",
    "rate=",
    "backlog",
    "tls-stall",
    "tls-close",
    "tls-wrong-name",
    "tls-expired",
    "tls-bare-fin",
];

impl FromStr for FaultArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (direction, text) = Direction::split(text);
        let (text, percent) = match text.rsplit_once('@') {
            Some((text, percent)) => (text, percentage(percent)?),
            None => (text, 100.0),
        };
        let (text, jitter) = match text.split_once('~') {
            Some((text, jitter)) => (text, Some(jitter)),
            None => (text, None),
        };
        let (kind, value) = match text.split_once('=') {
            Some((kind, value)) => (kind, Some(value)),
            None => (text, None),
        };
        let fault = Fault::parse(kind, value, jitter)?;
        if matches!(fault, Fault::Backlog(_)) && percent != 100.0 {
            return Err("backlog affects every client: it has no percentage".to_owned());
        }
        let is_of_clients = matches!(fault, Fault::AcceptDelay(_) | Fault::Backlog(_));
        if direction == Direction::Up && (is_of_clients || fault.needs_tls()) {
            return Err(format!("{} is about clients: write it without up:", fault.name()));
        }
        Ok(Self { direction, fault, percent })
    }
}

impl FaultArg {
    /// The connection that has the fault.
    pub(crate) fn side(&self) -> Side {
        match self.direction {
            Direction::Both | Direction::Down => Side::Client,
            Direction::Up => Side::Upstream,
        }
    }

    /// The name in messages and records.
    pub(crate) fn name(&self) -> String {
        self.side().name(self.fault)
    }
}

impl Side {
    /// The name of a fault on this side.
    pub(crate) fn name(self, fault: Fault) -> String {
        match self {
            Self::Client => fault.name().to_owned(),
            Self::Upstream => format!("up:{}", fault.name()),
        }
    }
}

impl Direction {
    fn split(text: &str) -> (Self, &str) {
        match (text.strip_prefix("up:"), text.strip_prefix("down:")) {
            (Some(rest), _) => (Self::Up, rest),
            (None, Some(rest)) => (Self::Down, rest),
            (None, None) => (Self::Both, text),
        }
    }
}

impl Fault {
    fn parse(kind: &str, value: Option<&str>, jitter: Option<&str>) -> Result<Self, String> {
        let needed = || value.ok_or_else(|| format!("{kind} needs a value: {KINDS}"));
        let jittered = |parse: Parse, value: &str| Jittered::parse(parse, value, jitter);
        if let Some(fault) = Self::parse_tls(kind) {
            return match value.or(jitter) {
                None => Ok(fault),
                Some(_) => Err(format!("{kind} has no value")),
            };
        }
        match kind {
            "accept-delay" => jittered(nanoseconds, needed()?).map(Self::AcceptDelay),
            "delay" => jittered(nanoseconds, needed()?).map(Self::Delay),
            "close" => jittered(nanoseconds, value.unwrap_or("0")).map(Self::Close),
            "reset" => jittered(nanoseconds, value.unwrap_or("0")).map(Self::Reset),
            "half-close" => jittered(nanoseconds, value.unwrap_or("0")).map(Self::HalfClose),
            "stall-after" => jittered(size, needed()?).map(Self::StallAfter),
            "reset-after" => jittered(size, needed()?).map(Self::ResetAfter),
            "rate" => jittered(|text| rate(text).map(u64::from), needed()?).map(Self::Rate),
            "slice" => {
                let wrong = || "write it as slice=10B/1ms".to_owned();
                let (piece, pause) = needed()?.split_once('/').ok_or_else(wrong)?;
                let piece = jittered(size, piece)?;
                if piece.value == 0 {
                    return Err("a slice has at least one byte".to_owned());
                }
                Ok(Self::Slice(piece, duration(pause)?))
            }
            "backlog" if jitter.is_some() => Err("backlog has no jitter".to_owned()),
            "backlog" => {
                let count = value.map(str::parse).transpose();
                count.map(Self::Backlog).map_err(|_| "write it as backlog or backlog=N".to_owned())
            }
            _ => Err(match toxic(kind) {
                Some(ours) => format!("`{kind}` is a toxic of toxiproxy; {ours}"),
                None => format!("there is no such fault; there are {KINDS}"),
            }),
        }
    }
}

/// Our faults for the toxics of toxiproxy 2, whose values are milliseconds, kilobytes a second and bytes.
fn toxic(name: &str) -> Option<&'static str> {
    Some(match name {
        "latency" => "write delay=200ms~50ms for a latency of 200 and a jitter of 50",
        "bandwidth" => "write down:rate=100kB/s for a rate of 100",
        "slow_close" => {
            "no fault delays the end alone; delay=1s delays each reply, and the end that follows it"
        }
        "timeout" => "write stall-after=0 for a timeout of 0, and with close=1s for 1000",
        "reset_peer" => "write reset=1s for a timeout of 1000",
        "slicer" => "write slice=100B/1ms~20B for an average size of 100",
        "limit_data" => "write reset-after=1000 for 1000 bytes",
        "down" => "end the server, or write reset",
        _ => return None,
    })
}

impl Fault {
    /// The KIND of `--fault`, also in records.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcceptDelay(_) => "accept-delay",
            Self::Delay(_) => "delay",
            Self::Close(_) => "close",
            Self::Reset(_) => "reset",
            Self::HalfClose(_) => "half-close",
            Self::StallAfter(_) => "stall-after",
            Self::ResetAfter(_) => "reset-after",
            Self::Slice(..) => "slice",
            Self::Rate(_) => "rate",
            Self::Backlog(_) => "backlog",
            Self::TlsStall => "tls-stall",
            Self::TlsClose => "tls-close",
            Self::TlsWrongName => "tls-wrong-name",
            Self::TlsExpired => "tls-expired",
            Self::TlsBareFin => "tls-bare-fin",
        }
    }

    fn parse_tls(kind: &str) -> Option<Self> {
        Some(match kind {
            "tls-stall" => Self::TlsStall,
            "tls-close" => Self::TlsClose,
            "tls-wrong-name" => Self::TlsWrongName,
            "tls-expired" => Self::TlsExpired,
            "tls-bare-fin" => Self::TlsBareFin,
            _ => return None,
        })
    }

    /// Whether the fault needs `--tls`.
    pub(crate) fn needs_tls(self) -> bool {
        Self::parse_tls(self.name()).is_some()
    }

    pub(crate) fn has_jitter(self) -> bool {
        match self {
            Self::AcceptDelay(value)
            | Self::Delay(value)
            | Self::Close(value)
            | Self::Reset(value)
            | Self::HalfClose(value)
            | Self::StallAfter(value)
            | Self::ResetAfter(value)
            | Self::Slice(value, _)
            | Self::Rate(value) => value.jitter > 0,
            Self::Backlog(_)
            | Self::TlsStall
            | Self::TlsClose
            | Self::TlsWrongName
            | Self::TlsExpired
            | Self::TlsBareFin => false,
        }
    }
}

type Parse = fn(&str) -> Result<u64, String>;

impl Jittered {
    fn parse(parse: Parse, value: &str, jitter: Option<&str>) -> Result<Self, String> {
        let jitter = jitter.map(parse).transpose()?.unwrap_or(0);
        Ok(Self { value: parse(value)?, jitter })
    }
}

fn nanoseconds(text: &str) -> Result<u64, String> {
    u64::try_from(duration(text)?.as_nanos()).map_err(|_| "that is too long".to_owned())
}

fn percentage(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).parse().ok();
    let share = number.filter(|share| (0.0..=100.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is not a percentage from 0% to 100%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn completed_names_are_those_of_the_help() {
        let names =
            KINDS.split(", ").map(|kind| kind.split_once('[').map_or(kind, |(name, _)| name));
        let names: Vec<_> = names.map(|name| name.split_inclusive('=').next().unwrap()).collect();
        assert_eq!(names, COMPLETED);
    }

    #[test]
    fn values_jitter_and_percentages() {
        let cases = [
            (
                "accept-delay=2s",
                Fault::AcceptDelay(Jittered { value: 2000 * MS, jitter: 0 }),
                100.0,
            ),
            (
                "delay=200ms~50ms",
                Fault::Delay(Jittered { value: 200 * MS, jitter: 50 * MS }),
                100.0,
            ),
            ("close", Fault::Close(Jittered { value: 0, jitter: 0 }), 100.0),
            ("reset@10%", Fault::Reset(Jittered { value: 0, jitter: 0 }), 10.0),
            ("half-close=1s", Fault::HalfClose(Jittered { value: 1000 * MS, jitter: 0 }), 100.0),
            ("stall-after=1KiB@50", Fault::StallAfter(Jittered { value: 1024, jitter: 0 }), 50.0),
            ("reset-after=0", Fault::ResetAfter(Jittered { value: 0, jitter: 0 }), 100.0),
            ("rate=1MiB/s~64kB", Fault::Rate(Jittered { value: 1 << 20, jitter: 64_000 }), 100.0),
            ("backlog", Fault::Backlog(None), 100.0),
            ("backlog=3", Fault::Backlog(Some(3)), 100.0),
            ("tls-stall", Fault::TlsStall, 100.0),
            ("tls-close@10", Fault::TlsClose, 10.0),
            ("tls-wrong-name", Fault::TlsWrongName, 100.0),
            ("tls-expired@0.5%", Fault::TlsExpired, 0.5),
            ("tls-bare-fin", Fault::TlsBareFin, 100.0),
        ];
        for (text, fault, percent) in cases {
            let direction = Direction::Both;
            assert_eq!(text.parse(), Ok(FaultArg { direction, fault, percent }), "{text}");
        }
        let slice: FaultArg = "slice=10B/1ms~5B@0.5%".parse().unwrap();
        let piece = Jittered { value: 10, jitter: 5 };
        assert_eq!(slice.fault, Fault::Slice(piece, Duration::from_millis(1)));
        assert_eq!(slice.percent, 0.5);
    }

    #[test]
    fn malformed_faults_are_refused() {
        let wrong = [
            "drop",
            "delay",
            "delay=",
            "delay=fast",
            "slice=10",
            "slice=0/1ms",
            "reset@200%",
            "reset@-1%",
            "reset@nan",
            "backlog@50%",
            "backlog~1",
            "backlog=x",
            "rate=0",
            "tls-stall=1s",
            "tls-close~1s",
            "tls-",
            "",
        ];
        for text in wrong {
            assert!(text.parse::<FaultArg>().is_err(), "{text}");
        }
    }
}
