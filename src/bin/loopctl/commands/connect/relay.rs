//! `--relay`: standard input to the peer, and the peer to standard output.

use std::io;
use std::net::UdpSocket;
use std::rc::Rc;

use loopctl::{Failure, LoopHandle, StreamReader, StreamWriter};
use signal_hook::consts::{SIGINT, SIGQUIT};

use super::Session;
use super::traffic::{Traffic, TrafficError};
use crate::config::{ConnectMode, RelayRequest};
use crate::diagnose::exit_status;
use crate::exit::Exit;
use crate::output::human::text;
use crate::report::relay::{RelayEnd, RelayError, RelayReport};
use crate::report::target_result::TargetResult;
use crate::util::cancellation::StopReason;
use crate::util::stdio::{Sink, Source};

/// The connection that a race leaves for its use.
pub(crate) enum Winner {
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
        if let (Some(winner), Exit::Success) =
            (self.winner.take(), exit_status::for_report(&report))
        {
            self.printer.borrow_mut().connected(&report);
            let is_reset = report.winner().is_some_and(|winner| winner.is_reset);
            let mut relayed = self.use_connection(event_loop, winner, relay).await;
            relayed.note_reset(is_reset);
            report.relay = Some(relayed);
        }
        let exit = exit_status::for_report(&report);
        self.print(0, Some(TargetResult::Report(Box::new(report))));
        exit
    }

    async fn use_connection(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        winner: Winner,
        relay: RelayRequest,
    ) -> RelayReport {
        let traffic = Rc::new(Traffic::new(event_loop, relay.idle_timeout));
        self.print_on_sigquit(event_loop, &traffic);
        let ended = self.token.run_until_cancelled(run(event_loop, &traffic, winner)).await;
        let (sent, received) = (traffic.sent.get(), traffic.received.get());
        let took = event_loop.time() - traffic.started_at;
        let end = match ended {
            Some(Ok(())) => RelayEnd::Eof,
            Some(Err(error)) => RelayEnd::from(error),
            None => RelayEnd::Interrupted(self.cancelled().unwrap_or(StopReason::Signal(SIGINT))),
        };
        RelayReport { sent, received, took, end }
    }
}

impl Session {
    /// Prints the totals so far on SIGQUIT.
    fn print_on_sigquit(self: &Rc<Self>, event_loop: &LoopHandle, traffic: &Rc<Traffic>) {
        let (session, traffic, inside) = (Rc::clone(self), Rc::clone(traffic), event_loop.clone());
        let added = event_loop.add_signal_handler(SIGQUIT, move || {
            let took = inside.time() - traffic.started_at;
            let interim = text::relayed(traffic.sent.get(), traffic.received.get(), took);
            session.printer.borrow().print_aside(&interim);
        });
        if let Err(error) = added {
            log::warn!("cannot handle SIGQUIT: {error}");
        }
    }
}

impl RelayReport {
    /// Gives a connection that was reset before anything was sent or received one end, whichever call saw it first.
    fn note_reset(&mut self, is_reset: bool) {
        let is_broken = match &self.end {
            RelayEnd::Eof => is_reset,
            // Because the first send to a peer that has closed in order succeeds.
            RelayEnd::Failed(RelayError::Send(failure)) => failure.name() == Some("EPIPE"),
            _ => false,
        };
        if is_broken && (self.sent, self.received) == (0, 0) {
            let reset = io::Error::from_raw_os_error(ECONNRESET);
            self.end = RelayEnd::Failed(RelayError::Reset(Failure::from(&reset)));
        }
    }
}

/// Number of the error of a connection that was reset.
const ECONNRESET: i32 = 104;

/// Standard input and output are taken only for the relay.
async fn run(
    event_loop: &LoopHandle,
    traffic: &Traffic,
    winner: Winner,
) -> Result<(), TrafficError> {
    let sink = Sink::stdout(event_loop).await.map_err(TrafficError::Output)?;
    let source = Source::stdin(event_loop).await.map_err(TrafficError::Input)?;
    let ended = match winner {
        Winner::Stream(reader, writer) => {
            traffic.over_stream((reader, writer), source, &sink).await
        }
        Winner::Datagrams(socket) => traffic.over_datagrams(&socket, source, &sink).await,
    };
    if let Err(TrafficError::Receive(_) | TrafficError::Send(_) | TrafficError::Input(_)) = &ended {
        // Received bytes are still written.
        sink.finish().await.map_err(TrafficError::Output)?;
    }
    ended
}

impl From<TrafficError> for RelayEnd {
    fn from(error: TrafficError) -> Self {
        let is_reset = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionReset;
        Self::Failed(match error {
            TrafficError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return Self::OutputClosed;
            }
            TrafficError::Input(error) => RelayError::Input(Failure::from(&error)),
            TrafficError::Output(error) => RelayError::Output(Failure::from(&error)),
            TrafficError::Receive(error) | TrafficError::Send(error) if is_reset(&error) => {
                RelayError::Reset(Failure::from(&error))
            }
            TrafficError::Receive(error) => RelayError::Receive(Failure::from(&error)),
            TrafficError::Send(error) => RelayError::Send(Failure::from(&error)),
            TrafficError::Idle(limit) => RelayError::Idle(limit),
        })
    }
}
