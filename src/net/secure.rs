//! TLS on a socket that has just been connected, with every step told.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Instant;

use socket2::Socket;

use super::contest::Tracer;
use super::protocol::Receiver;
use super::socket_view::Names;
use super::tls::{Established, Progress, Secure};
use super::{AbortReason, Address, AttemptError, ConnectError, EventKind, Phase, Transport};
use crate::event_loop::LoopRef;

/// A session, and who hears of it.
pub(super) struct Securing {
    pub(super) secure: Secure,
    pub(super) tracer: Tracer,
    /// When the whole operation is out of time.
    pub(super) deadline: Option<Instant>,
}

impl Securing {
    pub(super) async fn attach(
        self,
        lp: &LoopRef,
        socket: Socket,
        names: Names,
        receiver: Receiver,
    ) -> Result<Transport, ConnectError> {
        let Self { secure, tracer, deadline } = self;
        let (started, progress) = (lp.time(), Progress::new(lp));
        let address = names.peer().unwrap_or_else(|| Address::Unix(Default::default()));
        let left = deadline.map(|deadline| deadline.saturating_duration_since(started));
        let is_short = left.is_some_and(|left| left < secure.limits().handshake);
        let secure = secure.watched(&progress).within(left);
        let transport = Transport::attach_veiled(lp, socket, names, receiver, secure, |_| ());
        let transport = transport.map_err(ConnectError::Transport)?;
        let established = Established::new(Rc::clone(&transport.0), progress);
        let mut telling = Telling { tracer, established };
        let shaken = poll_fn(|cx| {
            let Telling { tracer, established } = &mut telling;
            established.poll(cx, &mut |at, kind| tracer.tell(at, kind))
        })
        .await;
        let Err(error) = shaken else { return Ok(transport) };
        let is_late = is_short && deadline.is_some_and(|deadline| deadline <= lp.time());
        let reason = if is_late { AbortReason::TimedOut } else { AbortReason::AllFailed };
        telling.tracer.tell(lp.time(), EventKind::ConnectionAborted { reason });
        let took = lp.time() - started;
        let attempt = AttemptError { address, phase: Phase::Tls, error, took };
        Err(if is_late {
            ConnectError::TimedOut(vec![attempt])
        } else {
            ConnectError::Tls(attempt)
        })
    }
}

/// Tells the listener when nobody waits any more.
struct Telling {
    tracer: Tracer,
    established: Established,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(failed) = self.established.abandoned() {
            let now = self.established.now();
            self.tracer.tell(now, failed);
            let aborted = EventKind::ConnectionAborted { reason: AbortReason::Canceled };
            self.tracer.tell(now, aborted);
        }
    }
}
