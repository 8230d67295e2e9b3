//! What signatures prove: zones signed for the test, well and badly, with NSD in charge of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType::{NSEC, NSEC3, RRSIG};
use hickory_proto::rr::{Name, RData, Record};
use loopctl::plan::DnsTransport;
use loopctl::{
    DnsAnswer, DnsClient, DnsClientBuilder, DnsError, DnsErrorKind, DnsEventKind, DnsProof,
    DnsServer, DnsValidation, RecordType, TrustAnchors,
};

use crate::support::name_server::{Act, Asked, NameServer};
use crate::support::signed::{Signed, relay};
use crate::support::{ms, run};

const DS: u16 = 43;
const DNSKEY: u16 = 48;

fn client(signed: &Signed) -> DnsClientBuilder {
    let anchors: TrustAnchors = signed.anchor.parse().unwrap();
    let server = DnsServer::new(DnsTransport::Udp, signed.address);
    DnsClient::builder().servers([server]).validate(anchors)
}

fn ask(signed: &Signed, name: &str, record_type: &str) -> Result<DnsAnswer, DnsError> {
    ask_of(client(signed), name, record_type)
}

fn ask_of(client: DnsClientBuilder, name: &str, record_type: &str) -> Result<DnsAnswer, DnsError> {
    let record_type: RecordType = record_type.parse().unwrap();
    run(async |event_loop| client.build(&event_loop).unwrap().query(name, record_type).await)
}

fn validation(result: &Result<DnsAnswer, DnsError>) -> DnsValidation {
    let exchange = match result {
        Ok(answer) => &answer.exchange,
        Err(error) => &*error.exchange,
    };
    *exchange.validation.clone().unwrap_or_else(|| panic!("it was not verified: {result:?}"))
}

