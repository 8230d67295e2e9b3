//! Transport of a datagram endpoint.

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
use crate::event_loop::{Interest, LoopHandle, Readiness, short_type_name};
use crate::net::transport::base::{
    BaseTransport, CloseState, ScratchBuffer, TransportCore, WatchedFd, WriteTransport,
    handle_methods, write_handle_methods,
};
use crate::net::{Address, Endpoint};
use crate::plan::{FlowCall, LimitsError, Watermarks, WriteLimits};

/// Size added for each queued datagram, so that a queue of empty ones has a size: asyncio's `_header_size`
/// (gh-135444).
const HEADER_SIZE: usize = 8;

/// Limit of datagrams received in one turn, so that a busy endpoint does not starve others.
const READ_BUDGET: usize = 16;

/// Delay before another send to the full queue of an unconnected Unix socket. Linux does not report when that
/// queue has room: `unix_dgram_sendmsg` registers for the connected peer only.
const RETRY_DELAY: Duration = Duration::from_millis(5);

/// Handle to a datagram endpoint, for code on the loop's thread; asyncio's `DatagramTransport`.
///
/// Created by [`create_datagram_endpoint`](LoopHandle::create_datagram_endpoint). Handles are counted
/// references: the endpoint lives until it is closed, with or without handles. Closing the loop closes it
/// without a call to its protocol.
#[derive(Clone)]
pub struct DatagramTransport(Rc<Inner>);

handle_methods!(DatagramTransport);
write_handle_methods!(DatagramTransport);

struct Inner {
    core: TransportCore<dyn DatagramProtocol>,
    socket: WatchedFd<Socket>,
    addresses: EndpointAddresses,
    queue: RefCell<Queue>,
    /// Errors of sends, not yet delivered to the protocol.
    errors: RefCell<VecDeque<io::Error>>,
    watermarks: Cell<Watermarks>,
    state: Cell<State>,
}

struct EndpointAddresses {
    domain: Domain,
    local: Option<Address>,
    /// Destination of datagrams without an address.
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
    is_readable: bool,
    is_writable: bool,
    is_paused: bool,
}

impl DatagramTransport {
    pub(crate) fn attach<P: DatagramProtocol>(
        event_loop: &LoopHandle,
        socket: Socket,
        remote: Option<Address>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Endpoint<Self, P>> {
        let addresses = EndpointAddresses::of(&socket, remote)?;
        let protocol = Rc::new(RefCell::new(protocol()));
        let inner = Rc::new(Inner {
            core: TransportCore::new(
                event_loop,
                short_type_name::<P>(),
                Rc::clone(&protocol) as Rc<RefCell<dyn DatagramProtocol>>,
            ),
            socket: WatchedFd::new(socket),
            addresses,
            queue: RefCell::default(),
            errors: RefCell::default(),
            watermarks: Cell::default(),
            state: Cell::default(),
        });
        inner.socket.watch(&inner, Interest::Both)?;
        let transport = Self(inner);
        transport.0.notify("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// Sends a datagram, which may be empty, or queues a copy of it while the send buffer is full. Errors of
    /// the system are delivered to `error_received`.
    ///
    /// Without an address the datagram goes to the endpoint's remote address. After a close it is dropped, with
    /// a warning in the log from the fifth time on. Host names are resolved by
    /// [`getaddrinfo`](LoopHandle::getaddrinfo).
    ///
    /// # Errors
    /// `InvalidInput` for an address that differs from the endpoint's remote address, as in asyncio; for no
    /// address where the endpoint has none; for an address of another family than the socket's.
    pub fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let to = self.0.addresses.destination(to)?;
        if self.0.core.refuses_write("socket.send() raised exception.") {
            return Ok(());
        }
        if self.0.queue.borrow().datagrams.is_empty() {
            match self.0.send(data, to.as_ref()) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                Some(Err(error)) => {
                    self.0.record_error(error);
                    return Ok(());
                }
                _ => return Ok(()),
            }
            self.0.wait_writable(to.as_ref());
        }
        self.0.queue.borrow_mut().push(data, to);
        self.0.check_limits();
        Ok(())
    }

    /// Sends queued datagrams, then closes the endpoint. No more are received. No effect when called again.
    pub fn close(&self) {
        self.0.close();
    }

    /// Suspends delivery until [`resume_reading`](Self::resume_reading). The system queues datagrams as far as
    /// the receive buffer allows, and drops the rest.
    pub fn pause_reading(&self) {
        self.0.update(|state| state.is_paused = true);
    }

    /// Resumes delivery.
    pub fn resume_reading(&self) {
        self.0.update(|state| state.is_paused = false);
        self.0.enqueue();
    }

    /// Whether datagrams are delivered: reading is not paused, and the endpoint is not closing.
    pub fn is_reading(&self) -> bool {
        self.0.core.is_open() && !self.0.state.get().is_paused
    }

    /// The size of the queue in bytes; each datagram counts 8 bytes more than it has.
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
    ///     transport.send_to(b"into a queue that is never read ", None)?;
    /// }
    /// assert_eq!(transport.write_buffer_size(), 32 + 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_buffer_size(&self) -> usize {
        self.0.queue.borrow().size
    }

    /// The local address, also after the end; `None` for a Unix socket without a name.
    pub fn local_addr(&self) -> Option<&Address> {
        self.0.addresses.local.as_ref()
    }

    /// The destination of datagrams without an address, also after the end.
    pub fn remote_addr(&self) -> Option<&Address> {
        self.0.addresses.remote.as_ref()
    }
}

