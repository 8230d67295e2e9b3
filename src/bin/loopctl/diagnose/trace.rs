//! Messages about traces without an answer.

use crate::report::trace::TraceError;

/// Message about the reason.
pub(crate) fn message(error: &TraceError) -> String {
    match error {
        TraceError::TooManyHops(limit) => format!("no answer after {limit} hops"),
        TraceError::NoServerAddress(zone) => {
            format!("no server of `{zone}` has an address that can be reached")
        }
        TraceError::NotBelow(zone) => format!("these servers refer back to `{zone}`"),
        TraceError::Client(error) => error.to_string(),
    }
}
