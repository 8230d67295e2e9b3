//! The addresses of a race, in the order in which they are tried.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::{Family, Policy};

/// Something that can be tried.
///
/// ```
/// use loopctl::plan::{RaceAddress, Family};
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
    /// Which family it is of. [`Unspecified`](Family::Unspecified) is one, too.
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

/// All that is known, and the order.
#[derive(Debug, Clone)]
pub(super) struct Field<A> {
    /// As they became known; what else there is are indices into this.
    known: Vec<Candidate<A>>,
    /// As the resolver would have it, had all been known from the beginning.
    ranked: Vec<usize>,
    /// As they are tried.
    order: Vec<usize>,
}

#[derive(Debug, Clone)]
struct Candidate<A> {
    address: A,
    /// Which question told it.
    rank: usize,
    /// `None`: it was known before the race began.
    since: Option<Instant>,
    is_taken: bool,
}

impl<A: RaceAddress> Field<A> {
    /// Adds what one question told, and returns how many addresses are new and how many are not.
    pub(super) fn add(
        &mut self,
        addresses: impl IntoIterator<Item = A>,
        since: Option<Instant>,
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
            self.known.push(Candidate { address, rank, since, is_taken: false });
        }
        self.ranked.sort_by_key(|&candidate| self.known[candidate].rank);
        self.arrange(policy);
        (self.known.len() - before, duplicates)
    }

    pub(super) fn sort_by_key<K: Ord>(&mut self, key: &mut dyn FnMut(&A) -> K, policy: &Policy) {
        self.ranked.sort_by_key(|&candidate| key(&self.known[candidate].address));
        self.arrange(policy);
    }

    pub(super) fn untried(&self) -> impl Iterator<Item = usize> {
        self.order.iter().copied().filter(|&candidate| !self.known[candidate].is_taken)
    }

    pub(super) fn take(&mut self, candidate: usize) {
        self.known[candidate].is_taken = true;
    }

    pub(super) fn address(&self, candidate: usize) -> &A {
        &self.known[candidate].address
    }

    pub(super) fn family(&self, candidate: usize) -> Family {
        self.known[candidate].address.family()
    }

    pub(super) fn since(&self, candidate: usize) -> Option<Instant> {
        self.known[candidate].since
    }

    /// What has been tried keeps its place, so that the others have the places that they would have had if all
    /// had been known from the beginning (draft-ietf-happy-happyeyeballs-v3).
    fn arrange(&mut self, policy: &Policy) {
        self.order = policy.order(self.ranked.clone(), |&candidate| self.family(candidate));
    }
}

impl<A> Default for Field<A> {
    fn default() -> Self {
        Self { known: Vec::new(), ranked: Vec::new(), order: Vec::new() }
    }
}
