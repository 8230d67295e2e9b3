//! Addresses of hosts: the hosts file, the search list, both families, their order, and connections with it.

use std::collections::HashMap;
use std::net::IpAddr;

use loopctl::plan::{DestinationRule, DnsTransport, Family, Port, SocketKind};
use loopctl::{
    AddrInfo, AddrInfoFlags, ConnectError, DnsClientBuilder, DnsErrorKind, DnsLookup, EaiCode,
    EventKind, Lookup, RecordType, ResolveError, Resolver,
};

use crate::support::name_server::{A, AAAA, Act, Asked, NameServer, send};
use crate::support::{Recorder, Server, Trace, has_ipv6, ms, run};

/// Knows some names: `A` and `AAAA` as they are given, and for all else the code.
fn knows(table: &[(&'static str, &'static str)], code: u16) -> NameServer {
    let mut known = HashMap::<&str, Vec<IpAddr>>::new();
    for (name, address) in table {
        known.entry(*name).or_default().push(address.parse().unwrap());
    }
    NameServer::new(move |asked| {
        let Some(addresses) = known.get(asked.name.as_str()) else {
            return send(asked.rcode(code));
        };
        let answer =
            addresses.iter().fold(asked.answer(), |answer, address| match (address, asked.kind) {
                (IpAddr::V4(v4), A) => answer.a(60, v4.octets()),
                (IpAddr::V6(v6), AAAA) => answer.aaaa(60, &v6.to_string()),
                _ => answer,
            });
        send(answer)
    })
}

const NXDOMAIN: u16 = 3;

fn lookup(client: DnsClientBuilder, name: &str) -> DnsLookup {
    run(async |event_loop| {
        client.build(&event_loop).unwrap().lookup(name, Family::Unspecified).await
    })
}

fn addresses(found: &DnsLookup) -> Vec<String> {
    found.addresses.iter().map(|it| it.destination.address.to_string()).collect()
}

fn resolve(client: DnsClientBuilder, lookup: Lookup) -> Result<Vec<AddrInfo>, ResolveError> {
    run(async |event_loop| client.build(&event_loop).unwrap().resolve(lookup).await)
}

/// What was asked for, in order; of names asked for at the same time, AAAA first.
fn names_of(server: &NameServer) -> Vec<(String, u16)> {
    let mut asked: Vec<_> =
        server.asked().into_iter().map(|asked| (asked.name, asked.kind)).collect();
    for pair in asked.chunks_mut(2) {
        pair.sort_by_key(|(_, kind)| std::cmp::Reverse(*kind));
    }
    asked
}

#[test]
fn o4_both_families_are_asked_at_the_same_time() {
    let server = NameServer::new(|asked| {
        let answer = match asked.kind {
            A => asked.answer().a(60, [127, 0, 0, 1]),
            _ => asked.answer().aaaa(30, "::1"),
        };
        vec![Act::Wait(ms(60)), Act::Send(answer.bytes())]
    });
    let found = lookup(server.client(), "example.test");
    assert_eq!(found.addresses.len(), 2);
    assert!(found.error().is_none() && !found.is_from_hosts);
    let [v6, v4] = [0, 1].map(|at| found.queries[at].as_ref().unwrap());
    assert_eq!((v6.record_type, v4.record_type), (RecordType::Aaaa, RecordType::A));
    let apart = v4.exchange.started - v6.exchange.started;
    assert!(apart < ms(60), "{apart:?}");
    let ttl_of = |wanted: &str| {
        let found = found
            .addresses
            .iter()
            .find(|it| it.destination.address == wanted.parse::<IpAddr>().unwrap());
        found.unwrap().ttl.unwrap().as_secs()
    };
    assert_eq!((ttl_of("127.0.0.1"), ttl_of("::1")), (60, 30));
}

#[test]
fn o4_one_at_a_time_and_no_ipv6_where_resolv_conf_says_so() {
    let table = [("a.test.", "192.0.2.1")];
    let server = knows(&table, NXDOMAIN);
    let conf = |options: &str| {
        let conf = server.client().resolv_conf(format!("search .\noptions {options}\n"));
        conf.servers([server.over(DnsTransport::Udp)])
    };
    let found = lookup(conf("single-request"), "a.test");
    let [v6, v4] = [&found.queries[0], &found.queries[1]];
    let (v6, v4) = (v6.as_ref().unwrap_err(), v4.as_ref().unwrap());
    assert!(v4.exchange.started >= v6.exchange.started + v6.exchange.took);
    let found = lookup(conf("no-aaaa"), "a.test");
    assert_eq!(found.queries.len(), 1);
    assert_eq!(addresses(&found), ["192.0.2.1"]);
}

