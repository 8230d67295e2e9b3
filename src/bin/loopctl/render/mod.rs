//! Report to bytes.

mod compare;
pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod live;
mod picture;
pub(crate) mod prom;
pub(crate) mod qlog;
pub(crate) mod resolve;
pub(crate) mod rows;
pub(crate) mod sendfile;
pub(crate) mod series;
pub(crate) mod serve;
pub(crate) mod slow;
#[cfg(test)]
mod snapshots;
pub(crate) mod status;
mod table;
pub(crate) mod text;
mod timeline;
mod tls;
pub(crate) mod units;
mod why;
