//! `--http`: one request over the connection that won.

mod failure;
mod observed;
mod redirect;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderName};
use hyper::{HeaderMap, Request, Response, Version};
use loopctl::{DuplexStream, HyperExecutor, HyperTimer, LoopHandle, StreamReader, StreamWriter};

use self::observed::{Observed, Seen};
use super::Session;
use super::race::Try;
use crate::config::HttpCall;
use crate::report::Report;
use crate::report::http::{HttpFailure, HttpReport, HttpResponse, HttpVersion};
use crate::util::secrets::masked_query;

/// Maximum number of header fields; curl takes as many.
const MAX_HEADERS: usize = 5000;

/// Maximum size of the header of a response, in bytes; curl takes as many.
const MAX_HEAD: usize = 300 * 1024;

/// Bytes of a body that are kept for `--expect-body`.
const MAX_KEPT: usize = 64 * 1024;

/// One request over a connection.
pub(super) struct Exchange<'a> {
    pub(super) session: &'a Rc<Session>,
    pub(super) event_loop: &'a LoopHandle,
    pub(super) this: &'a Try<'a>,
    pub(super) report: &'a Rc<RefCell<Report>>,
    pub(super) call: &'a HttpCall,
}

/// End of an exchange that failed.
enum Broken {
    Hyper(hyper::Error),
    /// The fields are no request.
    Request,
}

impl From<hyper::Error> for Broken {
    fn from(error: hyper::Error) -> Self {
        Self::Hyper(error)
    }
}

