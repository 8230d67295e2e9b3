//! Local addresses: which are tried, and what is told of those that cannot be had.

use std::io::ErrorKind;
use std::net::SocketAddr;

use loopctl::{AttemptError, Phase};

use crate::support::{Outcome, Recorder, Server, Trace, has_ipv6, run};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The local address of a connection made from the first of these that can be had.
fn connect_from(local: &[SocketAddr], to: SocketAddr) -> Result<SocketAddr, AttemptError> {
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([to]);
        let connecting = local.iter().fold(connecting, |it, local| it.local_addr(*local));
        match connecting.open(Recorder::new).await {
            Ok(connection) => Ok(connection.transport.local_addr().unwrap()),
            Err(loopctl::ConnectError::Attempts(mut attempts)) => Err(attempts.remove(0)),
            Err(other) => panic!("{other:?}"),
        }
    })
}

#[test]
fn conn_13_a_connection_comes_from_its_local_address() {
    let server = Server::new();
    let local = connect_from(&[address("127.0.0.9:0")], server.address()).unwrap();
    assert_eq!(local.ip(), address("127.0.0.9:0").ip());
    assert_eq!(server.accept().peer_addr().unwrap(), local);
}

#[test]
fn conn_13_the_next_local_address_is_tried() {
    let (server, taken) = (Server::new(), Server::at("127.0.0.8:0"));
    let choice = [taken.address(), address("127.0.0.9:0")];
    let local = connect_from(&choice, server.address()).unwrap();
    assert_eq!(local.ip(), choice[1].ip());
}

#[test]
fn conn_13_a_bind_error_names_the_local_address() {
    let (server, taken) = (Server::new(), Server::at("127.0.0.8:0"));
    let error = connect_from(&[taken.address()], server.address()).unwrap_err();
    assert_eq!((error.phase, error.error.kind()), (Phase::Bind, ErrorKind::AddrInUse));
    let taken = taken.address();
    let text = format!("error while attempting to bind on address {taken}: Address already in use");
    assert!(error.error.to_string().starts_with(&text), "{error}");
    assert!(server.is_lonely(), "nothing was sent");
}

#[test]
fn conn_14_local_addresses_of_another_family_are_passed_over() {
    let server = Server::new();
    let choice = [address("[::1]:0"), address("127.0.0.9:0")];
    let local = connect_from(&choice, server.address()).unwrap();
    assert_eq!(local.ip(), choice[1].ip());
}

#[test]
fn conn_14_no_local_address_of_the_family_is_an_error() {
    let server = Server::new();
    let error = connect_from(&[address("[::1]:0")], server.address()).unwrap_err();
    assert_eq!(error.phase, Phase::Bind);
    assert_eq!(error.error.to_string(), "no matching local address with family=IPv4 found");
}

#[test]
fn conn_14_the_family_is_that_of_each_remote_address() {
    if !has_ipv6() {
        return;
    }
    let (six, four) = (Server::at("[::1]:0"), Server::new());
    let trace = Trace::new();
    run(async |event_loop| {
        let connecting = event_loop.create_connection_to([six.address(), four.address()]);
        let connecting = connecting.local_addr(address("127.0.0.9:0")).trace(trace.listener());
        let connection = connecting.open(Recorder::new).await.unwrap();
        assert_eq!(connection.transport.peer_addr().unwrap(), four.address());
    });
    trace.check();
    let wanted = [(0, Outcome::Failed(Phase::Bind)), (1, Outcome::Succeeded)];
    assert_eq!(trace.outcomes(), wanted);
}

#[test]
fn conn_15_every_bind_error_is_kept_once() {
    let server = Server::new();
    let (one, two) = (Server::at("127.0.0.8:0"), Server::at("127.0.0.9:0"));
    let error = connect_from(&[one.address(), two.address()], server.address()).unwrap_err();
    let text = error.error.to_string();
    assert_eq!(text.matches("error while attempting to bind").count(), 2, "{text}");
    for taken in [one.address(), two.address()] {
        assert_eq!(text.matches(&taken.to_string()).count(), 1, "{text}");
    }
    assert_eq!((error.phase, error.error.kind()), (Phase::Bind, ErrorKind::AddrInUse));
}
