//! Hints about TLS handshakes and certificates.

use std::net::IpAddr;

use loopctl::{
    CertificateName, CertificateProblem, PlainProtocol, TlsAlert, TlsError, TlsErrorKind,
};

use crate::diagnose::tls_silence::{TlsSilence, tls_silence};
use crate::report::certificate::ParsedCertificate;
use crate::report::{Report, TlsExpectation, TlsFailure, TlsPhase, TlsReport};

/// Hint for a connection without TLS.
pub(super) fn hint_for_tls(
    report: &Report,
    tls: &TlsReport,
    failure: &TlsFailure,
) -> Option<String> {
    let wanted = report.subject.tls.as_ref();
    let text = match (failure.kind(), failure.phase) {
        (Some(TlsErrorKind::Certificate), _) => return hint_for_certificate(tls, tls.problem()?),
        (Some(TlsErrorKind::Alert), _) => {
            return hint_for_alert(failure.error.as_ref()?.alert_received()?, tls, wanted?);
        }
        (Some(TlsErrorKind::TimedOut), TlsPhase::StartTls) => {
            "a server that sends no greeting may expect TLS at once: use --tls without --starttls"
        }
        (Some(TlsErrorKind::TimedOut), _) if stopped_at_tcp(report) => {
            let silence = tls_silence(tls).map(TlsSilence::hint);
            let silence = silence
                .unwrap_or("the port is open, but the peer does not answer the TLS handshake");
            return Some(format!("{silence}; `--success tls` tries the next address as well"));
        }
        (Some(TlsErrorKind::TimedOut), _) if tls_silence(tls).is_some() => {
            tls_silence(tls).map_or("", TlsSilence::hint)
        }
        (Some(TlsErrorKind::TimedOut), _) if tls.first_byte.is_none() => {
            "the port is open, but the peer does not answer the TLS handshake: the service may need --starttls, is busy, or hangs"
        }
        (Some(TlsErrorKind::NotTls), _) => return hint_for_plain(failure, wanted?),
        (Some(TlsErrorKind::Closed), _) if tls.first_byte.is_none() => {
            "the service closed the connection at the ClientHello: it may not speak TLS, may need --starttls, or refuses this client"
        }
        (None, TlsPhase::Handshake)
            if failure.failure.name() == Some("ECONNRESET") && tls.first_byte.is_none() =>
        {
            return hint_for_reset(wanted?);
        }
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

fn hint_for_reset(wanted: &TlsExpectation) -> Option<String> {
    let reset = "the connection was reset in answer to the ClientHello";
    Some(match wanted.server_name() {
        Some(name) => format!(
            "{reset}: the server, or a filter on the path that reads server names, may refuse {name}"
        ),
        None => format!("{reset}: the server, or a filter on the path, refuses TLS"),
    })
}

/// Hint for a peer that speaks another protocol.
fn hint_for_plain(failure: &TlsFailure, wanted: &TlsExpectation) -> Option<String> {
    let Some(TlsError::NotTls { first_bytes }) = &failure.error else { return None };
    if wanted.starttls.is_some() {
        return None;
    }
    let flag = match PlainProtocol::of(first_bytes) {
        Some(PlainProtocol::Smtp) => "smtp",
        Some(PlainProtocol::Lmtp) => "lmtp",
        Some(PlainProtocol::Ftp) => "ftp",
        Some(PlainProtocol::Nntp) => "nntp",
        Some(PlainProtocol::Imap) => "imap",
        Some(PlainProtocol::Pop3) => "pop3",
        Some(PlainProtocol::Sieve) => "sieve",
        Some(PlainProtocol::Xmpp) => "xmpp",
        Some(PlainProtocol::Postgres) => "postgres",
        Some(PlainProtocol::MySql) => "mysql",
        Some(PlainProtocol::ReplyCode) => {
            return Some(
                "use the protocol's STARTTLS: `--starttls smtp` or `--starttls ftp`".into(),
            );
        }
        Some(PlainProtocol::Http) => {
            return Some("this port serves HTTP without TLS: HTTPS has another port".into());
        }
        Some(_) => return None,
        None if first_bytes.is_ascii() => {
            return Some("the service may need STARTTLS: try --starttls".into());
        }
        None => return None,
    };
    Some(format!("the service may switch from plain text to TLS: use `--starttls {flag}`"))
}

/// Alerts of RFC 8446 section 6.2. A hint names only what was offered and can be the cause.
fn hint_for_alert(alert: TlsAlert, tls: &TlsReport, wanted: &TlsExpectation) -> Option<String> {
    if let Some(hint) = hint_for_own_certificate(alert, tls, wanted) {
        return Some(hint.to_owned());
    }
    let text = match alert {
        TlsAlert::ProtocolVersion if wanted.requires_13 => {
            "the server does not speak TLS 1.3, the only version that --tls-min 1.3 offers; it may speak TLS 1.2"
        }
        TlsAlert::ProtocolVersion => {
            "the server speaks neither TLS 1.2 nor TLS 1.3, the versions that this program offers"
        }
        TlsAlert::HandshakeFailure => return Some(hint_for_parameters(wanted)),
        TlsAlert::InsufficientSecurity => {
            "the server requires stronger cipher suites or groups than those that this program offers"
        }
        TlsAlert::NoApplicationProtocol if wanted.offers_alpn => {
            "the server supports none of the protocols of --alpn"
        }
        TlsAlert::NoApplicationProtocol => {
            "the server requires a protocol (ALPN), and none was offered: use --alpn"
        }
        TlsAlert::UnrecognizedName => match wanted.server_name() {
            Some(_) => "the server does not know the requested name: use --sni for another",
            None => "the server requires a server name (SNI), and none was sent: use --sni",
        },
        TlsAlert::InternalError => {
            "an error inside the server, which its own log explains; it need not concern this client"
        }
        TlsAlert::AccessDenied if wanted.server_name().is_none() => {
            "the server denies access; no server name was sent (SNI): use --sni"
        }
        TlsAlert::DecodeError
        | TlsAlert::IllegalParameter
        | TlsAlert::UnexpectedMessage
        | TlsAlert::MissingExtension
        | TlsAlert::UnsupportedExtension
        | TlsAlert::RecordOverflow => {
            "the server rejects the form of a message: a fault of the server, of this program, or of a device on the path"
        }
        TlsAlert::BadRecordMac | TlsAlert::DecryptError | TlsAlert::DecryptionFailed => {
            "the data was changed on the path, or one side has computed other keys"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Causes of handshake_failure: no common parameters, or a name that the server requires.
fn hint_for_parameters(wanted: &TlsExpectation) -> String {
    let versions = if wanted.requires_13 { "TLS 1.3 suites" } else { "ECDHE suites" };
    let mut text = format!(
        "no cipher suite, group or kind of key is common; offered: {versions} with AES-GCM or ChaCha20, and X25519, P-256, P-384"
    );
    if wanted.requires_13 {
        text += "; without --tls-min 1.3, TLS 1.2 is offered too";
    }
    if wanted.server_name().is_none() {
        text += "; or the server requires a server name: use --sni";
    }
    text
}

/// Alerts that judge a client certificate, and those after a request for one.
fn hint_for_own_certificate(
    alert: TlsAlert,
    tls: &TlsReport,
    wanted: &TlsExpectation,
) -> Option<&'static str> {
    let is_about_certificate = matches!(
        alert,
        TlsAlert::BadCertificate
            | TlsAlert::UnsupportedCertificate
            | TlsAlert::CertificateRevoked
            | TlsAlert::CertificateExpired
            | TlsAlert::CertificateUnknown
            | TlsAlert::UnknownCa
            | TlsAlert::AccessDenied
            | TlsAlert::CertificateRequired
            | TlsAlert::NoCertificate
    );
    let may_be = is_about_certificate || alert == TlsAlert::HandshakeFailure;
    match wanted.has_own {
        _ if !(is_about_certificate || tls.peer.asks_for_certificate && may_be) => None,
        true if tls.peer.asks_for_certificate => {
            Some("the server requires a client certificate and rejects the one of --cert")
        }
        false if tls.peer.asks_for_certificate => {
            Some("the server requires a client certificate: use --cert and --key")
        }
        false if alert == TlsAlert::CertificateRequired => {
            Some("the server requires a client certificate: use --cert and --key")
        }
        _ => None,
    }
}

fn hint_for_certificate(tls: &TlsReport, problem: &CertificateProblem) -> Option<String> {
    let own = tls.chain.first().and_then(|own| own.parsed.as_deref());
    let is_alone = tls.chain.len() == 1;
    let text = match problem {
        CertificateProblem::CaUsedAsEndEntity | CertificateProblem::UnknownIssuer { .. }
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
        CertificateProblem::WrongName { expected, .. } => return hint_for_name(own, expected),
        CertificateProblem::Expired { .. } | CertificateProblem::NotYetValid { .. } => {
            "the server needs a new certificate, unless the clock of this host is wrong (`date -u`)"
        }
        CertificateProblem::SignatureAlgorithm { name } if is_weak(name) => {
            "such signatures can be forged: the server needs a certificate that is signed with SHA-256 or better"
        }
        CertificateProblem::KeySize { bits } if *bits < 2048 => {
            "such keys can be broken: the server needs a key of 2,048 bits or more"
        }
        CertificateProblem::KeySize { .. } | CertificateProblem::Version => {
            "this limit is this program's: other clients may accept it; `--insecure` accepts any certificate"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

fn is_weak(algorithm: &str) -> bool {
    let algorithm = algorithm.to_ascii_lowercase();
    ["sha1", "md5", "md4", "md2"].iter().any(|digest| algorithm.contains(digest))
}

fn hint_for_name(own: Option<&ParsedCertificate>, expected: &str) -> Option<String> {
    let has_as_dns = |own: &ParsedCertificate| {
        own.typed_names
            .iter()
            .any(|name| matches!(name, CertificateName::Dns(it) if it == expected))
    };
    let text = match own {
        Some(own) if expected.parse::<IpAddr>().is_ok() && has_as_dns(own) => {
            "the certificate needs the address as an IP address entry, in OpenSSL `subjectAltName=IP:...`"
        }
        Some(own) if own.typed_names.is_empty() => {
            "the certificate has no subjectAltName; clients ignore the common name"
        }
        Some(own) if own.names.is_empty() => {
            "the certificate needs a DNS name or IP address in its subjectAltName; clients ignore other types"
        }
        _ => {
            "`--sni NAME` requests another name; without a match, servers send their default certificate"
        }
    };
    Some(text.to_owned())
}
