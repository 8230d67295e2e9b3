//! Syntax of values: durations, sizes, addresses, ports, networks.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};
use ipnet::IpNet;
use loopctl::plan::{Host, Preset};
use loopctl::{Keepalive, interface_index};

use super::Protocols;
use crate::config::{ProgramCommand, StatusSet};

/// `250ms`, `2s`, `1m30s`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    let parsed = seconds.or_else(|| humantime::parse_duration(text).ok());
    parsed.ok_or_else(|| match text.strip_prefix('-') {
        Some(rest) if duration(rest).is_ok() => "a time is not negative".to_owned(),
        _ => "write it as 250ms, 2s or 1m30s; a bare number is seconds".to_owned(),
    })
}

/// `Name: value`, as a header field.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `NAME: VALUE`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `200,3xx,400-404`
pub(crate) fn status_set(text: &str) -> Result<StatusSet, String> {
    text.parse()
}

/// A duration in which something can happen.
pub(crate) fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// A number of things of which there are some.
pub(crate) fn at_least_one<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "it is a number, at least 1".to_owned())
}

/// The value of `--interleave`.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it is a number; 0 keeps the order".to_owned())
}

/// `EF`, `AF41`, `CS6` or a number up to 63: code points of IANA's registry, which are names of RFC 2474, 2597, 3246, 5865
/// and 8622.
pub(crate) fn dscp(text: &str) -> Result<u8, String> {
    let wrong =
        || "write it as a number up to 63, or as EF, AF11 to AF43, CS0 to CS7, VA or LE".to_owned();
    let name = text.to_ascii_uppercase();
    let digits = |prefix: &str| {
        let digits = name.strip_prefix(prefix)?.bytes().map(|digit| digit.wrapping_sub(b'0'));
        Some(digits.collect::<Vec<_>>())
    };
    match (name.as_str(), digits("AF").as_deref(), digits("CS").as_deref()) {
        ("EF", ..) => Ok(46),
        ("VA" | "VOICE-ADMIT", ..) => Ok(44),
        ("LE", ..) => Ok(1),
        ("DF" | "BE", ..) => Ok(0),
        (_, Some([class @ 1..=4, drop @ 1..=3]), _) => Ok(8 * class + 2 * drop),
        (_, _, Some([class @ 0..=7])) => Ok(8 * class),
        _ => text.parse().ok().filter(|number| *number < 64).ok_or_else(wrong),
    }
}

/// The name of an interface, which has neither `/` nor `:` in it.
pub(crate) fn interface(text: &str) -> Result<String, String> {
    match text.is_empty() || text.contains(['/', ':']) || text.contains(char::is_whitespace) {
        false => Ok(text.to_owned()),
        true => Err("write the name of an interface, such as eth0".to_owned()),
    }
}

/// `512`, `10kB`, `1.5MiB`: a number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    parse_size::parse_size(text).map_err(|_| "write it as 512, 10kB or 1MiB".to_owned())
}

/// `64kB/s`; without the `/s` it means the same.
pub(crate) fn rate(text: &str) -> Result<NonZero<u64>, String> {
    let bytes = size(text.strip_suffix("/s").unwrap_or(text))
        .map_err(|_| "write it as 64kB/s or 1MiB/s".to_owned())?;
    NonZero::new(bytes).ok_or_else(|| "it must be more than nothing".to_owned())
}

/// `192.0.2.0/24`; a single address is a network with one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| "write it as 192.0.2.0/24 or 2001:db8::/32".to_owned())
}

/// `h2,http/1.1`: names of at most 255 bytes.
pub(crate) fn alpn(text: &str) -> Result<Protocols, String> {
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    let is_one = |name: &String| (1..=255).contains(&name.len());
    let wrong = || "write it as h2,http/1.1".to_owned();
    names.iter().all(is_one).then_some(Protocols(names)).ok_or_else(wrong)
}

/// `unix:PATH`, a socket with a file.
pub(crate) fn unix_path(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty() && !path.starts_with('@'));
    path.map(PathBuf::from).ok_or_else(|| "write it as unix:/run/user/1000/faults".to_owned())
}

/// Words as a shell would tell them apart, quotes included.
pub(crate) fn words(text: &str) -> Result<ProgramCommand, String> {
    let words = shlex::split(text).ok_or_else(|| "a quote is not closed".to_owned())?;
    let mut words = words.into_iter();
    let program = words.next().ok_or_else(|| "name a program".to_owned())?;
    Ok(ProgramCommand { program, arguments: words.collect() })
}

