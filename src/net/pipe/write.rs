//! The end of a pipe that is written to.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;

use rustix::io::Errno;

use super::end::{Kind, PipeEnd};
use super::is_always_ready;
use crate::event_loop::{Interest, LoopHandle, Readiness};
use crate::net::Endpoint;
use crate::net::transport::base::{Bond, Line, Queueing, Stage, Watched};
use crate::plan::{FlowCall, LimitsError, Watermarks, WriteLimits};

/// Hears how writing to a pipe goes; asyncio's `BaseProtocol`.
///
/// Only the loop calls it, one call at a time: `connection_made` first, `connection_lost` last, each once;
/// pauses and resumptions alternate. A method that panics is reported to the exception handler.
///
/// ```
/// use loopctl::{WritePipe, WritePipeProtocol};
///
/// struct Counter { next: u64 }
///
/// impl WritePipeProtocol for Counter {
///     fn connection_made(&mut self, pipe: &WritePipe) {
///         self.resume_writing(pipe);
///     }
///     fn resume_writing(&mut self, pipe: &WritePipe) {
///         while pipe.write_buffer_size() <= pipe.write_buffer_limits().high && !pipe.is_closing() {
///             pipe.write(format!("{}\n", self.next).as_bytes());
///             self.next += 1;
///         }
///     }
/// }
/// ```
pub trait WritePipeProtocol: 'static {
    /// There is a transport.
    fn connection_made(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// More is queued than the high limit: please write no more.
    fn pause_writing(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// What is queued has shrunk to the low limit: please go on.
    fn resume_writing(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// The end: with the error that caused it, or with none after a close, or where the reader went away
    /// while nothing was queued. `BrokenPipe` when something was.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Counted handle to a pipe that is written to; asyncio's `WriteTransport`. It is made by
/// [`connect_write_pipe`](LoopHandle::connect_write_pipe).
///
/// That the reader has gone is noticed without a write, except on devices, where it may come back.
///
/// ```
/// # use loopctl::WritePipeProtocol;
/// # struct Mute;
/// # impl WritePipeProtocol for Mute {}
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// let (_reader, writer) = std::io::pipe()?;
/// let connecting = handle.connect_write_pipe(writer, || Mute);
/// let pipe = event_loop.run_until_complete(connecting)??.transport;
/// assert_eq!(pipe.write_buffer_limits(), loopctl::WriteLimits::default());
/// pipe.write(&[0; 100_000]);
/// assert!(pipe.write_buffer_size() > 0, "Linux has room for 64 KiB in a pipe");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WritePipe(Rc<Inner>);

struct Inner {
    bond: Bond<dyn WritePipeProtocol>,
    pipe: Watched<PipeEnd>,
    kind: Kind,
    unsent: RefCell<VecDeque<u8>>,
    marks: Cell<Watermarks>,
    has_room: Cell<bool>,
    reader_is_gone: Cell<bool>,
}

impl WritePipe {
    pub(crate) fn attach<P: WritePipeProtocol>(
        event_loop: &LoopHandle,
        pipe: PipeEnd,
        protocol: P,
    ) -> io::Result<Endpoint<Self, P>> {
        let protocol = Rc::new(RefCell::new(protocol));
        let inner = Rc::new(Inner {
            bond: Bond::new(event_loop, Rc::clone(&protocol) as Rc<RefCell<dyn WritePipeProtocol>>),
            kind: pipe.kind,
            pipe: Watched::new(pipe),
            unsent: RefCell::default(),
            marks: Cell::default(),
            has_room: Cell::default(),
            reader_is_gone: Cell::default(),
        });
        // Readable as well: the end of a socket's peer shows in that direction only.
        match inner.pipe.watch(&inner, Interest::Both) {
            Err(error) if is_always_ready(&error, inner.kind) => {}
            result => result?,
        }
        let transport = Self(inner);
        transport.0.tell("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Writes what the pipe takes now and keeps a copy of the rest. Never calls the protocol.
    ///
    /// After a close or an error the data is dropped; from the fifth time on that is logged as a warning.
    pub fn write(&self, data: &[u8]) {
        const IN_VAIN: &str = "pipe closed by peer or os.write(pipe, data) raised exception.";
        if data.is_empty() || self.0.bond.refuses_write(IN_VAIN) {
            return;
        }
        let was_empty = self.0.unsent.borrow().is_empty();
        self.0.unsent.borrow_mut().extend(data);
        if was_empty {
            self.0.flush();
        }
        self.0.check_limits();
    }

    /// As [`close`](Self::close): a pipe has one direction, and its end is the end of the file.
    pub fn write_eof(&self) {
        self.close();
    }

    /// Writes what is queued, then closes the pipe. Harmless twice.
    pub fn close(&self) {
        self.0.bond.advance(Stage::Closing);
        self.0.enqueue();
    }

    /// Closes at once; what is queued is lost.
    pub fn abort(&self) {
        self.0.abort(None);
        self.0.enqueue();
    }

    /// Whether the transport is closed or about to be.
    pub fn is_closing(&self) -> bool {
        !self.0.bond.is_open()
    }

    /// How many bytes are queued.
    pub fn write_buffer_size(&self) -> usize {
        self.0.unsent.borrow().len()
    }

    /// The limits in force.
    pub fn write_buffer_limits(&self) -> WriteLimits {
        self.0.marks.get().limits()
    }

    /// Sets the limits, in bytes; what they mean for the queue as it is counts at once. What is not given
    /// follows from the other: see [`WriteLimits::new`].
    ///
    /// # Errors
    /// When `high` is less than `low`; the limits stay as they were.
    pub fn set_write_buffer_limits(
        &self,
        high: Option<usize>,
        low: Option<usize>,
    ) -> Result<(), LimitsError> {
        self.0.set_limits(high, low)
    }

    /// Waits until there is room to write: the queue has shrunk to the low limit, if it was above the high
    /// one.
    ///
    /// # Errors
    /// `BrokenPipe` when the transport has ended.
    pub async fn drain(&self) -> io::Result<()> {
        let inner = &self.0;
        let settled = || match inner.bond.stage() {
            Stage::Broken | Stage::Lost => Some(Err(io::ErrorKind::BrokenPipe.into())),
            _ => (!inner.update_marks(|marks, _| marks.is_full())).then_some(Ok(())),
        };
        inner.bond.until(settled).await
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
    /// Writes until the pipe is full; it says when it has room again.
    fn flush(self: &Rc<Self>) {
        let mut unsent = self.unsent.borrow_mut();
        while !unsent.is_empty() {
            let written = self.pipe.with(|pipe| {
                let (front, back) = unsent.as_slices();
                rustix::io::writev(pipe, &[IoSlice::new(front), IoSlice::new(back)])
            });
            match written {
                Some(Ok(count)) => drop(unsent.drain(..count)),
                Some(Err(Errno::INTR)) => {}
                Some(Err(Errno::AGAIN)) | None => return self.has_room.set(false),
                Some(Err(error)) => {
                    self.abort(Some(error.into()));
                    return self.enqueue();
                }
            }
        }
    }

    fn notice_reader(&self) {
        if self.reader_is_gone.get() && self.bond.stage() < Stage::Broken {
            let had_more = !self.unsent.borrow().is_empty();
            self.abort(had_more.then(|| io::ErrorKind::BrokenPipe.into()));
        }
    }

    fn tell_flow(self: &Rc<Self>) {
        let transport = WritePipe(Rc::clone(self));
        while self.bond.stage() < Stage::Broken {
            let Some(call) = self.update_marks(|marks, _| marks.next_call()) else { return };
            self.tell(call.method(), |protocol| match call {
                FlowCall::Pause => protocol.pause_writing(&transport),
                FlowCall::Resume => protocol.resume_writing(&transport),
            });
            self.bond.wake();
        }
    }
}

impl Queueing for Inner {
    fn marks(&self) -> &Cell<Watermarks> {
        &self.marks
    }

    fn queued(&self) -> usize {
        self.unsent.borrow().len()
    }
}

impl Line for Inner {
    const NAME: &'static str = "write pipe";

    type Protocol = dyn WritePipeProtocol;

    fn bond(&self) -> &Bond<Self::Protocol> {
        &self.bond
    }

    fn note(&self, readiness: Readiness) {
        self.has_room.set(self.has_room.get() || readiness.writable);
        let is_gone = readiness.read_closed && self.kind != Kind::Device;
        self.reader_is_gone.set(self.reader_is_gone.get() || is_gone);
    }

    fn serve(self: &Rc<Self>) {
        self.notice_reader();
        if self.has_room.get() && self.bond.stage() < Stage::Broken {
            self.flush();
        }
        self.tell_flow();
        match self.bond.stage() {
            Stage::Closing if self.unsent.borrow().is_empty() => self.lose(),
            Stage::Broken => self.lose(),
            _ => {}
        }
    }

    fn let_go(&self) {
        self.pipe.close();
        self.unsent.take();
    }

    fn describe(&self) -> String {
        let size = self.unsent.borrow().len();
        format!("<WritePipe {} bufsize={size}>", self.bond.stage().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}

impl fmt::Debug for WritePipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}
