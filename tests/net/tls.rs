//! TLS handshakes, our client against our server: what is agreed on, told, and given up.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use loopctl::{
    ConnectError, EventKind, Phase, TlsClient, TlsError, TlsErrorKind, TlsServer, TlsVerdict,
    TlsVersion,
};

use crate::support::tls::{Authority, pair, serve_tls, to};
use crate::support::{
    Recorder, Reports, Seen, descriptors, in_child, ms, run, start_logging, take_logged, until,
};

/// What a connection does with what it is sent: it sends it back.
struct Echo;

impl loopctl::Protocol for Echo {
    fn data_received(&mut self, transport: &loopctl::Transport, data: &[u8]) {
        let _ = transport.write(data);
    }
}

#[test]
fn tls_01_both_versions_say_what_was_agreed_on() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let papers = authority.papers("localhost");
        let server = TlsServer::builder().identity_pem(&papers.chain, &papers.key);
        let (_server, address) =
            serve_tls(&event_loop, server.alpn(["h2", "http/1.1"]).build().unwrap(), || Echo).await;
        for (version, suite) in [(TlsVersion::Tls12, "TLS_ECDHE_"), (TlsVersion::Tls13, "TLS_AES")]
        {
            let client = TlsClient::builder().ca_pem(authority.pem());
            let client = client.min_version(version).max_version(version);
            let client = client.alpn(["http/1.1", "smtp"]).build().unwrap();
            let (mut reader, mut writer) =
                to(&event_loop, address, &client).open_stream().await.unwrap();
            let _ = writer.write(b"hello");
            assert_eq!(reader.read_exactly(5).await.unwrap(), b"hello");
            let info = writer.transport().tls().unwrap();
            assert_eq!(info.version, version);
            assert!(info.cipher_suite.starts_with(suite), "{}", info.cipher_suite);
            assert_eq!(info.key_exchange.as_deref(), Some("X25519"));
            assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
            assert!(!info.resumed && !info.peer.ocsp_stapled);
            assert_eq!((info.peer.chain.len(), &info.peer.verdict), (1, &TlsVerdict::Verified));
        }
    });
}

#[test]
fn tls_01_made_comes_after_the_handshake_and_has_its_outcome() {
    struct Looks(Rc<RefCell<Option<loopctl::TlsInfo>>>);
    impl loopctl::Protocol for Looks {
        fn connection_made(&mut self, transport: &loopctl::Transport) {
            *self.0.borrow_mut() = transport.tls();
        }
        fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
    }
    run(async |event_loop| {
        let (client, server) = pair();
        let seen = Rc::new(RefCell::new(None));
        let looks = Rc::clone(&seen);
        let (_server, address) =
            serve_tls(&event_loop, server, move || Looks(Rc::clone(&looks))).await;
        let there = Rc::new(RefCell::new(None));
        let looks = Looks(Rc::clone(&there));
        let connection = to(&event_loop, address, &client).open(|| looks).await.unwrap();
        assert_eq!(*there.borrow(), connection.transport.tls());
        until(&event_loop, || seen.borrow().is_some()).await;
        assert_eq!(seen.borrow().as_ref().unwrap().server_name.as_deref(), Some("localhost"));
    });
}

#[test]
fn tls_02_no_time_is_no_limit() {
    let error = TlsClient::builder().handshake_timeout(ms(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "TLS handshake timeout: should be a positive time, got 0");
    let error = TlsClient::builder().shutdown_timeout(ms(0)).build().unwrap_err();
    assert_eq!(error.to_string(), "TLS shutdown timeout: should be a positive time, got 0");
}

#[test]
fn tls_03_a_silent_server_is_waited_for_no_longer_than_told() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let authority = Authority::new("Test CA");
        let client = TlsClient::builder().ca_pem(authority.pem()).handshake_timeout(ms(50));
        let client = client.build().unwrap();
        let address = listener.local_addr().unwrap();
        let error = to(&event_loop, address, &client).open(Recorder::new).await.unwrap_err();
        let ConnectError::Tls(attempt) = &error else { panic!("{error:?}") };
        assert_eq!((attempt.phase, attempt.error.kind()), (Phase::Tls, ErrorKind::TimedOut));
        let within = TlsError::within(&attempt.error).unwrap();
        assert_eq!(within.kind(), TlsErrorKind::TimedOut);
        let text = "TLS handshake is taking longer than 50ms: aborting the connection";
        assert_eq!(within.to_string(), text);
        assert!(attempt.took >= ms(50) && error.attempts().len() == 1);
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());

        let connecting = to(&event_loop, address, &authority.client()).timeout(ms(50));
        let error = connecting.open(Recorder::new).await.unwrap_err();
        assert!(matches!(error, ConnectError::TimedOut(ref attempts) if attempts.len() == 1));
    });
}

