//! Printing: one format on standard output or in a file, progress and messages on standard error.

pub(crate) mod connect;
pub(crate) mod csv;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod printer;
pub(crate) mod progress;
pub(crate) mod prometheus;
pub(crate) mod qlog;
pub(crate) mod resolve;
pub(crate) mod serve;
mod stamp;
pub(crate) mod wire;
pub(crate) mod writer;
