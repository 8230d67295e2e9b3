//! `create_connection`: what a success looks like, and what it was given.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use loopctl::plan::{Family, Host, Port};
use loopctl::{AbortReason, AddrInfoFlags, ConnectError, EaiCode, EventKind, Phase, ResolveError};
use socket2::{SockRef, Socket};

use crate::skip::has_localhost;
use crate::support::{
    Dead, Outcome, Recorder, Refusing, Reports, Seen, Server, Trace, has_ipv6, ms, run, until,
};

#[test]
fn conn_01_a_host_gives_a_transport_and_a_protocol() {
    let server = Server::new();
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection("127.0.0.1", server.address().port());
        let connection = connecting.trace(trace.listener()).open(Recorder::new).await.unwrap();
        assert_eq!(connection.with(|recorder| recorder.seen.clone()), [Seen::Made]);
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
        let mut peer = server.accept();
        assert_eq!(connection.transport.local_addr().unwrap(), peer.peer_addr().unwrap());
        let _ = connection.transport.write(b"to the server");
        let mut buffer = [0; 13];
        peer.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"to the server");
        peer.write_all(b"to the client").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"to the client"))
            .await;
    });
    trace.check();
    assert_eq!((trace.selected(), trace.outcomes()), (Some(0), vec![(0, Outcome::Succeeded)]));
}

#[test]
fn conn_01_a_name_is_resolved_and_the_story_is_told_in_order() {
    if !has_localhost() {
        return;
    }
    let server = Server::new();
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection("localhost", server.address().port());
        connecting.family(Family::Inet).trace(trace.listener()).open(Recorder::new).await.unwrap();
    });
    trace.check();
    let names = trace.events().into_iter().map(|event| match event.kind {
        EventKind::ResolveStarted { host } => format!("asked for {host}"),
        // Where ::1 is called so as well, glibc gives 127.0.0.1 twice.
        EventKind::Resolved { addresses } if !addresses.is_empty() => "found".to_owned(),
        EventKind::CandidatesSorted { candidates } if !candidates.is_empty() => "sorted".to_owned(),
        EventKind::AttemptStarted { address, .. } => format!("started {address}"),
        EventKind::AttemptSucceeded { .. } => "succeeded".to_owned(),
        EventKind::ConnectionSelected { .. } => "selected".to_owned(),
        other => panic!("{other:?}"),
    });
    let started = format!("started {}", server.address());
    let wanted = ["asked for localhost", "found", "sorted", &started, "succeeded", "selected"];
    assert_eq!(names.collect::<Vec<_>>(), wanted);
}

#[test]
fn conn_01_the_winners_facts_are_its_sockets() {
    let server = Server::new();
    let trace = Trace::new();
    let local = run(async |event_loop| {
        let connecting =
            event_loop.create_connection_to([server.address()]).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap().transport.local_addr().unwrap()
    });
    let snapshot = trace.events().into_iter().find_map(|event| match event.kind {
        EventKind::AttemptSucceeded { snapshot, .. } => Some(snapshot),
        _ => None,
    });
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.local, Some(local));
    let tcp = snapshot.tcp.unwrap();
    assert!(tcp.established && tcp.retransmits == 0 && tcp.send_mss > 0, "{tcp:?}");
}

#[test]
fn conn_01_a_name_that_is_none_is_told_as_such() {
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let connecting =
            event_loop.create_connection("localhost", 80).flags(AddrInfoFlags::NUMERICHOST);
        connecting.trace(trace.listener()).open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(trace.aborted(), Some(AbortReason::NotResolved));
    assert!(matches!(
        &error,
        ConnectError::Resolve(ResolveError::System { code: EaiCode::NONAME, .. })
    ));
    assert_eq!((error.kind(), error.attempts().len()), (std::io::ErrorKind::NotFound, 0));
}

#[test]
fn conn_04_a_datagram_socket_is_refused() {
    let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error =
        run(async |event_loop| event_loop.create_connection_on(datagram).open(Recorder::new).await);
    let error = error.unwrap_err();
    assert!(error.to_string().starts_with("A Stream Socket was expected, got "), "{error}");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn conn_04_a_socket_that_is_connected_already_is_taken_over() {
    let server = Server::new();
    run(async |event_loop| {
        // Blocking, as the standard library makes them; the loop must not be blocked by it.
        let stream = std::net::TcpStream::connect(server.address()).unwrap();
        let local = stream.local_addr().unwrap();
        let connection = event_loop.create_connection_on(stream).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.local_addr().unwrap(), local);
        server.accept().write_all(b"hello").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.is_lost())).await;
        let seen = connection.with(|recorder| recorder.seen.clone());
        let data = Seen::Data(b"hello".to_vec());
        assert_eq!(seen, [Seen::Made, data, Seen::Eof, Seen::Lost(None)]);
    });
}

