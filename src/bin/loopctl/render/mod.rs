//! Report to bytes.

pub(crate) mod events;
pub(crate) mod json;
pub(crate) mod slow;
mod table;
pub(crate) mod text;
mod timeline;
pub(crate) mod units;
