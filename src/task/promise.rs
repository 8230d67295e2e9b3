//! Future value with a setting and an awaiting end: asyncio's `Future`.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::CancelOnDrop;
use crate::event_loop::{ErrorContext, LoopHandle, PanicError, Payload};

/// Setting end of a future. Any thread may set it, which wakes the awaiting task in the next turn of its loop.
///
/// Dropping it without setting a value cancels the future.
#[doc(alias = "Future")]
#[must_use = "dropping it cancels the future"]
pub struct Promise<T> {
    shared: Arc<Shared<T>>,
}

/// Awaiting end of a future.
///
/// Dropping it makes [`Promise::is_awaited`] return `false`. It does not stop work of the executor.
pub struct Deferred<T> {
    shared: Arc<Shared<T>>,
    event_loop: LoopHandle,
}

/// Error of awaiting something that was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cancelled {
    reason: Option<&'static str>,
}

impl Cancelled {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn because(reason: &'static str) -> Self {
        Self { reason: Some(reason) }
    }

    /// Reason, if known.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// event_loop.close();
    /// let work = handle.run_in_executor(|| ()).try_result();
    /// assert_eq!(work.unwrap().unwrap_err().reason(), Some("event loop is closed"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "cancelled: {reason}"),
            None => f.write_str("cancelled"),
        }
    }
}

impl std::error::Error for Cancelled {}

impl From<Cancelled> for std::io::Error {
    fn from(cancelled: Cancelled) -> Self {
        Self::other(cancelled)
    }
}

struct Shared<T>(Mutex<State<T>>);

enum State<T> {
    Pending(Option<Waker>),
    Done(Result<T, Failure>),
    Taken,
}

enum Failure {
    Cancelled(Cancelled),
    Panicked(Payload),
}

impl LoopHandle {
    /// Creates a future and its setting end; asyncio's `create_future`.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (promise, deferred) = handle.create_future();
    /// handle.call_soon(move || promise.set("arrived"));
    /// assert_eq!(event_loop.run_until_complete(deferred)?, Ok("arrived"));
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn create_future<T: 'static>(&self) -> (Promise<T>, Deferred<T>) {
        let shared = Arc::new(Shared(Mutex::new(State::Pending(None))));
        let promise = Promise { shared: Arc::clone(&shared) };
        (promise, Deferred { shared, event_loop: self.clone() })
    }
}

impl<T> Promise<T> {
    /// Sets the value; asyncio's `set_result`. If the future was cancelled, the value is dropped.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let (promise, arrived) = event_loop.handle().create_future();
    /// let worker = std::thread::Builder::new().spawn(move || promise.set(42))?;
    /// assert_eq!(event_loop.run_until_complete(arrived)?, Ok(42));
    /// # worker.join().unwrap();
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn set(self, value: T) {
        self.shared.set(Ok(value));
    }

    /// Whether the awaiting end exists and has no value yet.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let (promise, deferred) = event_loop.handle().create_future::<()>();
    /// assert!(promise.is_awaited());
    /// drop(deferred);
    /// assert!(!promise.is_awaited());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.shared) > 1 && self.shared.is_pending()
    }

    /// Whether the value is still to be set, awaited or not.
    pub(super) fn is_pending(&self) -> bool {
        self.shared.is_pending()
    }

    pub(crate) fn cancel(self, reason: &'static str) {
        self.shared.set(Err(Failure::Cancelled(Cancelled::because(reason))));
    }

    /// Sets a panic, which propagates to the awaiting task. Returns it if the awaiting end is gone.
    pub(crate) fn set_panic(self, payload: Payload) -> Result<(), Payload> {
        if !self.is_awaited() {
            return Err(payload);
        }
        self.shared.set(Err(Failure::Panicked(payload)));
        Ok(())
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.shared.set(Err(Failure::Cancelled(Cancelled::new())));
    }
}

impl<T> Deferred<T> {
    /// Takes the value, if it has been set and was not taken before.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let (promise, mut deferred) = event_loop.handle().create_future();
    /// assert_eq!(deferred.try_result(), None);
    /// promise.set("arrived");
    /// assert_eq!(deferred.try_result(), Some(Ok("arrived")));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "result")]
    pub fn try_result(&mut self) -> Option<Result<T, Cancelled>> {
        match self.shared.take()? {
            Ok(value) => Some(Ok(value)),
            Err(Failure::Cancelled(cancelled)) => Some(Err(cancelled)),
            Err(Failure::Panicked(payload)) => std::panic::resume_unwind(payload),
        }
    }

    /// Whether the future is set or cancelled.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let (promise, deferred) = event_loop.handle().create_future::<()>();
    /// assert!(!deferred.is_done());
    /// drop(promise);
    /// assert!(deferred.is_done(), "cancelled");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "done")]
    pub fn is_done(&self) -> bool {
        !self.shared.is_pending()
    }

    /// Cancels the future: awaiting it then returns [`Cancelled`]. Returns `false` if it was done already.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let (_promise, deferred) = event_loop.handle().create_future::<()>();
    /// assert!(deferred.cancel());
    /// assert!(!deferred.cancel());
    /// assert!(event_loop.run_until_complete(deferred)?.is_err());
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.shared.set(Err(Failure::Cancelled(Cancelled::new())))
    }
}

impl<T: 'static> Deferred<T> {
    /// Cancels the future when the returned handle is dropped, so that work of the executor that has not begun never
    /// runs.
    ///
    /// ```
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let (promise, deferred) = event_loop.handle().create_future::<u8>();
    /// drop(deferred.cancel_on_drop());
    /// assert!(!promise.is_awaited());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<Self> {
        CancelOnDrop::new(self, Self::cancel)
    }
}

impl<T> Future for Deferred<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Pending(waker) = &mut *self.shared.state() {
            *waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.try_result().unwrap_or_else(|| Err(Cancelled::because("already taken"))))
    }
}

impl<T> Drop for Deferred<T> {
    fn drop(&mut self) {
        if let Some(Err(Failure::Panicked(payload))) = self.shared.take() {
            let context = ErrorContext::new("Future exception was never retrieved");
            self.event_loop.call_exception_handler(context.error(PanicError::from(payload)));
        }
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_pending(&self) -> bool {
        matches!(*self.state(), State::Pending(_))
    }

    /// Sets the outcome and wakes the awaiting task. Returns `false` if there is an outcome already.
    fn set(&self, outcome: Result<T, Failure>) -> bool {
        let mut state = self.state();
        let State::Pending(waker) = &mut *state else { return false };
        let waker = waker.take();
        *state = State::Done(outcome);
        // Unlocked first, because a waker may poll the future at once.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn take(&self) -> Option<Result<T, Failure>> {
        let mut state = self.state();
        if !matches!(*state, State::Done(_)) {
            return None;
        }
        match std::mem::replace(&mut *state, State::Taken) {
            State::Done(outcome) => Some(outcome),
            State::Pending(_) | State::Taken => None,
        }
    }
}

impl<T> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Promise awaited={}>", self.is_awaited())
    }
}

impl<T> fmt::Debug for Deferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self.shared.state() {
            State::Pending(_) => "<Future pending>",
            State::Done(Ok(_)) => "<Future finished>",
            State::Done(Err(Failure::Cancelled(_))) => "<Future cancelled>",
            State::Done(Err(Failure::Panicked(_))) => "<Future panicked>",
            State::Taken => "<Future finished, result taken>",
        })
    }
}
