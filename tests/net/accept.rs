//! Accepting: budgets, limits, shortages, and a close at any moment of it.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Protocol, Server, Transport};
use socket2::SockRef;

use crate::support::{
    Guests, Recorder, Reports, Seen, descriptors, guest, in_child, in_child_with_descriptors, ms,
    reset, run, turns, until,
};

#[test]
fn srv_23_a_hundred_clients_at_once() {
    run(async |event_loop| {
        let guests = Guests::new();
        let server =
            event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
        let clients: Vec<_> = (0..100).map(|_| guest(server.local_addrs()[0])).collect();
        until(&event_loop, || guests.made() == 100).await;
        for mut client in &clients {
            client.write_all(b"x").unwrap();
        }
        turns(&event_loop, 4).await;
        for mut client in &clients {
            client.read_exact(&mut [0; 1]).unwrap();
        }
        drop(clients);
        until(&event_loop, || guests.lost() == 100).await;
        assert_eq!(server.client_count(), 0);
    });
}

/// The poller tells of changes only: what a spent budget leaves in the queue must not be forgotten, and
/// others have their turn in between.
#[test]
fn srv_23_a_spent_budget_goes_on_in_the_next_turn() {
    run(async |event_loop| {
        let guests = Guests::new();
        let creating = event_loop.create_server("127.0.0.1", 0).backlog(3).start_serving(false);
        let server = creating.serve(guests.factory()).await.unwrap();
        server.start_serving().unwrap();
        // Four fit into a queue of three.
        let _clients: Vec<_> = (0..4).map(|_| guest(server.local_addrs()[0])).collect();
        let mut counts = Vec::new();
        while guests.made() < 4 {
            turns(&event_loop, 1).await;
            counts.push(guests.made());
        }
        assert!(counts.contains(&3), "{counts:?}");
    });
}

/// A client that resets before it is accepted is no error of the server, whatever the kernel makes of it.
#[test]
fn srv_24_clients_that_are_gone_before_they_are_accepted() {
    run(async |event_loop| {
        let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
        let server =
            event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
        for _ in 0..10 {
            reset(guest(server.local_addrs()[0]));
        }
        guests.invite(&event_loop, server.local_addrs()[0]).await;
        until(&event_loop, || guests.made() == guests.lost() + server.client_count()).await;
        assert_eq!(reports.texts(), [""; 0]);
    });
}

/// B17: one report a second however long the queue; and everybody is served in the end.
#[test]
fn srv_25_out_of_descriptors() {
    // A hundred for the clients' own ends, and about thirty for the server's.
    in_child_with_descriptors(140, "accept::srv_25_out_of_descriptors", || {
        run(async |event_loop| {
            let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
            let server =
                event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
            let address = server.local_addrs()[0];
            let clients: Vec<_> = (0..100).map(|_| guest(address)).collect();
            until(&event_loop, || !reports.texts().is_empty()).await;
            let (began, served) = (event_loop.time(), guests.made());
            assert!((10..40).contains(&served), "{served}");
            event_loop.sleep(ms(700)).await;
            assert_eq!(reports.texts().len(), 1, "one report: {:?}", reports.texts());
            assert!(reports.texts()[0].starts_with("socket.accept() out of system resource"));
            assert!(reports.texts()[0].contains(&format!("socket: {address}")));
            until(&event_loop, || reports.texts().len() == 2).await;
            assert!(event_loop.time() - began >= ms(900), "a second later");
            while guests.lost() < 100 {
                server.close_clients();
                event_loop.sleep(ms(20)).await;
            }
            assert_eq!(guests.made(), 100, "nobody is forgotten");
            for mut client in clients {
                assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
            }
        });
    });
}

/// B18: the retry goes with the listener.
#[test]
fn srv_26_closed_during_a_shortage() {
    let name = "accept::srv_26_closed_during_a_shortage";
    in_child_with_descriptors(40, name, || {
        run(async |event_loop| {
            let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
            let server =
                event_loop.create_server("127.0.0.1", 0).serve(guests.factory()).await.unwrap();
            let client = guest(server.local_addrs()[0]);
            let hoard = hoard();
            until(&event_loop, || !reports.texts().is_empty()).await;
            server.close();
            drop((hoard, client));
            event_loop.sleep(ms(1200)).await;
            assert_eq!((reports.texts().len(), guests.made()), (1, 0), "{:?}", reports.texts());
        });
    });
}

