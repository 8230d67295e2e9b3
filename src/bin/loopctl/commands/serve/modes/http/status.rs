//! Status codes of the responses (RFC 9110, section 15).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: &'static str,
}

impl Status {
    pub(super) const OK: Self = Self::new(200, "OK");
    pub(super) const PARTIAL_CONTENT: Self = Self::new(206, "Partial Content");
    pub(super) const MOVED_PERMANENTLY: Self = Self::new(301, "Moved Permanently");
    pub(super) const NOT_MODIFIED: Self = Self::new(304, "Not Modified");
    pub(super) const BAD_REQUEST: Self = Self::new(400, "Bad Request");
    pub(super) const FORBIDDEN: Self = Self::new(403, "Forbidden");
    pub(super) const NOT_FOUND: Self = Self::new(404, "Not Found");
    pub(super) const METHOD_NOT_ALLOWED: Self = Self::new(405, "Method Not Allowed");
    pub(super) const REQUEST_TIMEOUT: Self = Self::new(408, "Request Timeout");
    pub(super) const PRECONDITION_FAILED: Self = Self::new(412, "Precondition Failed");
    pub(super) const URI_TOO_LONG: Self = Self::new(414, "URI Too Long");
    pub(super) const RANGE_NOT_SATISFIABLE: Self = Self::new(416, "Range Not Satisfiable");
    pub(super) const FIELDS_TOO_LARGE: Self = Self::new(431, "Request Header Fields Too Large");
    pub(super) const INTERNAL_SERVER_ERROR: Self = Self::new(500, "Internal Server Error");
    pub(super) const NOT_IMPLEMENTED: Self = Self::new(501, "Not Implemented");
    pub(super) const VERSION_NOT_SUPPORTED: Self = Self::new(505, "HTTP Version Not Supported");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason }
    }
}
