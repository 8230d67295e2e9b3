//! `--relay`: standard input to the peer, and the peer to standard output.

use std::io;
use std::net::UdpSocket;
use std::rc::Rc;

use loopctl::{Failure, LoopHandle, StreamReader, StreamWriter};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::Session;
use super::traffic::{Fault, Traffic};
use crate::config::{ConnectMode, RelayRequest};
use crate::diagnose::exit_status;
use crate::exit::Exit;
use crate::output::human::text;
use crate::report::relay::{RelayEnd, RelayError, RelayReport};
use crate::report::target_result::TargetResult;
use crate::util::cancellation::StopReason;
use crate::util::stdio::{Sink, Source};

/// Connection that a race leaves for the relay.
pub(crate) enum Kept {
    Stream(StreamReader, StreamWriter),
    Datagrams(UdpSocket),
}

impl Session {
    /// Connects to the only target; if that is as expected, relays until one side ends it.
    pub(super) async fn relay(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        relay: RelayRequest,
    ) -> Exit {
        let target = &self.request.targets[0];
        let mut report = match self.request.mode {
            ConnectMode::Wait(limit) => self.wait(event_loop, target, 0, limit).await,
            ConnectMode::Once | ConnectMode::Repeat(_) | ConnectMode::Compare(_) => {
                self.race(event_loop, target, 0).await
            }
        };
        if let (Some(kept), Exit::Success) = (self.kept.take(), exit_status::for_report(&report)) {
            self.printer.borrow_mut().connected(&report);
            report.relay = Some(self.use_connection(event_loop, kept, relay).await);
        }
        let exit = exit_status::for_report(&report);
        self.print(Some(TargetResult::Report(Box::new(report))));
        exit
    }

    async fn use_connection(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        kept: Kept,
        relay: RelayRequest,
    ) -> RelayReport {
        let traffic = Rc::new(Traffic::new(event_loop, relay.idle_timeout));
        self.tell_on_sigquit(event_loop, &traffic);
        let ended = self.token.run_until_cancelled(run(event_loop, &traffic, kept)).await;
        let (sent, received) = (traffic.sent.get(), traffic.received.get());
        let took = event_loop.time() - traffic.began;
        let end = match ended {
            Some(Ok(())) => RelayEnd::Eof,
            Some(Err(fault)) => RelayEnd::from(fault),
            None => RelayEnd::Interrupted(self.cancelled().unwrap_or(StopReason::Signal(SIGINT))),
        };
        RelayReport { sent, received, took, end }
    }
}

impl Session {
    /// Prints the bytes so far at SIGQUIT.
    fn tell_on_sigquit(self: &Rc<Self>, event_loop: &LoopHandle, traffic: &Rc<Traffic>) {
        let (session, traffic, inside) = (Rc::clone(self), Rc::clone(traffic), event_loop.clone());
        let told = event_loop.add_signal_handler(SIGQUIT, move || {
            let took = inside.time() - traffic.began;
            let so_far = text::relayed(traffic.sent.get(), traffic.received.get(), took);
            session.printer.borrow().print_aside(&so_far);
        });
        if let Err(error) = told {
            log::warn!("cannot handle SIGQUIT: {error}");
        }
    }
}

/// The ends of the process are taken only for as long as they are needed.
async fn run(event_loop: &LoopHandle, traffic: &Traffic, kept: Kept) -> Result<(), Fault> {
    let sink = Sink::stdout(event_loop).await.map_err(Fault::Output)?;
    let source = Source::stdin(event_loop).await.map_err(Fault::Input)?;
    let ended = match kept {
        Kept::Stream(reader, writer) => traffic.over_stream((reader, writer), source, &sink).await,
        Kept::Datagrams(socket) => traffic.over_datagrams(&socket, source, &sink).await,
    };
    if let Err(Fault::Receive(_) | Fault::Send(_) | Fault::Input(_)) = &ended {
        // What had come is still written.
        sink.finish().await.map_err(Fault::Output)?;
    }
    ended
}

impl From<Fault> for RelayEnd {
    fn from(fault: Fault) -> Self {
        let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        Self::Failed(match fault {
            Fault::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Self::OutputClosed;
            }
            Fault::Input(error) => RelayError::Input(Failure::from(&error)),
            Fault::Output(error) => RelayError::Output(Failure::from(&error)),
            Fault::Receive(error) | Fault::Send(error) if is_reset(&error) => {
                RelayError::Reset(Failure::from(&error))
            }
            Fault::Receive(error) => RelayError::Receive(Failure::from(&error)),
            Fault::Send(error) => RelayError::Send(Failure::from(&error)),
            Fault::Idle(limit) => RelayError::Idle(limit),
        })
    }
}
