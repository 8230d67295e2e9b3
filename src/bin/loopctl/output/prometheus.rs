//! Metrics in the text exposition format, as Prometheus' textfile collector takes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use loopctl::OcspStatus;
use loopctl::plan::Family;

use crate::diagnose::cause::Cause;
use crate::diagnose::rejection::rejection;
use crate::output::wire::common::variant_name;
use crate::report::certificate::Certificate;
use crate::report::{Attempt, End, FailureKind, Outcome, Report, TlsReport};

/// All targets of a run, metric by metric: a family of metrics must not be split.
#[derive(Default)]
pub(crate) struct Metrics {
    success: String,
    failed_due_to: String,
    duration: String,
    attempts: String,
    failed_attempts: String,
    unmet: String,
    certificates: CertificateMetrics,
    http: HttpMetrics,
}

/// Metrics of the peers' certificates.
#[derive(Default)]
struct CertificateMetrics {
    expiry: String,
    sent_expiry: String,
    unreadable: String,
    revoked: String,
}

/// Metrics of final HTTP responses.
#[derive(Default)]
struct HttpMetrics {
    status: String,
    redirects: String,
    body: String,
}

impl Metrics {
    pub(crate) fn add(&mut self, report: &Report) {
        let target = escape(&report.subject.text);
        let connected = u8::from(report.last_hop().end == End::Connected);
        let _ = writeln!(self.success, "loopctl_probe_success{{target=\"{target}\"}} {connected}");
        if let Some(reason) = reason(report) {
            let _ = writeln!(
                self.failed_due_to,
                "loopctl_probe_failed_due_to{{target=\"{target}\",reason=\"{reason}\"}} 1"
            );
        }
        let unmet = report.last_hop().unmet.len();
        let _ = writeln!(self.unmet, "loopctl_unmet_expectations{{target=\"{target}\"}} {unmet}");
        let mut phase = |phase: &str, took: Duration| {
            let seconds = took.as_secs_f64();
            let _ = writeln!(
                self.duration,
                "loopctl_probe_duration_seconds{{target=\"{target}\",phase=\"{phase}\"}} {seconds}"
            );
        };
        phase("resolve", report.resolved_at());
        if let (Some(winner), Some(stagger)) = (report.winner(), report.cost()) {
            phase("stagger", stagger);
            phase("connect", winner.took);
        }
        if let Some(tls) = &report.tls {
            if let Some(starttls) = &tls.starttls {
                phase("starttls", starttls.took);
            }
            if let Some(took) = tls.took() {
                phase("tls", took);
            }
        }
        if let Some(exchange) = &report.last_hop().http {
            phase("server", exchange.wait().unwrap_or_default());
            phase("transfer", exchange.body_took().unwrap_or_default());
        }
        phase("total", report.hops().map(|hop| hop.total).sum());
        self.add_http(&target, report);
        if let Some(tls) = &report.tls {
            self.add_expiry(&target, tls);
        }
        let results =
            [Outcome::Success.name(), Outcome::Timeout.name(), Outcome::Canceled.name(), "failure"];
        for result in results {
            let count =
                report.attempts.iter().filter(|attempt| attempt.outcome.name() == result).count();
            let _ = writeln!(
                self.attempts,
                "loopctl_attempts{{target=\"{target}\",result=\"{result}\"}} {count}"
            );
        }
        self.add_failed_attempts(&target, report);
    }

    /// Figures of the final response.
    fn add_http(&mut self, target: &str, report: &Report) {
        let Some(exchange) = &report.last_hop().http else { return };
        let status = exchange.response.as_ref().map_or(0, |response| response.status);
        let label = format!("{{target=\"{target}\"}}");
        let _ = writeln!(self.http.status, "loopctl_http_status_code{label} {status}");
        let redirects = report.redirects.len();
        let _ = writeln!(self.http.redirects, "loopctl_http_redirects{label} {redirects}");
        let _ = writeln!(self.http.body, "loopctl_http_body_bytes{label} {}", exchange.body);
    }

    fn add_failed_attempts(&mut self, target: &str, report: &Report) {
        let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
        for attempt in &report.attempts {
            if let Some(reason) = failure(attempt) {
                *counts.entry((family(attempt), reason)).or_default() += 1;
            }
        }
        for ((family, reason), count) in counts {
            let _ = writeln!(
                self.failed_attempts,
                "loopctl_failed_attempts{{target=\"{target}\",family=\"{family}\",reason=\"{reason}\"}} {count}"
            );
        }
    }

