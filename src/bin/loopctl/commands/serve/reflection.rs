//! Datagrams whose replies would do harm: their source may be forged, so that a reply hits another host, or another
//! service that replies in turn. BSD's inetd refuses them as well (`dg_badinput`).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::server::Server;
use crate::report::served::DatagramRefusal;

/// Replies to one source in a second.
const BUDGET: u32 = 1000;

/// Sources whose replies are counted. Others have no reply before the second is over.
const MAX_SOURCES: usize = 4096;

/// Ports below this one belong to services.
const FIRST_CLIENT_PORT: u16 = 1024;

/// Largest ratio of a reply to its datagram, as in QUIC (RFC 9000, section 8).
const MAX_AMPLIFICATION: usize = 3;

/// Replies so far. `--allow` exempts its networks, except from the budget.
#[derive(Default)]
pub(super) struct Reflection {
    counts: RefCell<HashMap<SocketAddr, u32>>,
    /// Start of the second that is counted.
    since: Cell<Option<Instant>>,
    /// Memory of replies that wait, in bytes.
    pub(super) waiting: Cell<usize>,
}

impl Reflection {
    /// The reason why this source gets no reply.
    pub(super) fn check(&self, server: &Server, peer: SocketAddr) -> Option<DatagramRefusal> {
        let ip = peer.ip().to_canonical();
        let is_named = is_named(server, peer);
        let is_same_port = server.listeners.borrow().datagrams().any(|it| it.port() == peer.port());
        if is_same_port && (!is_named || is_ours(ip)) {
            return Some(DatagramRefusal::OwnSocket);
        }
        if !is_named && !is_unicast(ip) {
            return Some(DatagramRefusal::NotUnicast);
        }
        if !is_named && peer.port() < FIRST_CLIENT_PORT {
            return Some(DatagramRefusal::ServicePort);
        }
        self.is_over_budget(peer, server.context.event_loop.time())
            .then_some(DatagramRefusal::Budget)
    }

    /// Shortens a reply that is longer than what came.
    pub(super) fn limit_reply(
        &self,
        server: &Server,
        peer: SocketAddr,
        received: usize,
        reply: &mut Vec<u8>,
    ) {
        if !is_named(server, peer) && !peer.ip().to_canonical().is_loopback() {
            reply.truncate(received.max(1) * MAX_AMPLIFICATION);
        }
    }

    pub(super) fn add_waiting(&self, bytes: usize) {
        self.waiting.set(self.waiting.get() + bytes);
    }

    pub(super) fn remove_waiting(&self, bytes: usize) {
        self.waiting.set(self.waiting.get().saturating_sub(bytes));
    }

    fn is_over_budget(&self, peer: SocketAddr, now: Instant) -> bool {
        let mut counts = self.counts.borrow_mut();
        if self.since.get().is_none_or(|since| now - since >= Duration::from_secs(1)) {
            self.since.set(Some(now));
            counts.clear();
        }
        if counts.len() >= MAX_SOURCES && !counts.contains_key(&peer) {
            return true;
        }
        let count = counts.entry(peer).or_default();
        *count = count.saturating_add(1);
        *count > BUDGET
    }
}

/// Whether `--allow` names the network of the source.
fn is_named(server: &Server, peer: SocketAddr) -> bool {
    !server.context.request.limits.allow.is_empty() && server.context.allows(Some(peer))
}

/// Whether this host has the address.
fn is_ours(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

fn is_unicast(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !ip.is_multicast() && !ip.is_unspecified() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;
    use loopctl::EventLoop;

    #[test]
    fn a_source_has_its_replies_of_a_second_and_no_more() {
        let now = EventLoop::new().unwrap().handle().time();
        let (reflection, peer) = (Reflection::default(), "192.0.2.1:4000".parse().unwrap());
        let served = |now| (0..3000).filter(|_| !reflection.is_over_budget(peer, now)).count();
        assert_eq!(served(now), 1000);
        assert!(!reflection.is_over_budget("192.0.2.1:4001".parse().unwrap(), now));
        assert_eq!(served(now + Duration::from_millis(999)), 0);
        assert_eq!(served(now + Duration::from_secs(1)), 1000);
        for port in 1..=u16::MAX {
            reflection.is_over_budget(SocketAddr::new("192.0.2.9".parse().unwrap(), port), now);
        }
        assert!(reflection.counts.borrow().len() <= MAX_SOURCES, "memory is bounded");
    }
}
