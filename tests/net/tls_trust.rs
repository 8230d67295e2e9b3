//! TLS: who is believed, and in which words others are not.

use std::io::ErrorKind;

use loopctl::{
    CertificateProblem, ConnectError, EventKind, TlsAlert, TlsClient, TlsError, TlsErrorKind,
    TlsServer, TlsVerdict,
};

use crate::skip::has_localhost;
use crate::support::tls::{Authority, Papers, serve_tls, to};
use crate::support::{Recorder, Reports, run};

/// The error of a client that trusts `trusted` and connects to `localhost` with these papers.
fn refused(trusted: &Authority, papers: &Papers) -> String {
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let (_server, address) = serve_tls(&event_loop, papers.server(), Recorder::new).await;
        let error =
            to(&event_loop, address, &trusted.client()).open(Recorder::new).await.unwrap_err();
        let ConnectError::Tls(attempt) = &error else { panic!("{error:?}") };
        assert_eq!(attempt.error.kind(), ErrorKind::InvalidData);
        let within = TlsError::within(&attempt.error).unwrap();
        assert_eq!(within.kind(), TlsErrorKind::Certificate);
        event_loop.sleep(crate::support::ms(5)).await;
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
        within.to_string()
    })
}

#[test]
fn tls_06_why_a_certificate_is_not_accepted() {
    let (known, unknown) = (Authority::new("Known CA"), Authority::new("Unknown CA"));
    let text = refused(&known, &known.expired_papers("localhost"));
    assert_eq!(text, "the certificate expired at 2021-01-01T00:00:00Z");
    assert_eq!(
        refused(&known, &unknown.papers("localhost")),
        "unknown issuer: no trusted authority has signed the certificate"
    );
    assert_eq!(
        refused(&known, &known.papers("elsewhere.example")),
        "the certificate is not for localhost, only for elsewhere.example"
    );
}

#[test]
fn tls_06_a_chain_has_to_be_complete() {
    let root = Authority::new("Root");
    let deputy = root.deputy("Deputy");
    let mut papers = deputy.papers("localhost");
    let text = refused(&root, &papers);
    assert!(text.starts_with("unknown issuer: "), "{text}");
    papers.chain.push_str(&deputy.pem());
    run(async |event_loop| {
        let (_server, address) = serve_tls(&event_loop, papers.server(), Recorder::new).await;
        let connection =
            to(&event_loop, address, &root.client()).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.tls().unwrap().peer.chain.len(), 2);
    });
}

#[test]
fn tls_06_the_chain_is_told_although_it_is_not_trusted() {
    run(async |event_loop| {
        let (known, unknown) = (Authority::new("Known CA"), Authority::new("Unknown CA"));
        let (_server, address) = serve_tls(&event_loop, unknown.server(), Recorder::new).await;
        let chain = std::rc::Rc::new(std::cell::RefCell::new(None));
        let heard = std::rc::Rc::clone(&chain);
        let connecting = to(&event_loop, address, &known.client()).trace(move |event| {
            if let EventKind::TlsFailed { error, failure, peer, .. } = &event.kind {
                let Some(TlsError::Certificate { problem, alert_sent }) = error else {
                    panic!("{error:?}")
                };
                assert_eq!(*problem, CertificateProblem::UnknownIssuer { sent: 1 });
                assert_eq!(*alert_sent, Some(TlsAlert::UnknownCa));
                assert_eq!(failure.message, problem.to_string());
                *heard.borrow_mut() = Some((**peer).clone());
            }
        });
        connecting.open(Recorder::new).await.unwrap_err();
        let peer = chain.borrow().clone().unwrap();
        assert_eq!(peer.chain.len(), 1);
        assert!(matches!(peer.verdict, TlsVerdict::Failed(_)));
    });
}

#[test]
fn tls_07_the_name_is_the_host_unless_it_is_given_and_empty_only_when_asked() {
    if !has_localhost() {
        return;
    }
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let server = authority.papers("a.example").server();
        let (_server, address) = serve_tls(&event_loop, server, Recorder::new).await;
        let client = authority.client();
        let connecting = || event_loop.create_connection("localhost", address.port());
        let error = connecting().tls(client.clone()).open(Recorder::new).await.unwrap_err();
        assert!(error.to_string().ends_with("not for localhost, only for a.example"), "{error}");
        let named = client.clone().server_name("a.example.").unwrap();
        assert!(connecting().tls(named).open(Recorder::new).await.is_ok());
        let any = client.clone().any_server_name();
        let connection = connecting().tls(any).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.tls().unwrap().peer.verdict, TlsVerdict::Verified);
        // The chain is checked all the same.
        let other = Authority::new("Another CA").client().any_server_name();
        assert!(connecting().tls(other).open(Recorder::new).await.is_err());

        let error = event_loop
            .create_connection_to([address])
            .tls(client.clone())
            .open(Recorder::new)
            .await;
        let ConnectError::Transport(error) = error.unwrap_err() else { panic!("no socket") };
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let text = "the server's name: must be given when using TLS without a host";
        assert_eq!(error.to_string(), text);
        assert!(client.server_name("a b").is_err());
    });
}

