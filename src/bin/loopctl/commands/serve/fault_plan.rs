//! Faults of one connection, sampled when it is made or when the faults change. A seed repeats them client by client.
//! `connection.rs` counts bytes against them, and `client.rs` ends the connection.

use std::cell::RefCell;
use std::num::NonZero;
use std::time::Duration;

use fastrand::Rng;

use crate::config::fault::{Direction, FaultArg, Side};
use crate::config::{Fault, Faults, Jittered};

/// Sampled faults and limits of one connection.
#[derive(Debug)]
pub(super) struct FaultPlan {
    pub(super) faults: Vec<Fault>,
    pub(super) accept_delay: Option<Duration>,
    /// By time after the handshake, the earliest first.
    pub(super) scheduled: Vec<(Duration, ScheduledFault)>,
    pub(super) budget: Option<Budget>,
    /// Largest write in bytes, and the pause after each.
    pub(super) slice: Option<(usize, Duration)>,
    pub(super) rates: Rates,
    delay: Option<Jittered>,
    rng: RefCell<Rng>,
}

/// Limits in bytes per second, from `--fault rate` or `--rate`, the lower one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) read: Option<NonZero<u64>>,
    pub(super) write: Option<NonZero<u64>>,
}

/// A fault that is due at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScheduledFault {
    Close,
    Reset,
    HalfClose,
}

/// Bytes that may move before a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) bytes: u64,
    pub(super) action: BudgetAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetAction {
    Stall,
    Reset,
}

impl FaultPlan {
    /// `None` for a connection without faults and without a rate.
    pub(super) fn sample(
        faults: &Faults,
        side: Side,
        rate: Option<NonZero<u64>>,
        rng: Rng,
    ) -> Option<Box<Self>> {
        let mut plan = Self {
            faults: Vec::new(),
            accept_delay: None,
            scheduled: Vec::new(),
            budget: None,
            slice: None,
            rates: Rates { read: rate, write: rate },
            delay: None,
            rng: RefCell::new(rng),
        };
        for arg in &faults.faults {
            // One random number per fault, hit or not, so that percentages do not shift later samples.
            let is_hit = plan.rng.get_mut().f64() * 100.0 < arg.percent;
            if is_hit && arg.side() == side {
                plan.add(arg);
            }
        }
        plan.scheduled.sort_by_key(|(after, _)| *after);
        (rate.is_some() || !plan.faults.is_empty()).then(|| Box::new(plan))
    }

    fn add(&mut self, arg: &FaultArg) {
        match arg.fault {
            Fault::AcceptDelay(value) => self.accept_delay = Some(self.sample_time(value)),
            Fault::Delay(value) => self.delay = Some(value),
            Fault::Close(after) => self.schedule(after, ScheduledFault::Close),
            Fault::Reset(after) => self.schedule(after, ScheduledFault::Reset),
            Fault::HalfClose(after) => self.schedule(after, ScheduledFault::HalfClose),
            Fault::StallAfter(bytes) => self.limit(bytes, BudgetAction::Stall),
            Fault::ResetAfter(bytes) => self.limit(bytes, BudgetAction::Reset),
            Fault::Slice(bytes, pause) => {
                let piece = self.sample_number(bytes).max(1);
                self.slice = Some((usize::try_from(piece).unwrap_or(usize::MAX), pause));
            }
            Fault::Rate(rate) => {
                let rate = NonZero::new(self.sample_number(rate)).unwrap_or(NonZero::<u64>::MIN);
                let strictest =
                    |limit: Option<NonZero<u64>>| Some(limit.map_or(rate, |limit| limit.min(rate)));
                self.rates.write = strictest(self.rates.write);
                if arg.direction == Direction::Both {
                    self.rates.read = strictest(self.rates.read);
                }
            }
            // A fault of the listener, which accepts no client.
            Fault::Backlog(_) => return,
            // Looked up in `faults` where they apply.
            Fault::TlsStall
            | Fault::TlsClose
            | Fault::TlsWrongName
            | Fault::TlsExpired
            | Fault::TlsBareFin => {}
        }
        self.faults.push(arg.fault);
    }

    fn schedule(&mut self, after: Jittered, fault: ScheduledFault) {
        let after = self.sample_time(after);
        self.scheduled.push((after, fault));
    }

