//! Answers that are not what they should be: empty ones, EDNS that is dropped, names in other letters, broken records.

use std::time::Duration;

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsClient, DnsError, DnsErrorKind, DnsOddity, EdnsFallback, Rcode, RecordType,
};

use crate::support::name_server::{A, Act, Asked, CNAME, NS, NameServer, SOA, send, wire};
use crate::support::{ms, run};

const HTTPS: u16 = 65;
const OPT: u16 = 41;

/// RA, which `Asked::answer` sets.
const RECURSION_AVAILABLE: u8 = 0x80;

fn ask(servers: &[&NameServer], record_type: RecordType) -> Result<DnsAnswer, DnsError> {
    let servers: Vec<_> = servers.iter().map(|it| it.over(DnsTransport::Udp)).collect();
    let client = DnsClient::builder().servers(servers).timeout(ms(200));
    run(async |event_loop| client.build(&event_loop).unwrap().query("h.test", record_type).await)
}

/// Answer of a server that offers no recursion.
fn without_recursion(mut message: Vec<u8>) -> Vec<Act> {
    message[3] &= !RECURSION_AVAILABLE;
    vec![Act::Send(message)]
}

fn good() -> NameServer {
    NameServer::new(|asked| send(asked.answer().a(60, [192, 0, 2, 1])))
}

#[test]
fn o4_an_empty_answer_without_authority_sends_the_question_to_the_next_server() {
    let good = good();
    let lame = NameServer::new(|asked| without_recursion(asked.answer().bytes()));
    let refers = NameServer::new(|asked| {
        let answer = asked.answer().raw(2, &wire("test"), NS, 60, &wire("ns.test"));
        without_recursion(answer.bytes())
    });
    for record_type in [RecordType::A, RecordType::Https, RecordType::Other(62000)] {
        let error = ask(&[&lame], record_type).unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::Lame, "{error}");
        assert_eq!(error.answer.unwrap().rcode, Rcode::NOERROR);
        let error = ask(&[&refers], record_type).unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::Referral, "{error}");
        assert_eq!(error.referred_zone(), Some("test."));
    }
    for odd in [&lame, &refers] {
        let answer = ask(&[odd, &good], RecordType::A).unwrap();
        assert_eq!(answer.exchange.server, Some(good.over(DnsTransport::Udp)));
    }
}

#[test]
fn o4_an_empty_answer_of_a_server_in_charge_is_final() {
    let good = good();
    let in_charge =
        NameServer::new(|asked| without_recursion(asked.answer().flags(0x0400).bytes()));
    let with_soa = NameServer::new(|asked| {
        let soa = [wire("ns.test"), wire("me.test"), vec![0; 20]].concat();
        without_recursion(asked.answer().raw(2, &wire("test"), SOA, 60, &soa).bytes())
    });
    let resolver = NameServer::new(|asked| send(asked.answer()));
    for server in [&in_charge, &with_soa, &resolver] {
        let error = ask(&[server, &good], RecordType::A).unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::NoData, "{error}");
    }
}

#[test]
fn o4_aliases_that_lead_nowhere_are_no_missing_record() {
    let around = NameServer::new(|asked| {
        let to_b = asked.answer().record(CNAME, 60, &wire("b.test"));
        send(to_b.raw(1, &wire("B.TEST"), CNAME, 60, &wire("h.test")))
    });
    let error = ask(&[&around], RecordType::A).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::AliasLoop);
    let open = NameServer::new(|asked| {
        let to_b = asked.answer().record(CNAME, 60, &wire("b.test"));
        send(to_b.raw(1, &wire("b.test"), CNAME, 60, &wire("c.test")))
    });
    let error = ask(&[&open], RecordType::Mx).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::AliasNotFollowed);
    assert!(error.to_string().contains("`c.test.`"), "{error}");
    let answer = ask(&[&open], RecordType::Cname).unwrap();
    assert_eq!(answer.matching().count(), 1, "the alias itself can be asked for");
}

