//! Targets, from the command line and from files.

use std::io::{self, Read, stdin};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::rc::Rc;

use loopctl::plan::{Host, Port, Target, TargetError};

use super::RaceRequest;
use super::target_mistake::TargetMistake;
use super::target_race::TargetRaces;
use super::target_url::{self, HttpTarget, ParsedTarget};
use crate::cli::{Pinned, TargetArgs, duration};
use crate::exit::{Exit, FatalError};
use crate::util::message::{Message, plain};

/// One target.
#[derive(Debug, Clone)]
pub(crate) struct TargetRequest {
    /// The text as it was typed, without passwords.
    pub(crate) text: String,
    pub(crate) target: Target,
    /// The addresses of `--resolve`, with port 0; no resolver is asked.
    pub(crate) pinned: Option<Vec<SocketAddr>>,
    /// Target of the request of an http or https URL.
    pub(crate) http: Option<HttpTarget>,
    /// The race, with the transport and the TLS of the URL.
    pub(crate) race: Rc<RaceRequest>,
}

/// Every target, those of the command line first.
///
/// # Errors
/// Text that is no target, by its line if it came from a file, and files that cannot be read.
pub(super) fn read(
    args: &TargetArgs,
    pins: &[Pinned],
    races: &mut TargetRaces<'_>,
) -> Result<Vec<TargetRequest>, FatalError> {
    let mut parsed = Vec::new();
    for text in paired(&args.targets) {
        parsed.extend(parse_one(&text).map_err(mistyped)?);
    }
    if let Some(path) = &args.from {
        let text = read_bytes(path).map_err(|error| unreadable(path, &error))?;
        parsed.extend(parse(&text, path)?);
        if parsed.is_empty() {
            let error = format!("there are no targets in `{}`", path.display());
            return Err(FatalError::usage(error));
        }
    }
    parsed.into_iter().map(|parsed| TargetRequest::new(parsed, pins, races)).collect()
}

/// Hosts of `--resolve` that no target has, which is most likely a mistyped name.
pub(super) fn unused_pins(pins: &[Pinned], targets: &[TargetRequest]) -> Vec<String> {
    let is_unused = |pin: &&Pinned| !targets.iter().any(|target| pin.is_for(&target.target));
    pins.iter().filter(is_unused).map(|pin| pin.host.clone()).collect()
}

/// The only target of a command.
///
/// # Errors
/// Text that is not one target, and files that cannot be read.
pub(super) fn read_one(
    text: &str,
    pins: &[Pinned],
    races: &mut TargetRaces<'_>,
) -> Result<TargetRequest, FatalError> {
    let mut parsed = parse_one(text)?;
    match (parsed.pop(), parsed.len()) {
        (Some(only), 0) => TargetRequest::new(only, pins, races),
        _ => Err(FatalError::usage("the URL has several hosts: name one of them")),
    }
}

/// The target of a redirect.
///
/// # Errors
/// A URL that leads to no host, and files that cannot be read.
pub(super) fn read_url(
    url: &str,
    pins: &[Pinned],
    races: &mut TargetRaces<'_>,
) -> Result<TargetRequest, FatalError> {
    let parsed = target_url::parse(url).and_then(|parsed| parsed.ok()?.pop());
    let parsed = parsed.ok_or_else(|| FatalError::usage("the URL leads to no host"))?;
    TargetRequest::new(parsed, pins, races)
}

/// Words of which a host and the port behind it are one target, as nc(1) and telnet(1) take them. Two words may be
/// swapped.
fn paired(words: &[String]) -> Vec<String> {
    if let [port, host] = words
        && is_port(port)
        && let Some(target) = with_port(host, port)
    {
        return vec![target];
    }
    let mut targets: Vec<String> = Vec::new();
    for word in words {
        let target =
            targets.last().filter(|_| is_port(word)).and_then(|host| with_port(host, word));
        match target {
            Some(target) => *targets.last_mut().expect("it was the host") = target,
            None => targets.push(word.clone()),
        }
    }
    targets
}