/// `ADDR` or `ADDR:PORT`, IPv6 in brackets where a port follows.
pub(crate) fn source(text: &str) -> Result<SocketAddr, String> {
    if let Some(address) = address(text)? {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let is_v6 = host.contains(':') == host.starts_with('[');
    match (address(host)?, port.parse()) {
        (Some(mut address), Ok(port)) if is_v6 => {
            address.set_port(port);
            Ok(address)
        }
        _ if text.contains("://") => {
            Err("it is a local address; --quiet, and not -s, prints nothing".to_owned())
        }
        _ => Err("write it as 192.0.2.1, 192.0.2.1:5000 or [2001:db8::1]:5000".to_owned()),
    }
}

/// An address with port 0, in brackets or not, with or without a zone; `None` for anything else.
///
/// An IPv4-mapped address (RFC 4291 section 2.5.5.2) is the IPv4 address, because IPv4 packets carry it.
///
/// # Errors
/// A zone that is no interface of this host.
pub(crate) fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    let inner = text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = inner.parse::<IpAddr>() {
        return Ok(Some(SocketAddr::new(ip.to_canonical(), 0)));
    }
    let Some((ip, zone)) = Host::split_zone(inner) else { return Ok(None) };
    let index = interface_index(zone);
    let index = index.ok_or_else(|| format!("this host has no interface `{zone}`"))?;
    Ok(Some(SocketAddrV6::new(ip, 0, 0, index).into()))
}

/// A number, decimal or with `0x`.
pub(crate) fn mark(text: &str) -> Result<u32, String> {
    let hex = text.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
    hex.unwrap_or_else(|| text.parse()).map_err(|_| "write it as 10 or 0xa".to_owned())
}

/// `IDLE,INTVL,CNT`, of which the end may be left out.
pub(crate) fn keepalive(text: &str) -> Result<Keepalive, String> {
    let mut keepalive = Keepalive::default();
    let mut parts = text.split(',').filter(|part| !part.is_empty());
    if let Some(idle) = parts.next() {
        keepalive.idle = whole_seconds(idle)?;
    }
    if let Some(interval) = parts.next() {
        keepalive.interval = whole_seconds(interval)?;
    }
    if let Some(count) = parts.next() {
        keepalive.count = count.parse().map_err(|_| "CNT is a number".to_owned())?;
    }
    match parts.next() {
        None => Ok(keepalive),
        Some(_) => Err("write it as IDLE,INTVL,CNT, such as 30s,5s,3".to_owned()),
    }
}

/// The kernel counts these in seconds, at least one.
fn whole_seconds(text: &str) -> Result<Duration, String> {
    let seconds = duration(text)?;
    if seconds.subsec_nanos() != 0 || seconds.is_zero() {
        return Err("the kernel takes whole seconds here, at least 1s".to_owned());
    }
    Ok(seconds)
}

/// The value of `--happy-eyeballs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttemptDelay {
    Off,
    Delay(Duration),
}

impl FromStr for AttemptDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// RFC 8305 section 8: the delay "MUST NOT be less than 10 milliseconds".
        const FLOOR: Duration = Duration::from_millis(10);
        match text {
            "off" => Ok(Self::Off),
            _ => match duration(text)? {
                delay if delay < FLOOR && !delay.is_zero() => {
                    Err("RFC 8305 allows no delay under 10ms (section 8); 0 is all at once"
                        .to_owned())
                }
                delay => Ok(Self::Delay(delay)),
            },
        }
    }
}

/// Parser of values that shells complete; other values may be right as well.
#[derive(Clone)]
pub(crate) struct Completed<F> {
    parse: F,
    names: Vec<&'static str>,
}

impl<F> Completed<F> {
    pub(crate) fn new(parse: F, names: impl IntoIterator<Item = &'static str>) -> Self {
        Self { parse, names: names.into_iter().collect() }
    }
}

impl<F: TypedValueParser> TypedValueParser for Completed<F> {
    type Value = F::Value;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<F::Value, clap::Error> {
        self.parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.names.iter().map(PossibleValue::new)))
    }
}

type PolicyParser = fn(&str) -> Result<Preset, String>;

/// A policy by its name.
pub(crate) fn policy() -> Completed<PolicyParser> {
    Completed::new(preset, Preset::ALL.map(Preset::name))
}

fn preset(text: &str) -> Result<Preset, String> {
    let known = || Preset::ALL.map(Preset::name).join(", ");
    text.parse().map_err(|_| format!("it is one of {}", known()))
}

/// `4` or `6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FamilyArg {
    V4,
    V6,
}

impl FromStr for FamilyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            _ => Err("it is 4 or 6".to_owned()),
        }
    }
}

/// The value of `--resolve`: what a host's addresses are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) host: String,
    /// Only for this port (curl's form); otherwise for all.
    pub(crate) port: Option<u16>,
    /// With port 0.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl FromStr for Pinned {
    type Err = String;

    /// An IPv6 address behind a port needs brackets: without them, the two are one address.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "write it as HOST:ADDR,ADDR, such as a.test:192.0.2.1,2001:db8::1".to_owned();
        // curl's `+` lets an address expire, which a single run does not show.
        let text = text.strip_prefix('+').unwrap_or(text);
        let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
        let host = Host::from(host).to_string();
        if let Some(addresses) = addresses(rest)? {
            return Ok(Self { host, port: None, addresses });
        }
        let (port, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let port = Some(port.parse().map_err(|_| wrong())?);
        let addresses = addresses(rest)?.ok_or_else(wrong)?;
        Ok(Self { host, port, addresses })
    }
}