#[test]
fn tls_03_a_silent_client_is_cut_off_and_no_error_of_ours() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let papers = Authority::new("Test CA").papers("localhost");
        let server = TlsServer::builder().identity_pem(papers.chain, papers.key);
        let server = server.handshake_timeout(ms(30)).build().unwrap();
        let made = Rc::new(RefCell::new(0));
        let factory = {
            let made = Rc::clone(&made);
            move || {
                *made.borrow_mut() += 1;
                Echo
            }
        };
        let (server, address) = serve_tls(&event_loop, server, factory).await;
        let _silent = std::net::TcpStream::connect(address).unwrap();
        until(&event_loop, || server.client_count() == 1).await;
        until(&event_loop, || server.client_count() == 0).await;
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
    });
}

#[test]
fn tls_04_a_handshake_that_nobody_waits_for_leaves_nothing_behind() {
    in_child("tls::tls_04_a_handshake_that_nobody_waits_for_leaves_nothing_behind", || {
        run(async |event_loop| {
            let reports = Reports::of(&event_loop);
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let (client, _) = pair();
            let address = listener.local_addr().unwrap();
            let before = descriptors();
            for _ in 0..5 {
                let events = Rc::new(RefCell::new(Vec::new()));
                let heard = Rc::clone(&events);
                let connecting = to(&event_loop, address, &client)
                    .trace(move |event| heard.borrow_mut().push(event.kind.clone()));
                let opening = connecting.open(Recorder::new);
                assert!(event_loop.timeout(ms(20), opening).await.is_err());
                let events = events.borrow();
                let last = &events[events.len() - 2..];
                assert!(
                    matches!(
                        last,
                        [
                            EventKind::TlsFailed { error: Some(TlsError::Canceled), .. },
                            EventKind::ConnectionAborted { .. }
                        ]
                    ),
                    "{last:?}"
                );
            }
            event_loop.sleep(ms(5)).await;
            assert_eq!(descriptors(), before);
            assert!(reports.texts().is_empty(), "{:?}", reports.texts());
        });
    });
}

#[test]
fn tls_05_a_server_that_leaves_in_the_handshake_is_a_reset() {
    run(async |event_loop| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let leaving = std::thread::Builder::new().spawn(move || {
            use std::io::Read;
            let (mut client, _) = listener.accept().unwrap();
            let hello = client.read(&mut [0; 4096]).unwrap();
            assert!(hello > 100);
        });
        let leaving = leaving.unwrap();
        let (client, _) = pair();
        let error = to(&event_loop, address, &client).open(Recorder::new).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let text = "the peer closed the connection during the TLS handshake";
        assert!(error.to_string().ends_with(text), "{error}");
        leaving.join().unwrap();
    });
}

#[test]
fn tls_12_a_server_that_is_shut_down_ends_handshakes() {
    run(async |event_loop| {
        let (_, server) = pair();
        let (server, address) = serve_tls(&event_loop, server, || Echo).await;
        let mut silent = std::net::TcpStream::connect(address).unwrap();
        until(&event_loop, || server.client_count() == 1).await;
        let end = server.shutdown(ms(5000)).await;
        assert_eq!((end.closed, end.aborted), (1, 0));
        assert_eq!(std::io::Read::read(&mut silent, &mut [0]).unwrap(), 0);
    });
}

