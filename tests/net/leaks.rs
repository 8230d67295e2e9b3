//! Descriptors: none leaked, and a race that goes on when there is none left.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loopctl::{Clock, EventKind, EventLoop, Phase};

use crate::support::{
    Dead, Outcome, Recorder, Refusing, Seen, Server, Trace, descriptors, in_child,
    in_child_with_descriptors, ms, run, step, until,
};

const MANY: usize = 10_000;

#[test]
fn conn_18_ten_thousand_connections_leave_no_descriptor() {
    in_child("leaks::conn_18_ten_thousand_connections_leave_no_descriptor", || {
        let server = Server::new();
        run(async |event_loop| {
            let before = descriptors();
            for _ in 0..MANY {
                let connecting = event_loop.create_connection_to([server.address()]);
                let connection = connecting.open(Recorder::new).await.unwrap();
                // The peer goes first and hard, so that no port is left waiting.
                crate::support::reset(server.accept());
                connection.transport.wait_closed().await;
            }
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn conn_18_ten_thousand_refusals_leave_no_descriptor() {
    in_child("leaks::conn_18_ten_thousand_refusals_leave_no_descriptor", || {
        let refusing = Refusing::new();
        run(async |event_loop| {
            let before = descriptors();
            for _ in 0..MANY {
                let connecting = event_loop.create_connection_to([refusing.address()]);
                connecting.open(Recorder::new).await.unwrap_err();
            }
            assert_eq!(descriptors(), before);
        });
    });
}

#[test]
fn conn_18_ten_thousand_cancellations_leave_no_descriptor() {
    in_child("leaks::conn_18_ten_thousand_cancellations_leave_no_descriptor", || {
        let dead = Dead::new();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let entered = event_loop.enter().unwrap();
        let before = descriptors();
        for number in 0..MANY {
            let connecting = handle.create_connection_to([dead.address()]);
            let mut opening = Box::pin(connecting.open(Recorder::new));
            assert!(step(&mut opening).is_pending());
            if number % 3 == 0 {
                entered.turn(Some(std::time::Duration::ZERO)).unwrap();
            }
        }
        assert_eq!(descriptors(), before);
    });
}

/// Attempt 0 is under way and takes the last descriptor, 1 gets none, and one is free again for 2.
#[test]
fn conn_no_descriptor_left_is_one_failed_attempt() {
    const NAME: &str = "leaks::conn_no_descriptor_left_is_one_failed_attempt";
    in_child_with_descriptors(64, NAME, || {
        let (dead, missed, server) = (Dead::new(), Server::new(), Server::new());
        let trace = Trace::new();
        let mut listener = trace.listener();
        run(async |event_loop| {
            let mut held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert!(held.len() > 10 && held.len() < 64, "the limit is in force");
            held.pop();
            let connecting = event_loop.create_connection_to([
                dead.address(),
                missed.address(),
                server.address(),
            ]);
            let connecting = connecting.happy_eyeballs_delay(ms(10)).trace(move |event| {
                listener(event);
                if matches!(event.kind, EventKind::AttemptFailed { attempt: 1, .. }) {
                    held.pop();
                }
            });
            let connection = connecting.open(Recorder::new).await.unwrap();
            assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
        });
        trace.check();
        let wanted =
            [(1, Outcome::Failed(Phase::Socket)), (2, Outcome::Succeeded), (0, Outcome::Canceled)];
        assert_eq!(trace.outcomes(), wanted);
        let offsets = trace.offsets();
        assert!(offsets[1] >= ms(10), "{offsets:?}");
        assert!(missed.is_lonely());
    });
}

#[test]
fn conn_no_descriptor_at_all_is_told_as_the_systems_error() {
    const NAME: &str = "leaks::conn_no_descriptor_at_all_is_told_as_the_systems_error";
    in_child_with_descriptors(64, NAME, || {
        let server = Server::new();
        let error = run(async |event_loop| {
            let held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let connecting = event_loop.create_connection_to([server.address(), server.address()]);
            let error = connecting.open(Recorder::new).await.unwrap_err();
            drop(held);
            error
        });
        assert_eq!(error.attempts().len(), 2);
        for attempt in error.attempts() {
            assert_eq!(attempt.error.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(attempt.phase, Phase::Socket);
        }
    });
}

/// The connection stays in the queue for a time with more descriptors.
#[test]
fn sock_06_no_descriptor_left_to_accept_with() {
    const NAME: &str = "leaks::sock_06_no_descriptor_left_to_accept_with";
    in_child_with_descriptors(64, NAME, || {
        let server = Server::new();
        let client = std::net::TcpStream::connect(server.address()).unwrap();
        run(async |event_loop| {
            let held: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            let error = event_loop.sock_accept(&server.0).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            drop(held);
            let (_, peer) = event_loop.sock_accept(&server.0).await.unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        });
    });
}

#[test]
fn conn_19_a_protocol_that_cannot_be_made_leaves_no_descriptor() {
    const NAME: &str = "leaks::conn_19_a_protocol_that_cannot_be_made_leaves_no_descriptor";
    in_child(NAME, || {
        let server = Server::new();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let before = descriptors();
        let connecting = handle.create_connection_to([server.address()]);
        let opening = connecting.open(|| -> Recorder { panic!("no protocol today") });
        let panicked = catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(opening)));
        assert!(panicked.is_err());
        assert_eq!(descriptors(), before);
    });
}

/// A loop with a manual clock takes no descriptors, so the transport cannot be made.
#[test]
fn conn_19_a_transport_that_cannot_be_made_leaves_no_descriptor() {
    const NAME: &str = "leaks::conn_19_a_transport_that_cannot_be_made_leaves_no_descriptor";
    in_child(NAME, || {
        let server = Server::new();
        let t0 = EventLoop::new().unwrap().handle().time();
        let mut event_loop = EventLoop::with_clock(Clock::Manual(t0)).unwrap();
        let handle = event_loop.handle();
        let before = descriptors();
        let stream = std::net::TcpStream::connect(server.address()).unwrap();
        let opening = handle.create_connection_on(stream).open(Recorder::new);
        let error = event_loop.run_until_complete(opening).unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert_eq!(descriptors(), before);
    });
}

/// Protocols keep their transport, which keeps its protocol: closing the loop must cut that.
#[test]
fn trans_36_closing_the_loop_closes_every_connection() {
    in_child("leaks::trans_36_closing_the_loop_closes_every_connection", || {
        let server = Server::new();
        let without_loop = descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let before = descriptors();
        let opening = handle.create_connection_to([server.address()]).open(Recorder::new);
        let connection = event_loop.run_until_complete(opening).unwrap().unwrap();
        assert_eq!(descriptors(), before + 1);
        let kept = connection.transport.clone();
        event_loop.close();
        assert!(kept.is_closing());
        assert_eq!(descriptors(), before);
        let seen = connection.with(|recorder| recorder.seen.clone());
        assert_eq!(seen, [Seen::Made], "as in asyncio, nobody is told");
        let _ = kept.write(b"into the void");
        kept.close();
        // The loop's own descriptors are kept by references to it, and by nothing else.
        drop((connection, kept, handle));
        assert_eq!(descriptors(), without_loop);
    });
}

#[test]
fn trans_36_a_connection_without_handles_lives_until_its_peer_ends_it() {
    in_child("leaks::trans_36_a_connection_without_handles_lives_until_its_peer_ends_it", || {
        let server = Server::new();
        run(async |event_loop| {
            let before = descriptors();
            let connecting = event_loop.create_connection_to([server.address()]);
            drop(connecting.open(Recorder::new).await.unwrap());
            let peer = server.accept();
            assert_eq!(descriptors(), before + 2);
            drop(peer);
            until(&event_loop, || descriptors() == before).await;
        });
    });
}

/// All of it is decided at once by this host; the closes happen between.
#[test]
fn conn_a_task_that_connects_and_closes_lets_the_loop_turn() {
    const NAME: &str = "leaks::conn_a_task_that_connects_and_closes_lets_the_loop_turn";
    in_child_with_descriptors(64, NAME, || {
        let server = Server::new();
        run(async |event_loop| {
            for _ in 0..200 {
                let connecting = event_loop.create_connection_to([server.address()]);
                connecting.open(Recorder::new).await.unwrap().transport.close();
                drop(server.accept());
            }
        });
    });
}