    /// Keeps the lower of two budgets.
    fn limit(&mut self, bytes: Jittered, action: BudgetAction) {
        let budget = Budget { bytes: self.sample_number(bytes), action };
        if self.budget.is_none_or(|known| budget.bytes < known.bytes) {
            self.budget = Some(budget);
        }
    }

    /// Samples the delay of the next reply.
    pub(super) fn sample_delay(&self) -> Option<Duration> {
        self.delay.map(|delay| self.sample_time(delay))
    }

    fn sample_time(&self, nanoseconds: Jittered) -> Duration {
        Duration::from_nanos(self.sample_number(nanoseconds))
    }

    fn sample_number(&self, value: Jittered) -> u64 {
        value.sample(&mut self.rng.borrow_mut())
    }
}

impl Jittered {
    /// Samples a value, evenly distributed within the jitter.
    fn sample(self, rng: &mut Rng) -> u64 {
        rng.u64(self.value.saturating_sub(self.jitter)..=self.value.saturating_add(self.jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        Faults { faults: texts.iter().map(|text| text.parse().unwrap()).collect(), seed: 0 }
    }

    #[test]
    fn percentages_hit_their_share_and_seeds_repeat() {
        let faults = faults(&["reset@10%", "delay=5ms@50%"]);
        let hits = |seed: u64| {
            let mut master = Rng::with_seed(seed);
            let mut sample = || FaultPlan::sample(&faults, Side::Client, None, master.fork());
            (0..1000)
                .map(|_| sample().map_or_else(Vec::new, |plan| plan.faults))
                .collect::<Vec<_>>()
        };
        let resets =
            hits(1).iter().filter(|names| names.iter().any(|it| it.name() == "reset")).count();
        assert!((70..130).contains(&resets), "{resets} of 1000");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_fills_them() {
        let value = Jittered { value: 10, jitter: 5 };
        let mut rng = Rng::with_seed(7);
        let sampled: Vec<u64> = (0..1000).map(|_| value.sample(&mut rng)).collect();
        assert_eq!((sampled.iter().min(), sampled.iter().max()), (Some(&5), Some(&15)));
        let wide = Jittered { value: 1, jitter: u64::MAX };
        let sampled: Vec<u64> = (0..100).map(|_| wide.sample(&mut rng)).collect();
        assert!(sampled.iter().any(|number| *number > 1 << 32), "no overflow on either side");
    }

    #[test]
    fn several_combine_and_the_strictest_limit_counts() {
        let several = faults(&[
            "stall-after=2KiB",
            "reset-after=1KiB",
            "close=2s",
            "half-close=1s",
            "rate=9",
        ]);
        let limit = NonZero::new(100);
        let plan = FaultPlan::sample(&several, Side::Client, limit, Rng::with_seed(0)).unwrap();
        assert_eq!(plan.budget, Some(Budget { bytes: 1024, action: BudgetAction::Reset }));
        let nine = NonZero::new(9);
        assert_eq!(plan.rates, Rates { read: nine, write: nine });
        let scheduled: Vec<_> = plan.scheduled.iter().map(|(_, fault)| *fault).collect();
        assert_eq!(scheduled, [ScheduledFault::HalfClose, ScheduledFault::Close]);
        assert!(FaultPlan::sample(&faults(&[]), Side::Client, None, Rng::with_seed(0)).is_none());
    }

    #[test]
    fn each_side_has_its_own_and_a_direction_limits_what_is_sent() {
        let both = faults(&["up:delay=1s", "down:rate=5kB/s", "up:rate=7kB/s"]);
        let plan = |side| FaultPlan::sample(&both, side, NonZero::new(6000), Rng::with_seed(0));
        let client = plan(Side::Client).unwrap();
        assert_eq!(client.rates, Rates { read: NonZero::new(6000), write: NonZero::new(5000) });
        assert_eq!(client.sample_delay(), None);
        let upstream = plan(Side::Upstream).unwrap();
        assert_eq!(upstream.rates, Rates { read: NonZero::new(6000), write: NonZero::new(6000) });
        assert_eq!(upstream.sample_delay(), Some(Duration::from_secs(1)));
    }
}
