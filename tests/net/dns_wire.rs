//! What answers may look like: every type of record, chains of aliases, and what is no message at all.

use std::net::{Ipv4Addr, Ipv6Addr};

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsData, DnsError, DnsErrorKind, DnsEventKind, RecordType, ServiceBinding,
};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

use crate::support::name_server::{A, Act, Asked, CNAME, NS, NameServer, send, wire};
use crate::support::{ms, run};

/// What a client makes of one answer.
fn read(
    record_type: RecordType,
    answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
) -> Result<DnsAnswer, DnsError> {
    let server = NameServer::new(move |asked| vec![Act::Send(answer(asked))]);
    let client = server.client().attempts(1);
    run(async |event_loop| {
        client.build(&event_loop).unwrap().query("example.test", record_type).await
    })
}

/// The only record of an answer, with this data, as text.
fn text(record_type: &str, data: &[u8]) -> String {
    let (record_type, data) = (record_type.parse::<RecordType>().unwrap(), data.to_owned());
    let answer =
        read(record_type, move |asked| asked.answer().record(asked.kind, 60, &data).bytes());
    let answer = answer.unwrap();
    assert_eq!(answer.records.len(), 1);
    let line = answer.records[0].to_string();
    line.strip_prefix(&format!("example.test. 60 {record_type} ")).unwrap().to_owned()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn o4_every_type_of_record_as_text() {
    let host = wire("host.test");
    let table: [(&str, Vec<u8>, &str); 14] = [
        ("A", vec![192, 0, 2, 1], "192.0.2.1"),
        ("AAAA", Ipv6Addr::LOCALHOST.octets().to_vec(), "::1"),
        ("CNAME", host.clone(), "host.test."),
        ("NS", host.clone(), "host.test."),
        ("PTR", host.clone(), "host.test."),
        ("MX", join(&[&[0, 10], &host]), "10 host.test."),
        ("TXT", join(&[&[3], b"a b", &[2], b"\"\x07"]), r#""a b" "\"\007""#),
        (
            "SOA",
            join(&[
                &host,
                &wire("me.test"),
                &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5],
            ]),
            "host.test. me.test. 1 2 3 4 5",
        ),
        ("SRV", join(&[&[0, 1, 0, 2, 1, 187], &host]), "1 2 443 host.test."),
        ("CAA", join(&[&[128, 5], b"issue", b"ca.test"]), "128 issue \"ca.test\""),
        ("HTTPS", join(&[&[0, 0], &host]), "0 host.test."),
        (
            "SVCB",
            join(&[
                &[0, 1, 0],
                &[0, 0, 0, 2, 0, 4], // mandatory=ipv4hint
                &[0, 1, 0, 6, 2],
                b"h2",
                &[2],
                b"h3",                       // alpn
                &[0, 2, 0, 0],               // no-default-alpn
                &[0, 3, 0, 2, 32, 251],      // port
                &[0, 4, 0, 4, 192, 0, 2, 1], // ipv4hint
                &[0, 6, 0, 16],
                &Ipv6Addr::LOCALHOST.octets(),
                &[0x12, 0x34, 0, 2],
                b"\x1bx", // key4660
            ]),
            "1 . mandatory=ipv4hint alpn=\"h2,h3\" no-default-alpn port=8443 ipv4hint=192.0.2.1 \
             ipv6hint=::1 key4660=\"\\027x\"",
        ),
        ("TYPE4711", vec![255], "\\# 1 FF"),
        ("HINFO", join(&[&[3], b"a\x1bb", &[1], b"c"]), "\"a\\027b\" \"c\""),
    ];
    for (record_type, data, wanted) in table {
        assert_eq!(text(record_type, &data), wanted, "{record_type}");
    }
}

#[test]
fn o4_a_service_binding_is_typed() {
    let data =
        join(&[&[0, 1, 0, 0, 1, 0, 3, 2], b"h3", &[0, 3, 0, 2, 1, 187, 0, 4, 0, 4, 192, 0, 2, 1]]);
    let answer = read(RecordType::Https, move |asked| asked.answer().record(65, 60, &data).bytes());
    let wanted = ServiceBinding {
        priority: 1,
        target: ".".to_owned(),
        alpn: vec!["h3".to_owned()],
        port: Some(443),
        address_hints: vec![Ipv4Addr::new(192, 0, 2, 1).into()],
        ..ServiceBinding::default()
    };
    assert_eq!(answer.unwrap().records[0].data, DnsData::Https(wanted));
}

#[test]
fn o4_aliases_are_followed_within_the_answer() {
    let answer = read(RecordType::A, |asked| {
        let (two, three) = (wire("two.test"), wire("THREE.test"));
        // Out of order, with another one's address among them.
        let answer = asked.answer().raw(1, &wire("three.test"), A, 7, &[192, 0, 2, 3]);
        let answer = answer.raw(1, &two, CNAME, 60, &three).record(CNAME, 60, &two);
        answer.raw(1, &wire("other.test"), A, 60, &[192, 0, 2, 66]).bytes()
    });
    let answer = answer.unwrap();
    assert_eq!(answer.canonical_name(), "THREE.test.");
    let addresses: Vec<String> = answer.addresses().map(|ip| ip.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.3"]);
    assert_eq!(answer.ttl().unwrap().as_secs(), 7);
    assert_eq!(answer.records.len(), 4);
}

#[test]
fn o4_an_alias_to_nothing_is_not_followed_and_is_itself_an_answer() {
    let alias = |asked: &Asked| asked.answer().record(CNAME, 60, &wire("two.test")).bytes();
    let error = read(RecordType::A, alias).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::AliasNotFollowed);
    assert_eq!(error.answer.unwrap().canonical_name(), "two.test.");
    assert_eq!(read(RecordType::Cname, alias).unwrap().matching().count(), 1);
    assert_eq!(read(RecordType::Other(255), alias).unwrap().matching().count(), 1, "ANY");
}

#[test]
fn o4_aliases_that_go_round_in_a_circle_are_told() {
    let error = read(RecordType::A, |asked| {
        let (one, two) = (wire("example.test"), wire("two.test"));
        asked.answer().record(CNAME, 60, &two).raw(1, &two, CNAME, 60, &one).bytes()
    });
    assert_eq!(error.unwrap_err().kind, DnsErrorKind::AliasLoop);
}

/// An answer that is wrong in one way.
fn malformed(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> DnsError {
    let error = read(RecordType::A, answer).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Malformed, "{error}");
    assert!(error.to_string().contains("the answer cannot be read: "), "{error}");
    error
}

#[test]
fn o4_compression_loops_are_malformed() {
    // The name of the record begins behind the header and the question.
    let own_place = 12 + u8::try_from(wire("example.test").len()).unwrap() + 4;
    malformed(move |asked| asked.answer().raw(1, &[0xc0, own_place], A, 60, &[1; 4]).bytes());
    malformed(move |asked| {
        asked.answer().raw(1, &[1, b'a', 0xc0, own_place], A, 60, &[1; 4]).bytes()
    });
    malformed(move |asked| {
        asked.answer().raw(1, &[0xc0, own_place + 2, 0xc0, own_place], A, 60, &[1; 4]).bytes()
    });
    malformed(|asked| asked.answer().raw(1, &[0xff, 0xff], A, 60, &[1; 4]).bytes());
    malformed(|asked| asked.answer().record(NS, 60, &[0xc0, 200]).bytes());
}

#[test]
fn o4_messages_that_end_early_or_promise_too_much_are_malformed() {
    malformed(|asked| {
        let mut bytes = asked.answer().a(60, [1; 4]).bytes();
        bytes.truncate(bytes.len() - 1);
        bytes
    });
    malformed(|asked| {
        let mut bytes = asked.answer().bytes();
        (bytes[6], bytes[7]) = (0xff, 0xff);
        bytes
    });
    malformed(|asked| asked.answer().record(A, 60, &[1; 5]).bytes());
    malformed(|asked| asked.answer().record(A, 60, &[1; 3]).bytes());
}

#[test]
fn o4_a_malformed_answer_moves_on_to_the_next_server() {
    let broken = NameServer::new(|asked| send(asked.answer().record(A, 60, &[1])));
    let server = NameServer::new(|asked| send(asked.answer().a(60, [192, 0, 2, 1])));
    let servers = [broken.over(DnsTransport::Udp), server.over(DnsTransport::Udp)];
    let answer = run(async |event_loop| {
        let client = broken.client().servers(servers).build(&event_loop).unwrap();
        client.query("example.test", RecordType::A).await
    });
    assert_eq!(answer.unwrap().exchange.retries, 1);
}

/// More than was asked for, and more than fits into most networks' packets.
#[test]
fn o4_oversized_datagrams_are_read_whole() {
    let many = |asked: &Asked| {
        (0..3_900_u16).fold(asked.answer(), |answer, n| {
            let [high, low] = n.to_be_bytes();
            answer.a(60, [10, 0, high, low])
        })
    };
    let answer = read(RecordType::A, move |asked| many(asked).bytes()).unwrap();
    assert_eq!(answer.addresses().count(), 3_900);
    assert_eq!(answer.exchange.transport, Some(DnsTransport::Udp));
}

#[test]
fn o4_what_comes_over_tcp_is_held_to_the_question_as_well() {
    let server = NameServer::new(|asked| {
        let mut bytes = asked.answer().a(60, [1; 4]).bytes();
        bytes[0] ^= 1;
        vec![Act::Send(bytes)]
    });
    let client = server.client().servers([server.over(DnsTransport::Tcp)]);
    let error = run(async |event_loop| {
        client.build(&event_loop).unwrap().query("example.test", RecordType::A).await
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Malformed);
    assert!(error.to_string().contains("wrong number"), "{error}");
}

#[test]
fn dns_11_names_beyond_ascii_are_encoded() {
    let server = NameServer::new(|asked| send(asked.answer().a(60, [192, 0, 2, 1])));
    let answer = run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        client.query("bücher.test", RecordType::A).await
    });
    assert_eq!(answer.unwrap().name, "xn--bcher-kva.test.");
    assert_eq!(server.asked()[0].name, "xn--bcher-kva.test.");
}