#[test]
fn o4_silence_to_edns_is_followed_by_a_question_without() {
    let server = NameServer::new(|asked| {
        if asked.has_edns() { vec![] } else { send(asked.answer().a(60, [192, 0, 2, 1])) }
    });
    let client = server.client().timeout(ms(150));
    let (first, second) = run(async |event_loop| {
        let client = client.build(&event_loop).unwrap();
        let first = client.query("one.test", RecordType::A).await.unwrap();
        (first, client.query("two.test", RecordType::A).await.unwrap())
    });
    for answer in [&first, &second] {
        assert_eq!(answer.exchange.without_edns, Some(EdnsFallback::Silence));
    }
    assert!(first.exchange.took >= ms(150), "{:?}", first.exchange);
    let told: Vec<(String, bool)> =
        server.asked().into_iter().map(|it| (it.name.clone(), it.has_edns())).collect();
    let expected = [("one.test.", true), ("one.test.", false), ("two.test.", false)];
    assert_eq!(told, expected.map(|(name, edns)| (name.to_owned(), edns)), "it is remembered");
}

#[test]
fn o4_a_server_that_knows_edns_is_asked_with_it_after_a_loss() {
    let server = NameServer::new(|asked| match (asked.name.as_str(), asked.time) {
        ("two.test.", 1) => vec![],
        _ => send(asked.answer().a(60, [192, 0, 2, 1])),
    });
    let client = server.client().timeout(ms(150));
    let answer = run(async |event_loop| {
        let client = client.build(&event_loop).unwrap();
        client.query("one.test", RecordType::A).await.unwrap();
        client.query("two.test", RecordType::A).await.unwrap()
    });
    assert_eq!((answer.exchange.retries, answer.exchange.without_edns), (1, None));
    assert!(server.asked().iter().all(Asked::has_edns));
    // Signatures come with EDNS only.
    let server = NameServer::new(|asked| {
        if asked.time < 2 { vec![] } else { send(asked.answer().a(60, [192, 0, 2, 1])) }
    });
    let client = server.client().timeout(ms(150)).dnssec(true);
    run(async |event_loop| {
        client.build(&event_loop).unwrap().query("one.test", RecordType::A).await.unwrap()
    });
    assert!(server.asked().iter().all(Asked::has_edns));
}

#[test]
fn o4_a_late_answer_to_the_question_with_edns_counts() {
    let server = NameServer::new(|asked| {
        if asked.has_edns() {
            let answer = asked.answer().a(60, [192, 0, 2, 1]).bytes();
            return vec![Act::Wait(Duration::from_millis(300)), Act::Send(answer)];
        }
        vec![]
    });
    let client = server.client().timeout(ms(200)).attempts(8);
    let answer = run(async |event_loop| {
        client.build(&event_loop).unwrap().query("h.test", RecordType::A).await.unwrap()
    });
    assert_eq!(answer.exchange.without_edns, None);
    assert!(answer.exchange.took >= ms(300), "{:?}", answer.exchange);
}

#[test]
fn o4_names_have_no_case_and_types_are_exact() {
    let shouting = |asked: &Asked| {
        let mut answer = asked.answer().record(asked.kind, 60, &[0, 1, 0]).bytes();
        let end = 12 + wire("h.test").len();
        answer[12..end].make_ascii_uppercase();
        answer
    };
    let server = NameServer::new(move |asked| vec![Act::Send(shouting(asked))]);
    let answer = ask(&[&server], RecordType::Https).unwrap();
    assert_eq!(answer.matching().count(), 1);
    // 97 is the small letter of 65.
    let other_type = NameServer::new(move |asked| {
        let mut answer = shouting(asked);
        let at = 12 + wire("h.test").len() + 1;
        assert_eq!(u16::from(answer[at]), HTTPS);
        answer[at] = 97;
        vec![Act::Send(answer)]
    });
    assert_eq!(ask(&[&other_type], RecordType::Https).unwrap_err().kind, DnsErrorKind::TimedOut);
    let client = server.client().mixed_case(true).timeout(ms(100)).attempts(1);
    let error = run(async |event_loop| {
        client.build(&event_loop).unwrap().query("a-long.name.test", RecordType::A).await
    });
    assert_eq!(error.unwrap_err().kind, DnsErrorKind::TimedOut, "0x20 compares every letter");
}

