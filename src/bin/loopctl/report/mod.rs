//! Results as plain data: folds over events, without sentences, exit codes or rendering.

pub(crate) mod certificate;
pub(crate) mod compare;
pub(crate) mod connect;
mod cost;
pub(crate) mod family;
pub(crate) mod http;
pub(crate) mod name_probe;
pub(crate) mod names;
pub(crate) mod nat64;
pub(crate) mod order;
pub(crate) mod path;
pub(crate) mod prediction;
pub(crate) mod proof;
pub(crate) mod query;
pub(crate) mod relay;
pub(crate) mod repeat;
mod resolution;
pub(crate) mod served;
pub(crate) mod stalls;
pub(crate) mod surroundings;
pub(crate) mod target_result;
pub(crate) mod times;
mod tls;
pub(crate) mod trace;
pub(crate) mod transfer;

pub(crate) use compare::Comparison;
pub(crate) use connect::{
    Attempt, End, FailureKind, Outcome, Report, SecondQuery, StartTime, Subject, SystemLimits,
    TransportKind, Unmet, WaitReport,
};
pub(crate) use resolution::{NameFailure, Resolution, Via};
pub(crate) use tls::{StartTlsExchange, TlsExpectation, TlsFailure, TlsPhase, TlsReport};
