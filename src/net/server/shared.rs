//! The state that a server's handle, its listeners and its clients share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use socket2::Socket;

use super::accept::{Accepted, ConnectionSink, Listener, RETRY_DELAY};
use super::bound::BoundSocket;
use super::error::{BindError, ServerError};
use crate::BoxError;
use crate::event_loop::{ErrorContext, LoopHandle, PanicError, catch};
#[cfg(feature = "tls")]
use crate::net::TlsServer;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{Address, Phase, Protocol, Transport};

pub(super) struct SharedServer {
    this: Weak<Self>,
    pub(super) event_loop: LoopHandle,
    state: Cell<ServerState>,
    /// Empty once the server is closed.
    listeners: RefCell<Vec<Rc<Listener>>>,
    clients: RefCell<Slab<Transport>>,
    limit: Option<NonZero<usize>>,
    /// Dropped when the server is closed, because the caller's factory may own resources.
    handler: RefCell<Option<ConnectionHandler>>,
    waiters: RefCell<Vec<Waker>>,
    last_shortage: Cell<Option<Instant>>,
    is_paused: Cell<bool>,
}

/// Lifecycle of a server. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerState {
    /// Sockets are bound and refuse connections.
    BoundSocket,
    /// Sockets listen, and connections are accepted.
    Serving,
    /// Sockets are closed; clients may remain.
    Closed,
}

/// Attaches a protocol to an accepted connection.
pub(super) type ConnectionHandler = Box<dyn FnMut(&SharedServer, Accepted)>;

pub(super) fn connection_handler<P: Protocol>(
    mut factory: impl FnMut() -> P + 'static,
    security: Security,
) -> ConnectionHandler {
    Box::new(move |server, accepted| server.attach(accepted, &security, &mut factory))
}

/// Layer between the sockets of clients and their protocols.
#[derive(Clone, Default)]
pub(super) enum Security {
    #[default]
    None,
    #[cfg(feature = "tls")]
    Tls(TlsServer),
}

impl Security {
    fn attach(
        &self,
        event_loop: &LoopHandle,
        socket: Socket,
        addresses: AddressPair,
        protocol: ProtocolRef,
        admit: impl FnOnce(&Transport),
    ) -> io::Result<Transport> {
        match self {
            Self::None => Transport::attach(event_loop, socket, addresses, protocol, admit),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Transport::attach_with_tls(
                event_loop,
                socket,
                addresses,
                Some(protocol),
                tls.new_session()?,
                admit,
            ),
        }
    }
}

