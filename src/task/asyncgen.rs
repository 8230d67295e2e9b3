//! Asynchronous generators: streams with an asynchronous close, which the loop tracks.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Poll;

use crate::BoxError;
use crate::event_loop::{ErrorContext, LoopHandle, LoopLocal, PanicError, catch};

/// Stream with an asynchronous close, like an asynchronous generator in Python.
#[expect(async_fn_in_trait, reason = "a loop's futures stay on its thread")]
pub trait AsyncGenerator: 'static {
    /// Type of the items.
    type Item;

    /// Next item; `None` at the end.
    async fn anext(&mut self) -> Option<Self::Item>;

    /// Releases the resources of the stream. Called once.
    async fn aclose(&mut self) -> Result<(), BoxError>;
}

/// Generator that the loop tracks from its first [`anext`](Self::anext).
///
/// [`shutdown_asyncgens`](LoopHandle::shutdown_asyncgens) closes it if it is still open. Dropping it starts a task
/// that closes it.
///
/// ```
/// # use loopctl::{AsyncGenerator, BoxError, EventLoop};
/// struct Countdown(u32);
///
/// impl AsyncGenerator for Countdown {
///     type Item = u32;
///     async fn anext(&mut self) -> Option<u32> {
///         self.0 = self.0.checked_sub(1)?;
///         Some(self.0)
///     }
///     async fn aclose(&mut self) -> Result<(), BoxError> {
///         println!("closed at {}", self.0);
///         Ok(())
///     }
/// }
///
/// # let mut event_loop = EventLoop::new()?;
/// let handle = event_loop.handle();
/// event_loop.run_until_complete(async move {
///     let mut countdown = handle.track_asyncgen(Countdown(3));
///     assert_eq!(countdown.anext().await, Some(2));
///     handle.shutdown_asyncgens().await;
///     assert_eq!(countdown.anext().await, None, "closed");
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it closes the generator"]
pub struct TrackedGenerator<G: AsyncGenerator> {
    event_loop: LoopHandle,
    /// `None` while the generator is running, and after it was closed.
    generator: Rc<RefCell<Option<G>>>,
    number: Option<u64>,
    /// Line of the user that the task which closes it is reported with.
    origin: &'static Location<'static>,
}

type Closing = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

#[derive(Default)]
struct AsyncGens(RefCell<Registry>);

/// Closes a generator, and the line that tracked it.
type Live = (Box<dyn Fn() -> Option<Closing>>, &'static Location<'static>);

#[derive(Default)]
struct Registry {
    live: BTreeMap<u64, Live>,
    next: u64,
    shut: bool,
}

impl LoopLocal for AsyncGens {
    fn close(&self, _: &LoopHandle) {
        drop(std::mem::take(&mut self.0.borrow_mut().live));
    }
}

impl LoopHandle {
    /// Tracks `generator` from its first use; see [`TrackedGenerator`].
    ///
    /// ```
    /// # struct Nothing;
    /// # impl loopctl::AsyncGenerator for Nothing {
    /// #     type Item = ();
    /// #     async fn anext(&mut self) -> Option<()> { None }
    /// #     async fn aclose(&mut self) -> Result<(), loopctl::BoxError> { Err("not clean".into()) }
    /// # }
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// let generator = event_loop.handle().track_asyncgen(Nothing);
    /// assert_eq!(format!("{generator:?}"), "<AsyncGenerator tracked=false open=true>");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn track_asyncgen<G: AsyncGenerator>(&self, generator: G) -> TrackedGenerator<G> {
        let (generator, origin) = (Rc::new(RefCell::new(Some(generator))), Location::caller());
        TrackedGenerator { event_loop: self.clone(), generator, number: None, origin }
    }

    /// Closes all open tracked generators; asyncio's `shutdown_asyncgens`.
    ///
    /// Errors go to the exception handler. A generator that is running its `anext` is closed when it is dropped. The
    /// first use of a generator after this call logs a warning; another call closes it.
    ///
    /// ```
    /// # struct Nothing;
    /// # impl loopctl::AsyncGenerator for Nothing {
    /// #     type Item = ();
    /// #     async fn anext(&mut self) -> Option<()> { None }
    /// #     async fn aclose(&mut self) -> Result<(), loopctl::BoxError> { Err("not clean".into()) }
    /// # }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// event_loop.run_until_complete(async move {
    ///     let mut generator = handle.track_asyncgen(Nothing);
    ///     generator.anext().await;
    ///     handle.shutdown_asyncgens().await;
    ///     assert_eq!(format!("{generator:?}"), "<AsyncGenerator tracked=true open=false>");
    /// })?;
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub async fn shutdown_asyncgens(&self) {
        let registry = self.local::<AsyncGens>();
        registry.0.borrow_mut().shut = true;
        let live = std::mem::take(&mut registry.0.borrow_mut().live);
        let closing: Vec<_> =
            live.values().filter_map(|(close, origin)| Some((close()?, *origin))).collect();
        let tasks: Vec<_> = closing
            .into_iter()
            .map(|(closing, origin)| self.create_task_at(origin, close(self.clone(), closing)))
            .collect();
        for task in tasks {
            // Ignored, because the only error is that other code cancelled the task.
            let _ = task.await;
        }
    }
}

