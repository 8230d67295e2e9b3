//! TLS under load: nothing is lost, nothing is delivered twice, and nobody's memory grows without bound.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use loopctl::{
    BufferedProtocol, Flow, LoopHandle, Protocol, StreamReader, StreamWriter, TlsClient, TlsError,
    TlsErrorKind, TlsServer, TlsVersion, Transport,
};

use crate::support::tls::{Authority, pair, serve_tls, to};
use crate::support::{Recorder, Reports, Seen, ms, pattern, run, turns, until};

const MEGABYTE: usize = 1 << 20;

/// Both ends of a session over a pair of sockets, and a third hand on the server's socket.
async fn ends(
    event_loop: &LoopHandle,
    client: TlsClient,
    server: TlsServer,
) -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter), UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let hand = theirs.try_clone().unwrap();
    let inside = event_loop.clone();
    let accepting = event_loop.create_task(async move {
        let factory = loopctl::StreamProtocol::new;
        inside.connect_accepted_tls(theirs, server, factory).await.unwrap().into_stream()
    });
    let client = client.server_name("localhost").unwrap();
    let client = event_loop.create_connection_on(ours).tls(client).open_stream().await.unwrap();
    (client, accepting.await.unwrap(), hand)
}

#[test]
fn tls_26_twenty_five_clients_send_and_receive_a_megabyte_each() {
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        run(async |event_loop| {
            let reports = Reports::of(&event_loop);
            let authority = Authority::new("Test CA");
            let server = event_loop.create_server("127.0.0.1", 0).tls(authority.server());
            let server = server.serve_streams(async |mut reader, mut writer| {
                let mut buffer = vec![0; 50_000];
                while let Ok(count) = reader.read(&mut buffer).await
                    && count > 0
                {
                    writer.write_all(&buffer[..count]).await.unwrap();
                }
            });
            let server = server.await.unwrap();
            let client = TlsClient::builder().ca_pem(authority.pem()).max_version(version);
            let (client, sent) = (client.build().unwrap(), Rc::new(pattern(MEGABYTE)));
            let clients = (0..25).map(|_| {
                let connecting = to(&event_loop, server.local_addrs()[0], &client);
                let sent = Rc::clone(&sent);
                let inside = event_loop.clone();
                event_loop.create_task(async move {
                    let (mut reader, mut writer) = connecting.open_stream().await.unwrap();
                    let data = Rc::clone(&sent);
                    let sending = inside.create_task(async move {
                        writer.write_all(&data).await.unwrap();
                        writer
                    });
                    let back = reader.read_exactly(MEGABYTE).await.unwrap();
                    assert!(back == *sent);
                    drop(sending.await.unwrap());
                    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
                })
            });
            for client in clients.collect::<Vec<_>>() {
                client.await.unwrap();
            }
            assert!(reports.texts().is_empty(), "{:?}", reports.texts());
        });
    }
}

#[test]
fn tls_13_a_slow_reader_gets_all_that_was_queued_before_the_end() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (mut near, mut far, _) = ends(&event_loop, client, server).await;
        let piece = pattern(128 * 1024);
        for _ in 0..32 {
            let _ = near.1.write(&piece);
        }
        let queued = near.1.transport().write_buffer_size();
        assert!(queued > 3 * MEGABYTE && queued < 5 * MEGABYTE, "{queued}");
        assert_eq!(near.1.write(b"last"), Flow::Full);
        near.1.close();
        let mut all = Vec::new();
        loop {
            let some = far.0.read_some(10_000).await.unwrap();
            if some.is_empty() {
                break;
            }
            all.extend(some);
        }
        assert!(all == [piece.repeat(32), b"last".to_vec()].concat());
    });
}

#[test]
fn tls_20_the_writer_is_told_to_pause_and_to_go_on() {
    struct Floods(Rc<RefCell<Vec<&'static str>>>, Rc<Cell<usize>>);
    impl Protocol for Floods {
        fn connection_made(&mut self, transport: &Transport) {
            let mut flow = Flow::Open;
            while flow == Flow::Open {
                flow = transport.write(&[7; 100_000]);
                self.1.set(self.1.get() + 100_000);
            }
        }
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
        fn pause_writing(&mut self, _: &Transport) {
            self.0.borrow_mut().push("pause");
        }
        fn resume_writing(&mut self, transport: &Transport) {
            self.0.borrow_mut().push("resume");
            assert!(transport.write_buffer_size() <= transport.write_buffer_limits().low);
        }
    }
    run(async |event_loop| {
        let (client, server) = pair();
        let told = Rc::<RefCell<Vec<_>>>::default();
        let (floods, sent) = (Rc::clone(&told), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&sent);
        let factory = move || Floods(Rc::clone(&floods), Rc::clone(&counted));
        let (_server, address) = serve_tls(&event_loop, server, factory).await;
        let (mut reader, _writer) = to(&event_loop, address, &client).open_stream().await.unwrap();
        until(&event_loop, || sent.get() > 0).await;
        let all = reader.read_exactly(sent.get()).await.unwrap();
        assert!(all.iter().all(|byte| *byte == 7));
        until(&event_loop, || told.borrow().len() == 2).await;
        assert_eq!(*told.borrow(), ["pause", "resume"]);
    });
}

/// Reads when it is told to, and counts.
#[derive(Default)]
struct Counts {
    transport: Option<Transport>,
    data: Vec<u8>,
    calls: usize,
}

impl Protocol for Counts {
    fn connection_made(&mut self, transport: &Transport) {
        transport.pause_reading();
        self.transport = Some(transport.clone());
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.data.extend_from_slice(data);
        self.calls += 1;
        transport.pause_reading();
    }
}

#[test]
fn tls_21_what_was_understood_during_a_pause_is_delivered_after_it() {
    run(async |event_loop| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let authority = Authority::new("Test CA");
        let tls = authority.client().server_name("localhost").unwrap();
        let opening = event_loop.create_connection_on(ours).tls(tls).open(Counts::default);
        let opening = event_loop.create_task(opening);
        let factory = loopctl::StreamProtocol::new;
        let far =
            event_loop.connect_accepted_tls(theirs, authority.server(), factory).await.unwrap();
        let near = opening.await.unwrap().unwrap();
        let (_reader, mut writer) = far.into_stream();
        // Everything that the kernel takes arrives as one event.
        let sent = pattern(150_000);
        let _ = writer.write(&sent);
        turns(&event_loop, 5).await;
        assert_eq!(near.with(|counts| counts.calls), 0);
        for _ in 0..100 {
            near.transport.resume_reading();
            turns(&event_loop, 2).await;
        }
        assert!(near.with(|counts| counts.data == sent));
        assert!(near.with(|counts| counts.calls > 2));
    });
}