/// Two listeners run out of the same descriptors: one report.
#[test]
fn srv_25_one_report_for_all_listeners() {
    let name = "accept::srv_25_one_report_for_all_listeners";
    in_child_with_descriptors(40, name, || {
        run(async |event_loop| {
            let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
            let creating = event_loop.create_server(["127.0.0.1", "127.0.0.2"], 0);
            let server = creating.serve(guests.factory()).await.unwrap();
            let addresses = server.local_addrs();
            let clients = [guest(addresses[0]), guest(addresses[1])];
            let hoard = hoard();
            event_loop.sleep(ms(300)).await;
            assert_eq!(reports.texts().len(), 1, "{:?}", reports.texts());
            drop(hoard);
            until(&event_loop, || guests.made() == 2).await;
            drop(clients);
        });
    });
}

/// Every descriptor that is left.
fn hoard() -> Vec<std::fs::File> {
    std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect()
}

/// Closes its server from inside.
struct Closes {
    server: Rc<RefCell<Option<Rc<Server>>>>,
    seen: Rc<Cell<usize>>,
}

impl Protocol for Closes {
    fn connection_made(&mut self, _: &Transport) {
        self.seen.set(self.seen.get() + 1);
        self.server.borrow().as_ref().unwrap().close();
    }

    fn data_received(&mut self, _: &Transport, _: &[u8]) {}
}

/// B3: a close between the accept and the connection. There is no such moment: the close comes from the
/// factory, from `connection_made`, or in any of the turns around the accept.
#[test]
fn srv_27_closed_by_the_connection_that_is_being_accepted() {
    run(async |event_loop| {
        let (slot, seen) = (Rc::new(RefCell::new(None)), Rc::new(Cell::new(0)));
        let (server, count) = (Rc::clone(&slot), Rc::clone(&seen));
        let factory = move || Closes { server: Rc::clone(&server), seen: Rc::clone(&count) };
        let server =
            Rc::new(event_loop.create_server("127.0.0.1", 0).serve(factory).await.unwrap());
        slot.replace(Some(Rc::clone(&server)));
        let mut clients = [(); 3].map(|()| guest(server.local_addrs()[0]));
        until(&event_loop, || seen.get() > 0).await;
        assert_eq!((seen.get(), server.client_count()), (1, 1), "the others were not accepted");
        for client in &mut clients[1..] {
            let error = client.read(&mut [0; 1]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        slot.take();
        drop(clients);
        server.wait_closed().await;
    });
}

#[test]
fn srv_27_closed_by_the_factory() {
    run(async |event_loop| {
        let slot = Rc::new(RefCell::new(None::<Rc<Server>>));
        let inside = Rc::clone(&slot);
        let factory = move || {
            inside.take().unwrap().close();
            Recorder::new()
        };
        let server =
            Rc::new(event_loop.create_server("127.0.0.1", 0).serve(factory).await.unwrap());
        slot.replace(Some(Rc::clone(&server)));
        let client = guest(server.local_addrs()[0]);
        until(&event_loop, || server.client_count() == 1).await;
        drop(client);
        server.wait_closed().await;
        assert_eq!(Rc::strong_count(&slot), 1, "the factory is gone");
    });
}

#[test]
fn srv_27_closed_in_every_turn_around_an_accept() {
    let name = "accept::srv_27_closed_in_every_turn_around_an_accept";
    in_child(name, || {
        let before = descriptors();
        for turn in 0..8 {
            run(async |event_loop| {
                let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
                let creating = event_loop.create_server("127.0.0.1", 0).backlog(2);
                let server = creating.serve(guests.factory()).await.unwrap();
                let clients = [(); 3].map(|()| guest(server.local_addrs()[0]));
                turns(&event_loop, turn).await;
                server.close();
                server.close_clients();
                server.wait_closed().await;
                assert_eq!((guests.lost(), reports.texts()), (guests.made(), vec![]));
                for mut client in &clients {
                    let read = client.read(&mut [0; 1]);
                    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
                }
            });
        }
        assert_eq!(descriptors(), before);
    });
}

/// B14: nothing of it is silent, and nothing of it leaks.
#[test]
fn srv_28_a_factory_that_panics_loses_its_one_connection() {
    let name = "accept::srv_28_a_factory_that_panics_loses_its_one_connection";
    in_child(name, || {
        run(async |event_loop| {
            let (guests, reports) = (Guests::new(), Reports::of(&event_loop));
            let (mut made, mut count) = (guests.factory(), 0);
            let factory = move || {
                count += 1;
                assert!(count != 2, "the second is not welcome");
                made()
            };
            let server = event_loop.create_server("127.0.0.1", 0).serve(factory).await.unwrap();
            let address = server.local_addrs()[0];
            let _first = guests.invite(&event_loop, address).await;
            let before = descriptors();
            let mut second = guest(address);
            let peer = second.local_addr().unwrap();
            let third = guests.invite(&event_loop, address).await;
            assert_eq!(second.read(&mut [0; 1]).unwrap(), 0);
            drop((second, third));
            until(&event_loop, || guests.lost() == 1).await;
            assert_eq!((server.client_count(), descriptors()), (1, before));
            let text = &reports.texts()[0];
            assert!(text.starts_with("Error on transport creation for incoming connection"));
            assert!(text.contains("the second is not welcome"), "{text}");
            assert!(text.contains(&format!("peer: {peer}")), "{text}");
            assert_eq!(reports.texts().len(), 1);
        });
    });
}

#[test]
fn srv_max_connections_pauses_and_resumes() {
    run(async |event_loop| {
        let guests = Guests::new();
        let creating = event_loop.create_server(["127.0.0.1", "127.0.0.2"], 0);
        let creating = creating.max_connections(NonZero::new(2).unwrap());
        let server = creating.serve(guests.factory()).await.unwrap();
        let addresses = server.local_addrs();
        let mut clients: Vec<_> = (0..6).map(|number| guest(addresses[number % 2])).collect();
        for left in (1..=6).rev() {
            let wanted = 2.min(left);
            until(&event_loop, || server.client_count() == wanted).await;
            turns(&event_loop, 4).await;
            assert_eq!((server.client_count(), guests.made()), (wanted, 6 - left + wanted));
            let peer = guests.transports()[6 - left].peer_addr().unwrap();
            clients.retain(|client| client.local_addr().unwrap() != peer);
            until(&event_loop, || guests.lost() == 7 - left).await;
        }
        assert!(clients.is_empty() && server.is_serving());
    });
}

#[test]
fn acc_01_an_accepted_socket_has_a_life() {
    run(async |event_loop| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, peer) = listener.accept().unwrap();
        let connection = event_loop.connect_accepted_socket(accepted, Recorder::new).unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), peer);
        client.write_all(b"hello").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"hello")).await;
        drop(client);
        connection.transport.wait_closed().await;
        let wanted = [Seen::Made, Seen::Data(b"hello".to_vec()), Seen::Eof, Seen::Lost(None)];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

