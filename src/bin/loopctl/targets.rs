//! Targets, from the command line and from files.

use std::io::{self, Read, stdin};
use std::net::IpAddr;
use std::path::Path;

use loopctl::plan::{Host, Port, Target, TargetError};

use crate::args::{Pinned, TargetArgs};
use crate::exit::Exit;
use crate::message::Message;

/// One place to connect to.
#[derive(Debug, Clone)]
pub(crate) struct TargetRequest {
    /// As it was typed.
    pub(crate) text: String,
    pub(crate) target: Target,
    /// Its addresses, where no resolver is to be asked.
    pub(crate) pinned: Option<Vec<IpAddr>>,
}

/// Every target, those of the command line first.
///
/// # Errors
/// What is not a target, by its line where it came from a file, and how to exit.
pub(crate) fn read(
    args: &TargetArgs,
    pins: &[Pinned],
) -> Result<Vec<TargetRequest>, (Message, Exit)> {
    let typed = args.targets.iter().map(|text| TargetRequest::new(text, pins));
    let mut targets =
        typed.collect::<Result<Vec<_>, _>>().map_err(|error| (error.into(), Exit::Usage))?;
    if let Some(path) = &args.from {
        let text = read_text(path).map_err(|error| unreadable(path, &error))?;
        targets.extend(parse(&text, path, pins).map_err(|message| (message, Exit::Usage))?);
    }
    Ok(targets)
}

fn read_text(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}

fn unreadable(path: &Path, error: &io::Error) -> (Message, Exit) {
    (
        Message::error(format!("cannot read targets from `{}`: {error}", path.display())),
        Exit::CannotRead,
    )
}

/// One target a line; what follows a `#` is a comment.
fn parse(text: &str, path: &Path, pins: &[Pinned]) -> Result<Vec<TargetRequest>, Message> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.split_once('#').map_or(line, |(target, _)| target).trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty());
    let (mut targets, mut faults) = (Vec::new(), Vec::new());
    for (number, line) in lines {
        match TargetRequest::new(line, pins) {
            Ok(target) => targets.push(target),
            Err(error) => faults.push(format!("line {number}: {error}")),
        }
    }
    if faults.is_empty() {
        return Ok(targets);
    }
    let error = format!("`{}` has lines that are not targets", path.display());
    Err(Message { error: Some(error), causes: faults, ..Message::default() })
}

impl TargetRequest {
    fn new(text: &str, pins: &[Pinned]) -> Result<Self, TargetError> {
        let target: Target = text.parse()?;
        let pinned = pins.iter().find(|pin| pin.is_for(&target)).map(|pin| pin.addresses.clone());
        Ok(Self { text: text.to_owned(), target, pinned })
    }
}

impl Pinned {
    fn is_for(&self, target: &Target) -> bool {
        match target {
            Target::Tcp(Host::Name(name), port) => {
                let this_port = |number| *port == Port::Number(number);
                name.eq_ignore_ascii_case(&self.host) && self.port.is_none_or(this_port)
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
    }

    #[test]
    fn files_have_comments_and_their_bad_lines_have_numbers() {
        let path = Path::new("hosts.txt");
        let good = parse("# mine\n\na:1 # first\n  b:2  \n", path, &[]).unwrap();
        assert_eq!(good.iter().map(|t| t.text.as_str()).collect::<Vec<_>>(), ["a:1", "b:2"]);
        let bad = parse("a:1\nb\n\n::1:5\n", path, &[]).unwrap_err();
        assert_eq!(bad.causes.len(), 2);
        assert!(bad.causes[0].starts_with("line 2: `b` has no port"), "{bad:?}");
        assert!(bad.causes[1].starts_with("line 4: "), "{bad:?}");
    }
}
