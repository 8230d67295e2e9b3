//! `loopctl serve`: serves clients until a limit or signal ends it, and reports each one.
//!
//! From the bottom to the top, each importing only what is above it in this list:
//! - [`context`]: the part of the server's state that clients may see;
//! - [`connection`] and [`peer_io`]: a client's connection, with its faults and limits;
//! - [`modes`]: echo, HTTP, sinks and the others, on top of a client's connection;
//! - [`client`]: the life of a client, from the TLS handshake to its record;
//! - [`server`]: all clients and their totals;
//! - [`listen`] and [`datagram`]: sockets that bring clients and datagrams to the server;
//! - [`control`]: faults that change while it runs.
//!
//! This file starts the server, and shuts it down.

mod client;
mod connection;
mod context;
mod control;
mod datagram;
mod datagram_log;
mod disconnect;
mod fault_plan;
mod inherited;
mod listen;
mod listen_addresses;
mod listeners;
mod modes;
mod peer_io;
mod program;
mod reflection;
mod refusal;
mod server;
mod store;
mod tls;
mod unserved;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use loopctl::plan::SlowLog;
use loopctl::{Address, ExceptionHandler};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::commands::run::{no_signals, run_on_loop};
use crate::commands::slow_watch::SlowWatch;
use crate::config::ServeRequest;
use crate::config::environment;
use crate::diagnose::exit_status;
use crate::diagnose::hint::serve::hint_for_loop_error;
use crate::exit::{Exit, ExitResult};
use crate::output::progress::status;
use crate::output::writer::{Writer, finished};
use crate::util::message::Message;

use crate::output::serve::ServePrinter;
use crate::report::served::{EndReason, ServeOutcome};
use context::{ServerContext, ServerPhase, StopReason};
use listeners::Listeners;
use refusal::Refusal;
use server::Server;
use store::Store;
use tls::Tls;

/// Shortest time for the reader of the output at the end. `--grace` says how long clients may take, and nothing about
/// the output.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the server until its end.
pub(crate) fn run(request: ServeRequest) -> ExitResult {
    // Best effort: a shortage is reported when accept(2) fails.
    let _ = loopctl::raise_descriptor_limit();
    let slow = SlowWatch::new(request.slow);
    let inherited = inherited::take().and_then(|sockets| {
        for socket in &sockets {
            request.check_inherited(socket.kind, socket.is_unix, socket.number)?;
        }
        Ok(sockets)
    });
    let (sockets, refusal) = match inherited {
        // An ADDR takes the place of these sockets.
        _ if !request.listen.specs.is_empty() => (Vec::new(), None),
        Ok(sockets) => (sockets, None),
        Err(refusal) => (Vec::new(), Some(refusal)),
    };
    run_on_loop(&slow, async |event_loop| {
        let printer = ServePrinter::new(event_loop, &request).await;
        let context = ServerContext::new(event_loop, request, printer);
        Ok(Server::new(context, sockets).run(&slow, refusal).await)
    })
}

impl Server {
    /// `refusal`: the reason why sockets that were handed over cannot be served.
    async fn run(self: &Rc<Self>, slow: &SlowWatch, refusal: Option<Refusal>) -> Exit {
        let context = &self.context;
        let started = context.event_loop.time();
        let begun = match refusal {
            Some(refusal) => Err(refusal),
            None => self.start().await,
        };
        if let Err(Refusal { message, exit }) = begun {
            let took = context.event_loop.time() - started;
            context.printer.borrow_mut().refused(&message, took);
            self.finish_store().await;
            let written = self.finish_output().await;
            return if written == Exit::Success { exit } else { written };
        }
        self.print_periodically(started);
        let reason = self.wait_stop().await;
        let exit = self.shut_down(reason).await;
        let stored = self.finish_store().await;
        self.flush_datagrams();
        let printed = self.print_summary(started, &slow.take());
        let exits = [printed, stored, self.finish_output().await, exit];
        exits.into_iter().find(|exit| *exit != Exit::Success).unwrap_or(Exit::Success)
    }

