//! The real program: what it prints, in every format, and how it exits.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

#[path = "../net/support/authority.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod authority;
mod compare;
mod completions;
mod connect_tls;
mod connect_tls_peers;
mod demo;
mod dns_beside_dig;
mod dnssec;
mod exec;
mod exits;
mod exports;
mod faults;
mod http;
mod http_client;
mod http_rules;
mod human;
mod json;
mod lab;
mod many;
mod name_files;
#[path = "../net/support/name_server.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod name_server;
mod name_servers;
mod names;
mod ndjson;
mod others;
mod pages;
mod path;
mod phases;
mod policy;
mod reasons;
mod relay;
mod repeat;
mod resolve;
mod resolve_beside;
mod resolve_many;
mod resolve_trace;
mod resolve_types;
mod rules;
mod screen;
mod sendfile;
mod sendfile_peers;
mod sendfile_resume;
mod serve;
mod serve_control;
mod serve_inherited;
mod serve_matrix;
mod serve_rate;
mod serve_tls;
mod serve_tls_faults;
mod serve_tls_limits;
mod serve_udp;
mod serve_unix;
mod serve_upstream;
mod served;
#[path = "../net/support/signed.rs"]
#[expect(dead_code, reason = "the tests of the library use more of it")]
mod signed;
mod sink;
mod sink_refusal;
#[path = "../support/skip.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod skip;
mod socket;
mod stalls;
mod starttls;
mod success;
mod support;
mod tls_clients;
mod tls_kinds;
mod tls_lab;
mod tls_mutations;
mod tls_peer;
mod tls_table;
mod typed;
mod udp;
mod via;
mod why;
mod written_files;
