//! Messages about certificates that are not trusted.

use std::net::IpAddr;
use std::time::SystemTime;

use loopctl::{CertificateName, CertificateProblem, OcspAnswer, OcspStatus};

use crate::report::TlsReport;
use crate::report::certificate::{Certificate, ParsedCertificate};
use crate::util::units;

/// Main problem of the peer's certificates, with dates and names.
pub(crate) fn problem(tls: &TlsReport) -> Option<String> {
    tls.problem().map(|problem| text(tls, problem))
}

/// All problems of the peer's certificates that are known, the main one first.
pub(crate) fn problems(tls: &TlsReport) -> Vec<(&CertificateProblem, String)> {
    let main = tls.problem();
    let others = tls.peer.problems.iter().filter(|problem| Some(*problem) != main);
    main.into_iter().chain(others).map(|problem| (problem, text(tls, problem))).collect()
}

/// All problems as one text.
pub(crate) fn summary(tls: &TlsReport) -> Option<String> {
    let all: Vec<String> = problems(tls).into_iter().map(|(_, text)| text).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Problem in a few words, for a list.
pub(crate) fn short(tls: &TlsReport, problem: &CertificateProblem) -> Option<&'static str> {
    let is_own = |found: Option<usize>| found.is_none_or(|at| at == 0);
    Some(match problem {
        CertificateProblem::Expired { not_after, .. } => {
            match is_own(position(tls, |one| one.valid.not_after == Some(*not_after))) {
                true => "the certificate has expired",
                false => "an issuer's certificate has expired",
            }
        }
        CertificateProblem::NotYetValid { not_before, .. } => {
            match is_own(position(tls, |one| one.valid.not_before == Some(*not_before))) {
                true => "the certificate is not valid yet",
                false => "an issuer's certificate is not valid yet",
            }
        }
        CertificateProblem::WrongName { .. } => "the certificate is for another name",
        CertificateProblem::UnknownIssuer { .. } => "the certificate's issuer is unknown",
        CertificateProblem::Revoked => "the certificate has been revoked",
        _ => return None,
    })
}

fn text(tls: &TlsReport, problem: &CertificateProblem) -> String {
    let between = |from: SystemTime, to| units::long(from.duration_since(to).unwrap_or_default());
    match problem {
        CertificateProblem::UnknownIssuer { .. } => unknown_issuer(tls),
        CertificateProblem::Expired { not_after, checked_at } => {
            let which = which(tls, |one| one.valid.not_after == Some(*not_after));
            let ago = between(*checked_at, *not_after);
            format!("{which} has expired: {ago} ago, on {}", units::date(*not_after))
        }
        CertificateProblem::NotYetValid { not_before, checked_at } => {
            let which = which(tls, |one| one.valid.not_before == Some(*not_before));
            let ahead = between(*not_before, *checked_at);
            format!("{which} is not valid yet: in {ahead}, from {}", units::date(*not_before))
        }
        CertificateProblem::CaUsedAsEndEntity if tls.is_self_signed() => {
            "the certificate is self-signed".to_owned()
        }
        CertificateProblem::WrongName { expected, presented } => {
            wrong_name(tls, expected, presented)
        }
        CertificateProblem::Revoked => revoked(tls),
        CertificateProblem::KeySize { bits } => {
            let is_it = |one: &ParsedCertificate| {
                one.key.as_ref().is_some_and(|key| key.ends_with(&format!(" {bits}")))
            };
            match position(tls, is_it) {
                Some(at) => {
                    let name = tls.chain[at].short_name();
                    format!("{name} has {problem}")
                }
                None => problem.to_string(),
            }
        }
        CertificateProblem::SignatureAlgorithm { name } => {
            let is_it = |one: &ParsedCertificate| one.signature.as_deref() == Some(name);
            match position(tls, is_it) {
                Some(at) => format!("{} is {problem}", tls.chain[at].short_name()),
                None => problem.to_string(),
            }
        }
        problem => problem.to_string(),
    }
}

fn position(tls: &TlsReport, is_it: impl Fn(&ParsedCertificate) -> bool) -> Option<usize> {
    tls.chain.iter().position(|one| one.parsed.as_deref().is_some_and(&is_it))
}