fn is_port(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Target of a host without a port; `None` for other text.
fn with_port(host: &str, port: &str) -> Option<String> {
    if host.parse::<Ipv6Addr>().is_ok() || Host::split_zone(host).is_some() {
        return Some(format!("[{host}]:{port}"));
    }
    let is_host = !is_port(host) && host.parse::<Host>().is_ok();
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    (is_host || is_bracketed).then(|| format!("{host}:{port}"))
}

/// A value that was meant for the flag before it looks like a target without a port.
fn mistyped(mistake: TargetMistake) -> Message {
    let mut message = Message::from(mistake.clone());
    let (TargetMistake::Target(TargetError::NoPort(word)) | TargetMistake::NoHost(word)) = &mistake
    else {
        return message;
    };
    if word == "-" {
        message.hints = vec!["write `--targets -` to read targets from standard input".to_owned()];
    } else if duration(word).is_ok() || word.contains(',') {
        let hint = format!(
            "values of --happy-eyeballs, --wait and --keepalive follow a `=`: --wait={word}"
        );
        message.hints.insert(0, hint);
    }
    message
}

/// The content of a file; `-` is standard input.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        stdin().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    std::fs::read(path)
}

fn unreadable(path: &Path, error: &io::Error) -> FatalError {
    let error = format!("cannot read targets from `{}`: {}", path.display(), plain(error));
    FatalError::new(Exit::CannotRead, error)
}

/// One target a line; what follows a `#` at its beginning or after a space is a comment. A byte order mark is none of
/// them.
fn parse(bytes: &[u8], path: &Path) -> Result<Vec<ParsedTarget>, Message> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match parse_line(line) {
            Ok(parsed) => targets.extend(parsed),
            Err(error) => faults.push(format!("line {}: {error}", at + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(targets);
    }
    let error = format!("`{}` has lines that are not targets", path.display());
    Err(Message { error: Some(error), causes: faults, ..Message::default() })
}

fn parse_line(line: &[u8]) -> Result<Vec<ParsedTarget>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let target = without_comment(line).trim();
    if target.is_empty() {
        return Ok(Vec::new());
    }
    parse_one(target).map_err(|error| error.to_string())
}

/// A `#` inside a URL begins its fragment, and one in any other word a comment.
fn without_comment(line: &str) -> &str {
    let is_comment = |(at, _): &(usize, &str)| {
        let word = line[..*at].rsplit(char::is_whitespace).next().unwrap_or_default();
        !word.contains("://")
    };
    line.match_indices('#').find(is_comment).map_or(line, |(at, _)| &line[..at])
}

