//! Findings about HTTP exchanges: the server's time, silence, and slow bodies.

use std::time::Duration;

use super::phases::{figures_evidence, finding};
use super::{Basis, EvidenceSource, Finding, FindingKind};
use crate::report::Report;
use crate::util::units;

/// The time of the server, from the request to the first byte without a round trip.
pub(super) fn server_time(report: &Report) -> Option<Finding> {
    let http = report.http.as_ref()?;
    let rtt = report.round_trip();
    let server = http.server_took(rtt.unwrap_or_default())?;
    let took = units::prose(server);
    let resent = http.tcp.map_or(0, |tcp| tcp.retransmits.saturating_sub(http.resent_before));
    let (basis, text) = match resent {
        0 => (
            Basis::Inference,
            format!("the server took {took} from the request to the first byte{}", round_trip(rtt)),
        ),
        _ => (
            Basis::Guess,
            format!(
                "the first byte came {took} after the request: {resent} segments were resent, or the server was slow"
            ),
        ),
    };
    let waited = units::prose(http.wait()?);
    let clock = EvidenceSource::Clock.says(format!("first byte {waited} after the request"));
    let evidence = std::iter::once(clock).chain(http.tcp.as_ref().map(figures_evidence));
    finding(report, FindingKind::HttpServerTime, server, text, basis, evidence.collect())
}

/// A server that accepts, takes the request, and sends nothing.
pub(super) fn silence(report: &Report) -> Option<Finding> {
    let http = report.http.as_ref().filter(|http| http.failure.is_some())?;
    let waited = http.wait().filter(|_| http.first_byte.is_none())?;
    let tcp = http.tcp?;
    let took = units::prose(waited);
    let is_taken = tcp.traffic.unacked == 0;
    let text = match is_taken {
        true => format!("the server accepted, took the request, and sent nothing for {took}"),
        false => format!("the request was not acknowledged within {took}"),
    };
    let evidence = vec![figures_evidence(&tcp)];
    finding(report, FindingKind::HttpSilent, waited, text, Basis::Fact, evidence)
}

/// The header and the body after the first byte.
pub(super) fn slow_body(report: &Report) -> Option<Finding> {
    let http = report.http.as_ref()?;
    let took = http.body_took()?;
    let rate = http
        .body_rate()
        .map_or_else(String::new, |rate| format!(" ({} per second)", units::bytes(rate as u64)));
    let (body, time) = (units::bytes(http.body), units::prose(took));
    let text = format!("the body took {time}: {body}{rate}");
    let clock = EvidenceSource::Clock.says(format!("end {time} after the header"));
    let evidence = std::iter::once(clock).chain(http.tcp.as_ref().map(figures_evidence));
    finding(report, FindingKind::HttpBodySlow, took, text, Basis::Fact, evidence.collect())
}

fn round_trip(rtt: Option<Duration>) -> String {
    rtt.map_or_else(String::new, |rtt| format!(" (round trip {})", units::prose(rtt)))
}
