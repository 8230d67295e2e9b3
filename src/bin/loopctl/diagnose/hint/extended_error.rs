//! Hints by the reason that a name server gives (RFC 8914).

use loopctl::{DnsAnswer, ExtendedError};

/// Hint for an answer whose reason is known.
pub(super) fn hint(answer: &DnsAnswer) -> Option<String> {
    answer.extended_errors.iter().find_map(of)
}

fn of(error: &ExtendedError) -> Option<String> {
    let name = error.name()?;
    let text = match error.code {
        4 | 15..=17 => {
            "the server withholds the name, which may exist: ask another one (`--server`)"
        }
        18 => "the server does not answer this host by policy: try another one (`--server`)",
        1 | 2 | 5..=12 | 25 | 27 => {
            "the signatures of the zone are the reason, not the name: `--dnssec` shows the fault"
        }
        14 => "the server is still starting: ask again later",
        20 => "the server answers for its own zones only: ask a resolver (`--server`)",
        22 | 23 => "the server cannot reach the zone's servers: `--trace` shows which ones answer",
        30 => "the type is not one to ask for",
        _ => return None,
    };
    Some(format!("{name}: {text}"))
}