/// The certificate that a problem is about.
fn which(tls: &TlsReport, is_it: impl Fn(&ParsedCertificate) -> bool) -> String {
    match position(tls, is_it) {
        None | Some(0) => "the certificate".to_owned(),
        Some(at) => {
            let name = tls.chain[at].short_name();
            format!("the issuer's certificate {name} (number {} of the chain)", at + 1)
        }
    }
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

/// Message about a name, with the type or the wildcard that makes the difference (RFC 9525, section 6).
fn wrong_name(tls: &TlsReport, expected: &str, presented: &[String]) -> String {
    let own = tls.chain.first().and_then(|own| own.parsed.as_deref());
    let names = own.map_or(&[][..], |own| &own.typed_names);
    let not_for = format!("the certificate is not for {}", units::printable(expected));
    if expected.parse::<IpAddr>().is_ok()
        && names.iter().any(|name| matches!(name, CertificateName::Dns(dns) if dns == expected))
    {
        return format!(
            "{not_for}: it has this as a DNS name, and an address must be an IP address entry"
        );
    }
    let wildcard = names.iter().find_map(|name| match name {
        CertificateName::Dns(pattern) => wildcard(pattern, expected),
        _ => None,
    });
    if let Some(reason) = wildcard {
        return format!("{not_for}: {reason}");
    }
    match own.map(|own| own.names.as_slice()) {
        Some([]) => format!("{not_for}: {}", without_hosts(names)),
        _ => format!("{not_for}, only for {}", listed(presented)),
    }
}

/// Reason why a wildcard does not match, if it nearly does (RFC 9525, section 6.3).
fn wildcard(pattern: &str, expected: &str) -> Option<String> {
    let (expected, lower) = (expected.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    let (first, rest) = lower.split_once('.')?;
    let shown = units::printable(pattern);
    if rest.contains('*') && expected.ends_with(rest.rsplit('*').next()?) {
        return Some(format!("in {shown}, only the first label may be a wildcard"));
    }
    let labels = match expected.strip_suffix(rest) {
        Some("") => return (first == "*").then(|| format!("{shown} stands for one label more")),
        Some(before) => before.strip_suffix('.')?,
        None => return None,
    };
    match first {
        "*" if labels.contains('.') => {
            let count = labels.split('.').count();
            Some(format!(
                "the wildcard of {shown} stands for one label, and `{labels}` has {count}"
            ))
        }
        "*" => None,
        first if first.contains('*') => {
            Some(format!("the wildcard of {shown} must be a whole label (`*.{rest}`)"))
        }
        _ => None,
    }
}

/// Message about a subjectAltName without hosts and addresses.
fn without_hosts(names: &[CertificateName]) -> String {
    let kinds = names.iter().map(|name| match name {
        CertificateName::Uri(_) => "URIs",
        CertificateName::Email(_) => "mail addresses",
        _ => "names of other types",
    });
    let mut kinds: Vec<&str> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.is_empty() {
        true => "it has no subjectAltName".to_owned(),
        false => format!("its subjectAltName has only {}", kinds.join(" and ")),
    }
}

/// The first names, and the number of the others.
fn listed(names: &[String]) -> String {
    const MAX_NAMES: usize = 8;
    let first = names.iter().take(MAX_NAMES).map(|name| units::printable(name));
    let first = first.collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MAX_NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn revoked(tls: &TlsReport) -> String {
    let Some(OcspStatus::Revoked { at, reason }) = tls.peer.ocsp.as_ref().map(|it| &it.status)
    else {
        return CertificateProblem::Revoked.to_string();
    };
    let date = at.map_or_else(String::new, |at| format!(" on {}", units::date(at)));
    let reason = reason.map_or_else(String::new, |reason| format!(", reason {reason}"));
    format!("the certificate was revoked{date}{reason} (stapled OCSP response)")
}

/// Stapled OCSP response in a few words.
pub(crate) fn ocsp(answer: &OcspAnswer) -> String {
    let mut text = format!("OCSP {}", answer.status);
    if answer.is_stale() {
        let since = answer.next_update.map(units::date).unwrap_or_default();
        text += &format!(", out of date since {since}");
    }
    match (&answer.status, answer.is_signed) {
        (OcspStatus::Unreadable | OcspStatus::Error(_), _) | (_, Some(true)) => {}
        (_, Some(false)) => text += ", not signed by the issuer",
        (_, None) => text += ", signature not checked",
    }
    text
}

/// Note about certificates that were sent and are not part of the verified path.
pub(crate) fn unused(tls: &TlsReport, now: SystemTime) -> Option<String> {
    let expired = |one: &&Certificate| one.not_after().is_some_and(|end| end < now);
    let found = tls.unused().find(expired)?;
    let ago = found.not_after().and_then(|end| now.duration_since(end).ok()).unwrap_or_default();
    let name = found.short_name();
    Some(format!("not used: {name}, which the server sends too, expired {} ago", units::long(ago)))
}

#[cfg(test)]
mod tests {
    use super::wildcard;

    #[test]
    fn reasons_of_wildcards_that_do_not_match() {
        let reason = |pattern, name| wildcard(pattern, name).unwrap_or_default();
        assert!(reason("*.wild.test", "a.b.wild.test").contains("`a.b` has 2"));
        assert!(reason("*.WILD.test", "a.b.c.wild.TEST").contains("`a.b.c` has 3"));
        assert!(reason("*.wild.test", "wild.test").contains("one label more"));
        assert!(reason("w*.wild.test", "www.wild.test").contains("whole label"));
        assert!(reason("*.*.wild.test", "a.b.wild.test").contains("first label"));
        assert_eq!(wildcard("*.wild.test", "a.other.test"), None);
        assert_eq!(wildcard("wild.test", "a.wild.test"), None);
        assert_eq!(wildcard("*.wild.test", "a.notwild.test"), None);
        assert_eq!(wildcard("*", "localhost"), None);
    }
}
