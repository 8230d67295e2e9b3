//! Name servers on the web.

use std::cell::RefCell;
use std::rc::Rc;

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsClient, DnsError, DnsErrorKind, RecordType, StreamReader, StreamWriter,
};

use crate::skip::has_localhost;
use crate::support::name_server::{A, Asked};
use crate::support::tls::pair;
use crate::support::{ms, run};

/// What a server answers with: a head, and a body made of the message.
type Responder = fn(&[u8]) -> Vec<u8>;

/// Requests as they came, head and body.
type Requests = Rc<RefCell<Vec<(String, Vec<u8>)>>>;

async fn serve(
    mut reader: StreamReader,
    mut writer: StreamWriter,
    answer: Responder,
    seen: Requests,
) {
    let Ok(head) = reader.read_until(b"\r\n\r\n").await else { return };
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let message = reader.read_exactly(length.parse().unwrap()).await.unwrap();
    seen.borrow_mut().push((head, message.clone()));
    let from = "127.0.0.1:0".parse().unwrap();
    let asked = Asked { name: String::new(), kind: A, is_tcp: true, time: 1, from, message };
    let bytes = asked.answer().a(60, [192, 0, 2, 1]).bytes();
    let _ = writer.write_all(&answer(&bytes)).await;
}

fn ask(answer: Responder) -> (Result<DnsAnswer, DnsError>, Requests) {
    let seen = Requests::default();
    let requests = Rc::clone(&seen);
    let (tls, papers) = pair();
    let result = run(async move |event_loop| {
        let serving = event_loop.create_server("127.0.0.1", 0).tls(papers);
        let handler = move |reader, writer| serve(reader, writer, answer, Rc::clone(&requests));
        let server = serving.serve_streams(handler).await.unwrap();
        let port = server.local_addrs()[0].port();
        let server = format!("https://localhost:{port}/ask?x=1").parse().unwrap();
        let client = DnsClient::builder().servers([server]).tls(tls).attempts(1).timeout(ms(3000));
        client.build(&event_loop).unwrap().query("example.test", RecordType::A).await
    });
    (result, seen)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message\r\n";

fn counted(message: &[u8]) -> Vec<u8> {
    let head = format!("{OK}Content-Length: {}\r\n\r\n", message.len());
    [head.as_bytes(), message, b"and more"].concat()
}

fn chunked(message: &[u8]) -> Vec<u8> {
    let (one, two) = message.split_at(10);
    let size = format!("{:X};name=value\r\n", two.len());
    let head = format!("{OK}Transfer-Encoding: chunked\r\n\r\na\r\n");
    [head.as_bytes(), one, b"\r\n", size.as_bytes(), two, b"\r\n0\r\n\r\n"].concat()
}

fn open(message: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 103 Early Hints\r\n\r\n", OK.as_bytes(), b"\r\n", message].concat()
}

#[test]
fn o4_an_answer_over_https_however_its_end_is_told() {
    if !has_localhost() {
        return;
    }
    for answer in [counted, chunked, open] {
        let (result, seen) = ask(answer);
        let answer = result.unwrap();
        assert_eq!(answer.records[0].to_string(), "example.test. 60 A 192.0.2.1");
        assert_eq!(answer.exchange.transport, Some(DnsTransport::Https));
        let (head, message) = &seen.borrow()[0];
        assert!(head.starts_with("POST /ask?x=1 HTTP/1.1\r\nHost: localhost:"), "{head}");
        assert!(head.contains("\r\nContent-Type: application/dns-message\r\n"), "{head}");
        assert_eq!(message[..2], [0, 0], "no number, for caches");
    }
}

#[test]
fn o4_what_is_no_message_is_told_as_such() {
    if !has_localhost() {
        return;
    }
    let refused: [(Responder, &str); 4] = [
        (|_| b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(), "the server said 404 Not Found"),
        (|_| b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>".to_vec(), "it is text/html"),
        (|_| format!("{OK}Transfer-Encoding: chunked\r\n\r\nx\r\n").into_bytes(), "has no size"),
        (|_| [OK.as_bytes(), b"\r\n", &[7; 70_000]].concat(), "longer than a message can be"),
    ];
    for (answer, why) in refused {
        let error = ask(answer).0.unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::Malformed, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let endless = |_: &[u8]| b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    let error = ask(endless).0.unwrap_err();
    assert!(error.to_string().contains("interim responses"), "{error}");
    let error = ask(|_| Vec::new()).0.unwrap_err();
    assert!(error.to_string().contains("closed the connection without an answer"), "{error}");
    let error = ask(|message| counted(message)[..120].to_vec()).0.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network, "it ended early: {error}");
}
