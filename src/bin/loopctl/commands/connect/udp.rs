//! `--udp`: sends an empty datagram to one address after another, and waits for a refusal.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::{Family, FirstAttemptReason, Reason, SocketKind, Target, interleave};
use loopctl::{
    AbortReason, Address, DnsClient, Event, EventKind, Failure, IcmpError, Lookup, LoopHandle,
    Phase, ResolveError, Resolver, SocketOption, SocketOptions, SocketSnapshot,
};

use super::Session;
use super::race::Try;
use super::relay::Winner;
use crate::config::RaceRequest;
use crate::report::family::FamilyNames as _;
use crate::report::{NameFailure, Outcome, Report};

/// The UDP race of one target.
struct Reach<'a> {
    session: &'a Session,
    race: &'a RaceRequest,
    event_loop: &'a LoopHandle,
    report: &'a RefCell<Report>,
    listen: RefCell<Listener>,
    deadline: Instant,
    /// `None`: the system.
    resolver: Option<DnsClient>,
}

type Listener = Box<dyn FnMut(&Event)>;

/// Phase and error of a socket that could not be opened.
pub(super) type Refusal = (Phase, Failure);

impl Session {
    /// Looks for an address that does not refuse, and adds the results to the report.
    pub(super) async fn reach(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Rc<RefCell<Report>>,
    ) -> Result<(), NameFailure> {
        let given = self.given(event_loop, this).await?;
        let listen: Listener = Box::new(self.listener(this, report));
        let (listen, deadline) = (RefCell::new(listen), event_loop.time() + this.timeout);
        let resolver = self.resolver(event_loop, this, report)?;
        let reach = Reach {
            session: self,
            race: this.race,
            event_loop,
            report,
            listen,
            deadline,
            resolver,
        };
        if self.token.run_until_cancelled(reach.run(this, given)).await.is_none() {
            reach.emit_interrupted();
        }
        Ok(())
    }
}

