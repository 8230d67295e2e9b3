//! Races that begin before all addresses are known, against a name server that is slow, silent or wrong about one
//! family.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use loopctl::plan::{Family, Policy, Preset};
use loopctl::{ConnectError, DnsErrorKind, EventKind, LoopHandle, ResolveError};

use crate::skip::has_localhost;
use crate::support::name_server::{A, AAAA, Act, Asked, NameServer};
use crate::support::{Recorder, Trace, has_ipv6, ms, run, turns};

/// Listens on one port of both loopback addresses, so that either family connects at once.
fn dual() -> Option<([TcpListener; 2], u16)> {
    if !has_ipv6() {
        return None;
    }
    for _ in 0..100 {
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        if let Ok(v6) = TcpListener::bind(("::1", port)) {
            return Some(([v4, v6], port));
        }
    }
    panic!("no port is free for both families");
}

/// What becomes of the question for one family.
#[derive(Clone, Copy)]
enum Fate {
    After(u64),
    Silent,
    Code(u16),
    NoData,
}

fn server(v6: Fate, v4: Fate) -> NameServer {
    let act = |asked: &Asked, fate: Fate| {
        let address = match asked.kind {
            A => asked.answer().a(60, [127, 0, 0, 1]),
            _ => asked.answer().aaaa(60, "::1"),
        };
        match fate {
            Fate::After(count) => vec![Act::Wait(ms(count)), Act::Send(address.bytes())],
            Fate::Silent => Vec::new(),
            Fate::Code(code) => vec![Act::Send(asked.rcode(code).bytes())],
            Fate::NoData => vec![Act::Send(asked.answer().bytes())],
        }
    };
    NameServer::new(move |asked| act(asked, if asked.kind == AAAA { v6 } else { v4 }))
}

/// One race to `name.test`.
struct Raced {
    result: Result<SocketAddr, ConnectError>,
    trace: Trace,
}

impl Raced {
    fn of(names: &NameServer, port: u16, policy: impl Into<Policy>) -> Self {
        let (client, policy) = (names.client().timeout(ms(3000)), policy.into());
        run(async |event_loop: LoopHandle| {
            let (client, trace) = (client.build(&event_loop).unwrap(), Trace::new());
            let connecting = event_loop.create_connection("name.test", port).policy(policy);
            let connecting = connecting.resolver(client).trace(trace.listener());
            let opened = connecting.open(Recorder::new).await;
            let result = opened.map(|connection| connection.transport.peer_addr().unwrap());
            Self { result, trace }
        })
    }

    fn family(&self) -> Family {
        Family::of(&self.result.as_ref().unwrap().ip())
    }

    /// From the first question to the connection.
    fn took(&self) -> Duration {
        let events = self.trace.events();
        let at = |is_it: fn(&EventKind) -> bool| {
            events.iter().find(|event| is_it(&event.kind)).unwrap().at
        };
        at(|kind| matches!(kind, EventKind::ConnectionSelected { .. }))
            - at(|kind| matches!(kind, EventKind::ResolveStarted { .. }))
    }

    fn tells(&self, is_it: impl Fn(&EventKind) -> bool) -> bool {
        self.trace.events().iter().any(|event| is_it(&event.kind))
    }
}

/// The quickest of some tries: the machine may be busy with something else.
fn quickest(names: &NameServer, port: u16, preset: Preset, family: Family) -> Duration {
    let tries = (0..5).map(|_| Raced::of(names, port, preset));
    let took = tries.map(|raced| {
        assert_eq!(raced.family(), family);
        raced.took()
    });
    took.min().unwrap()
}

#[test]
fn race_t12_an_ipv6_answer_that_is_late_is_not_waited_for() {
    let Some((_listeners, port)) = dual() else { return };
    let late = server(Fate::After(300), Fate::After(0));
    let took = quickest(&late, port, Preset::Hev3, Family::Inet);
    assert!(took >= ms(50), "the Resolution Delay: {took:?}");
    assert!(took < ms(150), "{took:?}");
    // With a little patience it is what is wanted.
    let soon = server(Fate::After(20), Fate::After(0));
    let took = quickest(&soon, port, Preset::Hev3, Family::Inet6);
    assert!((ms(20)..ms(50)).contains(&took), "{took:?}");
}

#[test]
fn race_t15_a_silent_name_server_holds_nobody_up() {
    let Some((_listeners, port)) = dual() else { return };
    let no_v6 = server(Fate::Silent, Fate::After(0));
    let took = quickest(&no_v6, port, Preset::Hev3, Family::Inet);
    assert!((ms(50)..ms(150)).contains(&took), "T15: {took:?}");
    let no_v4 = server(Fate::After(0), Fate::Silent);
    let took = quickest(&no_v4, port, Preset::Hev3, Family::Inet6);
    assert!(took < ms(50), "T16: {took:?}");
    let raced = Raced::of(&no_v4, port, Preset::Hev3);
    let is_given_up =
        |kind: &EventKind| matches!(kind, EventKind::QueryCanceled { family: Family::Inet });
    assert!(raced.tells(is_given_up), "{:?}", raced.trace.events());
    // asyncio waits for both.
    let slow = server(Fate::After(200), Fate::After(0));
    let raced = Raced::of(&slow, port, Preset::Asyncio);
    assert!(raced.took() >= ms(200));
}

