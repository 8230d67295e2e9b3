//! Sentences about HTTP responses that are missing or incomplete.

use loopctl::PlainProtocol;

use super::cause::failure_text;
use crate::report::http::{HttpFailure, HttpPhase, HttpReport, RedirectProblem};
use crate::util::secrets::without_passwords;
use crate::util::units;

/// Reason of a failure, as a sentence.
pub(crate) fn text(http: &HttpReport, failure: &HttpFailure) -> String {
    match failure {
        HttpFailure::Empty => {
            "the server closed the connection without an answer to the request".to_owned()
        }
        HttpFailure::NotHttp { protocol: Some(protocol), began }
            if *protocol != PlainProtocol::ReplyCode =>
        {
            format!("the server speaks {protocol}, not HTTP: it sent `{}`", quoted(began))
        }
        HttpFailure::NotHttp { began, .. } => {
            format!("the answer is not HTTP: it begins with `{}`", quoted(began))
        }
        HttpFailure::SpeaksTls => "the server speaks TLS: it answered with an alert".to_owned(),
        HttpFailure::BadHead => "the header of the response is not valid HTTP".to_owned(),
        HttpFailure::HeadTooLarge { received } => {
            format!(
                "the header of the response is too long: {} without its end",
                units::bytes(*received)
            )
        }
        HttpFailure::HeadEnded => {
            "the connection ended inside the header of the response".to_owned()
        }
        HttpFailure::BodyEnded { expected } => body_ended(http.body, *expected),
        HttpFailure::BadChunk => format!(
            "a chunk of the body is not valid, after {} of the body",
            units::bytes(http.body)
        ),
        HttpFailure::Send(failure) => {
            format!("sending the request failed: {}", failure_text(failure))
        }
        HttpFailure::Receive(failure) => {
            format!("receiving the response failed: {}{}", failure_text(failure), so_far(http))
        }
        HttpFailure::GoAway { code, name } => {
            format!(
                "the server ended the HTTP/2 connection (GOAWAY, {name}, code {code}){}",
                so_far(http)
            )
        }
        HttpFailure::StreamReset { code, name } => {
            format!(
                "the server reset the HTTP/2 stream (RST_STREAM, {name}, code {code}){}",
                so_far(http)
            )
        }
        HttpFailure::BadHttp2 => "the answer is not valid HTTP/2".to_owned(),
        HttpFailure::TimedOut(phase) => timed_out(http, *phase),
        HttpFailure::TooManyRedirects => {
            "the 10 redirects before it were followed, and no more are".to_owned()
        }
        HttpFailure::BadRedirect(problem) => bad_redirect(http, problem),
        HttpFailure::BadRequest => "the header fields make no valid request".to_owned(),
    }
}

/// Hint about a remedy.
pub(crate) fn hint(http: &HttpReport, failure: &HttpFailure) -> Option<String> {
    match failure {
        HttpFailure::SpeaksTls => Some("add --tls".to_owned()),
        HttpFailure::TimedOut(HttpPhase::Server) => {
            let taken = http.tcp.is_some_and(|tcp| tcp.traffic.unacked == 0);
            taken.then(|| {
                "the kernel of the server has the request: its program is busy, hangs, or waits for another protocol"
                    .to_owned()
            })
        }
        _ => None,
    }
}

fn body_ended(received: u64, expected: Option<u64>) -> String {
    match expected {
        Some(expected) => {
            format!("the connection ended after {received} of {expected} bytes of the body")
        }
        None => format!("the connection ended after {received} bytes, before the end of the body"),
    }
}

/// The part of the response that had come, for a sentence.
fn so_far(http: &HttpReport) -> String {
    match (&http.response, http.body) {
        (None, _) => String::new(),
        (Some(_), body) => format!(" after {} of the body", units::bytes(body)),
    }
}

fn timed_out(http: &HttpReport, phase: HttpPhase) -> String {
    let after = |from| units::prose(http.ended.saturating_sub(from));
    match phase {
        HttpPhase::Request => {
            format!("the server did not take the request within {}", after(http.started))
        }
        HttpPhase::Server => format!(
            "the server sent no byte within {} of the request",
            after(http.sent.unwrap_or(http.started))
        ),
        HttpPhase::Head if http.interim > 0 => format!(
            "the server sent {} and no final one within {}",
            units::count(
                http.interim as usize,
                "interim response (1xx)",
                "interim responses (1xx)"
            ),
            after(http.started)
        ),
        HttpPhase::Head => format!(
            "the header of the response did not end within {} of its first byte",
            after(http.first_byte.unwrap_or(http.started))
        ),
        HttpPhase::Body => format!(
            "the body did not end within {}: {} came",
            after(http.head.unwrap_or(http.started)),
            units::bytes(http.body)
        ),
    }
}

fn bad_redirect(http: &HttpReport, problem: &RedirectProblem) -> String {
    let location = http.response.as_ref().and_then(|response| response.location.as_deref());
    let location = quoted(location.unwrap_or_default());
    match problem {
        RedirectProblem::NotAUrl => format!("the redirect to `{location}` leads to no host"),
        RedirectProblem::Scheme(scheme) => {
            format!("the redirect to `{location}` is not followed: {} is not HTTP", quoted(scheme))
        }
        RedirectProblem::NoTarget(error) => {
            format!("the redirect to `{location}` is not followed: {error}")
        }
    }
}

/// Text of a peer for a sentence: without control characters, and not too long.
pub(crate) fn quoted(text: &str) -> String {
    const MAX_CHARS: usize = 80;
    let text = without_passwords(&units::printable(text));
    match text.char_indices().nth(MAX_CHARS) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

/// Status with its reason phrase: `404 Not Found`.
pub(crate) fn status(status: u16, reason: &str) -> String {
    format!("{status} {}", quoted(reason)).trim_end().to_owned()
}