#[test]
fn acc_01_a_unix_stream_as_well() {
    run(async |event_loop| {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let connection = event_loop.connect_accepted_socket(ours, Recorder::new).unwrap();
        let _ = connection.transport.write(b"hello");
        let mut heard = [0; 5];
        theirs.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello");
        theirs.write_all(b"and back").unwrap();
        drop(theirs);
        connection.transport.wait_closed().await;
        let wanted = [Seen::Made, Seen::Data(b"and back".to_vec()), Seen::Eof, Seen::Lost(None)];
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), wanted);
    });
}

#[test]
fn acc_02_a_stream_socket_was_expected() {
    run(async |event_loop| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = event_loop.connect_accepted_socket(socket, Recorder::new).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("A Stream Socket was expected"), "{error}");
    });
}

/// What the listener has, accepted sockets have: the kernel hands it on.
#[test]
fn srv_08_keep_alive_and_nodelay_are_set_on_the_listener() {
    let keepalive =
        loopctl::Keepalive { idle: Duration::from_secs(33), ..loopctl::Keepalive::default() };
    run(async |event_loop| {
        let creating = event_loop.create_server("127.0.0.1", 0).keep_alive(keepalive);
        let server = creating.serve(Recorder::new).await.unwrap();
        let listening = server.with_sockets(|socket| {
            let socket = SockRef::from(&socket);
            let idle = socket.tcp_keepalive_time().unwrap();
            (socket.keepalive().unwrap(), idle, socket.tcp_nodelay().unwrap())
        });
        assert_eq!(listening, [(true, Duration::from_secs(33), true)]);
        let plain = event_loop.create_server("127.0.0.1", 0).nodelay(false);
        let plain = plain.serve(Recorder::new).await.unwrap();
        let flags = plain.with_sockets(|socket| {
            let socket = SockRef::from(&socket);
            (socket.keepalive().unwrap(), socket.tcp_nodelay().unwrap())
        });
        assert_eq!(flags, [(false, false)]);
    });
}
