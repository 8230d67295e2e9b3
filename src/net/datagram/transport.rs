//! An endpoint in use: sends, receives, and tells its protocol.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use socket2::{Domain, SockAddr, Socket};

use super::DatagramProtocol;
use crate::event_loop::{Interest, LoopHandle, Readiness};
use crate::net::transport::base::{Bond, Line, Queueing, Scratch, Stage, Watched};
use crate::net::{Address, Endpoint};
use crate::plan::{FlowCall, LimitsError, Watermarks, WriteLimits};

/// What a queued datagram counts beside its bytes, so that a queue of empty ones has a size, too: asyncio's
/// `_header_size` (gh-135444).
const HEADER: usize = 8;

/// How many datagrams are received in one turn before others get theirs.
const BUDGET: usize = 16;

/// Linux does not say when the queue of a Unix socket that we are not connected to has room again
/// (`unix_dgram_sendmsg` asks to be woken for the connected peer only), so we look.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Counted handle to a datagram endpoint, for code on the loop's thread; asyncio's `DatagramTransport`.
///
/// It is made by [`create_datagram_endpoint`](LoopHandle::create_datagram_endpoint), and lives until it is
/// closed, whether handles are left or not; closing the loop closes it without a call to its protocol.
#[derive(Clone)]
pub struct DatagramTransport(Rc<Inner>);

struct Inner {
    bond: Bond<dyn DatagramProtocol>,
    socket: Watched<Socket>,
    names: Names,
    queue: RefCell<Queue>,
    /// Errors of sending, which the protocol has not heard of yet.
    errors: RefCell<VecDeque<io::Error>>,
    marks: Cell<Watermarks>,
    state: Cell<State>,
}

struct Names {
    domain: Domain,
    local: Option<Address>,
    /// Where datagrams without an address go.
    remote: Option<Address>,
    is_connected: bool,
}

#[derive(Default)]
struct Queue {
    datagrams: VecDeque<(Box<[u8]>, Option<SockAddr>)>,
    size: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    readable: bool,
    has_room: bool,
    is_paused: bool,
}