fn addresses(list: &str) -> Result<Option<Vec<SocketAddr>>, String> {
    list.split(',').map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_take_units_and_bare_seconds() {
        let ok = [("250ms", 250), ("2s", 2000), ("1m30s", 90_000), ("3", 3000), ("0.5", 500)];
        for (text, ms) in ok {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "-1", "ms", "inf", "nan", "1x", "1e400"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn pace_has_the_floor_of_the_rfc() {
        assert_eq!("off".parse(), Ok(AttemptDelay::Off));
        assert_eq!("10ms".parse(), Ok(AttemptDelay::Delay(Duration::from_millis(10))));
        assert!("9ms".parse::<AttemptDelay>().is_err());
        assert_eq!("0".parse(), Ok(AttemptDelay::Delay(Duration::ZERO)));
    }

    #[test]
    fn pins_take_addresses_with_and_without_brackets_and_curls_port() {
        let pin: Pinned = "a.test:192.0.2.1,[2001:db8::1]".parse().unwrap();
        assert_eq!((pin.port, pin.addresses.len()), (None, 2));
        let pin: Pinned = "a.test:443:[2001:db8::1]".parse().unwrap();
        assert_eq!(pin.addresses, ["[2001:db8::1]:0".parse().unwrap()]);
        assert_eq!(pin.port, Some(443));
        assert!("a.test".parse::<Pinned>().is_err());
        assert!("a.test:b.test".parse::<Pinned>().is_err());
    }

    #[test]
    fn keepalive_fills_in_what_is_left_out() {
        let secs = Duration::from_secs;
        let made = |idle, interval, count| Keepalive { idle, interval, count };
        assert_eq!(keepalive(""), Ok(Keepalive::default()));
        assert_eq!(keepalive("30"), Ok(made(secs(30), secs(75), 9)));
        assert_eq!(keepalive("30s,5s,3"), Ok(made(secs(30), secs(5), 3)));
        for text in ["0", "1500ms", "30,5,x", "1,2,3,4"] {
            assert!(keepalive(text).is_err(), "{text}");
        }
        assert_eq!((mark("0x1f"), mark("31")), (Ok(31), Ok(31)));
        for (text, code) in [("EF", 46), ("af41", 34), ("CS6", 48), ("le", 1), ("63", 63), ("0", 0)]
        {
            assert_eq!(dscp(text), Ok(code), "{text}");
        }
        for text in ["64", "AF44", "AF51", "CS8", "CS", "AF1", "", "-1", "EF1"] {
            assert!(dscp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_rates_networks_and_words() {
        assert_eq!((size("512"), size("10kB"), size("1.5KiB")), (Ok(512), Ok(10_000), Ok(1536)));
        assert_eq!(rate("1MiB/s").map(NonZero::get), Ok(1 << 20));
        assert!(size("much").is_err() && rate("0").is_err() && rate("1MiB/h").is_err());
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        assert!(network("192.0.2.0/33").is_err() && network("localhost").is_err());
        let parsed = words("sh -c 'echo hi'").unwrap();
        assert_eq!((parsed.program.as_str(), parsed.arguments.len()), ("sh", 2));
        assert!(words("echo 'hi").is_err() && words("  ").is_err());
    }

    #[test]
    fn sources_may_have_a_port() {
        assert_eq!(source("192.0.2.1").unwrap().port(), 0);
        assert_eq!(source("[2001:db8::1]:5000").unwrap().port(), 5000);
        for text in ["eth0", "", ":5000", "192.0.2.1:x", "2001:db8::1:x", "[192.0.2.1:5000"] {
            assert!(source(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_zones_and_mapped_ones_are_ipv4() {
        for (text, meant) in [
            ("fe80::1%3", "[fe80::1%3]:0"),
            ("[fe80::1%3]:5000", "[fe80::1%3]:5000"),
            ("::ffff:192.0.2.1", "192.0.2.1:0"),
            ("[::ffff:c000:201]:80", "192.0.2.1:80"),
            ("::1", "[::1]:0"),
        ] {
            assert_eq!(source(text), Ok(meant.parse().unwrap()), "{text}");
        }
        assert!(source("fe80::1%no-such-zone").unwrap_err().contains("no-such-zone"));
        let pin: Pinned = "B\u{fc}cher.test:::ffff:192.0.2.1,fe80::1%3".parse().unwrap();
        assert_eq!(pin.host, "xn--bcher-kva.test");
        assert_eq!(pin.addresses, ["192.0.2.1:0", "[fe80::1%3]:0"].map(|it| it.parse().unwrap()));
    }
}