#[test]
fn dns_12_names_that_cannot_be_are_refused_and_never_cut() {
    let server = NameServer::silent();
    let long_label = format!("{}.test", "a".repeat(64));
    let long_name = format!("0x000{}.test", ".7f000001".repeat(30));
    let bad = ["", "a..b", ".a", "a\0b", "\u{7}", "a\nb", &long_label, &long_name];
    run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        for name in bad {
            let error = client.query(name, RecordType::A).await.unwrap_err();
            assert_eq!(error.kind, DnsErrorKind::BadName, "{name:?}");
            assert_eq!((error.name.as_str(), error.exchange.server.is_none()), (name, true));
            let text = error.to_string();
            assert!(text.contains("not a name: ") && !text.contains(char::is_control), "{text:?}");
        }
    });
    assert!(server.asked().is_empty());
}

#[test]
fn o4_labels_of_services_are_names() {
    let server = NameServer::new(|asked| send(asked.answer().record(asked.kind, 60, &[255])));
    run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        for name in ["_dmarc.example.test", "_443._tcp.example.test", "*.example.test", "."] {
            let answer = client.query(name, RecordType::Other(4711)).await.unwrap();
            assert_eq!(answer.name.trim_end_matches('.'), name.trim_end_matches('.'));
        }
        let address = "192.0.2.1".parse().unwrap();
        let answer = client.reverse(address).await.unwrap_err();
        assert_eq!(answer.name, "1.2.0.192.in-addr.arpa.");
    });
}