impl DatagramTransport {
    pub(crate) fn attach<P: DatagramProtocol>(
        event_loop: &LoopHandle,
        socket: Socket,
        remote: Option<Address>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Endpoint<Self, P>> {
        let names = Names::of(&socket, remote)?;
        let protocol = Rc::new(RefCell::new(protocol()));
        let inner = Rc::new(Inner {
            bond: Bond::new(event_loop, Rc::clone(&protocol) as Rc<RefCell<dyn DatagramProtocol>>),
            socket: Watched::new(socket),
            names,
            queue: RefCell::default(),
            errors: RefCell::default(),
            marks: Cell::default(),
            state: Cell::default(),
        });
        inner.socket.watch(&inner, Interest::Both)?;
        let transport = Self(inner);
        transport.0.tell("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Sends a datagram, which may be empty: now if the system takes it, otherwise a copy of it in its turn.
    /// Never calls the protocol; what the system makes of it is told to `error_received`.
    ///
    /// Without an address it goes to the endpoint's remote one. After a close it is dropped; from the fifth
    /// time on that is logged as a warning. A name is not an address: [`getaddrinfo`](LoopHandle::getaddrinfo)
    /// makes one of it without blocking.
    ///
    /// # Errors
    /// `InvalidInput` for an address where the endpoint has another remote one, as in asyncio; for none where
    /// it has none either; for one of another family than the socket's.
    pub fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let to = self.0.names.destination(to)?;
        if self.0.bond.refuses_write("socket.send() raised exception.") {
            return Ok(());
        }
        if self.0.queue.borrow().datagrams.is_empty() {
            match self.0.send(data, to.as_ref()) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(Err(error)) => {
                    self.0.note_error(error);
                    return Ok(());
                }
                _ => return Ok(()),
            }
            self.0.wait_for_room(to.as_ref());
        }
        self.0.queue.borrow_mut().push(data, to);
        self.0.check_limits();
        Ok(())
    }

    /// Sends what is queued, then closes. Nothing more is received. Harmless twice.
    pub fn close(&self) {
        self.0.bond.advance(Stage::Closing);
        self.0.enqueue();
    }

    /// Closes at once; what is queued is lost.
    pub fn abort(&self) {
        self.0.abort(None);
        self.0.enqueue();
    }

    /// Whether the endpoint is closed or about to be.
    pub fn is_closing(&self) -> bool {
        !self.0.bond.is_open()
    }

    /// Receives nothing until [`resume_reading`](Self::resume_reading). The system keeps what comes
    /// meanwhile, as far as its buffer goes.
    pub fn pause_reading(&self) {
        self.0.update(|state| state.is_paused = true);
    }

    /// Ends a pause; nothing happens if there is none.
    pub fn resume_reading(&self) {
        self.0.update(|state| state.is_paused = false);
        self.0.enqueue();
    }

    /// Whether datagrams are delivered as they come: neither paused nor closing.
    pub fn is_reading(&self) -> bool {
        self.0.bond.is_open() && !self.0.state.get().is_paused
    }

    /// How much is queued, in bytes; each datagram counts 8 more than it has.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// # struct Silent;
    /// # impl loopctl::DatagramProtocol for Silent {
    /// #     fn datagram_received(
    /// #         &mut self, _: &loopctl::DatagramTransport, _: &[u8], _: Option<&loopctl::Address>) {}
    /// # }
    /// let (ours, _theirs) = std::os::unix::net::UnixDatagram::pair()?;
    /// let opening = handle.create_datagram_endpoint().socket(ours).open(|| Silent);
    /// let transport = event_loop.run_until_complete(opening)??.transport;
    /// while transport.write_buffer_size() == 0 {
    ///     transport.send_to(b"into a queue that nobody empties", None)?;
    /// }
    /// assert_eq!(transport.write_buffer_size(), 32 + 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_buffer_size(&self) -> usize {
        self.0.queue.borrow().size
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

    /// Our address, also after the end; `None` for a Unix socket without a name.
    pub fn local_addr(&self) -> Option<&Address> {
        self.0.names.local.as_ref()
    }

    /// Where datagrams without an address go, also after the end.
    pub fn remote_addr(&self) -> Option<&Address> {
        self.0.names.remote.as_ref()
    }

    /// Waits until `connection_lost` has been called.
    pub async fn wait_closed(&self) {
        self.0.bond.wait_closed().await;
    }
}

impl Names {
    fn of(socket: &Socket, remote: Option<Address>) -> io::Result<Self> {
        let (local, peer) = (socket.local_addr()?, socket.peer_addr().ok());
        let is_connected = peer.is_some();
        let remote = peer.as_ref().and_then(Address::named).or(remote);
        Ok(Self { domain: local.domain(), local: Address::named(&local), remote, is_connected })
    }

    /// `None` where the socket itself knows.
    fn destination(&self, to: Option<&Address>) -> io::Result<Option<SockAddr>> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let to = match (to, &self.remote) {
            (None, None) if !self.is_connected => {
                return refuse("a datagram needs an address, the endpoint has none".to_owned());
            }
            (Some(to), None) if self.is_connected => {
                return refuse(format!("Invalid address: must be None, not {to}"));
            }
            (Some(to), Some(remote)) if to != remote => {
                return refuse(format!("Invalid address: must be None or {remote}"));
            }
            _ if self.is_connected => return Ok(None),
            (to, remote) => to.or(remote.as_ref()),
        };
        let Some(to) = to else { return Ok(None) };
        let address = to.to_sock_addr()?;
        if address.domain() != self.domain {
            return refuse(format!("Invalid address: {to} is of another family than the socket"));
        }
        Ok(Some(address))
    }
}

impl Queue {
    fn push(&mut self, data: &[u8], to: Option<SockAddr>) {
        self.size += data.len() + HEADER;
        self.datagrams.push_back((data.into(), to));
    }

    fn pop(&mut self) {
        if let Some((data, _)) = self.datagrams.pop_front() {
            self.size -= data.len() + HEADER;
        }
    }
}

impl Inner {
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    /// `None` once the socket is closed.
    fn send(&self, data: &[u8], to: Option<&SockAddr>) -> Option<io::Result<usize>> {
        self.socket.with(|socket| {
            loop {
                let sent = match to {
                    Some(to) => socket.send_to(data, to),
                    None => socket.send(data),
                };
                match sent {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    sent => return sent,
                }
            }
        })
    }