#[test]
fn tls_21_who_does_not_read_is_sent_no_more_than_fits() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (near, mut far, _) = ends(&event_loop, client, server).await;
        near.0.transport().pause_reading();
        let taken = Cell::new(0);
        while far.1.write(&[1; 10_000]) == Flow::Open {
            taken.set(taken.get() + 10_000);
            turns(&event_loop, 2).await;
        }
        assert!(taken.get() < 2 * MEGABYTE, "{taken:?}");
    });
}

/// Fills a small buffer over and over.
struct Small {
    buffer: [u8; 7],
    all: Rc<RefCell<Vec<u8>>>,
}

impl BufferedProtocol for Small {
    fn get_buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }
    fn buffer_updated(&mut self, _: &Transport, count: usize) {
        self.all.borrow_mut().extend_from_slice(&self.buffer[..count]);
    }
}

#[test]
fn tls_10_small_buffers_get_everything_also_what_came_with_the_handshake() {
    run(async |event_loop| {
        let (client, server) = pair();
        struct Greets;
        impl Protocol for Greets {
            fn connection_made(&mut self, transport: &Transport) {
                let _ = transport.write(&pattern(40_000));
                transport.close();
            }
            fn data_received(&mut self, _: &Transport, _: &[u8]) {}
        }
        let (_server, address) = serve_tls(&event_loop, server, || Greets).await;
        let all = Rc::<RefCell<Vec<u8>>>::default();
        let small = Small { buffer: [0; 7], all: Rc::clone(&all) };
        let connecting = to(&event_loop, address, &client).open_buffered(|| small);
        connecting.await.unwrap().transport.wait_closed().await;
        assert!(*all.borrow() == pattern(40_000));
    });
}

#[test]
fn tls_09_a_corrupted_record_ends_the_connection_after_what_was_right() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (mut near, mut far, mut hand) = ends(&event_loop, client, server).await;
        let _ = far.1.write(b"right");
        hand.write_all(&[23, 3, 3, 0, 20]).unwrap();
        hand.write_all(&[9; 20]).unwrap();
        assert_eq!(near.0.read_exactly(5).await.unwrap(), b"right");
        let error = near.0.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Protocol);
        // The peer is told.
        let error = far.0.read(&mut [0]).await.unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Alert);
        assert_eq!(error.to_string(), "the peer sent a fatal alert: bad_record_mac");
    });
}

#[test]
fn tls_10_a_client_that_says_all_at_once_is_heard() {
    run(async |event_loop| {
        let (client, server) = pair();
        let kept = Rc::new(RefCell::new(None));
        let factory = {
            let kept = Rc::clone(&kept);
            move || {
                let recorder = Rc::new(RefCell::new(Recorder::new()));
                *kept.borrow_mut() = Some(Rc::clone(&recorder));
                Shared(recorder)
            }
        };
        let (_server, address) = serve_tls(&event_loop, server, factory).await;
        let (_, mut writer) = to(&event_loop, address, &client).open_stream().await.unwrap();
        let _ = writer.write(b"request");
        writer.close();
        let recorder = kept.borrow().clone().unwrap();
        until(&event_loop, || recorder.borrow().is_lost()).await;
        let seen = &recorder.borrow().seen;
        let wanted = [Seen::Made, Seen::Data(b"request".to_vec()), Seen::Eof, Seen::Lost(None)];
        assert_eq!(*seen, wanted);
    });
}

/// A recorder that the test can look into.
struct Shared(Rc<RefCell<Recorder>>);

impl Protocol for Shared {
    fn connection_made(&mut self, transport: &Transport) {
        self.0.borrow_mut().connection_made(transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        self.0.borrow_mut().data_received(transport, data);
    }
    fn eof_received(&mut self, transport: &Transport) -> loopctl::AfterEof {
        self.0.borrow_mut().eof_received(transport)
    }
    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.0.borrow_mut().connection_lost(error);
    }
}

#[test]
fn tls_20_many_small_writes_arrive_in_order() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (mut near, mut far, _) = ends(&event_loop, client, server).await;
        for number in 0..20_000_u32 {
            let _ = near.1.write(&number.to_be_bytes());
        }
        let all = far.0.read_exactly(80_000).await.unwrap();
        let numbers = all.chunks(4).map(|four| u32::from_be_bytes(four.try_into().unwrap()));
        assert!(numbers.eq(0..20_000));
        assert_eq!(near.1.transport().write_buffer_size(), 0);
        let _ = near.1.writelines(&["one", "", "two"]);
        assert_eq!(far.0.read_exactly(6).await.unwrap(), b"onetwo");
        event_loop.sleep(ms(1)).await;
    });
}