/// Closes one generator and reports its error or panic, so that the others are closed as well.
async fn close(event_loop: LoopHandle, closing: impl Future<Output = Result<(), BoxError>>) {
    let mut closing = pin!(closing);
    let closed = poll_fn(|cx| {
        let polled = catch(|| closing.as_mut().poll(cx));
        polled.unwrap_or_else(|payload| Poll::Ready(Err(PanicError::from(payload).into())))
    });
    if let Err(error) = closed.await {
        let message = "an error occurred during closing of asynchronous generator";
        event_loop.call_exception_handler(ErrorContext::new(message).error(error));
    }
}

impl<G: AsyncGenerator> TrackedGenerator<G> {
    /// Next item; `None` at the end, and after the generator was closed.
    ///
    /// ```
    /// # struct Nothing;
    /// # impl loopctl::AsyncGenerator for Nothing {
    /// #     type Item = ();
    /// #     async fn anext(&mut self) -> Option<()> { None }
    /// #     async fn aclose(&mut self) -> Result<(), loopctl::BoxError> { Err("not clean".into()) }
    /// # }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let mut generator = event_loop.handle().track_asyncgen(Nothing);
    /// assert_eq!(event_loop.run_until_complete(generator.anext())?, None);
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    pub async fn anext(&mut self) -> Option<G::Item> {
        self.register();
        let generator = self.generator.borrow_mut().take()?;
        let mut running = Running { slot: Rc::clone(&self.generator), generator: Some(generator) };
        running.generator.as_mut()?.anext().await
    }

    /// Closes the generator; Python's `aclose`.
    ///
    /// ```
    /// # struct Nothing;
    /// # impl loopctl::AsyncGenerator for Nothing {
    /// #     type Item = ();
    /// #     async fn anext(&mut self) -> Option<()> { None }
    /// #     async fn aclose(&mut self) -> Result<(), loopctl::BoxError> { Err("not clean".into()) }
    /// # }
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// let generator = event_loop.handle().track_asyncgen(Nothing);
    /// let error = event_loop.run_until_complete(generator.aclose())?.unwrap_err();
    /// assert_eq!(error.to_string(), "not clean");
    /// # Ok::<(), loopctl::RunError>(())
    /// ```
    ///
    /// # Errors
    /// Error of the generator's `aclose`.
    pub async fn aclose(mut self) -> Result<(), BoxError> {
        self.unregister();
        let generator = self.generator.borrow_mut().take();
        match generator {
            Some(mut generator) => generator.aclose().await,
            None => Ok(()),
        }
    }

    fn register(&mut self) {
        if self.number.is_some() {
            return;
        }
        let asyncgens = self.event_loop.local::<AsyncGens>();
        let mut registry = asyncgens.0.borrow_mut();
        if registry.shut {
            log::warn!("asynchronous generator was scheduled after shutdown_asyncgens() call");
        }
        registry.next += 1;
        let number = registry.next;
        let slot = Rc::downgrade(&self.generator);
        registry.live.insert(number, (Box::new(move || closing(&slot)), self.origin));
        self.number = Some(number);
    }

    fn unregister(&mut self) {
        if let Some(number) = self.number {
            let entry = self.event_loop.local::<AsyncGens>().0.borrow_mut().live.remove(&number);
            drop(entry);
        }
    }
}

/// Future that closes the generator; `None` if it is gone or running.
fn closing<G: AsyncGenerator>(slot: &Weak<RefCell<Option<G>>>) -> Option<Closing> {
    let mut generator = slot.upgrade()?.borrow_mut().take()?;
    Some(Box::pin(async move { generator.aclose().await }))
}

/// Returns the generator to its slot after `anext`, even if that future was dropped before its end.
struct Running<G> {
    slot: Rc<RefCell<Option<G>>>,
    generator: Option<G>,
}

impl<G> Drop for Running<G> {
    fn drop(&mut self) {
        *self.slot.borrow_mut() = self.generator.take();
    }
}

impl<G: AsyncGenerator> Drop for TrackedGenerator<G> {
    fn drop(&mut self) {
        self.unregister();
        let generator = self.generator.borrow_mut().take();
        let (Some(mut generator), Some(_)) = (generator, self.number) else { return };
        let closing = async move { generator.aclose().await };
        let closing = close(self.event_loop.clone(), closing);
        drop(self.event_loop.create_task_at(self.origin, closing));
    }
}

impl<G: AsyncGenerator> fmt::Debug for TrackedGenerator<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.generator.borrow().is_some();
        write!(f, "<AsyncGenerator tracked={} open={open}>", self.number.is_some())
    }
}
