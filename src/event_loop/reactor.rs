//! Readiness: the only file that says `mio`.
//!
//! A descriptor may be watched by several sources at once, each for its own interest; the poller is told the
//! union. Notification is edge-triggered, and every change of the union notifies again whatever is ready.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Poll, Token, Waker};
use rustix::event::{PollFd, PollFlags, Timespec};
use slab::Slab;

use super::LoopHandle;

/// How many events one wait takes in; more stay with the kernel for the next turn.
const EVENTS: usize = 1024;
const WAKEUP: Token = Token(usize::MAX);

/// Told about readiness while the loop collects events. It may queue jobs and wake tasks, nothing else.
pub(crate) trait Source {
    fn ready(self: Rc<Self>, event_loop: &LoopHandle, readiness: Readiness);

    /// The loop is closed. A source that keeps itself alive must let go of itself here.
    fn loop_closed(&self) {}
}

/// What a source wants to hear of. Errors and hang-ups are told in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    Readable,
    Writable,
    Both,
}

/// What a descriptor is ready for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has sent its last byte, or the connection is gone.
    pub(crate) read_closed: bool,
}

pub(crate) struct Reactor {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    watched: RefCell<Watched>,
    refuses: bool,
}

#[derive(Default)]
struct Watched {
    descriptors: Slab<Descriptor>,
    tokens: Tokens,
    next: u64,
}

struct Descriptor {
    fd: RawFd,
    listeners: Listeners,
}

/// Most descriptors have one listener, and there may be ten thousand of them: that one is held in place.
enum Listeners {
    One(Listener),
    Many(Vec<Listener>),
}

/// The token of each watched descriptor, by its number: numbers are given out from the lowest.
#[derive(Default)]
struct Tokens(Vec<u32>);

struct Listener {
    number: u64,
    interest: Interest,
    source: Rc<dyn Source>,
}

/// Rings the poller from any thread.
#[derive(Debug)]
pub(crate) struct Wakeup(Waker);

impl Wakeup {
    /// A poller that cannot be rung is closed, or about to look anyway.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.0.wake() {
            log::debug!("cannot wake the event loop: {error}");
        }
    }
}

impl Reactor {
    /// A poller, and what wakes it. `refuses`: takes no descriptors, because time there is not real.
    pub(crate) fn new(refuses: bool) -> io::Result<(Self, Wakeup)> {
        let poll = Poll::new()?;
        let wakeup = Wakeup(Waker::new(poll.registry(), WAKEUP)?);
        let reactor = Self {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS)),
            watched: RefCell::default(),
            refuses,
        };
        Ok((reactor, wakeup))
    }

    /// Waits for events; `None` waits for ever. A signal ends the wait early.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut poll = self.poll.borrow_mut();
        let mut events = self.events.borrow_mut();
        events.clear();
        let timeout = match timeout {
            // mio rounds a wait up to whole milliseconds; its own descriptor can be waited for exactly.
            Some(wait) if !wait.is_zero() => {
                if !is_readable_within(poll.registry().as_fd(), wait)? {
                    return Ok(());
                }
                Some(Duration::ZERO)
            }
            other => other,
        };
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// Tells the sources what the last wait brought.
    pub(crate) fn dispatch(&self, event_loop: &LoopHandle) {
        let events = self.events.borrow();
        for event in events.iter().filter(|event| event.token() != WAKEUP) {
            let failed = event.is_error();
            let readiness = Readiness {
                readable: event.is_readable() || event.is_read_closed() || failed,
                writable: event.is_writable() || event.is_write_closed() || failed,
                read_closed: event.is_read_closed() || failed,
            };
            log::trace!("event: {readiness:?}");
            let mut nth = 0;
            while let Some((interest, source)) = self.listener(event.token(), nth) {
                nth += 1;
                if interest.covers(readiness) {
                    source.ready(event_loop, readiness);
                }
            }
        }
    }

    /// Lets go of every source.
    pub(crate) fn clear(&self) {
        let watched = self.watched.take();
        for (_, descriptor) in &watched.descriptors {
            descriptor.listeners.all().iter().for_each(|listener| listener.source.loop_closed());
        }
    }

    fn listener(&self, token: Token, nth: usize) -> Option<(Interest, Rc<dyn Source>)> {
        let watched = self.watched.borrow();
        let listener = watched.descriptors.get(token.0)?.listeners.all().get(nth)?;
        Some((listener.interest, Rc::clone(&listener.source)))
    }

    fn add(&self, fd: RawFd, interest: Interest, source: Rc<dyn Source>) -> io::Result<u64> {
        if self.refuses {
            let reason = "a loop with a manual clock takes no descriptors";
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
        let mut watched = self.watched.borrow_mut();
        watched.next += 1;
        let number = watched.next;
        let known = watched.tokens.get(fd);
        let token = known.unwrap_or_else(|| watched.adopt(fd));
        watched.descriptors[token].listeners.push(Listener { number, interest, source });
        if let Err(error) = self.tell_poller(&watched.descriptors[token], token, known.is_none()) {
            watched.descriptors[token].listeners.remove(number);
            watched.forget_if_unused(token);
            return Err(error);
        }
        Ok(number)
    }

    fn remove(&self, fd: RawFd, number: u64) {
        let mut watched = self.watched.borrow_mut();
        let Some(token) = watched.tokens.get(fd) else { return };
        let listeners = &mut watched.descriptors[token].listeners;
        let removed = listeners.remove(number);
        if listeners.all().is_empty() {
            // Fails only where the owner has closed the descriptor, which deregisters it as well.
            let _ = self.poll.borrow().registry().deregister(&mut SourceFd(&fd));
            watched.forget_if_unused(token);
        } else if removed.is_some() {
            let _ = self.tell_poller(&watched.descriptors[token], token, false);
        }
        drop(watched);
        drop(removed);
    }

    /// Asks to be notified again of what is ready now.
    fn rearm(&self, fd: RawFd) -> io::Result<()> {
        let watched = self.watched.borrow();
        let Some(token) = watched.tokens.get(fd) else { return Ok(()) };
        self.tell_poller(&watched.descriptors[token], token, false)
    }

    fn tell_poller(&self, descriptor: &Descriptor, token: usize, is_new: bool) -> io::Result<()> {
        let poll = self.poll.borrow();
        let (registry, mut source) = (poll.registry(), SourceFd(&descriptor.fd));
        let interests = descriptor.listeners.all().iter().map(|listener| listener.interest.into());
        let Some(union) = interests.reduce(|a: mio::Interest, b| a | b) else { return Ok(()) };
        if is_new {
            return registry.register(&mut source, Token(token), union);
        }
        match registry.reregister(&mut source, Token(token), union) {
            // The number was closed and given out again behind our back: it is a new descriptor.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                registry.register(&mut source, Token(token), union)
            }
            result => result,
        }
    }
}

