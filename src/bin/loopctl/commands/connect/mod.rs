//! `loopctl connect`: request to events to report.

mod compare;
mod names;
mod race;
mod relay;
mod repeat;
mod secure;
mod send;
mod starttls;
mod targets;
mod traffic;
mod udp;
mod wait;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use loopctl::{DnsClient, LoopHandle};

use crate::config::{ConnectRequest, Mode, Purpose};
use crate::exit::Exit;
use crate::output::printer::Output;
use crate::output::progress::live;
use crate::report::series::Series;
use crate::report::target_result::Told;
use crate::util::cancellation;
use crate::util::cancellation::Stop;
use crate::util::message::Message;
use crate::util::ordered_pool::Finished;
use crate::util::slow_watch::SlowWatch;

use relay::Kept;

const SIGQUIT: i32 = 3;

/// Connects to every target and tells about it.
pub(crate) fn run(mut request: ConnectRequest) -> Exit {
    let style = request.output.stderr;
    request.concurrency = request.concurrency.min(targets_at_a_time());
    Message::warnings(request.warnings()).print(style);
    let output = match Output::new(&request) {
        Ok(output) => RefCell::new(output),
        Err(message) => {
            message.print(style);
            return Exit::CannotWrite;
        }
    };
    let session = Rc::new(Session {
        request,
        output,
        stop: Stop::default(),
        kept: RefCell::default(),
        finished: Finished::default(),
        series: RefCell::default(),
        slow: SlowWatch::default(),
        dns: RefCell::default(),
    });
    let raced = loopctl::run(async |event_loop| session.visit_all(&event_loop).await);
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

/// How many targets the descriptors of this process suffice for: two attempts each, and some for the rest.
fn targets_at_a_time() -> usize {
    const REST: u64 = 32;
    let limit = loopctl::raise_descriptor_limit().unwrap_or(1024);
    usize::try_from(limit.saturating_sub(REST) / 2).unwrap_or(usize::MAX).max(1)
}

/// One run of the program.
pub(crate) struct Session {
    request: ConnectRequest,
    output: RefCell<Output>,
    stop: Stop,
    /// The connection that won, where it is not closed at once.
    kept: RefCell<Option<Kept>>,
    finished: Finished<Told>,
    /// The series under way, for whoever asks in between.
    series: RefCell<BTreeMap<usize, Rc<RefCell<Series>>>>,
    slow: SlowWatch,
    /// Made when it is needed.
    dns: RefCell<Option<DnsClient>>,
}

impl Session {
    async fn visit_all(self: &Rc<Self>, event_loop: &LoopHandle) -> Exit {
        self.slow.listen(event_loop, &self.request.slow);
        if let Err(error) = self.heed_signals(event_loop) {
            let style = self.request.output.stderr;
            Message::error(format!("cannot handle signals: {error}")).print(style);
            return Exit::Mixed;
        }
        if self.request.output.live {
            self.keep_moving(event_loop);
        }
        match &self.request.purpose {
            Some(Purpose::Relay(relay)) => self.relay(event_loop, *relay).await,
            Some(Purpose::Send(send)) => self.send(event_loop, send).await,
            None => self.feed(event_loop).await,
        }
    }

    /// Draws the live view again and again, until the loop ends.
    fn keep_moving(self: &Rc<Self>, event_loop: &LoopHandle) {
        let (session, inside) = (Rc::clone(self), event_loop.clone());
        let moving = event_loop.create_task(async move {
            loop {
                inside.sleep(live::FRAME).await;
                session.output.borrow_mut().draw(inside.time());
            }
        });
        moving.set_name("live view");
    }

    fn heed_signals(self: &Rc<Self>, event_loop: &LoopHandle) -> std::io::Result<()> {
        let session = Rc::clone(self);
        cancellation::heed_signals(event_loop, move |exit| session.stop.now(exit))?;
        if matches!(self.request.mode, Mode::Repeat(_)) {
            let (session, inside) = (Rc::clone(self), event_loop.clone());
            event_loop.add_signal_handler(SIGQUIT, move || {
                for series in session.series.borrow().values() {
                    let series = series.borrow();
                    let took = inside.time() - series.began;
                    session.output.borrow_mut().interim(&series, took);
                }
            })?;
        }
        Ok(())
    }
}
