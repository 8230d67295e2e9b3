//! `loopctl resolve`: request to events to report.

mod ask;
mod roots;
mod trace;

use std::cell::RefCell;
use std::rc::Rc;

use loopctl::{DnsClient, DnsConfigError, LoopHandle};

use super::dns_client;
use super::run::{no_signals, run_on_loop};
use super::slow_watch::SlowWatch;
use crate::config::{Format, NameService, QuestionRequest, ResolveRequest, ResolverChoice};
use crate::diagnose::{exit_status, name_service};
use crate::exit::{Exit, FatalError};
use crate::output::resolve::NamePrinter;
use crate::report::names::NameReport;
use crate::util::cancellation::{CancellationToken, StopReason, cancel_on_signals};
use crate::util::message::Message;
use crate::util::ordered_pool::OrderedPool;

/// Resolves every name and reports it.
pub(crate) fn run(request: ResolveRequest) -> Result<Exit, FatalError> {
    let service = Rc::new(NameService::of_system());
    warn(&request, &service);
    let session = Rc::new(Session {
        service,
        printer: RefCell::new(NamePrinter::new(&request)?),
        slow: SlowWatch::new(request.slow),
        request,
        token: CancellationToken::default(),
        pool: OrderedPool::default(),
    });
    let result =
        run_on_loop(&session.slow, async |event_loop| session.resolve_all(event_loop).await);
    session.printer.borrow_mut().finish()?;
    result
}

/// Prints what is odd about the files that are used.
fn warn(request: &ResolveRequest, service: &NameService) {
    let question = &request.question;
    let is_system_asked = question.asks_system();
    let uses_servers = question.servers.is_empty() && question.via != ResolverChoice::System;
    let is_told =
        request.output.format != Format::Quiet && !request.output.has_document_on_stderr();
    if is_told && !question.trace && (is_system_asked || uses_servers) {
        let warnings = name_service::warnings(service, is_system_asked);
        Message::warnings(warnings).print(request.output.stderr);
    }
}

/// One run of the program.
struct Session {
    request: ResolveRequest,
    /// Configuration of the system's resolver.
    service: Rc<NameService>,
    printer: RefCell<NamePrinter>,
    token: CancellationToken,
    pool: OrderedPool<NameReport>,
    slow: SlowWatch,
}

impl Session {
    async fn resolve_all(self: &Rc<Self>, event_loop: &LoopHandle) -> Result<Exit, FatalError> {
        cancel_on_signals(event_loop, &self.token).map_err(no_signals)?;
        let client = self.client(event_loop).map_err(|error| {
            FatalError::new(Exit::CannotRead, format!("cannot query name servers: {error}"))
        })?;
        let total = self.request.names.len();
        let mut exits = Vec::with_capacity(total);
        let start = |number| self.start(event_loop, number, client.clone());
        let print = |result: Option<NameReport>| {
            exits.push(result.as_ref().map_or(Exit::Mixed, exit_status::for_name));
            self.print(result);
        };
        self.pool.run_ordered(event_loop, total, self.concurrency(), start, print).await;
        Ok(Exit::of_all(&exits))
    }

    /// The number of names at a time. The system's resolver has a limited number of threads; a name that waits for one
    /// would look as if no answer came.
    fn concurrency(&self) -> usize {
        const THREADS: usize = 64;
        let question = &self.request.question;
        if question.via == ResolverChoice::Dns || question.trace {
            return self.request.concurrency;
        }
        self.request.concurrency.min(THREADS)
    }

    /// Starts a task for the name, so that slow steps are listed by name.
    fn start(self: &Rc<Self>, event_loop: &LoopHandle, number: usize, client: Option<DnsClient>) {
        let slot = self.pool.slot(number);
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let task = event_loop.create_task(async move {
            slot.complete(session.resolve(&inside, number, client).await);
        });
        task.set_name(&self.request.names[number].text);
    }

    fn print(&self, result: Option<NameReport>) {
        let Some(mut report) = result else { return };
        report.slow = self.slow.take();
        let mut printer = self.printer.borrow_mut();
        printer.print(&report);
        if let Some(threshold) = self.slow.threshold() {
            printer.print_slow(&report.slow, threshold);
        }
        if printer.has_failed() {
            self.token.cancel(StopReason::CannotWrite);
        }
    }

    /// DNS client of the run; `None` if no name servers are queried.
    fn client(&self, event_loop: &LoopHandle) -> Result<Option<DnsClient>, DnsConfigError> {
        let question = &self.request.question;
        if question.via == ResolverChoice::System || question.trace {
            return Ok(None);
        }
        // Because the hosts file is part of the system's answer, name servers are compared with it.
        let mut builder = DnsClient::builder().configuration(&self.service.conf);
        if let Some(anchors) = &question.dnssec {
            builder = builder.validate(anchors.clone());
        }
        if !question.search {
            builder = builder.search([""; 0], 1);
        }
        let limit = self.request.dns_timeout();
        dns_client::client(event_loop, builder, &question.servers, limit).map(Some)
    }
}

impl QuestionRequest {
    /// Whether the answer of name servers decides, because the system was not asked or one was named.
    fn dns_leads(&self) -> bool {
        self.via == ResolverChoice::Dns || !self.servers.is_empty() || self.trace
    }
}
