//! DNS client on the event loop.
//!
//! [`client`] queries the servers that [`builder`] and [`config`] describe; [`core`] is shared by its clones.
//! [`exchange`] runs one query, over a [`channel`] to each server. Queries share a connection, which is a [`session`] of
//! a [`pipeline`] or of [`https`]. [`lookup`] turns queries into addresses. [`message`] encodes queries; it reads answers with [`section`], [`decode`] and [`rdata`], and
//! [`verdict`] judges them. [`answer`], [`record`], [`error`] and [`event`] are results. [`name_text`] and
//! [`type_names`] are the text of names and types. `fuzz` is the entry point of the fuzzer.
//!
//! With the feature `dnssec`, [`verify`] validates answers with hickory, from the [`anchors`]. [`rrset`] splits an
//! answer into the sets to validate. [`handle`] passes hickory's queries to the loop, and [`keys`] caches their
//! answers. [`opt_out`] finds denials that prove less, [`reason`] finds the cause of a failure, and [`proof`] is the result.

#[cfg(feature = "dnssec")]
mod anchors;
mod answer;
mod builder;
mod channel;
mod client;
mod config;
mod core;
mod decode;
mod error;
mod event;
mod exchange;
#[cfg(any(test, fuzzing))]
mod fuzz;
#[cfg(feature = "dnssec")]
mod handle;
mod https;
#[cfg(feature = "dnssec")]
mod keys;
mod lookup;
mod message;
mod name_text;
#[cfg(feature = "dnssec")]
mod opt_out;
mod pipeline;
#[cfg(feature = "dnssec")]
mod proof;
mod rdata;
#[cfg(feature = "dnssec")]
mod reason;
mod record;
mod record_type;
#[cfg(feature = "dnssec")]
mod rrset;
mod section;
mod server;
mod session;
mod type_names;
mod verdict;
#[cfg(feature = "dnssec")]
mod verify;

#[cfg(feature = "dnssec")]
pub use anchors::TrustAnchors;
pub use answer::{DnsAnswer, DnsExchange, DnsFlags, EdnsFallback, ExtendedError, Rcode};
pub use builder::DnsClientBuilder;
pub use client::DnsClient;
pub use error::{DnsError, DnsErrorKind};
pub use event::{DnsEvent, DnsEventKind, DnsIgnored};
#[cfg(fuzzing)]
pub use fuzz::fuzz_decode;
pub use lookup::{DnsAddress, DnsLookup};
#[cfg(feature = "dnssec")]
pub use proof::{DnsProof, DnsProofReason, DnsSetProof, DnsValidation};
pub use record::{DnsData, DnsRecord, ServiceBinding, StartOfAuthority};
pub use record_type::{RecordType, RecordTypeError};
pub use section::DnsOddity;
pub use server::{DnsConfigError, DnsServer};
