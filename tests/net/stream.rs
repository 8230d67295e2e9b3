//! Streams: readers and writers for async code.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;

use loopctl::{
    Connection, Flow, LoopHandle, StreamError, StreamProtocol, StreamReader, StreamWriter,
};

use crate::support::{
    Server, in_child, ms, pattern, reset, run, start_logging, take_logged, turns, until,
};

async fn connect(event_loop: &LoopHandle) -> (StreamReader, StreamWriter, TcpStream) {
    connect_with(event_loop, StreamProtocol::new()).await
}

async fn connect_with(
    event_loop: &LoopHandle,
    protocol: StreamProtocol,
) -> (StreamReader, StreamWriter, TcpStream) {
    let server = Server::new();
    let connecting = event_loop.create_connection_to([server.address()]);
    let connection: Connection<StreamProtocol> = connecting.open(|| protocol).await.unwrap();
    let (reader, writer) = connection.into_stream();
    (reader, writer, server.accept())
}

#[test]
fn strm_01_exactly_until_and_line() {
    run(async |event_loop| {
        let (mut reader, _writer, mut peer) = connect(&event_loop).await;
        peer.write_all(b"1234head\r\n\r\nline\nrest").unwrap();
        drop(peer);
        assert_eq!(reader.read_exactly(4).await.unwrap(), b"1234");
        assert_eq!(reader.read_exactly(0).await.unwrap(), b"");
        assert_eq!(reader.read_until(b"\r\n\r\n").await.unwrap(), b"head\r\n\r\n");
        assert_eq!(reader.read_line().await.unwrap(), b"line\n");
        assert!(!reader.at_eof());
        assert_eq!(reader.read_line().await.unwrap(), b"rest", "the last line has no line feed");
        assert_eq!(reader.read_line().await.unwrap(), b"");
        assert!(reader.at_eof());
        assert_eq!(reader.read(&mut [0; 4]).await.unwrap(), 0);
    });
}

