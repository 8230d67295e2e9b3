//! Sessions over scripted streams.

use crate::event_loop::EventLoop;
use std::collections::VecDeque;

use super::*;
use crate::net::tls::{TlsClient, TlsServer};

/// One direction: data in flight, and how much more is accepted.
#[derive(Default)]
struct Direction {
    bytes: RefCell<VecDeque<u8>>,
    room: Cell<usize>,
    is_ended: Cell<bool>,
}

/// One end of a connection.
struct End {
    sends: Rc<Direction>,
    receives: Rc<Direction>,
    /// Maximum number of bytes per call.
    most: Rc<Cell<usize>>,
}

impl ByteStream for End {
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.receives.bytes.borrow_mut();
        if bytes.is_empty() {
            return if self.receives.is_ended.get() {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        }
        let count = buffer.len().min(bytes.len()).min(self.most.get());
        bytes.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
        Ok(count)
    }

    fn has_more(&self) -> bool {
        !self.receives.bytes.borrow().is_empty()
    }

    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.sends.room.get();
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let all = pieces.iter().flat_map(|piece| piece.iter().copied());
        let mut bytes = self.sends.bytes.borrow_mut();
        let before = bytes.len();
        bytes.extend(all.take(room));
        let sent = bytes.len() - before;
        self.sends.room.set(room - sent);
        Ok(sent)
    }

    fn shutdown(&self) -> io::Result<()> {
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

/// A client and a server with the stream between them.
struct Bench {
    client: Tls,
    server: Tls,
    up: Rc<Direction>,
    down: Rc<Direction>,
    most: Rc<Cell<usize>>,
}

impl Bench {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let client = TlsClient::builder().ca_pem(&certificate).build().unwrap();
        let client = client.server_name("localhost").unwrap().new_session(None).unwrap();
        let server = TlsServer::builder().identity_pem(&certificate, key).build().unwrap();
        let (up, down) = (Rc::<Direction>::default(), Rc::<Direction>::default());
        let most = Rc::new(Cell::new(usize::MAX));
        let now = EventLoop::new().unwrap().handle().time();
        let tls = |secure, sends: &Rc<Direction>, receives: &Rc<Direction>| {
            let (sends, receives, most) = (Rc::clone(sends), Rc::clone(receives), Rc::clone(&most));
            let below =
                Underlying::RawStream(RawStream::Scripted(Box::new(End { sends, receives, most })));
            Tls::new(secure, below, WriteQueue::default(), Vec::new(), now)
        };
        let client = tls(client, &up, &down);
        let server = tls(server.new_session().unwrap(), &down, &up);
        Self { client, server, up, down, most }
    }

    /// Grants `room` bytes in both directions until both handshakes are complete.
    fn shaken(room: usize, most: usize) -> Self {
        let bench = Self::new();
        bench.most.set(most);
        for _ in 0..100_000 {
            bench.up.room.set(room);
            bench.down.room.set(room);
            let client = bench.client.handshake().unwrap();
            let server = bench.server.handshake().unwrap();
            if (client, server) == (HandshakeStep::Done, HandshakeStep::Done)
                && bench.client.backlog() + bench.server.backlog() == 0
            {
                return bench;
            }
            bench.client.flush().unwrap();
            bench.server.flush().unwrap();
        }
        panic!("no end");
    }
}

fn send(tls: &Tls, data: &[u8]) -> io::Result<usize> {
    tls.send(&[IoSlice::new(data)])
}

/// Everything that can be received.
fn drain(tls: &Tls) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 10_000]);
    while let Ok(count) = tls.recv(&mut buffer)
        && count > 0
    {
        all.extend_from_slice(&buffer[..count]);
    }
    all
}

