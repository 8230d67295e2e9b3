//! HTTP as text: the response, its phases, and what it announces.

use std::time::Duration;

use anstyle::AnsiColor;

use crate::diagnose::http;
use crate::report::Report;
use crate::report::http::{HttpReport, HttpResponse, HttpVersion};
use crate::util::style::Style;
use crate::util::units;

/// Lines of the exchange; none without `--http`.
pub(crate) fn lines(report: &Report, style: Style) -> String {
    let Some(exchange) = &report.http else { return String::new() };
    let phases = phases_line(report, exchange);
    let announced = exchange.response.as_ref().map_or_else(String::new, announcements);
    response_line(exchange, style) + &phases + &announced
}

/// Phases after TLS, with their durations.
pub(crate) fn parts(report: &Report) -> Vec<(&'static str, Duration)> {
    let Some(exchange) = &report.http else { return Vec::new() };
    let before = exchange.started.saturating_sub(report.connected_after().unwrap_or_default());
    let request = exchange.request_took();
    let (wait, request) = match report.subject.policy.run_all {
        true => (before, request),
        false => (Duration::ZERO, before + request),
    };
    let small = [("wait for all", wait), ("request", request)];
    let head = exchange.head_took().map(|took| ("header", took));
    let small = small.into_iter().filter(|(_, took)| is_visible(*took));
    let server = exchange.wait().map(|took| ("server", took));
    let head = head.into_iter().filter(|(_, took)| is_visible(*took));
    let body = exchange.body_took().map(|took| ("body", took));
    small.chain(server).chain(head).chain(body).collect()
}

/// Status of the response, in its colour.
pub(crate) fn status(exchange: &HttpReport) -> Option<(String, AnsiColor)> {
    let response = exchange.response.as_ref()?;
    let color = if response.status < 400 { AnsiColor::Green } else { AnsiColor::Yellow };
    Some((http::status(response.status, &response.reason), color))
}

fn is_visible(took: Duration) -> bool {
    took >= Duration::from_micros(50)
}

fn response_line(exchange: &HttpReport, style: Style) -> String {
    let took = exchange.ended.saturating_sub(exchange.started);
    let mut parts = vec![format!("{} ms", units::column(took))];
    parts.push(format!("{} {}", exchange.method, http::quoted(&exchange.path)));
    parts.push(version(exchange.version).to_owned());
    parts.extend(status(exchange).map(|(status, color)| style.paint(color.on_default(), &status)));
    if exchange.failure.is_some() {
        parts.push(style.paint(AnsiColor::Red.on_default(), "failed"));
    }
    if let Some(response) = &exchange.response {
        parts.extend(response.content_type.as_deref().map(http::quoted));
        let server = response.server.as_deref();
        parts.extend(server.map(|server| format!("server {}", http::quoted(server))));
    }
    format!("  http     {}\n", parts.join("  "))
}

fn phases_line(report: &Report, exchange: &HttpReport) -> String {
    let mut parts = Vec::new();
    if let Some(server) = exchange.server_took(report.round_trip().unwrap_or_default()) {
        parts.push(format!("server {}", units::prose(server)));
        let rtt = report.round_trip();
        parts.extend(rtt.map(|rtt| format!("round trip {}", units::prose(rtt))));
    }
    if exchange.response.is_some() {
        parts.push(body(exchange));
    }
    let interim = exchange.interim as usize;
    parts.extend(
        (interim > 0)
            .then(|| units::count(interim, "interim response (1xx)", "interim responses (1xx)")),
    );
    if report.subject.policy.run_all {
        parts.push("only the winner was asked".to_owned());
    }
    if parts.is_empty() { String::new() } else { format!("           {}\n", parts.join("  ")) }
}

/// Size of the body, with its duration and rate.
fn body(exchange: &HttpReport) -> String {
    let size = units::bytes(exchange.body);
    let length = exchange.response.as_ref().and_then(|response| response.content_length);
    let size = match length.filter(|length| *length != exchange.body) {
        Some(length) => format!("{size} of {}", units::bytes(length)),
        None => size,
    };
    let took = exchange.body_took().filter(|took| is_visible(*took));
    let took = took.map_or_else(String::new, |took| format!(" in {}", units::prose(took)));
    let rate = exchange.body_rate();
    let rate = rate.map_or_else(String::new, |rate| format!(" ({}/s)", units::bytes(rate as u64)));
    format!("body {size}{took}{rate}")
}

/// Redirect, HSTS, and the offer of HTTP/3.
fn announcements(response: &HttpResponse) -> String {
    let mut parts = Vec::new();
    let location = response.location.as_deref();
    parts.extend(location.map(|location| format!("location {}", http::quoted(location))));
    parts.extend(response.hsts.map(|age| match age {
        Duration::ZERO => "HSTS ended (max-age 0)".to_owned(),
        age => format!("HSTS for {}", units::long(age)),
    }));
    parts.extend(response.offers_http3.then(|| "offers HTTP/3 (Alt-Svc)".to_owned()));
    if parts.is_empty() { String::new() } else { format!("           {}\n", parts.join("  ")) }
}

pub(crate) fn version(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Http10 => "HTTP/1.0",
        HttpVersion::Http11 => "HTTP/1.1",
        HttpVersion::Http2 => "HTTP/2",
    }
}

/// Line of the exchange as it goes on, for `-v`.
pub(crate) fn event(exchange: &HttpReport) -> (Duration, String) {
    let request = format!("{} {}", exchange.method, http::quoted(&exchange.path));
    if let Some(failure) = &exchange.failure {
        return (exchange.ended, http::text(exchange, failure));
    }
    match (exchange.head, status(exchange)) {
        (Some(head), Some((status, _))) if exchange.ended == head && exchange.body == 0 => {
            (head, format!("{} {status}", version(exchange.version)))
        }
        (Some(_), Some(_)) => (exchange.ended, format!("end of the body, {}", body(exchange))),
        _ => (exchange.started, format!("{request} over {}", version(exchange.version))),
    }
}
