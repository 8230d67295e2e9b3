//! Unix domain sockets.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use loopctl::{Address, EventKind, Phase};

use crate::support::{Outcome, Recorder, Trace, run, until};

#[test]
fn unix_05_a_path_gives_a_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let trace = Trace::new();
    run(async |lp| {
        let connecting = lp.create_unix_connection(&path).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"hello").unwrap();
        until(&lp, || connection.with(|recorder| recorder.data() == b"hello")).await;
        connection.transport.write(b"answer");
        connection.transport.close();
        let mut text = String::new();
        connection.transport.wait_closed().await;
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
        assert_eq!(connection.transport.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
    });
    trace.check();
    let address = Address::Unix(path);
    assert!(trace.events().iter().any(|event| {
        matches!(&event.kind, EventKind::AttemptStarted { address: to, .. } if *to == address)
    }));
    let facts = trace.events().into_iter().find_map(|event| match event.kind {
        EventKind::AttemptSucceeded { facts, .. } => Some(facts),
        _ => None,
    });
    assert_eq!(facts, Some(loopctl::SocketFacts::default()), "no IP address, no TCP");
}

#[test]
fn unix_05_a_missing_path_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody");
    let trace = Trace::new();
    let error = run(async |lp| {
        let connecting = lp.create_unix_connection(&path).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&format!("connect unix:{}", path.display())), "{error}");
    assert_eq!(trace.outcomes(), [(0, Outcome::Failed(Phase::Connect))]);
}

#[test]
fn unix_05_a_path_that_nobody_listens_on_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stale");
    drop(UnixListener::bind(&path).unwrap());
    let error = run(async |lp| lp.create_unix_connection(&path).open(Recorder::new).await);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn unix_04_an_abstract_address_needs_no_file() {
    let name = format!("loopctl-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    run(async |lp| {
        let connecting = lp.create_unix_connection(format!("\0{name}"));
        let connection = connecting.open(Recorder::new).await.unwrap();
        listener.accept().unwrap().0.write_all(b"abstract").unwrap();
        until(&lp, || connection.with(|recorder| recorder.is_lost())).await;
        assert_eq!(connection.with(|recorder| recorder.data()), b"abstract");
    });
}

#[test]
fn unix_09_a_path_that_is_too_long_is_a_clear_error() {
    let path = format!("/tmp/{}", "x".repeat(200));
    let error = run(async |lp| lp.create_unix_connection(path).open(Recorder::new).await);
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()[0].phase),
        (ErrorKind::InvalidInput, Phase::Connect)
    );
}

#[test]
fn conn_04_a_unix_stream_is_a_stream() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    run(async |lp| {
        let connection = lp.create_connection_on(ours).open(Recorder::new).await.unwrap();
        theirs.write_all(b"pair").unwrap();
        until(&lp, || connection.with(|recorder| recorder.data() == b"pair")).await;
        connection.transport.abort();
    });
}
