//! EXC: errors that nobody is there to receive.

use std::error::Error;
use std::fmt;
use std::io;
use std::rc::Rc;

use log::Level;
use loopctl::{ErrorContext, ExceptionHandler, JobKind, LoopHandle};

use crate::support::{
    Logged, Notes, SEC, alone, collect_errors, exit, exits, manual, one_turn, passed, real, throw,
};

/// An error that cannot even say what it is.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        throw("no words")
    }
}

impl Error for Unspeakable {}

fn refuse() -> Result<(), io::Error> {
    Err(io::Error::other("refused"))
}

#[test]
fn exc_01_a_failed_callback_is_reported_with_its_error_and_handle() {
    let (mut event_loop, handle) = real();
    let seen = Notes::default();
    let notes = seen.clone();
    handle.set_exception_handler(Some(Rc::new(move |_: &LoopHandle, context: &ErrorContext| {
        let job = context.job.as_ref().expect("a job");
        let error = context.error.as_ref().expect("an error");
        let line = job.origin.map_or(0, |at| at.line());
        notes.add(format!("{}: {error} ({:?} line {line});", context.message, job.kind));
    })));
    let line = line!();
    handle.call_soon(refuse);
    handle.call_at(handle.time(), || -> () { throw("boom") });
    handle.remote().call_soon_threadsafe(|| Err("from afar".to_owned())).unwrap();
    one_turn(&mut event_loop);
    let expected = [
        format!("Exception in callback: refused ({:?} line {});", JobKind::Call, line + 1),
        format!("Exception in callback: from afar ({:?} line {});", JobKind::Call, line + 3),
        format!("Exception in callback: panicked: boom ({:?} line {});", JobKind::Timer, line + 2),
    ];
    assert_eq!(seen.take(), expected.join(" "));
}

#[test]
fn exc_02_the_loop_goes_on_after_a_failed_callback() {
    let (mut event_loop, handle, start) = manual();
    let (errors, notes) = (collect_errors(&handle), Notes::default());
    handle.call_soon(refuse);
    handle.call_soon(notes.adder("next"));
    handle.call_later(SEC, || -> () { throw("boom") });
    handle.call_later(SEC, notes.adder("timer"));
    event_loop.run_until_complete(handle.sleep(2 * SEC)).unwrap();
    assert_eq!(notes.take(), "next timer");
    assert_eq!(handle.time(), start + 2 * SEC);
    assert_eq!(errors.take().matches("Exception in callback").count(), 2);
}

#[test]
fn exc_03_the_default_handler_logs_one_error_its_fields_in_order() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    let cause = io::Error::other(io::Error::other("the cause"));
    let context = ErrorContext::new("it broke")
        .with("transport", "<Transport>")
        .with("cache", "/var/cache/x")
        .error(cause);
    handle.call_exception_handler(context);
    let text = "it broke\ncache: /var/cache/x\ntransport: <Transport>\ncaused by: the cause";
    assert_eq!(logged.take(), [(Level::Error, text.to_owned())]);

    handle.call_exception_handler(ErrorContext::default());
    let text = "Unhandled exception in event loop".to_owned();
    assert_eq!(logged.take(), [(Level::Error, text)]);

    handle.call_soon(refuse);
    one_turn(&mut event_loop);
    let lines = logged.take();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].1.starts_with("Exception in callback\nhandle: <Handle "), "{lines:?}");
    assert!(lines[0].1.ends_with("\ncaused by: refused"));
}

#[test]
fn exc_04_known_keys_have_fields_and_others_are_kept() {
    let context = ErrorContext::new("m").error("e").with("socket", 3).with("asyncgen", "g");
    assert!(context.job.is_none());
    assert_eq!(context.error.as_ref().map(ToString::to_string).as_deref(), Some("e"));
    assert_eq!(context.extra.keys().copied().collect::<Vec<_>>(), ["asyncgen", "socket"]);
    assert_eq!(context.to_string(), "m\nasyncgen: g\nsocket: 3\ncaused by: e");
}

#[test]
fn exc_05_and_06_an_error_inside_a_callback_names_it_in_debug_mode() {
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    for debug in [false, true] {
        handle.set_debug(debug);
        let inside = handle.clone();
        let line = line!() + 1;
        handle.call_soon(move || inside.call_exception_handler(ErrorContext::new("inside")));
        one_turn(&mut event_loop);
        let report = errors.take();
        let place = format!(" at {}:{line}>", file!());
        let expected = report.starts_with("inside\nhandle: <Handle ") && report.ends_with(&place);
        assert_eq!(expected, debug, "{report}");
    }
    handle.call_exception_handler(ErrorContext::new("outside"));
    assert_eq!(errors.take(), "outside");
}

