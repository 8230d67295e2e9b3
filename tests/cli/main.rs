//! The real program: what it prints, in every format, and how it exits.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

mod demo;
mod exec;
mod exits;
mod exports;
mod faults;
mod http;
mod human;
mod json;
mod many;
mod ndjson;
mod relay;
mod repeat;
mod screen;
mod serve;
mod serve_tls;
mod serve_tls_faults;
mod serve_tls_limits;
mod served;
mod sink;
mod socket;
mod support;
mod tls_peers;
mod typed;
mod udp;
