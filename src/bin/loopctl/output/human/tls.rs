//! TLS as text: negotiated parameters and the peer's certificate.

use std::time::{Duration, SystemTime};

use anstyle::AnsiColor;
use loopctl::{CertificateProblem, TlsErrorKind, TlsVerdict};

use crate::config::StartTls;
use crate::diagnose::certificate;
use crate::report::certificate::{Certificate, ParsedCertificate};
use crate::report::{Report, TlsFailure, TlsReport};
use crate::util::style::Style;
use crate::util::units;

/// A line for each step, and one for the peer's certificate.
pub(crate) fn lines(report: &Report, style: Style) -> String {
    let Some(tls) = &report.tls else { return String::new() };
    dialogue_line(tls) + &handshake_line(report, tls, style) + &certificate_line(report, tls, style)
}

/// Outcome of an attempt that ended in its handshake, with the duration. `lost`: text for a canceled one.
pub(crate) fn outcome(tls: &TlsReport, failure: &TlsFailure, lost: &str) -> String {
    let took = units::column(tls.took().unwrap_or_default());
    let silent = if tls.first_byte.is_some() { "in TLS" } else { "TLS silent" };
    match failure.kind() {
        Some(TlsErrorKind::Canceled) => format!("{lost}, {silent} {took}"),
        Some(TlsErrorKind::TimedOut) => format!("timed out, {silent} {took}"),
        Some(TlsErrorKind::Certificate) => {
            let word = tls.problem().map_or("no certificate", fault);
            format!("cert {word}, TLS {took}")
        }
        _ => format!("TLS failed {took}"),
    }
}

/// Certificates in the received order: in full on request, in short if one is invalid.
pub(crate) fn chain(report: &Report, style: Style, in_full: bool) -> String {
    let Some(tls) = &report.tls else { return String::new() };
    let is_refused = tls.failure.is_some() && tls.problem().is_some();
    if tls.chain.is_empty() || !(in_full || is_refused) {
        return String::new();
    }
    let now = report.started_at.wall;
    let certificates = tls.chain.iter().enumerate();
    let certificates = certificates.map(|(at, certificate)| match in_full {
        true => in_words(at, certificate, now, style),
        false => in_short(at, certificate, now, style),
    });
    format!("  chain, as received\n{}", certificates.collect::<String>())
}

/// Phases after the race, with their durations.
pub(crate) fn parts(report: &Report) -> impl Iterator<Item = (&'static str, Duration)> {
    let tls = report.tls.as_ref();
    let starttls = tls.and_then(|tls| tls.starttls.as_ref());
    let starttls = starttls.map(|starttls| (protocol(starttls.protocol), starttls.took));
    let handshake = tls.and_then(TlsReport::took).map(|took| ("tls", took));
    starttls.into_iter().chain(handshake)
}

fn dialogue_line(tls: &TlsReport) -> String {
    let Some(starttls) = &tls.starttls else { return String::new() };
    let name = protocol(starttls.protocol);
    let greeting = starttls.greeting.as_deref().unwrap_or_default();
    let line = format!("  {name:<8} {} ms  {greeting}", units::column(starttls.took));
    line.trim_end().to_owned() + "\n"
}

fn handshake_line(report: &Report, tls: &TlsReport, style: Style) -> String {
    let took =
        tls.took().map_or_else(|| "-".to_owned(), |took| format!("{} ms", units::column(took)));
    let offers = report.subject.tls.as_ref().is_some_and(|wanted| wanted.offers_alpn);
    let mut parts = vec![took];
    if tls.failure.is_some() || tls.info.is_none() {
        let text = match &tls.failure {
            Some(failure) if failure.kind() == Some(TlsErrorKind::Canceled) => "given up",
            Some(_) => "failed",
            None => "not finished",
        };
        parts.push(style.paint(AnsiColor::Red.on_default(), text));
    }
    if let Some(info) = &tls.info {
        parts.push(info.version.to_string());
        parts.push(info.cipher_suite.trim_start_matches("TLS_").to_owned());
        parts.extend(info.key_exchange.clone());
        let agreed = alpn(info.alpn.as_deref());
        parts.extend(agreed.or_else(|| offers.then(|| "no ALPN".to_owned())));
        parts.extend(info.resumed.then(|| "resumed".to_owned()));
    }
    let stapled = tls.peer.ocsp_stapled.then(|| "OCSP stapled".to_owned());
    parts.extend(tls.peer.ocsp.as_ref().map(certificate::ocsp).or(stapled));
    parts.extend(tls.peer.asks_for_certificate.then(|| "requests a client certificate".to_owned()));
    format!("  tls      {}\n", parts.join("  "))
}

/// Negotiated ALPN protocol as text.
pub(crate) fn alpn(name: Option<&[u8]>) -> Option<String> {
    name.map(|name| units::printable(&String::from_utf8_lossy(name)))
}

