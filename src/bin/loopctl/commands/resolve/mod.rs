//! `loopctl resolve`: request to events to report.

mod ask;
mod roots;
mod trace;

use std::cell::RefCell;
use std::rc::Rc;

use loopctl::{DnsClient, DnsConfigError, LoopHandle};

use super::dns_client;
use crate::cli::ViaArg;
use crate::config::{QuestionRequest, ResolveRequest};
use crate::exit::Exit;
use crate::report::names::NameReport;
use crate::util::cancellation;
use crate::util::cancellation::Stop;
use crate::util::message::Message;
use crate::util::ordered_pool::Finished;
use crate::util::slow_watch::SlowWatch;

use crate::output::resolve::Teller;

/// Resolves every name and tells about it.
pub(crate) fn run(request: ResolveRequest) -> Exit {
    let style = request.output.stderr;
    let teller = RefCell::new(Teller::new(&request));
    let (stop, finished, slow) = Default::default();
    let session = Rc::new(Session { request, teller, stop, finished, slow });
    let resolved = loopctl::run(async |event_loop| session.resolve_all(&event_loop).await);
    let written = session.teller.borrow_mut().finish();
    match resolved {
        _ if written != Exit::Success => written,
        Ok(Ok(exit)) => exit,
        Ok(Err((message, exit))) => {
            message.print(style);
            exit
        }
        Err(error) => {
            Message::error(error.to_string()).print(style);
            Exit::Mixed
        }
    }
}

/// One run of the program.
struct Session {
    request: ResolveRequest,
    teller: RefCell<Teller>,
    stop: Stop,
    finished: Finished<NameReport>,
    slow: SlowWatch,
}

impl Session {
    async fn resolve_all(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
    ) -> Result<Exit, (Message, Exit)> {
        self.slow.listen(event_loop, &self.request.slow);
        self.heed_signals(event_loop).map_err(|error| {
            (Message::error(format!("cannot handle signals: {error}")), Exit::Mixed)
        })?;
        let client = self.client(event_loop).map_err(|error| {
            (Message::error(format!("cannot ask name servers: {error}")), Exit::CannotRead)
        })?;
        let total = self.request.names.len();
        let mut exits = Vec::with_capacity(total);
        let tell = |result: Option<NameReport>| {
            exits.push(result.as_ref().map_or(Exit::Mixed, NameReport::exit));
            self.tell(result);
        };
        let begin = |number| self.begin(event_loop, number, client.clone());
        self.finished.feed(event_loop, (total, self.at_a_time()), begin, tell).await;
        Ok(Exit::of_all(&exits))
    }

    /// The system's resolver has so many threads. A name that waits for one would look as if nobody answered.
    fn at_a_time(&self) -> usize {
        const THREADS: usize = 64;
        let question = &self.request.question;
        if question.via == ViaArg::Dns || question.trace {
            return self.request.concurrency;
        }
        self.request.concurrency.min(THREADS)
    }

    /// A task of its own, so that slow steps are told apart by name.
    fn begin(self: &Rc<Self>, event_loop: &LoopHandle, number: usize, client: Option<DnsClient>) {
        let place = self.finished.place(number);
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let task = event_loop.create_task(async move {
            let report = session.resolve(&inside, number, client).await;
            place.hand_in(report);
        });
        task.set_name(&self.request.names[number].text);
    }

    fn tell(&self, result: Option<NameReport>) {
        let Some(mut report) = result else { return };
        report.beside.slow = self.slow.take();
        let mut teller = self.teller.borrow_mut();
        teller.tell(&report);
        if let Some(threshold) = self.request.slow.threshold {
            teller.slow(&report.beside.slow, threshold);
        }
        if teller.has_failed() {
            self.stop.now(Exit::CannotWrite);
        }
    }

    /// Who asks name servers, if they are to be asked at all.
    fn client(&self, event_loop: &LoopHandle) -> Result<Option<DnsClient>, DnsConfigError> {
        let question = &self.request.question;
        if question.via == ViaArg::System || question.trace {
            return Ok(None);
        }
        // What the hosts file says is the system's answer; name servers have one of their own.
        let mut builder = DnsClient::system()?.hosts("");
        if let Some(anchors) = &question.dnssec {
            builder = builder.validate(anchors.clone());
        }
        if !question.search {
            builder = builder.search([""; 0], 1);
        }
        dns_client::client(event_loop, builder, &question.servers, self.request.timeout).map(Some)
    }

    fn heed_signals(self: &Rc<Self>, event_loop: &LoopHandle) -> std::io::Result<()> {
        let session = Rc::clone(self);
        cancellation::heed_signals(event_loop, move |exit| session.stop.now(exit))
    }
}

impl QuestionRequest {
    /// Whether the answer of name servers decides, because the system was not asked or one was named.
    fn dns_leads(&self) -> bool {
        self.via == ViaArg::Dns || !self.servers.is_empty() || self.trace
    }
}