/// A good answer, to which something is done.
fn spoiled(spoil: impl Fn(&Asked, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> NameServer {
    NameServer::new(move |asked| {
        vec![Act::Send(spoil(asked, asked.answer().a(60, [192, 0, 2, 1]).bytes()))]
    })
}

#[test]
fn o4_what_is_wrong_behind_the_answer_loses_nothing_of_it() {
    type Spoil = fn(&Asked, Vec<u8>) -> Vec<u8>;
    let table: [(&str, Spoil, &[DnsOddity]); 8] = [
        ("an empty unknown record", |asked, _| with_extra(asked, 65280, &[]).bytes(), &[]),
        (
            "half a record",
            |_, mut it| {
                it[11] = 1;
                [it, vec![0, 0, 1, 0, 1]].concat()
            },
            &[DnsOddity::UnreadableRecord],
        ),
        (
            "a name that points ahead",
            |_, mut it| {
                it[9] = 1;
                [it, vec![0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]].concat()
            },
            &[DnsOddity::UnreadableRecord],
        ),
        (
            "too many counted",
            |_, mut it| {
                it[11] = 9;
                it
            },
            &[DnsOddity::FewerRecords],
        ),
        (
            "more answers counted",
            |_, mut it| {
                it[7] = 2;
                it
            },
            &[DnsOddity::FewerRecords],
        ),
        ("bytes left over", |_, it| [it, vec![1, 2, 3]].concat(), &[DnsOddity::TrailingBytes]),
        (
            "two OPT records",
            |asked, _| with_extra(asked, OPT, &[]).raw(3, &[0], OPT, 0, &[]).bytes(),
            &[DnsOddity::SeveralOpts],
        ),
        (
            "an address of three bytes",
            |asked, _| asked.answer().a(60, [192, 0, 2, 1]).record(A, 60, &[1, 2, 3]).bytes(),
            &[DnsOddity::UnreadableData],
        ),
    ];
    for (what, spoil, oddities) in table {
        let server = spoiled(spoil);
        let answer =
            ask(&[&server], RecordType::A).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.addresses().count(), 1, "{what}");
        assert_eq!(answer.oddities, oddities, "{what}");
    }
}

fn with_extra(asked: &Asked, kind: u16, data: &[u8]) -> crate::support::name_server::Answer {
    asked.answer().a(60, [192, 0, 2, 1]).raw(3, &wire("x"), kind, 0, data)
}

#[test]
fn o4_nothing_is_concluded_from_an_answer_that_lost_records() {
    let counted = spoiled(|asked, _| {
        let mut answer = asked.answer().bytes();
        answer[7] = 1;
        answer
    });
    let unfit = spoiled(|asked, _| asked.answer().record(A, 60, &[1, 2, 3]).bytes());
    let behind_alias = spoiled(|asked, _| {
        let answer = asked.answer().record(CNAME, 60, &wire("b.test"));
        answer.raw(1, &wire("b.test"), A, 60, &[1]).bytes()
    });
    for server in [&counted, &unfit, &behind_alias] {
        let error = ask(&[server], RecordType::A).unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::Malformed, "{error}");
    }
}

#[test]
fn o4_records_of_another_class_are_none() {
    let server = spoiled(|_, mut it| {
        let at = it.len() - 12;
        assert_eq!(it[at..at + 2], [0, 1], "the class");
        it[at + 1] = 3;
        it
    });
    let error = ask(&[&server], RecordType::A).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::NoData);
    let answer = error.answer.unwrap();
    assert_eq!(
        (answer.records.len(), answer.oddities.as_slice()),
        (0, &[DnsOddity::OtherClass][..])
    );
}

#[test]
fn o4_reasons_of_the_server_have_names_and_any_letters() {
    let option = |code: u16, text: &str| {
        let length = u16::try_from(text.len() + 2).unwrap();
        [&15_u16.to_be_bytes()[..], &length.to_be_bytes(), &code.to_be_bytes(), text.as_bytes()]
            .concat()
    };
    let server = NameServer::new(move |asked| {
        let options =
            [option(16, "gesperrt für alle"), option(6, ""), option(4711, "a\u{1b}b\u{202e}\0")];
        send(asked.rcode(3).raw(3, &[0], OPT, 0x1000_0000, &options.concat()))
    });
    let error = ask(&[&server], RecordType::A).unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Code(Rcode(0x103)), "upper bits are in OPT");
    let answer = error.answer.unwrap();
    let told: Vec<String> = answer.extended_errors.iter().map(ToString::to_string).collect();
    let expected = [
        "extended error 16 (Censored): gesperrt für alle",
        "extended error 6 (DNSSEC Bogus)",
        r"extended error 4711: a\u{1b}b\u{202e}",
    ];
    assert_eq!(told, expected);
    assert_eq!(Rcode(23).to_string(), "BADCOOKIE");
}