#[test]
fn conn_06_one_after_another_and_the_first_success_wins() {
    let (refusing, server, spare) = (Refusing::new(), Server::new(), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let addresses = [refusing.address(), server.address(), spare.address()];
        let connecting = event_loop.create_connection_to(addresses).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
    });
    trace.check();
    let wanted = [(0, Outcome::Failed(Phase::Connect)), (1, Outcome::Succeeded)];
    assert_eq!(trace.outcomes(), wanted);
    assert!(spare.is_lonely(), "nobody needed the third address");
}

#[test]
fn conn_22_small_writes_are_sent_at_once_unless_told_otherwise() {
    let server = Server::new();
    run(async |event_loop| {
        for nodelay in [true, false] {
            let copy: Rc<RefCell<Option<OwnedFd>>> = Rc::default();
            let slot = Rc::clone(&copy);
            let connection = event_loop
                .create_connection_to([server.address()])
                .configure(move |fd| {
                    slot.replace(Some(fd.try_clone_to_owned()?));
                    Ok(())
                })
                .nodelay(nodelay)
                .open(Recorder::new)
                .await
                .unwrap();
            let copy = copy.take().unwrap();
            assert_eq!(SockRef::from(&copy).tcp_nodelay().unwrap(), nodelay);
            connection.transport.abort();
        }
    });
}

#[test]
fn conn_28_a_hundred_connections_at_a_time() {
    let server = Server::new();
    run(async |event_loop| {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                event_loop.create_task(
                    event_loop.create_connection_to([server.address()]).open(Recorder::new),
                )
            })
            .collect();
        let mut connections = Vec::new();
        for task in tasks {
            connections.push(task.await.unwrap().unwrap());
        }
        let peers: Vec<_> = connections.iter().map(|_| server.accept()).collect();
        for mut peer in &peers {
            let text = peer.peer_addr().unwrap().to_string();
            peer.write_all(text.as_bytes()).unwrap();
        }
        for connection in &connections {
            let own = connection.transport.local_addr().unwrap().to_string();
            until(&event_loop, || connection.with(|recorder| recorder.data() == own.as_bytes()))
                .await;
        }
    });
}

#[test]
fn conn_29_family_protocol_and_flags_reach_the_resolver() {
    let server = Server::new();
    let port = server.address().port();
    let open = |change: fn(loopctl::CreateConnection) -> loopctl::CreateConnection| {
        run(async |event_loop| {
            change(event_loop.create_connection("127.0.0.1", port)).open(Recorder::new).await
        })
    };
    let name = |error: ConnectError| match error {
        ConnectError::Resolve(error) => error.code(),
        other => panic!("{other:?}"),
    };
    assert!(open(|connecting| connecting.family(Family::Inet).protocol(6)).is_ok());
    let family = open(|connecting| connecting.family(Family::Inet6)).unwrap_err();
    assert_eq!(name(family), Some(EaiCode::ADDRFAMILY));
    let protocol = open(|connecting| connecting.protocol(132_000)).unwrap_err();
    assert_eq!(name(protocol), Some(EaiCode::SOCKTYPE));
    let by_name = |event_loop: loopctl::LoopHandle| {
        let port = Port::Service("http".into());
        event_loop.create_connection("127.0.0.1", port).flags(AddrInfoFlags::NUMERICSERV)
    };
    let flags = run(async |event_loop| by_name(event_loop).open(Recorder::new).await).unwrap_err();
    assert_eq!(name(flags), Some(EaiCode::NONAME));
}

#[test]
fn conn_33_a_socket_that_met_itself_is_refused() {
    let address: SocketAddr = Refusing::new().address();
    let error = run(async |event_loop| {
        let connecting = event_loop.create_connection_to([address]).local_addr(address);
        connecting.open(Recorder::new).await.unwrap_err()
    });
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains("connected to itself"), "{error}");
}

