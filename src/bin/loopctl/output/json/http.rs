//! HTTP exchange in JSON.

use super::error;
use crate::diagnose::http;
use crate::output::wire::common::{ErrorKind, ErrorRecord};
use crate::output::wire::http::{Http, HttpVersion};
use crate::report::Report;
use crate::report::http::{self as report, HttpFailure, HttpReport};
use crate::util::secrets::without_passwords;

/// The exchange of a report.
pub(crate) fn http(report: &Report) -> Option<Http> {
    let exchange = report.http.as_deref()?;
    let response = exchange.response.clone().unwrap_or_default();
    let rtt = report.round_trip();
    Some(Http {
        method: exchange.method.clone(),
        path: exchange.path.clone(),
        version: exchange.version.into(),
        status: exchange.response.as_ref().map(|response| response.status),
        reason: exchange.response.as_ref().map(|_| response.reason),
        server: response.server,
        content_type: response.content_type,
        content_length: response.content_length,
        location: response.location.as_deref().map(without_passwords),
        hsts_seconds: response.hsts.map(|age| age.as_secs()),
        offers_http3: response.offers_http3,
        interim_responses: exchange.interim,
        start_ms: exchange.started.into(),
        sent_ms: exchange.sent.map(Into::into),
        first_byte_ms: exchange.first_byte.map(Into::into),
        head_ms: exchange.head.map(Into::into),
        end_ms: exchange.ended.into(),
        server_ms: exchange.server_took(rtt.unwrap_or_default()).map(Into::into),
        round_trip_ms: rtt.map(Into::into),
        body_ms: exchange.body_took().map(Into::into),
        body_bytes: exchange.body,
        bytes_per_second: exchange.body_rate().map(|rate| rate as u64),
        error: exchange.failure.as_ref().map(|failure| failed(exchange, failure)),
    })
}

/// Error of an exchange.
pub(crate) fn failed(exchange: &HttpReport, failure: &HttpFailure) -> ErrorRecord {
    let message = http::text(exchange, failure);
    match failure {
        HttpFailure::TimedOut(_) => ErrorRecord::plain(ErrorKind::Timeout, message),
        HttpFailure::Send(of_system) | HttpFailure::Receive(of_system) => {
            let record = error::of_failure(of_system, None);
            ErrorRecord { kind: error::kind_of(of_system), message, ..record }
        }
        _ => ErrorRecord::plain(ErrorKind::Http, message),
    }
}

impl From<report::HttpVersion> for HttpVersion {
    fn from(version: report::HttpVersion) -> Self {
        match version {
            report::HttpVersion::Http10 => Self::Http10,
            report::HttpVersion::Http11 => Self::Http11,
            report::HttpVersion::Http2 => Self::Http2,
        }
    }
}
