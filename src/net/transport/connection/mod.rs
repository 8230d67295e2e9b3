//! One stream connection, over TCP or a Unix socket, with or without TLS.
//!
//! Handles and the poller only change [`State`] and put the connection in the loop's queue.
//! [`StreamTransport::run`](Run::run) is the only place that calls the protocol.

mod exclusive_write;
mod io;
mod read_write;
mod state;
#[cfg(test)]
mod tests;
#[cfg_attr(not(feature = "tls"), path = "tls_disabled.rs")]
mod tls_layer;
mod waiters;
mod write_failure;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::IoSlice;
use std::rc::Rc;

use socket2::Socket;

use super::close_state::{CloseState, LOG_THRESHOLD_FOR_CLOSED_WRITES};
use super::on_drop::OnDrop;
use super::raw_stream::RawStream;
use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopHandle, PanicError, Readiness, Run, Source,
    catch,
};
use crate::net::Transport;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::plan::{Flow, FlowCall, WriteLimits};
use io::Io;
use state::State;
use waiters::wake;

pub(in crate::net) use exclusive_write::ExclusiveWriter;

/// A connection. An idle one without TLS fits in a block of 144 bytes; rarely needed state is in
/// [`ColdState`](io::ColdState).
pub(in crate::net) struct StreamTransport {
    pub(in crate::net) event_loop: LoopHandle,
    pub(in crate::net) addresses: AddressPair,
    state: Cell<State>,
    /// The number for the next waiter.
    next_waiter: Cell<u32>,
    io: RefCell<Io>,
    /// Boxed twice: one word for the many connections that have none.
    on_lost: Cell<Option<Box<OnLost>>>,
}

type OnLost = Box<dyn FnOnce()>;

/// Operations of a handle.
impl StreamTransport {
    /// Watches the stream and connects the protocol; `admit` is called before the protocol is.
    pub(in crate::net) fn start(
        event_loop: &LoopHandle,
        raw: RawStream,
        addresses: AddressPair,
        protocol: ProtocolRef,
        admit: impl FnOnce(&Transport),
    ) -> std::io::Result<Rc<Self>> {
        let connection = Self::watch(event_loop, raw, addresses)?;
        admit(&Transport(Rc::clone(&connection)));
        connection.connect_protocol(protocol);
        Ok(connection)
    }

    /// A watched connection without a protocol.
    fn watch(
        event_loop: &LoopHandle,
        raw: RawStream,
        addresses: AddressPair,
    ) -> std::io::Result<Rc<Self>> {
        let connection = Rc::new(Self {
            event_loop: event_loop.clone(),
            addresses,
            state: Cell::default(),
            next_waiter: Cell::default(),
            io: RefCell::default(),
            on_lost: Cell::default(),
        });
        // Registered first, because `connection_made` is called only if the connection can be watched.
        let registration = raw.socket().map(|socket| {
            event_loop.register(socket, Interest::Both, Rc::clone(&connection) as Rc<dyn Source>)
        });
        let registration = registration.transpose()?;
        *connection.io.borrow_mut() = Io { registration, raw: Some(raw), ..Io::default() };
        Ok(connection)
    }

    /// Sets the protocol and calls `connection_made`. As in asyncio, a panic there does not end the connection.
    fn connect_protocol(self: &Rc<Self>, protocol: ProtocolRef) {
        self.io.borrow_mut().protocol = Some(protocol);
        self.notify("protocol.connection_made() call failed.", ProtocolRef::connection_made);
    }

    pub(in crate::net) fn on_lost(&self, then: OnLost) {
        self.on_lost.set(Some(Box::new(then)));
    }

    pub(in crate::net) fn state(&self) -> State {
        self.state.get()
    }

