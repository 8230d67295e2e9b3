//! Which faults a client meets: drawn when it is accepted, so that a seed repeats them client by client.

use std::cell::RefCell;
use std::num::NonZero;
use std::time::Duration;

use fastrand::Rng;

use crate::config::Faults;
use crate::config::fault::{Fault, Spread};

/// What will happen to one client.
#[derive(Debug)]
pub(super) struct Plan {
    /// The faults it was drawn for.
    pub(super) drawn: Vec<Fault>,
    pub(super) accept_delay: Option<Duration>,
    /// By time after the start, the earliest first.
    pub(super) turns: Vec<(Duration, Turn)>,
    pub(super) budget: Option<Budget>,
    pub(super) slice: Option<(usize, Duration)>,
    /// In bytes a second.
    pub(super) rate: Option<NonZero<u64>>,
    delay: Option<Spread>,
    rng: RefCell<Rng>,
}

/// What happens to a connection at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Close,
    Reset,
    HalfClose,
}

/// What happens after so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) bytes: u64,
    pub(super) then: Spent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Stall,
    Reset,
}

impl Plan {
    /// `None` where nothing is out of the ordinary.
    pub(super) fn draw(faults: &Faults, rate: Option<NonZero<u64>>, rng: Rng) -> Option<Box<Self>> {
        let mut plan = Self {
            drawn: Vec::new(),
            accept_delay: None,
            turns: Vec::new(),
            budget: None,
            slice: None,
            rate,
            delay: None,
            rng: RefCell::new(rng),
        };
        for arg in &faults.faults {
            // Drawn in any case: what one client is spared does not change the luck of the next fault.
            let is_hit = plan.rng.get_mut().f64() * 100.0 < arg.percent;
            if is_hit {
                plan.add(arg.fault);
            }
        }
        plan.turns.sort_by_key(|(after, _)| *after);
        (rate.is_some() || !plan.drawn.is_empty()).then(|| Box::new(plan))
    }

    fn add(&mut self, fault: Fault) {
        match fault {
            Fault::AcceptDelay(spread) => self.accept_delay = Some(self.time(spread)),
            Fault::Delay(spread) => self.delay = Some(spread),
            Fault::Close(spread) => self.turn(spread, Turn::Close),
            Fault::Reset(spread) => self.turn(spread, Turn::Reset),
            Fault::HalfClose(spread) => self.turn(spread, Turn::HalfClose),
            Fault::StallAfter(spread) => self.limit(spread, Spent::Stall),
            Fault::ResetAfter(spread) => self.limit(spread, Spent::Reset),
            Fault::Slice(spread, pause) => {
                let piece = self.number(spread).max(1);
                self.slice = Some((usize::try_from(piece).unwrap_or(usize::MAX), pause));
            }
            Fault::Rate(spread) => {
                let rate = NonZero::new(self.number(spread)).unwrap_or(NonZero::<u64>::MIN);
                self.rate = Some(self.rate.map_or(rate, |limit| limit.min(rate)));
            }
            // It is the listener's: no client is ever accepted.
            Fault::Backlog(_) => return,
            // They are looked for among those drawn.
            Fault::TlsStall
            | Fault::TlsClose
            | Fault::TlsWrongName
            | Fault::TlsExpired
            | Fault::TlsBareFin => {}
        }
        self.drawn.push(fault);
    }

    fn turn(&mut self, after: Spread, turn: Turn) {
        let after = self.time(after);
        self.turns.push((after, turn));
    }

    /// Of two limits, the lower one counts.
    fn limit(&mut self, bytes: Spread, then: Spent) {
        let budget = Budget { bytes: self.number(bytes), then };
        if self.budget.is_none_or(|known| budget.bytes < known.bytes) {
            self.budget = Some(budget);
        }
    }

    /// As they are called.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.drawn.iter().map(|fault| fault.name()).collect()
    }

    /// How much later the next reply is sent.
    pub(super) fn delay(&self) -> Option<Duration> {
        self.delay.map(|spread| self.time(spread))
    }

    fn time(&self, spread: Spread) -> Duration {
        Duration::from_nanos(self.number(spread))
    }

    fn number(&self, spread: Spread) -> u64 {
        spread.draw(&mut self.rng.borrow_mut())
    }
}

impl Spread {
    /// Any value within the jitter, with the same chance.
    pub(super) fn draw(self, rng: &mut Rng) -> u64 {
        rng.u64(self.value.saturating_sub(self.jitter)..=self.value.saturating_add(self.jitter))
    }
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AcceptDelay(_) => "accept-delay",
            Self::Delay(_) => "delay",
            Self::Close(_) => "close",
            Self::Reset(_) => "reset",
            Self::HalfClose(_) => "half-close",
            Self::StallAfter(_) => "stall-after",
            Self::ResetAfter(_) => "reset-after",
            Self::Slice(..) => "slice",
            Self::Rate(_) => "rate",
            Self::Backlog(_) => "backlog",
            Self::TlsStall => "tls-stall",
            Self::TlsClose => "tls-close",
            Self::TlsWrongName => "tls-wrong-name",
            Self::TlsExpired => "tls-expired",
            Self::TlsBareFin => "tls-bare-fin",
        }
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
            let mut draw = || Plan::draw(&faults, None, master.fork()).map(|plan| plan.names());
            (0..1000).map(|_| draw().unwrap_or_default()).collect::<Vec<_>>()
        };
        let resets = hits(1).iter().filter(|names| names.contains(&"reset")).count();
        assert!((70..130).contains(&resets), "{resets} of 1000");
        assert_eq!(hits(1), hits(1));
        assert_ne!(hits(1), hits(2));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_fills_them() {
        let spread = Spread { value: 10, jitter: 5 };
        let mut rng = Rng::with_seed(7);
        let drawn: Vec<u64> = (0..1000).map(|_| spread.draw(&mut rng)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&5), Some(&15)));
        let wide = Spread { value: 1, jitter: u64::MAX };
        let drawn: Vec<u64> = (0..100).map(|_| wide.draw(&mut rng)).collect();
        assert!(drawn.iter().any(|number| *number > 1 << 32), "no overflow on either side");
    }

    #[test]
    fn several_combine_and_the_strictest_limit_counts() {
        let faults = faults(&[
            "stall-after=2KiB",
            "reset-after=1KiB",
            "close=2s",
            "half-close=1s",
            "rate=9",
        ]);
        let limit = NonZero::new(100);
        let plan = Plan::draw(&faults, limit, Rng::with_seed(0)).unwrap();
        assert_eq!(plan.budget, Some(Budget { bytes: 1024, then: Spent::Reset }));
        assert_eq!(plan.rate, NonZero::new(9));
        let turns: Vec<Turn> = plan.turns.iter().map(|(_, turn)| *turn).collect();
        assert_eq!(turns, [Turn::HalfClose, Turn::Close]);
        assert!(Plan::draw(&faults_none(), None, Rng::with_seed(0)).is_none());
    }

    fn faults_none() -> Faults {
        faults(&[])
    }
}
