//! Reactor: readiness of descriptors. The only file that uses `mio`.
//!
//! Several sources may watch one descriptor, each with its own interest; the poller gets the union. Notification is
//! edge-triggered, and every change of the union reports current readiness again.

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

/// Maximum number of events of one wait; more stay in the kernel until the next turn.
const MAX_EVENTS: usize = 1024;
const WAKEUP: Token = Token(usize::MAX);

/// Receiver of readiness events. While the loop collects events, it may only queue jobs and wake tasks.
pub(crate) trait Source {
    fn ready(self: Rc<Self>, event_loop: &LoopHandle, readiness: Readiness);

    /// Called when the loop is closed. A source that holds a reference to itself must drop it here.
    fn loop_closed(&self) {}
}

/// Events that a source receives. Errors and hang-ups are always included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Interest {
    Readable,
    Writable,
    Both,
}

/// Readiness of a descriptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has closed its sending side, or the connection is broken.
    pub(crate) read_closed: bool,
}

pub(crate) struct Reactor {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    watched: RefCell<Watched>,
    rejects_fds: bool,
}

#[derive(Default)]
struct Watched {
    descriptors: Slab<Descriptor>,
    tokens: Tokens,
    last_id: u64,
}

struct Descriptor {
    fd: RawFd,
    listeners: Listeners,
}

/// Listeners of one descriptor. A single one is stored inline, because that is the case for most of them.
enum Listeners {
    One(Listener),
    Many(Vec<Listener>),
}

/// Token of each watched descriptor, indexed by descriptor: the system uses the lowest free number.
#[derive(Default)]
struct Tokens(Vec<u32>);

struct Listener {
    id: u64,
    interest: Interest,
    source: Rc<dyn Source>,
}

/// Waker of the poller, for any thread.
#[derive(Debug)]
pub(crate) struct Wakeup(Waker);

impl Wakeup {
    /// Wakes the poller. An error is only logged, because the poller is then closed or about to return anyway.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.0.wake() {
            log::debug!("cannot wake the event loop: {error}");
        }
    }
}

