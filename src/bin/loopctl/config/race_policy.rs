//! The policy of a race: a preset, and the flags that override it.

use std::num::NonZero;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use loopctl::plan::{MinimumDelay, Policy, Preset, Resolution};

use crate::cli::{AttemptDelay, RaceArgs};

/// A policy that has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedPolicy {
    /// The preset, before flags changed it.
    pub(crate) base: Preset,
    policy: Policy,
}

impl NamedPolicy {
    /// The policy after all flags. The default is Happy Eyeballs version 3;
    /// without Happy Eyeballs, one address after another.
    pub(super) fn new(args: &RaceArgs) -> Self {
        let plain = match args.happy_eyeballs {
            Some(AttemptDelay::Off) => Preset::Sequential,
            _ => Preset::Hev3,
        };
        let mut rules = Self::from(args.policy.unwrap_or(plain));
        match args.happy_eyeballs {
            None => {}
            Some(AttemptDelay::Off) => {
                (rules.connection_attempt_delay, rules.interleave) = (None, 0)
            }
            Some(AttemptDelay::Delay(delay)) => rules.connection_attempt_delay = Some(delay),
        }
        if let Some(delay) = args.resolution_delay {
            rules.resolution = apart(delay, rules.resolution);
        }
        let at_once = rules.connection_attempt_delay == Some(Duration::ZERO);
        if at_once {
            rules.pacing.minimum_delay = MinimumDelay::default();
        }
        if at_once {
            // Because the preset starts all attempts at once.
            (rules.max_parallel, rules.selection.max_addresses) = (None, None);
        }
        rules.interleave = args.interleave.unwrap_or(rules.interleave);
        rules.max_parallel = args.max_parallel.or(rules.max_parallel);
        rules.attempt_timeout = args.attempt_timeout.or(rules.attempt_timeout);
        rules
    }

    /// Every address is tried, and no connection ends the race. At most `max` at a time.
    pub(crate) fn probe_all(&mut self, max: Option<NonZero<usize>>) {
        self.max_parallel = max;
        self.selection.max_addresses = None;
        self.run_all = true;
    }

    /// Without a handshake there is nothing to race: one address after another has its time to refuse.
    pub(super) fn over_udp(&mut self, silence: Duration) {
        let Policy { interleave, attempt_timeout, run_all, .. } = self.policy;
        let attempt_timeout = Some(attempt_timeout.unwrap_or(silence));
        let base = Preset::Sequential;
        let policy = Policy { interleave, attempt_timeout, run_all, ..base.into() };
        *self = Self { base, policy };
    }

    /// The recommendation of RFC 8305 section 8 about the Connection Attempt Delay, if it is not followed.
    pub(super) fn warning(&self) -> Option<String> {
        let delay = self.connection_attempt_delay?;
        if delay.is_zero() {
            let text = "all addresses at once: a Connection Attempt Delay MUST NOT be less than 10ms (RFC 8305 section 8)";
            return Some(text.to_owned());
        }
        let recommended = Duration::from_millis(100)..=Duration::from_secs(2);
        (!recommended.contains(&delay)).then(|| {
            format!("a Connection Attempt Delay of {delay:?} is outside 100ms to 2s (RFC 8305 section 8)")
        })
    }

    /// The Resolution Delay, where each family is asked for by itself.
    pub(crate) fn resolution_delay(&self) -> Option<Duration> {
        match self.resolution {
            Resolution::Separate { delay, .. } => Some(delay),
            Resolution::Joint { .. } => None,
        }
    }

    /// Name of the preset, with the delays of RFC 8305: Connection Attempt Delay, Resolution Delay, and the minimum
    /// time between two starts.
    pub(crate) fn describe(&self) -> String {
        let minimum = Some(self.pacing.minimum_delay.delay).filter(|delay| !delay.is_zero());
        let numbers = [
            ("CAD", self.connection_attempt_delay),
            ("RD", self.resolution_delay()),
            ("min CAD", minimum),
        ];
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, time)| Some(format!("{name} {}", time?.as_secs_f64() * 1000.0)));
        let numbers = numbers.collect::<Vec<_>>().join(", ");
        let changed = if self.changed().is_empty() { "" } else { ", changed" };
        match numbers.as_str() {
            "" => format!("{}{changed}", self.base),
            numbers => format!("{}{changed} ({numbers})", self.base),
        }
    }

    /// The settings that differ from the preset, by their JSON keys.
    pub(crate) fn changed(&self) -> Vec<&'static str> {
        let own = Self::from(self.base);
        let fields = [
            (
                "connection_attempt_delay_ms",
                self.connection_attempt_delay != own.connection_attempt_delay,
            ),
            ("resolution_delay_ms", self.resolution_delay() != own.resolution_delay()),
            (
                "min_connection_attempt_delay_ms",
                self.pacing.minimum_delay != own.pacing.minimum_delay,
            ),
            ("interleave", self.interleave != own.interleave),
            ("max_parallel", self.max_parallel != own.max_parallel),
            ("max_addresses", self.selection.max_addresses != own.selection.max_addresses),
            ("attempt_timeout_ms", self.attempt_timeout != own.attempt_timeout),
            ("success", self.pacing.success != own.pacing.success),
        ];
        fields.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name).collect()
    }
}

/// Separate queries for each family, with the given Resolution Delay.
fn apart(delay: Duration, rule: Resolution) -> Resolution {
    let (delay_from, ended_by) = match rule {
        Resolution::Separate { delay_from, ended_by, .. } => (delay_from, ended_by),
        Resolution::Joint { .. } => Default::default(),
    };
    Resolution::Separate { delay, delay_from, ended_by }
}

impl From<Preset> for NamedPolicy {
    fn from(base: Preset) -> Self {
        Self { base, policy: base.into() }
    }
}

impl Deref for NamedPolicy {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.policy
    }
}

impl DerefMut for NamedPolicy {
    fn deref_mut(&mut self) -> &mut Policy {
        &mut self.policy
    }
}