    pub(in crate::net) fn write(self: &Rc<Self>, pieces: &mut [IoSlice<'_>]) -> Flow {
        let is_empty = pieces.iter().all(|piece| piece.is_empty());
        if self.state().refuses_writes() {
            if !is_empty {
                self.log_refused_write();
            }
            return Flow::Closed;
        }
        let written = match is_empty {
            true => Ok(if self.is_full() { Flow::Full } else { Flow::Open }),
            false if self.state().has_exclusive_writer() => Ok(self.io.borrow_mut().defer(pieces)),
            false => self.io.borrow_mut().write(pieces),
        };
        match written {
            Ok(flow) => {
                if flow == Flow::Full && self.io.borrow().has_pending_flow_call() {
                    self.enqueue();
                }
                flow
            }
            Err(error) => {
                self.fail_sending(error);
                Flow::Closed
            }
        }
    }

    /// Logs a refused write for callers that ignore what `write` returned.
    fn log_refused_write(&self) {
        if self.state().writing.eof_requested {
            return log::warn!("Cannot call write() after write_eof()");
        }
        self.update(|state| state.writing.refused = state.writing.refused.saturating_add(1));
        if self.state().writing.refused >= LOG_THRESHOLD_FOR_CLOSED_WRITES {
            log::warn!("socket.send() raised exception.");
        }
    }

    pub(in crate::net) fn write_eof(self: &Rc<Self>) {
        let state = self.state();
        if state.is_open() && !state.writing.eof_requested {
            self.update(|state| state.writing.eof_requested = true);
            self.send_eof_if_flushed();
        }
    }

    pub(in crate::net) fn close(self: &Rc<Self>) {
        if self.state().is_handshaking {
            return self.abort(None);
        }
        if matches!(self.state().close, CloseState::Open | CloseState::WriteFailed) {
            self.start_closing();
            self.limit_close_notify();
            self.wake_waiters();
            self.enqueue();
        }
    }

    /// Drops queued data and ends the connection. The protocol gets no more flow control calls, and
    /// `connection_lost` in the next turn.
    pub(in crate::net) fn abort(self: &Rc<Self>, error: Option<std::io::Error>) {
        if self.state().close == CloseState::Closed {
            return;
        }
        let mut io = self.io.borrow_mut();
        let unsent = io.abort_sending(error);
        if let Some(cold) = &mut io.cold {
            cold.watermarks.reset();
        }
        drop(io);
        drop(unsent);
        self.start_closing();
        self.enqueue();
    }

    fn start_closing(&self) {
        self.update(|state| {
            state.close = CloseState::Closing;
            state.writing.is_resuming = false;
        });
    }

    pub(in crate::net) fn pause_reading(&self, pause: bool) {
        if self.state().reading.is_paused != pause {
            self.debug_log(if pause { "pauses reading" } else { "resumes reading" });
        }
        self.update(|state| state.reading.is_paused = pause);
        if !pause {
            self.cancel_linger_timer();
        }
    }

    /// Puts the connection in the loop's queue if it has something to do.
    pub(in crate::net) fn enqueue_if_due(self: &Rc<Self>) {
        let (state, io) = (self.state(), self.io.borrow());
        let ends = match state.close {
            CloseState::Closing => io.unsent() == 0,
            CloseState::WriteFailed => !io.lingers(),
            CloseState::Open | CloseState::Aborted | CloseState::Closed => false,
        };
        if state.may_read() || ends || io.has_pending_flow_call() {
            drop(io);
            self.enqueue();
        }
    }

    /// Replaces the protocol. If the queue is full, the new one gets `pause_writing`, as if it had filled it.
    pub(in crate::net) fn set_protocol(self: &Rc<Self>, protocol: ProtocolRef) {
        if self.state().close == CloseState::Closed {
            return;
        }
        let mut io = self.io.borrow_mut();
        let former = io.protocol.replace(protocol);
        if let Some(cold) = &mut io.cold {
            cold.watermarks.change_writer();
        }
        drop(io);
        drop(former);
        self.enqueue_if_due();
    }

    pub(in crate::net) fn set_limits(self: &Rc<Self>, limits: WriteLimits) {
        let mut io = self.io.borrow_mut();
        let cold = io.cold();
        let unsent = cold.unsent();
        cold.watermarks.set_limits(limits, unsent);
        let woken = match cold.watermarks.is_full() {
            true => Vec::new(),
            false => std::mem::take(&mut cold.waiters),
        };
        drop(io);
        wake(woken);
        self.enqueue_if_due();
    }

    pub(in crate::net) fn limits(&self) -> WriteLimits {
        let io = self.io.borrow();
        io.cold.as_ref().map_or_else(Default::default, |cold| cold.watermarks.limits())
    }

    pub(in crate::net) fn is_full(&self) -> bool {
        self.io.borrow().cold.as_ref().is_some_and(|cold| cold.watermarks.is_full())
    }

    pub(in crate::net) fn unsent(&self) -> usize {
        self.io.borrow().unsent()
    }

    pub(in crate::net) fn with_socket<R>(&self, call: impl FnOnce(Option<&Socket>) -> R) -> R {
        call(self.io.borrow().socket())
    }
}

/// Operations of the loop.
impl StreamTransport {
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    /// Logs an event in debug mode, as asyncio does.
    fn debug_log(&self, event: impl fmt::Display) {
        if self.event_loop.debug() {
            log::debug!("{:?} {event}", self.addresses);
        }
    }

