//! One client, from its acceptance to the record of its end.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use loopctl::{Keepalive, LoopHandle, StreamReader, StreamWriter, TlsInfo, Transport};

use super::conn::{Input, Output};
use super::fault::{Plan, Spent, Turn};
use super::modes;
use super::session::{Session, Stage};
use super::sink::Store;
use crate::config::fault::Fault;
use crate::report::served::{Bytes, End, Ended, Halt, Names, Security, Trouble};
use crate::util::rate_limiter::RateLimiter;
use crate::util::select::first;

/// How long a client that has been told all may take to leave. Closing at once would reset a connection on
/// which something is still coming in, and what was sent could be lost.
const LINGER: Duration = Duration::from_secs(2);

/// A client that has been quiet for so long when the server ends has nothing under way.
const PAUSE: Duration = Duration::from_millis(250);

/// How often a client is looked for that nobody reads from or writes to.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What everybody who is concerned with a client shares.
pub(super) struct Client {
    pub(super) event_loop: LoopHandle,
    pub(super) transport: Transport,
    pub(super) session: Rc<Session>,
    plan: Option<Box<Plan>>,
    began: Instant,
    traffic: Cell<Traffic>,
    /// What was agreed on; a connection that is over does not tell any more.
    tls: Cell<Option<Box<TlsInfo>>>,
    /// Its task, which has to hear when the server ends.
    waiting: RefCell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy)]
struct Traffic {
    received: u64,
    written: u64,
    /// Of what was written, what the system has not taken.
    unsent: u64,
    /// Our side of the connection is closed.
    is_shut: bool,
    moved: Instant,
    /// When it was no longer ignored, and the handshake was over.
    opened: Instant,
}

pub(super) type Last = (End, Option<Trouble>);

impl Session {
    /// A client has come. What is not in the future runs in the step that accepted it.
    pub(super) fn attend(
        self: &Rc<Self>,
        reader: StreamReader,
        writer: StreamWriter,
    ) -> impl Future<Output = ()> + use<> {
        let began = self.event_loop.time();
        let nothing = Traffic {
            received: 0,
            written: 0,
            unsent: 0,
            is_shut: false,
            moved: began,
            opened: began,
        };
        let client = Rc::new(Client {
            event_loop: self.event_loop.clone(),
            transport: reader.transport().clone(),
            session: Rc::clone(self),
            plan: self.draw(),
            began,
            traffic: Cell::new(nothing),
            tls: Cell::default(),
            waiting: RefCell::default(),
        });
        if self.is_blackhole() || client.accept_delay().is_some() {
            client.transport.pause_reading();
        }
        let number = self.accept(&client);
        async move {
            let ended = client.serve(reader, writer).await;
            client.session.end(number, &ended);
            client.session.room().await;
        }
    }
}

/// Its life.
impl Client {
    async fn serve(self: &Rc<Self>, reader: StreamReader, writer: StreamWriter) -> Ended {
        let mut input = Input::new(reader, self);
        let mut output = Output::new(writer, self);
        let life = pin!(async {
            let halt = self.converse(&mut input, &mut output).await;
            self.note_unsent();
            // Boxed: of many clients, few are at their end.
            Some(Box::pin(self.wind_up(halt, &mut input, &mut output)).await)
        });
        let last = first(life, pin!(self.cut_off())).await;
        // Where the output of all has failed, that is what has ended it, and not the clock.
        let store = self.session.store().filter(|store| last.is_none() && !store.is_folder());
        let trouble = store.and_then(Store::trouble);
        let aborted = last.is_none() && trouble.is_none();
        if last.is_none() {
            self.break_off(trouble.is_some());
            self.transport.wait_closed().await;
        }
        let end = if trouble.is_some() { End::Error } else { End::Shutdown };
        let (end, error) = last.unwrap_or((end, trouble));
        Ended {
            names: Names { peer: self.peer(), local: self.local() },
            tls: self.security(),
            bytes: self.bytes(),
            took: self.event_loop.time() - self.began,
            end,
            faults: self.plan.as_ref().map_or_else(Vec::new, |plan| plan.names()),
            error,
            aborted,
        }
    }

