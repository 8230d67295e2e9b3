//! The state of one connection, and in which order its protocol hears of it.
//!
//! Everything that a handle or the poller wants comes down to changes of [`State`] and a place in the loop's
//! queue; [`StreamTransport::run`](Run::run) is the only place that calls the protocol.

mod exclusive_write;
mod layer;
mod read_write;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls_handshake;
mod waiters;
mod write_failure;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::Waker;

use socket2::Socket;

use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, PanicError, Readiness, Registration,
    Run, Source, TimerHandle, catch,
};
use crate::net::Transport;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
#[cfg(feature = "tls")]
use crate::net::tls::Tls;
use crate::net::transport::raw_stream::RawStream;
use crate::net::transport::write_queue::WriteQueue;
use crate::plan::{Flow, FlowCall, Watermarks, WriteLimits};
pub(in crate::net) use exclusive_write::Lent;
use exclusive_write::{Later, Loan};
use waiters::wake;

/// A connection. Ten thousand idle ones are cheap: what most have no need of is in [`Rare`].
pub(in crate::net) struct StreamTransport {
    pub(in crate::net) event_loop: LoopHandle,
    pub(in crate::net) names: AddressPair,
    state: Cell<State>,
    /// Numbers those who wait.
    waits: Cell<u32>,
    parts: RefCell<Parts>,
    /// Boxed twice: one word for the many that have none.
    on_lost: Cell<Option<Box<OnLost>>>,
}

type OnLost = Box<dyn FnOnce()>;

/// What ends with the connection.
#[derive(Default)]
struct Parts {
    /// Dropped before the socket.
    watch: Option<Registration>,
    /// Under TLS it belongs to the TLS session, which is in [`Rare`].
    wire: Option<RawStream>,
    receiver: Option<ProtocolRef>,
    rare: Option<Box<Rare>>,
}

/// Made when something is left unsent, goes wrong or is waited for, and dropped when that is over. A
/// connection with TLS keeps it: so one without is as small as if there were no TLS.
#[derive(Default)]
struct Rare {
    outbox: WriteQueue,
    later: Later,
    marks: Watermarks,
    error: Option<io::Error>,
    waiting: Vec<(u32, Waker)>,
    /// Ends the pause that keeps a broken connection.
    patience: Option<TimerHandle>,
    #[cfg(feature = "tls")]
    tls: Option<Box<Tls>>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(in crate::net) struct State {
    pub(in crate::net) life: Life,
    reading: Reading,
    writing: Writing,
    is_queued: bool,
    /// A TLS handshake is under way: nothing passes between the protocol and the wire.
    is_handshaking: bool,
    loan: Loan,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::net) enum Life {
    #[default]
    Open,
    /// A send has failed: what has been received is delivered, and then it is lost.
    Broken,
    /// Sends what is queued, if anything, and then is lost.
    Closing,
    /// `connection_lost` has been called.
    Lost,
}

#[derive(Debug, Clone, Copy, Default)]
struct Reading {
    /// The poller said so, and no read has said otherwise since: notification is edge-triggered.
    has_data: bool,
    /// The peer has sent its last byte: the next read will not wait, whatever the last one brought.
    is_last: bool,
    is_paused: bool,
    at_eof: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Writing {
    has_room: bool,
    wants_eof: bool,
    /// `resume_writing` is being called: what it writes is sent although the transport is closing.
    is_resuming: bool,
    /// How many writes were refused because the connection is over.
    refused: u8,
}

/// What a handle asks for.
impl StreamTransport {
    /// Watches the wire and tells the receiver that there is a connection; `admit` sees it before.
    pub(in crate::net) fn start(
        event_loop: &LoopHandle,
        wire: RawStream,
        names: AddressPair,
        receiver: ProtocolRef,
        admit: impl FnOnce(&Transport),
    ) -> io::Result<Rc<Self>> {
        let connection = Self::watch(event_loop, wire, names)?;
        connection.parts.borrow_mut().receiver = Some(receiver);
        admit(&Transport(Rc::clone(&connection)));
        // As in asyncio, a connection is there whether its protocol liked to hear of it or not.
        connection.tell("protocol.connection_made() call failed.", ProtocolRef::connection_made);
        Ok(connection)
    }

