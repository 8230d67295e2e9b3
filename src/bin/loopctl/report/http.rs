//! Report of `--http`: one request over the connection, as times and typed failures.

use std::time::{Duration, Instant};

use loopctl::{Failure, PlainProtocol, TcpInfo};

use super::{End, FailureKind, Report, Unmet};
use crate::config::{HttpExpectations, StatusSet};

/// One request and its response. All times count from the start of the work on the target.
#[derive(Debug, Clone)]
pub(crate) struct HttpReport {
    pub(crate) method: String,
    /// Request target: the path with its query, without secrets.
    pub(crate) path: String,
    /// Version that was spoken.
    pub(crate) version: HttpVersion,
    /// Start of the request.
    pub(crate) started: Duration,
    /// The kernel had taken the whole request.
    pub(crate) sent: Option<Duration>,
    /// First byte of the response; over HTTP/2, its header.
    pub(crate) first_byte: Option<Duration>,
    /// End of the header of the final response.
    pub(crate) head: Option<Duration>,
    pub(crate) ended: Duration,
    /// Segments that had been resent before the request.
    pub(crate) resent_before: u32,
    /// Figures of the kernel at the first byte, or at the end without one.
    pub(crate) tcp: Option<TcpInfo>,
    /// Number of interim responses (1xx).
    pub(crate) interim: u32,
    pub(crate) response: Option<HttpResponse>,
    /// Bytes of the body, without its transfer coding.
    pub(crate) body: u64,
    /// First bytes of the body, if an expectation needs them.
    pub(crate) kept: Vec<u8>,
    pub(crate) failure: Option<HttpFailure>,
}

/// Version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpVersion {
    Http10,
    Http11,
    Http2,
}

/// Header of the final response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    /// Reason phrase, as sent or as registered.
    pub(crate) reason: String,
    pub(crate) server: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) content_length: Option<u64>,
    pub(crate) location: Option<String>,
    /// `max-age` of `Strict-Transport-Security` (RFC 6797).
    pub(crate) hsts: Option<Duration>,
    /// Whether `Alt-Svc` offers HTTP/3 (RFC 7838, RFC 9114 section 3.1.1).
    pub(crate) offers_http3: bool,
}

/// Part of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpPhase {
    Request,
    /// From the request to the first byte.
    Server,
    Head,
    Body,
}

/// Reason why a response is missing or incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpFailure {
    /// The server closed the connection without a byte.
    Empty,
    /// The first bytes are no HTTP.
    NotHttp {
        protocol: Option<PlainProtocol>,
        began: String,
    },
    /// The first bytes are an alert of TLS.
    SpeaksTls,
    /// A line of the header is not valid.
    BadHead,
    HeadTooLarge {
        received: u64,
    },
    /// The connection ended inside the header.
    HeadEnded,
    /// The connection ended inside the body; `expected` by `content-length`.
    BodyEnded {
        expected: Option<u64>,
    },
    /// The chunked transfer coding is not valid.
    BadChunk,
    Send(Failure),
    Receive(Failure),
    /// The server ended the HTTP/2 connection (GOAWAY), with its error code.
    GoAway {
        code: u32,
        name: String,
    },
    /// The server ended the HTTP/2 stream (RST_STREAM), with its error code.
    StreamReset {
        code: u32,
        name: String,
    },
    /// HTTP/2 frames that are not valid, or that do not come.
    BadHttp2,
    TimedOut(HttpPhase),
    TooManyRedirects,
    BadRedirect(RedirectProblem),
    /// The header fields of the command line make no request.
    BadRequest,
}

/// Reason why a redirect cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RedirectProblem {
    /// The location is no URL of a host.
    NotAUrl,
    /// A scheme other than http and https.
    Scheme(String),
    /// No connection can be made to it.
    NoTarget(String),
}

/// Kind of a failure, which decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HttpFailureKind {
    /// The exchange has not ended.
    Unfinished,
    Empty,
    /// The answer is not HTTP, or not valid.
    Invalid,
    Http2,
    Http2Stream,
    Send,
    Receive,
    Partial,
    TooManyRedirects,
}

