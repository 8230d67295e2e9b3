//! Names, asked for on the loop itself.
//!
//! [`client`] asks, [`config`], [`hosts`] and [`server`] are what it is told; [`exchange`] is one question, which
//! goes over a [`lane`] to each server ([`https`] is how it looks there on the web), and [`lookup`] makes addresses of
//! several; `anything` is how tests and fuzzers come in; [`message`] and [`decode`] are the only files that know the codec's
//! messages; [`answer`], [`record`], [`error`] and [`event`] tell how it went.

mod answer;
#[cfg(any(test, fuzzing))]
mod anything;
mod client;
mod config;
mod decode;
mod error;
mod event;
mod exchange;
mod hosts;
mod https;
mod lane;
mod lookup;
mod message;
mod record;
mod record_type;
mod server;

pub use answer::{DnsAnswer, DnsExchange, DnsFlags, ExtendedError, Rcode};
#[cfg(fuzzing)]
pub use anything::take_answer;
pub use client::DnsClient;
pub use config::DnsClientBuilder;
pub use error::{DnsError, DnsErrorKind};
pub use event::{DnsEvent, DnsEventKind, DnsIgnored};
pub use lookup::{DnsAddress, DnsLookup};
pub use record::{DnsData, DnsRecord, ServiceBinding, StartOfAuthority};
pub use record_type::{RecordType, RecordTypeError};
pub use server::{DnsConfigError, DnsServer};