    async fn converse(self: &Rc<Self>, input: &mut Input, output: &mut Output) -> Halt {
        if !self.session.allows(self.peer()) {
            return Halt::limit("the client's network is not allowed");
        }
        let life = pin!(async {
            if let Err(halt) = self.open(input, output).await {
                return halt;
            }
            let talk = pin!(async {
                match modes::talk(self, input, output).await {
                    Ok(()) => Halt::End(End::Eof, None),
                    Err(halt) => halt,
                }
            });
            // What is to happen at once comes before anything is said.
            first(pin!(self.misfortune()), talk).await
        });
        first(life, pin!(self.idleness())).await
    }

    /// What comes before a mode has its say.
    async fn open(&self, input: &mut Input, output: &mut Output) -> Result<(), Halt> {
        if let Some(delay) = self.accept_delay() {
            self.event_loop.sleep(delay).await;
        }
        if let Some(tls) = self.session.opened.tls.get() {
            Box::pin(self.shake_hands(tls, input, output)).await?;
        }
        if self.accept_delay().is_some() {
            self.transport.resume_reading();
        }
        let now = self.event_loop.time();
        self.update(|traffic| (traffic.opened, traffic.moved) = (now, now));
        Ok(())
    }

    /// What follows the conversation, until the connection is closed.
    async fn wind_up(&self, halt: Halt, input: &mut Input, output: &mut Output) -> Last {
        let last = match halt {
            // To linger is to have said farewell.
            Halt::End(End::Eof, error) if !self.meets(Fault::TlsBareFin) => {
                self.linger(input, output).await;
                (End::Eof, error)
            }
            Halt::End(end, error) => (end, error),
            Halt::Stall => match first(pin!(self.stall(input)), pin!(self.idleness())).await {
                Halt::End(end, error) => (end, error),
                Halt::Stall | Halt::Reset => (End::Fault, None),
            },
            Halt::Reset => {
                self.all_sent().await;
                self.break_off(true);
                (End::Fault, None)
            }
        };
        if last.0 == End::Idle {
            // Where nothing waits to be sent, TLS has its farewell.
            output.finish();
            self.break_off(false);
        }
        if self.meets(Fault::TlsBareFin) && last.0.is_orderly() {
            return first(pin!(self.end_bare(output)), pin!(self.give_up())).await;
        }
        self.transport.close();
        first(pin!(self.flush(last, output)), pin!(self.give_up())).await
    }

    /// Says that no more comes, and gives the client time to hear it.
    pub(super) async fn linger(&self, input: &mut Input, output: &mut Output) {
        output.finish();
        // However it goes, all has been said.
        let _ = self.event_loop.timeout(LINGER, input.skip()).await;
    }

    /// The client is sent what is left. Only then can a conversation that ended well be called so.
    async fn flush(&self, last: Last, output: &Output) -> Last {
        match (output.closed().await, &last) {
            // Broken off: what was not sent by then is lost.
            (Ok(()), (End::Idle, _)) => last,
            (Ok(()), _) => {
                self.update(|traffic| traffic.unsent = 0);
                last
            }
            (Err(error), (End::Eof, None)) => match Halt::from(error) {
                // All had been said when the client left without a farewell.
                Halt::End(End::Truncated, _) | Halt::Stall | Halt::Reset => last,
                Halt::End(end, error) => (end, error),
            },
            (Err(_), _) => last,
        }
    }

    /// A client that is sent what is left, and takes nothing of it for too long.
    async fn give_up(&self) -> Last {
        self.idleness().await;
        self.note_unsent();
        self.break_off(false);
        (End::Idle, None)
    }

    /// Nothing moves, until the client leaves.
    async fn stall(&self, input: &mut Input) -> Halt {
        let gone = async {
            match self.only_receives() {
                true => self.gone().await,
                // What it sends is of no interest, except that it is the way to notice its end.
                false => match input.skip().await {
                    Ok(()) => self.gone().await,
                    Err(halt) => halt,
                },
            }
        };
        match first(pin!(gone), pin!(self.misfortune())).await {
            Halt::End(End::Shutdown, error) => Halt::End(End::Shutdown, error),
            _ => Halt::End(End::Fault, None),
        }
    }

