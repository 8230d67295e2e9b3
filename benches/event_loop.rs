//! What one thing costs on the loop: `cargo bench --bench event_loop --no-default-features`.

use std::cell::Cell;
use std::future::poll_fn;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use loopctl::{EnteredLoop, EventLoop, LoopHandle, TimerHandle};

/// Jobs in one batch; the figures are for the whole batch, the rates for one job.
const BATCH: u32 = 1000;
const AN_HOUR: Duration = Duration::from_secs(3600);

fn main() {
    divan::main();
}

/// A turn with nothing to do but look at the poller.
#[divan::bench]
fn turn_idle(bencher: Bencher) {
    with_entered_loop(|_, entered| bencher.bench_local(|| turn(entered)));
}

/// A turn that runs one callback, which schedules itself again.
#[divan::bench]
fn turn_chain(bencher: Bencher) {
    fn link(event_loop: LoopHandle) {
        event_loop.clone().call_soon(move || link(event_loop));
    }
    with_entered_loop(|event_loop, entered| {
        link(event_loop.clone());
        bencher.bench_local(|| turn(entered));
    });
}

#[divan::bench]
fn call_soon(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        batches(bencher).bench_local(|| {
            (0..BATCH).for_each(|i| {
                drop(event_loop.call_soon(move || {
                    black_box(i);
                }))
            });
            turn(entered);
        });
    });
}

#[divan::bench]
fn call_soon_cancel(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        batches(bencher).bench_local(|| {
            (0..BATCH).for_each(|i| {
                event_loop
                    .call_soon(move || {
                        black_box(i);
                    })
                    .cancel()
            });
            turn(entered);
        });
    });
}

#[divan::bench]
fn timer_insert(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        batches(bencher)
            .with_inputs(|| turn(entered))
            .bench_local_values(|()| CancelAll(arm(event_loop)));
    });
}

#[divan::bench]
fn timer_cancel(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        let armed = || {
            turn(entered);
            arm(event_loop)
        };
        batches(bencher).with_inputs(armed).bench_local_refs(|timers| cancel(timers));
    });
}

/// Timers that are all overdue.
#[divan::bench]
fn timer_fire(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        let overdue = || {
            let now = event_loop.time();
            (0..BATCH).for_each(|i| {
                drop(event_loop.call_at(now, move || {
                    black_box(i);
                }))
            });
        };
        batches(bencher).with_inputs(overdue).bench_local_values(|()| turn(entered));
    });
}

/// Posts from another thread, until the loop has run them all.
#[divan::bench]
fn call_soon_threadsafe(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        let remote = event_loop.remote();
        let (order, orders) = mpsc::channel::<mpsc::Sender<()>>();
        let poster = thread::Builder::new().spawn(move || {
            for done in orders {
                (1..BATCH).for_each(|i| {
                    drop(remote.call_soon_threadsafe(move || {
                        black_box(i);
                    }))
                });
                let last = move || done.send(());
                drop(remote.call_soon_threadsafe(last));
            }
        });
        batches(bencher).bench_local(|| {
            let (done, is_done) = mpsc::channel();
            order.send(done).expect("the poster waits for orders");
            while is_done.try_recv().is_err() {
                entered.turn(None).expect("the poller works");
            }
        });
        drop(order);
        poster.expect("a thread starts").join().expect("the poster ends");
    });
}

/// Tasks that end at their first step.
#[divan::bench]
fn task_spawn(bencher: Bencher) {
    with_entered_loop(|event_loop, entered| {
        batches(bencher).bench_local(|| {
            (0..BATCH).for_each(|i| drop(event_loop.create_task(async move { black_box(i) })));
            turn(entered);
        });
    });
}

/// Steps of tasks that wake themselves; the argument is how many tasks there are.
#[divan::bench(args = [1, 1000])]
fn task_step(bencher: Bencher, tasks: u32) {
    with_entered_loop(|event_loop, entered| {
        let end = Rc::new(Cell::new(false));
        for _ in 0..tasks {
            let end = Rc::clone(&end);
            drop(event_loop.create_task(poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                if end.get() { Poll::Ready(()) } else { Poll::Pending }
            })));
        }
        bencher.counter(ItemsCount::new(tasks)).bench_local(|| turn(entered));
        end.set(true);
        turn(entered);
    });
}

fn with_entered_loop(measure: impl FnOnce(&LoopHandle, &EnteredLoop<'_>)) {
    let mut event_loop = EventLoop::new().expect("the system has a poller");
    let handle = event_loop.handle();
    let entered = event_loop.enter().expect("no other loop runs here");
    measure(&handle, &entered);
}

fn turn(entered: &EnteredLoop<'_>) {
    entered.turn(Some(Duration::ZERO)).expect("the poller works");
}

fn batches<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    bencher.counter(ItemsCount::new(BATCH))
}

fn arm(event_loop: &LoopHandle) -> Vec<TimerHandle> {
    let later = event_loop.time() + AN_HOUR;
    (0..BATCH).map(|i| event_loop.call_at(later + Duration::from_micros(i.into()), || ())).collect()
}

fn cancel(timers: &[TimerHandle]) {
    timers.iter().for_each(TimerHandle::cancel);
}

/// Takes the timers back outside the measurement.
struct CancelAll(Vec<TimerHandle>);

impl Drop for CancelAll {
    fn drop(&mut self) {
        cancel(&self.0);
    }
}
