//! `--location`: redirects, each with its own race.

use std::rc::Rc;
use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use loopctl::LoopHandle;
use loopctl::plan::{Port, Target};
use url::Url;

use crate::commands::connect::Session;
use crate::commands::connect::race::Try;
use crate::config::{HttpCall, HttpRequest, TargetRequest};
use crate::exit::FatalError;
use crate::report::Report;
use crate::report::http::{HttpFailure, RedirectProblem};
use crate::util::secrets::without_passwords;

/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: usize = 10;

/// One request of a chain, with its connection.
struct Hop {
    target: TargetRequest,
    call: HttpCall,
    url: Url,
}

impl Session {
    /// Runs one race with its request, and those of its redirects.
    pub(in crate::commands::connect) async fn race_and_follow(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
    ) -> Report {
        let mut report = self.race_once(event_loop, this).await;
        let Some(request) = &self.request.http else { return report };
        if request.follow {
            self.follow(event_loop, this, request, &mut report).await;
        }
        report.last_hop_mut().expect_http(&request.expect);
        report
    }

    async fn follow(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        request: &HttpRequest,
        report: &mut Report,
    ) {
        let Some(mut hop) = Hop::first(this) else { return };
        while let Some(location) = report.last_hop().redirect() {
            if report.redirects.len() == MAX_REDIRECTS {
                return report.last_hop_mut().fail_redirect(HttpFailure::TooManyRedirects);
            }
            let next = hop.next(request, report.last_hop(), location);
            hop = match next {
                Ok(next) => next,
                Err(problem) => {
                    let failure = HttpFailure::BadRedirect(problem);
                    return report.last_hop_mut().fail_redirect(failure);
                }
            };
            let spent: Duration = report.hops().map(|hop| hop.total).sum();
            let session = format!("{}.{}", this.session, report.redirects.len() + 1);
            let next = Try {
                target: &hop.target,
                session,
                known: None,
                timeout: this.timeout.saturating_sub(spent),
                race: &hop.target.race,
                http: Some(&hop.call),
            };
            let next = self.race_once(event_loop, &next).await;
            report.redirects.push(next);
        }
    }
}

impl Report {
    /// Location of the redirect; `None` if the response is none.
    fn redirect(&self) -> Option<&str> {
        self.http.as_ref()?.redirect()
    }
}

impl Hop {
    /// `None` for a target without a URL.
    fn first(this: &Try<'_>) -> Option<Self> {
        let call = this.http?.clone();
        let has_tls = this.race.tls.is_some();
        let port = match &this.target.target {
            Target::Tcp(_, Port::Number(port)) => Some(*port),
            Target::Tcp(_, Port::Service(_)) | Target::Unix(_) => None,
        };
        let authority = call.authority(&this.target.target, port, has_tls);
        let scheme = if has_tls { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://{authority}{}", call.path)).ok()?;
        Some(Self { target: this.target.clone(), call, url })
    }

    /// The hop that a location leads to.
    fn next(
        &self,
        request: &HttpRequest,
        report: &Report,
        location: &str,
    ) -> Result<Self, RedirectProblem> {
        let url = self.url.join(location).map_err(|_| RedirectProblem::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RedirectProblem::Scheme(url.scheme().to_owned()));
        }
        let is_same_origin = url.origin() == self.url.origin();
        let target = match is_same_origin {
            true => TargetRequest { text: without_passwords(url.as_str()), ..self.target.clone() },
            false => request.redirect(url.as_str()).map_err(problem)?,
        };
        let status = report.http.as_ref().and_then(|http| http.response.as_ref());
        let status = status.map_or(0, |response| response.status);
        Ok(Self { target, call: self.call.redirected(status, &url, is_same_origin), url })
    }
}

fn problem(error: FatalError) -> RedirectProblem {
    RedirectProblem::NoTarget(error.message.error.unwrap_or_default())
}

impl HttpCall {
    /// The request after a redirect (RFC 9110 section 15.4).
    fn redirected(&self, status: u16, url: &Url, is_same_origin: bool) -> Self {
        let becomes_get = match status {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let headers = if is_same_origin { self.headers.clone() } else { Vec::new() };
        Self {
            authority: url.host_str().map(|host| match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            }),
            method: if becomes_get { Method::GET } else { self.method.clone() },
            path: format!("{}{query}", url.path()),
            headers,
            body: if becomes_get { Bytes::new() } else { self.body.clone() },
        }
    }
}