    /// Waits until the client has broken off a connection that nobody reads from or writes to. One that has
    /// closed it looks like one that waits for an answer, until its kernel has forgotten the connection (a
    /// minute on Linux) and says so when it is asked.
    pub(super) async fn gone(&self) -> Halt {
        let often = Keepalive { idle: LOOK_AGAIN, interval: LOOK_AGAIN, count: 3 };
        // Unix sockets have none; nor do they need it.
        let _ = self.transport.socket().set_keepalive(often);
        let looks = async {
            while self.transport.socket().tcp_info().is_none_or(|info| info.established) {
                self.event_loop.sleep(LOOK_AGAIN).await;
            }
        };
        match self.unless_closing(looks).await {
            Ok(()) => Halt::End(End::Reset, None),
            Err(halt) => halt,
        }
    }

    /// The faults that have their time, which begins when the client is no longer ignored and the handshake is
    /// over.
    async fn misfortune(&self) -> Halt {
        let turns = self.plan.as_ref().map_or(&[][..], |plan| &plan.turns[..]);
        let began = self.traffic.get().opened;
        for (after, turn) in turns {
            let left = (began + *after).saturating_duration_since(self.event_loop.time());
            if left > Duration::ZERO {
                self.event_loop.sleep(left).await;
            }
            match turn {
                Turn::Close => return Halt::End(End::Fault, None),
                Turn::Reset => return Halt::Reset,
                Turn::HalfClose => {
                    self.update(|traffic| traffic.is_shut = true);
                    self.transport.write_eof();
                }
            }
        }
        pending().await
    }

    /// Ends when nothing has moved for the idle timeout, if there is one.
    async fn idleness(&self) -> Halt {
        let Some(limit) = self.session.request.limits.idle else { return pending().await };
        loop {
            let (moved, unsent) = (self.traffic.get().moved, self.transport.write_buffer_size());
            self.event_loop.sleep(limit.saturating_sub(self.event_loop.time() - moved)).await;
            if self.transport.write_buffer_size() != unsent {
                self.update(|traffic| traffic.moved = self.event_loop.time());
            } else if self.traffic.get().moved == moved {
                return Halt::End(End::Idle, None);
            }
        }
    }

