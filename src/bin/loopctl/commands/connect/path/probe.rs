//! One probe of a path: a connection, or a datagram, with a hop limit.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::Preset;
use loopctl::{
    Event, EventKind, Failure, IcmpError, LoopHandle, Phase, Protocol, SocketOptions,
    SocketSnapshot, Transport,
};

use crate::config::RaceRequest;
use crate::report::path::{HopAnswer, HopAnswerKind, IcmpCode, PathMtu};

/// One probe.
pub(super) struct Probe<'a> {
    pub(super) event_loop: &'a LoopHandle,
    pub(super) race: &'a RaceRequest,
    pub(super) to: SocketAddr,
    pub(super) hop: u8,
}

/// Time to wait for the answer to a datagram: the next one follows then.
const DATAGRAM_WAIT: Duration = Duration::from_secs(1);

/// End of a probe.
#[derive(Debug, Default)]
pub(super) struct ProbeEnd {
    /// SYNs that the kernel sent again.
    pub(super) resent: u32,
    pub(super) answers: Vec<HopAnswer>,
    pub(super) mtu: Option<PathMtu>,
    /// Error of this host, because of which no packet left.
    pub(super) unsent: Option<Failure>,
}

/// A protocol that closes the connection at once.
struct Closing;

impl Protocol for Closing {
    fn connection_made(&mut self, transport: &Transport) {
        transport.close();
    }

    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

impl Probe<'_> {
    /// Sends the probe, and waits for an answer for at most `limit`.
    pub(super) async fn run(&self, limit: Duration) -> ProbeEnd {
        if self.race.udp { self.send(limit).await } else { self.connect(limit).await }
    }

    fn options(&self) -> SocketOptions {
        let options = self.race.sockets.options.clone().unwrap_or_default();
        SocketOptions { ttl: Some(self.hop), ..options }
    }

    async fn connect(&self, limit: Duration) -> ProbeEnd {
        let heard = Rc::new(RefCell::new(Heard::new(self.to, self.event_loop.time())));
        let listener = Rc::clone(&heard);
        let connection = self
            .event_loop
            .create_connection_to(vec![self.to])
            .policy(Preset::Sequential.into())
            .socket_options(self.options())
            .timeout(limit)
            .trace(move |event: &Event| listener.borrow_mut().apply(event));
        let sources = self.race.sockets.sources.iter();
        let connection = sources.fold(connection, |connection, it| connection.local_addr(*it));
        // The events have its end.
        let _ = connection.open(|| Closing).await;
        heard.take().ended
    }
}

/// The events of one connection.
#[derive(Default)]
struct Heard {
    to: Option<SocketAddr>,
    begun: Option<Instant>,
    ended: ProbeEnd,
}

impl Heard {
    fn new(to: SocketAddr, now: Instant) -> Self {
        Self { to: Some(to), begun: Some(now), ended: ProbeEnd::default() }
    }

    fn apply(&mut self, event: &Event) {
        match &event.kind {
            EventKind::AttemptStarted { .. } => self.begun = Some(event.at),
            EventKind::AttemptSucceeded { snapshot, .. } => {
                self.note(snapshot, HopAnswerKind::Connected, event.at);
            }
            EventKind::AttemptFailed { phase, failure, snapshot, .. } => {
                self.fail(*phase, failure, snapshot, event.at);
            }
            EventKind::AttemptTimedOut { snapshot, .. }
            | EventKind::AttemptCanceled { snapshot, .. } => {
                self.ended.resent = resent(snapshot);
                self.note_icmp(snapshot, None);
            }
            _ => {}
        }
    }

    fn fail(&mut self, phase: Phase, failure: &Failure, snapshot: &SocketSnapshot, at: Instant) {
        self.ended.resent = resent(snapshot);
        if phase != Phase::Connect || failure.at_once {
            self.ended.unsent = Some(failure.clone());
        } else if !snapshot.icmp.is_empty() {
            self.note_icmp(snapshot, Some(at));
        } else if matches!(failure.name(), Some("ECONNREFUSED")) {
            self.note(snapshot, HopAnswerKind::Refused, at);
        } else if matches!(failure.name(), Some("ECONNRESET")) {
            // connect(2): a reset after the handshake.
            self.note(snapshot, HopAnswerKind::Connected, at);
        }
    }

