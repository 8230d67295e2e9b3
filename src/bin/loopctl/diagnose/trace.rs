//! Messages and hints about traces without an answer.

use crate::report::names::NameReport;
use crate::report::query::QueryStatus;
use crate::report::trace::{Hop, Step, TraceError};

/// Message about the reason.
pub(crate) fn message(error: &TraceError) -> String {
    match error {
        TraceError::TooManyHops(limit) => format!("no answer after {limit} hops"),
        TraceError::NoServerAddress(zone) => {
            format!("no server of `{zone}` has an address that can be reached")
        }
        TraceError::NotBelow(zone) => format!("these servers refer back to `{zone}`"),
        TraceError::AliasLoop(name) => format!("the aliases (CNAME) lead back to `{name}`"),
        TraceError::Client(error) => error.to_string(),
    }
}

/// Hint for a trace without an answer: the delegation to mend, or the zone that denies the name.
pub(crate) fn hint(report: &NameReport) -> Option<String> {
    let (last, before) = report.hops.split_last()?;
    let zone = &last.zone;
    let parent = before.iter().rev().find_map(|hop| match &hop.step {
        Step::Referral { zone: below, .. } if below == zone => Some(hop.zone.as_str()),
        _ => None,
    });
    let fault = match &last.step {
        Step::Lost(error) => return Some(lost(error, zone, parent)),
        Step::End(status, _) => match status {
            QueryStatus::NxDomain => {
                return Some(format!("the servers of `{zone}` deny the name: check the spelling"));
            }
            QueryStatus::NoData => {
                return Some(format!("`{zone}` has the name, but no record of the requested type"));
            }
            QueryStatus::Refused => "refuses to answer for it",
            QueryStatus::ServFail => "fails to answer for it",
            QueryStatus::Lame | QueryStatus::Referral => "is not in charge of it",
            QueryStatus::Timeout => "does not answer",
            QueryStatus::AliasLoop | QueryStatus::AliasChainTooLong => {
                return Some(format!("an alias (CNAME) in `{zone}` has to be changed"));
            }
            _ => "does not answer for it",
        },
        Step::Referral { .. } | Step::Alias(_) => return None,
    };
    Some(match parent {
        Some(parent) => format!(
            "`{parent}` delegates `{zone}` to {}, which {fault}: the delegation or that server has to be mended",
            server(last)
        ),
        None => format!("the trace began at {}, which {fault}", server(last)),
    })
}

fn lost(error: &TraceError, zone: &str, parent: Option<&str>) -> String {
    match (error, parent) {
        (TraceError::NoServerAddress(_), Some(parent)) => {
            format!("`{parent}` delegates `{zone}` to servers without an address of use here")
        }
        (TraceError::NotBelow(_), Some(parent)) => {
            format!("`{parent}` delegates `{zone}` to servers that are not in charge of it")
        }
        (TraceError::AliasLoop(_), _) => format!("an alias (CNAME) in `{zone}` has to be changed"),
        _ => "`-v` shows every step".to_owned(),
    }
}

fn server(hop: &Hop) -> String {
    match &hop.server {
        Some(server) => match &server.name {
            Some(name) => format!("{name} ({})", server.address),
            None => server.address.to_string(),
        },
        None => "servers".to_owned(),
    }
}
