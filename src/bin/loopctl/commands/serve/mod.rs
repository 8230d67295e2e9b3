//! `loopctl serve`: request to clients to records.

pub(crate) mod client;
pub(crate) mod conn;
pub(crate) mod datagram;
pub(crate) mod exec;
pub(crate) mod fault;
pub(crate) mod http;
pub(crate) mod listen;
pub(crate) mod listen_addresses;
pub(crate) mod modes;
pub(crate) mod refusal;
pub(crate) mod session;
pub(crate) mod silent;
pub(crate) mod sink;
pub(crate) mod tls;

use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::SlowLog;
use loopctl::{Address, ExceptionHandler};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::commands::run::{no_signals, run_on_loop};
use crate::commands::slow_watch::SlowWatch;
use crate::config::environment;
use crate::config::{ServeRequest, Service, SinkRequest};
use crate::diagnose::exit_status;
use crate::diagnose::hint::serve::hint_for_loop_error;
use crate::exit::{Exit, FatalError};
use crate::output::progress::status;
use crate::output::writer::{Writer, finished};
use crate::util::message::Message;

use crate::output::serve::Teller;
use crate::report::served::{End, ServeOutcome};
use http::Root;
use refusal::{Refusal, unreadable};
use session::{Session, Stage, Wish};
use sink::Store;
use tls::Tls;

/// Serves until it is told to end, or has served as many clients as were asked for.
pub(crate) fn run(request: ServeRequest) -> Result<Exit, FatalError> {
    // What there is; too few are told when they are short.
    let _ = loopctl::raise_descriptor_limit();
    let slow = SlowWatch::new(request.slow);
    run_on_loop(&slow, async |event_loop| {
        let teller = Teller::new(event_loop, &request).await;
        let session = Session::new(event_loop, request, teller);
        Ok(session.run(&slow).await)
    })
}

impl Session {
    async fn run(self: &Rc<Self>, slow: &SlowWatch) -> Exit {
        let began = self.event_loop.time();
        if let Err(Refusal { message, exit }) = self.begin().await {
            self.teller.borrow_mut().refused(&message, self.event_loop.time() - began);
            self.stored().await;
            let written = self.written().await;
            return if written == Exit::Success { exit } else { written };
        }
        self.keep_telling(began);
        let wish = self.until_wish().await;
        let exit = self.finish(wish).await;
        let stored = self.stored().await;
        let told = self.sum_up(began, &slow.take());
        let exits = [told, stored, self.written().await, exit];
        exits.into_iter().find(|exit| *exit != Exit::Success).unwrap_or(Exit::Success)
    }

    /// What was received gets its name, as much time as clients did.
    async fn stored(&self) -> Exit {
        let (grace, style) = (self.request.limits.grace, self.request.output.stderr);
        let Some(store) = self.store() else { return Exit::Success };
        let (stored, exit) = store.finish(grace, style).await;
        self.tell(|teller| stored.iter().for_each(|stored| teller.stored(stored)));
        exit
    }

    /// So does what was told.
    async fn written(&self) -> Exit {
        let (grace, style) = (self.request.limits.grace, self.request.output.stderr);
        let spool = self.teller.borrow().spool();
        match spool {
            Some(spool) => {
                let finished = finished(spool.finish(grace).await, "output");
                finished.unwrap_or_else(|error| error.print(style))
            }
            None => Exit::Success,
        }
    }

    fn sum_up(&self, began: Instant, slow: &SlowLog) -> Exit {
        let (totals, took) = (self.totals(), self.event_loop.time() - began);
        let mut teller = self.teller.borrow_mut();
        let trouble = self.store().and_then(Store::trouble);
        teller.summary(&totals, took, slow, trouble.as_ref());
        if let Some(threshold) = self.request.slow.threshold {
            teller.slow(slow, threshold);
        }
        teller.finish().unwrap_or_else(|error| error.print(self.request.output.stderr))
    }

