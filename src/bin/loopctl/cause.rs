//! What an attempt's outcome means, in words that help.

use std::io::ErrorKind;

use loopctl::plan::Family;
use loopctl::{Failure, Phase};

use crate::exit::Exit;
use crate::message::Message;
use crate::render::units;
use crate::report::{Attempt, End, Outcome, Report};

/// Why an attempt is not a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Refused,
    /// Nothing came back.
    Silent,
    /// A router, or the neighbour it should have been, said no.
    Unreachable,
    /// This host has no way there.
    NoRoute,
    Prohibited,
    Reset,
    Bind,
    Other,
}

impl Cause {
    /// `None` for an attempt that connected, or is not over.
    pub(crate) fn of(attempt: &Attempt) -> Option<Self> {
        match &attempt.outcome {
            Outcome::Success | Outcome::Pending => None,
            Outcome::Canceled if attempt.tcp.is_some_and(|tcp| tcp.established) => None,
            Outcome::Timeout | Outcome::Canceled => Some(Self::Silent),
            Outcome::Failure(Phase::Bind, _) => Some(Self::Bind),
            Outcome::Failure(_, failure) => Some(Self::of_failure(failure)),
        }
    }

    /// The same number can come from this host and from a router.
    fn of_failure(failure: &Failure) -> Self {
        let unreachable = ["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL", "EACCES"];
        match (failure.name().unwrap_or_default(), failure.kind) {
            (name, _) if failure.at_once && unreachable.contains(&name) => Self::NoRoute,
            ("EACCES", _) => Self::Prohibited,
            ("ENETUNREACH" | "EHOSTUNREACH" | "ENOPROTOOPT", _) => Self::Unreachable,
            (_, ErrorKind::ConnectionRefused) => Self::Refused,
            (_, ErrorKind::ConnectionReset) => Self::Reset,
            (_, ErrorKind::TimedOut) => Self::Silent,
            _ => Self::Other,
        }
    }

    /// The `kind` of errors in JSON.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Silent => "timeout",
            Self::Unreachable | Self::NoRoute | Self::Prohibited => "unreachable",
            Self::Reset => "reset",
            Self::Bind | Self::Other => "io",
        }
    }
}

/// One line about an attempt that failed.
fn sentence(attempt: &Attempt) -> String {
    let after = units::prose(attempt.took);
    match (&attempt.outcome, Cause::of(attempt)) {
        (Outcome::Timeout, _) => format!("timed out after {after}{}", resends(attempt)),
        (Outcome::Failure(phase, failure), Some(cause)) => {
            let what = match cause {
                Cause::Refused => "connection refused".to_owned(),
                Cause::Prohibited => "a router said: administratively prohibited".to_owned(),
                Cause::Unreachable => {
                    format!("{} (from a router, or the network behind it)", brief(failure))
                }
                Cause::NoRoute => format!("{} (no way there from this host)", brief(failure)),
                _ => brief(failure),
            };
            let phase = if *phase == Phase::Connect { String::new() } else { format!("{phase}: ") };
            let by_kernel = if cause == Cause::Silent { resends(attempt) } else { String::new() };
            format!("{phase}{what} after {after}{by_kernel}")
        }
        (Outcome::Canceled, _) => format!("given up after {after}{}", resends(attempt)),
        _ => "no outcome".to_owned(),
    }
}

fn resends(attempt: &Attempt) -> String {
    match attempt.resends() {
        0 => ", no answer".to_owned(),
        count => format!(", no answer, SYN sent again {count}x"),
    }
}

/// What the system says, without the number that Rust appends.
pub(crate) fn brief(failure: &Failure) -> String {
    let text = failure.message.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => failure.kind.to_string(),
    }
}

