//! What the tests of this directory share.

#[cfg(feature = "tls")]
pub(crate) mod authority;
mod child;
mod guests;
mod logged;
#[cfg(feature = "dns")]
pub(crate) mod name_server;
mod peers;
mod recorder;
#[cfg(feature = "dnssec")]
pub(crate) mod signed;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod trace;

pub(crate) use crate::skip::has_ipv6;
pub(crate) use child::{descriptors, in_child, in_child_with_descriptors};
pub(crate) use guests::{Guests, fails_soon, guest, is_refused};
pub(crate) use logged::{start_logging, take_logged};
pub(crate) use peers::{Dead, Refusing, Server, abstract_name, reset, syn_sent_to, table};
pub(crate) use recorder::{Recorder, Reports, Seen};
pub(crate) use trace::{Outcome, Trace};

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loopctl::LoopHandle;

/// Long enough for a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Runs `main` on a loop of its own. A test that hangs fails.
pub(crate) fn run<T>(main: impl AsyncFnOnce(LoopHandle) -> T) -> T {
    let watched = async |event_loop: LoopHandle| {
        let main = main(event_loop.clone());
        event_loop.timeout(PATIENCE, main).await.expect("the test hung")
    };
    loopctl::run(watched).expect("the loop runs")
}

/// Waits until `is_so`; the watchdog of [`run`] ends a wait for what never comes.
pub(crate) async fn until(event_loop: &LoopHandle, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        event_loop.sleep(ms(1)).await;
    }
}

/// Lets the loop run this many turns.
pub(crate) async fn turns(event_loop: &LoopHandle, count: usize) {
    for _ in 0..count {
        event_loop.sleep(Duration::ZERO).await;
    }
}

/// One step of a future, with nobody to wake.
pub(crate) fn step<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// The shortest of some tries: what upper bounds are about, because any single try may be held up by
/// other processes.
pub(crate) fn best_of(tries: usize, measure: impl FnMut() -> Duration) -> Duration {
    std::iter::repeat_with(measure).take(tries).min().expect("at least one try")
}

/// A megabyte in which every position shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at >> 12) as u8).collect()
}
