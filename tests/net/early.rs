//! A peer that answers early and closes, while it is still being sent to.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;

use loopctl::{AfterEof, Flow, Protocol, StreamProtocol, Transport};

use crate::support::{Recorder, Seen, Server, pattern, run, turns, until};

const ANSWER: &[u8] = b"HTTP/1.1 413 Content Too Large\r\n\r\n";

/// Enough for the answer and the error to meet in every order.
const RUNS: usize = 250;

/// How the server ends.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// With bytes that it has not read: a reset.
    Unread,
    /// It says that it has finished, and the next bytes are refused.
    Finished,
}

/// Reads a little, answers, closes.
fn answer_early(mut peer: TcpStream, ending: Ending) {
    peer.read_exact(&mut [0; 1000]).unwrap();
    peer.write_all(ANSWER).unwrap();
    if let Ending::Finished = ending {
        peer.shutdown(Shutdown::Write).unwrap();
    }
}

/// Sends without end, as fast as the peer takes it.
struct Upload(Recorder);

impl Upload {
    fn send(transport: &Transport) {
        while transport.write(&[b'x'; 10_000]) == Flow::Open {}
    }
}

impl Protocol for Upload {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.connection_made(transport);
        Self::send(transport);
    }

    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.data_received(transport, data);
    }

    fn eof_received(&mut self, transport: &Transport) -> AfterEof {
        self.0.eof_received(transport);
        // It may still listen.
        AfterEof::KeepOpen
    }

    fn resume_writing(&mut self, transport: &Transport) {
        Self::send(transport);
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.0.connection_lost(error);
    }
}

#[test]
fn trans_04_an_early_answer_is_heard_however_the_peer_closes() {
    run(async |event_loop| {
        for ending in [Ending::Unread, Ending::Finished] {
            for number in 0..RUNS {
                let server = Server::new();
                let connecting = event_loop.create_connection_to([server.address()]);
                let upload = connecting.open(|| Upload(Recorder::new())).await.unwrap();
                let peer =
                    event_loop.run_in_executor(move || answer_early(server.accept(), ending));
                upload.transport.wait_closed().await;
                peer.await.unwrap();
                let seen = upload.with(|upload| upload.0.seen.clone());
                let heard = seen.iter().any(|seen| *seen == Seen::Data(ANSWER.to_vec()));
                assert!(heard, "{ending:?}, run {number}: {seen:?}");
                let Some(Seen::Lost(Some(kind))) = seen.last() else { panic!("{seen:?}") };
                let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                assert!(kinds.contains(kind), "{kind:?}");
                if let Ending::Unread = ending {
                    assert!(
                        *kind != ErrorKind::ConnectionReset || !seen.contains(&Seen::Eof),
                        "{seen:?}"
                    );
                }
            }
        }
    });
}

/// The answer and the reset are there, and nobody has looked.
#[test]
fn strm_02_a_stream_gives_the_answer_and_then_the_error() {
    run(async |event_loop| {
        let server = Server::new();
        let connecting = event_loop.create_connection_to([server.address()]);
        let (mut reader, mut writer) = connecting.open_stream().await.unwrap();
        let mut peer = server.accept();
        let _ = writer.write(b"question");
        until(&event_loop, || peer.peek(&mut [0; 8]).unwrap() == 8).await;
        peer.write_all(ANSWER).unwrap();
        drop(peer);
        assert_eq!(writer.write(b"more"), Flow::Closed);
        assert_eq!(reader.read_until(b"\r\n\r\n").await.unwrap(), ANSWER);
        let error = reader.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

/// What the reader does not take yet stays in the kernel; the writer does not wait for that.
#[test]
fn strm_02_a_slow_reader_loses_nothing_and_holds_up_no_writer() {
    run(async |event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let answer = pattern(130_000);
        theirs.write_all(&answer).unwrap();
        drop(theirs);
        let protocol = || StreamProtocol::new().limit(1000);
        let connection = event_loop.create_connection_on(ours).open(protocol).await.unwrap();
        let (mut reader, mut writer) = connection.into_stream();
        let transport = reader.transport().clone();
        assert_eq!(writer.write_all(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        turns(&event_loop, 5).await;
        assert!(!transport.is_reading(), "more than twice the limit waits");
        assert!(transport.socket().number().is_some(), "and the kernel has more");
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let mut all = Vec::new();
        let error = loop {
            match reader.read_some(700).await {
                Ok(piece) => all.extend(piece),
                Err(error) => break error,
            }
        };
        assert!(all == answer, "{} bytes", all.len());
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn trans_21_a_pause_keeps_the_answer_on_a_unix_socket_too() {
    run(async |event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let connection = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        connection.transport.pause_reading();
        theirs.write_all(ANSWER).unwrap();
        // Closing alone may not be the end of it yet: a child that another test forks has it until it is executed.
        theirs.shutdown(Shutdown::Both).unwrap();
        drop(theirs);
        assert_eq!(connection.transport.write(b"x"), Flow::Closed);
        turns(&event_loop, 5).await;
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), [Seen::Made]);
        connection.transport.resume_reading();
        connection.transport.wait_closed().await;
        let lost = Seen::Lost(Some(ErrorKind::BrokenPipe));
        let wanted = [Seen::Made, Seen::Data(ANSWER.to_vec()), Seen::Eof, lost];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

/// A peer that only shuts its receiving side is there for ever: what has come is delivered, no more.
#[test]
fn trans_04_a_peer_that_takes_no_more_ends_the_connection() {
    run(async |event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let connection = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        theirs.write_all(ANSWER).unwrap();
        theirs.shutdown(Shutdown::Read).unwrap();
        assert_eq!(connection.transport.write(b"x"), Flow::Closed);
        connection.transport.wait_closed().await;
        let lost = Seen::Lost(Some(ErrorKind::BrokenPipe));
        let wanted = [Seen::Made, Seen::Data(ANSWER.to_vec()), lost];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}
