//! LOOP-16 to LOOP-22: closing a loop, and what is asked of it afterwards.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use log::Level;
use loopctl::{EventLoop, LoopClosed, LoopHandle};

use crate::support::{
    FAR, Logged, SEC, alone, collect_errors, exit, one_turn, passed, real, throw, thrown,
};

#[test]
fn loop_16_references_outlive_the_loop_harmlessly() {
    let kept = {
        let event_loop = EventLoop::new().unwrap();
        event_loop.handle()
    };
    assert!(kept.is_closed() && !kept.is_running());
    kept.stop();
    assert!(kept.time() <= kept.time());
}

/// Shared with whatever the loop is to let go of.
type Token = Rc<()>;

#[test]
fn loop_17_close_frees_scheduled_callbacks_even_if_handles_exist() {
    let (event_loop, handle) = real();
    let token = Token::default();
    let hold = || {
        let token = Rc::clone(&token);
        move || drop(token)
    };
    let soon = handle.call_soon(hold());
    let later = handle.call_later(SEC, hold());
    let held = Rc::clone(&token);
    let task = handle.create_task(async move {
        pending::<()>().await;
        drop(held);
    });
    assert_eq!(Rc::strong_count(&token), 4);
    event_loop.close();
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(soon.is_cancelled() && later.is_cancelled() && task.is_finished());
}

#[test]
fn loop_17_close_does_not_wait_for_executor_threads() {
    let (mut event_loop, handle) = real();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let work = handle.run_in_executor(move || {
        let _ = tell.send("begun");
        gate.recv().is_err()
    });
    one_turn(&mut event_loop);
    assert_eq!(told.recv(), Ok("begun"));
    event_loop.close();
    assert!(!work.is_done(), "the thread is still at work, and nobody waited");
    drop(go);
}

#[test]
fn loop_17_and_22_closing_is_logged_in_debug_mode_only() {
    let logged = Logged::start();
    real().0.close();
    drop(real());
    assert_eq!(logged.take(), []);

    let (event_loop, handle) = real();
    handle.set_debug(true);
    event_loop.close();
    let line = "Close <EventLoop running=false closed=false debug=true>".to_owned();
    assert_eq!(logged.take(), [(Level::Debug, line)]);

    let (event_loop, handle) = real();
    handle.set_debug(true);
    drop(event_loop);
    assert!(handle.is_closed(), "dropping closes");
    let line = "unclosed event loop <EventLoop running=false closed=false debug=true>".to_owned();
    assert_eq!(logged.take(), [(Level::Warn, line)]);
}

#[test]
fn loop_18_close_gives_back_every_descriptor() {
    const NAME: &str = "closing::loop_18_close_gives_back_every_descriptor";
    if let Some(output) = alone(NAME, &[]) {
        return assert!(passed(&output), "{output:?}");
    }
    // Threads are left out: one that is just waking the loop holds its wake-up a moment longer.
    let open = || std::fs::read_dir("/proc/self/fd").map(Iterator::count).unwrap();
    let before = open();
    for _ in 0..20 {
        let (mut event_loop, handle) = real();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        handle.add_reader(&ours, || ()).unwrap();
        handle.add_signal_handler(libc::SIGUSR1, || ()).unwrap();
        let _unfinished = handle.create_task(pending::<()>());
        one_turn(&mut event_loop);
        assert!(open() > before);
        event_loop.close();
    }
    assert_eq!(open(), before);
}

#[test]
fn loop_19_everything_scheduled_on_a_closed_loop_comes_back_refused() {
    let (event_loop, handle) = real();
    let remote = handle.remote();
    let disk = loopctl::Executor::new("disk", 1);
    event_loop.close();

    assert!(handle.call_soon(|| ()).is_cancelled());
    assert!(handle.call_later(SEC, || ()).is_cancelled());
    assert!(handle.call_at(handle.time(), || ()).is_cancelled());
    assert_eq!(remote.call_soon_threadsafe(|| ()).err(), Some(LoopClosed));
    assert_eq!(LoopClosed.to_string(), "event loop is closed");
    assert!(handle.create_task(async {}).is_finished());
    let refusals = [handle.run_in_executor(|| ()), handle.run_in(&disk, || ())];
    for mut refused in refusals {
        let reason = refused.try_result().unwrap().unwrap_err().reason();
        assert_eq!(reason, Some("event loop is closed"));
    }
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let closed = |error: io::Error| error.to_string() == "event loop is closed";
    assert!(handle.add_reader(&ours, || ()).is_err_and(closed));
    assert!(handle.add_writer(&ours, || ()).is_err_and(closed));
    assert!(handle.add_signal_handler(libc::SIGUSR1, || ()).is_err_and(closed));
}

#[test]
fn loop_19_a_closed_loop_drops_new_callbacks() {
    let (event_loop, handle) = real();
    event_loop.close();
    let token = Token::default();
    for _ in 0..3 {
        let (soon, later, task) = (Rc::clone(&token), Rc::clone(&token), Rc::clone(&token));
        handle.call_soon(move || drop(soon));
        handle.call_later(FAR, move || drop(later));
        drop(handle.create_task(async move { drop(task) }));
    }
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn loop_20_removing_from_a_closed_loop_is_false_and_no_error() {
    let (event_loop, handle) = real();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    handle.add_reader(&ours, || ()).unwrap();
    handle.add_writer(&ours, || ()).unwrap();
    event_loop.close();
    assert!(!handle.remove_reader(&ours));
    assert!(!handle.remove_writer(&ours));
    assert!(!handle.remove_signal_handler(libc::SIGUSR1));
}

/// What a task holds is dropped as it would be by a cancellation: its panic is reported.
#[test]
fn loop_17_a_task_that_panics_when_dropped_does_not_end_the_process() {
    struct Fragile;

    impl Drop for Fragile {
        fn drop(&mut self) {
            throw("broken by the end");
        }
    }

    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    for begun in [true, false] {
        let fragile = Fragile;
        drop(handle.create_task(async move {
            let _fragile = fragile;
            pending::<()>().await;
        }));
        if begun {
            one_turn(&mut event_loop);
        }
    }
    event_loop.close();
    assert_eq!(errors.take().matches("broken by the end").count(), 2);
    assert!(handle.all_tasks().is_empty());
}

/// Links of a chain: with one stack frame each, a thread of 256 KiB would overflow.
const LINKS: usize = 100_000;

/// Runs `test` on a thread with a small stack. An overflow ends the process.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    thread.spawn(test).expect("a thread").join().expect("no panic");
}