/// Whatever a server sends, the client lives, says what it was, and the next query is answered.
#[test]
fn o4_whatever_comes_the_client_lives() {
    const CASES: u32 = 400;
    let config =
        ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() };
    let (rubbish, next) = std::sync::mpsc::channel::<Vec<u8>>();
    let next = std::sync::Mutex::new(next);
    let server = NameServer::new(move |asked| {
        let tail = next.lock().unwrap().recv().unwrap();
        let fitting = asked.answer().bytes();
        // Right number, right question, and then anything: the counts promise what the bytes may not hold.
        let body =
            [&fitting[..4], &[0, 1, tail[0] & 3, tail[1], 0, tail[2] & 1, 0, tail[3] & 1]].concat();
        let with_tail = [&body, &fitting[12..], &tail[4..]].concat();
        vec![Act::Send(with_tail), Act::Send(tail)]
    });
    run(async |event_loop| {
        let client = server.client().timeout(ms(500)).attempts(1).build(&event_loop).unwrap();
        let client = client.trace(|event| assert!(!matches!(event.kind, DnsEventKind::Canceled)));
        let asking = std::cell::RefCell::new(Vec::new());
        proptest!(config, |(tail in prop::collection::vec(any::<u8>(), 4..120))| {
            asking.borrow_mut().push(tail);
        });
        for tail in asking.into_inner() {
            rubbish.send(tail.clone()).unwrap();
            match client.query("example.test", RecordType::A).await {
                Ok(answer) => assert!(answer.matching().next().is_some()),
                Err(error) => {
                    let kinds = [
                        DnsErrorKind::Malformed,
                        DnsErrorKind::NoData,
                        DnsErrorKind::AliasLoop,
                        DnsErrorKind::AliasNotFollowed,
                    ];
                    assert!(kinds.contains(&error.kind), "{error}: {tail:?}");
                }
            }
        }
    });
    assert_eq!(server.asked().len(), CASES as usize);
}
