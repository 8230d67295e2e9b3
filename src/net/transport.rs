//! A connection in use: sends, receives, and tells its protocol.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};

use rustix::net::{RecvFlags, SendFlags};
use socket2::{SockAddr, Socket};

use super::{Address, AfterEof, Connection, Protocol};
use crate::BoxError;
use crate::event_loop::{
    ErrorContext, Interest, Job, JobInfo, JobKind, LoopRef, PanicError, Readiness, Registration,
    Room, Run, Source, catch,
};

/// Counted handle to a connection, for code on the loop's thread; asyncio's `Transport`.
///
/// A transport never calls its protocol: what a call provokes is delivered by the loop, in a later turn. It
/// lives until it is closed, whether handles are left or not; closing the loop closes it without a call to
/// its protocol.
///
/// ```
/// # use std::io::Read;
/// use loopctl::{Protocol, Transport};
///
/// struct Quiet;
/// impl Protocol for Quiet {
///     fn data_received(&mut self, _: &Transport, _: &[u8]) {}
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let lp = event_loop.lp();
/// # let listener = loopctl::listen("127.0.0.1:0".parse()?, 1)?;
/// # let address = listener.local_addr()?;
/// let connecting = lp.create_connection_to([address]).open(|| Quiet);
/// let transport = event_loop.run_until_complete(connecting)??.transport;
/// assert_eq!(transport.peer_addr()?, address);
/// assert!(transport.local_addr()?.ip().is_loopback());
/// transport.write(b"hello");
/// transport.write_eof();
/// transport.close();
/// assert!(transport.is_closing());
/// transport.abort(); // does not wait for a peer that does not read
/// event_loop.run_until_complete(transport.wait_closed())?;
/// # let (mut peer, _) = listener.accept()?;
/// # peer.set_nonblocking(false)?;
/// # let mut text = String::new();
/// # peer.read_to_string(&mut text)?;
/// # assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Transport(Rc<Inner>);

struct Inner {
    lp: LoopRef,
    /// Dropped before the socket.
    registration: RefCell<Option<Registration>>,
    socket: RefCell<Option<Socket>>,
    protocol: RefCell<Option<Rc<RefCell<dyn Protocol>>>>,
    names: Names,
    unsent: RefCell<Vec<u8>>,
    state: Cell<State>,
    end: End,
}

/// Both addresses, where the connection is over IP; they are known after it has ended, too.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    pub(crate) local: Option<SocketAddr>,
    pub(crate) peer: Option<SocketAddr>,
}

/// How a connection ended, and who waits for that.
#[derive(Default)]
struct End {
    error: RefCell<Option<io::Error>>,
    waiting: RefCell<Vec<Waker>>,
    on_lost: Cell<Option<Box<dyn FnOnce()>>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    readable: bool,
    writable: bool,
    is_queued: bool,
    eof_received: bool,
    eof_wanted: bool,
    is_closing: bool,
    is_lost: bool,
}

/// One buffer for all connections of a loop: what is read is delivered before the next read.
struct ReadBuffer(RefCell<Vec<u8>>);

impl Default for ReadBuffer {
    fn default() -> Self {
        Self(RefCell::new(vec![0; 64 * 1024]))
    }
}

impl Room for ReadBuffer {
    fn close(&self, _: &LoopRef) {}
}

impl Transport {
    /// Puts a protocol on a connected socket: `connection_made` first, then the first read.
    pub(crate) fn attach<P: Protocol>(
        lp: &LoopRef,
        socket: Socket,
        names: Names,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Connection<P>> {
        Self::attach_accepted(lp, socket, names, protocol, |_| ())
    }

    /// The same for a server: `admit` sees the transport before its protocol does.
    pub(crate) fn attach_accepted<P: Protocol>(
        lp: &LoopRef,
        socket: Socket,
        names: Names,
        protocol: impl FnOnce() -> P,
        admit: impl FnOnce(&Self),
    ) -> io::Result<Connection<P>> {
        let protocol = Rc::new(RefCell::new(protocol()));
        let inner = Rc::new(Inner {
            lp: lp.clone(),
            names,
            registration: RefCell::default(),
            socket: RefCell::new(Some(socket)),
            protocol: RefCell::new(Some(Rc::clone(&protocol) as Rc<RefCell<dyn Protocol>>)),
            unsent: RefCell::default(),
            state: Cell::default(),
            end: End::default(),
        });
        let transport = Self(inner);
        // The watch first: a protocol hears of a connection only if there will be one.
        transport.0.watch()?;
        admit(&transport);
        transport.0.introduce();
        Ok(Connection { transport, protocol })
    }

    /// Calls `then` once the connection is over and its protocol has heard of it, or the loop is closed.
    pub(crate) fn on_lost(&self, then: impl FnOnce() + 'static) {
        self.0.end.on_lost.set(Some(Box::new(then)));
    }

    /// Sends what the socket takes now and keeps the rest. Nothing is sent after a close or an error.
    pub fn write(&self, data: &[u8]) {
        let state = self.0.state.get();
        if state.is_closing || state.eof_wanted {
            return;
        }
        self.0.unsent.borrow_mut().extend_from_slice(data);
        self.0.flush();
    }

    /// Tells the peer, once everything is sent, that no more will come. Reading goes on.
    pub fn write_eof(&self) {
        self.0.update(|state| state.eof_wanted = true);
        self.0.flush();
    }

    /// Sends what is queued, then closes. Nothing more is received.
    pub fn close(&self) {
        self.0.update(|state| state.is_closing = true);
        self.0.enqueue();
    }

    /// Closes at once; what is queued is lost.
    pub fn abort(&self) {
        self.0.unsent.borrow_mut().clear();
        self.close();
    }

    /// Whether the connection is closed or about to be.
    pub fn is_closing(&self) -> bool {
        self.0.state.get().is_closing
    }

    /// The peer's address, also after the connection has ended.
    ///
    /// # Errors
    /// When the connection is not over IP, or was gone before there was a transport.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.names.peer.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Our address, also after the connection has ended.
    ///
    /// # Errors
    /// When the connection is not over IP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.names.local.ok_or_else(|| io::ErrorKind::Unsupported.into())
    }