#[test]
fn loop_17_a_chain_of_promises_closes_without_recursion() {
    on_small_stack(|| {
        let (mut event_loop, handle) = real();
        let ended = Rc::new(Cell::new(0));
        let (first, mut before) = handle.create_future::<()>();
        for _ in 0..LINKS {
            let (next, after) = handle.create_future();
            let (former, ended) = (std::mem::replace(&mut before, after), Rc::clone(&ended));
            drop(handle.create_task(async move {
                let _count = Counted(ended);
                // Dropped after `former`, as a lock that is handed on.
                let _hands_on = next;
                let _ = former.await;
            }));
        }
        one_turn(&mut event_loop);
        drop(event_loop);
        assert_eq!(ended.get(), LINKS);
        drop(first);
    });
}

struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn loop_17_tasks_that_await_each_other_close_without_recursion_while_main_panics() {
    on_small_stack(|| {
        let ended = Rc::new(Cell::new(0));
        let inside = Rc::clone(&ended);
        let main = async |handle: LoopHandle| {
            let mut former = handle.create_task(pending::<()>());
            for _ in 0..LINKS {
                let (before, count) = (former, Counted(Rc::clone(&inside)));
                former = handle.create_task(async move {
                    let _count = count;
                    let _ = before.cancel_on_drop().await;
                });
            }
            handle.sleep(Duration::ZERO).await;
            throw("main is over")
        };
        let payload = thrown(|| loopctl::run::<()>(main)).unwrap();
        assert_eq!(payload.downcast_ref(), Some(&"main is over"));
        assert_eq!(ended.get(), LINKS);
    });
}

/// Schedules its successor when it is dropped.
struct Relay {
    handle: LoopHandle,
    left: usize,
    by_timer: bool,
    ended: Rc<Cell<usize>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.set(self.ended.get() + 1);
        let Some(left) = self.left.checked_sub(1) else { return };
        let (handle, ended) = (self.handle.clone(), Rc::clone(&self.ended));
        let next = Self { handle, left, ended, by_timer: self.by_timer };
        if self.by_timer {
            self.handle.call_later(FAR, move || drop(next));
        } else {
            self.handle.call_soon(move || drop(next));
        }
    }
}

#[test]
fn loop_17_destructors_that_schedule_callbacks_do_not_nest() {
    for by_timer in [false, true] {
        for closed_before in [false, true] {
            on_small_stack(move || {
                let (event_loop, handle) = real();
                let ended = Rc::new(Cell::new(0));
                let (inside, count) = (handle.clone(), Rc::clone(&ended));
                let first = Relay { handle: inside, left: LINKS, by_timer, ended: count };
                if closed_before {
                    event_loop.close();
                    drop(first);
                } else {
                    handle.call_soon(move || drop(first));
                    event_loop.close();
                }
                assert_eq!(ended.get(), LINKS + 1);
            });
        }
    }
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        throw(self.0);
    }
}

#[test]
fn loop_17_a_capture_that_panics_when_dropped_does_not_stop_the_close() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let token = Token::default();
    let hold = |name| {
        let (bomb, token) = (Bomb(name), Rc::clone(&token));
        move || _ = (&bomb, &token)
    };
    let (ours, _theirs) = UnixStream::pair().unwrap();
    for _ in 0..2 {
        handle.call_soon(hold("callback"));
        handle.call_later(FAR, hold("timer"));
        let held = hold("task");
        drop(handle.create_task(async move {
            pending::<()>().await;
            held();
        }));
    }
    one_turn(&mut event_loop);
    errors.take();
    handle.call_soon(hold("callback"));
    handle.add_reader(&ours, hold("reader")).unwrap();
    handle.add_writer(&ours, hold("writer")).unwrap();
    handle.add_signal_handler(libc::SIGUSR1, hold("signal")).unwrap();
    handle.add_signal_handler(libc::SIGUSR2, hold("signal")).unwrap();
    handle.on_slow_callback({
        let held = hold("hook");
        move |_| held()
    });
    event_loop.close();
    assert_eq!(Rc::strong_count(&token), 1, "everything is free");
    let errors = errors.take();
    let count = |name: &str| errors.matches(&format!("panicked: {name}")).count();
    let counts = ["callback", "timer", "task", "reader", "writer", "signal", "hook"].map(count);
    assert_eq!(counts, [1, 2, 2, 1, 1, 2, 1], "{errors}");
}

#[test]
fn loop_17_a_loop_exit_of_a_destructor_does_not_stop_the_close() {
    struct Leaves;

    impl Drop for Leaves {
        fn drop(&mut self) {
            exit();
        }
    }

    let (event_loop, handle) = real();
    let token = Token::default();
    for held in [Rc::clone(&token), Rc::clone(&token)] {
        let leaves = Leaves;
        handle.call_soon(move || _ = (&leaves, &held));
    }
    event_loop.close();
    assert_eq!(Rc::strong_count(&token), 1);
}
