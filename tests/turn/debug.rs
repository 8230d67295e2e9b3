//! DBG: debug mode, slow callbacks and turns, where a job was scheduled.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use log::Level;
use loopctl::{JobInfo, JobKind, Lookup, LoopHandle};

use crate::support::{Logged, MS, alone, manual, one_turn, passed, real, throw};

#[test]
fn dbg_01_the_environment_turns_debug_mode_on_unless_empty() {
    const NAME: &str = "debug::dbg_01_the_environment_turns_debug_mode_on_unless_empty";
    for (value, expected) in [("1", "true"), ("no", "true"), ("", "false")] {
        let env = [("LOOPCTL_DEBUG", value), ("EXPECTED", expected)];
        let Some(output) = alone(NAME, &env) else { return check_environment() };
        assert!(passed(&output), "LOOPCTL_DEBUG={value:?}: {output:?}");
    }
    let Some(output) = alone(NAME, &[("EXPECTED", "false")]) else { return };
    assert!(passed(&output), "off by default: {output:?}");
}

fn check_environment() {
    let (_event_loop, handle) = real();
    assert_eq!(std::env::var("EXPECTED").ok(), Some(handle.debug().to_string()));
    handle.set_debug(false);
    assert!(!handle.debug(), "what is said later counts");
}

#[test]
fn dbg_02_debug_mode_can_be_set_while_the_loop_runs_and_counts_at_once() {
    let logged = Logged::start();
    let (mut event_loop, handle, _) = manual();
    handle.set_slow_callback_duration(Duration::ZERO);
    for debug in [true, false] {
        let inside = handle.clone();
        handle.call_soon(move || inside.set_debug(debug));
        handle.call_soon(|| ());
    }
    one_turn(&mut event_loop);
    let executed = logged.take().iter().filter(|(_, line)| line.starts_with("Executing")).count();
    // Not measured: the first, in which it was still off, and the last, in which it was off again. The one
    // that turned it off had begun under measurement.
    assert_eq!(executed, 2);
}

#[test]
fn dbg_03_a_slow_callback_is_one_warning_with_name_origin_and_duration() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    handle.set_debug(true);
    handle.set_slow_callback_duration(5 * MS);
    let line = line!() + 1;
    handle.call_soon(|| thread::sleep(6 * MS));
    one_turn(&mut event_loop);
    let lines: Vec<_> =
        logged.take().into_iter().filter(|(_, line)| line.contains(file!())).collect();
    let [(Level::Warn, text)] = &lines[..] else { panic!("{lines:?}") };
    let (what, took) = text.split_once(" took ").unwrap();
    assert!(what.starts_with("Executing <Handle "), "{text}");
    assert!(what.ends_with(&format!(" at {}:{line}>", file!())), "{text}");
    let seconds = took.strip_suffix(" seconds").unwrap();
    assert_eq!(seconds.split_once('.').map(|(_, decimals)| decimals.len()), Some(3), "{text}");
    assert!(seconds.parse::<f64>().unwrap() >= 0.006);
}

/// The jobs that the hook hears of.
fn slow_jobs(event_loop: &LoopHandle) -> Rc<RefCell<Vec<JobInfo>>> {
    let jobs = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&jobs);
    event_loop.on_slow_callback(move |slow| seen.borrow_mut().push(slow.job.clone()));
    jobs
}

#[test]
fn dbg_03_the_threshold_is_inclusive() {
    // On a manual clock every callback takes exactly no time.
    let (mut event_loop, handle, _) = manual();
    let jobs = slow_jobs(&handle);
    for (threshold, reported) in [(Duration::from_nanos(1), 0), (Duration::ZERO, 1)] {
        handle.set_slow_callback_duration(threshold);
        handle.call_soon(|| ());
        one_turn(&mut event_loop);
        assert_eq!(jobs.borrow().len(), reported, "{threshold:?}");
    }
}