    /// Waits until `connection_lost` has been called.
    pub async fn wait_closed(&self) {
        poll_fn(|cx| {
            if self.0.state.get().is_lost {
                return Poll::Ready(());
            }
            let mut waiting = self.0.end.waiting.borrow_mut();
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl Names {
    pub(crate) fn of(socket: &Socket) -> Self {
        Self { local: inet(socket.local_addr()), peer: inet(socket.peer_addr()) }
    }

    /// Of an accepted socket: `peer` is what `accept` said, which a peer that is gone cannot be asked any more.
    pub(crate) fn of_accepted(socket: &Socket, peer: Option<SocketAddr>) -> Self {
        let peer = peer.or_else(|| inet(socket.peer_addr()));
        Self { local: inet(socket.local_addr()), peer }
    }

    /// Of a socket that has just connected to `to`. The kernel is asked only for what cannot be known: it
    /// chose our address, and it puts another in the place of an unspecified one.
    pub(crate) fn of_connection(socket: &Socket, to: &Address) -> Self {
        match to.as_inet() {
            None => Self::default(),
            Some(to) if to.ip().is_unspecified() => Self::of(socket),
            peer => Self { local: inet(socket.local_addr()), peer },
        }
    }
}

fn inet(address: io::Result<SockAddr>) -> Option<SocketAddr> {
    address.ok()?.as_socket()
}

impl Inner {
    fn watch(self: &Rc<Self>) -> io::Result<()> {
        let socket = self.socket.borrow();
        let Some(socket) = &*socket else { return Ok(()) };
        let source = Rc::clone(self) as Rc<dyn Source>;
        let registration = self.lp.register(socket, Interest::Both, source)?;
        self.registration.replace(Some(registration));
        Ok(())
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    fn enqueue(self: &Rc<Self>) {
        if !self.state.get().is_queued && !self.state.get().is_lost {
            self.update(|state| state.is_queued = true);
            self.lp.push(Job::Call(Rc::clone(self) as Rc<dyn Run>));
        }
    }

    /// As in asyncio, a connection is there whether its protocol liked to hear of it or not.
    fn introduce(self: &Rc<Self>) {
        let transport = Transport(Rc::clone(self));
        if let Some(Err(error)) = self.try_call(|protocol| protocol.connection_made(&transport)) {
            self.report("protocol.connection_made() call failed.", error);
        }
    }

    /// Calls the protocol. A panic there ends the connection, not the loop.
    fn call<R>(
        self: &Rc<Self>,
        method: &str,
        call: impl FnOnce(&mut dyn Protocol) -> R,
    ) -> Option<R> {
        match self.try_call(call)? {
            Ok(result) => Some(result),
            Err(error) => {
                self.break_off(io::Error::other(error.to_string()));
                self.report(&format!("Fatal error: protocol.{method}() call failed."), error);
                None
            }
        }
    }

    /// `None` when the protocol is gone.
    fn try_call<R>(
        &self,
        call: impl FnOnce(&mut dyn Protocol) -> R,
    ) -> Option<Result<R, PanicError>> {
        let protocol = self.protocol.borrow().clone()?;
        Some(catch(|| call(&mut *protocol.borrow_mut())).map_err(PanicError::from))
    }

    fn report(self: &Rc<Self>, message: &str, error: PanicError) {
        let context = ErrorContext::new(message).error(error);
        self.lp.call_exception_handler(context.with("transport", Transport(Rc::clone(self))));
    }

    /// An error ends the connection: nothing more is sent or received.
    fn break_off(self: &Rc<Self>, error: io::Error) {
        self.unsent.borrow_mut().clear();
        self.end.error.borrow_mut().get_or_insert(error);
        self.update(|state| state.is_closing = true);
        self.enqueue();
    }

    /// Sends until everything is sent or the socket is full; it says when it has room again.
    fn flush(self: &Rc<Self>) {
        let sent = self.send_queued();
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.break_off(error),
            Ok(()) => self.finish_writing(),
        }
    }

    fn send_queued(&self) -> io::Result<()> {
        let (socket, mut unsent) = (self.socket.borrow(), self.unsent.borrow_mut());
        let Some(socket) = &*socket else { return Ok(()) };
        let mut sent = 0;
        let mut result = Ok(());
        while result.is_ok() && sent < unsent.len() {
            match rustix::net::send(socket, &unsent[sent..], SendFlags::NOSIGNAL) {
                Ok(count) => sent += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => result = Err(error.into()),
            }
        }
        unsent.drain(..sent);
        result
    }

    fn finish_writing(self: &Rc<Self>) {
        let state = self.state.get();
        if state.eof_wanted
            && !state.is_closing
            && let Some(socket) = &*self.socket.borrow()
        {
            // A peer that is gone already needs no end of file.
            let _ = socket.shutdown(Shutdown::Write);
        }
        if state.is_closing {
            self.enqueue();
        }
    }

    /// One read a turn, so that a busy peer leaves room for others.
    fn read(self: &Rc<Self>) {
        let room = self.lp.room::<ReadBuffer>();
        // Nobody else reads meanwhile: the protocol is called from here, and loops do not nest.
        let mut buffer = room.0.borrow_mut();
        let received = match &*self.socket.borrow() {
            Some(socket) => rustix::net::recv(socket, &mut buffer[..], RecvFlags::empty()),
            None => return,
        };
        match received {
            Ok((0, _)) => self.receive_eof(),
            Ok((count, _)) => {
                let transport = Transport(Rc::clone(self));
                self.call("data_received", |protocol| {
                    protocol.data_received(&transport, &buffer[..count]);
                });
                self.enqueue();
            }
            Err(rustix::io::Errno::AGAIN) => self.update(|state| state.readable = false),
            Err(rustix::io::Errno::INTR) => self.enqueue(),
            Err(error) => self.break_off(error.into()),
        }
    }

    /// After the peer's last byte the only news can be that the connection broke.
    fn check_for_reset(self: &Rc<Self>) {
        self.update(|state| state.readable = false);
        let error = self.socket.borrow().as_ref().and_then(|socket| socket.take_error().ok()?);
        if let Some(error) = error {
            self.break_off(error);
        }
    }

    fn receive_eof(self: &Rc<Self>) {
        self.update(|state| state.eof_received = true);
        let transport = Transport(Rc::clone(self));
        let after = self.call("eof_received", |protocol| protocol.eof_received(&transport));
        if after == Some(AfterEof::Close) {
            transport.close();
        }
    }

    /// Everything is sent, or lost: the protocol hears of it.
    fn lose(self: &Rc<Self>) {
        self.update(|state| state.is_lost = true);
        let error = self.end.error.take();
        self.call("connection_lost", |protocol| protocol.connection_lost(error));
    }

    /// Closes the descriptor and breaks the cycle through the protocol, which most often keeps its transport.
    fn release(&self) {
        drop((self.registration.take(), self.socket.take(), self.protocol.take()));
        self.end.waiting.take().into_iter().for_each(Waker::wake);
        if let Some(then) = self.end.on_lost.take() {
            then();
        }
    }
}

impl Source for Inner {
    fn ready(self: Rc<Self>, _: &LoopRef, readiness: Readiness) {
        self.update(|state| {
            state.readable |= readiness.readable;
            state.writable |= readiness.writable;
        });
        self.enqueue();
    }

    fn loop_closed(&self) {
        self.update(|state| (state.is_closing, state.is_lost) = (true, true));
        self.unsent.take();
        self.release();
    }
}

impl Inner {
    /// Serves what the socket is ready for, then settles what that provoked.
    fn serve(self: &Rc<Self>) {
        let before = self.state.get();
        self.update(|state| (state.is_queued, state.writable) = (false, false));
        if before.writable && !self.unsent.borrow().is_empty() {
            self.flush();
        }
        if before.readable && !before.is_closing {
            if before.eof_received { self.check_for_reset() } else { self.read() }
        }
        let after = self.state.get();
        if after.is_closing && !after.is_lost && self.unsent.borrow().is_empty() {
            self.lose();
        }
    }
}

impl Run for Inner {
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve()));
        if self.state.get().is_lost {
            self.release();
        } else if served.is_err() {
            // An exit passes through. What is left to do waits for the next run: the poller tells it once.
            self.enqueue();
        }
        served.unwrap_or_else(|payload| resume_unwind(payload));
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

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.get();
        let name = match (state.is_lost, state.is_closing) {
            (true, _) => "closed",
            (false, true) => "closing",
            (false, false) => "open",
        };
        write!(f, "<Transport {name} bufsize={}>", self.0.unsent.borrow().len())
    }
}