    fn enqueue(self: &Rc<Self>) {
        if !self.state().is_queued && self.state().close != CloseState::Closed {
            self.update(|state| state.is_queued = true);
            self.event_loop.push(Job::Run(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// Calls the protocol; a panic is reported, and the connection goes on. `None` also without a protocol.
    fn notify<R>(
        self: &Rc<Self>,
        failure: &str,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<R> {
        self.call_protocol(call)?.map_err(|error| self.report(failure, error.into())).ok()
    }

    /// Calls the protocol; a panic is reported and ends the connection.
    fn notify_or_abort<R>(
        self: &Rc<Self>,
        method: &str,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<R> {
        self.call_protocol(call)?.map_err(|error| self.fatal_error(method, error.into())).ok()
    }

    fn call_protocol<R>(
        self: &Rc<Self>,
        call: impl FnOnce(&ProtocolRef, &Transport) -> R,
    ) -> Option<Result<R, PanicError>> {
        let protocol = self.io.borrow().protocol.clone()?;
        let transport = Transport(Rc::clone(self));
        Some(catch(|| call(&protocol, &transport)).map_err(PanicError::from))
    }

    fn fatal_error(self: &Rc<Self>, method: &str, error: BoxError) {
        self.abort(Some(std::io::Error::other(error.to_string())));
        self.report(&format!("Fatal error: protocol.{method}() call failed."), error);
    }

    fn report(self: &Rc<Self>, message: &str, error: BoxError) {
        let context = ErrorContext::new(message).error(error);
        self.event_loop
            .call_exception_handler(context.with("transport", Transport(Rc::clone(self))));
    }

    /// Calls `pause_writing` and `resume_writing` as the queue requires, then ends the connection if it is
    /// closing and all data is sent.
    fn deliver_flow_calls_and_end(self: &Rc<Self>) {
        while let Some(call) = self.next_flow_call() {
            self.update(|state| state.writing.is_resuming = call == FlowCall::Resume);
            match call {
                FlowCall::Pause => {
                    self.notify("protocol.pause_writing() failed", ProtocolRef::pause_writing)
                }
                FlowCall::Resume => {
                    self.notify("protocol.resume_writing() failed", ProtocolRef::resume_writing)
                }
            };
            self.update(|state| state.writing.is_resuming = false);
        }
        let is_closing = self.state().close == CloseState::Closing;
        if is_closing && self.unsent() == 0 && self.sends_close_notify() {
            self.call_connection_lost();
        } else {
            self.io.borrow_mut().shrink();
        }
    }

    fn next_flow_call(&self) -> Option<FlowCall> {
        self.io.borrow_mut().cold.as_mut()?.watermarks.next_call()
    }

    /// Sends the TLS `close_notify`, once. Whether nothing of it is left to send; true without TLS.
    fn sends_close_notify(&self) -> bool {
        self.io.borrow().tls().is_none_or(|tls| tls.send_close_notify())
    }

    fn call_connection_lost(self: &Rc<Self>) {
        self.update(|state| state.close = CloseState::Closed);
        let error = self.io.borrow_mut().cold.as_mut().and_then(|cold| cold.error.take());
        let _release = OnDrop(|| self.release());
        self.notify_or_abort("connection_lost", |protocol, _| protocol.connection_lost(error));
    }

    /// Closes the descriptor and drops the protocol, which usually holds its transport.
    fn release(&self) {
        self.cancel_linger_timer();
        let Io { registration, raw, protocol, cold } = self.io.take();
        drop(registration);
        drop(raw);
        self.event_loop.drop_or_report(protocol);
        wake(cold.map_or_else(Vec::new, |cold| cold.waiters));
        if let Some(then) = self.on_lost.take() {
            then();
        }
    }
}

impl Source for StreamTransport {
    fn ready(self: Rc<Self>, _: &LoopHandle, readiness: Readiness) {
        self.update(|state| {
            state.reading.is_readable |= readiness.readable;
            state.reading.peer_finished |= readiness.read_closed;
            state.writing.is_writable |= readiness.writable;
        });
        if readiness.writable && self.state().has_exclusive_writer() {
            self.update(|state| state.exclusive = state.exclusive.with_writable(true));
            self.wake_waiters();
        }
        self.enqueue();
    }

    fn loop_closed(&self) {
        if self.event_loop.debug() && self.state().close != CloseState::Closed {
            log::warn!("unclosed transport of {:?}", self.addresses);
        }
        self.update(|state| state.close = CloseState::Closed);
        self.release();
    }
}

impl Run for StreamTransport {
    /// Does what the poller has reported as possible, then delivers the calls that follow from it.
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        let before = self.state();
        self.update(|state| {
            state.is_queued = false;
            state.writing.is_writable = false;
            state.writing.is_resuming = false;
        });
        // Also when a protocol ends the run of the loop, because the poller will not report again.
        let _again = OnDrop(|| self.enqueue_if_due());
        if before.is_handshaking {
            self.continue_handshake();
        }
        if before.writing.is_writable && self.unsent() > 0 && !self.state().is_handshaking {
            self.flush();
        }
        if self.state().may_read() {
            self.read();
        } else if before.reading.is_readable && before.reading.at_eof && before.is_open() {
            self.check_for_reset();
        }
        if self.state().close == CloseState::WriteFailed {
            self.close_if_read();
        }
        self.deliver_flow_calls_and_end();
        Ok(())
    }

    fn subject(&self) -> Option<&'static str> {
        self.io.borrow().protocol.as_ref().and_then(ProtocolRef::type_name)
    }

    fn info(&self, subject: Option<&'static str>) -> JobInfo {
        let protocol = subject.unwrap_or("transport");
        let name = match self.addresses.peer() {
            Some(peer) => format!("{protocol} peer={peer}"),
            None => protocol.to_owned(),
        };
        JobInfo { kind: JobKind::Io, name, origin: None }
    }

    fn cancel(&self) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}