#[test]
fn conn_options_are_set_before_bind_and_connect() {
    let server = Server::new();
    let calls = Rc::new(Cell::new(0));
    let seen = Rc::clone(&calls);
    run(async |event_loop| {
        let configure = move |fd: std::os::fd::BorrowedFd<'_>| {
            let socket = Socket::from(fd.as_fd().try_clone_to_owned()?);
            assert_eq!(socket.local_addr()?.as_socket().unwrap().port(), 0, "not bound");
            assert!(socket.peer_addr().is_err(), "not connected");
            seen.set(seen.get() + 1);
            socket.set_keepalive(true)
        };
        let connecting = event_loop.create_connection_to([server.address()]).configure(configure);
        let connecting = connecting.local_addr("127.0.0.1:0".parse().unwrap());
        connecting.open(Recorder::new).await.unwrap();
    });
    assert_eq!(calls.get(), 1);
}

#[test]
fn conn_an_option_that_fails_is_a_failure_of_its_own_phase() {
    let (first, second) = (Server::new(), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let calls = Cell::new(0);
        let configure = move |_: std::os::fd::BorrowedFd<'_>| {
            calls.set(calls.get() + 1);
            if calls.get() == 1 { Err(std::io::Error::other("no such option")) } else { Ok(()) }
        };
        let connecting = event_loop.create_connection_to([first.address(), second.address()]);
        let connecting = connecting.configure(configure).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), second.address());
    });
    trace.check();
    let wanted = [(0, Outcome::Failed(Phase::Options)), (1, Outcome::Succeeded)];
    assert_eq!(trace.outcomes(), wanted);
    assert!(first.is_lonely(), "the first socket never got to connect");
}

#[test]
fn il_06_prefer_and_interleave_decide_the_order() {
    let order = |change: fn(loopctl::CreateConnection) -> loopctl::CreateConnection| {
        let trace = Trace::new();
        let all: Vec<SocketAddr> =
            ["[::1]:1", "[::2]:1", "127.0.0.1:1"].map(|text| text.parse().unwrap()).into();
        run(async |event_loop| {
            let connecting = change(event_loop.create_connection_to(all)).trace(trace.listener());
            drop(connecting.timeout(std::time::Duration::ZERO).open(Recorder::new).await);
        });
        let sorted = trace.events().into_iter().find_map(|event| match event.kind {
            EventKind::CandidatesSorted { candidates } => Some(candidates),
            _ => None,
        });
        sorted.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(|connecting| connecting), "[::1]:1 [::2]:1 127.0.0.1:1");
    assert_eq!(order(|connecting| connecting.interleave(1)), "[::1]:1 127.0.0.1:1 [::2]:1");
    let happy = |connecting: loopctl::CreateConnection| connecting.happy_eyeballs_delay(ms(10));
    assert_eq!(order(happy), "[::1]:1 127.0.0.1:1 [::2]:1");
    let plain = |connecting: loopctl::CreateConnection| {
        connecting.happy_eyeballs_delay(ms(10)).interleave(0)
    };
    assert_eq!(order(plain), "[::1]:1 [::2]:1 127.0.0.1:1");
    let v4 = |connecting: loopctl::CreateConnection| connecting.prefer(Family::Inet);
    assert_eq!(order(v4), "127.0.0.1:1 [::1]:1 [::2]:1");
}

#[test]
fn conn_01_ipv6_connects_too() {
    if !has_ipv6() {
        return;
    }
    let server = Server::at("[::1]:0");
    run(async |event_loop| {
        let host = Host::from("::1");
        let connecting = event_loop.create_connection(host, server.address().port());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
    });
}

/// Its second panic, in what the first one drops, would end the process.
#[test]
fn conn_a_listener_that_panics_hears_no_more() {
    let dead = Dead::new();
    let calls = Rc::new(Cell::new(0));
    let seen = Rc::clone(&calls);
    run(async |event_loop| {
        let reports = Reports::of(&event_loop);
        let connecting = event_loop.create_connection_to([dead.address()]).trace(move |_| {
            seen.set(seen.get() + 1);
            assert_eq!(seen.get(), 1, "the listener is broken");
        });
        drop(event_loop.create_task(async { connecting.open(Recorder::new).await.map(drop) }));
        until(&event_loop, || !reports.texts().is_empty()).await;
        assert!(reports.texts()[0].contains("the listener is broken"), "{:?}", reports.texts());
    });
    assert_eq!(calls.get(), 2);
}

/// The kernel puts another address in the place of an unspecified one.
#[test]
fn conn_the_peer_of_a_connection_to_an_unspecified_address_is_known() {
    let server = Server::new();
    let port = server.address().port();
    run(async |event_loop| {
        let anywhere: SocketAddr = ([0, 0, 0, 0], port).into();
        let connection =
            event_loop.create_connection_to([anywhere]).open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), server.address());
        let peer = server.accept().peer_addr().unwrap();
        assert_eq!(connection.transport.local_addr().unwrap(), peer);
    });
}