/// One target, or one for each host of a database's URL. `HOST PORT` is one target.
fn parse_one(text: &str) -> Result<Vec<ParsedTarget>, TargetMistake> {
    let text = text.trim();
    if let Some(targets) = target_url::parse(text) {
        return targets;
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let text = match paired(&words).as_slice() {
        [only] if words.len() == 2 => only.clone(),
        _ => text.to_owned(),
    };
    let target = text.parse().map_err(|error| TargetMistake::of(&text, error))?;
    Ok(vec![ParsedTarget { shown: text, target, security: None, http: None }])
}

impl TargetRequest {
    fn new(
        parsed: ParsedTarget,
        pins: &[Pinned],
        races: &mut TargetRaces<'_>,
    ) -> Result<Self, FatalError> {
        let ParsedTarget { shown, target, security, http } = parsed;
        let target = match target {
            Target::Tcp(host, Port::Number(0)) => {
                return Err(FatalError::from(TargetMistake::PortZero(host.to_string())));
            }
            // Because IPv4 packets carry an IPv4-mapped address.
            Target::Tcp(Host::Literal(ip), port) => {
                Target::Tcp(Host::Literal(ip.to_canonical()), port)
            }
            target => target,
        };
        let pinned = pinned(pins, &target);
        Ok(Self { text: shown, target, pinned, http, race: races.get(security)? })
    }
}

/// The addresses of the patterns for this target.
fn pinned(pins: &[Pinned], target: &Target) -> Option<Vec<SocketAddr>> {
    let pins = pins.iter().filter(|pin| pin.is_for(target));
    let addresses: Vec<SocketAddr> = pins.flat_map(|pin| pin.addresses.clone()).collect();
    Some(addresses).filter(|addresses| !addresses.is_empty())
}

impl Pinned {
    fn is_for(&self, target: &Target) -> bool {
        match target {
            Target::Tcp(Host::Name(name), port) => {
                let this_port = |number| *port == Port::Number(number);
                let [name, pinned] =
                    [name, &self.host].map(|name| name.strip_suffix('.').unwrap_or(name));
                let is_name = pinned == "*" || name.eq_ignore_ascii_case(pinned);
                is_name && self.port.is_none_or(this_port)
            }
            Target::Tcp(Host::Literal(_), _) | Target::Unix(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curls_form_pins_one_port_only() {
        let pins = ["a.test:443:192.0.2.1".parse().unwrap()];
        let pinned = |text: &str| pinned(&pins, &text.parse().unwrap());
        assert!(pinned("A.test:443").is_some());
        assert!(pinned("a.test:80").is_none());
        assert!(pinned("b.test:443").is_none());
        assert!(pinned("a.test.:443").is_some());
        let pins = ["*:443:192.0.2.1".parse().unwrap(), "+c.test:80:192.0.2.1".parse().unwrap()];
        let pinned = |text: &str| super::pinned(&pins, &text.parse().unwrap());
        assert!(pinned("a.test:443").is_some() && pinned("c.test:80").is_some());
        assert!(pinned("a.test:80").is_none());
    }

    #[test]
    fn pins_and_targets_meet_in_either_spelling() {
        for (pin, text) in [
            ("b\u{fc}cher.test:192.0.2.1", "xn--bcher-kva.test:1"),
            ("xn--bcher-kva.test:192.0.2.1", "B\u{dc}CHER.test:1"),
            ("b\u{fc}cher.test.:192.0.2.1", "b\u{fc}cher.test:1"),
        ] {
            let pins = [pin.parse().unwrap()];
            assert!(pinned(&pins, &text.parse().unwrap()).is_some(), "{pin} {text}");
        }
    }

    #[test]
    fn hosts_and_ports_are_paired() {
        let pairs =
            |words: &[&str]| paired(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        for (words, targets) in [
            (&["h", "80"][..], &["h:80"][..]),
            (&["80", "h"], &["h:80"]),
            (
                &["::1", "80", "[::1]", "81", "fe80::1%lo", "82"],
                &["[::1]:80", "[::1]:81", "[fe80::1%lo]:82"],
            ),
            (&["h:1", "80"], &["h:1", "80"]),
            (&["a:1", "h", "80", "b:2"], &["a:1", "h:80", "b:2"]),
            (&["unix:/x", "80"], &["unix:/x", "80"]),
        ] {
            assert_eq!(pairs(words), targets);
        }
        assert_eq!(parse_one(" h\t80").unwrap()[0].shown, "h:80");
    }

    #[test]
    fn files_have_comments_and_their_bad_lines_have_numbers() {
        let path = Path::new("hosts.txt");
        let good =
            parse(b"\xef\xbb\xbf# mine\n\na:1 # first\r\n  b:2  \nhttp://c/#x #y\n", path).unwrap();
        assert_eq!(good.iter().map(|t| &*t.shown).collect::<Vec<_>>(), ["a:1", "b:2", "http://c/"]);
        let bad = parse(b"a:1\nb\n\n::1:5\n\xff:1\n", path).unwrap_err();
        assert_eq!(bad.causes.len(), 3);
        assert_eq!(bad.causes[2], "line 5: it is not UTF-8");
        assert!(bad.causes[0].starts_with("line 2: `b` has no port"), "{bad:?}");
        assert!(bad.causes[1].starts_with("line 4: "), "{bad:?}");
    }
}
