//! Names, asked for on the loop itself.
//!
//! [`client`] asks, [`config`], [`hosts`] and [`server`] are what it is told; [`exchange`] is one question, which
//! goes over a [`state`] to each server ([`https`] is how it looks there on the web), and [`lookup`] makes addresses of
//! several; `anything` is how tests and fuzzers come in; [`message`] and [`decode`] are the only files that know the codec's
//! messages; [`answer`], [`record`], [`error`] and [`event`] tell how it went.
//!
//! With the feature `dnssec`, [`verify`] has the answer proved by hickory, from the [`anchors`] down: [`parts`] are
//! what is proved one by one, [`handle`] is how hickory asks for more, [`keys`] remembers what it was given,
//! [`reason`] finds out what is wrong, and [`proof`] tells.

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
#[cfg(feature = "dnssec")]
mod proof;
#[cfg(feature = "dnssec")]
mod reason;
mod record;
mod record_type;
#[cfg(feature = "dnssec")]
mod rrset;
mod server;
#[cfg(feature = "dnssec")]
mod verify;

#[cfg(feature = "dnssec")]
pub use anchors::TrustAnchors;
pub use answer::{DnsAnswer, DnsExchange, DnsFlags, ExtendedError, Rcode};
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
pub use server::{DnsConfigError, DnsServer};
