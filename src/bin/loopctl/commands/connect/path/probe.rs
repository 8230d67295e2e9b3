//! One probe of a path: a connection, or a datagram, with a hop limit.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use loopctl::{Failure, IcmpError, LoopHandle, SocketOptions, TcpInfo};

use crate::config::RaceRequest;
use crate::report::path::{HopAnswer, HopAnswerKind, PathMtu};

/// One probe.
pub(super) struct Probe<'a> {
    pub(super) event_loop: &'a LoopHandle,
    pub(super) race: &'a RaceRequest,
    pub(super) to: SocketAddr,
    pub(super) hop: u8,
    /// Whether no other packet follows to this hop, so that a datagram may be awaited longer.
    pub(super) is_last: bool,
}

/// End of a probe.
#[derive(Debug, Default)]
pub(super) struct ProbeEnd {
    /// SYNs that the kernel sent again.
    pub(super) resent: u32,
    pub(super) answer: Option<HopAnswer>,
    pub(super) mtu: Option<PathMtu>,
    /// Error of this host, because of which no packet left.
    pub(super) unsent: Option<Failure>,
}

/// Time to wait for the answer to a datagram: the next one follows then.
const DATAGRAM_WAIT: Duration = Duration::from_secs(1);

impl Probe<'_> {
    /// Sends the probe, and waits for an answer for at most `limit`.
    pub(super) async fn run(&self, limit: Duration) -> ProbeEnd {
        let ended = if self.race.udp {
            self.send(if self.is_last { limit } else { limit.min(DATAGRAM_WAIT) }).await
        } else {
            self.connect(limit).await
        };
        ended.unwrap_or_else(|error| ProbeEnd {
            unsent: Some(Failure::from(&error)),
            ..ProbeEnd::default()
        })
    }

    fn options(&self) -> SocketOptions {
        let options = self.race.sockets.options.clone().unwrap_or_default();
        SocketOptions { ttl: Some(self.hop), ..options }
    }

    /// # Errors
    /// A failure of this host before the first packet. A later error is an answer, and no failure.
    async fn connect(&self, limit: Duration) -> io::Result<ProbeEnd> {
        let socket: OwnedFd = loopctl::tcp_socket(self.to, &self.race.sockets.sources)?;
        self.options().set_on(&socket, self.to)?;
        let begun = self.event_loop.time();
        let connecting = self.event_loop.sock_connect_or_icmp(&socket, self.to);
        let result = self.event_loop.timeout(limit, connecting).await;
        let took = self.event_loop.time().saturating_duration_since(begun);
        let tcp = TcpInfo::of(&socket);
        let resent = tcp.map_or(0, |tcp| tcp.retransmits);
        let mut ended = ProbeEnd { resent, ..ProbeEnd::default() };
        // After a second packet, the answer may be to either.
        let rtt = (ended.resent == 0).then_some(took);
        match result {
            Err(_) => {}
            Ok(Ok(Some(icmp))) => ended.take_icmp(icmp, rtt),
            Ok(Ok(None)) => {
                let measured = tcp.map(|tcp| tcp.rtt).filter(|rtt| !rtt.is_zero());
                ended.answer = Some(self.of_target(HopAnswerKind::Connected, measured));
                ended.mtu = tcp.map(|tcp| PathMtu { bytes: tcp.path_mtu, from: None });
            }
            Ok(Err(error)) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    ended.answer = Some(self.of_target(HopAnswerKind::Refused, rtt));
                }
                // connect(2): a reset after the handshake.
                io::ErrorKind::ConnectionReset => {
                    ended.answer = Some(self.of_target(HopAnswerKind::Connected, rtt));
                }
                io::ErrorKind::TimedOut => {}
                _ => return Err(error),
            },
        }
        Ok(ended)
    }

    async fn send(&self, limit: Duration) -> io::Result<ProbeEnd> {
        let socket = self.open()?;
        let begun = self.event_loop.time();
        let (mut answer, is_sent) = ([0; 1], Cell::new(false));
        let exchange = async {
            self.event_loop.sock_sendto(&socket, b"", self.to).await?;
            is_sent.set(true);
            self.event_loop.sock_recv(&socket, &mut answer).await
        };
        let result = self.event_loop.timeout(limit, exchange).await;
        let rtt = Some(self.event_loop.time().saturating_duration_since(begun));
        let mut ended = ProbeEnd::default();
        match (result, IcmpError::take(&socket)?) {
            (_, Some(icmp)) => ended.take_icmp(icmp, rtt),
            (Ok(Ok(_)), None) => ended.answer = Some(self.of_target(HopAnswerKind::Datagram, rtt)),
            (Ok(Err(error)), None) if !is_sent.get() => return Err(error),
            (_, None) => {}
        }
        Ok(ended)
    }

    fn open(&self) -> io::Result<UdpSocket> {
        let opened = self.race.open(self.to);
        let (socket, _) = opened.map_err(|(_, failure)| io::Error::new(failure.kind, failure))?;
        self.options().set_on(&socket, self.to)?;
        IcmpError::watch(&socket)?;
        Ok(socket)
    }

    fn of_target(&self, kind: HopAnswerKind, rtt: Option<Duration>) -> HopAnswer {
        HopAnswer { from: self.to.ip(), kind, rtt }
    }
}

impl ProbeEnd {
    fn take_icmp(&mut self, icmp: IcmpError, rtt: Option<Duration>) {
        let Some(from) = icmp.from else { return };
        let kind = match (icmp.is_v6, icmp.icmp_type, icmp.code) {
            (false, 11, 0) | (true, 3, 0) => HopAnswerKind::TimeExceeded,
            (false, 3, 4) | (true, 2, _) => {
                self.mtu = Some(PathMtu { bytes: icmp.info, from: Some(from) });
                return;
            }
            _ if icmp.is_from_this_host => HopAnswerKind::OwnError(icmp),
            _ => HopAnswerKind::Icmp(icmp),
        };
        self.answer = Some(HopAnswer { from, kind, rtt });
    }
}
