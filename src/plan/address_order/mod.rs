//! The order in which addresses are tried, in three steps.
//!
//! 1. `destination.rs`: the preference of this host (RFC 6724), if the resolver has not sorted by it.
//! 2. `interleave.rs`: families alternate (RFC 8305, section 4), as the [`Policy`] says.
//! 3. `candidates.rs`: answers that arrive during the race.

pub(super) mod candidates;
mod destination;
mod interleave;

pub use destination::{Destination, DestinationRule, sort_destinations};
pub use interleave::interleave;

use super::policy::{InterleaveScope, Policy};

impl Policy {
    /// Sorts addresses into the order in which they are tried, by family only.
    ///
    /// ```
    /// use loopctl::plan::{Policy, Preset};
    ///
    /// let order = |preset: Preset| {
    ///     let known = vec!["6a", "6b", "6c", "4a", "4b", "4c"];
    ///     Policy::from(preset).order(known, |address| address.as_bytes()[0]).join(" ")
    /// };
    /// assert_eq!(order(Preset::Hev3), "6a 4a 6b 4b 6c 4c");
    /// assert_eq!(order(Preset::Trio), "6a 4a 6b 6c 4b 4c");
    /// assert_eq!(order(Preset::Sequential), "6a 6b 6c 4a 4b 4c");
    /// ```
    pub fn order<T, F: PartialEq>(&self, known: Vec<T>, family: impl Fn(&T) -> F) -> Vec<T> {
        match (self.interleave, self.selection.interleave_scope) {
            (0, _) => known,
            (first, InterleaveScope::All) => interleave(known, first, family),
            (_, InterleaveScope::SecondOnly) => second_of_another_family(known, family),
        }
    }
}

fn second_of_another_family<T, F: PartialEq>(
    mut known: Vec<T>,
    family: impl Fn(&T) -> F,
) -> Vec<T> {
    let is_other = |item: &T| known.first().is_some_and(|first| family(item) != family(first));
    if let Some(at) = known.iter().position(is_other) {
        known[1..=at].rotate_right(1);
    }
    known
}
