//! Findings about phases that take most of the time.

use std::time::Duration;

use super::{Basis, CausedBy, Evidence, EvidenceSource, Finding, FindingKind, http, late_end};
use crate::config::StartTls;
use crate::diagnose::cause::ip_text;
use crate::diagnose::tls_silence::tls_silence;
use crate::report::Report;
use crate::util::units;

/// Shorter totals need no reason.
const MIN_TOTAL: Duration = Duration::from_millis(300);

/// Longer phases have a reason, whatever the total is.
const LONG: Duration = Duration::from_secs(1);

/// Findings about the phases of the connection that dominate its total.
pub(super) fn phase_findings(report: &Report) -> Vec<Finding> {
    let found = [
        round_trip(report),
        starttls(report),
        tls_server(report),
        tls_rest(report),
        tls_silent(report),
        http::server_time(report),
        http::silence(report),
        http::slow_body(report),
    ];
    let total = report.finished_after().unwrap_or(report.total);
    let found = found.into_iter().flatten();
    found.filter(|phase| is_dominant(phase.cost, total)).collect()
}

/// Whether a phase is more than half of a total that is worth a reason, or long by itself.
pub(crate) fn is_dominant(phase: Duration, total: Duration) -> bool {
    phase >= LONG || (total >= MIN_TOTAL && phase * 2 > total)
}

/// The TCP handshake, where its SYN was sent once and this host looked in time.
fn round_trip(report: &Report) -> Option<Finding> {
    let winner = report.winner()?;
    let tcp = winner.connected?;
    if tcp.retransmits > 0 || tcp.rtt.is_zero() || winner.end_lag >= late_end::MIN_END_LAG * 10 {
        return None;
    }
    let rtt = units::prose(tcp.rtt);
    let text = format!("`{}`: the round trip takes {rtt}", ip_text(winner));
    let evidence = vec![EvidenceSource::TcpInfo.says(format!("rtt {rtt}, no SYN resent"))];
    finding(report, FindingKind::RoundTrip, tcp.rtt, text, Basis::Fact, evidence)
}

fn starttls(report: &Report) -> Option<Finding> {
    let starttls = report.tls.as_ref()?.starttls.as_ref()?;
    let lag = report.stalled_within(starttls.start, starttls.start + starttls.took);
    let own = starttls.took.saturating_sub(lag);
    let (took, rtt) = (at_least(own, lag), round_trip_text(report));
    let text =
        format!("the dialogue before TLS ({}) took {took}{rtt}", protocol(starttls.protocol));
    let evidence = vec![EvidenceSource::Clock.says(format!("dialogue of {took}"))];
    finding(report, FindingKind::Starttls, own, text, Basis::Fact, evidence)
}

/// The time of the server: from the ClientHello to the first byte, without one round trip.
fn tls_server(report: &Report) -> Option<Finding> {
    let tls = report.tls.as_ref()?;
    let waited = tls.first_byte?.saturating_sub(tls.started?);
    let figures = tls.tcp?;
    let lag = report.stalled_within(tls.started?, tls.first_byte?);
    let server = waited.saturating_sub(figures.rtt).saturating_sub(lag);
    let (took, rtt) = (at_least(server, lag), units::prose(figures.rtt));
    let resent = figures.retransmits.saturating_sub(tls.resent_before);
    let (basis, text) = match resent {
        0 => (
            Basis::Inference,
            format!("the server took {took} to answer the ClientHello (round trip {rtt})"),
        ),
        _ => (
            Basis::Guess,
            format!(
                "the answer to the ClientHello took {took}: {resent} segments were resent, or the server was slow"
            ),
        ),
    };
    let evidence = vec![
        EvidenceSource::Clock
            .says(format!("first byte {} after the ClientHello", units::prose(waited))),
        figures_evidence(&figures),
    ];
    finding(report, FindingKind::TlsServerTime, server, text, basis, evidence)
}

/// A time whose end may have waited for this process.
fn at_least(took: Duration, lag: Duration) -> String {
    let least = if lag.is_zero() { "" } else { "at least " };
    format!("{least}{}", units::prose(took))
}

/// The rest of the handshake after the first byte.
fn tls_rest(report: &Report) -> Option<Finding> {
    let tls = report.tls.as_ref()?;
    let lag = report.stalled_within(tls.first_byte?, tls.ended?);
    let rest = tls.ended?.saturating_sub(tls.first_byte?).saturating_sub(lag);
    let took = at_least(rest, lag);
    let text =
        format!("TLS took {took} after the first byte from the server{}", round_trip_text(report));
    let evidence = vec![EvidenceSource::Clock.says(format!("end {took} after the first byte"))];
    let evidence = evidence.into_iter().chain(tls.tcp.as_ref().map(figures_evidence)).collect();
    finding(report, FindingKind::TlsSlow, rest, text, Basis::Fact, evidence)
}

/// Figures of the kernel at the end of a handshake, as evidence.
pub(super) fn figures_evidence(tcp: &loopctl::TcpInfo) -> Evidence {
    let loopctl::TcpTraffic {
        bytes_sent, bytes_acked, bytes_received, received_out_of_order, ..
    } = &tcp.traffic;
    EvidenceSource::TcpInfo.says(format!(
        "rtt {}, {bytes_sent} bytes sent, {bytes_acked} acknowledged, {bytes_received} received, {} segments resent, {received_out_of_order} received out of order",
        units::prose(tcp.rtt),
        tcp.retransmits,
    ))
}

fn round_trip_text(report: &Report) -> String {
    let rtt = report.winner().and_then(|winner| winner.connected).map(|tcp| tcp.rtt);
    let rtt = rtt.filter(|rtt| !rtt.is_zero());
    rtt.map_or_else(String::new, |rtt| format!(" (round trip {})", units::prose(rtt)))
}

pub(super) fn finding(
    report: &Report,
    kind: FindingKind,
    cost: Duration,
    text: String,
    basis: Basis,
    evidence: Vec<Evidence>,
) -> Option<Finding> {
    let caused_by = CausedBy::Attempt(report.selected?);
    Some(Finding { kind, caused_by, cost, text, basis, evidence })
}

/// Silence in the handshake over the connection.
fn tls_silent(report: &Report) -> Option<Finding> {
    let tls = report.tls.as_ref()?;
    let (silence, figures, waited) = (tls_silence(tls)?, tls.tcp?, tls.took()?);
    let evidence = vec![figures_evidence(&figures)];
    finding(report, FindingKind::TlsSilent, waited, silence.text(), Basis::Inference, evidence)
}

fn protocol(protocol: StartTls) -> &'static str {
    match protocol {
        StartTls::Smtp => "SMTP",
        StartTls::Imap => "IMAP",
        StartTls::Pop3 => "POP3",
        StartTls::Ftp => "FTP",
        StartTls::Postgres => "PostgreSQL",
        StartTls::Ldap => "LDAP",
        StartTls::Xmpp => "XMPP",
        StartTls::MySql => "MySQL",
        StartTls::Nntp => "NNTP",
        StartTls::Sieve => "ManageSieve",
        StartTls::Lmtp => "LMTP",
    }
}
