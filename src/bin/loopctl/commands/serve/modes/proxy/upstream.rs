//! The connection to the upstream: its race, the record of it, and its failures.

use std::cell::RefCell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::select;
use loopctl::plan::Target;
use loopctl::{ConnectError, CreateConnection, Event, EventKind, Failure, LoopHandle};

use super::UpstreamEnd;
use crate::commands::serve::connection::Connection;
use crate::commands::serve::disconnect::Disconnect;
use crate::commands::serve::peer_io::PeerIo;
use crate::config::UpstreamRequest;
use crate::config::fault::Side;
use crate::report::served::{
    ClientError, EndReason, ErrorSource, UpstreamAttempt, UpstreamOutcome, UpstreamRace,
};
use crate::util::message::plain;

/// Limit of the whole race, the default of `loopctl connect`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the upstream of a client. The race is in the client's record, whatever its end.
pub(super) async fn connect(
    client: &Rc<Connection>,
    request: &UpstreamRequest,
) -> Result<PeerIo, Disconnect> {
    let event_loop = client.event_loop();
    let started = event_loop.time();
    let race = Rc::new(RefCell::new(UpstreamRace::default()));
    client.upstream.borrow_mut().race = Some(Rc::clone(&race));
    let listener = move |event: &Event| race.borrow_mut().apply(event, started);
    let connecting = async {
        let opened = create(event_loop, request).trace(listener).open_stream().await;
        opened.map_err(|error| unreachable(&request.text, error))
    };
    let shutdown = async { Err(client.shutdown_when_idle().await) };
    let (reader, writer) = select(pin!(connecting), pin!(shutdown)).await.factor_first().0?;
    let (transport, context) = (reader.transport().clone(), Rc::clone(&client.context));
    let link = Connection::new(context, transport, Side::Upstream, client.fork_rng());
    let link = Rc::new(link);
    client.upstream.borrow_mut().connection = Some(Rc::clone(&link));
    client.record_activity();
    Ok(PeerIo::new(reader, writer, &link))
}

fn create(event_loop: &LoopHandle, request: &UpstreamRequest) -> CreateConnection {
    let create = match &request.target {
        Target::Tcp(host, port) => event_loop.create_connection(host.clone(), port.clone()),
        Target::Unix(path) => event_loop.create_unix_connection(path),
    };
    let create = create.family(request.family).timeout(CONNECT_TIMEOUT);
    match &request.tls {
        Some(tls) => create.tls(tls.clone()),
        None => create,
    }
}

/// The client's end when no address of the upstream can be reached.
fn unreachable(text: &str, error: ConnectError) -> Disconnect {
    let source = match &error {
        ConnectError::Tls(attempt) => ClientError::from(&attempt.error).source,
        ConnectError::Resolve(_) => ErrorSource::Name,
        _ => ErrorSource::Io,
    };
    let error = io::Error::from(error);
    let message = format!("cannot connect to `{text}`: {}", plain(&error));
    let failure = Failure { message, ..Failure::from(&error) };
    Disconnect::Upstream(ClientError { failure, source })
}

/// The client's end when the connection to the upstream has one that is no end-of-file.
pub(super) fn broken(disconnect: Disconnect) -> UpstreamEnd {
    let (reason, error) = match disconnect {
        Disconnect::Close(EndReason::Shutdown, error) => {
            return UpstreamEnd::Client(Disconnect::Close(EndReason::Shutdown, error));
        }
        Disconnect::Close(reason, error) => (reason, error),
        fault => return UpstreamEnd::Fault(fault),
    };
    let reset = || ClientError {
        failure: Failure::from(&io::Error::from(io::ErrorKind::ConnectionReset)),
        source: ErrorSource::Io,
    };
    let mut error = error.unwrap_or_else(reset);
    if reason == EndReason::Reset {
        error.failure.message = "the upstream reset the connection".to_owned();
    }
    UpstreamEnd::Client(Disconnect::Upstream(error))
}

impl UpstreamRace {
    fn apply(&mut self, event: &Event, started: Instant) {
        let at = event.at.saturating_duration_since(started);
        match &event.kind {
            EventKind::AttemptStarted { address, .. } => self.attempts.push(UpstreamAttempt {
                address: address.clone(),
                start: at,
                took: Duration::ZERO,
                outcome: UpstreamOutcome::Canceled,
            }),
            EventKind::AttemptSucceeded { attempt, .. } => {
                self.end(*attempt, at, UpstreamOutcome::Success);
            }
            EventKind::AttemptFailed { attempt, failure, .. } => {
                self.end(*attempt, at, UpstreamOutcome::Failure(failure.clone()));
            }
            EventKind::AttemptTimedOut { attempt, .. } => {
                self.end(*attempt, at, UpstreamOutcome::Timeout);
            }
            EventKind::AttemptCanceled { attempt, .. } => {
                self.end(*attempt, at, UpstreamOutcome::Canceled);
            }
            EventKind::ConnectionSelected { attempt } => {
                (self.selected, self.took) = (Some(*attempt), at);
            }
            EventKind::ConnectionAborted { .. }
            | EventKind::TlsEstablished { .. }
            | EventKind::TlsFailed { .. } => self.took = at,
            _ => {}
        }
    }

    fn end(&mut self, attempt: usize, at: Duration, outcome: UpstreamOutcome) {
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            (attempt.took, attempt.outcome) = (at.saturating_sub(attempt.start), outcome);
        }
    }
}
