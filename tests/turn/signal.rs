//! SIG: signals as callbacks. Signals belong to the whole process, so each test has one of its own.

use std::cell::Cell;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;
use std::thread;

use loopctl::{ErrorContext, JobKind, LoopHandle};
use signal_hook::low_level::raise;

use crate::support::{Notes, alone, collect_errors, one_turn, real, throw, watchdog};

#[test]
fn sig_01_invalid_and_uncatchable_signals_are_refused() {
    let (_event_loop, handle) = real();
    for (signal, reason) in [
        (0, "there is no signal 0"),
        (-1, "there is no signal -1"),
        (65, "there is no signal 65"),
        (libc::SIGKILL, "signal 9 cannot be caught"),
        (libc::SIGSTOP, "signal 19 cannot be caught"),
    ] {
        let error = handle.add_signal_handler(signal, || ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(error.to_string(), reason);
        assert!(!handle.remove_signal_handler(signal));
    }
}

#[test]
fn sig_02_a_signal_wakes_the_wait_and_is_called_once_on_the_loop() {
    let (mut event_loop, handle) = real();
    let barked = watchdog(&handle);
    let (calls, home) = (Rc::new(Cell::new(0)), thread::current().id());
    let (count, stop) = (Rc::clone(&calls), handle.clone());
    handle
        .add_signal_handler(libc::SIGUSR1, move || {
            assert_eq!(thread::current().id(), home);
            count.set(count.get() + 1);
            stop.stop();
        })
        .unwrap();
    thread::scope(|scope| {
        scope.spawn(|| raise(libc::SIGUSR1));
        event_loop.run_forever().unwrap();
    });
    one_turn(&mut event_loop);
    assert_eq!((calls.get(), barked.get()), (1, false));
    assert!(handle.remove_signal_handler(libc::SIGUSR1));
}

#[test]
fn sig_02_a_handler_stays_after_a_failure_and_is_named() {
    let (mut event_loop, handle) = real();
    let seen = Notes::default();
    let notes = seen.clone();
    handle.set_exception_handler(Some(Rc::new(move |_: &LoopHandle, context: &ErrorContext| {
        let job = context.job.as_ref().expect("a job");
        assert_eq!(job.kind, JobKind::Signal);
        notes.add(&job.name);
    })));
    handle.add_signal_handler(libc::SIGCONT, || -> () { throw("boom") }).unwrap();
    for _ in 0..2 {
        raise(libc::SIGCONT).unwrap();
        one_turn(&mut event_loop);
    }
    assert_eq!(seen.take(), "SIGCONT SIGCONT");
}

#[test]
fn sig_03_remove_returns_whether_there_was_a_handler() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    assert!(!handle.remove_signal_handler(libc::SIGWINCH));
    handle.add_signal_handler(libc::SIGWINCH, notes.adder("first")).unwrap();
    handle.add_signal_handler(libc::SIGWINCH, notes.adder("second")).unwrap();
    raise(libc::SIGWINCH).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "second", "one handler, the last");
    assert!(handle.remove_signal_handler(libc::SIGWINCH));
    assert!(!handle.remove_signal_handler(libc::SIGWINCH));
    // The process ignores this signal by default, so raising it must reach nobody.
    raise(libc::SIGWINCH).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "");
}

#[test]
fn sig_03_the_last_removal_brings_the_default_back() {
    const NAME: &str = "signal::sig_03_the_last_removal_brings_the_default_back";
    let Some(output) = alone(NAME, &[]) else { return die_after_the_removal() };
    assert_eq!(output.status.signal(), Some(libc::SIGINT), "{output:?}");
}

fn die_after_the_removal() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    handle.add_signal_handler(libc::SIGINT, notes.adder("caught")).expect("a signal");
    raise(libc::SIGINT).expect("a signal");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "caught");
    handle.remove_signal_handler(libc::SIGINT);
    raise(libc::SIGINT).expect("a signal");
    // Reached only by a process that should be dead; exits then with success, which the test refuses.
}

#[test]
fn sig_04_close_removes_every_handler() {
    const NAME: &str = "signal::sig_04_close_removes_every_handler";
    let Some(output) = alone(NAME, &[]) else { return die_after_the_close() };
    assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{output:?}");
}