#[test]
fn o4_hosts_come_first_and_ask_nobody() {
    let server = knows(&[("box.", "192.0.2.9")], NXDOMAIN);
    let client = server.client().hosts("192.0.2.1 box\n192.0.2.2 box\n");
    let found = lookup(client.clone(), "BOX");
    assert_eq!(addresses(&found), ["192.0.2.1", "192.0.2.2"]);
    assert!(found.is_from_hosts && found.addresses[0].ttl.is_none());
    assert!(server.asked().is_empty());
    // Of the other family the file knows nothing, so the servers are asked.
    let other = run(async |event_loop| {
        client.build(&event_loop).unwrap().lookup("box", Family::Inet6).await
    });
    assert!(!other.is_from_hosts);
    assert_eq!(names_of(&server), [("box.".to_owned(), AAAA)]);
}

#[test]
fn o4_localhost_is_this_host_without_being_asked_for() {
    let server = knows(&[], NXDOMAIN);
    let mut found = addresses(&lookup(server.client(), "x.localhost"));
    found.sort();
    assert_eq!(found, ["127.0.0.1", "::1"]);
    assert!(server.asked().is_empty());
}

#[test]
fn o4_the_search_list_is_gone_through_until_there_is_an_address() {
    let server = knows(&[("db.two.test.", "192.0.2.2"), ("db.", "192.0.2.3")], NXDOMAIN);
    let client = server.client().search(["one.test", "two.test", "three.test"], 1);
    let found = lookup(client, "db");
    assert_eq!(addresses(&found), ["192.0.2.2"]);
    let asked = names_of(&server);
    let names: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["db.one.test.", "db.one.test.", "db.two.test.", "db.two.test."]);
    assert_eq!(found.queries.len(), 4);
    assert!(found.error().is_none());
}

#[test]
fn o4_a_dot_at_the_end_ends_the_search() {
    let server = knows(&[("db.one.test.", "192.0.2.2")], NXDOMAIN);
    let client = server.client().search(["one.test"], 1);
    let found = lookup(client, "db.");
    assert_eq!(found.error().unwrap().kind, DnsErrorKind::NxDomain);
    assert_eq!(found.queries.len(), 2);
}

#[test]
fn o4_servfail_goes_on_with_the_search_and_silence_ends_it() {
    let server = NameServer::new(|asked| match asked.name.as_str() {
        "db.one.test." => send(asked.rcode(2)),
        "db.two.test." => vec![],
        _ => send(asked.answer().a(60, [192, 0, 2, 1])),
    });
    let client = server.client().timeout(ms(40)).attempts(1).search(["one.test", "two.test"], 1);
    let found = lookup(client, "db");
    assert!(found.addresses.is_empty());
    assert_eq!(found.error().unwrap().kind, DnsErrorKind::TimedOut);
    assert_eq!(found.queries.len(), 4, "one. and two., not the name itself");
}

#[test]
fn o4_the_failure_that_leaves_the_most_open_is_told() {
    let half = NameServer::new(|asked| {
        send(if asked.kind == A { asked.answer() } else { asked.rcode(2) })
    });
    let error = lookup(half.client(), "example.test").error().unwrap().clone();
    assert_eq!((error.kind, error.record_type), (DnsErrorKind::ServFail, RecordType::Aaaa));
    let none =
        NameServer::new(|asked| send(asked.rcode(if asked.kind == A { 0 } else { NXDOMAIN })));
    assert_eq!(lookup(none.client(), "example.test").error().unwrap().kind, DnsErrorKind::NoData);
    // One family is enough.
    let v4 = NameServer::new(|asked| {
        send(if asked.kind == A { asked.answer().a(9, [192, 0, 2, 1]) } else { asked.rcode(2) })
    });
    let found = lookup(v4.client(), "example.test");
    assert!(found.error().is_none());
    assert_eq!(addresses(&found), ["192.0.2.1"]);
}

/// Loopback has sources, and documentation prefixes have a route or have none: the kernel decides.
#[test]
fn il_07_addresses_are_in_the_order_of_rfc_6724_with_the_rule() {
    if !has_ipv6() {
        return;
    }
    let server =
        knows(&[("a.test.", "127.0.0.1"), ("a.test.", "::1"), ("a.test.", "127.0.0.1")], NXDOMAIN);
    let found = lookup(server.client(), "a.test");
    assert_eq!(addresses(&found), ["::1", "127.0.0.1"], "nothing is there twice");
    let [first, second] = [found.addresses[0].destination, found.addresses[1].destination];
    assert_eq!((first.rule, second.rule), (None, Some(DestinationRule::HigherPrecedence)));
    assert_eq!(first.source, Some(first.address));
    // Whichever of these this machine has a way to comes first.
    let unusable = knows(&[("b.test.", "192.0.2.1"), ("b.test.", "2001:db8::1")], NXDOMAIN);
    let found = lookup(unusable.client(), "b.test");
    let with_source =
        found.addresses.iter().map(|it| it.destination.source.is_none()).collect::<Vec<_>>();
    assert!(with_source.is_sorted(), "what has no source is last: {found:?}");
}