#[test]
fn tls_13_every_way_to_cut_the_stream_gives_the_same_bytes() {
    let data: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    for (room, most) in [(usize::MAX, 1), (1, usize::MAX), (7, 5), (1000, 333), (16_406, 5)] {
        let bench = Bench::shaken(room, most);
        let (mut sent, mut received) = (0, Vec::new());
        while received.len() < data.len() {
            bench.up.room.set(room);
            bench.client.flush().unwrap();
            match send(&bench.client, &data[sent..]) {
                Ok(count) => sent += count,
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
            received.extend(drain(&bench.server));
        }
        assert!(received == data, "{room} {most}");
        assert_eq!(bench.client.backlog(), 0);
    }
}

#[test]
fn tls_13_what_is_taken_and_not_sent_is_counted_and_bounded() {
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(100);
    let taken = send(&bench.client, &[1; 1_000_000]).unwrap();
    let backlog = bench.client.backlog();
    assert!((60_000..70_000).contains(&taken) && backlog > taken - 100, "{taken} {backlog}");
    assert_eq!(send(&bench.client, b"x").unwrap_err().kind(), io::ErrorKind::WouldBlock);
    bench.up.room.set(usize::MAX);
    bench.client.flush().unwrap();
    assert_eq!(bench.client.backlog(), 0);
    assert_eq!(drain(&bench.server).len(), taken);
}

#[test]
fn tls_11_the_farewell_waits_for_room() {
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(10);
    assert!(!bench.client.send_close_notify());
    assert!(bench.client.backlog() > 0 && !bench.client.send_close_notify());
    bench.up.room.set(usize::MAX);
    bench.client.flush().unwrap();
    assert!(bench.client.send_close_notify());
    assert_eq!(bench.server.recv(&mut [0]).unwrap(), 0);
    assert_eq!(send(&bench.client, b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    // A session that has given up sends nothing.
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(10);
    send(&bench.client, b"never sent").unwrap();
    bench.client.give_up();
    assert!(bench.client.backlog() == 0 && bench.client.send_close_notify());
    assert_eq!(bench.up.bytes.borrow().len(), 10);
}

#[test]
fn tls_21_what_a_small_buffer_leaves_is_known_without_the_stream() {
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(usize::MAX);
    send(&bench.client, &[7; 40_000]).unwrap();
    assert!(bench.server.has_more());
    let (mut buffer, mut total) = ([0; 999], 0);
    while total < 40_000 {
        assert!(total == 0 || bench.server.has_more());
        let count = bench.server.recv(&mut buffer).unwrap();
        total += count;
        // A short read may be taken for the last one.
        assert!(count == buffer.len() || total == 40_000, "{count} of {total}");
    }
    assert!(!bench.server.has_more() && !bench.server.holds_more());
    let error = bench.server.recv(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn tls_19_a_fault_comes_after_the_bytes_before_it_and_again() {
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(usize::MAX);
    send(&bench.client, b"before").unwrap();
    bench.up.is_ended.set(true);
    let mut buffer = [0; 100];
    assert_eq!(bench.server.recv(&mut buffer).unwrap(), 6);
    assert!(bench.server.holds_more(), "a short read, and not the last");
    for _ in 0..2 {
        let error = bench.server.recv(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn tls_13_a_read_that_has_to_be_answered_leaves_the_answer_to_be_flushed() {
    let bench = Bench::shaken(usize::MAX, usize::MAX);
    bench.up.room.set(usize::MAX);
    // New keys, and a request for new keys from the other end (KeyUpdate).
    bench.client.core.borrow_mut().session.refresh_traffic_keys().unwrap();
    bench.client.flush().unwrap();
    bench.down.room.set(0);
    assert_eq!(drain(&bench.server), b"");
    bench.down.room.set(usize::MAX);
    bench.server.flush().unwrap();
    assert_eq!(bench.server.backlog(), 0);
    send(&bench.server, b"new keys").unwrap();
    send(&bench.client, b"here too").unwrap();
    assert_eq!(
        (drain(&bench.client), drain(&bench.server)),
        (b"new keys".to_vec(), b"here too".to_vec())
    );
}

#[test]
fn tls_05_the_end_of_the_stream_in_a_handshake_is_its_failure() {
    let bench = Bench::new();
    bench.up.room.set(usize::MAX);
    assert_eq!(bench.client.handshake().unwrap(), HandshakeStep::Pending);
    bench.down.is_ended.set(true);
    let error = bench.client.handshake().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
