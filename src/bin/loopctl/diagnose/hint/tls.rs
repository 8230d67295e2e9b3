//! Hints about TLS handshakes and certificates.

use loopctl::{CertificateProblem, TlsAlert, TlsErrorKind};

use crate::diagnose::tls_silence::{TlsSilence, tls_silence};
use crate::report::certificate::ParsedCertificate;
use crate::report::{Report, TlsFailure, TlsPhase, TlsReport};

/// Hint for a connection without TLS.
pub(super) fn hint_for_tls(
    report: &Report,
    tls: &TlsReport,
    failure: &TlsFailure,
) -> Option<String> {
    let has_own = report.subject.tls.as_ref().is_some_and(|wanted| wanted.has_own);
    let text = match (failure.kind(), failure.phase) {
        (Some(TlsErrorKind::Certificate), _) => return hint_for_certificate(tls, tls.problem()?),
        (Some(TlsErrorKind::Alert), _) if tls.peer.asks_for_certificate && has_own => {
            "the server requires a client certificate and rejects the one of --cert"
        }
        (Some(TlsErrorKind::Alert), _) if tls.peer.asks_for_certificate => {
            "the server requires a client certificate: use --cert and --key"
        }
        (Some(TlsErrorKind::Alert), _) => {
            return failure.error.as_ref()?.alert_received().map(hint_for_alert);
        }
        (Some(TlsErrorKind::TimedOut), TlsPhase::StartTls) => {
            "a server that sends no greeting may expect TLS at once: use --tls without --starttls"
        }
        (Some(TlsErrorKind::TimedOut), _) if tls_silence(tls).is_some() => {
            tls_silence(tls).map_or("", TlsSilence::hint)
        }
        (Some(TlsErrorKind::TimedOut), _) if stopped_at_tcp(report) => {
            "the port is open, but the peer does not answer the TLS handshake; `--success tls` tries the next address as well"
        }
        (Some(TlsErrorKind::TimedOut), _) if tls.first_byte.is_none() => {
            "the port is open, but the peer does not answer the TLS handshake: the service may need --starttls, is busy, or hangs"
        }
        (Some(TlsErrorKind::NotTls), _) => "the service may need STARTTLS: try --starttls",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether an address was not tried over TLS, because another one had connected over TCP.
fn stopped_at_tcp(report: &Report) -> bool {
    report.selected.is_some()
        && report.resolve.candidates.len() > 1
        && report.subject.may_race_tls()
}

/// Alerts of RFC 8446 section 6.2.
fn hint_for_alert(alert: TlsAlert) -> String {
    let cause = match alert {
        TlsAlert::ProtocolVersion => {
            "the server supports none of the offered TLS versions: 1.2 and 1.3 (check --tls-min)"
        }
        TlsAlert::NoApplicationProtocol => "the server supports none of the protocols of --alpn",
        TlsAlert::UnrecognizedName => {
            "the server does not know the requested name: use --sni for another"
        }
        _ => "the server rejected the handshake (check --sni, --tls-min, --alpn)",
    };
    cause.to_owned()
}

fn hint_for_certificate(tls: &TlsReport, problem: &CertificateProblem) -> Option<String> {
    let own = tls.chain.first().and_then(|own| own.parsed.as_deref());
    let is_alone = tls.chain.len() == 1;
    let text = match problem {
        CertificateProblem::CaUsedAsEndEntity
            if own.is_some_and(ParsedCertificate::is_self_signed) =>
        {
            "`openssl req -x509` makes such certificates, and OpenSSL accepts them; add `-addext basicConstraints=CA:FALSE`"
        }
        CertificateProblem::UnknownIssuer { .. }
            if own.is_some_and(ParsedCertificate::is_self_signed) =>
        {
            "if it is the expected certificate, trust it with `--ca FILE`; `--insecure` accepts any"
        }
        CertificateProblem::UnknownIssuer { .. } if is_alone => {
            "the server sends only its own certificate: its configuration may lack the intermediate certificate"
        }
        CertificateProblem::UnknownIssuer { .. } => {
            "`--ca FILE` trusts another authority; a proxy that inspects TLS has its own"
        }
        CertificateProblem::WrongName { .. } if own.is_some_and(|own| own.names.is_empty()) => {
            "the certificate has no subjectAltName; clients ignore the common name"
        }
        CertificateProblem::WrongName { .. } => {
            "`--sni NAME` requests another name; without a match, servers send their default certificate"
        }
        CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. } => {
            "the server needs a new certificate, unless the clock of this host is wrong (`date -u`)"
        }
        _ => return None,
    };
    Some(text.to_owned())
}
