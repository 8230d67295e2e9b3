//! TLS on connections that are there already, also where it is TLS already.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use loopctl::{
    EventKind, LoopHandle, Protocol, StreamReader, StreamWriter, TlsAlert, TlsClient, TlsError,
    TlsErrorKind, TlsServer, TlsVersion, Transport,
};

use crate::support::tls::{Authority, pair};
use crate::support::{Recorder, Reports, Seen, ms, pattern, run, turns, until};

type Ends = (StreamReader, StreamWriter);

/// Two ends of a connection without TLS.
async fn plain(event_loop: &LoopHandle) -> (Ends, Ends) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let near = event_loop.create_connection_on(ours).open_stream().await.unwrap();
    (near, event_loop.create_connection_on(theirs).open_stream().await.unwrap())
}

/// Puts a layer of TLS between them.
async fn secure(event_loop: &LoopHandle, near: Ends, far: Ends) -> (Ends, Ends) {
    let (client, server) = pair();
    let client = client.server_name("localhost").unwrap();
    let starting = event_loop.create_task(async move {
        let (reader, mut writer) = far;
        writer.start_tls(server).await.unwrap();
        (reader, writer)
    });
    let (reader, mut writer) = near;
    writer.start_tls(client).await.unwrap();
    ((reader, writer), starting.await.unwrap())
}

async fn talk(near: &mut Ends, far: &mut Ends) {
    let sent = pattern(300_000);
    let _ = near.1.write(&sent);
    let _ = far.1.write(b"hello");
    assert!(far.0.read_exactly(300_000).await.unwrap() == sent);
    assert_eq!(near.0.read_exactly(5).await.unwrap(), b"hello");
}

#[test]
fn stls_05_both_roles_over_streams() {
    run(async |event_loop| {
        let (mut near, mut far) = plain(&event_loop).await;
        let _ = near.1.write(b"STARTTLS\n");
        assert_eq!(far.0.read_line().await.unwrap(), b"STARTTLS\n");
        let _ = far.1.write(b"ready\n");
        assert_eq!(near.0.read_line().await.unwrap(), b"ready\n");
        let (mut near, mut far) = secure(&event_loop, near, far).await;
        talk(&mut near, &mut far).await;
        assert_eq!(far.1.transport().tls().unwrap().server_name.as_deref(), Some("localhost"));
        near.1.close();
        assert_eq!(far.0.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn tls_27_tls_in_tls_in_tls() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (near, far) = plain(&event_loop).await;
        let (near, far) = secure(&event_loop, near, far).await;
        let (near, far) = secure(&event_loop, near, far).await;
        let (mut near, mut far) = secure(&event_loop, near, far).await;
        talk(&mut near, &mut far).await;
        let _ = near.1.write(&pattern(2 << 20));
        near.1.close();
        let mut all = Vec::new();
        far.0.read_to_end(&mut all).await.unwrap();
        assert!(all == pattern(2 << 20));
        near.1.wait_closed().await.unwrap();
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
    });
}

/// Starts TLS as a server when it is told to.
struct Upgrades {
    tls: Option<TlsServer>,
    recorder: Recorder,
}

impl Protocol for Upgrades {
    fn connection_made(&mut self, transport: &Transport) {
        self.recorder.connection_made(transport);
    }
    fn data_received(&mut self, transport: &Transport, data: &[u8]) {
        let Some(tls) = self.tls.take() else {
            return self.recorder.data_received(transport, data);
        };
        let rest = data.strip_prefix(b"STARTTLS\n").unwrap();
        let _ = transport.write(b"ready\n");
        let starting = transport.start_tls(tls, rest.to_vec());
        let _ = transport.write(b"queued");
        drop(transport.handle().create_task(starting));
    }
    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.recorder.connection_lost(error);
    }
}

