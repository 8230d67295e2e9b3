//! Transports: writing, half-closing, closing, aborting.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use loopctl::{Connection, LoopHandle};

use crate::support::{Recorder, Seen, Server, ms, pattern, run, turns, until};

async fn connect(event_loop: &LoopHandle) -> (Connection<Recorder>, TcpStream) {
    let server = Server::new();
    let connecting = event_loop.create_connection_to([server.address()]);
    let connection = connecting.open(Recorder::new).await.unwrap();
    (connection, server.accept())
}

/// Reads everything on another thread, after a while in which the writer's socket is full.
async fn read_slowly(event_loop: &LoopHandle, mut peer: TcpStream) -> std::io::Result<Vec<u8>> {
    event_loop.sleep(ms(20)).await;
    let reading = event_loop.run_in_executor(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).map(|_| all)
    });
    reading.await.unwrap()
}

#[test]
fn trans_09_writing_nothing_does_nothing() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop).await;
        let _ = connection.transport.write(b"");
        let _ = connection.transport.write(b"x");
        let _ = connection.transport.write(b"");
        connection.transport.close();
        connection.transport.wait_closed().await;
        let _ = connection.transport.write(b"");
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    });
}

#[test]
fn trans_12_what_is_queued_is_a_copy() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let mut mine = pattern(8 << 20);
        let expected = mine.clone();
        let _ = connection.transport.write(&mine);
        mine.fill(0);
        connection.transport.close();
        assert!(read_slowly(&event_loop, peer).await.unwrap() == expected);
    });
}

#[test]
fn trans_19_the_queue_is_counted_in_bytes() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let size = |connection: &Connection<Recorder>| connection.transport.write_buffer_size();
        let _ = connection.transport.write(b"small");
        assert_eq!(size(&connection), 0, "the socket took it at once");
        while size(&connection) == 0 {
            let _ = connection.transport.write(&[1; 256 * 1024]);
        }
        let queued = size(&connection);
        let _ = connection.transport.write(&[1; 1000]);
        assert_eq!(size(&connection), queued + 1000);
        connection.transport.close();
        read_slowly(&event_loop, peer).await.unwrap();
        assert_eq!(size(&connection), 0);
    });
}

#[test]
fn trans_20_many_small_writes_arrive_in_order() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let whole = pattern(4 << 20);
        for piece in whole.chunks(1000) {
            let _ = connection.transport.write(piece);
        }
        connection.transport.close();
        assert!(read_slowly(&event_loop, peer).await.unwrap() == whole);
    });
}

#[test]
fn trans_23_write_eof_comes_after_what_is_queued() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop).await;
        let whole = pattern(8 << 20);
        let _ = connection.transport.write(&whole);
        connection.transport.write_eof();
        connection.transport.write_eof();
        let copy = peer.try_clone().unwrap();
        assert!(read_slowly(&event_loop, copy).await.unwrap() == whole);
        assert!(!connection.transport.is_closing(), "half of it is open");
        std::io::Write::write_all(&mut peer, b"answer").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"answer")).await;
        drop(peer);
        connection.transport.wait_closed().await;
        let data = Seen::Data(b"answer".to_vec());
        let wanted = [Seen::Made, data, Seen::Eof, Seen::Lost(None)];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

#[test]
fn trans_24_nothing_is_sent_after_write_eof() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop).await;
        let _ = connection.transport.write(b"before");
        connection.transport.write_eof();
        let _ = connection.transport.write(b"after");
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before");
        connection.transport.close();
        connection.transport.wait_closed().await;
        assert_eq!(
            connection.with(|recorder| recorder.seen.clone()),
            [Seen::Made, Seen::Lost(None)]
        );
    });
}

#[test]
fn trans_26_close_sends_what_is_queued_first() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let whole = pattern(8 << 20);
        let _ = connection.transport.write(&whole);
        connection.transport.close();
        assert!(connection.transport.is_closing(), "at once");
        connection.transport.close();
        let _ = connection.transport.write(b"too late");
        turns(&event_loop, 5).await;
        assert!(!connection.with(|recorder| recorder.is_lost()), "not everything is sent");
        assert!(read_slowly(&event_loop, peer).await.unwrap() == whole);
        connection.transport.wait_closed().await;
        turns(&event_loop, 3).await;
        assert_eq!(
            connection.with(|recorder| recorder.seen.clone()),
            [Seen::Made, Seen::Lost(None)]
        );
    });
}

