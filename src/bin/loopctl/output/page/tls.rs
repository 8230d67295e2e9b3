//! TLS on the page of a connection: what was agreed on, and the certificates of the peer.

use super::connect::error;
use super::model::{Fact, Note, Part, Tone};
use super::words::{prose, word, yes_or_no};
use crate::output::wire::tls::{Certificate, Ocsp, Tls};

pub(super) fn parts(tls: &Tls) -> Vec<Part> {
    let mut problems: Vec<Note> = tls.error.iter().map(error).collect();
    for problem in &tls.problems {
        if problems.iter().all(|note| note.text != problem.message) {
            problems.push(Note::new(Tone::Bad, "problem", problem.message.clone()));
        }
    }
    let facts = [
        tls.starttls.as_ref().map(|it| {
            let greeting = it.greeting.as_deref().unwrap_or("no greeting");
            Fact::new(
                "starttls",
                format!("{} in {}: {greeting}", it.protocol, prose(it.duration_ms)),
            )
        }),
        Some(Fact::new("handshake", word(&tls.result))),
        Fact::of("duration", tls.duration_ms.map(prose)),
        Fact::of("version", tls.version.as_ref().map(word)),
        Fact::of("cipher suite", tls.cipher.as_ref()),
        Fact::of("key exchange", tls.group.as_ref()),
        Fact::of("alpn", tls.alpn.as_ref()),
        Fact::of("name asked for", tls.sni.as_ref()),
        Fact::of("resumed", tls.resumed.map(yes_or_no)),
        Some(Fact::new("certificates trusted", tls.verified.map_or("not checked", yes_or_no))),
        tls.client_certificate_requested.then(|| Fact::new("client certificate", "requested")),
        tls.ocsp.as_ref().map(|it| Fact::new("stapled ocsp", ocsp(it))),
    ];
    vec![Part::Notes(problems), Part::Facts(facts.into_iter().flatten().collect())]
}

fn ocsp(ocsp: &Ocsp) -> String {
    let mut parts = vec![ocsp.status.replace('_', " ")];
    parts.extend(ocsp.error.as_ref().map(ToString::to_string));
    parts.extend(ocsp.revoked_at.as_ref().map(|at| format!("revoked at {at}")));
    parts.extend(ocsp.reason.as_ref().map(|reason| format!("reason {reason}")));
    parts.extend(ocsp.next_update.as_ref().map(|at| format!("next update {at}")));
    parts.extend(ocsp.stale.then(|| "stale".to_owned()));
    parts.extend(ocsp.signed.map(|signed| format!("signed: {}", yes_or_no(signed))));
    parts.join(", ")
}

/// Each certificate as it was received.
pub(super) fn certificates(tls: &Tls) -> Vec<Part> {
    let chain = tls.chain.iter().enumerate();
    chain.map(|(place, it)| Part::Facts(certificate(tls, place, it))).collect()
}

fn certificate(tls: &Tls, place: usize, certificate: &Certificate) -> Vec<Fact> {
    let verified = match tls.path.iter().position(|it| *it == place) {
        Some(step) => format!(", step {} of the verified path", step + 1),
        None => String::new(),
    };
    let valid = certificate.not_before.iter().chain(&certificate.not_after);
    let valid: Vec<&str> = valid.map(String::as_str).collect();
    let facts = [
        Some(Fact::new("certificate", format!("{} of {}{verified}", place + 1, tls.chain.len()))),
        Fact::of("subject", certificate.subject.as_ref()),
        Fact::list("names", &certificate.san),
        Fact::of("issuer", certificate.issuer.as_ref()),
        (!valid.is_empty()).then(|| Fact::new("valid", valid.join(" to "))),
        Fact::of("public key", certificate.key.as_ref()),
        Fact::of("signature", certificate.signature.as_ref()),
        Fact::of("serial", certificate.serial.as_ref()),
        Some(Fact::new("sha-256", certificate.sha256.0.clone())),
        Fact::of("pin (sha-256 of the key)", certificate.pin_sha256.as_ref()),
    ];
    facts.into_iter().flatten().collect()
}
