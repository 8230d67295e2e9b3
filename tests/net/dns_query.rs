//! One question and what becomes of it: retries, other servers, truncation, forgeries, failures.

use std::cell::RefCell;
use std::net::UdpSocket;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsClientBuilder, DnsError, DnsErrorKind, DnsEvent, DnsEventKind, DnsIgnored, Rcode,
    RecordType,
};

use crate::skip::has_localhost;
use crate::support::name_server::{A, AAAA, Act, Asked, NS, NameServer, SOA, send, wire};
use crate::support::{best_of, ms, run};

const ADDRESS: [u8; 4] = [192, 0, 2, 7];

/// A question for the address of `example.test`, and what the listener hears.
fn ask(client: DnsClientBuilder) -> (Result<DnsAnswer, DnsError>, Vec<DnsEvent>) {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let events = Rc::clone(&heard);
    let result = run(async move |event_loop| {
        let client = client.build(&event_loop).unwrap();
        let client = client.trace(move |event| events.borrow_mut().push(event.clone()));
        client.query("example.test", RecordType::A).await
    });
    let events = heard.take();
    assert!(events.is_sorted_by_key(|event| event.at), "{events:#?}");
    assert!(events.iter().all(|event| event.name == "example.test." && event.query == 0));
    (result, events)
}

fn error_of(server: &NameServer) -> DnsError {
    ask(server.client()).0.unwrap_err()
}

/// What happened, in short words.
fn story(events: &[DnsEvent]) -> Vec<String> {
    let steps = events.iter().filter(|it| !matches!(it.kind, DnsEventKind::Finished { .. }));
    let told = steps.map(|event| match &event.kind {
        DnsEventKind::Asked { transport, attempt, edns, .. } => {
            format!("ask {transport} {attempt}{}", if *edns { "" } else { " plain" })
        }
        DnsEventKind::Connected { transport, .. } => format!("connected {transport}"),
        DnsEventKind::Answered { transport, rcode, records, truncated, .. } => {
            format!("{rcode} {transport} {records}{}", if *truncated { " truncated" } else { "" })
        }
        DnsEventKind::Ignored { why, .. } => format!("ignored: {why}"),
        DnsEventKind::TimedOut { transport, .. } => format!("silence {transport}"),
        DnsEventKind::Failed { transport, .. } => format!("failed {transport}"),
        other => format!("{other:?}"),
    });
    told.collect()
}

fn yes(asked: &Asked) -> Vec<Act> {
    send(asked.answer().a(60, ADDRESS))
}