impl Watched {
    fn adopt(&mut self, fd: RawFd) -> usize {
        let listeners = Listeners::Many(Vec::new());
        let token = self.descriptors.insert(Descriptor { fd, listeners });
        self.tokens.set(fd, Some(token));
        token
    }

    fn forget_if_unused(&mut self, token: usize) {
        if self.descriptors[token].listeners.all().is_empty() {
            let descriptor = self.descriptors.remove(token);
            self.tokens.set(descriptor.fd, None);
        }
    }
}

impl Listeners {
    fn all(&self) -> &[Listener] {
        match self {
            Self::One(listener) => std::slice::from_ref(listener),
            Self::Many(listeners) => listeners,
        }
    }

    fn push(&mut self, listener: Listener) {
        *self = match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(first) => Self::Many(vec![first, listener]),
            Self::Many(listeners) if listeners.is_empty() => Self::One(listener),
            Self::Many(mut listeners) => {
                listeners.push(listener);
                Self::Many(listeners)
            }
        };
    }

    fn remove(&mut self, number: u64) -> Option<Listener> {
        let at = self.all().iter().position(|listener| listener.number == number)?;
        if let Self::Many(listeners) = self {
            return Some(listeners.remove(at));
        }
        match std::mem::replace(self, Self::Many(Vec::new())) {
            Self::One(listener) => Some(listener),
            Self::Many(_) => None,
        }
    }
}

impl Tokens {
    const NONE: u32 = u32::MAX;

    fn get(&self, fd: RawFd) -> Option<usize> {
        let token = *self.0.get(usize::try_from(fd).ok()?)?;
        (token != Self::NONE).then_some(token as usize)
    }

    fn set(&mut self, fd: RawFd, token: Option<usize>) {
        let Ok(at) = usize::try_from(fd) else { return };
        if at >= self.0.len() {
            self.0.resize(at + 1, Self::NONE);
        }
        // The slab has as many entries as there are descriptors, whose numbers are 31 bits long.
        self.0[at] = token.map_or(Self::NONE, |token| token as u32);
    }
}

impl Interest {
    fn covers(self, readiness: Readiness) -> bool {
        match self {
            Self::Readable => readiness.readable,
            Self::Writable => readiness.writable,
            Self::Both => readiness.readable || readiness.writable,
        }
    }
}

impl From<Interest> for mio::Interest {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Readable => Self::READABLE,
            Interest::Writable => Self::WRITABLE,
            Interest::Both => Self::READABLE | Self::WRITABLE,
        }
    }
}

fn is_readable_within(fd: BorrowedFd<'_>, wait: Duration) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: wait.subsec_nanos().into(),
    };
    match rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A source's watch over a descriptor; dropping it ends the watch.
///
/// It must be dropped before the descriptor is closed: declare it first in a struct that owns both.
pub(crate) struct Registration {
    event_loop: LoopHandle,
    fd: RawFd,
    number: u64,
}

impl Registration {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        fd: BorrowedFd<'_>,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<Self> {
        let fd = fd.as_raw_fd();
        let number = event_loop.core().reactor.add(fd, interest, source)?;
        Ok(Self { event_loop: event_loop.clone(), fd, number })
    }

    /// Makes the watch level-triggered for once: what is still ready is notified again.
    pub(crate) fn rearm(&self) -> io::Result<()> {
        self.event_loop.core().reactor.rearm(self.fd)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.event_loop.core().reactor.remove(self.fd, self.number);
    }
}
