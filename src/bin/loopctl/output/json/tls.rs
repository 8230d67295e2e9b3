//! TLS in the document of a connection.

use std::net::IpAddr;

use loopctl::{CertificateProblem, TlsVerdict, TlsVersion};
use serde_json::{Value, json};

use super::connect::ErrorRecord;
use crate::diagnose::cause;
use crate::diagnose::certificate;
use crate::output::human::tls::{alpn, protocol};
use crate::output::units::{date, ms};
use crate::report::certificate::Certificate;
use crate::report::{Report, StartTlsExchange, TlsFailure, TlsReport};

/// `null` where TLS was not asked for, or there was no connection for it.
pub(crate) fn tls(report: &Report) -> Option<Value> {
    let (tls, wanted) = (report.tls.as_ref()?, report.subject.tls.as_ref()?);
    let info = tls.info.as_deref();
    // Addresses are never asked for by name (RFC 6066, section 3).
    let sni = wanted.name.as_deref().filter(|name| name.parse::<IpAddr>().is_err());
    Some(json!({
        "result": result(tls),
        "start_ms": tls.started.map(ms),
        "first_byte_ms": tls.first_byte.map(ms),
        "duration_ms": tls.took().map(ms),
        "version": info.map(|info| version(info.version)),
        "cipher": info.map(|info| &info.cipher_suite),
        "group": info.and_then(|info| info.key_exchange.as_ref()),
        "alpn": info.and_then(|info| alpn(info.alpn.as_deref())),
        "sni": sni,
        "resumed": info.map(|info| info.resumed),
        "ocsp_stapled": tls.peer.ocsp_stapled,
        "client_certificate_requested": tls.peer.asks_for_certificate,
        "verified": verified(tls),
        "problem": tls.problem().map(problem),
        "problem_message": certificate::problem(tls),
        "peer": tls.chain.first().map(certificate),
        "chain": tls.chain.iter().map(certificate).collect::<Vec<_>>(),
        "starttls": tls.starttls.as_ref().map(starttls),
        "error": tls.failure.as_ref().map(|failure| error(tls, failure)),
    }))
}

pub(crate) fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}

pub(crate) fn result(tls: &TlsReport) -> &'static str {
    match &tls.failure {
        Some(failure) => failure.result(),
        None if tls.info.is_some() => "success",
        None => "canceled",
    }
}

fn verified(tls: &TlsReport) -> Option<bool> {
    match tls.peer.verdict {
        TlsVerdict::Verified => Some(true),
        TlsVerdict::Failed(_) => Some(false),
        _ => None,
    }
}

fn problem(problem: &CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::Expired { .. } => "expired",
        CertificateProblem::NotYetValid { .. } => "not_yet_valid",
        CertificateProblem::WrongName { .. } => "wrong_name",
        CertificateProblem::UnknownIssuer { .. } => "unknown_issuer",
        CertificateProblem::Revoked => "revoked",
        _ => "other",
    }
}

/// Of what is no X.509 only the hash is known.
fn certificate(certificate: &Certificate) -> Value {
    let parsed = certificate.parsed.as_deref();
    json!({
        "subject": parsed.map(|parsed| &parsed.subject),
        "issuer": parsed.map(|parsed| &parsed.issuer),
        "san": parsed.map(|parsed| parsed.names.clone()).unwrap_or_default(),
        "not_before": parsed.map(|parsed| date(parsed.valid.not_before)),
        "not_after": parsed.map(|parsed| date(parsed.valid.not_after)),
        "key": parsed.map(|parsed| &parsed.key),
        "signature": parsed.map(|parsed| &parsed.signature),
        "sha256": certificate.sha256,
        "pin_sha256": parsed.and_then(|parsed| parsed.pin.as_ref()),
    })
}

fn starttls(starttls: &StartTlsExchange) -> Value {
    json!({
        "protocol": protocol(starttls.protocol),
        "start_ms": ms(starttls.start),
        "duration_ms": ms(starttls.took),
        "greeting": starttls.greeting,
    })
}

pub(crate) fn error(tls: &TlsReport, failure: &TlsFailure) -> ErrorRecord {
    let (errno, name) = (failure.failure.errno, failure.failure.name());
    ErrorRecord { kind: failure.json_kind(), errno, name, message: cause::of_tls(tls, failure) }
}
