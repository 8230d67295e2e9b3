//! `loopctl connect`: request to events to report.

mod ask_nat64;
mod compare;
mod http;
mod names;
mod path;
mod race;
mod relay;
mod repeat;
mod second_query;
mod secure;
mod send;
mod stall_watch;
mod starttls;
mod surroundings;
mod targets;
mod traffic;
mod udp;
mod wait;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use loopctl::{DnsClient, LoopHandle};
use signal_hook::consts::SIGQUIT;

use super::run::{no_signals, run_on_loop};
use super::slow_watch::SlowWatch;
use crate::config::{AfterConnect, ConnectMode, ConnectRequest, NameService};
use crate::exit::{Exit, FatalError};
use crate::output::connect::ConnectPrinter;
use crate::output::progress::live;
use crate::report::repeat::RepeatReport;
use crate::report::target_result::TargetResult;
use crate::util::cancellation::{CancellationToken, StopReason, cancel_on_signals};
use crate::util::message::Message;
use crate::util::ordered_pool::OrderedPool;

use relay::Winner;
use stall_watch::StallWatch;

/// Connects to every target and reports it.
pub(crate) fn run(mut request: ConnectRequest) -> Result<Exit, FatalError> {
    request.concurrency = request.concurrency.min(max_targets());
    Message::warnings(request.warnings()).print(request.output.stderr);
    let printer = RefCell::new(ConnectPrinter::new(&request)?);
    let session = Rc::new(Session {
        slow: SlowWatch::new(request.slow),
        request,
        printer,
        token: CancellationToken::default(),
        winner: RefCell::default(),
        pool: OrderedPool::default(),
        series: RefCell::default(),
        stalls: Rc::default(),
        dns: RefCell::default(),
        name_service: RefCell::default(),
    });
    let result = run_on_loop(&session.slow, async |event_loop| session.run(event_loop).await);
    session.printer.borrow_mut().finish()?;
    result
}

/// The number of targets that the descriptors of this process suffice for: two attempts each, and a reserve.
fn max_targets() -> usize {
    const RESERVE: u64 = 32;
    let limit = loopctl::raise_descriptor_limit().unwrap_or(1024);
    usize::try_from(limit.saturating_sub(RESERVE) / 2).unwrap_or(usize::MAX).max(1)
}

/// One run of the program.
pub(crate) struct Session {
    request: ConnectRequest,
    printer: RefCell<ConnectPrinter>,
    token: CancellationToken,
    /// The connection that won, if it is used.
    winner: RefCell<Option<Winner>>,
    pool: OrderedPool<TargetResult>,
    /// The series that run, for SIGQUIT.
    series: RefCell<BTreeMap<usize, Rc<RefCell<RepeatReport>>>>,
    slow: SlowWatch,
    stalls: Rc<StallWatch>,
    /// Created when it is needed.
    dns: RefCell<Option<DnsClient>>,
    /// Read when it is needed.
    name_service: RefCell<Option<Rc<NameService>>>,
}

impl Session {
    async fn run(self: &Rc<Self>, event_loop: &LoopHandle) -> Result<Exit, FatalError> {
        self.handle_signals(event_loop).map_err(no_signals)?;
        if self.request.output.live {
            self.draw_progress(event_loop);
        }
        Ok(match &self.request.after_connect {
            Some(AfterConnect::Relay(relay)) => self.relay(event_loop, *relay).await,
            Some(AfterConnect::Send(send)) => self.send(event_loop, send).await,
            None => self.visit_all(event_loop).await,
        })
    }

    /// Draws the live view periodically, until the loop ends.
    fn draw_progress(self: &Rc<Self>, event_loop: &LoopHandle) {
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let drawing = event_loop.create_task(async move {
            loop {
                inside.sleep(live::FRAME).await;
                session.printer.borrow_mut().draw(inside.time());
            }
        });
        drawing.set_name("live view");
    }

    fn handle_signals(self: &Rc<Self>, event_loop: &LoopHandle) -> io::Result<()> {
        cancel_on_signals(event_loop, &self.token)?;
        if matches!(self.request.mode, ConnectMode::Repeat(_)) {
            let (session, inside) = (Rc::clone(self), event_loop.clone());
            event_loop.add_signal_handler(SIGQUIT, move || {
                for series in session.series.borrow().values() {
                    let series = series.borrow();
                    let took = inside.time() - series.started_at;
                    session.printer.borrow_mut().interim(&series, took);
                }
            })?;
        }
        Ok(())
    }

    /// The reason why the run was cancelled.
    fn cancelled(&self) -> Option<StopReason> {
        self.token.reason()
    }
}
