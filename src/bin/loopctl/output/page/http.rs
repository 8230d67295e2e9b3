//! HTTP on the page of a connection: the request, its phases, the response.

use super::connect::error;
use super::model::{Fact, Note, Part};
use super::words::{prose, word, yes_or_no};
use crate::output::wire::http::Http;
use crate::util::units;

pub(super) fn parts(http: &Http) -> Vec<Part> {
    let errors: Vec<Note> = http.error.iter().map(error).collect();
    let facts = [
        Some(Fact::new(
            "request",
            format!("{} {} {}", http.method, http.path, word(&http.version)),
        )),
        Fact::of("status", status(http)),
        Fact::of("time of the server", http.server_ms.map(prose)),
        Fact::of("round trip", http.round_trip_ms.map(prose)),
        Fact::of("time of the body", http.body_ms.map(prose)),
        Some(Fact::new("body", units::bytes(http.body_bytes))),
        Fact::of("rate", http.bytes_per_second.map(|rate| format!("{}/s", units::bytes(rate)))),
        Fact::of("server", http.server.as_ref()),
        Fact::of("content type", http.content_type.as_ref()),
        Fact::of("content length", http.content_length.map(|length| format!("{length} B"))),
        Fact::of("location", http.location.as_ref()),
        Fact::of("hsts", http.hsts_seconds.map(|seconds| format!("{seconds} s"))),
        http.offers_http3.then(|| Fact::new("offers http/3", yes_or_no(true))),
        (http.interim_responses > 0)
            .then(|| Fact::new("interim responses", http.interim_responses.to_string())),
    ];
    vec![Part::Notes(errors), Part::Facts(facts.into_iter().flatten().collect())]
}

/// Status code and reason phrase.
pub(super) fn status(http: &Http) -> Option<String> {
    let reason = http.reason.as_deref().unwrap_or_default();
    http.status.map(|status| format!("{status} {reason}").trim_end().to_owned())
}