#[test]
fn race_t14_an_answer_without_addresses_ends_the_wait() {
    const SERVFAIL: u16 = 2;
    let Some((_listeners, port)) = dual() else { return };
    for fate in [Fate::Code(SERVFAIL), Fate::NoData] {
        let took = quickest(&server(fate, Fate::After(0)), port, Preset::Hev3, Family::Inet);
        assert!(took < ms(50), "{took:?}");
    }
    // To the letter of RFC 8305, an error is no answer.
    let names = server(Fate::Code(SERVFAIL), Fate::After(0));
    let took = quickest(&names, port, Preset::Rfc8305, Family::Inet);
    assert!(took >= ms(50), "{took:?}");
}

#[test]
fn race_t13_a_late_answer_joins_the_race() {
    // Nobody listens on IPv6, and IPv4 is known late: the race waits for it, as there is a question open.
    let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = v4.local_addr().unwrap().port();
    let names = server(Fate::After(0), Fate::After(100));
    let raced = Raced::of(&names, port, Preset::Hev3);
    assert_eq!(raced.family(), Family::Inet);
    assert!(raced.took() >= ms(100));
    if has_ipv6() {
        assert_eq!(raced.trace.starts().len(), 2);
        assert!(raced.tells(|kind| matches!(kind, EventKind::CandidatesResorted { candidates } if candidates.len() == 2)));
    }
}

#[test]
fn race_t33_no_address_of_either_family() {
    const NXDOMAIN: u16 = 3;
    let raced = Raced::of(&server(Fate::Code(NXDOMAIN), Fate::Code(NXDOMAIN)), 1, Preset::Hev3);
    let error = raced.result.as_ref().unwrap_err();
    let ConnectError::Resolve(ResolveError::Dns(_)) = error else { panic!("{error:?}") };
    let ConnectError::Resolve(of_name) = error else { unreachable!() };
    assert_eq!(of_name.dns().unwrap().kind, DnsErrorKind::NxDomain);
    assert!(raced.tells(|kind| matches!(kind, EventKind::ResolveFailed { .. })));
    assert_eq!(raced.trace.starts().len(), 0);
    // What leaves the most open is what is told.
    let raced = Raced::of(&server(Fate::NoData, Fate::Code(2)), 1, Preset::Hev3);
    let Err(ConnectError::Resolve(error)) = &raced.result else { panic!("{:?}", raced.result) };
    assert_eq!(error.dns().unwrap().kind, DnsErrorKind::ServFail);
}

#[test]
fn race_t40_giving_up_leaves_no_question_behind() {
    let names = server(Fate::Silent, Fate::Silent);
    let client = names.client();
    run(async |event_loop: LoopHandle| {
        let (client, trace) = (client.build(&event_loop).unwrap(), Trace::new());
        let connecting = event_loop.create_connection("name.test", 1).policy(Preset::Hev3.into());
        let connecting = connecting.resolver(client).trace(trace.listener());
        let given_up = event_loop.timeout(ms(50), connecting.open(Recorder::new)).await;
        assert!(given_up.is_err());
        turns(&event_loop, 3).await;
        let events = trace.events();
        let count =
            |is_it: fn(&EventKind) -> bool| events.iter().filter(|it| is_it(&it.kind)).count();
        assert_eq!(count(|kind| matches!(kind, EventKind::QueryCanceled { .. })), 2, "{events:?}");
        assert_eq!(count(|kind| matches!(kind, EventKind::ResolveFailed { .. })), 1);
        assert_eq!(count(|kind| matches!(kind, EventKind::ConnectionAborted { .. })), 1);
    });
}

/// The system's resolver can be asked for each family by itself, too.
#[test]
fn race_t42_localhost_by_the_system_in_two_questions() {
    if !has_localhost() {
        return;
    }
    let Some((_listeners, port)) = dual() else { return };
    run(async |event_loop: LoopHandle| {
        let trace = Trace::new();
        let connecting =
            event_loop.create_connection("localhost", port).policy(Preset::Hev3.into());
        let connection = connecting.trace(trace.listener()).open(Recorder::new).await.unwrap();
        assert!(connection.transport.peer_addr().unwrap().ip().is_loopback());
        let events = trace.events();
        let asked = events.iter().filter(|it| matches!(it.kind, EventKind::QueryStarted { .. }));
        assert_eq!(asked.count(), 2);
    });
}
