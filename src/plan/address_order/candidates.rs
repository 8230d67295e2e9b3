//! Addresses of a race, in the order in which they are tried.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::{Family, Policy};

/// Address that a race can try.
///
/// ```
/// use loopctl::plan::{Family, RaceAddress};
///
/// #[derive(Debug, PartialEq, Eq, Hash)]
/// struct Mirror(&'static str, std::net::Ipv4Addr);
/// impl RaceAddress for Mirror {
///     fn family(&self) -> Family {
///         Family::Inet
///     }
/// }
/// ```
pub trait RaceAddress: Eq + Hash {
    /// Address family of the packets, which is IPv4 for an IPv4-mapped address. [`Unspecified`](Family::Unspecified) counts as a family, too.
    fn family(&self) -> Family;
}

impl RaceAddress for IpAddr {
    fn family(&self) -> Family {
        Family::of(&self.to_canonical())
    }
}

impl RaceAddress for SocketAddr {
    fn family(&self) -> Family {
        self.ip().family()
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
    /// Untried candidates of each family with their positions in `order`.
    untried: Vec<(Family, VecDeque<(usize, usize)>)>,
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
        let before = self.known.len();
        let addresses: Vec<A> = addresses.into_iter().collect();
        let is_new: Vec<bool> = {
            let mut seen: HashSet<&A> = self.known.iter().map(|known| &known.address).collect();
            addresses.iter().map(|it| seen.insert(it) || !policy.selection.deduplicate).collect()
        };
        let duplicates = is_new.iter().filter(|is_new| !**is_new).count();
        for (address, _) in addresses.into_iter().zip(is_new).filter(|(_, is_new)| *is_new) {
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

    /// The first untried candidate of a family that is wanted.
    pub(in super::super) fn first_untried(&self, wanted: impl Fn(Family) -> bool) -> Option<usize> {
        let families = self.untried.iter().filter(|(family, _)| wanted(*family));
        let first = families.filter_map(|(_, candidates)| candidates.front()).min()?;
        Some(first.1)
    }

    pub(in super::super) fn mark_tried(&mut self, candidate: usize) {
        self.known[candidate].is_tried = true;
        for (_, candidates) in &mut self.untried {
            while candidates.front().is_some_and(|(_, first)| self.known[*first].is_tried) {
                candidates.pop_front();
            }
        }
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
        self.untried.clear();
        for (position, &candidate) in self.order.iter().enumerate() {
            if self.known[candidate].is_tried {
                continue;
            }
            let family = self.family(candidate);
            match self.untried.iter_mut().find(|(known, _)| *known == family) {
                Some((_, candidates)) => candidates.push_back((position, candidate)),
                None => self.untried.push((family, [(position, candidate)].into())),
            }
        }
    }
}

impl<A> Default for Candidates<A> {
    fn default() -> Self {
        Self { known: Vec::new(), ranked: Vec::new(), order: Vec::new(), untried: Vec::new() }
    }
}
