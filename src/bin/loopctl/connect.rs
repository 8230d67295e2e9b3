//! `loopctl connect`: request to events to report.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use loopctl::plan::{Family, Host, Port, SlowLog, Target};
use loopctl::{
    AddrInfoFlags, CreateConnection, Event, Lookup, LoopRef, Protocol, ResolveError, Transport,
};

use crate::env::Environment;
use crate::exit::Exit;
use crate::message::Message;
use crate::output::Output;
use crate::render::slow;
use crate::report::{Began, Report, Subject, Via};
use crate::request::{ConnectRequest, RaceRequest, TargetRequest};

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// How many kinds of slow callback a report lists.
const WORST: usize = 10;

/// Races every target and tells about it.
pub(crate) fn run(request: ConnectRequest) -> Exit {
    let style = request.output.stderr;
    Message::warnings(request.warnings()).print(style);
    let output = Output::new(&request.output, request.targets.len());
    let (output, stop) = (RefCell::new(output), Stop::default());
    let session = Rc::new(Session { request, output, stop });
    let raced = loopctl::run(async |lp| session.race_all(&lp).await);
    let written = session.output.borrow_mut().finish();
    match raced {
        _ if written != Exit::Success => written,
        Ok(exit) => exit,
        Err(error) => {
            Message::error(error.to_string()).print(style);
            Exit::Mixed
        }
    }
}

struct Session {
    request: ConnectRequest,
    output: RefCell<Output>,
    stop: Stop,
}

/// The wish to end early, and whom to wake when it comes.
#[derive(Default)]
struct Stop {
    wish: Cell<Option<Exit>>,
    waiting: RefCell<Option<Waker>>,
}

/// Wants the connection, not what comes over it.
struct Probe;

impl Protocol for Probe {
    fn connection_made(&mut self, transport: &Transport) {
        transport.close();
    }

    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

impl Session {
    async fn race_all(self: &Rc<Self>, lp: &LoopRef) -> Exit {
        let slow = self.watch_slow_callbacks(lp);
        if let Err(error) = self.heed_signals(lp) {
            Message::error(format!("cannot handle signals: {error}"))
                .print(self.request.output.stderr);
            return Exit::Mixed;
        }
        let mut exits = Vec::new();
        for target in &self.request.targets {
            let mut report = self.race_as_task(lp, target).await;
            report.slow = slow.replace(SlowLog::new(WORST));
            exits.push(report.exit());
            self.output.borrow_mut().report(&report);
            if let Some(threshold) = self.request.slow.threshold {
                self.output.borrow_mut().aside(&slow::text(&report.slow, threshold));
            }
        }
        Exit::of_all(&exits)
    }

    /// A task of its own, so that slow steps are told apart by target.
    async fn race_as_task(self: &Rc<Self>, lp: &LoopRef, target: &TargetRequest) -> Report {
        let (session, inside, of) = (Rc::clone(self), lp.clone(), target.clone());
        let task = lp.create_task(async move { session.race(&inside, &of).await });
        task.set_name(&target.text);
        match task.await {
            Ok(report) => report,
            Err(cancelled) => {
                let mut report = self.blank(lp, target);
                report.refuse(cancelled.to_string(), lp.time());
                report
            }
        }
    }

    fn blank(&self, lp: &LoopRef, target: &TargetRequest) -> Report {
        let began = Began { at: lp.time(), wall: Environment::wall_clock() };
        Report::new(Subject::of(target, &self.request.race), via(target), began)
    }

    /// One target. What was asked to stop before it began is told as interrupted.
    async fn race(self: &Rc<Self>, lp: &LoopRef, target: &TargetRequest) -> Report {
        let report = Rc::new(RefCell::new(self.blank(lp, target)));
        self.output.borrow_mut().begin(&self.request.race);
        if self.stop.wish.get().is_none() {
            match self.connection(lp, target).await {
                Ok(connection) => self.connect(connection, &report).await,
                Err(error) => report.borrow_mut().refuse(error.to_string(), lp.time()),
            }
        }
        let mut report = report.borrow().clone();
        if let (Some(exit), None) = (self.stop.wish.get(), report.selected) {
            report.interrupt(exit, lp.time());
        }
        report
    }

