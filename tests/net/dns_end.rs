//! Queries by the thousand, queries that nobody waits for any more, and loops that close in their middle.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use loopctl::plan::{DnsTransport, Family};
use loopctl::{
    DnsClient, DnsErrorKind, DnsEvent, DnsEventKind, DnsServer, EventLoop, LoopHandle, RecordType,
};

use crate::support::name_server::{Act, NameServer, send};
use crate::support::{descriptors, in_child, in_child_with_descriptors, ms, run, step};

/// The address that a name of this number has.
fn address_of(number: usize) -> [u8; 4] {
    u32::try_from(number).map(|number| (0x0a00_0000 + number).to_be_bytes()).unwrap()
}

fn number_of(name: &str) -> usize {
    name.trim_start_matches('n').split('.').next().unwrap().parse().unwrap()
}

#[test]
fn o4_ten_thousand_names_in_one_run() {
    const NAMES: usize = 10_000;
    const AT_A_TIME: usize = 200;
    in_child("dns_end::o4_ten_thousand_names_in_one_run", || {
        let server = NameServer::new(|asked| {
            let number = number_of(&asked.name);
            // Every hundredth gets lost the first time, every thousandth does not exist.
            match asked.time {
                1 if number % 100 == 50 => vec![],
                _ if number.is_multiple_of(1000) => send(asked.rcode(3)),
                _ => send(asked.answer().a(60, address_of(number))),
            }
        });
        run(async |event_loop| {
            let before = descriptors();
            let client = server.client().timeout(ms(300)).attempts(10).build(&event_loop).unwrap();
            let (next, most, began) =
                (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)), event_loop.time());
            let workers: Vec<_> = (0..AT_A_TIME)
                .map(|_| {
                    let (client, next, most) = (client.clone(), Rc::clone(&next), Rc::clone(&most));
                    event_loop.create_task(async move { work(&client, &next, NAMES, &most).await })
                })
                .collect();
            let mut done = 0;
            for worker in workers {
                done += worker.await.unwrap();
            }
            assert_eq!(done, NAMES);
            eprintln!("{NAMES} names in {:?}", event_loop.time() - began);
            assert!(most.get() <= before + AT_A_TIME, "one descriptor a query at most");
            assert_eq!(descriptors(), before);
        });
        let names: std::collections::BTreeSet<_> =
            server.asked().into_iter().map(|it| it.name).collect();
        assert_eq!(names.len(), NAMES);
    });
}

/// Asks for the next number until there is none left; every answer must be that of its name.
async fn work(client: &DnsClient, next: &Cell<usize>, names: usize, most: &Cell<usize>) -> usize {
    let mut done = 0;
    while next.get() < names {
        let number = next.replace(next.get() + 1);
        if number.is_multiple_of(500) {
            most.set(most.get().max(descriptors()));
        }
        match client.query(&format!("n{number}.test"), RecordType::A).await {
            Ok(answer) => {
                let wanted: std::net::IpAddr = address_of(number).into();
                assert_eq!(answer.addresses().collect::<Vec<_>>(), [wanted]);
            }
            Err(error) => {
                assert_eq!((error.kind, number % 1000), (DnsErrorKind::NxDomain, 0), "{error}");
            }
        }
        done += 1;
    }
    done
}

/// How long the silence of a server is borne in these tests.
const PATIENCE: Duration = ms(200);

/// What the listeners of these tests keep.
type Heard = Rc<RefCell<Vec<DnsEvent>>>;

fn client(event_loop: &LoopHandle, transport: DnsTransport, to: SocketAddr) -> (DnsClient, Heard) {
    let heard = Heard::default();
    let events = Rc::clone(&heard);
    let servers = [DnsServer::new(transport, to)];
    let client = DnsClient::builder().servers(servers).timeout(PATIENCE).build(event_loop).unwrap();
    (client.trace(move |event| events.borrow_mut().push(event.clone())), heard)
}

fn is_canceled(heard: &Heard) -> bool {
    matches!(heard.borrow().last().map(|event| &event.kind), Some(DnsEventKind::Canceled))
}

