//! Path to a target: the hops that answer, by the hop limit of the probes.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use loopctl::{Failure, IcmpError, Route};

use super::Report;

/// Paths to the addresses of a target.
#[derive(Debug, Clone)]
pub(crate) struct PathReport {
    /// Target, lookup, end and total time; it has no attempts.
    pub(crate) base: Report,
    /// Packets to each hop; the kernel may send a SYN again while an answer is awaited.
    pub(crate) probes: u32,
    pub(crate) max_hops: u8,
    pub(crate) paths: Vec<Path>,
}

/// Path to one address.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) to: SocketAddr,
    /// Route of this host to the address.
    pub(crate) route: Option<Route>,
    /// Hops in order, from 1 to the largest hop limit that was sent.
    pub(crate) hops: Vec<Hop>,
    /// Error of this host, because of which no packet was sent.
    pub(crate) unsent: Option<Failure>,
    pub(crate) mtu: Option<PathMtu>,
    /// Whether all probes have ended.
    pub(crate) is_complete: bool,
}

/// Answers to the probes with one hop limit.
#[derive(Debug, Clone)]
pub(crate) struct Hop {
    /// Hop limit of the probes.
    pub(crate) number: u8,
    /// Packets sent, those that the kernel sent again included.
    pub(crate) sent: u32,
    pub(crate) answers: Vec<HopAnswer>,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HopAnswer {
    pub(crate) from: IpAddr,
    pub(crate) kind: HopAnswerKind,
    /// `None` if the packet was sent again before the answer, so that either may be meant.
    pub(crate) rtt: Option<Duration>,
}

/// Kind of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HopAnswerKind {
    /// The hop limit was used up: a router on the path.
    TimeExceeded,
    /// SYN-ACK of the target.
    Connected,
    /// RST of the target.
    Refused,
    /// Datagram of the target.
    Datagram,
    /// Another ICMP error, by type and code.
    Icmp(IcmpError),
    /// Failure of neighbour discovery, or a firewall, on this host.
    OwnError(IcmpError),
}

/// Path MTU, with its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PathMtu {
    pub(crate) bytes: u32,
    /// Router that reported it; `None` for the kernel's value.
    pub(crate) from: Option<IpAddr>,
}

/// End of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathEnd {
    /// The target answered at this hop.
    Reached { hop: u8, answer: HopAnswer },
    /// A host on the path, or this one, rejected the packets at this hop.
    Rejected { hop: u8, answer: HopAnswer },
    /// Routers in this order return the packets to each other.
    Loop { first: u8, from: IpAddr },
    /// Nothing came from beyond this hop; 0 if no hop answered.
    Silent { after: u8 },
    /// No packet was sent.
    Unsent,
}

impl PathReport {
    pub(crate) fn is_reached(&self) -> bool {
        self.paths.iter().any(|path| matches!(path.end(), PathEnd::Reached { .. }))
    }
}

impl Path {
    pub(crate) fn new(to: SocketAddr, route: Option<Route>, max_hops: u8) -> Self {
        let hop = |number| Hop { number, sent: 0, answers: Vec::new() };
        let hops = (1..=max_hops).map(hop).collect();
        Self { to, route, hops, unsent: None, mtu: None, is_complete: false }
    }

    pub(crate) fn end(&self) -> PathEnd {
        if let Some((hop, answer)) = self.last_answer() {
            return match self.is_of_target(&answer) {
                true => PathEnd::Reached { hop, answer },
                false => PathEnd::Rejected { hop, answer },
            };
        }
        if self.unsent.is_some() {
            return PathEnd::Unsent;
        }
        if let Some((first, from)) = self.find_loop() {
            return PathEnd::Loop { first, from };
        }
        PathEnd::Silent { after: self.last_hop_that_answered() }
    }

    /// The hop with which the path ends; no packet with a larger hop limit is of use.
    pub(crate) fn last_hop(&self) -> Option<u8> {
        self.last_answer().map(|(hop, _)| hop)
    }

    /// The hops to show: up to the end, or to the last one that answered.
    pub(crate) fn shown_hops(&self) -> &[Hop] {
        let last = self.last_hop().unwrap_or_else(|| self.last_hop_that_answered());
        &self.hops[..usize::from(last).min(self.hops.len())]
    }

