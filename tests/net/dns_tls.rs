//! Name servers behind TLS.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsClient, DnsError, DnsErrorKind, DnsEventKind, LoopHandle, RecordType, Server, StreamReader,
    StreamWriter, TlsClient, TlsServer,
};

use crate::skip::has_localhost;
use crate::support::name_server::{A, Asked};
use crate::support::tls::{Authority, pair};
use crate::support::{ms, run};

/// Answers every question on a connection with one address.
async fn answer(mut reader: StreamReader, mut writer: StreamWriter) {
    while let Ok(length) = reader.read_exactly(2).await {
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        let Ok(message) = reader.read_exactly(length).await else { return };
        let from = "127.0.0.1:0".parse().unwrap();
        let asked = Asked { name: String::new(), kind: A, is_tcp: true, time: 1, from, message };
        let bytes = asked.answer().a(60, [192, 0, 2, 1]).bytes();
        let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
        // In two pieces, as a slow server would.
        let _ = writer.write_all(&[&length, &bytes[..5]].concat()).await;
        let _ = writer.drain().await;
        let _ = writer.write_all(&bytes[5..]).await;
    }
}

async fn serve(event_loop: &LoopHandle, tls: TlsServer) -> (Server, u16) {
    let server =
        event_loop.create_server("127.0.0.1", 0).tls(tls).serve_streams(answer).await.unwrap();
    let port = server.local_addrs()[0].port();
    (server, port)
}

fn ask(tls: TlsClient, papers: TlsServer, server: &str) -> (Result<String, DnsError>, Vec<String>) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let events = Rc::clone(&heard);
    let result = run(async move |event_loop| {
        let (_serving, port) = serve(&event_loop, papers).await;
        let server = server.replace("PORT", &port.to_string()).parse().unwrap();
        let client = DnsClient::builder().servers([server]).tls(tls).attempts(1).timeout(ms(2000));
        let client = client.build(&event_loop).unwrap().trace(move |event| {
            let word = match &event.kind {
                DnsEventKind::Asked { transport, .. } => format!("ask {transport}"),
                DnsEventKind::Connected { .. } => "connected".to_owned(),
                DnsEventKind::Answered { rcode, .. } => rcode.to_string(),
                DnsEventKind::Failed { .. } => "failed".to_owned(),
                DnsEventKind::Finished { .. } => return,
                other => format!("{other:?}"),
            };
            events.borrow_mut().push(word);
        });
        let answer = client.query("example.test", RecordType::A).await?;
        assert_eq!(answer.exchange.transport, Some(DnsTransport::Tls));
        assert!(answer.exchange.round_trip.unwrap() < answer.exchange.took, "TLS takes its time");
        Ok(answer.records[0].to_string())
    });
    (result, heard.take())
}

#[test]
fn o4_an_answer_over_tls() {
    let (tls, papers) = pair();
    let (result, events) = ask(tls, papers, "tls://127.0.0.1:PORT#localhost");
    assert_eq!(result.unwrap(), "example.test. 60 A 192.0.2.1");
    assert_eq!(events, ["ask tls", "connected", "NOERROR"]);
}

#[test]
fn o4_the_servers_own_name_is_that_of_its_certificate() {
    if !has_localhost() {
        return;
    }
    let (tls, papers) = pair();
    assert!(ask(tls, papers, "tls://localhost:PORT").0.is_ok());
    let (tls, papers) = pair();
    let (result, events) = ask(tls, papers, "tls://127.0.0.1:PORT");
    let error = result.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network);
    assert!(error.to_string().contains("not for 127.0.0.1"), "{error}");
    assert_eq!(events, ["ask tls", "failed"]);
}

#[test]
fn o4_a_stranger_is_asked_nothing() {
    let papers = Authority::new("Other CA").server();
    let (result, events) = ask(pair().0, papers, "tls://127.0.0.1:PORT#localhost");
    let error = result.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network);
    assert!(error.to_string().contains("signed"), "{error}");
    assert_eq!(events, ["ask tls", "failed"]);
}

#[test]
fn o4_a_handshake_without_end_is_silence() {
    let deaf = loopctl::listen("127.0.0.1:0".parse().unwrap(), 8).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let error = run(async |event_loop| {
        let server = format!("tls://127.0.0.1:{port}#localhost").parse().unwrap();
        let client =
            DnsClient::builder().servers([server]).tls(pair().0).attempts(1).timeout(ms(40));
        client.build(&event_loop).unwrap().query("example.test", RecordType::A).await.unwrap_err()
    });
    assert_eq!(error.kind, DnsErrorKind::TimedOut);
    assert!(
        error.exchange.took >= ms(40) && error.exchange.took < Duration::from_secs(5),
        "{error:?}"
    );
}
