//! Names: the system's answers, literals, zones, errors, cancellation.

use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs};
use std::task::Poll;
use std::time::Duration;

use loopctl::plan::{Family, Host, Port, SocketKind};
use loopctl::{AddrInfo, AddrInfoFlags, EaiCode, EventLoop, Lookup, NameInfoFlags, ResolveError};

use crate::skip::{has_localhost, has_services, skipped};
use crate::support::{Recorder, Server, has_ipv6, ms, run};

const TCP: i32 = 6;
const UDP: i32 = 17;
/// More lookups than there are threads for.
const MANY: usize = 200;

fn ask(lookup: Lookup) -> Result<Vec<AddrInfo>, ResolveError> {
    run(async |event_loop| event_loop.getaddrinfo(lookup).await)
}

/// Says whether a lookup needs no resolver: a closed loop has none, and answers all the same.
fn is_immediate(lookup: Lookup) -> bool {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop.close();
    let mut asking = Box::pin(handle.getaddrinfo(lookup));
    match crate::support::step(&mut asking) {
        Poll::Ready(Ok(_)) => true,
        Poll::Ready(Err(ResolveError::Cancelled)) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the standard library's answer is what to compare with"
)]
fn dns_01_answers_are_the_systems() {
    if !has_localhost() {
        return;
    }
    let ours = ask(Lookup::new("localhost", 80)).unwrap();
    let ours: Vec<SocketAddr> = ours.iter().map(|info| info.address).collect();
    let theirs: Vec<SocketAddr> = ("localhost", 80).to_socket_addrs().unwrap().collect();
    assert_eq!(ours, theirs);
}

#[test]
fn dns_01_every_field_of_an_answer_is_the_systems() {
    if !has_localhost() {
        return;
    }
    let lookup = Lookup::new("localhost", 80).family(Family::Inet).kind(SocketKind::Any);
    let found = ask(lookup.flags(AddrInfoFlags::CANONNAME)).unwrap();
    let kinds: BTreeSet<(i32, i32)> =
        found.iter().map(|info| (info.socktype, info.protocol)).collect();
    let wanted = [(libc::SOCK_STREAM, TCP), (libc::SOCK_DGRAM, UDP), (libc::SOCK_RAW, 0)];
    assert_eq!(kinds, BTreeSet::from(wanted));
    assert_eq!(found[0].canonical_name.as_deref(), Some("localhost"));
}

#[test]
fn dns_01_errors_are_the_systems() {
    let error = ask(Lookup::new("localhost", 80).flags(AddrInfoFlags::NUMERICHOST)).unwrap_err();
    assert_eq!(error.code(), Some(EaiCode::NONAME));
    assert!(
        matches!(&error, ResolveError::System { host, code: EaiCode::NONAME, .. } if host == "localhost")
    );
    let text = "cannot resolve `localhost`: Name or service not known (EAI_NONAME)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn dns_02_names_of_an_address_with_flags() {
    if !has_services() {
        return;
    }
    let names = |address: &str, flags| {
        let address = address.parse().unwrap();
        run(async |event_loop| event_loop.getnameinfo(address, flags).await).unwrap()
    };
    let numeric = NameInfoFlags::NUMERICHOST;
    let both = numeric | NameInfoFlags::NUMERICSERV;
    assert_eq!(names("127.0.0.1:80", both), ("127.0.0.1".into(), "80".into()));
    assert_eq!(names("127.0.0.1:80", numeric), ("127.0.0.1".into(), "http".into()));
    assert_eq!(names("127.0.0.1:514", numeric).1, "shell");
    assert_eq!(names("127.0.0.1:514", numeric | NameInfoFlags::DGRAM).1, "syslog");
    assert_eq!(names("127.0.0.1:80", NameInfoFlags::NAMEREQD).0, "localhost");
}

#[test]
fn dns_03_literals_need_no_resolver() {
    assert!(is_immediate(Lookup::new("127.0.0.1", 80)));
    assert!(is_immediate(Lookup::new("::1", 80).kind(SocketKind::Datagram)));
    assert!(!is_immediate(Lookup::new("localhost", 80)));
    assert!(!is_immediate(Lookup::new("127.0.0.1", 80).kind(SocketKind::Any)));
}

#[test]
fn dns_04_the_kind_decides_the_protocol() {
    let datagram = ask(Lookup::new("127.0.0.1", 80).kind(SocketKind::Datagram)).unwrap();
    assert_eq!((datagram[0].socktype, datagram[0].protocol), (libc::SOCK_DGRAM, UDP));
    let stream = ask(Lookup::new("127.0.0.1", 80)).unwrap();
    assert_eq!((stream[0].socktype, stream[0].protocol), (libc::SOCK_STREAM, TCP));
}

