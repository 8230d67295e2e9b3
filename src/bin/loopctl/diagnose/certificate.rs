//! Messages about certificates that are not trusted.

use std::time::SystemTime;

use loopctl::CertificateProblem;

use crate::report::TlsReport;
use crate::util::units;

/// Problem of the peer's certificates, with dates and names.
pub(crate) fn problem(tls: &TlsReport) -> Option<String> {
    let between = |from: SystemTime, to| units::long(from.duration_since(to).unwrap_or_default());
    Some(match tls.problem()? {
        CertificateProblem::UnknownIssuer { .. } => unknown_issuer(tls),
        CertificateProblem::Expired { not_after, checked_at } => {
            let ago = between(*checked_at, *not_after);
            format!("the certificate has expired: {ago} ago, on {}", units::date(*not_after))
        }
        CertificateProblem::NotYetValid { not_before, checked_at } => {
            let ahead = between(*not_before, *checked_at);
            let date = units::date(*not_before);
            format!("the certificate is not valid yet: in {ahead}, from {date}")
        }
        CertificateProblem::CaUsedAsEndEntity if tls.is_self_signed() => {
            "self-signed, and marked as an authority's (CA:TRUE)".to_owned()
        }
        problem => problem.to_string(),
    })
}

/// Message about an unknown issuer, with the end of the chain.
fn unknown_issuer(tls: &TlsReport) -> String {
    if tls.is_self_signed() {
        return "the certificate is self-signed".to_owned();
    }
    match tls.last() {
        Some(last) if last.is_self_signed() => {
            format!("issuer unknown: the chain ends at {}", last.subject_or_name())
        }
        Some(last) => format!(
            "issuer unknown: the chain ends at {}, signed by {}",
            last.subject_or_name(),
            last.issuer
        ),
        None => "issuer unknown".to_owned(),
    }
}