/// Names and types, what is proved of them, and the zones that prove it.
fn check(signed: &Signed, rows: &[(&str, &str, &str, &str)]) {
    let mut wrong = Vec::new();
    for (name, record_type, told, chain) in rows {
        let known = validation(&ask(signed, name, record_type));
        let got = (known.to_string(), known.chain.join(" "));
        let is_told = match told.strip_suffix('…') {
            Some(beginning) => got.0.starts_with(beginning),
            None => got.0 == *told,
        };
        if !is_told || got.1 != *chain {
            wrong.push(format!("{name} {record_type}: {got:?}, not {told:?} {chain:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn dnssec_what_is_signed_is_secure_and_its_chain_is_told() {
    let Some(signed) = Signed::start() else { return };
    check(
        &signed,
        &[
            ("www.signed.test", "A", "secure", ". test. signed.test."),
            ("WWW.Signed.Test", "AAAA", "secure", ". test. signed.test."),
            ("alias.signed.test", "A", "secure", ". test. signed.test."),
            ("alias.signed.test", "CNAME", "secure", ". test. signed.test."),
            ("www.old.signed.test", "A", "secure", ". test. nsec3.test."),
            ("nothing.old.signed.test", "A", "secure", ". test. nsec3.test."),
            ("www.nsec3.test", "A", "secure", ". test. nsec3.test."),
            ("www.optout.test", "A", "secure", ". test. optout.test."),
            ("www.optout.test", "MX", "secure", ". test. optout.test."),
            ("www.rsa.test", "A", "secure", ". test. rsa.test."),
            ("nothing.rsa.test", "A", "secure", ". test. rsa.test."),
            ("www.rsa3.test", "AAAA", "secure", ". test. rsa3.test."),
            ("nothing.rsa3.test", "A", "secure", ". test. rsa3.test."),
            ("www.test", "A", "secure", ". test."),
            ("anything.wild.test", "A", "secure", ". test. wild.test."),
            ("any.thing.wild.test", "A", "secure", ". test. wild.test."),
            ("www.wild.test", "A", "secure", ". test. wild.test."),
            ("anything.wild3.test", "A", "secure", ". test. wild3.test."),
            ("any.thing.wild3.test", "A", "secure", ". test. wild3.test."),
            ("signed.test", "SOA", "secure", ". test. signed.test."),
            ("signed.test", "NS", "secure", ". test. signed.test."),
            ("signed.test", "DNSKEY", "secure", ". test. signed.test."),
            ("signed.test", "DS", "secure", ". test."),
            (".", "SOA", "secure", "."),
            (".", "DNSKEY", "secure", "."),
        ],
    );
}

#[test]
fn dnssec_that_there_is_nothing_is_proved_by_nsec_and_nsec3() {
    let Some(signed) = Signed::start() else { return };
    check(
        &signed,
        &[
            ("nothing.signed.test", "A", "secure", ". test. signed.test."),
            ("no.thing.signed.test", "A", "secure", ". test. signed.test."),
            ("www.signed.test", "MX", "secure", ". test. signed.test."),
            ("nowhere.signed.test", "A", "secure", ". test. signed.test."),
            ("alias.signed.test", "MX", "secure", ". test. signed.test."),
            ("nothing.nsec3.test", "A", "secure", ". test. nsec3.test."),
            ("no.thing.nsec3.test", "A", "secure", ". test. nsec3.test."),
            ("www.nsec3.test", "MX", "secure", ". test. nsec3.test."),
            ("anything.wild.test", "MX", "secure", ". test. wild.test."),
            ("anything.wild3.test", "MX", "secure", ". test. wild3.test."),
            ("nothing.test", "A", "secure", ". test."),
            ("nothing", "A", "secure", "."),
            ("plain.test", "DS", "secure", ". test."),
        ],
    );
    let kinds =
        [("nothing.signed.test", DnsErrorKind::NxDomain), ("ns.test", DnsErrorKind::NoData)];
    for (name, kind) in kinds {
        assert_eq!(ask(&signed, name, "MX").unwrap_err().kind, kind, "{name}");
    }
}

#[test]
fn dnssec_what_is_proved_not_to_be_signed_is_insecure() {
    let Some(signed) = Signed::start() else { return };
    let plain = "insecure: `plain.test.` is not signed";
    check(
        &signed,
        &[
            ("www.plain.test", "A", plain, ". test."),
            ("nothing.plain.test", "A", plain, ". test."),
            (
                "nothing.optout.test",
                "A",
                "insecure: `optout.test.` leaves unsigned zones out of its proof (NSEC3 opt-out)",
                ". test. optout.test.",
            ),
            ("www.plain.test", "MX", plain, ". test."),
            ("plain.test", "SOA", plain, ". test."),
            ("alias.plain.test", "A", plain, ". test."),
            ("www.island.test", "A", "insecure: `island.test.` is not signed", ". test."),
            (
                "www.unknown.test",
                "A",
                "insecure: `unknown.test.` is signed with an algorithm that is not known here",
                ". test.",
            ),
        ],
    );
    let answer = ask(&signed, "out.signed.test", "A").unwrap();
    let known = *answer.exchange.validation.unwrap();
    let sets: Vec<_> = known.sets.iter().map(|set| (set.name.as_str(), set.proof)).collect();
    let wanted = [("out.signed.test.", DnsProof::Secure), ("www.plain.test.", DnsProof::Insecure)];
    assert_eq!(sets, wanted, "the alias is signed, its target is not");
    assert_eq!(known.proof, DnsProof::Insecure, "the worst counts");
}

#[test]
fn dnssec_what_is_signed_badly_is_bogus_and_its_fault_is_told() {
    let Some(signed) = Signed::start() else { return };
    check(
        &signed,
        &[
            (
                "www.expired.test",
                "A",
                "bogus: signature of DNSKEY of expired.test. expired 20…",
                ". test.",
            ),
            (
                "nothing.expired.test",
                "A",
                "bogus: signature of DNSKEY of expired.test. expired 20…",
                ". test.",
            ),
            (
                "www.early.test",
                "A",
                "bogus: signature of DNSKEY of early.test. not valid before 20…",
                ". test.",
            ),
            (
                "www.wrongkey.test",
                "A",
                "bogus: no key of `wrongkey.test.` matches the DS of the zone above",
                ". test.",
            ),
            (
                "www.tampered.test",
                "A",
                "bogus: signature does not match (key …",
                ". test. tampered.test.",
            ),
            ("www.stripped.test", "A", "bogus: no signature", ". test."),
            (
                "nothing.stripped.test",
                "A",
                "bogus: no signature of SOA of stripped.test.",
                ". test.",
            ),
        ],
    );
    let error = ask(&signed, "www.tampered.test", "A").unwrap_err();
    assert_eq!(error.kind, DnsErrorKind::Bogus);
    assert_eq!(error.answer.as_ref().unwrap().records[0].data.to_string(), "192.0.2.66");
    let told = error.to_string();
    let wanted = "cannot resolve `www.tampered.test.` (A): bogus: signature does not match (key ";
    assert!(told.starts_with(wanted) && told.contains("from udp://127.0.0.1:"), "{told}");
}

#[test]
fn dnssec_signatures_are_not_signed_themselves() {
    let Some(signed) = Signed::start() else { return };
    let answer = ask(&signed, "www.signed.test", "RRSIG");
    let wanted = "indeterminate: signatures are not signed themselves";
    assert_eq!(validation(&answer).to_string(), wanted);
    assert!(answer.is_ok(), "nothing else can be expected of them");
}

/// Between the client and NSD: every answer goes through `change`, with the name and the type that were asked for.
fn between(
    signed: &Signed,
    change: impl Fn(&Asked, Message) -> Message + Send + Sync + 'static,
) -> NameServer {
    let address = signed.address;
    NameServer::new(move |asked| {
        let answer = relay(address, &asked.message);
        let answer = change(asked, Message::from_vec(&answer).unwrap());
        vec![Act::Send(answer.to_vec().unwrap())]
    })
}

fn ask_between(signed: &Signed, server: &NameServer, name: &str) -> Result<DnsAnswer, DnsError> {
    let client = client(signed).servers([server.over(DnsTransport::Udp)]);
    ask_of(client.timeout(ms(200)).attempts(1), name, "A")
}

fn sections(message: &mut Message) -> [&mut Vec<Record>; 3] {
    [&mut message.answers, &mut message.authorities, &mut message.additionals]
}

fn is_proof(record: &Record) -> bool {
    matches!(record.record_type(), RRSIG | NSEC | NSEC3)
}

#[test]
fn dnssec_signatures_that_are_taken_away_are_missed() {
    let Some(signed) = Signed::start() else { return };
    // It says that it has verified everything, and gives no proof of what it was asked for.
    let server = between(&signed, |asked, mut message| {
        if asked.name.starts_with("www.") {
            message.metadata.authentic_data = true;
            sections(&mut message).into_iter().for_each(|it| it.retain(|it| !is_proof(it)));
        }
        message
    });
    let result = ask_between(&signed, &server, "www.signed.test");
    assert_eq!(validation(&result).to_string(), "bogus: no signature");
    let error = result.unwrap_err();
    assert!(error.answer.unwrap().flags.authentic, "the lie was heard");
    // Nor does it prove that the zone is not signed.
    let server = between(&signed, |_, mut message| {
        message.authorities.retain(|it| !is_proof(it));
        message
    });
    let known = validation(&ask_between(&signed, &server, "www.plain.test"));
    let wanted = "bogus: no proof that `plain.test.` is not signed (DS, NSEC)";
    assert_eq!(known.to_string(), wanted);
    let known = validation(&ask_between(&signed, &server, "nothing.signed.test"));
    assert_eq!(known.to_string(), "bogus: no signature of SOA of signed.test.");
}

/// An alias that is made from a DNAME is not signed, so that the DNAME has to say it.
#[test]
fn dnssec_an_alias_that_its_dname_does_not_make_is_bogus() {
    let Some(signed) = Signed::start() else { return };
    let server = between(&signed, |asked, mut message| {
        if asked.name.starts_with("www.old.") {
            for record in &mut message.answers {
                if let RData::CNAME(target) = &mut record.data {
                    target.0 = Name::from_ascii("www.test.").unwrap();
                }
            }
        }
        message
    });
    let result = ask_between(&signed, &server, "www.old.signed.test");
    assert_eq!(validation(&result).to_string(), "bogus: no signature", "{result:#?}");
}

#[test]
fn dnssec_names_in_mixed_case_are_verified() {
    let Some(signed) = Signed::start() else { return };
    for name in ["www.signed.test", "anything.wild.test", "nothing.nsec3.test", "alias.signed.test"]
    {
        let result = ask_of(client(&signed).mixed_case(true), name, "A");
        assert_eq!(validation(&result).to_string(), "secure", "{name}");
    }
}

#[test]
fn dnssec_a_server_without_any_signatures_leaves_it_open() {
    let Some(signed) = Signed::start() else { return };
    let server = between(&signed, |_, mut message| {
        message.metadata.authentic_data = true;
        sections(&mut message).into_iter().for_each(|it| it.retain(|it| !is_proof(it)));
        message
    });
    let result = ask_between(&signed, &server, "www.signed.test");
    let wanted = "indeterminate: the server gives no signatures at all";
    assert_eq!(validation(&result).to_string(), wanted);
    assert_eq!(result.unwrap_err().kind, DnsErrorKind::Indeterminate);
}

#[test]
fn dnssec_keys_that_nobody_gives_leave_it_open_within_the_time() {
    let Some(signed) = Signed::start() else { return };
    let address = signed.address;
    let server = NameServer::new(move |asked| match (asked.name.as_str(), asked.kind) {
        ("signed.test.", DNSKEY) => Vec::new(),
        ("nsec3.test.", DNSKEY) => vec![Act::Send(asked.rcode(2).bytes())],
        _ => vec![Act::Send(relay(address, &asked.message))],
    });
    let result = ask_between(&signed, &server, "www.signed.test");
    let told = validation(&result).to_string();
    assert!(
        told.starts_with("indeterminate: DNSKEY of signed.test.: no answer within 0.2 s"),
        "{told}"
    );
    let told = validation(&ask_between(&signed, &server, "www.nsec3.test")).to_string();
    assert!(told.starts_with("indeterminate: DNSKEY of nsec3.test.: the server failed"), "{told}");
}

#[test]
fn dnssec_a_wildcard_does_not_stand_for_names_below_one_that_is_there() {
    let Some(signed) = Signed::start() else { return };
    // `below.www.wild.test` is below `www.wild.test`, and so the wildcard is not for it (RFC 4592).
    let address = signed.address;
    let server = between(&signed, move |asked, message| {
        if asked.name != "below.www.wild.test." {
            return message;
        }
        // The same question, but for a name that the wildcard is for.
        let ask = |name: &str| {
            let mut question = Message::from_vec(&asked.message).unwrap();
            question.queries[0].set_name(Name::from_ascii(name).unwrap());
            Message::from_vec(&relay(address, &question.to_vec().unwrap())).unwrap()
        };
        let mut forged = ask("a.wild.test.");
        for record in &mut forged.answers {
            record.name = message.queries[0].name().clone();
        }
        forged.authorities = message.authorities;
        forged.queries = message.queries;
        forged.metadata.id = asked.id();
        forged
    });
    let result = ask_between(&signed, &server, "below.www.wild.test");
    let wanted = "bogus: no proof that there is nothing (NSEC)";
    assert_eq!(validation(&result).to_string(), wanted, "{result:#?}");
}

#[test]
fn dnssec_anchors_may_be_digests_and_zones_of_ones_own() {
    let Some(signed) = Signed::start() else { return };
    let ask = |anchors: &str, name: &str| {
        let client = client(&signed).validate(anchors.parse().unwrap());
        let known = validation(&ask_of(client, name, "A"));
        (known.to_string(), known.chain.join(" "))
    };
    let secure = |chain: &str| ("secure".to_owned(), chain.to_owned());
    assert_eq!(ask(&signed.anchor_ds, "www.signed.test"), secure(". test. signed.test."));
    assert_eq!(ask(&signed.island, "www.signed.test"), secure("test. signed.test."));
    assert_eq!(ask(&signed.island, "www.test"), secure("test."));
    assert_eq!(ask(&signed.island, "www.plain.test").0, "insecure: `plain.test.` is not signed");
    let (told, chain) = ask(&signed.island, "nothing");
    assert_eq!(told, "indeterminate: no trust anchor is in charge of the name");
    assert_eq!(chain, "");
    let both = format!("; ours\n{}\n{}", signed.anchor, signed.island);
    assert_eq!(ask(&both, "www.signed.test"), secure("test. signed.test."), "the nearest counts");
    // Somebody else's root.
    let client = client(&signed).validate(TrustAnchors::root());
    let known = validation(&ask_of(client, "www.signed.test", "A"));
    assert_eq!(known.to_string(), "bogus: no key of `.` is a trust anchor");
}

#[test]
fn dnssec_what_is_no_anchor_is_refused_with_its_line() {
    let table = [
        ("", "the trust anchors: there is no DNSKEY or DS record"),
        ("; nothing\n\n", "the trust anchors: there is no DNSKEY or DS record"),
        (
            "\n. IN A 192.0.2.1\n",
            "line 2 of the trust anchors: it is neither a DNSKEY nor a DS record",
        ),
        (". IN DS 1 2\n", "line 1 of the trust anchors: "),
        (". IN DNSKEY 257 3 8 ===\n", "line 1 of the trust anchors: "),
        ("DNSKEY 257 3 8 AAAA\n", "line 1 of the trust anchors: "),
        ("\x1b[2J IN DS 1 2 3 4\n", "line 1 of the trust anchors: "),
        ("trust-anchors {\n", "line 1 of the trust anchors: "),
    ];
    for (text, wanted) in table {
        let error = text.parse::<TrustAnchors>().unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{text:?}: {error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let spread = "example. 3600 IN DS ( 60485 13 2 ; a comment\n  \
        D4B7D520E7BB5F0F67674A0CCEB1E3E0 614B93C4F9E99B8383F6A1E4469DA50A )\n";
    assert_eq!(spread.parse::<TrustAnchors>().unwrap().zones(), ["example."]);
}

#[test]
fn dnssec_keys_are_asked_for_once_even_at_the_same_time() {
    let Some(signed) = Signed::start() else { return };
    let server = between(&signed, |_, message| message);
    let client = client(&signed).servers([server.over(DnsTransport::Udp)]);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let events = Rc::clone(&heard);
    run(async |event_loop| {
        let client = client.build(&event_loop).unwrap();
        let client = client.trace(move |event| events.borrow_mut().push(event.clone()));
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let client = client.clone();
                event_loop.create_task(async move {
                    let name = format!("n{number}.wild.test");
                    client.query(&name, RecordType::A).await.unwrap()
                })
            })
            .collect();
        for task in tasks {
            let answer = task.await.unwrap();
            assert_eq!(answer.exchange.validation.unwrap().proof, DnsProof::Secure);
        }
    });
    let mut beside: Vec<(String, u16)> =
        server.asked().into_iter().map(|it| (it.name, it.kind)).collect();
    beside.retain(|(name, _)| !name.starts_with('n'));
    beside.sort();
    let wanted = [
        (".", DNSKEY),
        ("test.", DS),
        ("test.", DNSKEY),
        ("wild.test.", DS),
        ("wild.test.", DNSKEY),
    ];
    let beside: Vec<_> = beside.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    assert_eq!(beside, wanted);
    let heard = heard.borrow();
    let asked = heard.iter().filter(|it| matches!(it.kind, DnsEventKind::Asked { .. }));
    assert_eq!(asked.filter(|it| it.verifies.is_some()).count(), 5, "each is told");
    let ends = heard.iter().filter(|it| matches!(it.kind, DnsEventKind::Finished { .. }));
    assert_eq!(ends.count(), 105, "and ends");
}

#[test]
fn dnssec_whoever_gives_up_leaves_the_keys_to_others() {
    let Some(signed) = Signed::start() else { return };
    let address = signed.address;
    let server = NameServer::new(move |asked| {
        let answer = Act::Send(relay(address, &asked.message));
        if asked.kind == DNSKEY { vec![Act::Wait(ms(100)), answer] } else { vec![answer] }
    });
    let client = client(&signed).servers([server.over(DnsTransport::Udp)]);
    let heard = Rc::new(RefCell::new(Vec::new()));
    let events = Rc::clone(&heard);
    run(async |event_loop| {
        let client = client.build(&event_loop).unwrap();
        let waiting = client.clone();
        let client = client.trace(move |event| events.borrow_mut().push(event.clone()));
        let other = event_loop
            .create_task(async move { waiting.query("www.signed.test", RecordType::A).await });
        let first = client.query("www.signed.test", RecordType::A);
        assert!(event_loop.timeout(ms(40), first).await.is_err(), "it is given up half-way");
        let answer = other.await.unwrap().unwrap();
        assert_eq!(answer.exchange.validation.unwrap().proof, DnsProof::Secure);
    });
    let heard = heard.borrow();
    let canceled = heard.iter().filter(|it| matches!(it.kind, DnsEventKind::Canceled));
    let canceled: Vec<bool> = canceled.map(|it| it.verifies.is_some()).collect();
    assert_eq!(canceled, [true, false], "the question for keys, and what it was for");
}

/// Every few bytes of every message that a proof takes, one after another, are changed on the way.
#[test]
fn dnssec_no_changed_byte_makes_anything_else_secure() {
    const HEADER: usize = 12;
    let Some(signed) = Signed::start() else { return };
    let address = signed.address;
    let change = Arc::new(Mutex::new((String::new(), 0_u16, 0_usize)));
    let (at, reached) = (Arc::clone(&change), Arc::new(Mutex::new(false)));
    let hit = Arc::clone(&reached);
    let server = NameServer::new(move |asked| {
        let mut answer = relay(address, &asked.message);
        let (name, kind, offset) = at.lock().unwrap().clone();
        let question = HEADER + asked.name.trim_end_matches('.').len() + 2 + 4;
        if (asked.name.as_str(), asked.kind) == (name.as_str(), kind)
            && let Some(byte) = answer.get_mut(question + offset)
        {
            *byte ^= 0x55;
            *hit.lock().unwrap() = true;
        }
        vec![Act::Send(answer)]
    });
    let (mut count, mut secure) = (0, 0);
    let messages =
        [("www.signed.test.", 1), ("signed.test.", DNSKEY), ("signed.test.", DS), (".", DNSKEY)];
    for (name, kind) in messages {
        for offset in (0..).step_by(7) {
            *reached.lock().unwrap() = false;
            *change.lock().unwrap() = (name.to_owned(), kind, offset);
            let result = ask_between(&signed, &server, "www.signed.test");
            if !*reached.lock().unwrap() {
                break;
            }
            count += 1;
            let Ok(answer) = result else { continue };
            let known = validation(&Ok(answer.clone()));
            assert_eq!(known.proof, DnsProof::Secure, "{name} {kind} +{offset}: {known}");
            let told: Vec<String> = answer.matching().map(|it| it.data.to_string()).collect();
            assert_eq!(told, ["192.0.2.1"], "{name} {kind} +{offset}");
            secure += 1;
        }
    }
    assert!(count > 100 && secure > 0 && secure < count, "{secure} of {count} do not matter");
}