impl HttpFailure {
    /// Kind of failure of the target.
    fn kind_of_target(&self) -> FailureKind {
        FailureKind::NoHttp(match self {
            Self::TimedOut(_) => return FailureKind::TimedOut,
            Self::Empty => HttpFailureKind::Empty,
            Self::NotHttp { .. } | Self::SpeaksTls | Self::BadHead | Self::BadRedirect(_) => {
                HttpFailureKind::Invalid
            }
            Self::HeadTooLarge { .. } | Self::HeadEnded => HttpFailureKind::Receive,
            Self::BadChunk | Self::Receive(_) => HttpFailureKind::Receive,
            Self::BodyEnded { .. } => HttpFailureKind::Partial,
            Self::Send(_) => HttpFailureKind::Send,
            Self::GoAway { .. } | Self::BadHttp2 => HttpFailureKind::Http2,
            Self::StreamReset { .. } => HttpFailureKind::Http2Stream,
            Self::TooManyRedirects => HttpFailureKind::TooManyRedirects,
            Self::BadRequest => HttpFailureKind::Invalid,
        })
    }
}

impl HttpReport {
    pub(crate) fn new(method: String, path: String, version: HttpVersion) -> Self {
        Self {
            method,
            path,
            version,
            started: Duration::ZERO,
            sent: None,
            first_byte: None,
            head: None,
            ended: Duration::ZERO,
            resent_before: 0,
            tcp: None,
            interim: 0,
            response: None,
            body: 0,
            kept: Vec::new(),
            failure: None,
        }
    }

    /// Time to send the request, as far as it came.
    pub(crate) fn request_took(&self) -> Duration {
        let until = self.sent.or(self.first_byte).unwrap_or(self.ended);
        until.saturating_sub(self.started)
    }

    /// Time from the request to the first byte, or to the end without one. A round trip is part of it.
    pub(crate) fn wait(&self) -> Option<Duration> {
        let sent = self.sent.or(self.first_byte)?;
        Some(self.first_byte.unwrap_or(self.ended).saturating_sub(sent))
    }

    /// Time of the server: the wait for the first byte without one round trip.
    pub(crate) fn server_took(&self, rtt: Duration) -> Option<Duration> {
        self.first_byte?;
        Some(self.wait()?.saturating_sub(rtt))
    }

    /// Time from the first byte to the end of the header.
    pub(crate) fn head_took(&self) -> Option<Duration> {
        let first = self.first_byte?;
        Some(self.head.unwrap_or(self.ended).saturating_sub(first))
    }

    /// Time from the header to the end of the body.
    pub(crate) fn body_took(&self) -> Option<Duration> {
        Some(self.ended.saturating_sub(self.head?))
    }

    /// Bytes of the body per second; `None` for a body without a duration.
    pub(crate) fn body_rate(&self) -> Option<f64> {
        let took = self.body_took().filter(|took| *took >= Duration::from_millis(1))?;
        (self.body > 0).then(|| self.body as f64 / took.as_secs_f64())
    }

    /// Failure of a body that ended before the length of its header, which HTTP/2 lets pass.
    pub(crate) fn missing_body(&self) -> Option<HttpFailure> {
        let response = self.response.as_ref()?;
        let has_body = self.method != "HEAD" && !matches!(response.status, 204 | 304);
        let expected = response.content_length.filter(|length| has_body && *length > self.body)?;
        Some(HttpFailure::BodyEnded { expected: Some(expected) })
    }

    /// Phase that the exchange is in.
    pub(crate) fn phase(&self) -> HttpPhase {
        match (self.sent, self.first_byte, self.head) {
            (_, _, Some(_)) => HttpPhase::Body,
            (_, Some(_), None) => HttpPhase::Head,
            (Some(_), None, None) => HttpPhase::Server,
            (None, None, None) => HttpPhase::Request,
        }
    }

