//! Connections to name servers that many queries share (RFC 7766, RFC 7858).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::join_all;
use loopctl::{DnsClient, LoopHandle, RecordType, Server, StreamReader, StreamWriter, TlsClient};

use crate::support::name_server::{A, Asked};
use crate::support::tls::pair;
use crate::support::{ms, run};

/// What a server does with each of its connections.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Answers at once, any number of questions.
    AtOnce,
    /// Waits for this number of questions and answers the last one first.
    Backwards(usize),
    /// Closes after this number of answers.
    ClosesAfter(usize),
    /// Never answers over its first connection.
    FirstIsSilent,
}

/// Numbers of a server: its connections, and the questions over each.
type Seen = Rc<RefCell<Vec<usize>>>;

async fn answer(manner: Manner, mut reader: StreamReader, mut writer: StreamWriter, seen: Seen) {
    let number = seen.borrow().len();
    seen.borrow_mut().push(0);
    let mut asked = Vec::new();
    let mut answers = 0;
    while let Ok(length) = reader.read_exactly(2).await {
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        let Ok(message) = reader.read_exactly(length).await else { return };
        seen.borrow_mut()[number] += 1;
        asked.push(message);
        let least = if let Manner::Backwards(count) = manner { count } else { 1 };
        if asked.len() < least || manner == Manner::FirstIsSilent && number == 0 {
            continue;
        }
        while let Some(message) = asked.pop() {
            // The address has the first letter of the name, so that mixed up answers are seen.
            let last = message[13];
            let from = "127.0.0.1:0".parse().unwrap();
            let asked =
                Asked { name: String::new(), kind: A, is_tcp: true, time: 1, from, message };
            let bytes = asked.answer().a(60, [192, 0, 2, last]).bytes();
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            writer.write_all(&[&length[..], &bytes].concat()).await.unwrap();
            answers += 1;
            if manner == Manner::ClosesAfter(answers) {
                return;
            }
        }
    }
}

async fn serve(event_loop: &LoopHandle, manner: Manner, seen: &Seen) -> (Server, u16) {
    let seen = Rc::clone(seen);
    let serving = move |reader, writer| answer(manner, reader, writer, Rc::clone(&seen));
    let server = event_loop.create_server("127.0.0.1", 0).serve_streams(serving).await.unwrap();
    let port = server.local_addrs()[0].port();
    (server, port)
}

/// Asks for these names, all at once or one after another; returns the questions of each connection.
fn ask(manner: Manner, names: &'static [&'static str], at_once: bool) -> Vec<usize> {
    let seen = Seen::default();
    let inside = Rc::clone(&seen);
    run(async move |event_loop| {
        let (_serving, port) = serve(&event_loop, manner, &inside).await;
        let server = format!("tcp://127.0.0.1:{port}").parse().unwrap();
        let client = DnsClient::builder().servers([server]).timeout(ms(300)).attempts(2);
        let client = client.build(&event_loop).unwrap();
        let one = async |name: &str| {
            let answer = client.query(name, RecordType::A).await.unwrap();
            let expected = format!("{name}. 60 A 192.0.2.{}", name.as_bytes()[0]);
            assert_eq!(answer.records[0].to_string(), expected);
        };
        if at_once {
            join_all(names.iter().map(|name| one(name))).await;
        } else {
            for name in names {
                one(name).await;
            }
        }
    });
    seen.take()
}

const NAMES: &[&str] = &["a.test", "b.test", "c.test", "d.test", "e.test"];

#[test]
fn o4_questions_share_a_connection_one_after_another_and_at_once() {
    assert_eq!(ask(Manner::AtOnce, NAMES, false), [5]);
    assert_eq!(ask(Manner::AtOnce, NAMES, true), [5]);
}

#[test]
fn o4_questions_do_not_wait_for_each_other_and_answers_come_in_any_order() {
    assert_eq!(ask(Manner::Backwards(5), NAMES, true), [5]);
}

#[test]
fn o4_a_connection_that_the_server_closes_is_replaced() {
    assert_eq!(ask(Manner::ClosesAfter(2), NAMES, false), [2, 2, 1]);
    assert_eq!(ask(Manner::ClosesAfter(2), NAMES, true), [2, 2, 1], "the rest is asked again");
}

#[test]
fn o4_a_server_with_one_answer_for_each_connection_gets_one_for_each_question() {
    let seen = ask(Manner::ClosesAfter(1), NAMES, true);
    assert_eq!(seen[1..], [1, 1, 1, 1], "{seen:?}");
}

#[test]
fn o4_a_connection_without_an_answer_is_not_used_again() {
    assert_eq!(ask(Manner::FirstIsSilent, &["a.test", "b.test"], false), [1, 2]);
}

#[test]
fn o4_questions_over_tls_share_a_connection() {
    let (tls, papers) = pair();
    let seen = Seen::default();
    let (inside, handshakes) = (Rc::clone(&seen), Rc::new(Cell::new(0)));
    let counted = Rc::clone(&handshakes);
    run(async move |event_loop| {
        let seen = Rc::clone(&inside);
        let serving = move |reader: StreamReader, writer: StreamWriter| {
            counted.set(counted.get() + 1);
            answer(Manner::AtOnce, reader, writer, Rc::clone(&seen))
        };
        let server = event_loop.create_server("127.0.0.1", 0).tls(papers);
        let server = server.serve_streams(serving).await.unwrap();
        let port = server.local_addrs()[0].port();
        let tls: TlsClient = tls;
        let server = format!("tls://127.0.0.1:{port}#localhost").parse().unwrap();
        let client = DnsClient::builder().servers([server]).tls(tls).timeout(ms(5000));
        let client = client.build(&event_loop).unwrap();
        let answers = NAMES.iter().map(|name| client.query(name, RecordType::A));
        assert!(join_all(answers).await.iter().all(Result::is_ok));
    });
    assert_eq!((seen.take(), handshakes.get()), (vec![5], 1));
}