#[test]
fn dns_05_services_are_names_of_ports() {
    if !has_services() {
        return;
    }
    let by_name = Lookup::new("127.0.0.1", Port::Service("http".into()));
    assert!(!is_immediate(by_name.clone()));
    let found = ask(by_name.clone()).unwrap();
    assert_eq!(found[0].address, "127.0.0.1:80".parse().unwrap());
    let refused = ask(by_name.flags(AddrInfoFlags::NUMERICSERV)).unwrap_err();
    assert_eq!(refused.code(), Some(EaiCode::NONAME));
    let unknown = Lookup::new("127.0.0.1", Port::Service("no-such-service".into()));
    assert_eq!(ask(unknown).unwrap_err().code(), Some(EaiCode::SERVICE));
}

/// A service whose port is free here; which one that is depends on the machine.
#[test]
fn dns_05_a_connection_to_a_service() {
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let candidates = services.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (name, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        Some((name.to_owned(), port.parse::<u16>().ok().filter(|port| *port > 1024)?))
    });
    let listening = candidates.filter_map(|(name, port)| {
        let address = format!("127.0.0.5:{port}").parse().unwrap();
        Some((name, Server(loopctl::listen(address, 1).ok()?)))
    });
    let Some((name, server)) = listening.into_iter().next() else {
        return skipped("a service in /etc/services whose port is free");
    };
    run(async |event_loop| {
        let connecting = event_loop.create_connection("127.0.0.5", Port::Service(name));
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
    });
}

#[test]
fn dns_07_zones_become_scope_ids_and_stay() {
    if !has_ipv6() {
        return;
    }
    let index: u32 =
        std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap().trim().parse().unwrap();
    let lookup = Lookup::new("fe80::1%lo", 80);
    assert!(!is_immediate(lookup.clone()));
    let found = ask(lookup).unwrap();
    let SocketAddr::V6(address) = found[0].address else { panic!("{found:?}") };
    assert_eq!((address.scope_id(), address.ip()), (index, &"fe80::1".parse().unwrap()));
    let flags = NameInfoFlags::NUMERICHOST | NameInfoFlags::NUMERICSERV;
    let names =
        run(async |event_loop| event_loop.getnameinfo(address.into(), flags).await).unwrap();
    assert_eq!(names.0, "fe80::1%lo");
    assert!(ask(Lookup::new("fe80::1%nosuchzone", 80)).is_err());
}

#[test]
fn dns_08_ipv6_literals_have_no_flow_and_no_scope() {
    let found = ask(Lookup::new("::1", 80)).unwrap();
    let SocketAddr::V6(address) = found[0].address else { panic!("{found:?}") };
    assert_eq!((address.flowinfo(), address.scope_id(), found.len()), (0, 0, 1));
}

#[test]
fn dns_09_a_literal_of_another_family_is_the_resolvers_business() {
    for (host, family) in [("127.0.0.1", Family::Inet6), ("::1", Family::Inet)] {
        let lookup = Lookup::new(host, 80).family(family);
        assert!(!is_immediate(lookup.clone()));
        assert_eq!(ask(lookup).unwrap_err().code(), Some(EaiCode::ADDRFAMILY));
    }
    let mapped = ask(Lookup::new("::ffff:127.0.0.1", 80)).unwrap();
    assert!(mapped[0].address.is_ipv6());
    assert!(!is_immediate(Lookup::new("::ffff:127.0.0.1", 80).family(Family::Inet)));
}

#[test]
fn dns_10_old_spellings_are_names_that_the_system_may_know() {
    for spelling in ["127.1", "0x7f.1", "0177.0.0.1"] {
        assert_eq!(Host::from(spelling), Host::Name(spelling.into()));
        let found = ask(Lookup::new(spelling, 80)).unwrap();
        assert_eq!(found[0].address, "127.0.0.1:80".parse().unwrap());
    }
    let bracketed = Lookup::new("[::1]", 80).flags(AddrInfoFlags::NUMERICHOST);
    assert!(ask(bracketed).is_err());
}

#[test]
fn dns_11_international_names_are_encoded_by_the_resolver() {
    // Full-width letters are mapped to "localhost", which needs no name server.
    match ask(Lookup::new("ｌｏｃａｌｈｏｓｔ", 80).family(Family::Inet)) {
        Ok(found) => assert_eq!(found[0].address, "127.0.0.1:80".parse().unwrap()),
        // Because this process keeps the C locale, glibc cannot encode the name: an error of the resolver.
        Err(error) => assert!(error.code().is_some(), "{error}"),
    }
}

