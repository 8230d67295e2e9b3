//! The real program: what it prints, in every format, and how it exits.
#![allow(missing_docs, clippy::unwrap_used)]

mod demo;
mod exits;
mod human;
mod json;
mod ndjson;
mod support;
mod typed;