impl Reach<'_> {
    async fn run(&self, this: &Try<'_>, given: Option<Vec<SocketAddr>>) {
        let Some(addresses) = self.resolve(this, given).await else { return };
        let addresses = self.race.sort(addresses);
        let candidates = addresses.iter().copied().map(Address::from).collect();
        self.emit(EventKind::CandidatesSorted { candidates });
        let mut selected = None;
        for (attempt, address) in addresses.into_iter().enumerate() {
            if self.left().is_zero() {
                break;
            }
            if self.attempt(attempt, address).await {
                selected.get_or_insert(attempt);
            }
            if selected.is_some() && !self.race.policy.run_all {
                break;
            }
        }
        self.emit(match selected {
            Some(attempt) => EventKind::ConnectionSelected { attempt },
            None if self.left().is_zero() => {
                EventKind::ConnectionAborted { reason: AbortReason::TimedOut }
            }
            None => EventKind::ConnectionAborted { reason: AbortReason::AllFailed },
        });
    }

    async fn resolve(
        &self,
        this: &Try<'_>,
        given: Option<Vec<SocketAddr>>,
    ) -> Option<Vec<SocketAddr>> {
        let (Target::Tcp(host, port), None) = (&this.target.target, &given) else { return given };
        self.emit(EventKind::ResolveStarted { host: host.to_string() });
        let lookup = Lookup::new(host.clone(), port.clone()).kind(SocketKind::Datagram);
        let lookup = lookup.family(self.race.family);
        let asking = match &self.resolver {
            Some(resolver) => resolver.resolve(lookup),
            None => self.event_loop.resolve(lookup),
        };
        let (error, reason) = match self.event_loop.timeout(self.left(), asking).await {
            Ok(Ok(found)) => {
                let addresses: Vec<_> = found.iter().map(|info| info.address).collect();
                self.emit(EventKind::Resolved { addresses: addresses.clone() });
                return Some(addresses);
            }
            Ok(Err(error)) => (error, AbortReason::NotResolved),
            Err(_) => (ResolveError::TimedOut, AbortReason::TimedOut),
        };
        self.emit(EventKind::ResolveFailed { error });
        self.emit(EventKind::ConnectionAborted { reason });
        None
    }

    /// Sends a datagram to one address and reports the result; `false` if it was refused.
    async fn attempt(&self, attempt: usize, address: SocketAddr) -> bool {
        let planned = self.event_loop.time();
        let before = attempt.checked_sub(1);
        let reason = before.map_or(Reason::First(FirstAttemptReason::Known), Reason::AttemptEnded);
        self.emit(EventKind::AttemptStarted { attempt, address: address.into(), reason, planned });
        let opened = self.race.open(address);
        let (socket, refused) = match opened {
            Ok(opened) => opened,
            Err((phase, failure)) => {
                let snapshot = SocketSnapshot::default();
                self.emit(EventKind::AttemptFailed { attempt, phase, failure, snapshot });
                return false;
            }
        };
        for (option, failure) in refused {
            self.emit(EventKind::OptionRefused { attempt, option, failure });
        }
        // Because a relay sends only its input.
        let is_asked = self.session.request.after_connect.is_none();
        let answered = if is_asked { self.ask(&socket, address).await.map(Some) } else { Ok(None) };
        let snapshot = self.race.snapshot(&socket);
        match answered {
            Ok(answered) => {
                if let Some(attempt) = self.report.borrow_mut().attempts.get_mut(attempt) {
                    attempt.answered = answered;
                }
                self.emit(EventKind::AttemptSucceeded { attempt, snapshot });
                if !is_asked {
                    self.session.winner.replace(Some(Winner::Datagrams(socket)));
                }
                true
            }
            Err(error) => {
                let (phase, failure) = (Phase::Connect, Failure::from(&error));
                self.emit(EventKind::AttemptFailed { attempt, phase, failure, snapshot });
                false
            }
        }
    }

    /// Whether a datagram came back; an error is a refusal.
    async fn ask(&self, socket: &UdpSocket, address: SocketAddr) -> io::Result<bool> {
        self.event_loop.sock_sendto(socket, b"", address).await?;
        let limit = self.race.policy.attempt_timeout.unwrap_or(Duration::MAX).min(self.left());
        let mut answer = [0; 1];
        match self.event_loop.timeout(limit, self.event_loop.sock_recv(socket, &mut answer)).await {
            Ok(received) => received.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    /// Emits the events of an interrupted race.
    fn emit_interrupted(&self) {
        let attempts = &self.report.borrow().attempts;
        let pending = attempts.iter().position(|attempt| attempt.outcome == Outcome::Pending);
        if let Some(attempt) = pending {
            let snapshot = SocketSnapshot::default();
            self.emit(EventKind::AttemptCanceled { attempt, snapshot });
        }
        self.emit(EventKind::ConnectionAborted { reason: AbortReason::Canceled });
    }

    fn emit(&self, kind: EventKind) {
        (self.listen.borrow_mut())(&Event::new(self.event_loop.time(), kind));
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(self.event_loop.time())
    }
}

impl RaceRequest {
    /// The order in which the addresses are tried.
    fn sort(&self, mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let first = self.policy.interleave;
        let family = |address: &SocketAddr| Family::of(&address.ip());
        if let Some(preferred) = self.prefer {
            addresses.sort_by_key(|address| family(address) != preferred);
        }
        if first > 0 { interleave(addresses, first, family) } else { addresses }
    }

    /// Connected socket, and the options that the kernel refused.
    pub(super) fn open(
        &self,
        to: SocketAddr,
    ) -> Result<(UdpSocket, Vec<(SocketOption, Failure)>), Refusal> {
        let at = |phase| move |error: io::Error| (phase, Failure::from(&error));
        let socket = self.bind(to).map_err(at(Phase::Bind))?;
        let refused = match &self.sockets.options {
            Some(options) => options.set_on(&socket, to).map_err(at(Phase::Bind))?,
            None => Vec::new(),
        };
        socket.set_nonblocking(true).map_err(at(Phase::Socket))?;
        // Without it, the errno says less.
        let _ = IcmpError::watch(&socket);
        let connected = socket.connect(to).map_err(at(Phase::Connect));
        connected
            .map(|()| (socket, refused))
            .map_err(|(phase, failure)| (phase, Failure { at_once: true, ..failure }))
    }

    /// Binds to the first usable source address of the family.
    fn bind(&self, to: SocketAddr) -> io::Result<UdpSocket> {
        if self.sockets.sources.is_empty() {
            return match to {
                SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)),
                SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)),
            };
        }
        let name = Family::of(&to.ip()).ip_version();
        let text = format!("no matching local address with family={name} found");
        let mut result = Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        for source in self.sockets.sources.iter().filter(|source| source.is_ipv6() == to.is_ipv6())
        {
            result = UdpSocket::bind(source).map_err(|error| {
                let text = format!("error while attempting to bind on address {source}: {error}");
                io::Error::new(error.kind(), text)
            });
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn snapshot(&self, socket: &UdpSocket) -> SocketSnapshot {
        let options = self.sockets.options.as_ref().map(|_| SocketOptions::in_force_on(socket));
        let icmp = IcmpError::take(socket).ok().flatten();
        SocketSnapshot {
            local: socket.local_addr().ok(),
            tcp: None,
            options,
            icmp,
            is_reset: false,
        }
    }
}