    /// Sends what is queued, in order, until the system is full.
    fn flush(self: &Rc<Self>) {
        let mut queue = self.queue.borrow_mut();
        while let Some((data, to)) = queue.datagrams.front() {
            match self.send(data, to.as_ref()) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_for_room(to.as_ref());
                }
                // It is lost, as datagrams are; the next one may fare better.
                Some(Err(error)) => self.note_error(error),
                Some(Ok(_)) | None => {}
            }
            queue.pop();
        }
    }

    /// The socket says when there is room, in most cases.
    fn wait_for_room(self: &Rc<Self>, to: Option<&SockAddr>) {
        self.update(|state| state.has_room = false);
        if self.names.domain == Domain::UNIX && to.is_some() {
            let line = Rc::downgrade(self);
            self.bond.event_loop.call_later(LOOK_AGAIN, move || {
                if let Some(line) = line.upgrade() {
                    line.update(|state| state.has_room = true);
                    line.enqueue();
                }
            });
        }
    }

    fn note_error(self: &Rc<Self>, error: io::Error) {
        self.errors.borrow_mut().push_back(error);
        self.enqueue();
    }

    fn receive(self: &Rc<Self>) {
        let scratch = self.bond.event_loop.local::<Scratch>();
        // Nobody else reads meanwhile: the protocol is called from here, and loops do not nest.
        let mut buffer = scratch.0.borrow_mut();
        let transport = DatagramTransport(Rc::clone(self));
        for _ in 0..BUDGET {
            if !transport.is_reading() {
                return;
            }
            let received = self
                .socket
                .with(|socket| rustix::net::recvfrom(socket, &mut buffer[..], RecvFlags::empty()));
            match received {
                Some(Ok((count, _, from))) => {
                    let (data, from) = (&buffer[..count], from.and_then(Address::of_peer));
                    self.tell("datagram_received", |protocol| {
                        protocol.datagram_received(&transport, data, from.as_ref());
                    });
                }
                Some(Err(Errno::INTR)) => {}
                Some(Err(Errno::AGAIN)) | None => {
                    return self.update(|state| state.readable = false);
                }
                Some(Err(error)) => self.tell("error_received", |protocol| {
                    protocol.error_received(&transport, error.into());
                }),
            }
        }
        // The poller will not mention again what is still there.
        self.enqueue();
    }

    fn tell_errors(self: &Rc<Self>) {
        let transport = DatagramTransport(Rc::clone(self));
        // What goes wrong meanwhile is for the next turn, and what waits is kept if the protocol ends the run.
        let count = self.errors.borrow().len();
        for _ in 0..count {
            let next = self.errors.borrow_mut().pop_front();
            let Some(error) = next else { return };
            self.tell("error_received", |protocol| protocol.error_received(&transport, error));
        }
    }

    fn tell_flow(self: &Rc<Self>) {
        let transport = DatagramTransport(Rc::clone(self));
        while self.bond.stage() < Stage::Broken {
            let Some(call) = self.update_marks(|marks, _| marks.next_call()) else { return };
            self.tell(call.method(), |protocol| match call {
                FlowCall::Pause => protocol.pause_writing(&transport),
                FlowCall::Resume => protocol.resume_writing(&transport),
            });
        }
    }
}

impl Queueing for Inner {
    fn marks(&self) -> &Cell<Watermarks> {
        &self.marks
    }

    fn queued(&self) -> usize {
        self.queue.borrow().size
    }
}

impl Line for Inner {
    const NAME: &'static str = "datagram endpoint";

    type Protocol = dyn DatagramProtocol;

    fn bond(&self) -> &Bond<Self::Protocol> {
        &self.bond
    }

    fn note(&self, readiness: Readiness) {
        self.update(|state| {
            state.readable |= readiness.readable;
            state.has_room |= readiness.writable;
        });
    }

    fn serve(self: &Rc<Self>) {
        if self.state.get().has_room && self.bond.stage() < Stage::Broken {
            self.flush();
        }
        self.tell_errors();
        if self.state.get().readable {
            self.receive();
        }
        self.tell_flow();
        match self.bond.stage() {
            Stage::Closing if self.queue.borrow().datagrams.is_empty() => self.lose(),
            Stage::Broken => self.lose(),
            _ => {}
        }
    }

    fn let_go(&self) {
        self.socket.close();
        self.queue.take();
    }

    fn describe(&self) -> String {
        let size = self.queue.borrow().size;
        format!("<DatagramTransport {} bufsize={size}>", self.bond.stage().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}