#[test]
fn tls_30_who_does_not_speak_tls_is_no_error_of_ours() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (client, server) = pair();
        let (server, address) = serve_tls(&event_loop, server, || Echo).await;
        let mut scanner = std::net::TcpStream::connect(address).unwrap();
        until(&event_loop, || server.client_count() == 1).await;
        std::io::Write::write_all(&mut scanner, b"GET / HTTP/1.0\r\n\r\n").unwrap();
        until(&event_loop, || server.client_count() == 0).await;
        let mut said = Vec::new();
        std::io::Read::read_to_end(&mut scanner, &mut said).unwrap();
        assert_eq!(said[0], 21, "an alert: {said:?}");
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());

        // And the other way round.
        let plain = event_loop.create_server("127.0.0.1", 0).serve_streams(
            async |mut reader, mut writer| {
                let _ = reader.read_some(1000).await;
                let _ = writer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            },
        );
        let plain = plain.await.unwrap();
        let error = to(&event_loop, plain.local_addrs()[0], &client).open(Recorder::new).await;
        let text = error.unwrap_err().to_string();
        let end = "does not speak TLS: its answer begins with \"HTTP/1.1 400 Bad Request\"";
        assert!(text.ends_with(end), "{text}");
    });
}

#[test]
fn tls_01_the_steps_are_told_with_their_times() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (_server, address) = serve_tls(&event_loop, server, || Echo).await;
        let events = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&events);
        let connecting = to(&event_loop, address, &client)
            .trace(move |event| heard.borrow_mut().push(event.clone()));
        connecting.open(Recorder::new).await.unwrap();
        let events = events.borrow();
        let last: Vec<_> = events.iter().rev().take(4).rev().collect();
        assert!(matches!(last[0].kind, EventKind::ConnectionSelected { .. }));
        assert!(matches!(last[1].kind, EventKind::TlsStarted { .. }));
        assert!(matches!(last[2].kind, EventKind::TlsFirstByte { .. }));
        assert!(matches!(last[3].kind, EventKind::TlsEstablished { .. }));
        assert!(events.is_sorted_by_key(|event| event.at));
    });
}

#[test]
fn tls_01_a_second_connection_resumes_the_first() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let (_server, address) = serve_tls(&event_loop, authority.server(), || Echo).await;
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let client = TlsClient::builder().ca_pem(authority.pem()).max_version(version);
            let client = client.build().unwrap();
            for is_resumed in [false, true] {
                let (mut reader, mut writer) =
                    to(&event_loop, address, &client).open_stream().await.unwrap();
                let _ = writer.write(b"x");
                assert_eq!(reader.read_exactly(1).await.unwrap(), b"x");
                let info = writer.transport().tls().unwrap();
                assert_eq!(info.resumed, is_resumed, "{version}");
                let wanted = if is_resumed { TlsVerdict::Resumed } else { TlsVerdict::Verified };
                assert_eq!((info.peer.chain.len(), info.peer.verdict), (1, wanted));
            }
        }
        let client = TlsClient::builder().ca_pem(authority.pem()).resumption(false);
        let client = client.build().unwrap();
        for _ in 0..2 {
            let (mut reader, mut writer) =
                to(&event_loop, address, &client).open_stream().await.unwrap();
            let _ = writer.write(b"x");
            assert_eq!(reader.read_exactly(1).await.unwrap(), b"x");
            assert!(!writer.transport().tls().unwrap().resumed);
        }
    });
}

#[test]
fn tls_01_keys_are_logged_for_those_who_ask() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let (_server, address) = serve_tls(&event_loop, authority.server(), || Echo).await;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let logged = Arc::clone(&lines);
        let client = TlsClient::builder().ca_pem(authority.pem());
        let client = client.key_log(move |line| logged.lock().unwrap().push(line.to_owned()));
        to(&event_loop, address, &client.build().unwrap()).open(Recorder::new).await.unwrap();
        let lines = lines.lock().unwrap();
        let first = lines.iter().find(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")).unwrap();
        let lengths: Vec<usize> = first.split(' ').map(str::len).collect();
        assert!(lengths[1] == 64 && lengths[2] >= 64, "{first}");
    });
}

#[test]
fn tls_08_a_server_needs_a_certificate_that_fits_its_key() {
    let error = TlsServer::builder().build().unwrap_err();
    assert_eq!(error.to_string(), "a TLS server: needs a certificate");
    let authority = Authority::new("Test CA");
    let (one, other) = (authority.papers("a.example"), authority.papers("a.example"));
    let error = TlsServer::builder().identity_pem(one.chain, other.key).build().unwrap_err();
    assert!(error.to_string().starts_with("certificate: "), "{error}");
    let error = TlsClient::builder().cipher_suites(["TLS_NONE"]).build().unwrap_err();
    assert_eq!(error.to_string(), "TLS_NONE: no cipher suite that is spoken here");
    let error = TlsServer::builder().identity_files("/no/such", "/file").build().unwrap_err();
    assert!(error.to_string().starts_with("/no/such: No such file"), "{error}");
}

