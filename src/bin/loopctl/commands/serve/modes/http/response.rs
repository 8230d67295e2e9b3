//! Responses: status, fields and content.

use std::fmt::Write as _;

use super::file_part::FilePart;
use super::request::Request;
use super::status::Status;
use crate::config::environment::Environment;

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: Status,
    fields: Vec<(&'static str, String)>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// No content and no Content-Length, as for 304.
    None,
    Bytes(Vec<u8>),
    File(FilePart),
}

const SERVER: &str = concat!("loopctl/", env!("CARGO_PKG_VERSION"));

impl Response {
    pub(super) fn new(status: Status, content: Content) -> Self {
        Self { status, fields: Vec::new(), content }
    }

    pub(super) fn text(status: Status, text: Vec<u8>) -> Self {
        let response = Self::new(status, Content::Bytes(text));
        response.with("Content-Type", "text/plain; charset=utf-8")
    }

    /// The status as text.
    pub(super) fn plain(status: Status) -> Self {
        Self::text(status, format!("{} {}\n", status.code, status.reason).into_bytes())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Status line and fields. `is_last`: the connection is closed after the response.
    pub(super) fn head(&self, is_last: bool, request: &Request) -> Vec<u8> {
        match is_last {
            true => self.last_head(),
            false if request.needs_keep_alive() => self.head_with("Connection: keep-alive\r\n"),
            false => self.head_with(""),
        }
    }

    /// Status line and fields of the last response.
    pub(super) fn last_head(&self) -> Vec<u8> {
        self.head_with("Connection: close\r\n")
    }

    fn head_with(&self, connection: &str) -> Vec<u8> {
        let Status { code, reason } = self.status;
        let date = httpdate::fmt_http_date(Environment::wall_clock());
        let mut head = format!("HTTP/1.1 {code} {reason}\r\nDate: {date}\r\nServer: {SERVER}\r\n");
        for (name, value) in &self.fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if !matches!(self.content, Content::None) {
            let _ = write!(head, "Content-Length: {}\r\n", self.content.length());
        }
        head += connection;
        head += "\r\n";
        head.into_bytes()
    }
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(part) => part.left(),
        }
    }
}