impl SharedServer {
    pub(super) fn new(
        event_loop: &LoopHandle,
        bound: Vec<BoundSocket>,
        backlog: u32,
        limit: Option<NonZero<usize>>,
        handler: ConnectionHandler,
    ) -> Rc<Self> {
        let server = Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            event_loop: event_loop.clone(),
            state: Cell::new(ServerState::BoundSocket),
            listeners: RefCell::default(),
            clients: RefCell::default(),
            limit,
            handler: RefCell::new(Some(handler)),
            waiters: RefCell::default(),
            last_shortage: Cell::default(),
            is_paused: Cell::default(),
        });
        let listener =
            |bound| Listener::new(Rc::clone(&server) as Rc<dyn ConnectionSink>, bound, backlog);
        server.listeners.replace(bound.into_iter().map(listener).collect());
        server
    }

    pub(super) fn state(&self) -> ServerState {
        self.state.get()
    }

    pub(super) fn listeners(&self) -> Vec<Rc<Listener>> {
        self.listeners.borrow().clone()
    }

    pub(super) fn clients(&self) -> Vec<Transport> {
        self.clients.borrow().iter().map(|(_, client)| client.clone()).collect()
    }

    pub(super) fn client_count(&self) -> usize {
        self.clients.borrow().len()
    }

    /// Listens on every socket. An error closes the server, so that it never serves only some of its addresses.
    pub(super) fn start(self: &Rc<Self>) -> Result<(), ServerError> {
        match self.state() {
            ServerState::Closed => return Err(ServerError::Closed),
            ServerState::Serving => return Ok(()),
            ServerState::BoundSocket => {}
        }
        let listeners = self.listeners();
        let started = listeners.iter().try_for_each(|listener| {
            listener.start().map_err(BindError::at(Phase::Listen, &listener.address))
        });
        match started {
            Ok(()) => self.state.set(ServerState::Serving),
            Err(_) => self.close(),
        }
        Ok(started?)
    }

    /// Stops accepting, or goes on.
    pub(super) fn set_paused(&self, is_paused: bool) {
        if self.is_paused.replace(is_paused) && !is_paused && self.state() == ServerState::Serving {
            self.listeners().iter().for_each(Listener::enqueue);
        }
    }

    /// Closes the listeners. Clients stay connected.
    pub(super) fn close(&self) {
        if self.state.replace(ServerState::Closed) == ServerState::Closed {
            return;
        }
        let listeners = self.listeners.take();
        listeners.iter().for_each(|listener| listener.close());
        self.drop_handler();
        self.wake();
    }

    /// Drops the handler. While it is being called, [`accepted`](ConnectionSink::accepted) drops it afterwards.
    fn drop_handler(&self) {
        let handler = self.handler.try_borrow_mut().ok().and_then(|mut handler| handler.take());
        drop(handler);
    }

    fn attach<P: Protocol>(
        &self,
        accepted: Accepted,
        security: &Security,
        factory: &mut impl FnMut() -> P,
    ) {
        let Accepted { socket, peer } = accepted;
        let peer_address = peer.clone();
        let report = |error: BoxError| {
            let message = "Error on transport creation for incoming connection";
            let peer = peer_address.as_ref().map_or_else(|| "unix".to_owned(), Address::to_string);
            let context = ErrorContext::new(message).error(error);
            self.event_loop.call_exception_handler(context.with("peer", peer));
        };
        let protocol = match catch(factory) {
            Ok(protocol) => protocol,
            Err(payload) => return report(PanicError::from(payload).into()),
        };
        let admit = |client: &Transport| self.add_client(client);
        let addresses = AddressPair::of_accepted(&socket, peer);
        let (_, protocol) = ProtocolRef::plain(protocol);
        let attached = security.attach(&self.event_loop, socket, addresses, protocol, admit);
        if let Err(error) = attached {
            report(error.into());
        }
    }

    /// Adds a client. It keeps the server alive until `connection_lost`.
    fn add_client(&self, client: &Transport) {
        let key = self.clients.borrow_mut().insert(client.clone());
        if let Some(server) = self.this.upgrade() {
            client.on_lost(move || server.remove_client(key));
        }
    }

    fn remove_client(&self, key: usize) {
        let was_full = self.is_full();
        let client = self.clients.borrow_mut().remove(key);
        drop(client);
        if was_full {
            self.listeners().iter().for_each(Listener::enqueue);
        }
        if self.client_count() == 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        self.waiters.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `condition` holds. It is checked again after a close and after the end of the last client.
    pub(super) async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if condition(self) {
                return Poll::Ready(());
            }
            let mut waiters = self.waiters.borrow_mut();
            if !waiters.iter().any(|known| known.will_wake(cx.waker())) {
                waiters.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

impl ConnectionSink for SharedServer {
    fn event_loop(&self) -> &LoopHandle {
        &self.event_loop
    }

    fn is_full(&self) -> bool {
        self.is_paused.get() || self.limit.is_some_and(|limit| self.client_count() >= limit.get())
    }

    /// Attaches a protocol in the step that accepted the connection, so that the server cannot be closed in
    /// between.
    fn accepted(&self, accepted: Accepted) {
        if let Some(handler) = &mut *self.handler.borrow_mut() {
            handler(self, accepted);
        }
        if self.state() == ServerState::Closed {
            self.drop_handler();
        }
    }

    /// All listeners run out of descriptors at the same time, which is one report per pause.
    fn should_report_shortage(&self) -> bool {
        let now = self.event_loop.time();
        let last = self.last_shortage.get();
        let is_due = last.is_none_or(|last| now.duration_since(last) >= RETRY_DELAY);
        if is_due {
            self.last_shortage.set(Some(now));
        }
        is_due
    }

    fn listener_closed(&self) {
        self.close();
    }
}
