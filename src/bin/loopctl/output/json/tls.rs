//! TLS in the document of a connection.

use std::net::IpAddr;

use loopctl::{CertificateProblem, TlsErrorKind, TlsVerdict};

use super::error;
use crate::diagnose;
use crate::output::human::tls::{alpn, protocol};
use crate::output::wire::common::{AttemptResult, Hex};
use crate::output::wire::tls::{Certificate, Problem, StartTls, Tls};
use crate::report::{Report, StartTlsExchange, TlsFailure, TlsReport, certificate};
use crate::util::units::date;

/// `None` where TLS was not asked for, or there was no connection for it.
pub(crate) fn tls(report: &Report) -> Option<Tls> {
    let (tls, wanted) = (report.tls.as_ref()?, report.subject.tls.as_ref()?);
    let info = tls.info.as_deref();
    // Addresses are never asked for by name (RFC 6066, section 3).
    let sni = wanted.name.as_deref().filter(|name| name.parse::<IpAddr>().is_err());
    Some(Tls {
        result: result(tls),
        start_ms: tls.started.map(Into::into),
        first_byte_ms: tls.first_byte.map(Into::into),
        duration_ms: tls.took().map(Into::into),
        version: info.map(|info| info.version.into()),
        cipher: info.map(|info| info.cipher_suite.clone()),
        group: info.and_then(|info| info.key_exchange.clone()),
        alpn: info.and_then(|info| alpn(info.alpn.as_deref())),
        sni: sni.map(str::to_owned),
        resumed: info.map(|info| info.resumed),
        ocsp_stapled: tls.peer.ocsp_stapled,
        client_certificate_requested: tls.peer.asks_for_certificate,
        verified: verified(tls),
        problem: tls.problem().map(Problem::from),
        problem_message: diagnose::certificate::problem(tls),
        peer: tls.chain.first().map(Certificate::from),
        chain: tls.chain.iter().map(Certificate::from).collect(),
        starttls: tls.starttls.as_ref().map(StartTls::from),
        error: tls.failure.as_ref().map(|failure| error::of_tls(tls, failure)),
    })
}

pub(crate) fn result(tls: &TlsReport) -> AttemptResult {
    match &tls.failure {
        Some(failure) => failure.into(),
        None if tls.info.is_some() => AttemptResult::Success,
        None => AttemptResult::Canceled,
    }
}

impl From<&TlsFailure> for AttemptResult {
    fn from(failure: &TlsFailure) -> Self {
        match failure.kind() {
            Some(TlsErrorKind::TimedOut) => Self::Timeout,
            Some(TlsErrorKind::Canceled) => Self::Canceled,
            _ => Self::Failure,
        }
    }
}

fn verified(tls: &TlsReport) -> Option<bool> {
    match tls.peer.verdict {
        TlsVerdict::Verified => Some(true),
        TlsVerdict::Failed(_) => Some(false),
        _ => None,
    }
}

impl From<&CertificateProblem> for Problem {
    fn from(problem: &CertificateProblem) -> Self {
        match problem {
            CertificateProblem::Expired { .. } => Self::Expired,
            CertificateProblem::NotYetValid { .. } => Self::NotYetValid,
            CertificateProblem::WrongName { .. } => Self::WrongName,
            CertificateProblem::UnknownIssuer { .. } => Self::UnknownIssuer,
            CertificateProblem::Revoked => Self::Revoked,
            _ => Self::Other,
        }
    }
}

/// A certificate that is not X.509 has a hash alone.
impl From<&certificate::Certificate> for Certificate {
    fn from(certificate: &certificate::Certificate) -> Self {
        let said = certificate.parsed.as_deref();
        Self {
            subject: said.map(|said| said.subject.clone()),
            issuer: said.map(|said| said.issuer.clone()),
            san: said.map(|said| said.names.clone()).unwrap_or_default(),
            not_before: said.map(|said| date(said.valid.not_before)),
            not_after: said.map(|said| date(said.valid.not_after)),
            key: said.map(|said| said.key.clone()),
            signature: said.map(|said| said.signature.clone()),
            sha256: Hex(certificate.sha256.clone()),
            pin_sha256: said.and_then(|said| said.pin.clone()),
        }
    }
}

impl From<&StartTlsExchange> for StartTls {
    fn from(dialogue: &StartTlsExchange) -> Self {
        Self {
            protocol: protocol(dialogue.protocol),
            start_ms: dialogue.start.into(),
            duration_ms: dialogue.took.into(),
            greeting: dialogue.greeting.clone(),
        }
    }
}