    /// A connection without a protocol.
    fn watch(event_loop: &LoopHandle, wire: RawStream, names: AddressPair) -> io::Result<Rc<Self>> {
        let connection = Rc::new(Self {
            event_loop: event_loop.clone(),
            names,
            state: Cell::default(),
            waits: Cell::default(),
            parts: RefCell::default(),
            on_lost: Cell::default(),
        });
        // The watch first: a protocol hears of a connection only if there will be one.
        let watch = wire.socket().map(|socket| {
            event_loop.register(socket, Interest::Both, Rc::clone(&connection) as Rc<dyn Source>)
        });
        let watch = watch.transpose()?;
        *connection.parts.borrow_mut() =
            Parts { watch, wire: Some(wire), receiver: None, rare: None };
        Ok(connection)
    }

    pub(in crate::net) fn on_lost(&self, then: OnLost) {
        self.on_lost.set(Some(Box::new(then)));
    }

    pub(in crate::net) fn state(&self) -> State {
        self.state.get()
    }

    pub(in crate::net) fn write(self: &Rc<Self>, pieces: &mut [IoSlice<'_>]) -> Flow {
        let is_empty = pieces.iter().all(|piece| piece.is_empty());
        if self.state().is_over_for_writers() {
            if !is_empty {
                self.refuse();
            }
            return Flow::Closed;
        }
        let written = match is_empty {
            true => Ok(if self.is_full() { Flow::Full } else { Flow::Open }),
            false if self.state().is_lent() => Ok(self.parts.borrow_mut().keep(pieces)),
            false => self.parts.borrow_mut().write(pieces),
        };
        match written {
            Ok(flow) => {
                if flow == Flow::Full && self.parts.borrow().owes_call() {
                    self.enqueue();
                }
                flow
            }
            Err(error) => {
                self.stop_sending(error);
                Flow::Closed
            }
        }
    }

    /// A refusal is seen in what `write` returns; this is for those who do not look.
    fn refuse(&self) {
        const LOG_THRESHOLD: u8 = 5;
        if self.state().writing.wants_eof {
            return log::warn!("Cannot call write() after write_eof()");
        }
        self.update(|state| state.writing.refused = state.writing.refused.saturating_add(1));
        if self.state().writing.refused >= LOG_THRESHOLD {
            log::warn!("socket.send() raised exception.");
        }
    }

    pub(in crate::net) fn write_eof(self: &Rc<Self>) {
        let state = self.state();
        if state.life == Life::Open && !state.writing.wants_eof {
            self.update(|state| state.writing.wants_eof = true);
            self.end_if_sent();
        }
    }

    pub(in crate::net) fn close(self: &Rc<Self>) {
        if self.state().is_handshaking {
            return self.abort(None);
        }
        if matches!(self.state().life, Life::Open | Life::Broken) {
            self.update(|state| {
                state.life = Life::Closing;
                state.writing.is_resuming = false;
            });
            #[cfg(feature = "tls")]
            self.limit_farewell();
            self.wake_borrower();
            self.enqueue();
        }
    }

    /// Ends the connection: nothing more is sent or received, and the writer hears no more of its queue.
    pub(in crate::net) fn abort(self: &Rc<Self>, error: Option<io::Error>) {
        if self.state().life == Life::Lost {
            return;
        }
        let mut parts = self.parts.borrow_mut();
        let unsent = parts.give_up(error);
        if let Some(rare) = &mut parts.rare {
            rare.marks.reset();
        }
        drop(parts);
        drop(unsent);
        self.update(|state| {
            state.life = Life::Closing;
            state.writing.is_resuming = false;
        });
        self.enqueue();
    }

    pub(in crate::net) fn pause_reading(&self, pause: bool) {
        self.update(|state| state.reading.is_paused = pause);
        if !pause {
            self.end_patience();
        }
    }

    /// Has the next turn look whether there is something to do.
    pub(in crate::net) fn enqueue_if_due(self: &Rc<Self>) {
        let (state, parts) = (self.state(), self.parts.borrow());
        let ends = match state.life {
            Life::Closing => parts.unsent() == 0,
            Life::Broken => !parts.is_held(),
            Life::Open | Life::Lost => false,
        };
        if state.may_read() || ends || parts.owes_call() {
            drop(parts);
            self.enqueue();
        }
    }

    /// Data goes to `receiver` from the next read on; it hears of a full queue as if it had filled it.
    pub(in crate::net) fn set_receiver(self: &Rc<Self>, receiver: ProtocolRef) {
        if self.state().life == Life::Lost {
            return;
        }
        let mut parts = self.parts.borrow_mut();
        let former = parts.receiver.replace(receiver);
        if let Some(rare) = &mut parts.rare {
            rare.marks.change_writer();
        }
        drop(parts);
        drop(former);
        self.enqueue_if_due();
    }

    pub(in crate::net) fn set_limits(self: &Rc<Self>, limits: WriteLimits) {
        let mut parts = self.parts.borrow_mut();
        let rare = parts.rare();
        let unsent = rare.unsent();
        rare.marks.set_limits(limits, unsent);
        let waiting = if rare.marks.is_full() { Vec::new() } else { rare.waiting.split_off(0) };
        drop(parts);
        wake(waiting);
        self.enqueue_if_due();
    }

    pub(in crate::net) fn limits(&self) -> WriteLimits {
        self.parts.borrow().rare.as_ref().map_or_else(Default::default, |rare| rare.marks.limits())
    }

    pub(in crate::net) fn is_full(&self) -> bool {
        self.parts.borrow().rare.as_ref().is_some_and(|rare| rare.marks.is_full())
    }

    pub(in crate::net) fn unsent(&self) -> usize {
        self.parts.borrow().unsent()
    }

    pub(in crate::net) fn with_socket<R>(&self, look: impl FnOnce(Option<&Socket>) -> R) -> R {
        look(self.parts.borrow().socket())
    }
}

impl State {
    /// Whether reading is neither paused nor over because of a close.
    pub(in crate::net) fn is_reading(self) -> bool {
        let is_open = matches!(self.life, Life::Open | Life::Broken);
        is_open && !self.reading.is_paused && self.loan.lets_read()
    }

