//! What those see who wait for a handshake.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::error::{TlsError, TlsErrorKind};
use super::info::{TlsInfo, TlsPeer};
use crate::event_loop::LoopRef;
use crate::net::error::copy_of;
use crate::net::link::Link;
use crate::net::{EventKind, Failure};

/// How far a handshake has got, and when: noted by the connection, read by who waits.
pub(in crate::net) struct Progress {
    lp: LoopRef,
    started: Instant,
    first_byte: Cell<Option<Instant>>,
    outcome: RefCell<Option<Outcome>>,
    waker: Cell<Option<Waker>>,
}

struct Outcome {
    at: Instant,
    result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>,
}

impl Progress {
    /// It begins now.
    pub(in crate::net) fn new(lp: &LoopRef) -> Rc<Self> {
        Rc::new(Self {
            lp: lp.clone(),
            started: lp.time(),
            first_byte: Cell::default(),
            outcome: RefCell::default(),
            waker: Cell::default(),
        })
    }

    /// The peer has said something.
    pub(super) fn heard(&self) {
        if self.first_byte.get().is_none() {
            self.first_byte.set(Some(self.lp.time()));
            self.wake();
        }
    }

    pub(in crate::net) fn established(&self, info: Rc<TlsInfo>) {
        self.conclude(Ok(info));
    }

    pub(in crate::net) fn failed(&self, error: &io::Error, peer: TlsPeer) {
        self.conclude(Err((copy_of(error), peer)));
    }

    /// The connection is gone, which is news only if nothing has been concluded.
    pub(super) fn end(&self) {
        if self.outcome.borrow().is_none() {
            self.conclude(Err((TlsError::canceled().into(), TlsPeer::default())));
        }
    }

    fn conclude(&self, result: Result<Rc<TlsInfo>, (io::Error, TlsPeer)>) {
        let at = self.lp.time();
        self.outcome.borrow_mut().get_or_insert(Outcome { at, result });
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Waits for the end of a handshake. Dropping it half-way closes the connection.
pub(in crate::net) struct Established {
    link: Rc<Link>,
    progress: Rc<Progress>,
    told: Told,
}

/// What the listener knows.
#[derive(Default)]
struct Told {
    started: bool,
    first_byte: bool,
}

impl Established {
    pub(in crate::net) fn new(link: Rc<Link>, progress: Rc<Progress>) -> Self {
        Self { link, progress, told: Told::default() }
    }

    pub(in crate::net) fn now(&self) -> Instant {
        self.progress.lp.time()
    }

    /// Tells the listener what has happened since it was told last.
    pub(in crate::net) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        tell: &mut dyn FnMut(Instant, EventKind),
    ) -> Poll<io::Result<()>> {
        let progress = &self.progress;
        if !std::mem::replace(&mut self.told.started, true) {
            tell(progress.started, EventKind::TlsStarted);
        }
        if let Some(at) = progress.first_byte.get().filter(|_| !self.told.first_byte) {
            self.told.first_byte = true;
            tell(at, EventKind::TlsFirstByte);
        }
        let outcome = progress.outcome.borrow();
        let Some(Outcome { at, result }) = &*outcome else {
            drop(progress.waker.replace(Some(cx.waker().clone())));
            return Poll::Pending;
        };
        match result {
            Ok(info) => {
                tell(*at, EventKind::TlsEstablished { info: Box::new((**info).clone()) });
                Poll::Ready(Ok(()))
            }
            Err((error, peer)) => {
                let why = TlsError::within(error).map(TlsError::kind);
                let (failure, peer) = (Failure::from(error), Box::new(peer.clone()));
                tell(*at, EventKind::TlsFailed { why, failure, peer });
                Poll::Ready(Err(copy_of(error)))
            }
        }
    }

    /// What the listener has to be told when nobody waits any more; `None` where there is nothing.
    pub(in crate::net) fn abandoned(&self) -> Option<EventKind> {
        if self.progress.outcome.borrow().is_some() {
            return None;
        }
        let error = io::Error::from(TlsError::canceled());
        let (why, failure) = (Some(TlsErrorKind::Canceled), Failure::from(&error));
        Some(EventKind::TlsFailed { why, failure, peer: Box::default() })
    }
}

impl Drop for Established {
    fn drop(&mut self) {
        if self.progress.outcome.borrow().is_none() {
            self.link.break_off(None);
        }
    }
}
