//! The questions of a race that begins before all addresses are known: one for each family.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::net::resolver::source_address;
use crate::net::{AddrInfo, Address, Lookup, ResolveError, Resolver};
use crate::plan::{Answer, Family, sort_destinations};

/// What is asked, of whom, and what has come of it so far.
pub(in crate::net) struct AddressQueries {
    resolver: Rc<dyn Resolver>,
    lookup: Lookup,
    prefer: Option<Family>,
    open: Vec<(Family, PendingQuery)>,
    known: Vec<SocketAddr>,
    errors: Vec<ResolveError>,
    /// Attempts have been started on what is known.
    pub(in crate::net) is_used: bool,
}

type PendingQuery = Pin<Box<dyn Future<Output = Result<Vec<AddrInfo>, ResolveError>>>>;

/// A question with its answer.
pub(in crate::net) struct AddressAnswer {
    pub(in crate::net) family: Family,
    pub(in crate::net) result: Result<Vec<SocketAddr>, ResolveError>,
    /// What it means for the race.
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

    /// The families to ask for, the preferred one first. AAAA goes before A (RFC 8305 section 3).
    pub(in crate::net) fn families(&self) -> [Family; 2] {
        match self.prefer {
            Some(Family::Inet) => [Family::Inet, Family::Inet6],
            _ => [Family::Inet6, Family::Inet],
        }
    }

    pub(in crate::net) fn host(&self) -> String {
        self.lookup.host().to_string()
    }

    /// Asks, and hears the answer with [`poll`](Self::poll).
    pub(in crate::net) fn ask(&mut self, family: Family) {
        let (resolver, lookup) = (Rc::clone(&self.resolver), self.lookup.clone().family(family));
        self.open.push((family, Box::pin(async move { resolver.resolve(lookup).await })));
    }

    /// The next answer that has come.
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

    /// The questions that nobody waits for any more.
    pub(in crate::net) fn cancel_all(&mut self) -> Vec<Family> {
        self.open.drain(..).map(|(family, _)| family).collect()
    }

    pub(in crate::net) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    /// The place of an address among all that are known: that of RFC 6724 section 6, unless one family is to be
    /// first.
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

    /// Why there is no address: what leaves the most open.
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