#[test]
fn dbg_04_a_threshold_of_zero_reports_all_and_can_be_set_at_any_time() {
    let (mut event_loop, handle) = real();
    let jobs = slow_jobs(&handle);
    handle.set_slow_callback_duration(Duration::ZERO);
    let inside = handle.clone();
    handle.call_soon(|| ());
    handle.call_soon(move || inside.set_slow_callback_duration(100 * MS));
    handle.call_soon(|| ());
    one_turn(&mut event_loop);
    assert_eq!(jobs.borrow().len(), 1);
    assert_eq!(handle.slow_callback_duration(), 100 * MS);
}

#[test]
fn dbg_05_a_hook_hears_without_debug_mode_and_instead_of_the_log() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    let jobs = slow_jobs(&handle);
    assert!(!handle.debug());
    handle.set_slow_callback_duration(Duration::ZERO);
    handle.call_soon(|| ());
    one_turn(&mut event_loop);
    assert_eq!(jobs.borrow().len(), 1);
    handle.set_slow_callback_duration(Duration::MAX);
    handle.call_soon(|| ());
    one_turn(&mut event_loop);
    assert_eq!(jobs.borrow().len(), 1, "nothing is ever that slow");
    let about_jobs = logged.take().iter().filter(|(_, line)| line.starts_with("Exec")).count();
    assert_eq!(about_jobs, 0);
}

#[test]
fn dbg_05_without_debug_mode_or_hook_nothing_is_reported() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    handle.set_slow_callback_duration(Duration::ZERO);
    handle.call_soon(|| ());
    one_turn(&mut event_loop);
    assert_eq!(logged.take(), []);
}

#[test]
fn dbg_07_every_job_has_the_line_that_scheduled_it() {
    let (mut event_loop, handle) = real();
    let jobs = slow_jobs(&handle);
    handle.set_slow_callback_duration(Duration::ZERO);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let first = line!() + 1;
    handle.call_soon(|| ());
    handle.remote().call_soon_threadsafe(|| ()).unwrap();
    let task = handle.create_task(async {});
    handle.add_reader(&ours, || ()).unwrap();
    handle.call_at(handle.time(), || ());
    handle.call_later(Duration::ZERO, || ());
    one_turn(&mut event_loop);
    task.set_name("named later");
    let seen: Vec<_> = jobs
        .borrow()
        .iter()
        .map(|job| {
            let at = job.origin.unwrap();
            assert_eq!(at.file(), file!());
            (job.kind, at.line() - first)
        })
        .collect();
    let (call, timer) = (JobKind::Call, JobKind::Timer);
    let expected =
        [(call, 0), (call, 1), (JobKind::Task, 2), (JobKind::Io, 3), (timer, 4), (timer, 5)];
    assert_eq!(seen, expected);
}

#[test]
fn dbg_07_the_main_future_has_the_line_of_its_run() {
    let (mut event_loop, handle) = real();
    let jobs = slow_jobs(&handle);
    handle.set_slow_callback_duration(Duration::ZERO);
    let line = line!() + 1;
    event_loop.run_until_complete(async {}).unwrap();
    let text = jobs.borrow()[0].to_string();
    assert_eq!(text, format!("<Task main at {}:{line}>", file!()));
}

#[test]
fn dbg_07_a_generator_that_is_dropped_is_closed_by_a_task_of_its_users_line() {
    let (mut event_loop, handle) = real();
    let line = line!() + 1;
    let mut generator = handle.track_asyncgen(crate::asyncgen::Endless);
    event_loop.run_until_complete(generator.anext()).unwrap();
    drop(generator);
    let origin = handle.all_tasks()[0].origin();
    assert_eq!((origin.file(), origin.line()), (file!(), line));
}