    /// Whether data would be delivered if it came.
    pub(in crate::net) fn is_polling(self) -> bool {
        self.is_reading() && !self.reading.at_eof
    }

    fn is_lent(self) -> bool {
        self.loan != Loan::None
    }

    fn may_read(self) -> bool {
        self.is_polling() && self.reading.has_data && !self.is_handshaking
    }

    fn is_over_for_writers(self) -> bool {
        let takes = match self.life {
            Life::Open => true,
            Life::Closing => self.writing.is_resuming,
            Life::Broken | Life::Lost => false,
        };
        !takes || self.writing.wants_eof
    }
}

/// What the loop does.
impl StreamTransport {
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    fn enqueue(self: &Rc<Self>) {
        if !self.state().is_queued && self.state().life != Life::Lost {
            self.update(|state| state.is_queued = true);
            self.event_loop.push(Job::Call(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// Calls the protocol; a panic there is reported and changes nothing. `None` also when it is gone.
    fn tell<R>(
        self: &Rc<Self>,
        failure: &str,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<R> {
        self.try_call(call)?.map_err(|error| self.report(failure, error.into())).ok()
    }

    /// Calls the protocol. A panic there ends the connection, not the loop.
    fn call<R>(
        self: &Rc<Self>,
        method: &str,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<R> {
        self.try_call(call)?.map_err(|error| self.fail(method, error.into())).ok()
    }

    fn try_call<R>(
        self: &Rc<Self>,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<Result<R, PanicError>> {
        let receiver = self.parts.borrow().receiver.clone()?;
        let transport = Transport(Rc::clone(self));
        Some(catch(|| call(&receiver, &transport)).map_err(PanicError::from))
    }

    fn fail(self: &Rc<Self>, method: &str, error: BoxError) {
        self.abort(Some(io::Error::other(error.to_string())));
        self.report(&format!("Fatal error: protocol.{method}() call failed."), error);
    }

    fn report(self: &Rc<Self>, message: &str, error: BoxError) {
        let context = ErrorContext::new(message).error(error);
        self.event_loop
            .call_exception_handler(context.with("transport", Transport(Rc::clone(self))));
    }

    /// Tells the writer of its queue, and the protocol of the end when everything is sent or lost.
    fn settle(self: &Rc<Self>) {
        while let Some(call) = self.next_call() {
            self.update(|state| state.writing.is_resuming = call == FlowCall::Resume);
            match call {
                FlowCall::Pause => {
                    self.tell("protocol.pause_writing() failed", ProtocolRef::pause_writing)
                }
                FlowCall::Resume => {
                    self.tell("protocol.resume_writing() failed", ProtocolRef::resume_writing)
                }
            };
            self.update(|state| state.writing.is_resuming = false);
        }
        if self.state().life == Life::Closing && self.unsent() == 0 && self.says_farewell() {
            self.lose();
        } else {
            self.parts.borrow_mut().slim();
        }
    }

    /// Whether nothing is left to be said on the wire, now that all is sent.
    fn says_farewell(&self) -> bool {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.parts.borrow().rare.as_ref().and_then(|rare| rare.tls.as_ref()) {
            return tls.says_farewell();
        }
        true
    }

    fn next_call(&self) -> Option<FlowCall> {
        self.parts.borrow_mut().rare.as_mut()?.marks.next_call()
    }

    /// Everything is sent, or lost: the protocol hears of it, and the descriptor is closed.
    fn lose(self: &Rc<Self>) {
        self.update(|state| state.life = Life::Lost);
        let error = self.parts.borrow_mut().rare.as_mut().and_then(|rare| rare.error.take());
        let _release = Releases(self);
        self.call("connection_lost", |receiver, _| receiver.connection_lost(error));
    }

    /// Closes the descriptor and breaks the cycle through the protocol, which most often keeps its transport.
    fn release(&self) {
        self.end_patience();
        let mut parts = self.parts.borrow_mut();
        let ended = (parts.watch.take(), parts.wire.take(), parts.receiver.take());
        let rare = parts.rare.take();
        drop(parts);
        drop(ended);
        wake(rare.map_or_else(Vec::new, |rare| rare.waiting));
        if let Some(then) = self.on_lost.take() {
            then();
        }
    }
}

/// Releases a connection also when its protocol ends the run.
struct Releases<'a>(&'a StreamTransport);

impl Drop for Releases<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Has the next turn do what this one did not, also when a protocol ends the run.
struct Again<'a>(&'a Rc<StreamTransport>);

impl Drop for Again<'_> {
    fn drop(&mut self) {
        self.0.enqueue_if_due();
    }
}

impl Source for StreamTransport {
    fn ready(self: Rc<Self>, _: &LoopHandle, readiness: Readiness) {
        self.update(|state| {
            state.reading.has_data |= readiness.readable;
            state.reading.is_last |= readiness.read_closed;
            state.writing.has_room |= readiness.writable;
        });
        if readiness.writable && self.state().is_lent() {
            self.update(|state| state.loan = state.loan.with_room(true));
            self.wake_borrower();
        }
        self.enqueue();
    }

    fn loop_closed(&self) {
        if self.event_loop.debug() && self.state().life != Life::Lost {
            log::warn!("unclosed transport of {:?}", self.names);
        }
        self.update(|state| state.life = Life::Lost);
        self.release();
    }
}

impl Run for StreamTransport {
    /// Serves what the wire is ready for, then settles what that provoked.
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        let before = self.state();
        self.update(|state| {
            state.is_queued = false;
            state.writing.has_room = false;
            state.writing.is_resuming = false;
        });
        let _again = Again(&self);
        #[cfg(feature = "tls")]
        if before.is_handshaking {
            self.handshake();
        }
        if before.writing.has_room && self.unsent() > 0 && !self.state().is_handshaking {
            self.flush();
        }
        if self.state().may_read() {
            self.read();
        } else if before.reading.has_data && before.reading.at_eof && before.life == Life::Open {
            self.check_for_reset();
        }
        if self.state().life == Life::Broken {
            self.end_if_read();
        }
        self.settle();
        Ok(())
    }

    fn info(&self) -> JobInfo {
        JobInfo { kind: JobKind::Io, name: "transport".to_owned(), origin: None }
    }

    fn cancel(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}