#[test]
fn dns_03_07_literals_zones_and_services_are_the_systems() {
    let server = knows(&[], NXDOMAIN);
    let found =
        resolve(server.client(), Lookup::new("192.0.2.1", 53).kind(SocketKind::Datagram)).unwrap();
    assert_eq!((found[0].address, found[0].protocol), ("192.0.2.1:53".parse().unwrap(), 17));
    if has_ipv6() {
        let found = resolve(server.client(), Lookup::new("fe80::1%lo", 80)).unwrap();
        assert_eq!(found[0].address.to_string(), "[fe80::1%1]:80");
    }
    let numeric = Lookup::new("example.test", 80).flags(AddrInfoFlags::NUMERICHOST);
    assert_eq!(resolve(server.client(), numeric).unwrap_err().code(), Some(EaiCode::NONAME));
    assert!(server.asked().is_empty());
    let unknown = Lookup::new("example.test", Port::Service("no-such-service".into()));
    assert_eq!(resolve(server.client(), unknown).unwrap_err().code(), Some(EaiCode::SERVICE));
}

#[test]
fn dns_01_answers_are_like_getaddrinfos() {
    let server = NameServer::new(|asked: &Asked| match asked.kind {
        A => send(asked.answer().record(5, 60, &[0xc0, 12 + 2]).raw(
            1,
            &[0xc0, 12 + 2],
            A,
            60,
            &[192, 0, 2, 1],
        )),
        _ => send(asked.answer()),
    });
    let lookup = Lookup::new("a.example.test", 443).flags(AddrInfoFlags::CANONNAME);
    let found = resolve(server.client(), lookup).unwrap();
    let wanted = AddrInfo {
        socktype: 1,
        protocol: 6,
        address: "192.0.2.1:443".parse().unwrap(),
        canonical_name: Some("example.test".to_owned()),
    };
    assert_eq!(found, [wanted]);
    let any =
        resolve(server.client(), Lookup::new("a.example.test", 443).kind(SocketKind::Any)).unwrap();
    assert_eq!((any[0].socktype, any[0].protocol), (0, 0));
}

#[test]
fn o4_a_connection_by_our_own_resolver() {
    let server = knows(&[("service.test.", "127.0.0.1")], NXDOMAIN);
    let peer = Server::new();
    let trace = Trace::new();
    run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        let connecting = event_loop
            .create_connection("service.test", peer.address().port())
            .family(Family::Inet);
        let connecting = connecting.resolver(client).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), peer.address());
    });
    trace.check();
    let resolved = |kind: &EventKind| matches!(kind, EventKind::Resolved { addresses } if *addresses == [peer.address()]);
    assert!(trace.events().iter().any(|event| resolved(&event.kind)));
    assert_eq!(names_of(&server), [("service.test.".to_owned(), A)]);
}

#[test]
fn o4_a_connection_without_an_address_says_what_the_name_servers_said() {
    let server = knows(&[], NXDOMAIN);
    let error = run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        let connecting = event_loop.create_connection("nowhere.test", 80).resolver(client);
        connecting.open(Recorder::new).await.unwrap_err()
    });
    let ConnectError::Resolve(error) = error else { panic!("{error}") };
    let failed = error.dns().unwrap();
    assert_eq!((failed.kind, failed.name.as_str()), (DnsErrorKind::NxDomain, "nowhere.test."));
    let text = error.to_string();
    assert!(
        text.starts_with(
            "cannot resolve `nowhere.test.` (A): no such name (NXDOMAIN), from udp://127.0.0.1:"
        ),
        "{text}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

/// A race asks for each family by itself, and must not end up at two hosts.
#[test]
fn o4_addresses_of_one_family_are_of_the_host_that_has_the_others() {
    let knows = || {
        knows(
            &[("db.a.test.", "192.0.2.1"), ("db.b.test.", "2001:db8::2"), ("web.", "2001:db8::3")],
            3,
        )
    };
    let client = |server: &NameServer| server.client().search(["a.test", "b.test"], 1);
    let v6_of = |client: DnsClientBuilder, name: &str| {
        let lookup = Lookup::new(name, 80).family(Family::Inet6);
        resolve(client, lookup).map(|found| found[0].address.ip().to_string())
    };
    let server = knows();
    assert!(
        v6_of(client(&server), "db").is_err(),
        "db.a.test has no IPv6, and db.b.test is another"
    );
    assert_eq!(names_of(&server), [("db.a.test.".to_owned(), AAAA)]);
    let server = knows();
    let hosts = client(&server).hosts("192.0.2.3 web\n");
    assert!(v6_of(hosts, "web").is_err(), "the hosts file has the last word");
    assert_eq!(server.asked().len(), 0);
    // Who wants to know what there is goes as far as getaddrinfo.
    let server = knows();
    let everywhere = run(async |event_loop: loopctl::LoopHandle| {
        client(&server).build(&event_loop).unwrap().lookup("db", Family::Inet6).await
    });
    assert_eq!(addresses(&everywhere), ["2001:db8::2"]);
}
