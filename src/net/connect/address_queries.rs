//! AAAA and A queries of a race that starts before all addresses are known (RFC 8305 section 3).

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::net::resolver::source_address;
use crate::net::{AddrInfo, Address, Lookup, ResolveError, Resolver};
use crate::plan::{Answer, Family, sort_destinations};

/// Pending queries, the addresses they have returned, and their errors.
pub(in crate::net) struct AddressQueries {
    resolver: Rc<dyn Resolver>,
    lookup: Lookup,
    prefer: Option<Family>,
    open: Vec<(Family, PendingQuery)>,
    known: Vec<SocketAddr>,
    errors: Vec<ResolveError>,
    /// Set once an attempt has been started on the known addresses.
    pub(in crate::net) is_used: bool,
}

type PendingQuery = Pin<Box<dyn Future<Output = Result<Vec<AddrInfo>, ResolveError>>>>;

/// Answer to one query.
pub(in crate::net) struct AddressAnswer {
    pub(in crate::net) family: Family,
    pub(in crate::net) result: Result<Vec<SocketAddr>, ResolveError>,
    /// Meaning of the answer for the race.
    pub(in crate::net) answer: Answer<Address>,
}

impl AddressQueries {
    pub(in crate::net) fn new(
        resolver: Rc<dyn Resolver>,
        lookup: Lookup,
        prefer: Option<Family>,
    ) -> Self {
        let (open, known, errors) = (Vec::new(), Vec::new(), Vec::new());
        Self { resolver, lookup, prefer, open, known, errors, is_used: false }
    }

    /// Families to query, the preferred one first. AAAA is sent before A (RFC 8305 section 3).
    pub(in crate::net) fn families(&self) -> [Family; 2] {
        match self.prefer {
            Some(Family::Inet) => [Family::Inet, Family::Inet6],
            _ => [Family::Inet6, Family::Inet],
        }
    }

    pub(in crate::net) fn host(&self) -> String {
        self.lookup.host().to_string()
    }

    /// Sends a query. [`poll`](Self::poll) returns its answer.
    pub(in crate::net) fn ask(&mut self, family: Family) {
        let (resolver, lookup) = (Rc::clone(&self.resolver), self.lookup.clone().family(family));
        self.open.push((family, Box::pin(async move { resolver.resolve(lookup).await })));
    }

    /// Next answer that has arrived.
    pub(in crate::net) fn poll(&mut self, cx: &mut Context<'_>) -> Option<AddressAnswer> {
        let polled = self.open.iter_mut().enumerate().find_map(|(at, (_, asking))| {
            match asking.as_mut().poll(cx) {
                Poll::Ready(answer) => Some((at, answer)),
                Poll::Pending => None,
            }
        });
        let (at, answer) = polled?;
        let (family, _) = self.open.remove(at);
        Some(match answer {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().map(|info| info.address).collect();
                self.known.extend(&addresses);
                let candidates = addresses.iter().copied().map(Address::from).collect();
                AddressAnswer {
                    family,
                    result: Ok(addresses),
                    answer: Answer::Addresses(candidates),
                }
            }
            Err(error) => {
                self.errors.push(error.clone());
                let answer = error.answer();
                AddressAnswer { family, result: Err(error), answer }
            }
        })
    }

    /// Drops the pending queries and returns their families.
    pub(in crate::net) fn cancel_all(&mut self) -> Vec<Family> {
        self.open.drain(..).map(|(family, _)| family).collect()
    }

    pub(in crate::net) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    /// Rank of an address among all known ones: the order of RFC 6724 section 6, after the preferred family.
    pub(in crate::net) fn ranking(&self) -> impl Fn(&Address) -> (bool, usize) + use<> {
        let addresses = self.known.iter().map(SocketAddr::ip);
        let sorted = sort_destinations(addresses, source_address);
        let prefer = self.prefer;
        move |address| {
            let ip = address.as_inet().map(|inet| inet.ip());
            let place = sorted.iter().position(|known| Some(known.address) == ip);
            let is_other = prefer.is_some_and(|family| address.family() != Some(family));
            (is_other, place.unwrap_or(usize::MAX))
        }
    }

    /// Error of the lookup: the one that leaves the most open about the name.
    pub(in crate::net) fn error(&mut self) -> ResolveError {
        let uncertainty = |error: &ResolveError| match error.answer::<Address>() {
            Answer::NoName => 0,
            Answer::NoData => 1,
            Answer::Failed => 2,
            _ => 3,
        };
        let worst = std::mem::take(&mut self.errors).into_iter().max_by_key(uncertainty);
        worst.unwrap_or_else(|| ResolveError::NoAddresses { host: self.host() })
    }
}