    /// Opens the connection unless somebody ends it first. All that matters is told to the listener.
    async fn connect(self: &Rc<Self>, connection: CreateConnection, report: &Rc<RefCell<Report>>) {
        let (session, heard) = (Rc::clone(self), Rc::clone(report));
        let listen = move |event: &Event| {
            heard.borrow_mut().hear(event);
            let mut output = session.output.borrow_mut();
            output.event(event, &heard.borrow());
            if output.has_failed() {
                session.stop.now(Exit::CannotWrite);
            }
        };
        let mut opening = pin!(connection.trace(listen).open(|| Probe));
        poll_fn(|cx| {
            let opened = opening.as_mut().poll(cx).is_ready();
            let stopped = self.stop.poll(cx.waker());
            if opened || stopped { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    async fn connection(
        &self,
        lp: &LoopRef,
        target: &TargetRequest,
    ) -> Result<CreateConnection, ResolveError> {
        let race = &self.request.race;
        let connection = match (&target.target, &target.pinned) {
            (Target::Unix(path), _) => lp.create_unix_connection(path),
            (Target::Tcp(host, port), None) => {
                lp.create_connection(host.clone(), port.clone()).family(race.family)
            }
            (Target::Tcp(_, port), Some(addresses)) => {
                let port = number(lp, port).await?;
                let wanted = addresses.iter().filter(|ip| race.family.admits(Family::of(ip)));
                lp.create_connection_to(wanted.map(|ip| SocketAddr::new(*ip, port)))
            }
        };
        let connection = connection.policy(race.policy.clone()).timeout(race.timeout);
        let connection = match race.prefer {
            Some(family) => connection.prefer(family),
            None => connection,
        };
        Ok(race
            .sources
            .iter()
            .fold(connection, |connection, source| connection.local_addr(*source)))
    }

    fn heed_signals(self: &Rc<Self>, lp: &LoopRef) -> std::io::Result<()> {
        for signal in [SIGINT, SIGTERM] {
            let (session, inside) = (Rc::clone(self), lp.clone());
            lp.add_signal_handler(signal, move || {
                session.stop.now(Exit::Signal(signal));
                // A second one ends the process at once.
                inside.remove_signal_handler(signal);
            })?;
        }
        Ok(())
    }

    fn watch_slow_callbacks(&self, lp: &LoopRef) -> Rc<RefCell<SlowLog>> {
        let log = Rc::new(RefCell::new(SlowLog::new(WORST)));
        lp.set_debug(self.request.slow.debug || lp.debug());
        let Some(threshold) = self.request.slow.threshold else { return log };
        lp.set_slow_callback_duration(threshold);
        let jobs = Rc::clone(&log);
        lp.on_slow_callback(move |slow| {
            jobs.borrow_mut().record(&slow.job.name, slow.job.origin, slow.took);
        });
        let turns = Rc::clone(&log);
        lp.on_slow_turn(move |slow| turns.borrow_mut().record("whole turn", None, slow.took));
        log
    }
}

impl Stop {
    fn now(&self, exit: Exit) {
        self.wish.set(Some(exit));
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> bool {
        self.waiting.replace(Some(waker.clone()));
        self.wish.get().is_some()
    }
}

impl Subject {
    fn of(target: &TargetRequest, race: &RaceRequest) -> Self {
        let (host, port) = match &target.target {
            Target::Tcp(host, Port::Number(port)) => (Some(host.to_string()), Some(*port)),
            Target::Tcp(host, Port::Service(_)) => (Some(host.to_string()), None),
            Target::Unix(_) => (None, None),
        };
        let (text, policy) = (target.text.clone(), race.policy.clone());
        Self { text, host, port, policy, timeout: race.timeout }
    }
}

fn via(target: &TargetRequest) -> Via {
    match (&target.target, &target.pinned) {
        (_, Some(_)) => Via::Given,
        (Target::Tcp(Host::Name(_), _), None) => Via::System,
        (Target::Tcp(Host::Literal(_), _) | Target::Unix(_), None) => Via::Literal,
    }
}

/// The number of a service, which the resolver knows without a name server.
async fn number(lp: &LoopRef, port: &Port) -> Result<u16, ResolveError> {
    match port {
        Port::Number(number) => Ok(*number),
        Port::Service(_) => {
            let lookup = Lookup::new("127.0.0.1", port.clone()).flags(AddrInfoFlags::NUMERICHOST);
            let found = lp.getaddrinfo(lookup).await?;
            Ok(found.first().map_or(0, |info| info.address.port()))
        }
    }
}