impl EndpointAddresses {
    fn of(socket: &Socket, remote: Option<Address>) -> io::Result<Self> {
        let (local, peer) = (socket.local_addr()?, socket.peer_addr().ok());
        let is_connected = peer.is_some();
        let remote = peer.as_ref().and_then(Address::named).or(remote);
        Ok(Self { domain: local.domain(), local: Address::named(&local), remote, is_connected })
    }

    /// The address for sendto(2); `None` on a connected socket.
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
        self.size += data.len() + HEADER_SIZE;
        self.datagrams.push_back((data.into(), to));
    }

    fn pop(&mut self) {
        if let Some((data, _)) = self.datagrams.pop_front() {
            self.size -= data.len() + HEADER_SIZE;
        }
    }
}

impl Inner {
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.get();
        change(&mut state);
        self.state.set(state);
    }

    /// Sends one datagram; `None` once the socket is closed.
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

    /// Sends queued datagrams, in order, until the send buffer is full.
    fn flush(self: &Rc<Self>) {
        let mut queue = self.queue.borrow_mut();
        while let Some((data, to)) = queue.datagrams.front() {
            match self.send(data, to.as_ref()) {
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_writable(to.as_ref());
                }
                // A lost datagram does not concern the next one.
                Some(Err(error)) => self.record_error(error),
                Some(Ok(_)) | None => {}
            }
            queue.pop();
        }
    }

    /// Waits for the poller, or for a timer where the poller does not report.
    fn wait_writable(self: &Rc<Self>, to: Option<&SockAddr>) {
        self.update(|state| state.is_writable = false);
        if self.addresses.domain == Domain::UNIX && to.is_some() {
            let transport = Rc::downgrade(self);
            self.core.event_loop.call_later(RETRY_DELAY, move || {
                if let Some(transport) = transport.upgrade() {
                    transport.update(|state| state.is_writable = true);
                    transport.enqueue();
                }
            });
        }
    }

    fn record_error(self: &Rc<Self>, error: io::Error) {
        self.errors.borrow_mut().push_back(error);
        self.enqueue();
    }

    fn receive(self: &Rc<Self>) {
        let scratch = self.core.event_loop.local::<ScratchBuffer>();
        // Never borrowed twice: the protocol is called from here only, and loops do not nest.
        let mut buffer = scratch.0.borrow_mut();
        let transport = DatagramTransport(Rc::clone(self));
        for _ in 0..READ_BUDGET {
            if !transport.is_reading() {
                return;
            }
            let received = self
                .socket
                .with(|socket| rustix::net::recvfrom(socket, &mut buffer[..], RecvFlags::empty()));
            match received {
                Some(Ok((count, _, from))) => {
                    let (data, from) = (&buffer[..count], from.and_then(Address::of_peer));
                    self.notify("datagram_received", |protocol| {
                        protocol.datagram_received(&transport, data, from.as_ref());
                    });
                }
                Some(Err(Errno::INTR)) => {}
                Some(Err(Errno::AGAIN)) | None => {
                    return self.update(|state| state.is_readable = false);
                }
                Some(Err(error)) => self.notify("error_received", |protocol| {
                    protocol.error_received(&transport, error.into());
                }),
            }
        }
        // The poller will not report the rest again.
        self.enqueue();
    }

    fn deliver_errors(self: &Rc<Self>) {
        let transport = DatagramTransport(Rc::clone(self));
        // Counted first: errors that the protocol causes here are delivered in the next turn.
        let count = self.errors.borrow().len();
        for _ in 0..count {
            let next = self.errors.borrow_mut().pop_front();
            let Some(error) = next else { return };
            self.notify("error_received", |protocol| protocol.error_received(&transport, error));
        }
    }
}

impl WriteTransport for Inner {
    fn watermarks(&self) -> &Cell<Watermarks> {
        &self.watermarks
    }

    fn queued(&self) -> usize {
        self.queue.borrow().size
    }

    fn flow_call(self: &Rc<Self>, protocol: &mut Self::Protocol, call: FlowCall) {
        let transport = DatagramTransport(Rc::clone(self));
        match call {
            FlowCall::Pause => protocol.pause_writing(&transport),
            FlowCall::Resume => protocol.resume_writing(&transport),
        }
    }
}

impl BaseTransport for Inner {
    type Protocol = dyn DatagramProtocol;

    fn core(&self) -> &TransportCore<Self::Protocol> {
        &self.core
    }

    fn record_readiness(&self, readiness: Readiness) {
        self.update(|state| {
            state.is_readable |= readiness.readable;
            state.is_writable |= readiness.writable;
        });
    }

    fn process(self: &Rc<Self>) {
        if self.state.get().is_writable && self.core.close_state() < CloseState::Aborted {
            self.flush();
        }
        self.deliver_errors();
        if self.state.get().is_readable {
            self.receive();
        }
        self.deliver_flow_calls();
        self.end_if_sent();
    }

    fn close_descriptors(&self) {
        self.socket.close();
        self.queue.take();
    }

    fn identity(&self) -> String {
        match (&self.addresses.remote, &self.addresses.local) {
            (Some(peer), _) => format!("peer={peer}"),
            (None, Some(local)) => format!("local={local}"),
            (None, None) => "of a datagram endpoint".to_owned(),
        }
    }

    fn describe(&self) -> String {
        let size = self.queue.borrow().size;
        format!("<DatagramTransport {} bufsize={size}>", self.core.close_state().name())
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}
