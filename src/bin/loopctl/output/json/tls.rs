//! TLS in the document of a connection.

use loopctl::{CertificateProblem, OcspAnswer, OcspStatus, TlsErrorKind, TlsVerdict};

use super::error;
use crate::diagnose;
use crate::output::human::tls::{alpn, protocol};
use crate::output::wire::common::{AttemptResult, Hex};
use crate::output::wire::tls::{Certificate, Ocsp, Problem, ProblemRecord, StartTls, Tls};
use crate::report::{Report, StartTlsExchange, TlsFailure, TlsReport, certificate};
use crate::util::units::date;

/// `None` where TLS was not asked for, or there was no connection for it.
pub(crate) fn tls(report: &Report) -> Option<Tls> {
    let (tls, wanted) = (report.tls.as_ref()?, report.subject.tls.as_ref()?);
    let info = tls.info.as_deref();
    let sni = wanted.server_name();
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
        ocsp: tls.peer.ocsp.as_ref().map(Ocsp::from),
        client_certificate_requested: tls.peer.asks_for_certificate,
        verified: verified(tls),
        problem: tls.problem().map(Problem::from),
        problem_message: diagnose::certificate::problem(tls),
        problems: problems(tls),
        peer: tls.chain.first().map(Certificate::from),
        chain: tls.chain.iter().map(Certificate::from).collect(),
        path: tls.peer.path.clone(),
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

fn problems(tls: &TlsReport) -> Vec<ProblemRecord> {
    let all = diagnose::certificate::problems(tls).into_iter();
    all.map(|(problem, message)| ProblemRecord { problem: problem.into(), message }).collect()
}

impl From<&OcspAnswer> for Ocsp {
    fn from(answer: &OcspAnswer) -> Self {
        let (revoked_at, reason) = match answer.status {
            OcspStatus::Revoked { at, reason } => (at, reason),
            _ => (None, None),
        };
        let status = match answer.status {
            OcspStatus::Good => "good",
            OcspStatus::Revoked { .. } => "revoked",
            OcspStatus::Unknown => "unknown",
            OcspStatus::Error(_) => "error",
            OcspStatus::OtherCertificate => "other_certificate",
            _ => "unreadable",
        };
        let error = match answer.status {
            OcspStatus::Error(name) => Some(name),
            _ => None,
        };
        Self {
            status: status.into(),
            revoked_at: revoked_at.map(date),
            reason: reason.map(Into::into),
            error: error.map(Into::into),
            this_update: answer.this_update.map(date),
            next_update: answer.next_update.map(date),
            stale: answer.is_stale(),
            signed: answer.is_signed,
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
            CertificateProblem::BadSignature => Self::BadSignature,
            CertificateProblem::BadHandshakeSignature => Self::BadHandshakeSignature,
            CertificateProblem::KeySize { .. } => Self::KeySize,
            CertificateProblem::SignatureAlgorithm { .. } => Self::SignatureAlgorithm,
            CertificateProblem::Version => Self::Version,
            CertificateProblem::NameConstraint => Self::NameConstraint,
            CertificateProblem::Purpose => Self::Purpose,
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
            serial: said.map(|said| said.serial.clone()),
            not_before: said.and_then(|said| said.valid.not_before).map(date),
            not_after: said.and_then(|said| said.valid.not_after).map(date),
            key: said.and_then(|said| said.key.clone()),
            signature: said.and_then(|said| said.signature.clone()),
            sha256: Hex(certificate.sha256.clone()),
            pin_sha256: said.and_then(|said| said.pin.clone()),
        }
    }
}

impl From<&StartTlsExchange> for StartTls {
    fn from(dialogue: &StartTlsExchange) -> Self {
        Self {
            protocol: protocol(dialogue.protocol).into(),
            start_ms: dialogue.start.into(),
            duration_ms: dialogue.took.into(),
            greeting: dialogue.greeting.clone(),
        }
    }
}
