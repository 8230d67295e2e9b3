//! Hints about connections and attempts.

use std::net::SocketAddr;

use loopctl::plan::Family;
use loopctl::{Address, Phase};

use super::surroundings::hint_for_host;
use crate::diagnose::cause::{Cause, ip_text, short_text, summary_by_address};
use crate::diagnose::findings::syn_resent::{AnsweredSyn, answered_syn};
use crate::diagnose::rejection::{self, rejection};
use crate::report::{Attempt, Outcome, Report};
use crate::util::units;

/// Hint for a connection that was not made at once, or not by the first address.
pub(super) fn hint_for_connection(report: &Report) -> Option<String> {
    let winner = report.winner()?;
    if report.selected.and_then(|number| report.answered(number)) == Some(false) {
        return Some(format!(
            "`{}` neither answered nor refused: a service that ignores an empty datagram, a firewall and a dead host \
             look the same",
            ip_text(winner)
        ));
    }
    if let Some(answered) = answered_syn(winner) {
        return hint_for_resent(winner, answered);
    }
    let losers: Vec<&Attempt> =
        report.attempts.iter().take_while(|attempt| attempt.address != winner.address).collect();
    let silent: Vec<&Attempt> =
        losers.iter().filter(|a| Cause::of(a) == Some(Cause::Silent)).copied().collect();
    if let (Some(family), true) = (silent_family(report), silent.len() == losers.len()) {
        return Some(format!(
            "no {family} address answered in time: {}",
            silence_flags(&silent, &format!("whether {family} is slow or down"))
        ));
    }
    match (silent.as_slice(), losers.first()) {
        ([one], _) => Some(format!(
            "`{}` did not answer within {}: {}",
            ip_text(one),
            units::prose(one.took),
            silence_flags(&silent, "whether it is slow or down")
        )),
        ([_, ..], _) => Some(format!(
            "{} addresses did not answer in time: {}",
            silent.len(),
            silence_flags(&silent, "whether they are slow or down")
        )),
        (_, Some(first)) => hint_for_first_loser(first),
        _ => None,
    }
}

/// Flags that show more about silent addresses. A path is of use only where packets leave this host.
fn silence_flags(silent: &[&Attempt], question: &str) -> String {
    let all = format!("`--all` shows {question}");
    match silent.iter().find(|attempt| !attempt.is_on_this_host()) {
        Some(first) => format!("{all}, `--path {}` where packets end", first.address),
        None => all,
    }
}

/// Hint for a SYN that was sent again; a slow path needs none.
fn hint_for_resent(winner: &Attempt, answered: AnsweredSyn) -> Option<String> {
    let address = ip_text(winner);
    match answered {
        AnsweredSyn::Later => Some(format!(
            "a SYN to `{address}` was not answered: `-c 20` shows how often; `ss -lnt` on the server shows its accept queue"
        )),
        AnsweredSyn::First | AnsweredSyn::Unknown => None,
    }
}

fn hint_for_first_loser(first: &Attempt) -> Option<String> {
    let address = ip_text(first);
    if let Some(rejection) = rejection(first) {
        return rejection.hint(first);
    }
    match Cause::of(first)? {
        Cause::Refused => Some(format!(
            "`{address}` refuses the connection: nothing listens there, or a firewall rejects it"
        )),
        Cause::NoRoute => {
            Some(format!("this host has no route to `{address}`; other clients skip it too"))
        }
        Cause::NoAnswerToTls => Some(format!(
            "`{address}` connects, but did not finish TLS within {}; clients that take the first connection hang there",
            units::prose(first.tls_took())
        )),
        Cause::Untrusted | Cause::NoTls => Some(format!(
            "`{address}` connects, but TLS fails there ({}); clients that take the first connection fail with it",
            short_text(first).unwrap_or_default()
        )),
        // Because the report has the source of each rejection, the hint does not repeat it.
        _ => None,
    }
}

/// The family of which several addresses were tried without an answer, while the other one connected.
fn silent_family(report: &Report) -> Option<&'static str> {
    let won = report.winner()?.address.family()?;
    let (other, name) = match won {
        Family::Inet => (Family::Inet6, "IPv6"),
        _ => (Family::Inet, "IPv4"),
    };
    let mut tried = report.attempts.iter().filter(|a| a.address.family() == Some(other));
    let count = tried.clone().count();
    let all_silent = tried.all(|a| Cause::of(a) == Some(Cause::Silent));
    (count > 1 && count == report.count(other) && all_silent).then_some(name)
}