#[test]
fn o4_an_answer_with_everything_that_is_known_of_it() {
    let server = NameServer::new(|asked| {
        // AA and AD
        send(asked.answer().a(60, ADDRESS).a(30, [192, 0, 2, 8]).flags(0x0420))
    });
    let (result, events) = ask(server.client());
    let last = events.last().map(|event| &event.kind);
    let Some(DnsEventKind::Finished { result: told }) = last else { panic!("{last:?}") };
    assert_eq!(told.as_ref().as_ref().ok(), result.as_ref().ok(), "listeners have it, too");
    let answer = result.unwrap();
    let texts: Vec<String> = answer.records.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["example.test. 60 A 192.0.2.7", "example.test. 30 A 192.0.2.8"]);
    assert_eq!((answer.rcode, answer.ttl()), (Rcode::NOERROR, Some(Duration::from_secs(30))));
    let flags = answer.flags;
    assert!(
        flags.authoritative && flags.authentic && flags.recursion_available && !flags.truncated
    );
    let exchange = &answer.exchange;
    assert_eq!(exchange.server, Some(server.over(DnsTransport::Udp)));
    assert_eq!((exchange.transport, exchange.retries), (Some(DnsTransport::Udp), 0));
    assert!(exchange.round_trip.unwrap() <= exchange.took && !exchange.truncated);
    assert_eq!(story(&events), ["ask udp 1", "NOERROR udp 2"]);
    let asked = &server.asked()[0];
    assert_eq!((asked.name.as_str(), asked.kind), ("example.test.", A));
    assert_eq!(asked.message[2] & 1, 1, "recursion is desired");
    // EDNS: the root, OPT, 1232 bytes, no flags.
    assert_eq!(asked.message[asked.message.len() - 11..], [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn o4_silence_is_asked_again_with_the_same_number_from_the_same_port() {
    let server = NameServer::new(|asked| if asked.time < 3 { vec![] } else { yes(asked) });
    let (result, events) = ask(server.client().edns(false).timeout(ms(40)).attempts(3));
    let exchange = result.unwrap().exchange;
    assert_eq!(exchange.retries, 2);
    assert!(exchange.took >= ms(80), "{exchange:?}");
    assert!(
        exchange.round_trip.unwrap() <= exchange.took - ms(80),
        "since the third: {exchange:?}"
    );
    let told = [
        "ask udp 1 plain",
        "silence udp",
        "ask udp 2 plain",
        "silence udp",
        "ask udp 3 plain",
        "NOERROR udp 1",
    ];
    assert_eq!(story(&events), told);
    let asked = server.asked();
    assert!(asked.iter().all(|it| it.id() == asked[0].id() && it.from == asked[0].from));
}

#[test]
fn o4_silence_to_the_end() {
    let server = NameServer::silent();
    let took = best_of(3, || {
        let (result, events) = ask(server.client().timeout(ms(40)));
        let error = result.unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::TimedOut);
        assert_eq!(story(&events), ["ask udp 1", "silence udp", "ask udp 2 plain", "silence udp"]);
        let text = error.to_string();
        let (took, at) = (error.exchange.took.as_secs_f64(), server.address);
        let wanted = format!(
            "cannot resolve `example.test.` (A): no answer within {took:.1} s, from udp://{at}"
        );
        assert_eq!(text, wanted);
        assert_eq!(error.exchange.server, Some(server.over(DnsTransport::Udp)));
        assert_eq!(error.exchange.retries, 1);
        assert!(error.exchange.took >= ms(80), "{error:?}");
        error.exchange.took
    });
    assert!(took < ms(180), "{took:?}");
}

#[test]
fn o4_a_dead_server_is_passed_over_and_may_still_answer_late() {
    let dead = NameServer::silent();
    let server = NameServer::new(yes);
    let client = dead.client().timeout(ms(200));
    let servers = [dead.over(DnsTransport::Udp), server.over(DnsTransport::Udp)];
    let (result, events) = ask(client.clone().servers(servers.clone()));
    let answer = result.unwrap();
    assert_eq!(answer.exchange.server, Some(servers[1].clone()));
    assert_eq!(story(&events), ["ask udp 1", "silence udp", "ask udp 2", "NOERROR udp 1"]);

    let late = NameServer::new(|asked| {
        [vec![Act::Wait(ms(300))], yes(asked)].into_iter().flatten().collect()
    });
    let servers = [late.over(DnsTransport::Udp), dead.over(DnsTransport::Udp)];
    let (result, _) = ask(client.servers(servers.clone()).timeout(ms(250)).attempts(1));
    assert_eq!(result.unwrap().exchange.server, Some(servers[0].clone()));
}

#[test]
fn o4_a_port_where_nobody_listens_is_an_error_of_the_network() {
    // The port is taken, so nobody else gets it, by a socket that hears one other peer only.
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    deaf.connect("127.0.0.1:1").unwrap();
    let address = deaf.local_addr().unwrap();
    let server = NameServer::new(yes);
    let nobody = loopctl::DnsServer::new(DnsTransport::Udp, address);
    let (result, events) = ask(server.client().servers([nobody.clone()]).timeout(ms(500)));
    let error = result.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network);
    assert_eq!(error.failure.as_ref().unwrap().name(), Some("ECONNREFUSED"));
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert_eq!(story(&events), ["ask udp 1", "failed udp", "ask udp 2", "failed udp"]);
    let silent = NameServer::silent();
    let both = [nobody.clone(), silent.over(DnsTransport::Udp)];
    let (result, _) = ask(server.client().servers(both).timeout(ms(30)).attempts(1));
    assert_eq!(result.unwrap_err().kind, DnsErrorKind::Network, "it tells more than silence does");
    let both = [nobody, server.over(DnsTransport::Udp)];
    let (result, events) = ask(server.client().servers(both));
    assert!(result.unwrap().exchange.took < Duration::from_secs(5), "it is passed over at once");
    assert_eq!(story(&events), ["ask udp 1", "failed udp", "ask udp 2", "NOERROR udp 1"]);
}