/// Why a race came to nothing, in a few words.
pub(crate) fn summary(report: &Report) -> String {
    if let Some(error) = &report.resolve.error {
        return error.clone();
    }
    let mut words: Vec<String> = Vec::new();
    for attempt in &report.attempts {
        let word = match (&attempt.outcome, Cause::of(attempt)) {
            (_, Some(Cause::Silent)) => "no answer".to_owned(),
            (_, Some(Cause::Refused)) => "refused".to_owned(),
            (_, Some(Cause::NoRoute)) => "no route".to_owned(),
            (Outcome::Failure(_, failure), _) => brief(failure),
            _ => continue,
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join(", ")
}

/// What to tell on standard error about a report.
pub(crate) fn explain(report: &Report) -> Message {
    let target = &report.subject.text;
    let (error, causes) = match report.end {
        End::Connected if !report.beside.unmet.is_empty() => {
            let unmet = report.beside.unmet.iter().map(|(flag, why)| format!("--{flag}: {why}"));
            (Some(format!("connected to `{target}`, but not as expected")), unmet.collect())
        }
        End::Connected => (None, Vec::new()),
        End::Interrupted(_) => {
            (Some(format!("interrupted while connecting to `{target}`")), causes(report))
        }
        End::Failed(_) => (Some(format!("could not connect to `{target}`")), causes(report)),
    };
    Message { error, causes, warnings: Vec::new(), hints: hints(report) }
}

fn causes(report: &Report) -> Vec<String> {
    let host = report.subject.host.as_deref().unwrap_or_default();
    let unresolved = report.resolve.error.iter().map(|error| match report.resolve.took {
        Some(took) if report.exit() == Exit::TimedOut => {
            format!("resolving `{host}`: no answer after {}", units::prose(took))
        }
        _ => error.clone(),
    });
    let attempts =
        report.attempts.iter().map(|attempt| format!("{}: {}", attempt.address, sentence(attempt)));
    unresolved.chain(attempts).collect()
}

fn hints(report: &Report) -> Vec<String> {
    let of_end = match report.end {
        End::Connected => fallback_hint(report),
        End::Failed(Exit::NotResolved) => name_hint(report),
        End::Failed(_) if report.resolve.error.is_some() => Some(
            "a name server did not answer: `/etc/resolv.conf` names those that are asked"
                .to_owned(),
        ),
        End::Failed(_) => failure_hint(report),
        End::Interrupted(_) => None,
    };
    of_end.into_iter().collect()
}

/// The connection came about, but not by the first address.
fn fallback_hint(report: &Report) -> Option<String> {
    let winner = report.winner()?;
    let losers = || report.attempts.iter().take_while(|attempt| attempt.address != winner.address);
    let silent: Vec<&Attempt> = losers().filter(|a| Cause::of(a) == Some(Cause::Silent)).collect();
    let first = report.attempts.first().filter(|first| first.address != winner.address)?;
    if let Some(family) = dead_family(report) {
        return Some(format!(
            "no {family} address answered: {family} is broken between here and there"
        ));
    }
    match (silent.as_slice(), Cause::of(first)) {
        ([one], _) => Some(format!(
            "`{}` did not answer; clients without Happy Eyeballs wait for their full timeout here",
            bare(one)
        )),
        ([_, ..], _) => Some(format!(
            "{} addresses did not answer; clients without Happy Eyeballs wait for each of them",
            silent.len()
        )),
        (_, Some(Cause::Refused)) => {
            Some(format!("`{}` refuses: nothing listens there, or a firewall says so", bare(first)))
        }
        (_, Some(Cause::Prohibited)) => Some(format!(
            "`{}`: a router on the path forbids it (ICMP), not a permission on this host",
            bare(first)
        )),
        (_, Some(Cause::Unreachable)) => {
            Some(format!("`{}` cannot be reached: a router on the path says so", bare(first)))
        }
        (_, Some(Cause::NoRoute)) => {
            Some(format!("this host has no route to `{}`; other clients skip it too", bare(first)))
        }
        _ => None,
    }
}

/// The family of which several addresses were tried and none answered, while the other one connected.
fn dead_family(report: &Report) -> Option<&'static str> {
    let won = report.winner()?.address.family()?;
    let (dead, name) = match won {
        Family::Inet => (Family::Inet6, "IPv6"),
        _ => (Family::Inet, "IPv4"),
    };
    let tried: Vec<_> =
        report.attempts.iter().filter(|a| a.address.family() == Some(dead)).collect();
    let all_tried = tried.len() > 1 && tried.len() == report.count(dead);
    (all_tried && tried.iter().all(|a| Cause::of(a) == Some(Cause::Silent))).then_some(name)
}

fn name_hint(report: &Report) -> Option<String> {
    let error = report.resolve.error.as_deref()?;
    if error.contains("EAI_AGAIN") {
        Some("the name server did not answer, or failed; try again, or ask another one".to_owned())
    } else if error.contains("EAI_SERVICE") {
        Some("no such service in /etc/services; give the port as a number".to_owned())
    } else if error.contains("EAI_NONAME") || error.contains("EAI_NODATA") {
        Some("check the spelling; `getent ahosts NAME` shows what this host resolves".to_owned())
    } else {
        None
    }
}

fn failure_hint(report: &Report) -> Option<String> {
    let causes: Vec<Cause> = report.attempts.iter().filter_map(Cause::of).collect();
    let first = *causes.first()?;
    if causes.iter().any(|cause| *cause != first) {
        return mixed_hint(report, &causes);
    }
    let text = match first {
        Cause::Refused => {
            "the host is up, but nothing listens on that port (or a firewall refuses for it)"
        }
        Cause::Silent => "nothing came back: a firewall drops the packets, or the host is down",
        Cause::Unreachable => "a router on the path says that it cannot be reached",
        Cause::NoRoute => "this host has no route there: look at `ip route` and `ip -6 route`",
        Cause::Prohibited => {
            "a router on the path forbids it (ICMP), not a permission on this host"
        }
        Cause::Bind => {
            "a source must be this host's (see `ip address`), and of the family of the target; give one of each family"
        }
        Cause::Reset | Cause::Other => return None,
    };
    Some(text.to_owned())
}

fn mixed_hint(report: &Report, causes: &[Cause]) -> Option<String> {
    let refused = report.attempts.iter().find(|a| Cause::of(a) == Some(Cause::Refused))?;
    causes.contains(&Cause::Silent).then(|| {
        format!("`{}` is up and refuses; the silent addresses are filtered or down", bare(refused))
    })
}

/// The address without its port.
fn bare(attempt: &Attempt) -> String {
    match attempt.address.as_inet() {
        Some(address) => address.ip().to_string(),
        None => attempt.address.to_string(),
    }
}