    /// Location of a redirect; `None` for other responses.
    pub(crate) fn redirect(&self) -> Option<&str> {
        let response = self.response.as_ref().filter(|_| self.failure.is_none())?;
        let redirects = [301, 302, 303, 307, 308].contains(&response.status);
        response.location.as_deref().filter(|_| redirects)
    }
}

impl Report {
    /// Records the start of the request. Until it ends, the target counts as failed.
    pub(crate) fn begin_http(&mut self, http: HttpReport, now: Instant) {
        let started = self.since_start(now);
        let tcp = self.winner().and_then(|winner| winner.tcp);
        let resent_before = tcp.map_or(0, |tcp| tcp.retransmits);
        self.http = Some(Box::new(HttpReport { started, ended: started, resent_before, ..http }));
        self.end = End::Failed(FailureKind::NoHttp(HttpFailureKind::Unfinished));
    }

    /// Records the end of the exchange.
    pub(crate) fn end_http(&mut self, failure: Option<HttpFailure>, now: Instant) {
        let at = self.since_start(now);
        let Some(http) = &mut self.http else { return };
        http.ended = at;
        // Because `--all` waits for every attempt, its end may be later than that of the response.
        self.total = self.total.max(at);
        self.end = match &failure {
            Some(failure) => End::Failed(failure.kind_of_target()),
            None => End::Connected,
        };
        http.failure = failure;
    }

    /// Records a redirect that cannot be followed.
    pub(crate) fn fail_redirect(&mut self, failure: HttpFailure) {
        let Some(http) = &mut self.http else { return };
        self.end = End::Failed(failure.kind_of_target());
        http.failure = Some(failure);
    }

    /// HTTP failure over the connection, with its report.
    pub(crate) fn http_failure(&self) -> Option<(&HttpReport, &HttpFailure)> {
        let http = self.http.as_deref()?;
        Some((http, http.failure.as_ref()?))
    }

    /// Round trip of the connection: the smaller of the handshake's and the latest one, because an acknowledgement may
    /// wait for the answer.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let handshake = self.winner().and_then(|winner| winner.connected);
        let latest = self.http.as_ref().and_then(|http| http.tcp);
        let measured = [handshake, latest].into_iter().flatten().map(|tcp| tcp.rtt);
        measured.filter(|rtt| !rtt.is_zero()).min()
    }

    /// Time until everything that was asked for was done: the connection, TLS, the response.
    pub(crate) fn finished_after(&self) -> Option<Duration> {
        match &self.http {
            Some(http) => Some(http.ended),
            None => self.connected_after(),
        }
    }

    /// Reports of this target and of the redirects that were followed from it.
    pub(crate) fn hops(&self) -> impl DoubleEndedIterator<Item = &Self> {
        std::iter::once(self).chain(&self.redirects)
    }

    /// Report of the last redirect, or this one.
    pub(crate) fn last_hop(&self) -> &Self {
        self.redirects.last().unwrap_or(self)
    }

    pub(crate) fn last_hop_mut(&mut self) -> &mut Self {
        match self.redirects.is_empty() {
            true => self,
            false => {
                let last = self.redirects.len() - 1;
                &mut self.redirects[last]
            }
        }
    }

    /// Records the expectations that the final response does not meet.
    pub(crate) fn expect_http(&mut self, expected: &HttpExpectations) {
        let Some(http) = self.http.as_ref().filter(|http| http.failure.is_none()) else { return };
        let Some(response) = &http.response else { return };
        let (status, reason) = (response.status, response.reason.clone());
        if let Some(wanted) = expected.status.as_ref().filter(|wanted| !wanted.contains(status)) {
            let wanted = StatusSet::clone(wanted);
            self.unmet.push(Unmet::HttpStatus { status, reason: reason.clone(), wanted });
        }
        if let Some(pattern) = expected.body.as_ref().filter(|it| !it.is_match(&http.kept)) {
            let (pattern, read) = (pattern.to_string(), http.kept.len());
            self.unmet.push(Unmet::HttpBody { pattern, read });
        }
        if expected.fail && status >= 400 {
            self.unmet.push(Unmet::HttpError { status, reason });
        }
    }
}