#[test]
fn tls_07_an_address_can_be_the_name() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let server = authority.papers("127.0.0.1").server();
        let (_server, address) = serve_tls(&event_loop, server, Recorder::new).await;
        let connecting = event_loop.create_connection("127.0.0.1", address.port());
        assert!(connecting.tls(authority.client()).open(Recorder::new).await.is_ok());
        let other = authority.papers("127.0.0.2").server();
        let (_server, address) = serve_tls(&event_loop, other, Recorder::new).await;
        let connecting = event_loop.create_connection("127.0.0.1", address.port());
        let error = connecting.tls(authority.client()).open(Recorder::new).await.unwrap_err();
        assert!(error.to_string().ends_with("not for 127.0.0.1, only for 127.0.0.2"), "{error}");
    });
}

#[test]
fn tls_07_any_certificate_is_taken_only_on_demand() {
    run(async |event_loop| {
        let (known, unknown) = (Authority::new("Known CA"), Authority::new("Unknown CA"));
        let (_server, address) = serve_tls(&event_loop, unknown.server(), Recorder::new).await;
        let client = TlsClient::builder().ca_pem(known.pem()).dangerous_accept_any_certificate();
        let client = client.build().unwrap();
        let connection = to(&event_loop, address, &client).open(Recorder::new).await.unwrap();
        let verdict = connection.transport.tls().unwrap().peer.verdict;
        assert_eq!(verdict, TlsVerdict::Failed(CertificateProblem::UnknownIssuer { sent: 1 }));
    });
}

#[test]
fn tls_26_a_server_shows_the_certificate_that_is_asked_for() {
    run(async |event_loop| {
        let authority = Authority::new("Test CA");
        let mut builder = TlsServer::builder();
        for name in ["first.example", "*.second.example"] {
            let papers = authority.papers(name);
            builder = builder.identity_pem(papers.chain, papers.key);
        }
        let (_server, address) =
            serve_tls(&event_loop, builder.build().unwrap(), Recorder::new).await;
        let mut shown = Vec::new();
        for name in ["first.example", "a.second.example", "b.second.example"] {
            let tls = authority.client().server_name(name).unwrap();
            let connecting = event_loop.create_connection_to([address]).tls(tls);
            let connection = connecting.open(Recorder::new).await.unwrap();
            shown.push(connection.transport.tls().unwrap().peer.chain);
        }
        assert!(shown[0] != shown[1] && shown[1] == shown[2]);
        // Without a name, and with one that nobody has, it is the first.
        let any = authority.client().any_server_name();
        let connecting = event_loop.create_connection_to([address]).tls(any);
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.tls().unwrap().peer.chain, shown[0]);
    });
}

#[test]
fn tls_06_a_server_may_ask_who_the_client_is() {
    run(async |event_loop| {
        let (authority, clients) = (Authority::new("Test CA"), Authority::new("Client CA"));
        let papers = authority.papers("localhost");
        let server = TlsServer::builder().identity_pem(papers.chain, papers.key);
        let server = server.client_ca_pem(clients.pem()).build().unwrap();
        let reports = Reports::of(&event_loop);
        let names = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        struct Asks(std::rc::Rc<std::cell::RefCell<Vec<loopctl::TlsPeer>>>);
        impl loopctl::Protocol for Asks {
            fn connection_made(&mut self, transport: &loopctl::Transport) {
                self.0.borrow_mut().push(transport.tls().unwrap().peer);
                let _ = transport.write(b"welcome");
            }
            fn data_received(&mut self, _: &loopctl::Transport, _: &[u8]) {}
        }
        let peers = std::rc::Rc::clone(&names);
        let (_server, address) =
            serve_tls(&event_loop, server, move || Asks(std::rc::Rc::clone(&peers))).await;
        let own = clients.papers("somebody");
        let client = TlsClient::builder().ca_pem(authority.pem());
        let client = client.identity_pem(own.chain, own.key).build().unwrap();
        let (mut reader, _writer) = to(&event_loop, address, &client).open_stream().await.unwrap();
        assert_eq!(reader.read_exactly(7).await.unwrap(), b"welcome");
        assert!(reader.transport().tls().unwrap().peer.asks_for_certificate);
        assert_eq!(names.borrow()[0].chain.len(), 1);
        assert_eq!(names.borrow()[0].verdict, TlsVerdict::Verified);

        // In TLS 1.3 a client learns only later that it was not let in. What it sends meanwhile may fail, and
        // why it was refused is what it is told.
        let stranger = authority.papers("stranger");
        let strange = TlsClient::builder().ca_pem(authority.pem());
        let strange = strange.identity_pem(stranger.chain, stranger.key).build().unwrap();
        for client in [authority.client(), strange] {
            let (mut reader, mut writer) =
                to(&event_loop, address, &client).open_stream().await.unwrap();
            let _ = writer.write(b"hello");
            event_loop.sleep(crate::support::ms(5)).await;
            let _ = writer.write(&[0; 100_000]);
            let error = reader.read(&mut [0]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
            assert_eq!(TlsError::within(&error).unwrap().kind(), TlsErrorKind::Alert);
        }
        assert!(reports.texts().is_empty(), "{:?}", reports.texts());
        assert_eq!(names.borrow().len(), 1);
    });
}
