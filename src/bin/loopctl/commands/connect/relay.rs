//! `--relay`: standard input to the peer, and the peer to standard output.

use std::io;
use std::net::UdpSocket;
use std::rc::Rc;

use loopctl::{Failure, LoopHandle, StreamReader, StreamWriter};
use signal_hook::consts::{SIGPIPE, SIGQUIT};

use super::Session;
use super::traffic::{RelayError, Traffic};
use crate::config::{ConnectMode, RelayRequest};
use crate::exit::Exit;
use crate::output::human::text;
use crate::output::units;
use crate::report::target_result::TargetResult;
use crate::report::{RelayReport, Report};
use crate::util::stdio::{Sink, Source};

/// The connection that a race leaves for its use.
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
        if let (Some(kept), Exit::Success) = (self.kept.take(), report.exit()) {
            self.printer.borrow_mut().connected(&report);
            report.relay = Some(self.use_connection(event_loop, kept, relay, &report).await);
        }
        let exit = report.exit();
        self.print(Some(TargetResult::Report(Box::new(report))));
        exit
    }

    async fn use_connection(
        self: &Rc<Self>,
        event_loop: &LoopHandle,
        kept: Kept,
        relay: RelayRequest,
        report: &Report,
    ) -> RelayReport {
        let traffic = Rc::new(Traffic::new(event_loop, relay.idle_timeout));
        self.print_on_sigquit(event_loop, &traffic);
        let ended = self.token.run_until_cancelled(run(event_loop, &traffic, kept)).await;
        let (sent, received) = (traffic.sent.get(), traffic.received.get());
        let took = event_loop.time() - traffic.began;
        let (end, exit, failure) = match ended {
            Some(Ok(())) => ("eof", Exit::Success, None),
            None => ("interrupted", self.cancelled().unwrap_or(Exit::Mixed), None),
            Some(Err(error)) => {
                let address = report.winner().map(|winner| winner.address.to_string());
                error.explain(&address.unwrap_or_default())
            }
        };
        RelayReport { sent, received, took, end, exit, failure }
    }
}

impl Session {
    /// Prints the totals so far on SIGQUIT.
    fn print_on_sigquit(self: &Rc<Self>, event_loop: &LoopHandle, traffic: &Rc<Traffic>) {
        let (session, traffic, inside) = (Rc::clone(self), Rc::clone(traffic), event_loop.clone());
        let added = event_loop.add_signal_handler(SIGQUIT, move || {
            let took = inside.time() - traffic.began;
            let so_far = text::relayed(traffic.sent.get(), traffic.received.get(), took);
            session.printer.borrow().print_aside(&so_far);
        });
        if let Err(error) = added {
            log::warn!("cannot handle SIGQUIT: {error}");
        }
    }
}

/// Standard input and output are taken only for the relay.
async fn run(event_loop: &LoopHandle, traffic: &Traffic, kept: Kept) -> Result<(), RelayError> {
    let sink = Sink::stdout(event_loop).await.map_err(RelayError::Output)?;
    let source = Source::stdin(event_loop).await.map_err(RelayError::Input)?;
    let ended = match kept {
        Kept::Stream(reader, writer) => traffic.over_stream((reader, writer), source, &sink).await,
        Kept::Datagrams(socket) => traffic.over_datagrams(&socket, source, &sink).await,
    };
    if let Err(RelayError::Receive(_) | RelayError::Send(_) | RelayError::Input(_)) = &ended {
        // What had come is still written.
        sink.finish().await.map_err(RelayError::Output)?;
    }
    ended
}

impl RelayError {
    /// The JSON word, the exit status, and the failure.
    fn explain(self, address: &str) -> (&'static str, Exit, Option<(String, Failure)>) {
        let (end, exit, what, error) = match self {
            Self::Input(error) => {
                ("error", Exit::CannotRead, "cannot read standard input".to_owned(), error)
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ("closed", Exit::Signal(SIGPIPE), None);
            }
            Self::Output(error) => {
                ("error", Exit::CannotWrite, "cannot write output".to_owned(), error)
            }
            Self::Receive(error) | Self::Send(error)
                if error.kind() == io::ErrorKind::ConnectionReset =>
            {
                ("reset", Exit::ReceiveFailed, format!("cannot receive from `{address}`"), error)
            }
            Self::Receive(error) => {
                ("error", Exit::ReceiveFailed, format!("cannot receive from `{address}`"), error)
            }
            Self::Send(error) => {
                ("error", Exit::SendFailed, format!("cannot send to `{address}`"), error)
            }
            Self::Idle(limit) => {
                let what = format!("nothing came from or went to `{address}`");
                let text = format!("idle for {}", units::prose(limit));
                ("idle", Exit::TimedOut, what, io::Error::new(io::ErrorKind::TimedOut, text))
            }
        };
        (end, exit, Some((what, Failure::from(&error))))
    }
}