/// Hint for a race that no attempt has won.
pub(super) fn hint_for_attempts(report: &Report, is_timeout: bool) -> Option<String> {
    let causes: Vec<Cause> = report.attempts.iter().filter_map(Cause::of).collect();
    let first = report.attempts.first()?;
    if let Some(text) = hint_for_host(report).or_else(|| hint_for_this_host(report, first)) {
        return Some(text);
    }
    if is_timeout && !report.not_tried().is_empty() {
        return Some(format!(
            "{} not tried: `--attempt-timeout` limits each, Happy Eyeballs overlaps them",
            units::count(report.not_tried().len(), "more address was", "more addresses were")
        ));
    }
    let cause = *causes.first()?;
    if causes.iter().any(|other| *other != cause) {
        return hint_for_mixture(report);
    }
    if let Some(rejection) = rejection(first) {
        let is_alike = |other: &Attempt| rejection::rejection(other).map(|it| it.source);
        return match report.attempts.iter().all(|other| is_alike(other) == Some(rejection.source)) {
            true => rejection.hint(first),
            false => hint_for_mixture(report),
        };
    }
    let text = match cause {
        Cause::Refused if is_connected_to_itself(first) => {
            "nothing listens on that port: the kernel gave it to this connection, which reached itself"
        }
        Cause::Refused if first.icmp.is_some() => {
            "nothing listens on that UDP port, or a firewall there rejects it (ICMP port unreachable)"
        }
        Cause::Refused => "nothing listens on that port, or a firewall answers for it (RST)",
        Cause::Silent => {
            return Some(format!(
                "no reply: a firewall drops the packets, the host is down, or its accept queue is full \
                 (`loopctl connect --path {}` shows where packets end)",
                first.address
            ));
        }
        Cause::NoRoute => "this host has no route to it: see `ip route` and `ip -6 route`",
        Cause::NoAnswerToTls | Cause::Untrusted | Cause::NoTls => return None,
        Cause::Unreachable | Cause::Prohibited | Cause::Rejected => return None,
        Cause::Bind | Cause::NoPort | Cause::Reset | Cause::Other => return None,
    };
    Some(text.to_owned())
}

/// Hint for a failure of this host, not of the network.
fn hint_for_this_host(report: &Report, first: &Attempt) -> Option<String> {
    let Outcome::Failure(phase, failure) = &first.outcome else { return None };
    let is_out_of_descriptors = |attempt: &Attempt| match &attempt.outcome {
        Outcome::Failure(_, failure) => matches!(failure.name(), Some("EMFILE" | "ENFILE")),
        _ => false,
    };
    let text = match (&first.address, phase, failure.name().unwrap_or_default()) {
        _ if report.attempts.iter().any(is_out_of_descriptors) => {
            "this process is out of file descriptors: raise `ulimit -n`, or lower --concurrency"
                .to_owned()
        }
        (Address::Unix(_), _, "ENOENT") => "there is no such socket file".to_owned(),
        (Address::Unix(_), _, "EACCES") => {
            "this user has no permission to connect to that socket: see `ls -l`".to_owned()
        }
        (Address::Unix(_), _, "ECONNREFUSED") => {
            "nothing listens on that file: it is not a socket, or a stale one".to_owned()
        }
        (_, Phase::Bind, "EADDRINUSE") => {
            "a source address with a port allows one attempt at a time: omit the port".to_owned()
        }
        (_, Phase::Bind, "ENODEV") => "there is no such interface: `ip link` lists them".to_owned(),
        (_, Phase::Bind, "EADDRNOTAVAIL") => {
            "the source is not an address of this host: `ip address` lists them".to_owned()
        }
        (_, Phase::Bind, _) => "give a source address for each family of the target".to_owned(),
        (Address::Inet(SocketAddr::V6(inet)), _, "EINVAL") if inet.ip().is_unicast_link_local() => {
            format!(
                "a link-local address needs its interface: `[{}%eth0]:{}`",
                inet.ip(),
                inet.port()
            )
        }
        _ => return None,
    };
    Some(text)
}

/// Each cause by itself, because no cause of one address explains another.
fn hint_for_mixture(report: &Report) -> Option<String> {
    Some(format!("each address has its own cause: {}", summary_by_address(report)))
}

/// Whether a connection reached itself, which the library reports as refused, without an errno.
fn is_connected_to_itself(attempt: &Attempt) -> bool {
    matches!(&attempt.outcome, Outcome::Failure(Phase::Connect, failure) if failure.errno.is_none())
}