#[test]
fn trans_26_nothing_is_received_after_close() {
    run(async |event_loop| {
        let (connection, mut peer) = connect(&event_loop).await;
        let _ = connection.transport.write(&pattern(8 << 20));
        connection.transport.close();
        std::io::Write::write_all(&mut peer, b"too late").unwrap();
        // The unread bytes make the kernel end the connection hard; only what was heard matters.
        let _ = read_slowly(&event_loop, peer).await;
        connection.transport.wait_closed().await;
        assert_eq!(connection.with(|recorder| recorder.data()), b"");
    });
}

#[test]
fn trans_26_connection_lost_is_not_called_from_inside_close() {
    run(async |event_loop| {
        let (connection, _peer) = connect(&event_loop).await;
        connection.transport.close();
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), [Seen::Made]);
        turns(&event_loop, 2).await;
        assert!(connection.with(|recorder| recorder.is_lost()));
    });
}

#[test]
fn trans_29_abort_drops_what_is_queued() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let whole = vec![7; 64 << 20];
        let _ = connection.transport.write(&whole);
        connection.transport.abort();
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), [Seen::Made]);
        turns(&event_loop, 2).await;
        assert_eq!(
            connection.with(|recorder| recorder.seen.clone()),
            [Seen::Made, Seen::Lost(None)]
        );
        let arrived = read_slowly(&event_loop, peer).await.map_or(0, |all| all.len());
        assert!(arrived < whole.len(), "{arrived} bytes arrived");
    });
}

#[test]
fn trans_29_abort_ends_a_close_that_cannot_finish() {
    run(async |event_loop| {
        let (connection, _peer) = connect(&event_loop).await;
        let _ = connection.transport.write(&vec![7; 64 << 20]);
        connection.transport.close();
        turns(&event_loop, 5).await;
        assert!(!connection.with(|recorder| recorder.is_lost()), "nobody reads");
        connection.transport.abort();
        event_loop
            .timeout(Duration::from_secs(5), connection.transport.wait_closed())
            .await
            .unwrap();
        assert_eq!(
            connection.with(|recorder| recorder.seen.clone()),
            [Seen::Made, Seen::Lost(None)]
        );
    });
}

#[test]
fn trans_32_several_may_wait_for_the_end() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let transport = connection.transport.clone();
                event_loop.create_task(async move { transport.wait_closed().await })
            })
            .collect();
        turns(&event_loop, 2).await;
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()), "the peer is there");
        drop(peer);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        assert!(connection.with(|recorder| recorder.is_lost()), "connection_lost came first");
        connection.transport.wait_closed().await;
    });
}

#[test]
fn trans_33_addresses_are_known_after_the_end() {
    run(async |event_loop| {
        let (connection, peer) = connect(&event_loop).await;
        let (ours, theirs) = (peer.peer_addr().unwrap(), peer.local_addr().unwrap());
        let addresses = || {
            let transport = &connection.transport;
            (transport.local_addr().unwrap(), transport.peer_addr().unwrap())
        };
        assert_eq!(addresses(), (ours, theirs));
        let names = (connection.transport.local(), connection.transport.peer());
        assert_eq!(names, (Some(ours.into()), Some(theirs.into())));
        connection.transport.close();
        connection.transport.wait_closed().await;
        assert_eq!(addresses(), (ours, theirs));
    });
}

#[test]
fn trans_37_a_transport_says_in_which_state_it_is() {
    run(async |event_loop| {
        let (connection, _peer) = connect(&event_loop).await;
        let text = || format!("{:?}", connection.transport);
        let number = connection.transport.socket().number().unwrap();
        assert_eq!(text(), format!("<Transport fd={number} read=polling write=<idle, bufsize=0>>"));
        connection.transport.pause_reading();
        assert_eq!(text(), format!("<Transport fd={number} read=idle write=<idle, bufsize=0>>"));
        connection.transport.resume_reading();
        let _ = connection.transport.write(&vec![0; 64 << 20]);
        let unsent = connection.transport.write_buffer_size();
        let writing = format!("write=<polling, bufsize={unsent}>>");
        assert_eq!(text(), format!("<Transport fd={number} read=polling {writing}"));
        connection.transport.close();
        assert_eq!(text(), format!("<Transport closing fd={number} read=idle {writing}"));
        connection.transport.abort();
        connection.transport.wait_closed().await;
        assert_eq!(text(), "<Transport closed>");
    });
}
