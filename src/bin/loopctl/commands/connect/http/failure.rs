//! Reasons of hyper's errors, from what was seen on the connection.

use std::error::Error;

use loopctl::PlainProtocol;

use super::observed::Seen;
use crate::report::http::{HttpFailure, HttpReport, HttpVersion};
use crate::util::units;

/// The failure that an error of hyper stands for.
pub(super) fn failure(error: &hyper::Error, seen: &Seen, http: &HttpReport) -> HttpFailure {
    if let Some(failure) = sources(error).find_map(|it| of_http2(it.downcast_ref()?)) {
        return failure;
    }
    if let Some(failure) = &seen.failures.receive {
        return HttpFailure::Receive(failure.clone());
    }
    if seen.received == 0 {
        return match &seen.failures.send {
            Some(failure) => HttpFailure::Send(failure.clone()),
            None => HttpFailure::Empty,
        };
    }
    match (http.head, http.version) {
        (None, HttpVersion::Http2) if seen.has_ended => HttpFailure::Empty,
        (None, HttpVersion::Http2) => HttpFailure::BadHttp2,
        (None, _) => of_head(error, seen),
        (Some(_), _) if seen.has_ended => {
            let response = http.response.as_ref();
            HttpFailure::BodyEnded { expected: response.and_then(|it| it.content_length) }
        }
        (Some(_), HttpVersion::Http2) => HttpFailure::BadHttp2,
        // Because hyper judges nothing of a body but its chunks.
        (Some(_), _) => HttpFailure::BadChunk,
    }
}

fn of_head(error: &hyper::Error, seen: &Seen) -> HttpFailure {
    const BEGINNING: &[u8] = b"HTTP/";
    /// Type of the record, and the major version (RFC 8446 section 5.1).
    const TLS_ALERT: &[u8] = &[21, 3];
    let is_http = seen.prefix.starts_with(BEGINNING) || BEGINNING.starts_with(&seen.prefix);
    if seen.prefix.starts_with(TLS_ALERT) {
        return HttpFailure::SpeaksTls;
    }
    if !is_http {
        let first = seen.prefix.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let began = units::printable(String::from_utf8_lossy(first).trim_end());
        return HttpFailure::NotHttp { protocol: PlainProtocol::of(&seen.prefix), began };
    }
    match seen.has_ended {
        _ if error.is_parse_too_large() => HttpFailure::HeadTooLarge { received: seen.received },
        true if !error.is_parse() => HttpFailure::HeadEnded,
        _ => HttpFailure::BadHead,
    }
}

/// `None` for an error of the connection below HTTP/2.
fn of_http2(error: &h2::Error) -> Option<HttpFailure> {
    let reason = error.reason()?;
    let (code, name) = (u32::from(reason), format!("{reason:?}"));
    Some(match (error.is_remote(), error.is_go_away(), error.is_reset()) {
        (true, true, _) => HttpFailure::GoAway { code, name },
        (true, _, true) => HttpFailure::StreamReset { code, name },
        _ => HttpFailure::BadHttp2,
    })
}

fn sources(error: &hyper::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
}
