//! Readers and writers: callbacks on the readiness of any descriptor.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;

use super::job::{CallbackOutput, Handle, Job, JobInfo, JobKind, Run, short_type_name};
use super::loop_local::LoopLocal;
use super::reactor::{Interest, Readiness, Registration, Source};
use super::{LoopClosed, LoopHandle};
use crate::BoxError;

#[derive(Default)]
struct Watchers(RefCell<HashMap<(RawFd, Interest), Rc<dyn Run>>>);

/// Callback for one direction of one descriptor.
struct Watcher<F> {
    callback: RefCell<Option<F>>,
    registration: RefCell<Option<Registration>>,
    is_queued: Cell<bool>,
    is_cancelled: Cell<bool>,
    origin: &'static Location<'static>,
}

impl LoopHandle {
    /// Runs `callback` whenever `fd` is readable (level-triggered); asyncio's `add_reader`.
    ///
    /// It replaces an earlier reader of the descriptor. Remove it before the descriptor is closed.
    ///
    /// ```
    /// # use std::{io::{Read, Write}, os::unix::net::UnixStream, rc::Rc};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let (ours, inside) = (Rc::new(ours), handle.clone());
    /// let reader = Rc::clone(&ours);
    /// handle.add_reader(&ours, move || {
    ///     inside.stop();
    ///     (&*reader).read(&mut [0; 16]).map(|count| assert_eq!(count, 5))
    /// })?;
    /// theirs.write_all(b"hello")?;
    /// event_loop.run_forever()?;
    /// assert!(handle.remove_reader(&ours));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the descriptor cannot be watched, for example a regular file, or if the loop is closed.
    #[track_caller]
    pub fn add_reader<O: CallbackOutput>(
        &self,
        fd: &impl AsFd,
        callback: impl FnMut() -> O + 'static,
    ) -> io::Result<Handle> {
        self.add_watcher(fd, Interest::Readable, Location::caller(), callback)
    }

    /// Runs `callback` whenever `fd` is writable (level-triggered); asyncio's `add_writer`.
    ///
    /// ```
    /// # use std::{io::Write, os::unix::net::UnixStream, rc::Rc};
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, _theirs) = UnixStream::pair()?;
    /// let (ours, inside) = (Rc::new(ours), handle.clone());
    /// let writer = Rc::clone(&ours);
    /// handle.add_writer(&ours, move || {
    ///     inside.remove_writer(&writer);
    ///     inside.stop();
    ///     (&*writer).write_all(b"hello")
    /// })?;
    /// event_loop.run_forever()?;
    /// assert!(!handle.remove_writer(&ours));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The same as for [`add_reader`](Self::add_reader).
    #[track_caller]
    pub fn add_writer<O: CallbackOutput>(
        &self,
        fd: &impl AsFd,
        callback: impl FnMut() -> O + 'static,
    ) -> io::Result<Handle> {
        self.add_watcher(fd, Interest::Writable, Location::caller(), callback)
    }

    /// Removes the reader of `fd`; asyncio's `remove_reader`. Returns `false` if there is none, or on a closed loop.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// handle.add_reader(&ours, || ())?;
    /// assert!(handle.remove_reader(&ours));
    /// assert!(!handle.remove_reader(&ours));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_reader(&self, fd: &impl AsFd) -> bool {
        self.remove_watcher(fd, Interest::Readable)
    }

    /// Removes the writer of `fd`; asyncio's `remove_writer`. Returns `false` if there is none, or on a closed loop.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
    /// handle.add_writer(&ours, || ())?;
    /// assert!(handle.remove_writer(&ours));
    /// assert!(!handle.remove_writer(&ours));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_writer(&self, fd: &impl AsFd) -> bool {
        self.remove_watcher(fd, Interest::Writable)
    }

    fn add_watcher<O: CallbackOutput>(
        &self,
        fd: &impl AsFd,
        interest: Interest,
        origin: &'static Location<'static>,
        callback: impl FnMut() -> O + 'static,
    ) -> io::Result<Handle> {
        if self.is_closed() {
            return Err(LoopClosed.into());
        }
        self.remove_watcher(fd, interest);
        let watcher = Rc::new(Watcher {
            callback: RefCell::new(Some(callback)),
            registration: RefCell::default(),
            is_queued: Cell::new(false),
            is_cancelled: Cell::new(false),
            origin,
        });
        let registration = self.register(fd, interest, Rc::clone(&watcher) as Rc<dyn Source>)?;
        watcher.registration.replace(Some(registration));
        let key = (fd.as_fd().as_raw_fd(), interest);
        self.local::<Watchers>().0.borrow_mut().insert(key, Rc::clone(&watcher) as Rc<dyn Run>);
        Ok(Handle::watcher(watcher))
    }

    fn remove_watcher(&self, fd: &impl AsFd, interest: Interest) -> bool {
        let key = (fd.as_fd().as_raw_fd(), interest);
        let watcher = self.local::<Watchers>().0.borrow_mut().remove(&key);
        watcher.is_some_and(|watcher| {
            let was_active = !watcher.is_cancelled();
            watcher.cancel();
            was_active
        })
    }
}

impl LoopLocal for Watchers {
    fn close(&self, event_loop: &LoopHandle) {
        let watchers = self.0.take().into_values();
        watchers.for_each(|watcher| event_loop.call_or_report(|| watcher.cancel()));
    }
}

impl<F: FnMut() -> O + 'static, O: CallbackOutput> Source for Watcher<F> {
    fn ready(self: Rc<Self>, event_loop: &LoopHandle, _: Readiness) {
        if !self.is_queued.replace(true) {
            event_loop.push(Job::Run(self));
        }
    }
}

impl<F: FnMut() -> O, O: CallbackOutput> Run for Watcher<F> {
    /// Calls back and rearms, because the poller reports only changes (edge-triggered), but a reader is
    /// level-triggered.
    fn run(self: Rc<Self>) -> Result<(), BoxError> {
        self.is_queued.set(false);
        let Some(mut callback) = self.callback.take() else { return Ok(()) };
        let ran = catch_unwind(AssertUnwindSafe(|| callback().into_result()));
        let mut rearmed = Ok(());
        if !self.is_cancelled.get() {
            self.callback.replace(Some(callback));
            if let Some(registration) = &*self.registration.borrow() {
                rearmed = registration.rearm();
            }
        }
        ran.unwrap_or_else(|payload| resume_unwind(payload))?;
        Ok(rearmed?)
    }

    fn info(&self, _: Option<&'static str>) -> JobInfo {
        JobInfo {
            kind: JobKind::Io,
            name: short_type_name::<F>().to_owned(),
            origin: Some(self.origin),
        }
    }

    fn cancel(&self) {
        self.is_cancelled.set(true);
        drop((self.registration.take(), self.callback.take()));
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }
}