fn certificate_line(report: &Report, tls: &TlsReport, style: Style) -> String {
    let Some(own) = tls.chain.first() else { return String::new() };
    let name = report.subject.tls.as_ref().and_then(|wanted| wanted.name.as_deref());
    let (text, color) = match (&tls.peer.verdict, name) {
        (TlsVerdict::Verified, Some(name)) => (format!("ok for {name}"), AnsiColor::Green),
        (TlsVerdict::Verified, None) => ("ok, name not checked".to_owned(), AnsiColor::Green),
        (TlsVerdict::Failed(problem), _) => (fault(problem).to_owned(), AnsiColor::Red),
        _ => ("not checked".to_owned(), AnsiColor::Yellow),
    };
    let verdict = style.paint(color.on_default(), &text);
    let left =
        own.parsed.as_ref().map_or_else(String::new, |parsed| left(parsed, report.started_at.wall));
    // Because the error of a failed handshake already names the problem.
    let doubts = certificate::problems(tls).into_iter().map(|(_, text)| text);
    let doubts = doubts.filter(|_| tls.failure.is_none());
    let notes = doubts.chain(certificate::unused(tls, report.started_at.wall));
    let notes: String = notes.map(|note| format!("           {note}\n")).collect();
    format!("  cert     {}  {verdict}  {left}\n{notes}", own.short_name())
}

/// Problem of a certificate, in two words.
fn fault(problem: &CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::WrongName { .. } => "another name",
        CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. } => "not valid",
        _ => "not trusted",
    }
}

/// Remaining validity, such as `89 d left`, or the time since it expired.
fn left(parsed: &ParsedCertificate, now: SystemTime) -> String {
    if let Some(not_before) = parsed.valid.not_before
        && let Ok(ahead) = not_before.duration_since(now)
        && ahead > Duration::ZERO
    {
        return format!("valid in {}", units::long(ahead));
    }
    match parsed.left(now) {
        Some(Ok(_)) if parsed.valid.has_no_expiry => "no expiry".to_owned(),
        Some(Ok(left)) => format!("{} left", units::long(left)),
        Some(Err(ago)) => format!("expired {} ago", units::long(ago)),
        None => "expiry unreadable".to_owned(),
    }
}

fn unreadable() -> String {
    "unreadable".to_owned()
}

fn in_short(at: usize, certificate: &Certificate, now: SystemTime, style: Style) -> String {
    let left = certificate.parsed.as_ref().map_or_else(String::new, |parsed| left(parsed, now));
    units::fit(&format!("  {}  {}  {left}", at + 1, certificate.short_name()), style.width)
}

fn in_words(at: usize, certificate: &Certificate, now: SystemTime, style: Style) -> String {
    let name = certificate.parsed.as_ref().map(|parsed| parsed.subject_or_name().to_owned());
    let name = name.unwrap_or_else(|| certificate.short_name());
    let mut lines = vec![format!("  {}  {name}", at + 1)];
    if let Some(parsed) = &certificate.parsed {
        let date = |date: Option<SystemTime>| date.map_or_else(unreadable, units::date);
        let dates = [parsed.valid.not_before, parsed.valid.not_after].map(date);
        lines.push(format!("     issuer  {}", parsed.issuer));
        lines.push(match parsed.names.as_slice() {
            [] => "     names   none".to_owned(),
            names => format!("     names   {}", names.join("  ")),
        });
        lines.push(format!("     valid   {} to {}  {}", dates[0], dates[1], left(parsed, now)));
        let (key, signature) = (parsed.key.clone(), parsed.signature.clone());
        let (key, signature) =
            (key.unwrap_or_else(unreadable), signature.unwrap_or_else(unreadable));
        lines.push(format!("     key     {key}  signed with {signature}"));
    }
    lines.push(format!("     sha256  {}", certificate.sha256));
    let pin = certificate.parsed.as_ref().and_then(|parsed| parsed.pin.as_ref());
    lines.extend(pin.map(|pin| format!("     pin     sha256//{pin}")));
    lines.iter().map(|line| units::fit(line, style.width)).collect()
}

/// Name of the STARTTLS protocol.
pub(crate) fn protocol(protocol: StartTls) -> &'static str {
    match protocol {
        StartTls::Smtp => "smtp",
        StartTls::Imap => "imap",
        StartTls::Pop3 => "pop3",
        StartTls::Ftp => "ftp",
        StartTls::Postgres => "postgres",
        StartTls::Ldap => "ldap",
        StartTls::Xmpp => "xmpp",
        StartTls::MySql => "mysql",
        StartTls::Nntp => "nntp",
        StartTls::Sieve => "sieve",
        StartTls::Lmtp => "lmtp",
    }
}
