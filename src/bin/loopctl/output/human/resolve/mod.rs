//! Names and what is known of them.

pub(crate) mod notes;
pub(crate) mod proofs;
pub(crate) mod queries;
mod tables;
pub(crate) mod text;