    /// From here on clients can connect, and those who wait for that are told.
    async fn begin(self: &Rc<Self>) -> Result<(), Refusal> {
        if let Service::Sink(sink) = &self.request.service
            && *sink != SinkRequest::default()
        {
            // A FIFO waits for its reader here, and a signal still ends that.
            let store = Store::open(&self.event_loop, sink).await?;
            self.opened.store.get_or_init(|| store);
        }
        if let Service::Http(Some(path)) = &self.request.service {
            let root = Root::open(path).map_err(|error| unreadable(path, &error))?;
            self.opened.root.get_or_init(|| root);
        }
        if let Some(request) = &self.request.listen.tls {
            let tls = self.open_tls(request)?;
            self.opened.tls.get_or_init(|| tls);
        }
        for spool in self.spools() {
            let session = Rc::clone(self);
            spool.on_failure(move || session.wish(Wish::CannotWrite));
        }
        self.event_loop.set_exception_handler(Some(self.report_trouble()));
        self.heed_signals().map_err(no_signals)?;
        let listening = self.listen().await?;
        let (addresses, skipped) = (listening.addresses(), listening.skipped());
        self.opened.listening.replace(listening);
        let shown = self.opened.tls.get().map(Tls::shown);
        self.tell(|teller| teller.listening(&addresses, skipped, shown));
        if let Some(path) = &self.request.listen.port_file {
            let ports = addresses.iter().filter_map(Address::as_inet);
            let ports: String = ports.map(|address| format!("{}\n", address.port())).collect();
            let mut file = Writer::create(path)?;
            file.write(&ports);
            file.finish()?;
        }
        if let Some(timeout) = self.request.timeout {
            let session = Rc::clone(self);
            self.event_loop.call_later(timeout, move || session.wish(Wish::TimeUp));
        }
        Ok(())
    }

    /// What goes wrong on the way of a client, above all a shortage of descriptors.
    fn report_trouble(self: &Rc<Self>) -> ExceptionHandler {
        let session = Rc::downgrade(self);
        Rc::new(move |_, context| {
            let message = Message {
                causes: context.error.iter().map(ToString::to_string).collect(),
                hints: hint_for_loop_error(context).into_iter().collect(),
                ..Message::error(&context.message)
            };
            if let Some(session) = session.upgrade() {
                session.teller.borrow().message(&message);
            }
        })
    }

    fn heed_signals(self: &Rc<Self>) -> std::io::Result<()> {
        // What nohup(1) has set stays.
        let hangup = (!environment::ignores(SIGHUP)).then_some(SIGHUP);
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            let session = Rc::clone(self);
            self.event_loop
                .add_signal_handler(signal, move || session.wish(Wish::Signal(signal)))?;
        }
        let (session, began) = (Rc::clone(self), self.event_loop.time());
        self.event_loop.add_signal_handler(SIGQUIT, move || session.tell_totals(began))
    }

    fn tell_totals(&self, began: Instant) {
        let (totals, after) = (self.totals(), self.event_loop.time() - began);
        self.tell(|teller| teller.stats(&totals, after));
    }

    /// The status line and the totals in between, until the loop ends.
    fn keep_telling(self: &Rc<Self>, began: Instant) {
        if self.request.output.live {
            self.every(status::FRAME, move |session| {
                let (totals, now) = (session.totals(), session.event_loop.time());
                session.teller.borrow_mut().draw(&totals, now - began, now);
            });
        }
        if let Some(period) = self.request.log.stats {
            self.every(period, move |session| session.tell_totals(began));
        }
    }

    fn every(self: &Rc<Self>, period: Duration, what: impl Fn(&Self) + 'static) {
        let session = Rc::clone(self);
        self.event_loop.create_task(async move {
            loop {
                session.event_loop.sleep(period).await;
                what(&session);
            }
        });
    }

    /// Lets clients finish, and cuts off those who do not within the time they get.
    async fn finish(&self, wish: Wish) -> Exit {
        self.opened.listening.borrow_mut().close();
        self.advance(Stage::Closing);
        let grace = match wish {
            Wish::CannotWrite => Duration::ZERO,
            _ => self.request.limits.grace,
        };
        let again = self.event_loop.timeout(grace, self.until_empty()).await.ok().flatten();
        self.advance(Stage::CutOff);
        while self.until_empty().await.is_some() {}
        let aborted = self.totals().aborted;
        exit_status::for_serve(match (again, wish) {
            (Some(Wish::Signal(signal)), _) => ServeOutcome::Signal(signal),
            _ if aborted > 0 => ServeOutcome::ClientsCutOff,
            (_, Wish::Done | Wish::TimeUp) if self.has_enough() && self.lost_some() => {
                ServeOutcome::Incomplete
            }
            (_, Wish::TimeUp) if self.request.limits.count.is_some() && !self.has_enough() => {
                ServeOutcome::TooFewClients
            }
            _ => ServeOutcome::Completed,
        })
    }

    /// Whether a sink that was to receive so many transfers did not get all of one.
    fn lost_some(&self) -> bool {
        self.is_sink() && self.totals().ends.keys().any(|end| *end != End::Eof)
    }
}
