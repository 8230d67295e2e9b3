//! Room 0: decides. No I/O, no clock, no loop.
//!
//! Everything here is told what happened and when, and answers what to do next. That makes the
//! rules of the race testable in tables and in virtual time; the other rooms only carry them out.
//!
//! ```
//! use loopctl::plan::{Policy, Race, Step};
//! use std::time::{Duration, Instant};
//!
//! let t0 = Instant::now();
//! let mut race = Race::new(2, Policy::happy_eyeballs(Duration::from_millis(250)));
//! assert_eq!(race.poll(t0), Step::Start(0));
//! assert_eq!(race.poll(t0), Step::Wait(Some(t0 + Duration::from_millis(250))));
//! race.failed(0);
//! assert_eq!(race.poll(t0 + Duration::from_millis(9)), Step::Start(1), "a failure starts the next");
//! ```

mod chunks;
mod destination;
mod flow;
mod host;
mod interleave;
mod literal;
mod policy;
mod query;
mod race;
mod search;
mod slow;
mod timers;

pub use chunks::Chunks;
pub use destination::{Destination, DestinationRule, sort_destinations};
pub use flow::{Flow, FlowCall, LimitsError, Watermarks, WriteLimits};
pub use host::{Host, Port, Target, TargetError};
pub use interleave::interleave;
pub use literal::{Family, SocketKind, literal};
pub use policy::Policy;
pub use query::{Ask, DnsTransport, Query, QueryPolicy, QueryStep, Reply};
pub use race::{Race, Step};
pub use search::SearchList;
pub use slow::{SlowJob, SlowLog, SlowTotals};
pub use timers::{TimerKey, Timers};