#[test]
fn o4_servfail_and_refused_move_on_and_are_told_in_the_end() {
    let failing = NameServer::new(|asked| send(asked.rcode(2)));
    let server = NameServer::new(yes);
    let both = [failing.over(DnsTransport::Udp), server.over(DnsTransport::Udp)];
    let (result, events) = ask(server.client().servers(both));
    assert!(result.is_ok());
    assert_eq!(story(&events), ["ask udp 1", "SERVFAIL udp 0", "ask udp 2", "NOERROR udp 1"]);

    let error = error_of(&failing);
    assert_eq!(error.kind, DnsErrorKind::ServFail);
    assert_eq!(error.answer.as_ref().unwrap().rcode, Rcode::SERVFAIL);
    assert!(error.exchange.round_trip.is_some());
    assert!(error.to_string().contains("the server failed (SERVFAIL), from udp://"), "{error}");
    let error = error_of(&NameServer::new(|asked| send(asked.rcode(5))));
    assert_eq!(error.kind, DnsErrorKind::Refused);

    // Who has answered at all tells more than who is silent.
    let both = [failing.over(DnsTransport::Udp), NameServer::silent().over(DnsTransport::Udp)];
    let (result, _) = ask(server.client().servers(both).timeout(ms(30)));
    assert_eq!(result.unwrap_err().kind, DnsErrorKind::ServFail);
}

#[test]
fn o4_a_referral_comes_with_the_servers_below_and_their_addresses() {
    let server = NameServer::new(|asked| {
        assert_eq!(asked.message[2] & 1, 0, "recursion is not desired");
        let answer = asked.answer().raw(2, &wire("test"), NS, 60, &wire("ns.test"));
        let answer = answer.raw(3, &wire("elsewhere.test"), A, 30, &[192, 0, 2, 54]);
        send(answer.raw(3, &wire("ns.test"), A, 30, &[192, 0, 2, 53]))
    });
    let (result, _) = ask(server.client().recursion(false));
    let error = result.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Referral);
    let answer = error.answer.unwrap();
    assert_eq!(answer.authority[0].to_string(), "test. 60 NS ns.test.");
    assert_eq!(answer.authority[1].to_string(), "ns.test. 30 A 192.0.2.53");
    assert_eq!(answer.authority.len(), 2, "nobody asked about elsewhere.test");
}

#[test]
fn o4_nxdomain_and_nodata_are_answers() {
    let soa = [wire("ns.test"), wire("admin.test"), vec![0; 16], vec![0, 0, 0, 9]].concat();
    let no_name = {
        let soa = soa.clone();
        NameServer::new(move |asked| send(asked.rcode(3).raw(2, &wire("test"), SOA, 60, &soa)))
    };
    let error = error_of(&no_name);
    assert_eq!(error.kind, DnsErrorKind::NxDomain);
    let answer = error.answer.as_ref().unwrap();
    assert_eq!(answer.ttl(), Some(Duration::from_secs(9)), "the smaller one of the zone's");
    assert_eq!(answer.authority[0].to_string(), "test. 60 SOA ns.test. admin.test. 0 0 0 0 9");
    assert_eq!(no_name.asked().len(), 1, "nobody is asked twice");

    let no_data =
        NameServer::new(move |asked| send(asked.answer().raw(2, &wire("test"), SOA, 5, &soa)));
    let error = error_of(&no_data);
    assert_eq!(
        (error.kind, error.answer.unwrap().ttl()),
        (DnsErrorKind::NoData, Some(Duration::from_secs(5)))
    );
    let unknown = error_of(&NameServer::new(|asked| send(asked.rcode(9))));
    assert_eq!(unknown.kind, DnsErrorKind::Code(Rcode(9)));
    assert!(unknown.to_string().contains("NOTAUTH"), "{unknown}");
}

#[test]
fn o4_extended_errors_are_told() {
    let server = NameServer::new(|asked| {
        let option = [&[0, 15, 0, 7, 0, 6][..], b"bogus"].concat();
        send(asked.rcode(2).raw(3, &[0], 41, 0, &option))
    });
    let error = error_of(&server);
    let told = &error.answer.as_ref().unwrap().extended_errors[0];
    assert_eq!((told.code, told.text.as_str()), (6, "bogus"));
    assert!(error.to_string().ends_with("(extended error 6 (DNSSEC Bogus): bogus)"), "{error}");
}

#[test]
fn o4_what_is_truncated_is_asked_for_over_tcp() {
    let many =
        |asked: &Asked| (0..100).fold(asked.answer(), |answer, n| answer.a(60, [10, 0, 0, n]));
    let server = NameServer::new(move |asked| match asked.is_tcp {
        // A record is begun and not ended, as some servers do it.
        false => {
            let mut cut = many(asked).truncated().bytes();
            cut.truncate(500);
            vec![Act::Send(cut)]
        }
        true => send(many(asked)),
    });
    let (result, events) = ask(server.client());
    let answer = result.unwrap();
    assert_eq!(answer.addresses().count(), 100);
    assert!(answer.exchange.truncated && !answer.flags.truncated);
    assert_eq!((answer.exchange.transport, answer.exchange.retries), (Some(DnsTransport::Tcp), 0));
    let told =
        ["ask udp 1", "NOERROR udp 0 truncated", "ask tcp 1", "connected tcp", "NOERROR tcp 100"];
    assert_eq!(story(&events), told);
    let ids: Vec<u16> = server.asked().iter().map(Asked::id).collect();
    assert_ne!(ids[0], ids[1], "a new number");
}

