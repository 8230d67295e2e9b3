//! One race of one target.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{Family, Host, Policy, Port, Target};
use loopctl::{
    CreateConnection, Event, LoopHandle, Protocol, TlsConfigError, Transport, source_address,
};

use super::Session;
use super::http::Exchange;
use super::relay::Winner;
use super::secure::TlsUpgrade;
use crate::config::environment::Environment;
use crate::config::listen_overflows::listen_overflows;
use crate::config::{HttpCall, TargetRequest};
use crate::config::{RaceRequest, TlsRequest};
use crate::config::{gai_conf, tcp_syn_retries};
use crate::report::{
    End, NameFailure, Report, StartTime, Subject, SystemLimits, TlsExpectation, TransportKind, Via,
};
use crate::util::cancellation::StopReason;

/// One race among several of a run.
#[derive(Debug, Clone)]
pub(super) struct Try<'a> {
    pub(super) target: &'a TargetRequest,
    /// Name of the session in events: the numbers of target and try.
    pub(super) session: String,
    /// Resolved addresses of an earlier try.
    pub(super) known: Option<Vec<SocketAddr>>,
    pub(super) timeout: Duration,
    pub(super) race: &'a RaceRequest,
    /// The request over the connection.
    pub(super) http: Option<&'a HttpCall>,
}

/// The error of a race that cannot begin.
enum Refused {
    /// There is no address.
    Address(NameFailure),
    /// The target's name can be none for TLS.
    Tls(TlsConfigError),
}

impl From<NameFailure> for Refused {
    fn from(why: NameFailure) -> Self {
        Self::Address(why)
    }
}

/// A protocol that closes the connection at once.
struct Probe;

impl Protocol for Probe {
    fn connection_made(&mut self, transport: &Transport) {
        transport.close();
    }

    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

impl Session {
    /// The only race of a target.
    pub(super) async fn race(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        target: &TargetRequest,
        number: usize,
    ) -> Report {
        let session = (number + 1).to_string();
        let race = &*target.race;
        let timeout = race.timeout;
        let call = self.request.call(target);
        let http = call.as_ref();
        let this = Try { target, session, known: None, timeout, race, http };
        let mut report = self.race_and_follow(event_loop, &this).await;
        self.ask_again(event_loop, &this, &mut report).await;
        self.ask_nat64(event_loop, &mut report).await;
        report
    }

    /// Runs one race. A race that was cancelled before its start is reported as interrupted.
    pub(super) async fn race_once(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
    ) -> Report {
        let overflows = listen_overflows();
        let _watched = self.stalls.watch(event_loop);
        let report = Rc::new(RefCell::new(self.blank(event_loop, this)));
        self.printer.borrow_mut().race_started(&this.session, &report.borrow());
        if self.token.reason().is_none() {
            let racing = async {
                if this.race.udp {
                    self.reach(event_loop, this, &report).await.map_err(Refused::Address)
                } else {
                    self.connect(event_loop, this, &report).await
                }
            };
            match self.observed(event_loop, &report, racing).await {
                Ok(()) => {}
                Err(Refused::Address(why)) => report.borrow_mut().refuse(why, event_loop.time()),
                Err(Refused::Tls(why)) => report.borrow_mut().refuse_tls(why, event_loop.time()),
            }
        }
        let mut report = report.borrow().clone();
        if let Some(reason) = self.cancelled()
            && report.end != End::Connected
        {
            report.interrupt(reason, event_loop.time());
        }
        report.end_queries();
        let families = [Family::Inet, Family::Inet6];
        if families.into_iter().all(|family| report.count(family) > 0) {
            report.resolve.note_sources(source_address);
        }
        self.note_hosts(&mut report);
        report.note_surroundings(this);
        report.note_overflows(overflows);
        report.expect(&self.request.expect);
        self.printer.borrow_mut().race_ended(&this.session, event_loop.time(), &report);
        report
    }

    pub(super) fn blank(&self, event_loop: &LoopHandle, this: &Try<'_>) -> Report {
        let started_at = StartTime { at: event_loop.time(), wall: Environment::wall_clock() };
        let race = this.race;
        let via =
            if this.known.is_some() { Via::Cached } else { via(this.target, race.dns.is_some()) };
        let mut report = Report::new(Subject::of(this.target, race, this.timeout), via, started_at);
        // Because getaddrinfo for both families already applies the preference.
        report.resolve.is_ipv4_preferred = via == Via::System
            && report.asks_apart()
            && race.prefer.is_none()
            && gai_conf::prefers_ipv4();
        report
    }

    /// Opens the connection, unless it is cancelled first. The listener gets every event.
    async fn connect(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Rc<RefCell<Report>>,
    ) -> Result<(), Refused> {
        let connection = self.connection(event_loop, this, report).await?;
        let connection = connection.trace(self.listener(this, report));
        let tls = this.race.tls.as_ref();
        if self.request.after_connect.is_none() && tls.is_none() && this.http.is_none() {
            self.token.run_until_cancelled(connection.open(|| Probe)).await;
            return Ok(());
        }
        let opened = self.token.run_until_cancelled(connection.open_stream()).await;
        let Some(Ok(mut stream)) = opened else { return Ok(()) };
        if let Some(tls) = tls {
            TlsUpgrade { session: self, event_loop, this, report, tls }.run(&mut stream).await;
        }
        if let Some(call) = this.http
            && report.borrow().end == End::Connected
        {
            let exchange = Exchange { session: self, event_loop, this, report, call };
            exchange.run((stream.0, stream.1)).await;
        } else if self.request.after_connect.is_some() {
            self.winner.replace(Some(Winner::Stream(stream.0, stream.1)));
        }
        Ok(())
    }