#[test]
fn tls_01_only_the_suites_that_were_asked_for() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let (_server, address) = serve_tls(&event_loop, authority.server(), || Echo).await;
        let suite = "TLS_CHACHA20_POLY1305_SHA256";
        let client = TlsClient::builder().ca_pem(authority.pem()).cipher_suites([suite]);
        // Of TLS 1.2 there is none among them.
        let client = client.min_version(TlsVersion::Tls13).build().unwrap();
        let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.tls().unwrap().cipher_suite, suite);
    });
}

#[test]
fn tls_29_what_was_agreed_on_ends_with_the_connection() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (_server, address) = serve_tls(&event_loop, server, || Echo).await;
        let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
        connection.transport.close();
        connection.transport.wait_closed().await;
        assert_eq!(connection.transport.tls(), None);
        assert_eq!(
            connection.with(|recorder| recorder.seen.clone()),
            [Seen::Made, Seen::Lost(None)]
        );
        let plain = event_loop.create_connection_to([address]).open(Recorder::new).await.unwrap();
        assert_eq!(plain.transport.tls(), None);
    });
}

#[test]
fn tls_04_a_loop_that_is_closed_closes_handshakes() {
    in_child("tls::tls_04_a_loop_that_is_closed_closes_handshakes", || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let before = descriptors();
        run(async |event_loop| {
            let (client, server) = pair();
            let (server, address) = serve_tls(&event_loop, server, || Echo).await;
            let there =
                event_loop.create_connection_to([address]).open(Recorder::new).await.unwrap();
            let address = listener.local_addr().unwrap();
            let connecting = to(&event_loop, address, &client).open(Recorder::new);
            let task = event_loop.create_task(async { connecting.await.map(drop) });
            event_loop.sleep(ms(20)).await;
            assert!(!task.is_finished() && server.client_count() == 1);
            drop(there);
        });
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn tls_30_the_log_knows_of_failed_handshakes_at_the_level_of_debugging() {
    in_child("tls::tls_30_the_log_knows_of_failed_handshakes_at_the_level_of_debugging", || {
        start_logging();
        run(async |event_loop| {
            let (_, server) = pair();
            let (server, address) = serve_tls(&event_loop, server, || Echo).await;
            let other = Authority::new("Another CA").client();
            to(&event_loop, address, &other).open(Recorder::new).await.unwrap_err();
            let mut scanner = std::net::TcpStream::connect(address).unwrap();
            until(&event_loop, || server.client_count() == 1).await;
            std::io::Write::write_all(&mut scanner, b"GET / HTTP/1.0\r\n\r\n").unwrap();
            until(&event_loop, || server.client_count() == 0).await;
        });
        let logged = take_logged();
        let failed: Vec<_> =
            logged.iter().filter(|line| line.contains("TLS handshake failed")).collect();
        assert!(
            failed.len() == 3 && failed.iter().all(|line| line.starts_with("DEBUG: ")),
            "{logged:?}"
        );
        let is_quiet = |line: &String| line.starts_with("DEBUG: ") || line.starts_with("TRACE: ");
        assert!(logged.iter().all(is_quiet), "{logged:?}");
    });
}

#[test]
fn dbg_12_debug_mode_logs_the_time_of_a_handshake() {
    in_child("tls::dbg_12_debug_mode_logs_the_time_of_a_handshake", || {
        start_logging();
        run(async |event_loop| {
            event_loop.set_debug(true);
            let (client, server) = pair();
            let (_server, address) = serve_tls(&event_loop, server, || Echo).await;
            let _streams = to(&event_loop, address, &client).open_stream().await.unwrap();
            let lines = take_logged();
            let line = lines.iter().find(|line| line.contains("TLS handshake took")).unwrap();
            let took = line.rsplit_once("took ").unwrap().1.strip_suffix(" ms").unwrap();
            assert!(took.parse::<f64>().unwrap() > 0.0, "{line}");
        });
    });
}
