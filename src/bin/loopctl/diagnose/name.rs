//! Messages about name failures, of a target or of one query.

use std::io::ErrorKind;

use loopctl::{DnsError, DnsErrorKind, ResolveError};

use super::cause::failure_text;
use crate::report::NameFailure;
use crate::report::query::{Query, QueryOutcome};
use crate::util::message::plain;

/// Message about the failure.
pub(crate) fn failure(failure: &NameFailure) -> String {
    match failure {
        NameFailure::Resolver(error) => resolver(error),
        NameFailure::Config(error) => format!("cannot query name servers: {error}"),
        NameFailure::NoPinnedAddress => {
            "--resolve gives no address of the requested family".to_owned()
        }
        NameFailure::Unanswered => "no answer from the resolver".to_owned(),
    }
}

/// Resolver's error, with the name and the server.
pub(crate) fn resolver(error: &ResolveError) -> String {
    match error {
        ResolveError::Dns(error) => dns(error),
        ResolveError::System { host, code, message, .. } => {
            format!("cannot resolve `{host}`: {} ({code})", plain_system(message))
        }
        _ => plain(error),
    }
}

/// Resolver's error without the name.
pub(crate) fn without_name(error: &ResolveError) -> String {
    match error {
        ResolveError::System { message, code, .. } => {
            format!("{} ({code})", plain_system(message))
        }
        ResolveError::Dns(error) => dns_reason(error),
        _ => plain(error),
    }
}

/// A failed query to name servers.
pub(crate) fn dns(error: &DnsError) -> String {
    match (error.kind, error.server(), &error.failure) {
        (DnsErrorKind::Network, Some(server), Some(_)) => {
            let (name, of_type) = (&error.name, error.record_type);
            let why = dns_reason(error);
            format!("cannot resolve `{name}` ({of_type}): the name server {server} {why}")
        }
        _ => plain(error),
    }
}

/// Reason of a failed query, without its name and server.
pub(crate) fn dns_reason(error: &DnsError) -> String {
    match (error.kind, &error.failure) {
        (DnsErrorKind::Network, Some(failure)) if failure.kind == ErrorKind::ConnectionRefused => {
            "refused the connection".to_owned()
        }
        (DnsErrorKind::Network, Some(failure)) => {
            format!("cannot be reached: {}", failure_text(failure))
        }
        (_, Some(failure)) => failure_text(failure),
        _ => plain(error),
    }
}

/// Reason why a query has no answer; `None` if it has one or needs none.
pub(crate) fn query(query: &Query) -> Option<String> {
    match &query.end {
        QueryOutcome::Pending | QueryOutcome::Canceled => None,
        QueryOutcome::Answered(_) | QueryOutcome::System(_) => None,
        QueryOutcome::Failed(error) => Some(dns(error)),
        QueryOutcome::SystemFailed(error) => Some(format!("the system: {}", without_name(error))),
        QueryOutcome::TimedOut => {
            let seconds = query.took.as_secs_f64();
            Some(format!("cannot resolve `{}`: no answer within {seconds:.1} s", query.name))
        }
        QueryOutcome::Interrupted => Some("interrupted".to_owned()),
    }
}

/// Text of getaddrinfo(3), without the errno that Rust appends to a system error.
fn plain_system(message: &str) -> &str {
    message.split_once(" (os error ").map_or(message, |(text, _)| text)
}