    /// The first answer that is not that of a router on the way.
    fn last_answer(&self) -> Option<(u8, HopAnswer)> {
        self.hops.iter().find_map(|hop| {
            let is_last = |answer: &&HopAnswer| answer.kind != HopAnswerKind::TimeExceeded;
            let mut answers = hop.answers.iter().filter(is_last);
            let of_target = hop.answers.iter().filter(is_last).find(|it| self.is_of_target(it));
            Some((hop.number, *of_target.or_else(|| answers.next())?))
        })
    }

    fn is_of_target(&self, answer: &HopAnswer) -> bool {
        match answer.kind {
            HopAnswerKind::Connected | HopAnswerKind::Refused | HopAnswerKind::Datagram => true,
            HopAnswerKind::Icmp(_) => answer.from == self.to.ip(),
            HopAnswerKind::TimeExceeded | HopAnswerKind::OwnError(_) => false,
        }
    }

    fn last_hop_that_answered(&self) -> u8 {
        let answered = self.hops.iter().rev().find(|hop| !hop.answers.is_empty());
        answered.map_or(0, |hop| hop.number)
    }

    /// The first hop whose router answers again after another one: packets go in a circle.
    fn find_loop(&self) -> Option<(u8, IpAddr)> {
        let routers: Vec<(u8, IpAddr)> = self
            .hops
            .iter()
            .filter_map(|hop| Some((hop.number, hop.answers.first()?.from)))
            .collect();
        let returns = |(at, (_, from)): &(usize, &(u8, IpAddr))| {
            let mut others = routers[at + 1..].iter().skip_while(|(_, other)| other == from);
            others.any(|(_, other)| other == from)
        };
        routers.iter().enumerate().find(returns).map(|(_, router)| *router)
    }
}

impl Hop {
    pub(crate) fn answered(&self) -> u32 {
        self.answers.len().try_into().unwrap_or(u32::MAX)
    }

    /// Packets without an answer. Of several answers to one packet, each counts.
    pub(crate) fn lost(&self) -> u32 {
        self.sent.saturating_sub(self.answered())
    }

    /// Shortest and longest round trip.
    pub(crate) fn rtts(&self) -> Option<(Duration, Duration)> {
        let rtts = || self.answers.iter().filter_map(|answer| answer.rtt);
        Some((rtts().min()?, rtts().max()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hops: &[&[(&str, HopAnswerKind)]]) -> Path {
        let mut path = Path::new("192.0.2.9:80".parse().unwrap(), None, 6);
        for (hop, answers) in path.hops.iter_mut().zip(hops) {
            hop.sent = 3;
            hop.answers = answers
                .iter()
                .map(|(from, kind)| HopAnswer {
                    from: from.parse().unwrap(),
                    kind: *kind,
                    rtt: Some(Duration::from_millis(1)),
                })
                .collect();
        }
        path
    }

    const EXCEEDED: HopAnswerKind = HopAnswerKind::TimeExceeded;

    fn icmp(kind: u8, code: u8) -> HopAnswerKind {
        HopAnswerKind::Icmp(IcmpError::new(false, kind, code, None))
    }

    #[test]
    fn a_path_ends_with_the_first_answer_that_is_not_a_routers() {
        let r1: &[_] = &[("10.0.0.1", EXCEEDED)];
        let reached = path(&[r1, &[], &[("192.0.2.9", HopAnswerKind::Refused)]]);
        assert!(matches!(reached.end(), PathEnd::Reached { hop: 3, .. }));
        assert_eq!(reached.shown_hops().len(), 3);
        let closed = path(&[r1, &[("192.0.2.9", icmp(3, 3))]]);
        assert!(matches!(closed.end(), PathEnd::Reached { hop: 2, .. }));
        let rejected = path(&[r1, &[("10.0.1.1", icmp(3, 13))], &[("10.0.1.1", icmp(3, 13))]]);
        assert!(matches!(rejected.end(), PathEnd::Rejected { hop: 2, .. }));
        assert_eq!(path(&[r1, &[], r1.get(..0).unwrap()]).end(), PathEnd::Silent { after: 1 });
        assert_eq!(path(&[]).end(), PathEnd::Silent { after: 0 });
    }

    #[test]
    fn a_router_that_answers_again_after_another_one_is_a_loop() {
        let [a, b]: [&[_]; 2] = [&[("10.0.0.1", EXCEEDED)], &[("10.0.1.1", EXCEEDED)]];
        let from = "10.0.0.1".parse().unwrap();
        assert_eq!(path(&[a, b, a, b]).end(), PathEnd::Loop { first: 1, from });
        // Some routers take two hops off at once.
        assert_eq!(path(&[a, a, b]).end(), PathEnd::Silent { after: 3 });
    }
}
