//! Real sockets on loopback, through the public API only.
//!
//! `support` has what the tests share: a loop with a watchdog, addresses that refuse or never answer, a
//! protocol that keeps a diary, a trace that checks itself, and a way to run a test in a process of its own.
//! Names carry the rows of the behaviour catalogue they prove.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

#[path = "../support/skip.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod skip;
mod support;

mod accept;
mod cancel;
mod connect;
mod datagram;
mod datagram_flow;
#[cfg(feature = "dns")]
mod dns_end;
#[cfg(all(feature = "dns", feature = "tls"))]
mod dns_http2;
#[cfg(all(feature = "dns", feature = "tls"))]
mod dns_https;
#[cfg(feature = "dns")]
mod dns_lookup;
#[cfg(feature = "dns")]
mod dns_odd;
#[cfg(feature = "dns")]
mod dns_peers;
#[cfg(feature = "dns")]
mod dns_query;
#[cfg(all(feature = "dns", feature = "tls"))]
mod dns_reuse;
#[cfg(all(feature = "dns", feature = "tls"))]
mod dns_tls;
#[cfg(feature = "dns")]
mod dns_wire;
#[cfg(feature = "dnssec")]
mod dnssec;
#[cfg(feature = "dnssec")]
mod dnssec_peers;
mod early;
mod ecosystem;
mod errors;
mod examples;
mod leaks;
mod limits;
mod load;
mod local;
mod made;
mod pipe;
mod pipe_end;
mod policies;
mod process;
mod process_end;
mod race;
#[cfg(feature = "dns")]
mod race_names;
mod readers;
mod resolve;
mod sendfile;
mod server;
mod server_bind;
mod sock;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_bytes;
#[cfg(feature = "tls")]
mod tls_end;
#[cfg(feature = "tls")]
mod tls_peers;
#[cfg(feature = "tls")]
mod tls_race;
#[cfg(feature = "tls")]
mod tls_start;
#[cfg(feature = "tls")]
mod tls_trust;
mod transport;
mod transport_end;
mod unix;
mod unix_server;
