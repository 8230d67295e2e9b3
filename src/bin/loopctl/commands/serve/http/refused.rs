//! Which requests are refused: those beyond the limits, and those that make no sense.

use httparse::Error;

use super::status::Status;

/// How long a head may be, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// How many fields it may have.
pub(super) const MOST_FIELDS: usize = 64;

/// Why a request is not answered, and the connection ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: Status,
    pub(super) why: &'static str,
}

impl Refused {
    pub(super) fn new(status: Status, why: &'static str) -> Self {
        Self { status, why }
    }

    pub(super) fn malformed(why: &'static str) -> Self {
        Self::new(Status::BAD_REQUEST, why)
    }

    pub(super) fn too_long(bytes: &[u8]) -> Self {
        match bytes[..LONGEST].contains(&b'\n') {
            true => Self::new(Status::FIELDS_TOO_LARGE, "the request's head is over 16 KiB"),
            false => Self::new(Status::URI_TOO_LONG, "the request's first line is over 16 KiB"),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::HeaderName => Self::malformed("a field's name is malformed"),
            Error::HeaderValue => Self::malformed("a field's value is malformed"),
            Error::TooManyHeaders => {
                Self::new(Status::FIELDS_TOO_LARGE, "the request has more than 64 fields")
            }
            Error::Version => Self::new(Status::VERSION_NOT_SUPPORTED, "this is HTTP/1.1"),
            Error::NewLine | Error::Status | Error::Token => {
                Self::malformed("the request is malformed")
            }
        }
    }
}
