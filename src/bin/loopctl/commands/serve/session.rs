//! One run of the server: who is there, how far it has come, what is known so far.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::task::{Poll, Waker};

use fastrand::Rng;
use loopctl::LoopHandle;

use super::client::Client;
use super::fault::Plan;
use super::http::Root;
use super::listen::Listening;
use super::sink::Store;
use super::tls::Tls;
use crate::config::{ServeRequest, Service};
use crate::output::serve::Teller;
use crate::report::served::{Datagram, Ended, Totals};
use crate::util::output_queue::Spool;

/// What all clients and the server itself share.
pub(super) struct Session {
    pub(super) event_loop: LoopHandle,
    pub(super) request: ServeRequest,
    pub(super) opened: Opened,
    pub(super) teller: RefCell<Teller>,
    clients: RefCell<BTreeMap<u64, Rc<Client>>>,
    totals: RefCell<Totals>,
    rng: RefCell<Rng>,
    course: Course,
}

/// What was opened before the first client could come.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) listening: RefCell<Listening>,
    pub(super) store: OnceCell<Store>,
    /// The files of `--mode http`.
    pub(super) root: OnceCell<Root>,
    pub(super) tls: OnceCell<Tls>,
}

/// How far it has come.
#[derive(Default)]
struct Course {
    stage: Cell<Stage>,
    wish: Cell<Option<Wish>>,
    waiting: Cell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Serving,
    /// Nobody new is accepted; those who are there may finish what they are at.
    Closing,
    /// Their time is up.
    CutOff,
}

/// Why it is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// As many clients as were asked for have been served.
    Done,
    TimeUp,
    Signal(i32),
    /// What it has to say cannot be written any more.
    CannotWrite,
}

impl Session {
    pub(super) fn new(event_loop: &LoopHandle, request: ServeRequest, teller: Teller) -> Rc<Self> {
        let rng = RefCell::new(Rng::with_seed(request.faults.seed));
        Rc::new(Self {
            event_loop: event_loop.clone(),
            request,
            opened: Opened::default(),
            teller: RefCell::new(teller),
            clients: RefCell::default(),
            totals: RefCell::default(),
            rng,
            course: Course::default(),
        })
    }

    /// The faults of the next client.
    pub(super) fn draw(&self) -> Option<Box<Plan>> {
        let rng = self.rng.borrow_mut().fork();
        Plan::draw(&self.request.faults, self.request.limits.rate, rng)
    }

    /// Where `--mode sink` puts what it receives, if anywhere.
    pub(super) fn store(&self) -> Option<&Store> {
        self.opened.store.get()
    }

    pub(super) fn is_blackhole(&self) -> bool {
        self.request.service == Service::Blackhole
    }

    pub(super) fn allows(&self, peer: Option<SocketAddr>) -> bool {
        let allowed = &self.request.limits.allow;
        // Who reaches a Unix socket is for its permissions to say.
        let Some(peer) = peer.filter(|_| !allowed.is_empty()) else { return true };
        let ip = peer.ip().to_canonical();
        allowed.iter().any(|network| network.contains(&ip))
    }

    /// Whether what clients send is to be kept.
    pub(super) fn is_sink(&self) -> bool {
        matches!(self.request.service, Service::Sink(_))
    }

    /// Counts a client in, and stops accepting if it is the last one.
    pub(super) fn accept(&self, client: &Rc<Client>) -> u64 {
        let number = self.count(client.peer());
        self.clients.borrow_mut().insert(number, Rc::clone(client));
        self.teller.borrow_mut().accepted(client.peer());
        if self.has_enough() {
            self.opened.listening.borrow_mut().close();
        }
        number
    }

    /// Counts a datagram in; `false` if it is one too many.
    pub(super) fn count_datagram(&self, from: Option<SocketAddr>) -> bool {
        let is_wanted = !self.has_enough();
        if is_wanted {
            self.count(from);
        }
        is_wanted
    }

    /// Those who are not allowed are none of those who were asked for.
    fn count(&self, peer: Option<SocketAddr>) -> u64 {
        let mut totals = self.totals.borrow_mut();
        totals.accepted += 1;
        totals.refused += u64::from(!self.allows(peer));
        totals.accepted
    }

    /// A datagram's record.
    pub(super) fn end_datagram(&self, datagram: &Datagram) {
        self.totals.borrow_mut().count_datagram(datagram);
        self.tell(|teller| teller.datagram(datagram));
        self.wake();
    }

    pub(super) fn random(&self, range: RangeInclusive<usize>) -> usize {
        self.rng.borrow_mut().usize(range)
    }

    /// A client's record.
    pub(super) fn end(&self, number: u64, ended: &Ended) {
        self.clients.borrow_mut().remove(&number);
        self.totals.borrow_mut().count(ended);
        self.tell(|teller| teller.ended(ended));
        self.wake();
    }

    /// What is on its way to whoever reads it.
    pub(super) fn spools(&self) -> Vec<Spool> {
        let told = self.teller.borrow().spool();
        let shared = self.store().and_then(Store::shared);
        told.into_iter().chain(shared.and_then(|parcel| parcel.spool.clone())).collect()
    }

    /// Waits until there is room for more to tell.
    pub(super) async fn room(&self) {
        for spool in self.spools() {
            spool.room().await;
        }
    }

    /// Tells something, and ends the run where nobody can hear it.
    pub(super) fn tell(&self, tell: impl FnOnce(&mut Teller)) {
        let mut teller = self.teller.borrow_mut();
        tell(&mut teller);
        if teller.has_failed() {
            drop(teller);
            self.wish(Wish::CannotWrite);
        }
    }

    /// What is known so far, those who are connected included.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = self.totals.borrow().clone();
        for client in self.clients.borrow().values() {
            totals.bytes.add(client.bytes());
        }
        totals
    }

    pub(super) fn has_enough(&self) -> bool {
        let totals = self.totals.borrow();
        let wanted = totals.accepted - totals.refused;
        self.request.limits.count.is_some_and(|count| wanted >= count.get() as u64)
    }

    /// Whether all who were asked for have come and gone.
    fn is_done(&self) -> bool {
        let open = self.totals.borrow().open();
        self.has_enough() && open == 0
    }

    fn is_empty(&self) -> bool {
        self.clients.borrow().is_empty()
    }
}

/// Its course.
impl Session {
    pub(super) fn stage(&self) -> Stage {
        self.course.stage.get()
    }

    /// The next stage; every client hears of it.
    pub(super) fn advance(&self, stage: Stage) {
        self.course.stage.set(stage);
        self.clients.borrow().values().for_each(|client| client.wake());
    }

    /// Asks for the end.
    pub(super) fn wish(&self, wish: Wish) {
        self.course.wish.set(Some(wish));
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.course.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until somebody asks for the end, or the last of the clients that were asked for is gone.
    pub(super) async fn until_wish(&self) -> Wish {
        self.until(|| self.course.wish.take().or_else(|| self.is_done().then_some(Wish::Done)))
            .await
    }

    /// Waits until every client is gone, or somebody asks for the end again.
    pub(super) async fn until_empty(&self) -> Option<Wish> {
        let is_empty = || self.is_empty().then_some(None);
        self.until(|| self.course.wish.take().map(Some).or_else(is_empty)).await
    }

    async fn until<T>(&self, look: impl Fn() -> Option<T>) -> T {
        poll_fn(|cx| match look() {
            Some(value) => Poll::Ready(value),
            None => {
                self.course.waiting.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}