#[test]
fn strm_01_a_stream_that_ends_too_early_gives_what_came() {
    run(async |event_loop| {
        let (mut reader, _writer, mut peer) = connect(&event_loop).await;
        peer.write_all(b"abc").unwrap();
        drop(peer);
        let error = reader.read_exactly(10).await.unwrap_err();
        assert_eq!(error.to_string(), "3 bytes read on a total of 10 expected bytes");
        let StreamError::Incomplete { partial, expected: Some(10) } = error else {
            panic!("{error:?}")
        };
        assert_eq!(partial, b"abc");
        let error = reader.read_until(b";").await.unwrap_err();
        assert!(matches!(&error, StreamError::Incomplete { partial, .. } if partial.is_empty()));
        assert_eq!(std::io::Error::from(error).kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn strm_01_a_line_beyond_the_limit_is_an_error() {
    run(async |event_loop| {
        let (mut reader, _writer, mut peer) =
            connect_with(&event_loop, StreamProtocol::new().limit(4)).await;
        peer.write_all(b"too long\nok\n").unwrap();
        let error = reader.read_until(b"\n").await.unwrap_err();
        assert!(matches!(error, StreamError::LimitOverrun { .. }), "{error:?}");
        let error = reader.read_line().await.unwrap_err();
        assert!(matches!(error, StreamError::LimitOverrun { .. }), "{error:?}");
        assert_eq!(reader.read_line().await.unwrap(), b"ok\n", "the long line is gone");
        assert!(matches!(reader.read_until(b"").await, Err(StreamError::Io(_))));
    });
}

#[test]
fn strm_01_reading_pauses_above_twice_the_limit_and_resumes_at_the_limit() {
    run(async |event_loop| {
        let (mut reader, _writer, mut peer) =
            connect_with(&event_loop, StreamProtocol::new().limit(1000)).await;
        peer.write_all(&[1; 2000]).unwrap();
        turns(&event_loop, 5).await;
        assert!(reader.transport().is_reading(), "twice the limit is not more than that");
        peer.write_all(&[1]).unwrap();
        until(&event_loop, || !reader.transport().is_reading()).await;
        reader.read_exactly(1000).await.unwrap();
        assert!(!reader.transport().is_reading());
        reader.read_exactly(1).await.unwrap();
        assert!(reader.transport().is_reading());
    });
}

#[test]
fn strm_01_more_than_the_limit_can_be_asked_for() {
    run(async |event_loop| {
        let (mut reader, _writer, mut peer) =
            connect_with(&event_loop, StreamProtocol::new().limit(1000)).await;
        let whole = pattern(1 << 20);
        let expected = whole.clone();
        let sending = event_loop.run_in_executor(move || peer.write_all(&whole).map(|()| peer));
        assert!(reader.read_exactly(1 << 20).await.unwrap() == expected);
        drop(sending.await.unwrap().unwrap());
        assert_eq!(reader.read_to_end(&mut Vec::new()).await.unwrap(), 0);
    });
}

/// Nobody reads for a while: no more than the high mark and one piece wait.
#[test]
fn strm_02_write_all_goes_at_the_pace_of_the_peer() {
    run(async |event_loop| {
        let (_reader, mut writer, mut peer) = connect(&event_loop).await;
        let whole = pattern(16 << 20);
        let expected = whole.clone();
        let transport = writer.transport().clone();
        let sending = event_loop.create_task(async move {
            writer.write_all(&whole).await.unwrap();
            writer.close();
            writer.wait_closed().await
        });
        until(&event_loop, || transport.write_buffer_size() > 64 * 1024).await;
        turns(&event_loop, 5).await;
        assert!(transport.write_buffer_size() <= 128 * 1024, "{transport:?}");
        assert!(!sending.is_finished());
        let reading = event_loop.run_in_executor(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        sending.await.unwrap().unwrap();
        assert!(reading.await.unwrap().unwrap() == expected);
    });
}

#[test]
fn strm_02_drain_after_the_loss_is_an_error() {
    run(async |event_loop| {
        let (mut reader, mut writer, peer) = connect(&event_loop).await;
        reset(peer);
        assert_eq!(reader.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.write(b"x"), Flow::Closed);
        assert!(writer.write_all(b"x").await.is_err());
        assert_eq!(reader.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

        let (_reader, writer, _peer) = connect(&event_loop).await;
        writer.transport().abort();
        let error = writer.transport().drain().await.unwrap_err();
        assert_eq!(error.to_string(), "Connection lost", "seen although it was only closing");
    });
}

#[test]
fn strm_02_many_may_drain_and_who_gives_up_leaves_nothing() {
    run(async |event_loop| {
        let (_reader, mut writer, mut peer) = connect(&event_loop).await;
        writer.transport().socket().set_send_buffer_size(4096).unwrap();
        while writer.write(&[0; 65536]) == Flow::Open {}
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let transport = writer.transport().clone();
                event_loop.create_task(async move { transport.drain().await })
            })
            .collect();
        turns(&event_loop, 2).await;
        waiters[1].cancel();
        writer.close();
        let reading = event_loop.run_in_executor(move || peer.read_to_end(&mut Vec::new()));
        for (number, waiter) in waiters.into_iter().enumerate() {
            let outcome = waiter.await;
            assert_eq!(outcome.is_err(), number == 1, "{outcome:?}");
        }
        reading.await.unwrap().unwrap();
    });
}

#[test]
fn strm_03_wait_closed_gives_the_error_that_ended_the_connection() {
    run(async |event_loop| {
        let (_reader, writer, peer) = connect(&event_loop).await;
        reset(peer);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::ConnectionReset);

        let (_reader, mut writer, _peer) = connect(&event_loop).await;
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn strm_01_ends_that_are_dropped_end_the_connection() {
    run(async |event_loop| {
        let (mut reader, mut writer, mut peer) = connect(&event_loop).await;
        let transport = reader.transport().clone();
        writer.write_all(b"question").await.unwrap();
        drop(writer);
        let mut question = String::new();
        peer.read_to_string(&mut question).unwrap();
        assert_eq!(question, "question", "then the end");
        peer.write_all(b"answer").unwrap();
        assert_eq!(reader.read_exactly(6).await.unwrap(), b"answer");
        drop(reader);
        transport.wait_closed().await;
    });
}

#[test]
fn strm_01_a_served_stream_closes_when_its_task_ends() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    run(async |event_loop| {
        let inside = event_loop.clone();
        let serve = move || {
            StreamProtocol::serving(&inside, async |mut reader: StreamReader, mut writer| {
                let line = reader.read_line().await.unwrap();
                StreamWriter::write_all(&mut writer, &line.to_ascii_uppercase()).await.unwrap();
            })
        };
        event_loop.create_connection_on(theirs).open(serve).await.unwrap();
        let (mut reader, mut writer) =
            event_loop.create_connection_on(ours).open_stream().await.unwrap();
        writer.write_all(b"hello\n").await.unwrap();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"HELLO\n");
    });
}

#[test]
fn strm_01_a_server_gives_each_client_a_task() {
    run(async |event_loop| {
        let answer = async |mut reader: StreamReader, mut writer: StreamWriter| {
            let line = reader.read_line().await.unwrap();
            writer.write_all(&line).await.unwrap();
        };
        let server = event_loop.start_server("127.0.0.1", 0, answer).await.unwrap();
        let port = server.local_addrs()[0].port();
        let mut clients = Vec::new();
        for _ in 0..20 {
            clients.push(event_loop.open_connection("127.0.0.1", port).await.unwrap());
        }
        // In the other order: a task that served one client after the other would wait for the first.
        for (number, (reader, writer)) in clients.iter_mut().enumerate().rev() {
            let line = format!("{number}\n");
            writer.write_all(line.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            reader.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, line.as_bytes());
        }
        drop(clients);
        server.close();
        server.wait_closed().await;
        assert_eq!(server.client_count(), 0);
    });
}

#[test]
fn strm_01_a_reset_after_the_end_takes_nothing_away() {
    run(async |event_loop| {
        let (mut reader, writer, mut peer) = connect(&event_loop).await;
        peer.write_all(b"all of it").unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        // The end is heard of before the reset.
        assert_eq!(reader.read_exactly(9).await.unwrap(), b"all of it");
        until(&event_loop, || reader.at_eof()).await;
        reset(peer);
        let error = writer.wait_closed().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
        assert_eq!(reader.read(&mut [0; 4]).await.unwrap(), 0);
    });
}

/// What connections share is captured, as in a closure.
#[test]
fn strm_a_handler_may_capture_and_its_error_is_reported() {
    run(async |event_loop| {
        let (seen, errors) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(String::new())));
        let log = Rc::clone(&errors);
        event_loop.set_exception_handler(Some(Rc::new(move |_, context| {
            *log.borrow_mut() = context.to_string();
        })));
        let shared = Rc::clone(&seen);
        let server =
            event_loop.start_server("127.0.0.1", 0, async move |mut reader, mut writer| {
                shared.set(shared.get() + 1);
                let line = reader.read_line().await?;
                writer.write_all(&line).await?;
                Err::<(), _>(loopctl::BoxError::from("not a word that is known"))
            });
        let server = server.await.unwrap();
        for round in 1..=2 {
            let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
            client.write_all(b"hello\n").unwrap();
            until(&event_loop, || !errors.borrow().is_empty()).await;
            assert_eq!(seen.get(), round);
            let text = errors.take();
            assert!(text.starts_with("Unhandled exception in client_connected_cb\n"), "{text}");
            assert!(text.ends_with("caused by: not a word that is known"), "{text}");
        }
    });
}

#[test]
fn dbg_07_slow_streams_and_protocols_are_named_by_line_type_and_peer() {
    struct Slow;

    impl loopctl::Protocol for Slow {
        fn data_received(&mut self, transport: &loopctl::Transport, _: &[u8]) {
            std::thread::sleep(ms(2));
            transport.close();
        }
    }

    run(async |event_loop| {
        let slow = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&slow);
        event_loop.set_slow_callback_duration(ms(1));
        event_loop.on_slow_callback(move |it| seen.borrow_mut().push(it.job.to_string()));
        let heard = |text: &str| slow.borrow().iter().any(|job| job == text);

        let line = line!() + 1;
        let server = event_loop.start_server("127.0.0.1", 0, async |_, _| {
            std::thread::sleep(ms(2));
        });
        let server = server.await.unwrap();
        let _client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        let ends_with = format!(" at {}:{line}>", file!());
        until(&event_loop, || slow.borrow().iter().any(|job| job.ends_with(&ends_with))).await;

        let server = event_loop.create_server("127.0.0.1", 0).serve(|| Slow).await.unwrap();
        let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        client.write_all(b"x").unwrap();
        let peer = client.local_addr().unwrap();
        let name = std::any::type_name::<Slow>();
        until(&event_loop, || heard(&format!("<Handle {name} peer={peer}>"))).await;
    });
}

#[test]
fn dbg_10_11_debug_mode_logs_connections_pauses_and_the_end() {
    in_child("stream::dbg_10_11_debug_mode_logs_connections_pauses_and_the_end", || {
        start_logging();
        run(async |event_loop| {
            event_loop.set_debug(true);
            let server = event_loop.start_server("127.0.0.1", 0, async |_, _| ()).await.unwrap();
            let address = server.local_addrs()[0];
            let connecting = event_loop.open_connection("127.0.0.1", address.port());
            let (mut reader, _writer) = connecting.await.unwrap();
            let local = reader.transport().local_addr().unwrap();
            reader.transport().pause_reading();
            reader.transport().resume_reading();
            assert_eq!(reader.read_some(1).await.unwrap(), b"");
            let lines = take_logged();
            let has = |start: &str, end: &str| {
                assert!(
                    lines.iter().any(|it| it.starts_with(start) && it.ends_with(end)),
                    "{start}…{end}: {lines:#?}"
                );
            };
            has(&format!("DEBUG: connected to {address}: (<Transport fd="), "StreamProtocol)");
            has(&format!("DEBUG: {address} got a new connection from {local}"), "");
            has("DEBUG: ", " pauses reading");
            has("DEBUG: ", " resumes reading");
            has("DEBUG: ", " received EOF");
        });
    });
}