    /// The kernel has sent all, and the client has it; or there is nobody to take it.
    async fn all_sent(&self) {
        const LONGEST: Duration = Duration::from_secs(1);
        let sent = async {
            let is_on_its_way = || self.transport.socket().is_acknowledged() == Some(false);
            while self.transport.write_buffer_size() > 0 || is_on_its_way() {
                // The kernel says so only when it is asked.
                self.event_loop.sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = self.event_loop.timeout(LONGEST, sent).await;
    }

    /// Ends the connection with what is queued lost; with a reset if that is wanted, or the client would take
    /// a part for the whole.
    pub(super) fn break_off(&self, with_reset: bool) {
        self.note_unsent();
        if with_reset || self.transport.write_buffer_size() > 0 {
            // A Unix socket knows no reset, and ends like this, too.
            let _ = self.transport.socket().set_linger(Some(Duration::ZERO));
        }
        self.transport.abort();
    }
}

/// The server's end.
impl Client {
    /// Gives up what waits for the client when the server is about to end.
    pub(super) async fn unless_closing<T>(
        &self,
        future: impl Future<Output = T>,
    ) -> Result<T, Halt> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.session.stage() != Stage::Serving => {
                Poll::Ready(Err(Halt::End(End::Shutdown, None)))
            }
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// Ends when the server is about to, and nothing is under way: the client has been quiet for a while. One
    /// that sends something to be kept has all the time that there is.
    pub(super) async fn dismissed(&self) -> Halt {
        self.until_closing().await;
        loop {
            let traffic = self.traffic.get();
            if self.session.is_sink() && traffic.received > 0 {
                return pending().await;
            }
            let quiet = self.event_loop.time().saturating_duration_since(traffic.moved);
            if quiet >= PAUSE {
                return Halt::End(End::Shutdown, None);
            }
            self.event_loop.sleep(PAUSE - quiet).await;
        }
    }

    async fn until_closing(&self) {
        poll_fn(|_| match self.session.stage() {
            // Its task is woken when that changes.
            Stage::Serving => Poll::Pending,
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// Ends when the time that the server gives its clients is up.
    async fn cut_off(&self) -> Option<Last> {
        poll_fn(|cx| {
            if self.session.stage() == Stage::CutOff {
                return Poll::Ready(None);
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waiting = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Has its task look at the server's stage.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.waiting.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// What was drawn for it.
impl Client {
    pub(super) fn accept_delay(&self) -> Option<Duration> {
        self.plan.as_ref()?.accept_delay
    }

    /// Whether nothing was drawn.
    pub(super) fn is_spared(&self) -> bool {
        self.plan.is_none()
    }

    pub(super) fn meets(&self, fault: Fault) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.drawn.contains(&fault))
    }

    pub(super) fn delay(&self) -> Option<Duration> {
        self.plan.as_ref()?.delay()
    }

    pub(super) fn slice(&self) -> Option<(usize, Duration)> {
        self.plan.as_ref()?.slice
    }

    pub(super) fn pace(&self) -> Option<RateLimiter> {
        self.plan.as_ref()?.rate.map(RateLimiter::new)
    }

    /// How many of so many bytes may move in a direction; it is the one that counts, or not.
    pub(super) fn allowance(&self, bytes: usize, counts: bool) -> Result<usize, Halt> {
        let Some(budget) = self.plan.as_ref().and_then(|plan| plan.budget).filter(|_| counts)
        else {
            return Ok(bytes);
        };
        let traffic = self.traffic.get();
        let moved = if self.only_receives() { traffic.received } else { traffic.written };
        match (budget.bytes.saturating_sub(moved), budget.then) {
            (0, Spent::Stall) => Err(Halt::Stall),
            (0, Spent::Reset) => Err(Halt::Reset),
            (left, _) => Ok(usize::try_from(left).map_or(bytes, |left| left.min(bytes))),
        }
    }
}

/// What is known of it.
impl Client {
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.transport.peer_addr().ok().map(canonical)
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.transport.local_addr().ok().map(canonical)
    }

    pub(super) fn only_receives(&self) -> bool {
        self.session.request.only_receives()
    }

    pub(super) fn is_shut(&self) -> bool {
        self.traffic.get().is_shut
    }

    pub(super) fn bytes(&self) -> Bytes {
        let traffic = self.traffic.get();
        // What TLS adds is unsent, too, and was never written.
        Bytes { received: traffic.received, sent: traffic.written.saturating_sub(traffic.unsent) }
    }

    /// Remembers what the handshake has brought about.
    pub(super) fn note_tls(&self, info: &TlsInfo) {
        self.tls.set(Some(Box::new(info.clone())));
    }

    fn security(&self) -> Security {
        match self.tls.take() {
            Some(info) => Security::Tls(info),
            None if self.session.opened.tls.get().is_some() => Security::Missing,
            None => Security::Plain,
        }
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.count(|traffic| traffic.received += bytes as u64);
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.count(|traffic| traffic.written += bytes as u64);
    }

    /// Remembers what waits to be sent, which a connection that breaks does not tell any more.
    pub(super) fn note_unsent(&self) {
        let unsent = self.transport.write_buffer_size() as u64;
        if unsent > 0 || !self.transport.is_closing() {
            self.update(|traffic| traffic.unsent = unsent);
        }
    }

    fn count(&self, change: impl FnOnce(&mut Traffic)) {
        self.update(change);
        self.update(|traffic| traffic.moved = self.event_loop.time());
    }

    fn update(&self, change: impl FnOnce(&mut Traffic)) {
        let mut traffic = self.traffic.get();
        change(&mut traffic);
        self.traffic.set(traffic);
    }
}

/// An IPv4 client of an IPv6 socket is one of IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
