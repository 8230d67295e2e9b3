//! Writing end of a pipe.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;

use rustix::io::Errno;

use super::end::{Kind, PipeEnd};
use super::is_always_ready;
use crate::event_loop::{Interest, LoopHandle, Readiness, short_type_name};
use crate::net::Endpoint;
use crate::net::transport::base::{
    BaseTransport, CloseState, TransportCore, WatchedFd, WriteTransport, handle_methods,
    write_handle_methods,
};
use crate::plan::{FlowCall, LimitsError, Watermarks, WriteLimits};

/// Callbacks of a writing pipe; asyncio's `BaseProtocol`.
///
/// The loop makes one call at a time: `connection_made` first, `connection_lost` last, each once; pauses and
/// resumptions alternate. A panic is reported to the exception handler.
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
///             let _ = pipe.write(format!("{}\n", self.next).as_bytes());
///             self.next += 1;
///         }
///     }
/// }
/// ```
pub trait WritePipeProtocol: 'static {
    /// Called when the transport is ready.
    fn connection_made(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// Called when the queue has grown above the high-water mark: writing should stop.
    fn pause_writing(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// Called when the queue has shrunk to the low-water mark: writing may go on.
    fn resume_writing(&mut self, transport: &WritePipe) {
        let _ = transport;
    }

    /// Called at the end, with the error that caused it; without one after a close, and when the reader has
    /// closed its end while the queue was empty. `BrokenPipe` when it was not.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}

/// Handle to a writing pipe; asyncio's `WriteTransport`. Created by
/// [`connect_write_pipe`](LoopHandle::connect_write_pipe).
///
/// A reader that closes its end is noticed without a write, except on devices, where it may come back.
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
/// assert!(pipe.write_buffer_size() > 0, "a pipe of Linux holds 64 KiB");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct WritePipe(Rc<Inner>);

handle_methods!(WritePipe);
write_handle_methods!(WritePipe);

struct Inner {
    core: TransportCore<dyn WritePipeProtocol>,
    pipe: WatchedFd<PipeEnd>,
    kind: Kind,
    unsent: RefCell<VecDeque<u8>>,
    watermarks: Cell<Watermarks>,
    is_writable: Cell<bool>,
    reader_closed: Cell<bool>,
}

impl WritePipe {
    pub(crate) fn attach<P: WritePipeProtocol>(
        event_loop: &LoopHandle,
        pipe: PipeEnd,
        protocol: P,
    ) -> io::Result<Endpoint<Self, P>> {
        let protocol = Rc::new(RefCell::new(protocol));
        let inner = Rc::new(Inner {
            core: TransportCore::new(
                event_loop,
                short_type_name::<P>(),
                Rc::clone(&protocol) as Rc<RefCell<dyn WritePipeProtocol>>,
            ),
            kind: pipe.kind,
            pipe: WatchedFd::new(pipe),
            unsent: RefCell::default(),
            watermarks: Cell::default(),
            is_writable: Cell::default(),
            reader_closed: Cell::default(),
        });
        // Readable as well, because the end of a socket's peer is reported in that direction only.
        match inner.pipe.watch(&inner, Interest::Both) {
            Err(error) if is_always_ready(&error, inner.kind) => {}
            result => result?,
        }
        let transport = Self(inner);
        transport.0.notify("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Writes as much as the pipe accepts now, and queues a copy of the rest.
    ///
    /// After a close or an error the data is dropped, with a warning in the log from the fifth time on.
    pub fn write(&self, data: &[u8]) {
        const CLOSED: &str = "pipe closed by peer or os.write(pipe, data) raised exception.";
        if data.is_empty() || self.0.core.refuses_write(CLOSED) {
            return;
        }
        let was_empty = self.0.unsent.borrow().is_empty();
        self.0.unsent.borrow_mut().extend(data);
        if was_empty {
            self.0.flush();
        }
        self.0.check_limits();
    }

    /// Closes the pipe, whose only direction this is; see [`close`](Self::close).
    pub fn write_eof(&self) {
        self.close();
    }

    /// Writes queued data, then closes the pipe. No effect when called again.
    pub fn close(&self) {
        self.0.close();
    }

    /// The number of queued bytes.
    pub fn write_buffer_size(&self) -> usize {
        self.0.unsent.borrow().len()
    }

    /// Waits until the queue has shrunk to the low-water mark, if it was above the high-water mark.
    ///
    /// # Errors
    /// `BrokenPipe` when the transport has ended.
    pub async fn drain(&self) -> io::Result<()> {
        let inner = &self.0;
        let drained = || match inner.core.close_state() {
            CloseState::Aborted | CloseState::Closed => Some(Err(io::ErrorKind::BrokenPipe.into())),
            _ => (!inner.update_watermarks(|watermarks, _| watermarks.is_full())).then_some(Ok(())),
        };
        inner.core.wait_until(drained).await
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
    /// Writes until the queue is empty or the pipe is full.
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
                Some(Err(Errno::AGAIN)) | None => return self.is_writable.set(false),
                Some(Err(error)) => return self.abort(Some(error.into())),
            }
        }
    }

    fn check_reader(&self) {
        if self.reader_closed.get() && self.core.close_state() < CloseState::Aborted {
            let lost_data = !self.unsent.borrow().is_empty();
            self.set_aborted(lost_data.then(|| io::ErrorKind::BrokenPipe.into()));
        }
    }
}

impl WriteTransport for Inner {
    fn watermarks(&self) -> &Cell<Watermarks> {
        &self.watermarks
    }

    fn queued(&self) -> usize {
        self.unsent.borrow().len()
    }

    fn flow_call(self: &Rc<Self>, protocol: &mut Self::Protocol, call: FlowCall) {
        let transport = WritePipe(Rc::clone(self));
        match call {
            FlowCall::Pause => protocol.pause_writing(&transport),
            FlowCall::Resume => protocol.resume_writing(&transport),
        }
    }
}

impl BaseTransport for Inner {
    type Protocol = dyn WritePipeProtocol;

    fn core(&self) -> &TransportCore<Self::Protocol> {
        &self.core
    }

    fn record_readiness(&self, readiness: Readiness) {
        self.is_writable.set(self.is_writable.get() || readiness.writable);
        let has_closed = readiness.read_closed && self.kind != Kind::Device;
        self.reader_closed.set(self.reader_closed.get() || has_closed);
    }

    fn process(self: &Rc<Self>) {
        self.check_reader();
        if self.is_writable.get() && self.core.close_state() < CloseState::Aborted {
            self.flush();
        }
        self.deliver_flow_calls();
        self.end_if_sent();
    }

    fn close_descriptors(&self) {
        self.pipe.close();
        self.unsent.take();
    }

    fn identity(&self) -> String {
        "of a write pipe".to_owned()
    }

    fn describe(&self) -> String {
        let size = self.unsent.borrow().len();
        format!("<WritePipe {} bufsize={size}>", self.core.close_state().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}