    fn add_expiry(&mut self, target: &str, tls: &TlsReport) {
        let seconds = |end: SystemTime| end.duration_since(SystemTime::UNIX_EPOCH).ok();
        let end = tls.earliest_end().and_then(Certificate::not_after).and_then(seconds);
        if let Some(end) = end {
            let _ = writeln!(
                self.certificates.expiry,
                "loopctl_ssl_earliest_cert_expiry{{target=\"{target}\"}} {}",
                end.as_secs()
            );
        }
        let sent = tls.chain.iter().filter_map(Certificate::not_after).min().and_then(seconds);
        if let Some(end) = sent {
            let _ = writeln!(
                self.certificates.sent_expiry,
                "loopctl_ssl_earliest_sent_cert_expiry{{target=\"{target}\"}} {}",
                end.as_secs()
            );
        }
        if !tls.chain.is_empty() {
            let unreadable = tls.chain.iter().filter(|one| one.not_after().is_none()).count();
            let _ = writeln!(
                self.certificates.unreadable,
                "loopctl_ssl_unreadable_certs{{target=\"{target}\"}} {unreadable}"
            );
        }
        if let Some(answer) = &tls.peer.ocsp {
            let revoked = u8::from(matches!(answer.status, OcspStatus::Revoked { .. }));
            let _ = writeln!(
                self.certificates.revoked,
                "loopctl_ssl_ocsp_revoked{{target=\"{target}\"}} {revoked}"
            );
        }
    }

    pub(crate) fn exposition(&self) -> String {
        let families = [
            (
                "loopctl_probe_success",
                "Success of the connection to the target: 1 or 0.",
                &self.success,
            ),
            (
                "loopctl_probe_failed_due_to",
                "Reason why the probe failed; without a sample, it succeeded.",
                &self.failed_due_to,
            ),
            ("loopctl_probe_duration_seconds", "Duration of each phase.", &self.duration),
            ("loopctl_attempts", "Connection attempts by their result.", &self.attempts),
            (
                "loopctl_failed_attempts",
                "Connection attempts that failed, by address family and reason.",
                &self.failed_attempts,
            ),
            ("loopctl_unmet_expectations", "Stated expectations that did not hold.", &self.unmet),
            (
                "loopctl_ssl_earliest_cert_expiry",
                "Earliest expiry in the verified certificate path, in seconds since 1970.",
                &self.certificates.expiry,
            ),
            (
                "loopctl_ssl_earliest_sent_cert_expiry",
                "Earliest expiry of all certificates that the server sent, in seconds since 1970.",
                &self.certificates.sent_expiry,
            ),
            (
                "loopctl_ssl_unreadable_certs",
                "Certificates that the server sent and whose expiry cannot be read.",
                &self.certificates.unreadable,
            ),
            (
                "loopctl_ssl_ocsp_revoked",
                "Whether the stapled OCSP response says that the certificate is revoked: 1 or 0.",
                &self.certificates.revoked,
            ),
            (
                "loopctl_http_status_code",
                "Status of the final HTTP response; 0 without one.",
                &self.http.status,
            ),
            (
                "loopctl_http_redirects",
                "Redirects that were followed before the final HTTP response.",
                &self.http.redirects,
            ),
            (
                "loopctl_http_body_bytes",
                "Bytes of the body of the final HTTP response.",
                &self.http.body,
            ),
        ];
        let families = families.iter().filter(|(_, _, samples)| !samples.is_empty());
        let text = families.map(|(name, help, samples)| {
            format!("# HELP {name} {help}\n# TYPE {name} gauge\n{samples}")
        });
        text.collect()
    }
}

/// Reason of a probe that failed, from a fixed set. Attempts have reasons of their own.
fn reason(report: &Report) -> Option<String> {
    let report = report.last_hop();
    let reason = match report.end {
        End::Connected if report.unmet.is_empty() => return None,
        End::Connected => "expectation",
        End::Interrupted(_) => "interrupted",
        End::Failed(kind) => match kind {
            FailureKind::NotResolved => "dns",
            FailureKind::NotConnected => match common_failure(report) {
                Some(reason) => return Some(reason),
                None => "connect",
            },
            FailureKind::TimedOut => "timeout",
            FailureKind::NoTls => "tls",
            FailureKind::NotTrusted => "certificate",
            FailureKind::NoHttp(_) => "http",
            FailureKind::CannotBind => "bind",
            FailureKind::NoSocket => "descriptors",
            FailureKind::NoFile => "file",
        },
    };
    Some(reason.to_owned())
}

/// Reason that all attempts have in common.
fn common_failure(report: &Report) -> Option<String> {
    let mut reasons = report.attempts.iter().filter_map(failure);
    let first = reasons.next()?;
    reasons.all(|reason| reason == first).then_some(first)
}

/// Reason of an attempt that failed by itself, and was not canceled for another.
fn failure(attempt: &Attempt) -> Option<String> {
    match attempt.outcome {
        Outcome::Failure(..) | Outcome::Timeout => {
            let cause = Cause::of(attempt)?.kind();
            let kind = rejection(attempt).and_then(|it| it.kind()).unwrap_or(cause);
            Some(variant_name(&kind))
        }
        Outcome::Success | Outcome::Canceled | Outcome::Pending => None,
    }
}

fn family(attempt: &Attempt) -> &'static str {
    match attempt.address.family() {
        Some(Family::Inet6) => "ipv6",
        Some(_) => "ipv4",
        None => "unix",
    }
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