    /// Opens everything in order, the listeners last, and reports where the server listens.
    async fn start(self: &Rc<Self>) -> Result<(), Refusal> {
        let (context, request) = (&self.context, &self.context.request);
        // Opening a FIFO waits for its reader. Signals still have their default action, and end that.
        self.resources.open(&context.event_loop, &request.service).await?;
        if let Some(tls_request) = &request.listen.tls {
            let tls = Tls::open(tls_request, request)?;
            self.tls.get_or_init(|| tls);
        }
        for queue in self.output_queues() {
            let context = Rc::clone(context);
            queue.on_failure(move || context.request_stop(StopReason::OutputFailed));
        }
        context.event_loop.set_exception_handler(Some(self.exception_handler()));
        self.handle_signals().map_err(no_signals)?;
        let listeners = listen::listen(self).await?;
        let addresses = listeners.addresses();
        let skipped = [listeners.skipped(), self.warnings(&listeners, &addresses)].concat();
        self.listeners.replace(listeners);
        let certificates = self.tls.get().map(Tls::served);
        context.print(|printer| printer.listening(&addresses, skipped, certificates));
        self.open_control().await?;
        self.write_port_file(&addresses)?;
        if let Some(timeout) = request.timeout {
            let context = Rc::clone(context);
            self.context
                .event_loop
                .call_later(timeout, move || context.request_stop(StopReason::Timeout));
        }
        Ok(())
    }

    /// Limits that do not do what the command line seems to say, and answers that strangers can abuse.
    fn warnings(&self, listeners: &Listeners, addresses: &[Address]) -> Vec<String> {
        let request = &self.context.request;
        let is_open = request.limits.allow.is_empty();
        let mut warnings = Vec::new();
        if !is_open && addresses.iter().any(|address| address.as_inet().is_none()) {
            warnings.push("--allow is about IP addresses: who may connect to a Unix socket is decided by the mode of its file".to_owned());
        }
        let is_public = |address: SocketAddr| !address.ip().is_loopback();
        if is_open && !request.only_receives() && listeners.datagrams().any(is_public) {
            warnings.push(
                "answers to datagrams go to whatever source they name: --allow limits the networks"
                    .to_owned(),
            );
        }
        warnings
    }

    fn write_port_file(&self, addresses: &[Address]) -> Result<(), Refusal> {
        let request = &self.context.request;
        let Some(path) = &request.listen.port_file else { return Ok(()) };
        let ports = addresses.iter().filter_map(Address::as_inet);
        let ports: String = ports.map(|address| format!("{}\n", address.port())).collect();
        let mut file = Writer::create(path)?;
        file.write(&ports);
        file.finish()?;
        Ok(())
    }

    /// Prints errors of the event loop that concern no client, above all a shortage of file descriptors.
    fn exception_handler(&self) -> ExceptionHandler {
        let server = Rc::downgrade(&self.context);
        Rc::new(move |_, context| {
            let message = Message {
                causes: context.error.iter().map(ToString::to_string).collect(),
                hints: hint_for_loop_error(context).into_iter().collect(),
                ..Message::error(&context.message)
            };
            if let Some(server) = server.upgrade() {
                server.printer.borrow().message(&message);
            }
        })
    }

    fn handle_signals(self: &Rc<Self>) -> std::io::Result<()> {
        let event_loop = &self.context.event_loop;
        let reloaded = self.context.request.faults_file.clone();
        // Under nohup(1), SIGHUP stays ignored.
        let ends = reloaded.is_none() && !environment::ignores(SIGHUP);
        let hangup = ends.then_some(SIGHUP);
        if let Some(path) = reloaded {
            let server = Rc::clone(self);
            event_loop.add_signal_handler(SIGHUP, move || {
                let (server, path) = (Rc::clone(&server), path.clone());
                let event_loop = server.context.event_loop.clone();
                drop(event_loop.create_task(async move { server.reload_faults(&path).await }));
            })?;
        }
        for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
            let context = Rc::clone(&self.context);
            let stop = move || context.request_stop(StopReason::Signal(signal));
            event_loop.add_signal_handler(signal, stop)?;
        }
        let (server, started) = (Rc::clone(self), event_loop.time());
        event_loop.add_signal_handler(SIGQUIT, move || server.print_totals(started))
    }
}

