//! What a server, its listeners and its clients share.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Instant;

use slab::Slab;
use socket2::Socket;

use super::accept::{Listener, RETRY_DELAY};
use super::bind::Bound;
use super::error::{BindError, ServerError};
use crate::BoxError;
use crate::event_loop::{ErrorContext, LoopHandle, PanicError, catch};
#[cfg(feature = "tls")]
use crate::net::TlsServer;
use crate::net::protocol::ProtocolRef;
use crate::net::socket::address_pair::AddressPair;
use crate::net::{Address, Phase, Protocol, Transport};

pub(super) struct Hub {
    pub(super) event_loop: LoopHandle,
    stage: Cell<Stage>,
    /// None once the server is closed.
    listeners: RefCell<Vec<Rc<Listener>>>,
    clients: RefCell<Slab<Transport>>,
    limit: Option<NonZero<usize>>,
    /// Gone once the server is closed, and with it what the caller's factory holds.
    welcome: RefCell<Option<Welcome>>,
    waiting: RefCell<Vec<Waker>>,
    last_shortage: Cell<Option<Instant>>,
}

/// How far a server has got. It never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has its addresses and refuses connections.
    Bound,
    /// It listens and accepts.
    Serving,
    /// It has no sockets any more; it may have clients.
    Closed,
}

/// Puts a protocol on an accepted connection.
pub(super) type Welcome = Box<dyn FnMut(&Rc<Hub>, Accepted)>;

/// A connection fresh from the kernel.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    /// `None` where the client of a Unix socket has no name.
    pub(super) peer: Option<Address>,
}

pub(super) fn welcome<P: Protocol>(
    mut factory: impl FnMut() -> P + 'static,
    security: Security,
) -> Welcome {
    Box::new(move |hub, accepted| hub.attach(accepted, &security, &mut factory))
}

/// What is put between a client and its protocol.
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
        names: AddressPair,
        receiver: ProtocolRef,
        admit: impl FnOnce(&Transport),
    ) -> io::Result<Transport> {
        match self {
            Self::None => Transport::attach(event_loop, socket, names, receiver, admit),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Transport::attach_with_tls(
                event_loop,
                socket,
                names,
                Some(receiver),
                tls.new_session()?,
                admit,
            ),
        }
    }
}

impl Hub {
    pub(super) fn new(
        event_loop: &LoopHandle,
        bound: Vec<Bound>,
        backlog: u32,
        limit: Option<NonZero<usize>>,
        welcome: Welcome,
    ) -> Rc<Self> {
        let hub = Rc::new(Self {
            event_loop: event_loop.clone(),
            stage: Cell::new(Stage::Bound),
            listeners: RefCell::default(),
            clients: RefCell::default(),
            limit,
            welcome: RefCell::new(Some(welcome)),
            waiting: RefCell::default(),
            last_shortage: Cell::default(),
        });
        let listeners = bound.into_iter().map(|bound| Listener::new(&hub, bound, backlog));
        hub.listeners.replace(listeners.collect());
        hub
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.get()
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

    /// Whether no further client is wanted now.
    pub(super) fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.client_count() >= limit.get())
    }

    /// Listens on every socket, then accepts. A failure closes the server: half of its addresses would be
    /// worse than none.
    pub(super) fn start(self: &Rc<Self>) -> Result<(), ServerError> {
        match self.stage.get() {
            Stage::Closed => return Err(ServerError::Closed),
            Stage::Serving => return Ok(()),
            Stage::Bound => {}
        }
        let listeners = self.listeners();
        let started = listeners.iter().try_for_each(|listener| {
            listener.start().map_err(BindError::at(Phase::Listen, &listener.address))
        });
        match started {
            Ok(()) => self.stage.set(Stage::Serving),
            Err(_) => self.close(),
        }
        Ok(started?)
    }

    /// Closes the listeners; clients are left alone.
    pub(super) fn close(&self) {
        if self.stage.replace(Stage::Closed) == Stage::Closed {
            return;
        }
        let listeners = self.listeners.take();
        listeners.iter().for_each(|listener| listener.shut());
        self.forget_factory();
        self.wake();
    }

    /// While the factory itself is being called, it is left to the caller to forget it afterwards.
    fn forget_factory(&self) {
        let gone = self.welcome.try_borrow_mut().ok().and_then(|mut welcome| welcome.take());
        drop(gone);
    }

    /// A connection joins in the step that accepted it, so there is no moment between the two in which the
    /// server could be closed.
    pub(super) fn receive(self: &Rc<Self>, accepted: Accepted) {
        if let Some(welcome) = &mut *self.welcome.borrow_mut() {
            welcome(self, accepted);
        }
        if self.stage() == Stage::Closed {
            self.forget_factory();
        }
    }

    fn attach<P: Protocol>(
        self: &Rc<Self>,
        accepted: Accepted,
        security: &Security,
        factory: &mut impl FnMut() -> P,
    ) {
        let Accepted { socket, peer } = accepted;
        let known = peer.clone();
        let report = |error: BoxError| {
            let message = "Error on transport creation for incoming connection";
            let peer = known.as_ref().map_or_else(|| "unix".to_owned(), Address::to_string);
            let context = ErrorContext::new(message).error(error);
            self.event_loop.call_exception_handler(context.with("peer", peer));
        };
        let protocol = match catch(factory) {
            Ok(protocol) => protocol,
            Err(payload) => return report(PanicError::from(payload).into()),
        };
        let admit = |client: &Transport| self.admit(client);
        let names = AddressPair::of_accepted(&socket, peer);
        let (_, receiver) = ProtocolRef::plain(protocol);
        let attached = security.attach(&self.event_loop, socket, names, receiver, admit);
        if let Err(error) = attached {
            report(error.into());
        }
    }

    fn admit(self: &Rc<Self>, client: &Transport) {
        let key = self.clients.borrow_mut().insert(client.clone());
        let hub = Rc::clone(self);
        client.on_lost(move || hub.dismiss(key));
    }

    fn dismiss(&self, key: usize) {
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

    /// Every listener runs out of the same resource at the same time; that is one report.
    pub(super) fn is_news(&self) -> bool {
        let now = self.event_loop.time();
        let last = self.last_shortage.get();
        let is_news = last.is_none_or(|last| now.duration_since(last) >= RETRY_DELAY);
        if is_news {
            self.last_shortage.set(Some(now));
        }
        is_news
    }

    fn wake(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// Waits until `is_so`, which a close or the end of the last client may bring about.
    pub(super) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        poll_fn(|cx| {
            if is_so(self) {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