#[test]
fn o4_truncated_and_no_tcp_is_told_as_such() {
    let server = NameServer::new(|asked| match asked.is_tcp {
        false => send(asked.answer().truncated()),
        true => vec![Act::HangUp],
    });
    let (result, events) = ask(server.client());
    let error = result.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network);
    assert!(error.exchange.truncated);
    assert_eq!(error.exchange.transport, Some(DnsTransport::Tcp));
    assert!(error.to_string().contains("over tcp"), "{error}");
    let told = [
        "ask udp 1",
        "NOERROR udp 0 truncated",
        "ask tcp 1",
        "connected tcp",
        "failed tcp",
        "ask tcp 2",
        "connected tcp",
        "failed tcp",
    ];
    assert_eq!(story(&events), told);
}

#[test]
fn o4_tcp_alone_and_its_silence() {
    let server = NameServer::new(|asked| if asked.time < 2 { vec![] } else { yes(asked) });
    let client = server.client().servers([server.over(DnsTransport::Tcp)]).timeout(ms(60));
    let (result, events) = ask(client);
    assert_eq!(result.unwrap().exchange.retries, 1);
    let told = [
        "ask tcp 1",
        "connected tcp",
        "silence tcp",
        "ask tcp 2",
        "connected tcp",
        "NOERROR tcp 1",
    ];
    assert_eq!(story(&events), told);
    assert!(server.asked().iter().all(|asked| asked.is_tcp));
}

#[test]
fn o4_who_does_not_understand_edns_is_asked_without() {
    for code in [1, 4] {
        let server =
            NameServer::new(
                move |asked| {
                    if asked.has_edns() { send(asked.rcode(code)) } else { yes(asked) }
                },
            );
        let (result, events) = ask(server.client());
        assert_eq!(result.unwrap().exchange.retries, 0);
        assert_eq!(story(&events)[2..], ["ask udp 1 plain", "NOERROR udp 1"]);
    }
    let never = error_of(&NameServer::new(|asked| send(asked.rcode(1))));
    assert_eq!(never.kind, DnsErrorKind::Code(Rcode::FORMERR));
    let server = NameServer::new(yes);
    assert!(ask(server.client().edns(false)).0.is_ok());
    assert!(!server.asked()[0].has_edns());
}

/// A refusal need not repeat the question; a yes or a no has to.
#[test]
fn o4_answers_without_a_question() {
    let bare = |asked: &Asked, code: u8| {
        let mut header = [0; 12];
        header[..2].copy_from_slice(&asked.message[..2]);
        (header[2], header[3]) = (0x80, code);
        vec![Act::Send(header.to_vec())]
    };
    assert_eq!(error_of(&NameServer::new(move |asked| bare(asked, 5))).kind, DnsErrorKind::Refused);
    for code in [0, 3] {
        let server = NameServer::new(move |asked| bare(asked, code));
        let error = ask(server.client().timeout(ms(50))).0.unwrap_err();
        assert_eq!(error.kind, DnsErrorKind::TimedOut, "{error}");
    }
}

#[test]
fn o4_forgeries_are_ignored_and_the_answer_is_still_heard() {
    let server = NameServer::new(|asked| {
        let (mut wrong_id, mut question, mut other) = (
            asked.answer().a(1, [6; 4]).bytes(),
            asked.message.clone(),
            asked.answer().a(1, [6; 4]).bytes(),
        );
        wrong_id[0] ^= 1;
        question[2] &= 0x7f;
        other[13] ^= 1;
        let forged = asked.answer().a(1, [6; 4]).bytes();
        let forgeries = [forged[..11].to_vec(), vec![], wrong_id, question, other].map(Act::Send);
        let mut acts: Vec<Act> = forgeries.into_iter().collect();
        acts.push(Act::Stray(forged));
        acts.push(Act::Wait(ms(20)));
        acts.extend(yes(asked));
        acts
    });
    let (result, events) = ask(server.client());
    let answer = result.unwrap();
    assert_eq!(answer.addresses().next().unwrap().to_string(), "192.0.2.7");
    let ignored: Vec<DnsIgnored> = events
        .iter()
        .filter_map(|event| match event.kind {
            DnsEventKind::Ignored { why, .. } => Some(why),
            _ => None,
        })
        .collect();
    use DnsIgnored::{NotAnAnswer, OtherQuestion, TooShort, WrongId};
    assert_eq!(ignored, [TooShort, TooShort, WrongId, NotAnAnswer, OtherQuestion]);
    assert_eq!(answer.exchange.retries, 0);
}