/// Drops a query after so many turns; nothing must be left that would wake the loop.
fn drop_after(turns: usize, transport: DnsTransport, to: SocketAddr) {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (client, heard) = client(&handle, transport, to);
    let before = descriptors();
    let entered = event_loop.enter().unwrap();
    let mut asking = Box::pin(client.query("example.test", RecordType::A));
    for _ in 0..turns {
        assert!(step(&mut asking).is_pending());
        entered.turn(Some(ms(2))).unwrap();
    }
    drop(asking);
    // A connection is closed by the loop.
    entered.turn(Some(Duration::ZERO)).unwrap();
    entered.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(descriptors(), before, "{transport}: dropped after {turns} turns");
    let (began, quiet) = (handle.time(), PATIENCE + ms(20));
    entered.turn(Some(quiet)).unwrap();
    let waited = handle.time() - began;
    assert!(waited >= quiet, "{transport}: woken after {waited:?}, {turns} turns");
    // Never polled, it has no story.
    assert_eq!(is_canceled(&heard), turns > 0);
}

#[test]
fn dns_17_dropped_at_any_moment_a_query_leaves_nothing() {
    in_child("dns_end::dns_17_dropped_at_any_moment_a_query_leaves_nothing", || {
        let silent = NameServer::silent();
        // Connections are made by the kernel; nobody accepts them.
        let deaf = loopctl::listen("127.0.0.1:0".parse().unwrap(), 64).unwrap();
        let deaf = deaf.local_addr().unwrap();
        for turns in [0, 1, 2, 20] {
            drop_after(turns, DnsTransport::Udp, silent.address);
            drop_after(turns, DnsTransport::Tcp, deaf);
        }
    });
}

#[test]
#[cfg(feature = "tls")]
fn dns_17_dropped_in_the_handshake_a_query_leaves_nothing() {
    in_child("dns_end::dns_17_dropped_in_the_handshake_a_query_leaves_nothing", || {
        let deaf = loopctl::listen("127.0.0.1:0".parse().unwrap(), 64).unwrap();
        for turns in [1, 2, 5] {
            drop_after(turns, DnsTransport::Tls, deaf.local_addr().unwrap());
        }
    });
}

#[test]
fn dns_17_a_lookup_is_given_up_with_both_of_its_queries() {
    in_child("dns_end::dns_17_a_lookup_is_given_up_with_both_of_its_queries", || {
        let silent = NameServer::silent();
        run(async |event_loop| {
            let before = descriptors();
            let (client, heard) = client(&event_loop, DnsTransport::Udp, silent.address);
            let late = event_loop
                .timeout(ms(10), client.lookup("example.test", Family::Unspecified))
                .await;
            assert!(late.is_err());
            assert_eq!(descriptors(), before);
            let events = heard.borrow();
            let canceled = events.iter().filter(|it| matches!(it.kind, DnsEventKind::Canceled));
            let mut queries: Vec<u64> = canceled.map(|event| event.query).collect();
            queries.sort_unstable();
            assert_eq!(queries, [0, 1]);
        });
    });
}

#[test]
fn dns_15_a_loop_can_close_with_queries_in_flight() {
    in_child("dns_end::dns_15_a_loop_can_close_with_queries_in_flight", || {
        let silent = NameServer::silent();
        let deaf = loopctl::listen("127.0.0.1:0".parse().unwrap(), 64).unwrap();
        let before = descriptors();
        for (transport, to) in
            [(DnsTransport::Udp, silent.address), (DnsTransport::Tcp, deaf.local_addr().unwrap())]
        {
            let mut event_loop = EventLoop::new().unwrap();
            let handle = event_loop.handle();
            let (client, heard) = client(&handle, transport, to);
            let task = handle
                .create_task(async move { client.query("example.test", RecordType::A).await });
            event_loop.run_until_complete(handle.sleep(ms(5))).unwrap();
            event_loop.close();
            drop(handle);
            assert!(task.is_finished() && is_canceled(&heard));
            drop(task);
            assert_eq!(descriptors(), before, "{transport}");
        }
    });
}

#[test]
fn o4_no_descriptor_left_is_an_error_of_this_host() {
    const NAME: &str = "dns_end::o4_no_descriptor_left_is_an_error_of_this_host";
    in_child_with_descriptors(64, NAME, || {
        run(async |event_loop| {
            let (client, _) =
                client(&event_loop, DnsTransport::Udp, "127.0.0.1:9".parse().unwrap());
            let mut held: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert!(held.len() > 10 && held.len() < 64, "the limit is in force");
            let errno = async || {
                let error = client.query("example.test", RecordType::A).await.unwrap_err();
                assert_eq!(error.kind, DnsErrorKind::Network, "{error}");
                error.failure.unwrap().name()
            };
            assert_eq!(errno().await, Some("EMFILE"));
            held.pop();
            assert_eq!(
                errno().await,
                Some("ECONNREFUSED"),
                "the next one gets as far as the network"
            );
        });
    });
}