#[test]
fn dbg_06_an_error_also_says_where_without_debug_mode() {
    let (mut event_loop, handle) = real();
    let errors = crate::support::collect_errors(&handle);
    let line = line!() + 1;
    handle.call_soon(|| -> () { throw("boom") });
    one_turn(&mut event_loop);
    assert!(errors.take().contains(&format!(" at {}:{line}>", file!())));
}

#[test]
fn task_12_a_slow_step_is_reported_as_its_task() {
    let (mut event_loop, handle) = real();
    let texts = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&texts);
    handle.on_slow_callback(move |slow| seen.borrow_mut().push(slow.to_string()));
    handle.set_slow_callback_duration(2 * MS);
    let line = line!() + 1;
    let task = handle.create_task(async { thread::sleep(3 * MS) });
    task.set_name("parser");
    event_loop.run_until_complete(task).unwrap().unwrap();
    let expected = format!("Executing <Task parser at {}:{line}> took 0.", file!());
    assert!(texts.borrow()[0].starts_with(&expected), "{texts:?}");
}

#[test]
fn dbg_09_a_lookup_is_timed_in_debug_mode() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    for (threshold, level) in [(Duration::ZERO, Level::Info), (Duration::MAX, Level::Debug)] {
        handle.set_debug(true);
        handle.set_slow_callback_duration(threshold);
        // A service name needs the resolver, but no network.
        let lookup = Lookup::new("127.0.0.1", "80".parse::<loopctl::plan::Port>().unwrap());
        let lookup = lookup.kind(loopctl::plan::SocketKind::Any);
        event_loop.run_until_complete(handle.getaddrinfo(lookup.clone())).unwrap().unwrap();
        let lines = logged.take();
        let lines: Vec<_> =
            lines.iter().filter(|(_, line)| line.contains("address info")).collect();
        let [(Level::Debug, asked), (found, answer)] = lines[..] else { panic!("{lines:?}") };
        assert!(asked.starts_with("Get address info 127.0.0.1:80, family=Unspecified"), "{asked}");
        assert_eq!(*found, level);
        assert!(answer.starts_with("Getting address info 127.0.0.1:80, "), "{answer}");
        assert!(answer.contains("ms: [127.0.0.1:80"), "{answer}");

        handle.set_debug(false);
        event_loop.run_until_complete(handle.getaddrinfo(lookup)).unwrap().unwrap();
        assert_eq!(logged.take(), []);
    }
}

#[test]
fn dbg_15_a_turn_of_many_small_callbacks_is_reported_as_slow() {
    let (mut event_loop, handle) = real();
    let turns = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&turns);
    handle.on_slow_turn(move |slow| seen.borrow_mut().push((slow.jobs, slow.took)));
    handle.set_slow_callback_duration(8 * MS);
    for _ in 0..8 {
        handle.call_soon(|| thread::sleep(MS));
    }
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    let turns = turns.borrow();
    let [(8, took)] = turns[..] else { panic!("{turns:?}") };
    assert!(took >= 8 * MS);
}

#[test]
fn dbg_15_a_turn_that_one_slow_callback_explains_is_not_reported_again() {
    let (mut event_loop, handle) = real();
    let jobs = slow_jobs(&handle);
    let turns = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&turns);
    handle.on_slow_turn(move |slow| seen.borrow_mut().push((slow.jobs, slow.took)));
    handle.set_slow_callback_duration(100 * MS);
    handle.call_soon(|| ());
    handle.call_soon(|| thread::sleep(110 * MS));
    one_turn(&mut event_loop);
    assert_eq!((jobs.borrow().len(), turns.borrow().len()), (1, 0));

    handle.call_soon(|| thread::sleep(110 * MS));
    for _ in 0..4 {
        handle.call_soon(|| thread::sleep(30 * MS));
    }
    one_turn(&mut event_loop);
    let turns = turns.borrow();
    let [(4, took)] = turns[..] else { panic!("{turns:?}") };
    assert!(took >= 120 * MS, "of the four that are not reported by themselves");
}
