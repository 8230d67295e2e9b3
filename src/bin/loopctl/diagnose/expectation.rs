//! Messages about unmet expectations.

use loopctl::plan::Family;

use super::http;
use crate::report::Unmet;
use crate::util::units;

/// Flag of the expectation, without its dashes.
pub(crate) fn flag(unmet: &Unmet) -> &'static str {
    match unmet {
        Unmet::Family { .. } => "require",
        Unmet::FirstAddress { .. } => "fail-on-fallback",
        Unmet::Cost { .. } => "max-cost",
        Unmet::CertificateExpiry { .. } => "cert-expiry",
        Unmet::HttpStatus { .. } => "expect-status",
        Unmet::HttpBody { .. } => "expect-body",
        Unmet::HttpError { .. } => "fail",
    }
}

/// Reason why the expectation is unmet.
pub(crate) fn text(unmet: &Unmet) -> String {
    match unmet {
        Unmet::Family { connected, required } => {
            let name = if *required == Family::Inet6 { "IPv6" } else { "IPv4" };
            format!("connected to {connected}, which is not {name}")
        }
        Unmet::FirstAddress { connected, first } => {
            format!("connected to {connected}, not to the first address {first}")
        }
        Unmet::Cost { cost, max } => {
            format!("waiting cost {}, more than {}", units::prose(*cost), units::prose(*max))
        }
        Unmet::HttpStatus { status, reason, wanted } => {
            format!("the status is {}, not {}", http::status(*status, reason), wanted.text)
        }
        Unmet::HttpBody { pattern, read } => {
            format!("`{pattern}` matches nothing in the first {read} bytes of the body")
        }
        Unmet::HttpError { status, reason } => {
            format!("the server answered {}", http::status(*status, reason))
        }
        Unmet::CertificateExpiry { certificate, left: None, .. } => {
            format!("cannot read when the certificate of {certificate} expires")
        }
        Unmet::CertificateExpiry { certificate, left: Some(Ok(left)), min } => {
            let (left, min) = (units::long(*left), units::long(*min));
            format!("the certificate of {certificate} expires in {left}, which is less than {min}")
        }
        Unmet::CertificateExpiry { certificate, left: Some(Err(ago)), .. } => {
            format!("the certificate of {certificate} expired {} ago", units::long(*ago))
        }
    }
}
