//! Unix domain sockets.

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use loopctl::{Address, EventKind, Phase};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{Guests, Outcome, Recorder, Trace, abstract_name, run, until};

#[test]
fn unix_05_a_path_gives_a_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_unix_connection(&path).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"hello").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"hello")).await;
        let _ = connection.transport.write(b"answer");
        connection.transport.close();
        let mut text = String::new();
        connection.transport.wait_closed().await;
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
        assert_eq!(connection.transport.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
    });
    trace.check();
    let address = Address::Unix(path);
    assert!(trace.events().iter().any(|event| {
        matches!(&event.kind, EventKind::AttemptStarted { address: to, .. } if *to == address)
    }));
    let snapshot = trace.events().into_iter().find_map(|event| match event.kind {
        EventKind::AttemptSucceeded { snapshot, .. } => Some(snapshot),
        _ => None,
    });
    assert_eq!(snapshot, Some(loopctl::SocketSnapshot::default()), "no IP address, no TCP");
}

#[test]
fn unix_05_a_missing_path_is_not_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody");
    let trace = Trace::new();
    let error = run(async |event_loop| {
        let connecting = event_loop.create_unix_connection(&path).trace(trace.listener());
        connecting.open(Recorder::new).await.unwrap_err()
    });
    trace.check();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&format!("connect unix:{}", path.display())), "{error}");
    assert_eq!(trace.outcomes(), [(0, Outcome::Failed(Phase::Connect))]);
}

#[test]
fn unix_05_a_path_that_nobody_listens_on_refuses() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stale");
    drop(UnixListener::bind(&path).unwrap());
    let error =
        run(async |event_loop| event_loop.create_unix_connection(&path).open(Recorder::new).await);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn unix_04_an_abstract_address_needs_no_file() {
    let name = abstract_name();
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    run(async |event_loop| {
        let connecting = event_loop.create_unix_connection(format!("\0{name}"));
        let connection = connecting.open(Recorder::new).await.unwrap();
        listener.accept().unwrap().0.write_all(b"abstract").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.is_lost())).await;
        assert_eq!(connection.with(|recorder| recorder.data()), b"abstract");
    });
}

#[test]
fn unix_09_a_path_that_is_too_long_is_a_clear_error() {
    let path = format!("/tmp/{}", "x".repeat(200));
    let error =
        run(async |event_loop| event_loop.create_unix_connection(path).open(Recorder::new).await);
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind(), error.attempts()[0].phase),
        (ErrorKind::InvalidInput, Phase::Connect)
    );
}

#[test]
fn conn_04_a_unix_stream_is_a_stream() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    run(async |event_loop| {
        let connection = event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
        theirs.write_all(b"pair").unwrap();
        until(&event_loop, || connection.with(|recorder| recorder.data() == b"pair")).await;
        connection.transport.abort();
    });
}

/// A client with a name of its own: std has no way to bind and connect.
fn named_client(own: &Path, to: &Path) -> UnixStream {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.bind(&SockAddr::unix(own).unwrap()).unwrap();
    socket.connect(&SockAddr::unix(to).unwrap()).unwrap();
    socket.into()
}

/// A path that names no file.
fn hidden() -> PathBuf {
    format!("\0{}", abstract_name()).into()
}

fn listen_on(hidden: &Path) -> UnixListener {
    let name = &hidden.as_os_str().as_bytes()[1..];
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap()
}

#[test]
fn unix_names_trans_33_of_clients_are_known_also_after_the_end() {
    let (directory, name) = (tempfile::tempdir().unwrap(), abstract_name());
    let own = PathBuf::from(format!("\0{name}"));
    let path = directory.path().join("socket");
    run(async |event_loop| {
        let guests = Guests::new();
        let _server = event_loop.create_unix_server(&path).serve(guests.factory()).await.unwrap();
        let named = named_client(&own, &path);
        until(&event_loop, || guests.made() == 1).await;
        let unnamed = UnixStream::connect(&path).unwrap();
        until(&event_loop, || guests.made() == 2).await;
        let clients = guests.transports();
        let names = || -> Vec<_> { clients.iter().map(|it| (it.local(), it.peer())).collect() };
        let ours = Some(Address::Unix(path.clone()));
        let wanted = [(ours.clone(), Some(Address::Unix(own))), (ours, None)];
        assert_eq!(names(), wanted);
        let text = format!("{:?}", clients[0].socket());
        let pair = format!("unix:{} -> unix:@{name}", path.display());
        assert!(text.contains(&pair), "{text}");
        drop((named, unnamed));
        until(&event_loop, || guests.lost() == 2).await;
        assert_eq!(names(), wanted);
        let text = format!("{:?}", clients[1].socket());
        assert_eq!(text, format!("<SocketView closed unix:{} -> unnamed>", path.display()));
        assert_eq!(clients[0].peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(clients[0].local_addr().unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

/// The name is the server's own, as `getpeername` has it, whatever way led to it.
#[test]
fn unix_names_trans_33_of_servers_are_what_they_call_themselves() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("socket"), directory.path().join("link"));
    let listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let other = hidden();
    let listeners = (listener, listen_on(&other));
    run(async |event_loop| {
        let through_link =
            event_loop.create_unix_connection(&link).open(Recorder::new).await.unwrap();
        let to_hidden =
            event_loop.create_unix_connection(&other).open(Recorder::new).await.unwrap();
        let clients = [&through_link.transport, &to_hidden.transport];
        let names = || clients.map(|client| (client.local(), client.peer()));
        let wanted = [path.clone(), other.clone()].map(|name| (None, Some(Address::Unix(name))));
        assert_eq!(names(), wanted);
        drop(listeners);
        clients[0].wait_closed().await;
        clients[1].wait_closed().await;
        assert_eq!(names(), wanted);
    });
}

#[test]
fn unix_names_acc_01_of_sockets_that_others_made() {
    let (own, to) = (hidden(), hidden());
    let listener = listen_on(&to);
    let client = named_client(&own, &to);
    let (accepted, _) = listener.accept().unwrap();
    let (one, _other) = UnixStream::pair().unwrap();
    let [own, to] = [own, to].map(|name| Some(Address::Unix(name)));
    run(async |event_loop| {
        let server = event_loop.connect_accepted_socket(accepted, Recorder::new).unwrap().transport;
        assert_eq!((server.local(), server.peer()), (to.clone(), own.clone()));
        let client =
            event_loop.create_connection_on(client).open(Recorder::new).await.unwrap().transport;
        assert_eq!((client.local(), client.peer()), (own, to));
        let pair =
            event_loop.create_connection_on(one).open(Recorder::new).await.unwrap().transport;
        assert_eq!((pair.local(), pair.peer()), (None, None));
        let text = format!("{:?}", pair.socket());
        assert!(text.ends_with(" a connection without addresses>"), "{text}");
    });
}
