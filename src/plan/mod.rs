//! Layer 0: decisions without I/O, clock or event loop (sans-IO).
//!
//! Callers report events together with their time, and the types here return the next step. The rules of the race
//! can therefore be tested with tables and in virtual time; the layers above only carry them out.
//!
//! ```
//! use loopctl::plan::{Policy, Race, Reason, Start, Step};
//! use std::net::SocketAddr;
//! use std::time::{Duration, Instant};
//!
//! let t0 = Instant::now();
//! let addresses: [SocketAddr; 2] = ["[2001:db8::1]:443".parse()?, "192.0.2.1:443".parse()?];
//! let mut race = Race::with_addresses(addresses, Policy::happy_eyeballs(Duration::from_millis(250)));
//! assert!(matches!(race.poll(t0), Step::Start(Start { attempt: 0, .. })));
//! assert_eq!(race.poll(t0), Step::Wait(Some(t0 + Duration::from_millis(250))));
//! let now = t0 + Duration::from_millis(9);
//! race.failed(0, now);
//! let next = Start { attempt: 1, planned: now, reason: Reason::AttemptEnded(0) };
//! assert_eq!(race.poll(now), Step::Start(next), "a failed attempt starts the next one");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod address_order;
mod chunks;
mod family;
mod policy;
mod preset;
mod query;
mod race;
mod search;
mod slow;
mod target;
mod timers;
mod watermarks;

pub use address_order::{Destination, DestinationRule, interleave, sort_destinations};
pub use chunks::Chunks;
pub use family::{Family, SocketKind, literal};
pub use policy::{
    AddressQueues, AddressSelection, AdvanceOn, AtLimit, DelayFrom, InterleaveScope, MinimumDelay,
    NegativeAnswers, Pacing, Policy, Resolution, Success,
};
pub use preset::{Preset, PresetError};
pub use query::{DnsTransport, Query, QueryPolicy, QueryStep, Reply, Transmit};
pub use race::{
    Answer, AnswerEffect, AnswerTiming, CancelReason, FirstAttemptReason, LossReason, Race,
    RaceAddress, Reason, Start, Step,
};
pub use search::SearchList;
pub use slow::{SlowJob, SlowLog, SlowTotals};
pub use target::{Host, Port, Target, TargetError};
pub use timers::{TimerKey, Timers};
pub use watermarks::{Flow, FlowCall, LimitsError, Watermarks, WriteLimits};