impl Reactor {
    /// Creates a poller and its waker. With `rejects_fds` it takes no descriptors, because its time is not real.
    pub(crate) fn new(rejects_fds: bool) -> io::Result<(Self, Wakeup)> {
        let poll = Poll::new()?;
        let wakeup = Wakeup(Waker::new(poll.registry(), WAKEUP)?);
        let reactor = Self {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(MAX_EVENTS)),
            watched: RefCell::default(),
            rejects_fds,
        };
        Ok((reactor, wakeup))
    }

    /// Waits for events, without limit if `timeout` is `None`. A signal ends the wait early.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut poll = self.poll.borrow_mut();
        let mut events = self.events.borrow_mut();
        events.clear();
        let timeout = match timeout {
            // mio rounds a wait up to whole milliseconds, so wait for its descriptor with ppoll, which does not.
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

    /// Reports the events of the last wait to the sources.
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
            // By index, because a source may remove another while it is called.
            let mut nth = 0;
            while let Some((interest, source)) = self.listener(event.token(), nth) {
                nth += 1;
                if interest.covers(readiness) {
                    source.ready(event_loop, readiness);
                }
            }
        }
    }

    /// Drops all sources.
    pub(crate) fn clear(&self, event_loop: &LoopHandle) {
        let watched = self.watched.take();
        let mut sources = Vec::new();
        for (_, descriptor) in &watched.descriptors {
            sources.extend(descriptor.listeners.all().iter().map(|one| Rc::clone(&one.source)));
        }
        drop(watched);
        for source in sources {
            event_loop.call_or_report(|| source.loop_closed());
            event_loop.drop_or_report(source);
        }
    }

    fn listener(&self, token: Token, nth: usize) -> Option<(Interest, Rc<dyn Source>)> {
        let watched = self.watched.borrow();
        let listener = watched.descriptors.get(token.0)?.listeners.all().get(nth)?;
        Some((listener.interest, Rc::clone(&listener.source)))
    }

    fn add(&self, fd: RawFd, interest: Interest, source: Rc<dyn Source>) -> io::Result<u64> {
        if self.rejects_fds {
            let reason = "a loop with a manual clock takes no descriptors";
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        }
        let mut watched = self.watched.borrow_mut();
        watched.last_id += 1;
        let id = watched.last_id;
        let known = watched.tokens.get(fd);
        let token = known.unwrap_or_else(|| watched.insert(fd));
        watched.descriptors[token].listeners.push(Listener { id, interest, source });
        if let Err(error) = self.update_poller(&watched.descriptors[token], token, known.is_none())
        {
            watched.descriptors[token].listeners.remove(id);
            watched.remove_if_unused(token);
            return Err(error);
        }
        Ok(id)
    }

    fn remove(&self, fd: RawFd, id: u64) {
        let mut watched = self.watched.borrow_mut();
        let Some(token) = watched.tokens.get(fd) else { return };
        let listeners = &mut watched.descriptors[token].listeners;
        let removed = listeners.remove(id);
        if listeners.all().is_empty() {
            // Fails only if the owner has closed the descriptor, and that deregisters it as well.
            let _ = self.poll.borrow().registry().deregister(&mut SourceFd(&fd));
            watched.remove_if_unused(token);
        } else if removed.is_some() {
            let _ = self.update_poller(&watched.descriptors[token], token, false);
        }
        drop(watched);
        drop(removed);
    }

    /// Requests another notification of current readiness.
    fn rearm(&self, fd: RawFd) -> io::Result<()> {
        let watched = self.watched.borrow();
        let Some(token) = watched.tokens.get(fd) else { return Ok(()) };
        self.update_poller(&watched.descriptors[token], token, false)
    }

    fn update_poller(&self, descriptor: &Descriptor, token: usize, is_new: bool) -> io::Result<()> {
        let poll = self.poll.borrow();
        let (registry, mut source) = (poll.registry(), SourceFd(&descriptor.fd));
        let interests = descriptor.listeners.all().iter().map(|listener| listener.interest.into());
        let Some(union) = interests.reduce(|a: mio::Interest, b| a | b) else { return Ok(()) };
        if is_new {
            return registry.register(&mut source, Token(token), union);
        }
        match registry.reregister(&mut source, Token(token), union) {
            // Because the owner closed the descriptor early and the system reused its number, it is a new one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                registry.register(&mut source, Token(token), union)
            }
            result => result,
        }
    }
}

impl Watched {
    fn insert(&mut self, fd: RawFd) -> usize {
        let listeners = Listeners::Many(Vec::new());
        let token = self.descriptors.insert(Descriptor { fd, listeners });
        self.tokens.set(fd, Some(token));
        token
    }

    fn remove_if_unused(&mut self, token: usize) {
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

    fn remove(&mut self, id: u64) -> Option<Listener> {
        let at = self.all().iter().position(|listener| listener.id == id)?;
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
        // Fits, because the slab has at most as many entries as there are descriptors: 31 bits.
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

/// Registration of a descriptor for a source; dropping it deregisters.
///
/// It must be dropped before the descriptor is closed: declare it first in a struct that owns both.
pub(crate) struct Registration {
    event_loop: LoopHandle,
    fd: RawFd,
    id: u64,
}

impl Registration {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        fd: BorrowedFd<'_>,
        interest: Interest,
        source: Rc<dyn Source>,
    ) -> io::Result<Self> {
        let fd = fd.as_raw_fd();
        let id = event_loop.core().reactor.add(fd, interest, source)?;
        Ok(Self { event_loop: event_loop.clone(), fd, id })
    }

    /// Makes the registration level-triggered once: current readiness is reported again.
    pub(crate) fn rearm(&self) -> io::Result<()> {
        self.event_loop.core().reactor.rearm(self.fd)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.event_loop.core().reactor.remove(self.fd, self.id);
    }
}
