//! The end of a pipe that is read from.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use rustix::io::Errno;

use super::end::{Kind, PipeEnd};
use super::is_always_ready;
use crate::event_loop::{Interest, LoopHandle, Readiness};
use crate::net::Endpoint;
use crate::net::transport::base::{Bond, Line, Scratch, Stage, Watched};

/// Reacts to what comes out of a pipe; asyncio's `Protocol` without the methods that write.
///
/// Only the loop calls it, one call at a time, in this order: `connection_made` once, `data_received` any
/// number of times, `eof_received` at most once, `connection_lost` once. A method that panics is reported to
/// the exception handler; in `data_received` and `eof_received` that ends the transport.
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
    /// There is a transport.
    fn connection_made(&mut self, transport: &ReadPipe) {
        let _ = transport;
    }

    /// Something was written to the other end: at most 256 KiB at a time.
    fn data_received(&mut self, transport: &ReadPipe, data: &[u8]);

    /// Every writer has closed its end, or the terminal is gone. The transport closes itself.
    fn eof_received(&mut self, transport: &ReadPipe) {
        let _ = transport;
    }

    /// The end: with the error that caused it, or with none after an end of file or a close.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Counted handle to a pipe that is read from; asyncio's `ReadTransport`. It is made by
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

struct Inner {
    bond: Bond<dyn ReadPipeProtocol>,
    pipe: Watched<PipeEnd>,
    kind: Kind,
    readable: Cell<bool>,
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
            bond: Bond::new(event_loop, Rc::clone(&protocol) as Rc<RefCell<dyn ReadPipeProtocol>>),
            kind: pipe.kind,
            pipe: Watched::new(pipe),
            readable: Cell::default(),
            is_paused: Cell::default(),
        });
        match inner.pipe.watch(&inner, Interest::Readable) {
            Err(error) if is_always_ready(&error, inner.kind) => {
                inner.readable.set(true);
                inner.enqueue();
            }
            result => result?,
        }
        let transport = Self(inner);
        transport.0.tell("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Delivers nothing until [`resume_reading`](Self::resume_reading); the pipe fills up and holds up its
    /// writers. Nothing happens if it is paused or closing.
    pub fn pause_reading(&self) {
        self.0.is_paused.set(true);
    }

    /// Ends a pause. Nothing happens if there is none, or when the transport is closing.
    pub fn resume_reading(&self) {
        if self.0.is_paused.replace(false) {
            self.0.enqueue();
        }
    }

    /// Whether data is delivered as it comes: neither paused nor closing.
    pub fn is_reading(&self) -> bool {
        self.0.bond.is_open() && !self.0.is_paused.get()
    }

    /// Closes the pipe. Nothing more is delivered; `connection_lost` is called in the next turn.
    pub fn close(&self) {
        self.0.bond.advance(Stage::Closing);
        self.0.enqueue();
    }

    /// Whether the transport is closed or about to be.
    pub fn is_closing(&self) -> bool {
        !self.0.bond.is_open()
    }

    /// Waits until `connection_lost` has been called.
    pub async fn wait_closed(&self) {
        self.0.bond.wait_closed().await;
    }

    /// Closes at once and tells nobody.
    pub(crate) fn abandon(&self) {
        self.0.abandon();
    }
}

impl Inner {
    /// One read a turn, so that a busy writer leaves room for others.
    fn read(self: &Rc<Self>) {
        let scratch = self.bond.event_loop.local::<Scratch>();
        // Nobody else reads meanwhile: the protocol is called from here, and loops do not nest.
        let mut buffer = scratch.0.borrow_mut();
        let transport = ReadPipe(Rc::clone(self));
        match self.pipe.with(|pipe| rustix::io::read(pipe, &mut buffer[..])) {
            Some(Ok(0)) => self.receive_eof(),
            Some(Ok(count)) => {
                self.tell_or_end("data_received", |protocol| {
                    protocol.data_received(&transport, &buffer[..count]);
                });
                self.enqueue();
            }
            Some(Err(Errno::AGAIN)) | None => self.readable.set(false),
            Some(Err(Errno::INTR)) => self.enqueue(),
            // A terminal that was hung up: for its readers that is the end of the file.
            Some(Err(Errno::IO)) if self.kind == Kind::Device => {
                log::debug!("{}: hung up", self.describe());
                self.receive_eof();
            }
            Some(Err(error)) => self.abort(Some(error.into())),
        }
    }

    fn receive_eof(self: &Rc<Self>) {
        let transport = ReadPipe(Rc::clone(self));
        self.tell_or_end("eof_received", |protocol| protocol.eof_received(&transport));
        self.bond.advance(Stage::Closing);
    }
}

impl Line for Inner {
    const NAME: &'static str = "read pipe";

    type Protocol = dyn ReadPipeProtocol;

    fn bond(&self) -> &Bond<Self::Protocol> {
        &self.bond
    }

    fn note(&self, readiness: Readiness) {
        self.readable.set(self.readable.get() || readiness.readable);
    }

    fn serve(self: &Rc<Self>) {
        if self.readable.get() && self.bond.is_open() && !self.is_paused.get() {
            self.read();
        }
        if !self.bond.is_open() {
            self.lose();
        }
    }

    fn let_go(&self) {
        self.pipe.close();
    }

    fn describe(&self) -> String {
        let reading = if self.is_paused.get() { "paused" } else { "polling" };
        format!("<ReadPipe {} read={reading}>", self.bond.stage().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}

impl fmt::Debug for ReadPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}
