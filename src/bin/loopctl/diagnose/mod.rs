//! Explanations: what a report means, as findings, hints, predictions and exit statuses.

pub(crate) mod cause;
pub(crate) mod certificate;
pub(crate) mod difference;
pub(crate) mod exit_status;
pub(crate) mod expectation;
pub(crate) mod findings;
pub(crate) mod hint;
pub(crate) mod host_cause;
pub(crate) mod http;
pub(crate) mod name;
pub(crate) mod name_service;
pub(crate) mod path;
pub(crate) mod prediction;
pub(crate) mod rank;
pub(crate) mod rejection;
pub(crate) mod tls_silence;
pub(crate) mod trace;
pub(crate) mod transfer;
