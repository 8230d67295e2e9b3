//! Requests that end the connection: malformed ones, and those beyond the limits.

use httparse::Error;

use super::status::Status;

/// Maximum size of the head of a request, in bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// Maximum number of fields of a request.
pub(super) const MAX_FIELDS: usize = 64;

/// The status and text of the response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadRequest {
    pub(super) status: Status,
    pub(super) text: &'static str,
}

impl BadRequest {
    pub(super) fn new(status: Status, text: &'static str) -> Self {
        Self { status, text }
    }

    pub(super) fn malformed(text: &'static str) -> Self {
        Self::new(Status::BAD_REQUEST, text)
    }

    /// A head of more than [`MAX_HEAD`] bytes.
    pub(super) fn too_long(bytes: &[u8]) -> Self {
        match bytes[..MAX_HEAD].contains(&b'\n') {
            true => Self::new(Status::FIELDS_TOO_LARGE, "the request's head is over 16 KiB"),
            false => Self::new(Status::URI_TOO_LONG, "the request's first line is over 16 KiB"),
        }
    }
}

impl From<Error> for BadRequest {
    fn from(error: Error) -> Self {
        match error {
            Error::HeaderName => Self::malformed("a field's name is malformed"),
            Error::HeaderValue => Self::malformed("a field's value is malformed"),
            Error::TooManyHeaders => {
                Self::new(Status::FIELDS_TOO_LARGE, "the request has more than 64 fields")
            }
            Error::Version => {
                Self::new(Status::VERSION_NOT_SUPPORTED, "the only version is HTTP/1.1")
            }
            Error::NewLine | Error::Status | Error::Token => {
                Self::malformed("the request is malformed")
            }
        }
    }
}
