//! Addresses of a race, in the order in which they are tried.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::{Family, Policy};

/// Address that a race can try.
///
/// ```
/// use loopctl::plan::{Family, RaceAddress};
///
/// #[derive(Debug, PartialEq)]
/// struct Mirror(&'static str, std::net::Ipv4Addr);
/// impl RaceAddress for Mirror {
///     fn family(&self) -> Family {
///         Family::Inet
///     }
/// }
/// ```
pub trait RaceAddress: PartialEq {
    /// Address family. [`Unspecified`](Family::Unspecified) counts as a family, too.
    fn family(&self) -> Family;
}

impl RaceAddress for IpAddr {
    fn family(&self) -> Family {
        Family::of(self)
    }
}

impl RaceAddress for SocketAddr {
    fn family(&self) -> Family {
        Family::of(&self.ip())
    }
}

/// All known addresses and their order.
#[derive(Debug, Clone)]
pub(in super::super) struct Candidates<A> {
    /// In order of arrival; everything else refers to this by index.
    known: Vec<Candidate<A>>,
    /// In the resolver's order, as if all answers had arrived at once.
    ranked: Vec<usize>,
    /// In the order in which they are tried.
    order: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Candidate<A> {
    address: A,
    /// Index of the query that returned it.
    rank: usize,
    /// Arrival of the answer; `None` if the address was known before the race.
    known_at: Option<Instant>,
    is_tried: bool,
}

impl<A: RaceAddress> Candidates<A> {
    /// Adds the addresses of one answer; returns the number of new ones and of duplicates.
    pub(in super::super) fn add(
        &mut self,
        addresses: impl IntoIterator<Item = A>,
        known_at: Option<Instant>,
        rank: usize,
        policy: &Policy,
    ) -> (usize, usize) {
        let (before, mut duplicates) = (self.known.len(), 0);
        for address in addresses {
            if policy.selection.deduplicate
                && self.known.iter().any(|known| known.address == address)
            {
                duplicates += 1;
                continue;
            }
            self.ranked.push(self.known.len());
            self.known.push(Candidate { address, rank, known_at, is_tried: false });
        }
        self.ranked.sort_by_key(|&candidate| self.known[candidate].rank);
        self.arrange(policy);
        (self.known.len() - before, duplicates)
    }

    pub(in super::super) fn sort_by_key<K: Ord>(
        &mut self,
        key: &mut dyn FnMut(&A) -> K,
        policy: &Policy,
    ) {
        self.ranked.sort_by_key(|&candidate| key(&self.known[candidate].address));
        self.arrange(policy);
    }

    pub(in super::super) fn untried(&self) -> impl Iterator<Item = usize> {
        self.order.iter().copied().filter(|&candidate| !self.known[candidate].is_tried)
    }

    pub(in super::super) fn mark_tried(&mut self, candidate: usize) {
        self.known[candidate].is_tried = true;
    }

    pub(in super::super) fn address(&self, candidate: usize) -> &A {
        &self.known[candidate].address
    }

    pub(in super::super) fn family(&self, candidate: usize) -> Family {
        self.known[candidate].address.family()
    }

    pub(in super::super) fn known_at(&self, candidate: usize) -> Option<Instant> {
        self.known[candidate].known_at
    }

    /// Interleaves the families again. Tried addresses keep their positions, because the others are to get the
    /// positions that they would have had from the start (draft-ietf-happy-happyeyeballs-v3).
    fn arrange(&mut self, policy: &Policy) {
        self.order = policy.order(self.ranked.clone(), |&candidate| self.family(candidate));
    }
}

impl<A> Default for Candidates<A> {
    fn default() -> Self {
        Self { known: Vec::new(), ranked: Vec::new(), order: Vec::new() }
    }
}
