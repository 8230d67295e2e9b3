//! How TLS connections end: said and unsaid, in one direction and in both.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

use loopctl::{
    Connection, Flow, LoopHandle, Protocol, StreamProtocol, TlsClient, TlsError, TlsErrorKind,
    Transport,
};

use crate::support::tls::{Authority, pair};
use crate::support::{Recorder, Reports, Seen, ms, pattern, run, until};

/// A recorder with TLS, its peer, and a third hand on the peer's socket.
async fn ends(
    event_loop: &LoopHandle,
    recorder: impl FnOnce() -> Recorder + 'static,
) -> (Connection<Recorder>, Connection<StreamProtocol>, UnixStream) {
    let (client, server) = pair();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let hand = theirs.try_clone().unwrap();
    let client = client.server_name("localhost").unwrap();
    let opening =
        event_loop.create_task(event_loop.create_connection_on(ours).tls(client).open(recorder));
    let far = event_loop.connect_accepted_tls(theirs, server, StreamProtocol::new).await.unwrap();
    (opening.await.unwrap().unwrap(), far, hand)
}

#[test]
fn tls_19_an_end_that_was_not_announced_is_a_truncation() {
    run(async |event_loop| {
        let (near, far, hand) = ends(&event_loop, Recorder::new).await;
        let _ = far.transport.write(b"what came");
        far.transport.abort();
        drop(hand);
        near.transport.wait_closed().await;
        let seen = near.with(|recorder| recorder.seen.clone());
        let lost = Seen::Lost(Some(ErrorKind::UnexpectedEof));
        assert_eq!(seen, [Seen::Made, Seen::Data(b"what came".to_vec()), lost]);
    });
}

#[test]
fn tls_19_streams_tell_of_it_after_the_last_byte() {
    run(async |event_loop| {
        let (near, far, _hand) = ends(&event_loop, Recorder::new).await;
        let _ = near.transport.write(b"some");
        let (mut reader, _writer) = far.into_stream();
        assert_eq!(reader.read_exactly(4).await.unwrap(), b"some");
        near.transport.abort();
        let error = reader.read(&mut [0]).await.unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Truncated);
        let text = "truncated: the stream ended without a TLS close_notify";
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn tls_14_what_is_queued_is_sent_although_the_peer_sends_no_more() {
    for announces in [true, false] {
        run(async |event_loop| {
            let (near, far, hand) = ends(&event_loop, Recorder::new).await;
            near.transport.pause_reading();
            let _ = near.transport.write(&pattern(1 << 20));
            assert!(near.transport.write_buffer_size() > 0);
            let (mut reader, mut writer) = far.into_stream();
            let _ = writer.write(b"bye");
            if announces {
                writer.write_eof();
            }
            event_loop.sleep(ms(5)).await;
            // A FIN behind it.
            hand.shutdown(std::net::Shutdown::Write).unwrap();
            near.transport.resume_reading();
            assert!(reader.read_exactly(1 << 20).await.unwrap() == pattern(1 << 20));
            near.transport.wait_closed().await;
            let seen = near.with(|recorder| recorder.seen.clone());
            let data = Seen::Data(b"bye".to_vec());
            if announces {
                assert_eq!(seen, [Seen::Made, data, Seen::Eof, Seen::Lost(None)]);
            } else {
                let lost = Seen::Lost(Some(ErrorKind::UnexpectedEof));
                assert_eq!(seen, [Seen::Made, data, lost]);
            }
        });
    }
}

#[test]
fn tls_22_each_direction_can_end_by_itself() {
    run(async |event_loop| {
        let (near, far, _hand) = ends(&event_loop, Recorder::keeping_open).await;
        assert!(near.transport.can_write_eof());
        let (mut reader, mut writer) = far.into_stream();
        let _ = near.transport.write(b"question");
        near.transport.write_eof();
        assert_eq!(near.transport.write(b"more"), Flow::Closed);
        assert_eq!(reader.read_some(100).await.unwrap(), b"question");
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        writer.write_all(b"answer").await.unwrap();
        until(&event_loop, || near.with(|recorder| recorder.data() == b"answer")).await;
        writer.close();
        until(&event_loop, || near.with(|recorder| recorder.has_eof())).await;
        assert!(!near.with(|recorder| recorder.is_lost()));
        near.transport.close();
        near.transport.wait_closed().await;
        assert!(near.with(|recorder| recorder.seen.last() == Some(&Seen::Lost(None))));
    });
}

#[test]
fn tls_22_the_end_of_a_direction_waits_for_what_is_queued() {
    run(async |event_loop| {
        let (near, far, _hand) = ends(&event_loop, Recorder::keeping_open).await;
        let _ = near.transport.write(&pattern(1 << 20));
        near.transport.write_eof();
        let (mut reader, _writer) = far.into_stream();
        let mut all = Vec::new();
        reader.read_to_end(&mut all).await.unwrap();
        assert!(all == pattern(1 << 20));
        assert!(!near.transport.is_closing());
    });
}

#[test]
fn tls_15_and_16_what_comes_after_a_close_is_nobodys_and_a_pause_holds_up_no_close() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (near, far, _hand) = ends(&event_loop, Recorder::new).await;
        near.transport.pause_reading();
        let _ = far.transport.write(&pattern(10_000));
        event_loop.sleep(ms(2)).await;
        let _ = near.transport.write(b"last words");
        near.transport.close();
        near.transport.wait_closed().await;
        assert_eq!(near.with(|recorder| recorder.seen.clone()), [Seen::Made, Seen::Lost(None)]);
        let (mut reader, _writer) = far.into_stream();
        assert_eq!(reader.read_some(100).await.unwrap(), b"last words");
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
    });
}