#[test]
fn stls_03_what_was_read_with_the_command_belongs_to_tls() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let near = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        // A client that does not wait for the answer: its first message comes in the same read.
        let _ = near.transport.write(b"STARTTLS\n");
        near.transport.pause_reading();
        let client = client.server_name("localhost").unwrap();
        let upgrades = || Upgrades { tls: Some(server), recorder: Recorder::new() };
        let starting = near.transport.start_tls(client, Vec::new());
        let far = event_loop.create_connection_on(theirs).open(upgrades).await.unwrap();
        let failed = starting.await.unwrap_err();
        // `ready` came in plain where only TLS was expected: that client was too impatient.
        let Some(TlsError::NotTls { first_bytes }) = TlsError::within(&failed) else {
            panic!("{failed:?}")
        };
        assert!(first_bytes.starts_with(b"ready\n") && first_bytes.len() == 32, "{first_bytes:?}");
        let text = "the peer does not speak TLS: its answer begins with \"ready\"";
        assert_eq!(failed.to_string(), text);
        far.transport.wait_closed().await;
        // The far end had understood the client's first message, whose rest it was handed.
        let lost = far.with(|upgrades| upgrades.recorder.seen.clone());
        assert!(matches!(lost[..], [Seen::Made, Seen::Lost(Some(_))]), "{lost:?}");
    });
}

#[test]
fn stls_03_an_impatient_client_whose_hello_was_read_by_the_plain_layer_is_served() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (mut near, mut far) = plain(&event_loop).await;
        let client = client.server_name("localhost").unwrap();
        // The hello goes out at once and is read into the inbox of the other end.
        let mut starting = Box::pin(near.1.start_tls(client));
        assert!(crate::support::step(&mut starting).is_pending());
        until(&event_loop, || {
            format!("{:?}", far.0).starts_with("<StreamReader unread=")
                && !format!("{:?}", far.0).starts_with("<StreamReader unread=0 ")
        })
        .await;
        let accepting = event_loop.create_task(async move {
            far.1.start_tls(server).await.unwrap();
            far
        });
        starting.await.unwrap();
        let mut far = accepting.await.unwrap();
        talk(&mut near, &mut far).await;
    });
}

#[test]
fn stls_02_what_was_written_before_goes_in_plain_and_what_comes_after_is_hidden() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let upgrades = || Upgrades { tls: Some(server), recorder: Recorder::new() };
        let far = event_loop.create_connection_on(theirs).open(upgrades).await.unwrap();
        let (mut reader, mut writer) =
            event_loop.create_connection_on(ours).open_stream().await.unwrap();
        let _ = writer.write(b"STARTTLS\n");
        assert_eq!(reader.read_line().await.unwrap(), b"ready\n");
        writer.start_tls(client.server_name("localhost").unwrap()).await.unwrap();
        assert_eq!(reader.read_exactly(6).await.unwrap(), b"queued");
        let _ = writer.write(b"private");
        until(&event_loop, || far.with(|upgrades| upgrades.recorder.data() == b"private")).await;
    });
}

#[test]
fn stls_02_a_long_queue_is_sent_in_plain_first() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (mut near, mut far) = plain(&event_loop).await;
        let _ = far.1.write(&pattern(1 << 20));
        assert!(far.1.transport().write_buffer_size() > 0);
        let accepting = event_loop.create_task(async move {
            far.1.start_tls(server).await.unwrap();
            far
        });
        turns(&event_loop, 2).await;
        assert!(near.0.read_exactly(1 << 20).await.unwrap() == pattern(1 << 20));
        near.1.start_tls(client.server_name("localhost").unwrap()).await.unwrap();
        let mut far = accepting.await.unwrap();
        talk(&mut near, &mut far).await;
    });
}

#[test]
fn stls_06_what_was_sent_in_plain_never_passes_for_tls() {
    run(async |event_loop| {
        let (client, server) = pair();
        let client = client.server_name("localhost").unwrap();
        // To a client nothing may be left over.
        let (mut near, mut far) = plain(&event_loop).await;
        let _ = far.1.write(b"ready\ninjected");
        assert_eq!(near.0.read_line().await.unwrap(), b"ready\n");
        let error = near.1.start_tls(client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(near.0.read_some(100).await.unwrap(), b"injected", "it is as it was");
        // With a server it breaks the handshake.
        let _ = near.1.write(b"STARTTLS\nRCPT TO:<evil>\n");
        assert_eq!(far.0.read_line().await.unwrap(), b"STARTTLS\n");
        let error = far.1.start_tls(server).await.unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::NotTls);
        assert!(far.1.is_closing());
    });
}