#[test]
fn exc_07_a_handler_replaces_the_default_until_it_is_taken_away() {
    let logged = Logged::start();
    let (_event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let handler: ExceptionHandler = handle.exception_handler().unwrap();
    handle.call_exception_handler(ErrorContext::new("to the handler"));
    assert_eq!((errors.take().as_str(), logged.take().len()), ("to the handler", 0));

    handler(&handle, &ErrorContext::new("by hand"));
    assert_eq!(errors.take(), "by hand");
    handle.set_exception_handler(None);
    assert!(handle.exception_handler().is_none());
    handle.call_exception_handler(ErrorContext::new("to the log"));
    assert_eq!((errors.take().as_str(), logged.take().len()), ("", 1));
}

#[test]
fn exc_07_a_handler_may_replace_itself() {
    let (_event_loop, handle) = real();
    let notes = Notes::default();
    let seen = notes.clone();
    handle.set_exception_handler(Some(Rc::new(move |handle: &LoopHandle, _: &ErrorContext| {
        seen.add("once");
        handle.set_exception_handler(None);
    })));
    handle.call_exception_handler(ErrorContext::new("first"));
    let _logged = Logged::start();
    handle.call_exception_handler(ErrorContext::new("second"));
    assert_eq!(notes.take(), "once");
}

fn break_handler(event_loop: &LoopHandle) {
    event_loop
        .set_exception_handler(Some(Rc::new(|_: &LoopHandle, _: &ErrorContext| throw("broken"))));
}

#[test]
fn exc_08_a_failing_handler_is_reported_with_its_context() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    break_handler(&handle);
    handle.call_exception_handler(ErrorContext::new("original").with("socket", 3));
    let text = "Unhandled error in exception handler\ncontext: original\nsocket: 3\ncaused by: \
                panicked: broken";
    assert_eq!(logged.take(), [(Level::Error, text.to_owned())]);

    handle.call_soon(refuse);
    handle.call_soon(notes.adder("next"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "next");
}

#[test]
fn exc_09_the_loop_goes_on_when_the_logger_fails_too() {
    let logged = Logged::start();
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    logged.is_broken(true);
    handle.call_soon(refuse);
    one_turn(&mut event_loop);
    break_handler(&handle);
    handle.call_soon(refuse);
    handle.call_soon(notes.adder("next"));
    one_turn(&mut event_loop);
    logged.is_broken(false);
    assert_eq!(notes.take(), "next");
}

#[test]
fn exc_09_the_last_resort_is_standard_error() {
    const NAME: &str = "errors::exc_09_the_last_resort_is_standard_error";
    let Some(output) = alone(NAME, &[]) else { return fail_in_every_net() };
    assert!(passed(&output), "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    for line in [
        "no logger at all",
        "Exception in default exception handler: panicked: the logger is broken",
        "Exception in default exception handler while handling an unexpected error in custom \
         exception handler: panicked: the logger is broken",
    ] {
        assert!(errors.lines().any(|found| found == line), "{line}\nis not in\n{errors}");
    }
}

fn fail_in_every_net() {
    let (_event_loop, handle) = real();
    handle.call_exception_handler(ErrorContext::new("no logger at all"));
    let logged = Logged::start();
    logged.is_broken(true);
    handle.call_exception_handler(ErrorContext::new("with a broken logger"));
    break_handler(&handle);
    handle.call_exception_handler(ErrorContext::new("and a broken handler"));
}

#[test]
fn exc_10_an_exit_passes_through_every_net() {
    let (mut event_loop, handle) = real();
    handle.call_soon(|| -> () { exit() });
    assert!(exits(|| one_turn(&mut event_loop)), "a callback");
    assert!(exits(|| event_loop.run_until_complete(async { exit() })), "the main future");
    handle.remote().call_soon_threadsafe(|| -> () { exit() }).unwrap();
    assert!(exits(|| one_turn(&mut event_loop)), "a post");
    handle.set_exception_handler(Some(Rc::new(|_: &LoopHandle, _: &ErrorContext| exit())));
    handle.call_soon(refuse);
    assert!(exits(|| one_turn(&mut event_loop)), "the handler");
    handle.set_exception_handler(None);
    let work = handle.run_in_executor(|| exit());
    assert!(exits(|| event_loop.run_until_complete(work)), "a thread of the executor");
}

#[test]
fn exc_10_jobs_that_were_ready_at_an_exit_run_in_the_next_run() {
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    handle.call_soon(|| -> () { exit() });
    handle.call_soon(notes.adder("kept"));
    assert!(exits(|| one_turn(&mut event_loop)));
    assert_eq!(notes.take(), "");
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "kept");
}

#[test]
fn exc_12_an_error_without_words_does_not_kill_the_report() {
    let _logged = Logged::start();
    let (mut event_loop, handle) = real();
    let notes = Notes::default();
    handle.call_soon(|| Err::<(), _>(Unspeakable));
    one_turn(&mut event_loop);
    // This handler fails over those words itself, and its failure is reported with them.
    collect_errors(&handle);
    handle.call_soon(|| Err::<(), _>(Unspeakable));
    handle.call_soon(notes.adder("next"));
    one_turn(&mut event_loop);
    assert_eq!(notes.take(), "next");
}

#[test]
fn exc_02_a_reader_that_panics_stays_and_is_called_again() {
    use std::io::Write;
    let (mut event_loop, handle) = real();
    let errors = collect_errors(&handle);
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    handle.add_reader(&ours, || -> () { throw("boom") }).unwrap();
    theirs.write_all(b"x").unwrap();
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(errors.take().matches("panicked: boom").count(), 2, "there is still a byte to read");
    assert!(handle.remove_reader(&ours));
}