fn die_after_the_close() {
    let (event_loop, handle) = real();
    let (other_loop, other) = real();
    handle.add_signal_handler(libc::SIGTERM, || ()).expect("a signal");
    other.add_signal_handler(libc::SIGTERM, || ()).expect("a signal");
    event_loop.close();
    raise(libc::SIGTERM).expect("a signal");
    // Still here: the other loop's handler stands.
    other_loop.close();
    raise(libc::SIGTERM).expect("a signal");
}

#[test]
fn sig_05_signals_that_arrive_together_are_all_handled() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let signals = [(libc::SIGUSR2, "usr2"), (libc::SIGALRM, "alrm"), (libc::SIGIO, "io")];
    for (signal, name) in signals {
        handle.add_signal_handler(signal, notes.adder(name)).unwrap();
    }
    for (signal, _) in signals {
        raise(signal).unwrap();
        raise(signal).unwrap();
    }
    one_turn(&mut event_loop);
    let mut handled: Vec<_> = notes.take().split(' ').map(str::to_owned).collect();
    handled.sort();
    assert_eq!(handled, ["alrm", "io", "usr2"], "two of a kind are one call");
}

#[test]
fn sig_05_a_handler_removed_before_its_turn_is_not_called() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let errors = collect_errors(&handle);
    handle.add_signal_handler(libc::SIGHUP, notes.adder("never")).unwrap();
    raise(libc::SIGHUP).unwrap();
    let inside = handle.clone();
    // Runs after the signal was collected and before its callback.
    handle.call_soon(move || assert!(inside.remove_signal_handler(libc::SIGHUP)));
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!((notes.take(), errors.take()), Default::default());
}

#[test]
fn sig_05_a_replaced_handler_passes_on_a_signal_that_it_has_not_handled() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    handle.add_signal_handler(libc::SIGVTALRM, notes.adder("first")).unwrap();
    raise(libc::SIGVTALRM).unwrap();
    handle.add_signal_handler(libc::SIGVTALRM, notes.adder("second")).unwrap();
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "second", "it was not collected yet");

    raise(libc::SIGVTALRM).unwrap();
    let (inside, third) = (handle.clone(), notes.adder("third"));
    // Runs after the signal was collected and before its callback.
    handle.call_soon(move || inside.add_signal_handler(libc::SIGVTALRM, third).unwrap());
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "third", "it was collected");

    handle.add_signal_handler(libc::SIGVTALRM, notes.adder("fourth")).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "", "it was handled");
}

#[test]
fn sig_05_a_handler_may_remove_itself() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    let (inside, seen) = (handle.clone(), notes.clone());
    handle
        .add_signal_handler(libc::SIGURG, move || {
            seen.add(inside.remove_signal_handler(libc::SIGURG));
        })
        .unwrap();
    raise(libc::SIGURG).unwrap();
    one_turn(&mut event_loop);
    raise(libc::SIGURG).unwrap();
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "true");
}

#[test]
fn sig_02_a_signal_can_be_awaited_beside_a_handler_and_again() {
    const NAME: &str = "signal::sig_02_a_signal_can_be_awaited_beside_a_handler_and_again";
    if let Some(output) = alone(NAME, &[]) {
        assert!(String::from_utf8_lossy(&output.stdout).contains("both"), "{output:?}");
        return assert_eq!(output.status.signal(), Some(libc::SIGUSR2), "default action restored");
    }
    let (mut event_loop, handle) = real();
    let calls = Rc::new(Cell::new(0));
    let count = Rc::clone(&calls);
    handle.add_signal_handler(libc::SIGUSR2, move || count.set(count.get() + 1)).unwrap();
    let (mut first, second) = (handle.signal(libc::SIGUSR2), handle.signal(libc::SIGUSR2));
    for round in 1..=2 {
        raise(libc::SIGUSR2).unwrap();
        event_loop.run_until_complete(&mut first).unwrap().unwrap();
        one_turn(&mut event_loop);
        assert_eq!(calls.get(), round);
    }
    event_loop.run_until_complete(second).unwrap().unwrap();
    let refused = event_loop.run_until_complete(handle.signal(libc::SIGKILL)).unwrap();
    assert_eq!(refused.unwrap_err().to_string(), "signal 9 cannot be caught");
    handle.remove_signal_handler(libc::SIGUSR2);
    drop(first);
    assert!(writeln!(io::stdout(), "both").is_ok());
    raise(libc::SIGUSR2).unwrap();
}
