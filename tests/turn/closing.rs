//! LOOP-16 to LOOP-22: closing a loop, and what is asked of it afterwards.

use std::future::pending;
use std::io;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use log::Level;
use loopctl::{EventLoop, LoopClosed};

use crate::support::{FAR, Logged, SEC, alone, collect_errors, one_turn, passed, real, throw};

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