#[test]
fn o4_numbers_and_ports_cannot_be_foretold() {
    const COUNT: usize = 64;
    let server = NameServer::new(yes);
    run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        for _ in 0..COUNT {
            client.query("example.test", RecordType::A).await.unwrap();
        }
    });
    let distinct = |of: fn(&Asked) -> u16| {
        let values = server.asked().iter().map(of).collect::<std::collections::BTreeSet<_>>();
        // Steps of a counter, or of a few, are no chance.
        let values: Vec<u16> = values.into_iter().collect();
        let spread = values.last().unwrap() - values.first().unwrap();
        (values.len(), spread)
    };
    for (what, (count, spread)) in
        [("number", distinct(Asked::id)), ("port", distinct(|it| it.from.port()))]
    {
        assert!(count > COUNT * 9 / 10, "{what}: {count} different ones");
        assert!(spread > 4096, "{what}: within {spread}");
    }
}

#[test]
fn o4_mixed_case_must_be_repeated() {
    let name = "a-name-with-many-letters.example.test";
    let ask = |server: &NameServer| {
        let client = server.client().mixed_case(true).timeout(ms(40));
        run(async |event_loop| client.build(&event_loop).unwrap().query(name, RecordType::A).await)
    };
    let server = NameServer::new(yes);
    let answer = ask(&server).unwrap();
    let spelled = server.asked()[0].message.clone();
    assert!(
        spelled.iter().any(u8::is_ascii_uppercase) && spelled.iter().any(u8::is_ascii_lowercase)
    );
    assert_eq!(answer.addresses().count(), 1, "in whatever case");
    let careless = NameServer::new(|asked| {
        let message = asked.message.to_ascii_lowercase();
        let id = asked.message[..2].to_vec();
        let lower = Asked { message: [id, message[2..].to_vec()].concat(), ..asked.clone() };
        yes(&lower)
    });
    assert_eq!(ask(&careless).unwrap_err().kind, DnsErrorKind::TimedOut);
}

#[test]
fn o4_rotation_begins_each_query_with_the_next_server() {
    let servers = [NameServer::new(yes), NameServer::new(yes), NameServer::new(yes)];
    let over_udp = servers.iter().map(|server| server.over(DnsTransport::Udp));
    let client = servers[0].client().servers(over_udp).rotate(true);
    run(async |event_loop| {
        let client = client.build(&event_loop).unwrap();
        for _ in 0..6 {
            client.clone().query("example.test", RecordType::A).await.unwrap();
        }
    });
    assert_eq!(servers.each_ref().map(|server| server.asked().len()), [2, 2, 2]);
}

#[test]
fn o4_a_server_with_a_name_is_looked_up_by_the_system() {
    if !has_localhost() {
        return;
    }
    let server = NameServer::new(yes);
    let named = format!("udp://localhost:{}", server.address.port());
    // Where `localhost` is `::1` as well, nobody listens there, and the other address is next.
    let (result, _) = ask(server.client().servers([named.parse().unwrap()]));
    assert_eq!(result.unwrap().exchange.server.unwrap().to_string(), named);
    let nowhere = "tcp://no-such-name.invalid".parse().unwrap();
    let error = ask(server.client().servers([nowhere])).0.unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Network);
    assert!(error.to_string().contains("no-such-name.invalid"), "{error}");
}

#[test]
fn o4_dnssec_and_types_beyond_those_with_names() {
    let server = NameServer::new(|asked| match asked.kind {
        A => yes(asked),
        AAAA => send(asked.answer().aaaa(60, "2001:db8::7")),
        kind => send(asked.answer().record(kind, 60, &[1, 2, 255])),
    });
    run(async |event_loop| {
        let client = server.client().dnssec(true).build(&event_loop).unwrap();
        let answer = client.query("example.test.", RecordType::Aaaa).await.unwrap();
        assert_eq!(answer.records[0].to_string(), "example.test. 60 AAAA 2001:db8::7");
        let answer = client.query("example.test", RecordType::Other(4711)).await.unwrap();
        assert_eq!(answer.records[0].to_string(), "example.test. 60 TYPE4711 \\# 3 0102FF");
    });
    let message = &server.asked()[0].message;
    assert_eq!(message[3] & 0x20, 0x20, "AD");
    assert_eq!(message[message.len() - 4] & 0x80, 0x80, "DO");
}
