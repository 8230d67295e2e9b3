//! What a failure says: the phase, the address, in the order of the addresses.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use loopctl::{AbortReason, ConnectError, Phase};

use crate::support::{Dead, Outcome, Recorder, Refusing, Trace, ms, run};

fn fail(addresses: Vec<SocketAddr>) -> ConnectError {
    run(async |event_loop| event_loop.create_connection_to(addresses).open(Recorder::new).await)
        .unwrap_err()
}

#[test]
fn conn_07_one_error_is_that_error() {
    let refusing = Refusing::new();
    let error = fail(vec![refusing.address()]);
    let text = format!("connect {}: Connection refused (os error 111)", refusing.address());
    assert_eq!((error.to_string(), error.kind()), (text, ErrorKind::ConnectionRefused));
}

#[test]
fn conn_07_equal_errors_are_told_once() {
    let address = Refusing::new();
    let error = fail(vec![address.address(); 3]);
    assert_eq!(error.attempts().len(), 3, "each was tried");
    let text = format!("connect {}: Connection refused (os error 111)", address.address());
    assert_eq!(error.to_string(), text);
}

#[test]
fn conn_07_several_errors_are_told_together_in_address_order() {
    let (one, two) = (Refusing::new(), Refusing::new());
    let error = fail(vec![one.address(), two.address()]);
    let text = format!(
        "Multiple exceptions: connect {}: Connection refused (os error 111), \
         connect {}: Connection refused (os error 111)",
        one.address(),
        two.address()
    );
    assert_eq!(error.to_string(), text);
}

#[test]
fn conn_08_a_common_kind_survives() {
    let (one, two) = (Refusing::new(), Refusing::new());
    let error = fail(vec![one.address(), two.address()]);
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let as_io = std::io::Error::from(error);
    assert_eq!(as_io.kind(), ErrorKind::ConnectionRefused);
    // No common kind: the second address is not one that can be connected to.
    let mixed = fail(vec![one.address(), "255.255.255.255:9".parse().unwrap()]);
    assert_eq!(mixed.kind(), ErrorKind::Other);
}

#[test]
fn conn_09_every_error_is_there() {
    let (one, two) = (Refusing::new(), Refusing::new());
    let error = fail(vec![one.address(), two.address()]);
    let ConnectError::Attempts(attempts) = &error else { panic!("{error:?}") };
    let addresses: Vec<_> = attempts.iter().filter_map(|at| at.address.as_inet()).collect();
    assert_eq!(addresses, [one.address(), two.address()]);
    for attempt in attempts {
        assert_eq!(attempt.phase, Phase::Connect);
        assert_eq!(attempt.error.raw_os_error(), Some(libc::ECONNREFUSED));
    }
}

#[test]
fn conn_10_nothing_to_try_is_a_timeout_not_a_crash() {
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let connecting = event_loop.create_connection_to([]).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(
        (error.to_string().as_str(), error.kind()),
        ("create_connection failed", ErrorKind::TimedOut)
    );
    assert_eq!(trace.aborted(), Some(AbortReason::AllFailed));
}

/// The first attempt fails last.
#[test]
fn conn_11_errors_are_in_the_order_of_the_addresses() {
    let (dead, refusing) = (Dead::new(), Refusing::new());
    let trace = Trace::new();
    let addresses = [dead.address(), refusing.address()];
    let error = run(async |event_loop| {
        let connecting = event_loop.create_connection_to(addresses).trace(trace.listener());
        let connecting = connecting.happy_eyeballs_delay(Duration::ZERO).attempt_timeout(ms(60));
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    let by_time = [(1, Outcome::Failed(Phase::Connect)), (0, Outcome::TimedOut)];
    assert_eq!(trace.outcomes(), by_time);
    let told: Vec<_> = error.attempts().iter().filter_map(|at| at.address.as_inet()).collect();
    assert_eq!(told, addresses);
}

/// A broadcast address, and a link-local one without its zone: the kernel says no before anything is sent.
#[test]
fn conn_12_immediate_failures_name_their_address_too() {
    for text in ["255.255.255.255:9", "[fe80::1]:9"] {
        let error = fail(vec![text.parse().unwrap()]);
        let [attempt] = error.attempts() else { panic!("{error:?}") };
        assert!(attempt.error.raw_os_error().is_some(), "{attempt:?}");
        assert!(attempt.to_string().contains(text), "{attempt}");
        assert!(matches!(attempt.phase, Phase::Connect | Phase::Socket), "{attempt:?}");
    }
}