/// Datagrams without end hold up no one else, nor the query's own time limit.
#[test]
fn o4_a_flood_of_forgeries_holds_up_nothing() {
    let server = NameServer::new(|asked| {
        let mut forged = asked.answer().bytes();
        forged[0] ^= 1;
        (0..5_000).map(|_| Act::Send(forged.clone())).collect()
    });
    run(async |event_loop| {
        let client = server.client().timeout(ms(60)).attempts(1).build(&event_loop).unwrap();
        let (ticks, counting) = (Rc::new(Cell::new(0)), event_loop.clone());
        let counted = Rc::clone(&ticks);
        let clock = event_loop.create_task(async move {
            loop {
                counting.sleep(ms(1)).await;
                counted.set(counted.get() + 1);
            }
        });
        let error = client.query("example.test", RecordType::A).await.unwrap_err();
        clock.cancel();
        assert_eq!(error.kind, DnsErrorKind::TimedOut);
        assert!(error.exchange.took >= ms(60) && error.exchange.took < ms(1000), "{error:?}");
        assert!(ticks.get() > 5, "{} ticks", ticks.get());
    });
}

/// More datagrams are there than are looked at in one go, and no time passes before the rest is.
#[test]
fn o4_an_answer_behind_a_hundred_forgeries_is_found_at_once() {
    let server = NameServer::new(|asked| {
        let mut forged = asked.answer().bytes();
        forged[0] ^= 1;
        let forgeries = (0..100).map(|_| Act::Send(forged.clone()));
        forgeries.chain(send(asked.answer().a(60, [192, 0, 2, 1]))).collect()
    });
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let client = server.client().build(&handle).unwrap();
    let mut asking = Box::pin(client.query("example.test", RecordType::A));
    let entered = event_loop.enter().unwrap();
    assert!(step(&mut asking).is_pending());
    // Until everything is there, the loop does not turn.
    std::thread::sleep(ms(100));
    drop(entered);
    let answer = event_loop.run_until_complete(asking).unwrap().unwrap();
    assert_eq!((answer.records.len(), answer.exchange.retries), (1, 0));
    assert!(answer.exchange.took < ms(4000), "{:?}", answer.exchange);
}

/// Queries that fail within a step must not keep all others from theirs.
#[test]
fn o4_failures_at_once_let_the_loop_turn() {
    const QUERIES: usize = 20;
    run(async |event_loop| {
        // Broadcast is not allowed to a plain socket: connecting it fails without a packet.
        let nowhere = "127.255.255.255:53".parse().unwrap();
        let (client, _) = client(&event_loop, DnsTransport::Udp, nowhere);
        let (turns, inside) = (Rc::new(Cell::new(0)), event_loop.clone());
        let counted = Rc::clone(&turns);
        let other = event_loop.create_task(async move {
            loop {
                inside.sleep(Duration::ZERO).await;
                counted.set(counted.get() + 1);
            }
        });
        for _ in 0..QUERIES {
            let error = client.query("example.test", RecordType::A).await.unwrap_err();
            assert_eq!(error.failure.unwrap().name(), Some("EACCES"));
        }
        other.cancel();
        assert!(turns.get() >= QUERIES / 2, "{} turns", turns.get());
    });
}

/// A listener that asks for something itself, and one that panics, are the listener's own affair.
#[test]
fn o4_a_listener_may_use_the_client() {
    let server = NameServer::new(|asked| send(asked.answer().a(60, [192, 0, 2, 1])));
    run(async |event_loop| {
        let client = server.client().build(&event_loop).unwrap();
        let (inner, asked, inside) = (client.clone(), Rc::new(Cell::new(0)), event_loop.clone());
        let count = Rc::clone(&asked);
        let client = client.trace(move |_| {
            count.set(count.get() + 1);
            let inner = inner.clone();
            drop(inside.create_task(async move { inner.query("inner.test", RecordType::A).await }));
        });
        assert!(client.query("outer.test", RecordType::A).await.is_ok());
        assert_eq!(asked.get(), 3, "asked, answered, over");
    });
}

/// The files of this machine, whatever they are.
#[test]
fn o4_the_systems_servers_are_those_of_its_file() {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    let listed: Vec<String> = lines.take(3).map(|it| it.trim().to_owned()).collect();
    let listed = if listed.is_empty() { vec!["127.0.0.1".to_owned()] } else { listed };
    run(async |event_loop| {
        let client = DnsClient::system().unwrap().build(&event_loop).unwrap();
        let ours: Vec<String> = client.servers().iter().map(|it| it.host().to_string()).collect();
        assert_eq!(ours, listed);
        assert!(client.servers().iter().all(|server| server.port() == 53));
    });
}