/// Output during the run.
impl Server {
    /// Starts the status line and the totals of `--stats`.
    fn print_periodically(self: &Rc<Self>, started: Instant) {
        let request = &self.context.request;
        if request.output.live {
            self.every(status::FRAME, move |server| {
                let (totals, now) = (server.totals(), server.context.event_loop.time());
                server.context.printer.borrow_mut().draw(&totals, now - started, now);
            });
        }
        if let Some(period) = request.log.stats {
            self.every(period, move |server| server.print_totals(started));
        }
    }

    fn every(self: &Rc<Self>, period: Duration, action: impl Fn(&Self) + 'static) {
        let server = Rc::clone(self);
        self.context.event_loop.create_task(async move {
            loop {
                server.context.event_loop.sleep(period).await;
                action(&server);
            }
        });
    }

    fn print_totals(&self, started: Instant) {
        let (totals, elapsed) = (self.totals(), self.context.event_loop.time() - started);
        self.context.print(|printer| printer.stats(&totals, elapsed));
    }
}

/// The end of the run.
impl Server {
    /// Lets clients finish within the grace period, and then aborts their connections.
    async fn shut_down(&self, reason: StopReason) -> Exit {
        self.listeners.borrow_mut().close();
        drop(self.control.take());
        self.enter_phase(ServerPhase::Draining);
        let request = &self.context.request;
        let grace = match reason {
            StopReason::OutputFailed => Duration::ZERO,
            _ => request.limits.grace,
        };
        let drained = self.context.event_loop.timeout(grace, self.wait_drained()).await;
        self.enter_phase(ServerPhase::Aborting);
        while self.wait_drained().await.is_some() {}
        let aborted = self.totals().aborted;
        exit_status::for_serve(match (drained.ok().flatten(), reason) {
            (Some(StopReason::Signal(signal)), _) => ServeOutcome::Signal(signal),
            _ if aborted > 0 => ServeOutcome::ClientsCutOff,
            (_, StopReason::AllServed | StopReason::Timeout)
                if self.has_accepted_all() && self.has_incomplete_transfer() =>
            {
                ServeOutcome::Incomplete
            }
            (_, StopReason::Timeout)
                if request.limits.count.is_some() && !self.has_accepted_all() =>
            {
                ServeOutcome::TooFewClients
            }
            _ => ServeOutcome::Completed,
        })
    }

    /// Whether a transfer to a sink ended otherwise than by end-of-file.
    fn has_incomplete_transfer(&self) -> bool {
        let totals = self.totals();
        self.context.is_sink() && totals.ends.keys().any(|end| *end != EndReason::Eof)
    }

    /// Completes the file of a sink.
    async fn finish_store(&self) -> Exit {
        let request = &self.context.request;
        let Some(store) = self.store() else { return Exit::Success };
        let timeout = request.limits.grace.max(OUTPUT_TIMEOUT);
        let (record, exit) = store.finish(timeout, request.output.stderr).await;
        self.context.print_transfer(record.as_ref());
        exit
    }

    /// Waits until the reader of standard output has everything.
    async fn finish_output(&self) -> Exit {
        let request = &self.context.request;
        let queue = self.context.printer.borrow().queue();
        let Some(queue) = queue else { return Exit::Success };
        let timeout = request.limits.grace.max(OUTPUT_TIMEOUT);
        let result = finished(queue.finish(timeout).await, "output");
        result.unwrap_or_else(|error| error.print(request.output.stderr))
    }

    fn print_summary(&self, started: Instant, slow: &SlowLog) -> Exit {
        let (totals, took) = (self.totals(), self.context.event_loop.time() - started);
        let mut printer = self.context.printer.borrow_mut();
        let error = self.store().and_then(Store::error);
        printer.summary(&totals, took, slow, error.as_ref());
        if let Some(threshold) = self.context.request.slow.threshold {
            printer.print_slow(slow, threshold);
        }
        printer.finish().unwrap_or_else(|error| error.print(self.context.request.output.stderr))
    }
}