    /// A listener that adds events to the report and prints them.
    pub(super) fn listener(
        self: &Rc<Self>,
        this: &Try<'_>,
        report: &Rc<RefCell<Report>>,
    ) -> impl FnMut(&Event) + 'static {
        let (session, name, report) = (Rc::clone(self), this.session.clone(), Rc::clone(report));
        move |event: &Event| {
            session.stalls.note(&mut report.borrow_mut(), event.at);
            report.borrow_mut().apply(event);
            let mut printer = session.printer.borrow_mut();
            printer.event(&name, event, &report.borrow());
            if printer.has_failed() {
                session.token.cancel(StopReason::CannotWrite);
            }
        }
    }

    async fn connection(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        this: &Try<'_>,
        report: &Rc<RefCell<Report>>,
    ) -> Result<CreateConnection, Refused> {
        let race = this.race;
        let connection = match (&this.target.target, self.given(event_loop, this).await?) {
            (Target::Unix(path), _) => event_loop.create_unix_connection(path),
            (Target::Tcp(..), Some(given)) => event_loop.create_connection_to(given),
            (Target::Tcp(host, port), None) => {
                let connection =
                    event_loop.create_connection(host.clone(), port.clone()).family(race.family);
                match self.resolver(event_loop, this, report)? {
                    Some(resolver) => connection.resolver(resolver),
                    None if report.borrow().resolve.is_ipv4_preferred => {
                        connection.prefer(Family::Inet)
                    }
                    None => connection,
                }
            }
        };
        let connection = race.configure(connection.timeout(this.timeout));
        // STARTTLS follows after the race.
        match race.tls.as_ref().filter(|tls| tls.starttls.is_none()) {
            None => Ok(connection),
            Some(tls) => {
                let client = tls.client_for(&this.target.target);
                Ok(connection.tls(client.map_err(Refused::Tls)?))
            }
        }
    }

    /// The addresses for which no resolver is to be asked.
    pub(super) async fn given(
        &self,
        event_loop: &LoopHandle,
        this: &Try<'_>,
    ) -> Result<Option<Vec<SocketAddr>>, NameFailure> {
        let (port, addresses) = match (&this.target.target, &this.target.pinned, &this.known) {
            (Target::Tcp(_, port), Some(addresses), None) => (port, addresses),
            (_, _, known) => return Ok(known.clone()),
        };
        let port = event_loop.service_port(port.clone()).await?;
        let family = this.race.family;
        let wanted = addresses.iter().filter(|known| family.admits(Family::of(&known.ip())));
        let mut wanted: Vec<SocketAddr> = wanted.copied().collect();
        wanted.iter_mut().for_each(|address| address.set_port(port));
        if wanted.is_empty() {
            return Err(NameFailure::NoPinnedAddress);
        }
        Ok(Some(wanted))
    }
}

impl RaceRequest {
    /// Options of the connection that do not depend on the target.
    fn configure(&self, connection: CreateConnection) -> CreateConnection {
        let mut connection = connection.policy(Policy::clone(&self.policy));
        if let Some(family) = self.prefer {
            connection = connection.prefer(family);
        }
        if let Some(options) = &self.sockets.options {
            connection = connection.socket_options(options.clone());
        }
        let sources = self.sockets.sources.iter();
        sources.fold(connection, |connection, source| connection.local_addr(*source))
    }
}

impl Subject {
    pub(super) fn of(target: &TargetRequest, race: &RaceRequest, timeout: Duration) -> Self {
        let (host, port) = match &target.target {
            Target::Tcp(host, Port::Number(port)) => (Some(host.to_string()), Some(*port)),
            Target::Tcp(host, Port::Service(_)) => (Some(host.to_string()), None),
            Target::Unix(_) => (None, None),
        };
        let transport = match &target.target {
            Target::Unix(_) => TransportKind::Unix,
            Target::Tcp(..) if race.udp => TransportKind::Udp,
            Target::Tcp(..) => TransportKind::Tcp,
        };
        let (text, policy, family) = (target.text.clone(), race.policy.clone(), race.family);
        let tls = race.tls.as_ref().map(|tls| TlsExpectation::of(tls, host.as_deref()));
        let limits = SystemLimits { connect: tcp_syn_retries::connect_timeout() };
        Self { text, host, port, transport, family, policy, timeout, limits, tls }
    }
}

impl TlsExpectation {
    fn of(tls: &TlsRequest, host: Option<&str>) -> Self {
        let name = tls.name.as_deref().or(host);
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        let TlsRequest { starttls, has_own, offers_alpn, requires_13, .. } = *tls;
        Self { name, starttls, has_own, offers_alpn, requires_13 }
    }
}

fn via(target: &TargetRequest, by_dns: bool) -> Via {
    match (&target.target, &target.pinned) {
        (_, Some(_)) => Via::Given,
        (Target::Tcp(Host::Name(_), _), None) if by_dns => Via::Dns,
        (Target::Tcp(Host::Name(_), _), None) => Via::System,
        (Target::Tcp(Host::Literal(_), _) | Target::Unix(_), None) => Via::Literal,
    }
}
