//! Targets, from the command line and from files.

use std::io::{self, Read, stdin};
use std::net::SocketAddr;
use std::path::Path;

use loopctl::plan::{Host, Port, Target, TargetError};

use crate::cli::{Pinned, TargetArgs, duration};
use crate::exit::{Exit, FatalError};
use crate::util::message::{Message, plain};

/// One target.
#[derive(Debug, Clone)]
pub(crate) struct TargetRequest {
    /// The text as it was typed.
    pub(crate) text: String,
    pub(crate) target: Target,
    /// The addresses of `--resolve`, with port 0; no resolver is asked.
    pub(crate) pinned: Option<Vec<SocketAddr>>,
}

/// Every target, those of the command line first.
///
/// # Errors
/// Text that is no target, by its line if it came from a file, and files that cannot be read.
pub(crate) fn read(args: &TargetArgs, pins: &[Pinned]) -> Result<Vec<TargetRequest>, FatalError> {
    let typed = args.targets.iter().map(|text| TargetRequest::new(text, pins).map_err(mistyped));
    let mut targets = typed.collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.from {
        let text = read_bytes(path).map_err(|error| unreadable(path, &error))?;
        targets.extend(parse(&text, path, pins)?);
        if targets.is_empty() {
            let error = format!("there are no targets in `{}`", path.display());
            return Err(FatalError::usage(error));
        }
    }
    Ok(targets)
}

/// A value that was meant for the flag before it looks like a target without a port.
fn mistyped(error: TargetError) -> Message {
    let mut message = Message::from(error.clone());
    if let TargetError::NoPort(text) = &error {
        if text == "-" {
            message.hints =
                vec!["write `--targets -` to read targets from standard input".to_owned()];
        } else if duration(text).is_ok() || text.contains(',') {
            let hint = format!(
                "values of --happy-eyeballs, --wait and --keepalive follow a `=`: --wait={text}"
            );
            message.hints = vec![hint];
        }
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

/// One target a line; what follows a `#` is a comment. A byte order mark is none of them.
fn parse(bytes: &[u8], path: &Path, pins: &[Pinned]) -> Result<Vec<TargetRequest>, Message> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        match parse_line(line, pins) {
            Ok(target) => targets.extend(target),
            Err(error) => faults.push(format!("line {}: {error}", at + 1)),
        }
    }
    if faults.is_empty() {
        return Ok(targets);
    }
    let error = format!("`{}` has lines that are not targets", path.display());
    Err(Message { error: Some(error), causes: faults, ..Message::default() })
}

/// `None` for a line without a target.
fn parse_line(line: &[u8], pins: &[Pinned]) -> Result<Option<TargetRequest>, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    let target = line.split_once('#').map_or(line, |(target, _)| target).trim();
    if target.is_empty() {
        return Ok(None);
    }
    TargetRequest::new(target, pins).map(Some).map_err(|error| error.to_string())
}

impl TargetRequest {
    pub(crate) fn new(text: &str, pins: &[Pinned]) -> Result<Self, TargetError> {
        let target = match text.parse()? {
            // Because IPv4 packets carry an IPv4-mapped address.
            Target::Tcp(Host::Literal(ip), port) => {
                Target::Tcp(Host::Literal(ip.to_canonical()), port)
            }
            target => target,
        };
        let pins = pins.iter().filter(|pin| pin.is_for(&target));
        let addresses: Vec<SocketAddr> = pins.flat_map(|pin| pin.addresses.clone()).collect();
        let pinned = Some(addresses).filter(|addresses| !addresses.is_empty());
        Ok(Self { text: text.to_owned(), target, pinned })
    }
}

impl Pinned {
    fn is_for(&self, target: &Target) -> bool {
        match target {
            Target::Tcp(Host::Name(name), port) => {
                let this_port = |number| *port == Port::Number(number);
                let [name, pinned] =
                    [name, &self.host].map(|name| name.strip_suffix('.').unwrap_or(name));
                name.eq_ignore_ascii_case(pinned) && self.port.is_none_or(this_port)
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
        let pinned = |text: &str| TargetRequest::new(text, &pins).unwrap().pinned;
        assert!(pinned("A.test:443").is_some());
        assert!(pinned("a.test:80").is_none());
        assert!(pinned("b.test:443").is_none());
        assert!(pinned("a.test.:443").is_some());
    }

    #[test]
    fn pins_and_targets_meet_in_either_spelling() {
        for (pin, text) in [
            ("b\u{fc}cher.test:192.0.2.1", "xn--bcher-kva.test:1"),
            ("xn--bcher-kva.test:192.0.2.1", "B\u{dc}CHER.test:1"),
            ("b\u{fc}cher.test.:192.0.2.1", "b\u{fc}cher.test:1"),
        ] {
            let pins = [pin.parse().unwrap()];
            assert!(TargetRequest::new(text, &pins).unwrap().pinned.is_some(), "{pin} {text}");
        }
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        let target = TargetRequest::new("[::ffff:192.0.2.1]:80", &[]).unwrap().target;
        assert_eq!(target.to_string(), "192.0.2.1:80");
    }

    #[test]
    fn files_have_comments_and_their_bad_lines_have_numbers() {
        let path = Path::new("hosts.txt");
        let good = parse(b"\xef\xbb\xbf# mine\n\na:1 # first\r\n  b:2  \n", path, &[]).unwrap();
        assert_eq!(good.iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["a:1", "b:2"]);
        let bad = parse(b"a:1\nb\n\n::1:5\n\xff:1\n", path, &[]).unwrap_err();
        assert_eq!(bad.causes.len(), 3);
        assert_eq!(bad.causes[2], "line 5: it is not UTF-8");
        assert!(bad.causes[0].starts_with("line 2: `b` has no port"), "{bad:?}");
        assert!(bad.causes[1].starts_with("line 4: "), "{bad:?}");
    }
}