impl Exchange<'_> {
    /// Sends the request, reads the response, and records both.
    pub(super) async fn run(&self, (reader, writer): (StreamReader, StreamWriter)) {
        let transport = writer.transport().clone();
        let now = self.event_loop.time();
        let version = self.version();
        let (method, path) = (self.call.method.to_string(), masked_query(&self.call.path));
        self.report.borrow_mut().begin_http(HttpReport::new(method, path, version), now);
        self.tell();
        let (seen, interim) = (Rc::default(), Arc::<AtomicU32>::default());
        let stream = DuplexStream::new(reader, writer);
        let stream = Observed::new(self.event_loop, stream, transport.clone(), &seen);
        let left = self.this.timeout.saturating_sub(self.report.borrow().since_start(now));
        let exchange = self.event_loop.timeout(left, self.exchange(stream, &seen, &interim));
        let ended = self.session.token.run_until_cancelled(exchange).await;
        if self.http(|http| http.first_byte.is_none()) {
            let tcp = transport.socket().tcp_info();
            let mut seen = seen.borrow_mut();
            seen.tcp = tcp.or(seen.tcp);
        }
        self.note_times(&seen.borrow());
        self.note_interim(interim.load(Ordering::Relaxed));
        let failure = match ended {
            Some(Ok(Ok(()))) => self.http(HttpReport::missing_body),
            Some(Ok(Err(broken))) => Some(self.failure(&broken, &seen.borrow())),
            Some(Err(_)) => Some(HttpFailure::TimedOut(self.http(|http| http.phase()))),
            // Because the report then ends as interrupted.
            None => return,
        };
        self.report.borrow_mut().end_http(failure, self.event_loop.time());
        self.tell();
    }

    /// Version by ALPN.
    fn version(&self) -> HttpVersion {
        let report = self.report.borrow();
        let info = report.tls.as_ref().and_then(|tls| tls.info.as_ref());
        match info.and_then(|info| info.alpn.as_deref()) {
            Some(b"h2") => HttpVersion::Http2,
            _ => HttpVersion::Http11,
        }
    }

    async fn exchange(
        &self,
        stream: Observed,
        seen: &RefCell<Seen>,
        interim: &Arc<AtomicU32>,
    ) -> Result<(), Broken> {
        let mut request = self.request().ok_or(Broken::Request)?;
        let counter = Arc::clone(interim);
        hyper::ext::on_informational(&mut request, move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let ended = match self.http(|http| http.version) {
            HttpVersion::Http2 => self.over_http2(stream, request, seen).await,
            HttpVersion::Http10 | HttpVersion::Http11 => {
                self.over_http1(stream, request, seen).await
            }
        };
        ended.map_err(Broken::from)
    }

    async fn over_http1(
        &self,
        stream: Observed,
        request: Request<Full<Bytes>>,
        seen: &RefCell<Seen>,
    ) -> hyper::Result<()> {
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
        // As curl and browsers take them.
        builder.allow_obsolete_multiline_headers_in_responses(true);
        builder.allow_spaces_after_header_name_in_responses(true);
        let (mut sender, connection) = builder.handshake(stream).await?;
        let exchange = async {
            sender.ready().await?;
            seen.borrow_mut().begin(false);
            self.read(sender.send_request(request).await?, seen).await
        };
        beside(exchange, connection).await
    }

    async fn over_http2(
        &self,
        stream: Observed,
        request: Request<Full<Bytes>>,
        seen: &RefCell<Seen>,
    ) -> hyper::Result<()> {
        let mut builder = http2::Builder::new(HyperExecutor::new(self.event_loop));
        builder.timer(HyperTimer::new()).max_header_list_size(MAX_HEAD as u32);
        let (mut sender, connection) = builder.handshake(stream).await?;
        let exchange = async {
            sender.ready().await?;
            seen.borrow_mut().begin(true);
            self.read(sender.send_request(request).await?, seen).await
        };
        beside(exchange, connection).await
    }

    /// The request; `None` if the fields of the user make none.
    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let authority = self.authority();
        let is_http2 = self.http(|http| http.version) == HttpVersion::Http2;
        let is_own = |name: &HeaderName| *name == header::HOST;
        let host = self.call.headers.iter().find(|(name, _)| is_own(name));
        let host = host.and_then(|(_, value)| value.to_str().ok()).unwrap_or(&authority);
        let builder = Request::builder().method(self.call.method.clone());
        let mut builder = match is_http2 {
            true => builder.uri(format!("https://{host}{}", self.call.path)),
            false => builder.uri(&self.call.path),
        };
        let headers = builder.headers_mut()?;
        if !is_http2 {
            headers.insert(header::HOST, host.parse().ok()?);
        }
        headers.insert(header::USER_AGENT, USER_AGENT.parse().ok()?);
        headers.insert(header::ACCEPT, "*/*".parse().ok()?);
        let mut given = HeaderMap::new();
        for (name, value) in self.call.headers.iter().filter(|(name, _)| !is_own(name)) {
            given.append(name, value.clone());
        }
        given.keys().for_each(|name| drop(headers.remove(name)));
        headers.extend(given);
        builder.body(Full::new(self.call.body.clone())).ok()
    }

    /// Host and port of the target; the default port is omitted (RFC 9110 section 4.2.3).
    fn authority(&self) -> String {
        let report = self.report.borrow();
        let port = report.winner().and_then(|winner| winner.address.as_inet());
        let port = port.map(|address| address.port());
        self.call.authority(&self.this.target.target, port, self.this.race.tls.is_some())
    }

    /// Reads the response to its end.
    async fn read(&self, response: Response<Incoming>, seen: &RefCell<Seen>) -> hyper::Result<()> {
        self.note_head(&response, &seen.borrow());
        self.tell();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(data) = frame?.data_ref() {
                self.note_body(data);
            }
        }
        Ok(())
    }

    fn note_head(&self, response: &Response<Incoming>, seen: &Seen) {
        let now = self.event_loop.time();
        self.note_times(seen);
        let mut report = self.report.borrow_mut();
        let at = report.since_start(now);
        let Some(http) = &mut report.http else { return };
        http.version = match response.version() {
            Version::HTTP_2 => HttpVersion::Http2,
            Version::HTTP_10 => HttpVersion::Http10,
            _ => HttpVersion::Http11,
        };
        if http.version == HttpVersion::Http2 {
            // Because the first bytes over HTTP/2 are settings of the connection.
            http.first_byte = Some(at);
        }
        (http.head, http.ended) = (Some(at), at);
        http.response = Some(header_of(response));
    }

    fn note_body(&self, data: &[u8]) {
        let keeps = self.session.request.http.as_ref().is_some_and(|it| it.expect.body.is_some());
        let mut report = self.report.borrow_mut();
        let Some(http) = &mut report.http else { return };
        http.body += data.len() as u64;
        if keeps {
            let room = MAX_KEPT.saturating_sub(http.kept.len()).min(data.len());
            http.kept.extend_from_slice(&data[..room]);
        }
    }

    /// Times of the connection.
    fn note_times(&self, seen: &Seen) {
        let mut report = self.report.borrow_mut();
        let since = |at: Option<_>| at.map(|at| report.since_start(at));
        let (sent, first_byte) = (since(seen.sent), since(seen.first_byte));
        let Some(http) = &mut report.http else { return };
        http.sent = http.sent.or(sent);
        if http.version != HttpVersion::Http2 {
            http.first_byte = http.first_byte.or(first_byte);
        }
        http.tcp = http.tcp.or(seen.tcp);
    }

    fn note_interim(&self, count: u32) {
        if let Some(http) = &mut self.report.borrow_mut().http {
            http.interim = count;
        }
    }

    fn failure(&self, broken: &Broken, seen: &Seen) -> HttpFailure {
        match broken {
            Broken::Request => HttpFailure::BadRequest,
            Broken::Hyper(error) => self.http(|http| failure::failure(error, seen, http)),
        }
    }

    /// Prints what is new in the exchange.
    fn tell(&self) {
        let report = self.report.borrow();
        self.session.printer.borrow_mut().http(&self.this.session, &report);
    }

    fn http<T>(&self, read: impl FnOnce(&HttpReport) -> T) -> T {
        let report = self.report.borrow();
        match &report.http {
            Some(http) => read(http),
            None => unreachable!("the exchange has begun"),
        }
    }
}