#[test]
fn dns_12_long_names_are_never_cut_into_addresses() {
    let crafted = format!("0x{}7f000001.example.com", "0".repeat(300));
    assert!(ask(Lookup::new(crafted, 80)).is_err());
    let cut = "127.0.0.1\0.example.com";
    assert!(
        matches!(ask(Lookup::new(cut, 80)), Err(ResolveError::BadName { host }) if host == cut)
    );
}

#[test]
fn dns_13_no_host_is_this_host_or_every_address() {
    let to = |found: Vec<AddrInfo>| found.iter().map(|info| info.address).collect::<Vec<_>>();
    let lookup = Lookup::new("", 80).family(Family::Inet);
    assert_eq!(to(ask(lookup.clone()).unwrap()), ["127.0.0.1:80".parse().unwrap()]);
    let passive = lookup.flags(AddrInfoFlags::PASSIVE);
    assert_eq!(to(ask(passive).unwrap()), ["0.0.0.0:80".parse().unwrap()]);
}

/// One turn asks for everything, and no later one takes in an answer: the loop is closed with lookups
/// that are running and lookups that are waiting for a thread.
#[test]
fn dns_15_a_loop_closes_with_lookups_in_flight() {
    if !has_localhost() {
        return;
    }
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let lookups: Vec<_> =
        (0..MANY).map(|_| handle.create_task(handle.clone().lookup_localhost())).collect();
    event_loop.enter().unwrap().turn(Some(Duration::ZERO)).unwrap();
    let under_way = lookups.iter().filter(|task| !task.is_finished()).count();
    assert!(under_way > 0);
    event_loop.close();
    assert!(lookups.iter().all(|task| task.is_finished()), "nobody waits for a closed loop");
    let mut later = EventLoop::new().unwrap();
    let cancelled = later.run_until_complete(async {
        let mut cancelled = 0;
        for task in lookups {
            cancelled += usize::from(!matches!(task.await, Ok(Ok(_))));
        }
        cancelled
    });
    assert_eq!(cancelled.unwrap(), under_way);
}

trait LookupLocalhost {
    async fn lookup_localhost(self) -> Result<Vec<AddrInfo>, ResolveError>;
}

impl LookupLocalhost for loopctl::LoopHandle {
    async fn lookup_localhost(self) -> Result<Vec<AddrInfo>, ResolveError> {
        self.getaddrinfo(Lookup::new("localhost", 80)).await
    }
}

#[test]
fn dns_15_a_lookup_on_a_closed_loop_is_cancelled() {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    event_loop.close();
    let mut later = EventLoop::new().unwrap();
    let result = later.run_until_complete(handle.lookup_localhost()).unwrap();
    assert!(matches!(result, Err(ResolveError::Cancelled)));
}

/// An answer that comes meanwhile changes nothing: the next turn ends the task.
#[test]
fn dns_17_a_cancelled_lookup_frees_its_waiter_at_once() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let waiters: Vec<_> =
        (0..MANY).map(|_| handle.create_task(handle.clone().lookup_localhost())).collect();
    let entered = event_loop.enter().unwrap();
    entered.turn(Some(Duration::ZERO)).unwrap();
    let cancelled = waiters.iter().filter(|waiter| waiter.cancel()).count();
    assert!(cancelled > 0);
    entered.turn(Some(Duration::ZERO)).unwrap();
    assert!(waiters.iter().all(|waiter| waiter.is_finished()));
    drop(entered);
    let results = async {
        let mut errors = 0;
        for waiter in waiters {
            errors += usize::from(waiter.await.is_err());
        }
        errors
    };
    assert_eq!(event_loop.run_until_complete(results).unwrap(), cancelled);
}

#[test]
fn exec_09_lookups_do_not_wait_behind_other_work() {
    if !has_localhost() {
        return;
    }
    run(async |event_loop| {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let busy: Vec<_> = (0..64)
            .map(|_| {
                let wait = std::sync::Arc::clone(&wait);
                event_loop.run_in_executor(move || wait.lock().unwrap().recv().is_err())
            })
            .collect();
        event_loop.sleep(ms(1)).await;
        event_loop.clone().lookup_localhost().await.unwrap();
        drop(release);
        for job in busy {
            assert!(job.await.unwrap());
        }
    });
}