    /// Records an answer of the target.
    fn note(&mut self, snapshot: &SocketSnapshot, kind: HopAnswerKind, at: Instant) {
        let Some(to) = self.to else { return };
        self.ended.resent = resent(snapshot);
        let measured = snapshot.tcp.map(|tcp| tcp.rtt).filter(|rtt| !rtt.is_zero());
        let rtt = match kind {
            HopAnswerKind::Connected => measured,
            _ => self.rtt(at),
        };
        self.ended.answers.push(HopAnswer { from: to.ip(), kind, rtt });
    }

    fn note_icmp(&mut self, snapshot: &SocketSnapshot, at: Option<Instant>) {
        let rtt = at.and_then(|at| self.rtt(at));
        self.ended.take_icmp(&snapshot.icmp, rtt);
    }

    /// Time since the only packet; `None` if there are several.
    fn rtt(&self, at: Instant) -> Option<Duration> {
        let begun = self.begun.filter(|_| self.ended.resent == 0)?;
        Some(at.saturating_duration_since(begun))
    }
}

impl ProbeEnd {
    fn take_icmp(&mut self, errors: &[IcmpError], rtt: Option<Duration>) {
        for error in errors {
            let Some(from) = error.from else { continue };
            if let Some(bytes) = error.mtu {
                self.mtu = Some(PathMtu { bytes, from: Some(from) });
                continue;
            }
            let code = IcmpCode { is_ipv6: error.is_ipv6, kind: error.kind, code: error.code };
            let kind = match (error.is_ipv6, error.kind, error.code) {
                (false, 11, 0) | (true, 3, 0) => HopAnswerKind::TimeExceeded,
                _ if is_own(from) => HopAnswerKind::OwnError(code),
                _ => HopAnswerKind::Icmp(code),
            };
            self.answers.push(HopAnswer { from, kind, rtt });
        }
    }
}

fn resent(snapshot: &SocketSnapshot) -> u32 {
    snapshot.tcp.map_or(0, |tcp| tcp.retransmits)
}

/// Whether an address is one of this host.
fn is_own(ip: IpAddr) -> bool {
    loopctl::source_address(ip) == Some(ip)
}

/// The datagrams of one hop.
impl Probe<'_> {
    async fn send(&self, limit: Duration) -> ProbeEnd {
        let mut ended = ProbeEnd::default();
        let (socket, begun) = match self.open() {
            Ok(socket) => (socket, self.event_loop.time()),
            Err(failure) => {
                ended.unsent = Some(failure);
                return ended;
            }
        };
        let mut answer = [0; 1];
        let exchange = async {
            self.event_loop.sock_sendto(&socket, b"", self.to).await?;
            self.event_loop.sock_recv(&socket, &mut answer).await
        };
        let result = self.event_loop.timeout(limit.min(DATAGRAM_WAIT), exchange).await;
        let rtt = Some(self.event_loop.time().saturating_duration_since(begun));
        ended.take_icmp(&loopctl::icmp_errors(&socket), rtt);
        match result {
            Ok(Ok(_)) => {
                let from = self.to.ip();
                ended.answers.push(HopAnswer { from, kind: HopAnswerKind::Datagram, rtt });
            }
            Ok(Err(error)) if ended.answers.is_empty() && ended.mtu.is_none() => {
                ended.unsent = Some(Failure::from(&error));
            }
            _ => {}
        }
        ended
    }

    fn open(&self) -> Result<UdpSocket, Failure> {
        let (socket, _) = self.race.open(self.to).map_err(|(_, failure)| failure)?;
        let set = self.options().set_on(&socket, self.to);
        set.and_then(|_| loopctl::keep_icmp_errors(&socket, self.to))
            .map_err(|error| Failure::from(&error))?;
        Ok(socket)
    }
}