#[test]
fn stls_04_a_failure_or_nobody_waiting_ends_the_connection() {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (client, _) = pair();
        let client = client.server_name("localhost").unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let near = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        let starting = near.transport.start_tls(client.clone(), Vec::new());
        assert!(event_loop.timeout(ms(10), starting).await.is_err());
        near.transport.wait_closed().await;
        assert_eq!(near.with(|recorder| recorder.seen.clone()), [Seen::Made, Seen::Lost(None)]);

        // A certificate of someone else.
        let (near, mut far) = plain(&event_loop).await;
        let other = Authority::new("Another CA").server();
        let accepting = event_loop.create_task(async move { far.1.start_tls(other).await });
        let error = near.1.transport().start_tls(client, Vec::new()).await.unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Certificate);
        let error = accepting.await.unwrap().unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Alert);
        assert_eq!(error.to_string(), "the peer sent a fatal alert: unknown_ca");
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
    });
}

#[test]
fn stls_04_an_alert_is_known_on_both_sides() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let papers = authority.papers("localhost");
        let server = || TlsServer::builder().identity_pem(&papers.chain, &papers.key);
        let client = || TlsClient::builder().ca_pem(authority.pem());
        let table = [
            (client().alpn(["h2"]), server().alpn(["http/1.1"]), TlsAlert::NoApplicationProtocol),
            (
                client().max_version(TlsVersion::Tls12),
                server().min_version(TlsVersion::Tls13),
                TlsAlert::ProtocolVersion,
            ),
        ];
        for (client, server, alert) in table {
            let client = client.build().unwrap().server_name("localhost").unwrap();
            let server = server.build().unwrap();
            let (near, mut far) = plain(&event_loop).await;
            let accepting = event_loop.create_task(async move { far.1.start_tls(server).await });
            let received = near.1.transport().start_tls(client, Vec::new()).await.unwrap_err();
            let sent = accepting.await.unwrap().unwrap_err();
            let received = TlsError::within(&received).unwrap();
            assert_eq!((received.alert_received(), received.alert_sent()), (Some(alert), None));
            let sent = TlsError::within(&sent).unwrap();
            assert_eq!((sent.alert_received(), sent.alert_sent()), (None, Some(alert)));
            assert_eq!(sent.kind(), TlsErrorKind::Protocol);
        }
    });
}

#[test]
fn stls_05_the_steps_are_told_with_their_times() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (near, mut far) = plain(&event_loop).await;
        let accepting =
            event_loop.create_task(async move { far.1.start_tls(server).await.map(|()| far) });
        let events = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&events);
        let client = client.server_name("localhost").unwrap();
        let starting = near.1.transport().start_tls(client, Vec::new());
        starting.trace(move |event| heard.borrow_mut().push(event.clone())).await.unwrap();
        drop(accepting.await.unwrap().unwrap());
        let events = events.borrow();
        let kinds: Vec<_> = events.iter().map(|event| &event.kind).collect();
        let wanted = matches!(
            kinds[..],
            [
                EventKind::TlsStarted { attempt: None },
                EventKind::TlsFirstByte { attempt: None },
                EventKind::TlsEstablished { attempt: None, .. }
            ]
        );
        assert!(wanted && events.is_sorted_by_key(|event| event.at), "{kinds:?}");
    });
}

#[test]
fn stls_01_when_tls_cannot_be_started() {
    run(async |event_loop| {
        let (client, server) = pair();
        let (near, _far) = plain(&event_loop).await;
        let transport = near.1.transport();
        let error = transport.start_tls(client.clone(), Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!transport.is_closing(), "it is as it was");
        let first = transport.start_tls(server.clone(), Vec::new());
        let error = transport.start_tls(server.clone(), Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        transport.close();
        let error = first.await.unwrap_err();
        assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Canceled);
        let error = transport.start_tls(server, Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    });
}