#[test]
fn tls_18_a_close_waits_for_no_answer() {
    run(async |event_loop| {
        let (near, _far, _hand) = ends(&event_loop, Recorder::new).await;
        let before = event_loop.time();
        near.transport.close();
        near.transport.wait_closed().await;
        assert!(event_loop.time() - before < ms(5000));
        assert_eq!(near.with(|recorder| recorder.seen.clone()), [Seen::Made, Seen::Lost(None)]);
    });
}

#[test]
fn tls_11_a_farewell_that_nobody_takes_is_cut_short() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let client = TlsClient::builder().ca_pem(authority.pem()).shutdown_timeout(ms(50));
        let client = client.build().unwrap().server_name("localhost").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let opening = event_loop.create_connection_on(ours).tls(client).open(Recorder::new);
        let opening = event_loop.create_task(opening);
        let far = event_loop.connect_accepted_tls(theirs, authority.server(), StreamProtocol::new);
        let far = far.await.unwrap();
        far.transport.pause_reading();
        let near = opening.await.unwrap().unwrap();
        let _ = near.transport.write(&pattern(1 << 20));
        let before = event_loop.time();
        near.transport.close();
        near.transport.wait_closed().await;
        assert!(event_loop.time() - before >= ms(50));
        let lost = Seen::Lost(Some(ErrorKind::TimedOut));
        assert_eq!(near.with(|recorder| recorder.seen.clone()), [Seen::Made, lost]);
    });
}

#[test]
fn tls_17_a_reader_that_is_only_slow_is_not_cut_off() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let client = TlsClient::builder().ca_pem(authority.pem()).shutdown_timeout(ms(100));
        let client = client.build().unwrap().server_name("localhost").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let opening = event_loop.create_connection_on(ours).tls(client).open(Recorder::new);
        let opening = event_loop.create_task(opening);
        let far = event_loop.connect_accepted_tls(theirs, authority.server(), StreamProtocol::new);
        let (mut reader, _writer) = far.await.unwrap().into_stream();
        let near = opening.await.unwrap().unwrap();
        let _ = near.transport.write(&pattern(2 << 20));
        near.transport.close();
        let (before, mut all) = (event_loop.time(), Vec::new());
        while all.len() < 2 << 20 {
            all.extend(reader.read_some(100_000).await.unwrap());
            event_loop.sleep(ms(15)).await;
        }
        assert!(event_loop.time() - before > ms(200) && all == pattern(2 << 20));
        near.transport.wait_closed().await;
        assert!(near.with(|recorder| recorder.seen.last() == Some(&Seen::Lost(None))));
    });
}

#[test]
fn tls_24_and_25_writing_after_the_end() {
    run(async |event_loop| {
        let (near, far, hand) = ends(&event_loop, Recorder::new).await;
        near.transport.close();
        assert_eq!(near.transport.write(b"late"), Flow::Closed);
        assert_eq!(near.transport.write_buffer_size(), 0);
        drop((far, near));
        let (near, far, other) = ends(&event_loop, Recorder::new).await;
        far.transport.abort();
        far.transport.wait_closed().await;
        drop((hand, other));
        assert_eq!(near.transport.write(b"to nobody"), Flow::Closed);
        near.transport.wait_closed().await;
        let lost = Seen::Lost(Some(ErrorKind::BrokenPipe));
        assert_eq!(near.with(|recorder| recorder.seen.clone()), [Seen::Made, lost]);
    });
}

#[test]
fn tls_11_the_farewell_is_said_before_the_socket_is_closed() {
    // As seen by one who is no TLS end: two records more, the data and the farewell.
    struct Says;
    impl Protocol for Says {
        fn connection_made(&mut self, transport: &Transport) {
            let _ = transport.write(b"hello");
            transport.close();
        }
        fn data_received(&mut self, _: &Transport, _: &[u8]) {}
    }
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let tls = loopctl::TlsVersion::Tls12;
        let client = TlsClient::builder().ca_pem(authority.pem()).max_version(tls);
        let client = client.build().unwrap().server_name("localhost").unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut hand = theirs.try_clone().unwrap();
        let opening =
            event_loop.create_task(event_loop.create_connection_on(ours).tls(client).open(|| Says));
        struct Pauses;
        impl Protocol for Pauses {
            fn connection_made(&mut self, transport: &Transport) {
                transport.pause_reading();
            }
            fn data_received(&mut self, _: &Transport, _: &[u8]) {}
        }
        let far =
            event_loop.connect_accepted_tls(theirs, authority.server(), || Pauses).await.unwrap();
        opening.await.unwrap().unwrap().transport.wait_closed().await;
        let mut rest = Vec::new();
        hand.set_nonblocking(false).unwrap();
        hand.read_to_end(&mut rest).unwrap();
        let mut types = Vec::new();
        let mut left = &rest[..];
        while let [kind, _, _, high, low, ..] = *left {
            types.push(kind);
            left = &left[5 + usize::from(u16::from_be_bytes([high, low]))..];
        }
        assert_eq!(types, [23, 21]);
        drop(far);
    });
}