/// Runs an exchange to its end, and its connection as long.
async fn beside(
    exchange: impl Future<Output = hyper::Result<()>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> hyper::Result<()> {
    match select(pin!(exchange), pin!(connection)).await {
        Either::Left((ended, _)) => ended,
        // The exchange has the error of the connection, too.
        Either::Right((_, exchange)) => exchange.await,
    }
}

const USER_AGENT: &str = concat!("loopctl/", env!("CARGO_PKG_VERSION"));

fn header_of(response: &Response<Incoming>) -> HttpResponse {
    let field = |name: HeaderName| {
        let value = response.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let sent = response.extensions().get::<ReasonPhrase>();
    let sent = sent.map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned());
    let registered = response.status().canonical_reason();
    HttpResponse {
        status: response.status().as_u16(),
        reason: sent.unwrap_or_else(|| registered.unwrap_or_default().to_owned()),
        server: field(header::SERVER),
        content_type: field(header::CONTENT_TYPE),
        content_length: field(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        location: field(header::LOCATION),
        hsts: field(header::STRICT_TRANSPORT_SECURITY).as_deref().and_then(max_age),
        offers_http3: field(header::ALT_SVC).is_some_and(|text| offers_http3(&text)),
    }
}

/// `max-age` of `Strict-Transport-Security` (RFC 6797 section 6.1.1).
fn max_age(text: &str) -> Option<Duration> {
    let directives = text.split(';').filter_map(|directive| directive.split_once('='));
    let mut ages = directives.filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    let seconds = ages.next()?.1.trim().trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether an alternative of `Alt-Svc` is HTTP/3 (RFC 7838 section 3).
fn offers_http3(text: &str) -> bool {
    let alternatives = text.split(',').filter_map(|it| it.trim().split_once('='));
    alternatives.into_iter().any(|(protocol, _)| protocol == "h3")
}
