//! Hints for remedies, chosen by typed causes.

pub(super) mod connect;
mod extended_error;
pub(crate) mod groups;
pub(crate) mod name;
pub(crate) mod serve;
mod special_name;
mod surroundings;
mod tls;

use crate::diagnose::http;
use crate::report::{End, FailureKind, Report};

/// The most helpful hint about a report of `connect`.
pub(crate) fn hint(report: &Report) -> Option<String> {
    let report = report.last_hop();
    match report.end {
        // The comparison table replaces hints.
        _ if report.comparison.is_some() => None,
        End::Interrupted(_) => None,
        // Because it was printed before the relay, it is not repeated.
        End::Connected if report.relay.is_some() => None,
        End::Connected if report.transfer.is_some() => None,
        End::Connected => connect::hint_for_connection(report),
        End::Failed(_) if report.resolve.error.is_some() => name::hint_for_target(report),
        End::Failed(_) if report.http_failure().is_some() => {
            report.http_failure().and_then(|(exchange, failure)| http::hint(exchange, failure))
        }
        End::Failed(kind) => match report.tls_failure() {
            Some((tls, failure)) => tls::hint_for_tls(report, tls, failure),
            None => connect::hint_for_attempts(report, kind == FailureKind::TimedOut),
        },
    }
}
