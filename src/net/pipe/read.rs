//! Reading end of a pipe.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use super::end::{Kind, PipeEnd};
use super::is_always_ready;
use crate::event_loop::{Interest, LoopHandle, Readiness, short_type_name};
use crate::net::Endpoint;
use crate::net::transport::base::{
    BaseTransport, CloseState, ScratchBuffer, TransportCore, WatchedFd, handle_methods,
};

/// Callbacks of a reading pipe; asyncio's `Protocol` without flow control.
///
/// The loop makes one call at a time, in this order: `connection_made` once, `data_received` any number of
/// times, `eof_received` at most once, `connection_lost` once. A panic is reported to the exception handler;
/// in `data_received` and `eof_received` it ends the transport.
///
/// ```
/// use loopctl::{ReadPipe, ReadPipeProtocol};
///
/// struct Lines(usize);
///
/// impl ReadPipeProtocol for Lines {
///     fn data_received(&mut self, _: &ReadPipe, data: &[u8]) {
///         self.0 += data.iter().filter(|byte| **byte == b'\n').count();
///     }
/// }
/// ```
pub trait ReadPipeProtocol: 'static {
    /// Called when the transport is ready.
    fn connection_made(&mut self, transport: &ReadPipe) {
        let _ = transport;
    }

    /// Called with received data, at most 256 KiB at a time.
    fn data_received(&mut self, transport: &ReadPipe, data: &[u8]);

    /// Called when every writer has closed its end, or the terminal has hung up. The transport then closes.
    fn eof_received(&mut self, transport: &ReadPipe) {
        let _ = transport;
    }

    /// Called at the end, with the error that caused it; without one after an end of file or a close.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Handle to a reading pipe; asyncio's `ReadTransport`. Created by
/// [`connect_read_pipe`](LoopHandle::connect_read_pipe).
///
/// ```
/// # use loopctl::{ReadPipe, ReadPipeProtocol};
/// # struct Never;
/// # impl ReadPipeProtocol for Never {
/// #     fn data_received(&mut self, _: &ReadPipe, _: &[u8]) { unreachable!() }
/// # }
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let (reader, _writer) = std::io::pipe()?;
/// let connecting = handle.connect_read_pipe(reader, || Never);
/// let pipe = event_loop.run_until_complete(connecting)??.transport;
/// pipe.pause_reading();
/// assert!(!pipe.is_reading());
/// pipe.close();
/// assert!(pipe.is_closing());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReadPipe(Rc<Inner>);

handle_methods!(ReadPipe);

struct Inner {
    core: TransportCore<dyn ReadPipeProtocol>,
    pipe: WatchedFd<PipeEnd>,
    kind: Kind,
    is_readable: Cell<bool>,
    is_paused: Cell<bool>,
}

impl ReadPipe {
    pub(crate) fn attach<P: ReadPipeProtocol>(
        event_loop: &LoopHandle,
        pipe: PipeEnd,
        protocol: P,
    ) -> io::Result<Endpoint<Self, P>> {
        let protocol = Rc::new(RefCell::new(protocol));
        let inner = Rc::new(Inner {
            core: TransportCore::new(
                event_loop,
                short_type_name::<P>(),
                Rc::clone(&protocol) as Rc<RefCell<dyn ReadPipeProtocol>>,
            ),
            kind: pipe.kind,
            pipe: WatchedFd::new(pipe),
            is_readable: Cell::default(),
            is_paused: Cell::default(),
        });
        match inner.pipe.watch(&inner, Interest::Readable) {
            Err(error) if is_always_ready(&error, inner.kind) => {
                inner.is_readable.set(true);
                inner.enqueue();
            }
            result => result?,
        }
        let transport = Self(inner);
        transport.0.notify("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Suspends delivery until [`resume_reading`](Self::resume_reading). The pipe then fills up and blocks its
    /// writers.
    pub fn pause_reading(&self) {
        self.0.is_paused.set(true);
    }

    /// Resumes delivery.
    pub fn resume_reading(&self) {
        if self.0.is_paused.replace(false) {
            self.0.enqueue();
        }
    }

    /// Whether data is delivered: reading is not paused, and the transport is not closing.
    pub fn is_reading(&self) -> bool {
        self.0.core.is_open() && !self.0.is_paused.get()
    }

    /// Closes the pipe. No more data is delivered; `connection_lost` is called in the next turn.
    pub fn close(&self) {
        self.0.close();
    }

    /// Sets the type of the protocol that reports name: that of a child's pipes is the child's.
    pub(crate) fn set_protocol_name(&self, name: &'static str) {
        self.0.core.protocol_name.set(name);
    }

    /// Closes the pipe without calling the protocol.
    pub(crate) fn release(&self) {
        self.0.release();
    }
}

impl Inner {
    /// Reads once per turn, so that a busy writer does not starve others.
    fn read(self: &Rc<Self>) {
        let scratch = self.core.event_loop.local::<ScratchBuffer>();
        // Never borrowed twice: the protocol is called from here only, and loops do not nest.
        let mut buffer = scratch.0.borrow_mut();
        let transport = ReadPipe(Rc::clone(self));
        match self.pipe.with(|pipe| rustix::io::read(pipe, &mut buffer[..])) {
            Some(Ok(0)) => self.receive_eof(),
            Some(Ok(count)) => {
                self.notify_or_abort("data_received", |protocol| {
                    protocol.data_received(&transport, &buffer[..count]);
                });
                self.enqueue();
            }
            Some(Err(Errno::AGAIN)) | None => self.is_readable.set(false),
            Some(Err(Errno::INTR)) => self.enqueue(),
            // A terminal that has hung up is at its end of file for readers.
            Some(Err(Errno::IO)) if self.kind == Kind::Device => {
                log::debug!("{}: hung up", self.describe());
                self.receive_eof();
            }
            Some(Err(error)) => self.set_aborted(Some(error.into())),
        }
    }

    fn receive_eof(self: &Rc<Self>) {
        let transport = ReadPipe(Rc::clone(self));
        self.notify_or_abort("eof_received", |protocol| protocol.eof_received(&transport));
        self.core.advance(CloseState::Closing);
    }
}

impl BaseTransport for Inner {
    type Protocol = dyn ReadPipeProtocol;

    fn core(&self) -> &TransportCore<Self::Protocol> {
        &self.core
    }

    fn record_readiness(&self, readiness: Readiness) {
        self.is_readable.set(self.is_readable.get() || readiness.readable);
    }

    fn process(self: &Rc<Self>) {
        if self.is_readable.get() && self.core.is_open() && !self.is_paused.get() {
            self.read();
        }
        if !self.core.is_open() {
            self.call_connection_lost();
        }
    }

    fn close_descriptors(&self) {
        self.pipe.close();
    }

    fn identity(&self) -> String {
        "of a read pipe".to_owned()
    }

    fn describe(&self) -> String {
        let reading = if self.is_paused.get() { "paused" } else { "polling" };
        format!("<ReadPipe {} read={reading}>", self.core.close_state().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}
