//! `create_datagram_endpoint`: addresses, options, and what is refused.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixDatagram;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loopctl::plan::Family;
use loopctl::{Address, ConnectError, DatagramProtocol, DatagramTransport, EventLoop, Phase};
use socket2::SockRef;

use crate::skip::has_localhost;
use crate::support::{abstract_name, descriptors, has_ipv6, in_child, run, until};

/// Writes down what it is told.
#[derive(Default)]
pub(crate) struct Diary {
    pub(crate) received: Vec<(Vec<u8>, Option<Address>)>,
    pub(crate) told: Vec<String>,
    transport: Option<DatagramTransport>,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn data(&self) -> Vec<Vec<u8>> {
        self.received.iter().map(|(data, _)| data.clone()).collect()
    }
}

impl DatagramProtocol for Diary {
    fn connection_made(&mut self, transport: &DatagramTransport) {
        self.transport = Some(transport.clone());
        self.told.push("made".to_owned());
    }

    fn datagram_received(&mut self, _: &DatagramTransport, data: &[u8], from: Option<&Address>) {
        self.received.push((data.to_owned(), from.cloned()));
    }

    fn error_received(&mut self, _: &DatagramTransport, error: std::io::Error) {
        self.told.push(format!("{:?}", error.kind()));
    }

    fn pause_writing(&mut self, _: &DatagramTransport) {
        self.told.push("pause".to_owned());
    }

    fn resume_writing(&mut self, _: &DatagramTransport) {
        self.told.push("resume".to_owned());
    }

    fn connection_lost(&mut self, error: Option<std::io::Error>) {
        self.told.push(format!("lost {:?}", error.map(|error| error.kind())));
    }
}

fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn inet(transport: &DatagramTransport) -> SocketAddr {
    transport.local_addr().and_then(Address::as_inet).unwrap()
}

fn said(error: &ConnectError) -> (ErrorKind, String) {
    (error.kind(), error.to_string())
}

#[test]
fn udp_01_a_local_address_receives_from_anyone() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local("127.0.0.1", 0);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let ((one, at_one), (other, at_other)) = (peer(), peer());
        one.send_to(b"one", inet(&endpoint.transport)).unwrap();
        other.send_to(b"other", inet(&endpoint.transport)).unwrap();
        until(&event_loop, || endpoint.with(|diary| diary.received.len()) == 2).await;
        let wanted =
            [(b"one".to_vec(), Some(at_one.into())), (b"other".to_vec(), Some(at_other.into()))];
        assert_eq!(endpoint.with(|diary| diary.received.clone()), wanted);
        endpoint.transport.send_to(b"answer", Some(&at_other.into())).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.recv_from(&mut buffer).unwrap(), (6, inet(&endpoint.transport)));
        assert_eq!(endpoint.transport.remote_addr(), None);
    });
}

#[test]
fn udp_01_a_family_is_enough() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().family(Family::Inet);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let (peer, address) = peer();
        endpoint.transport.send_to(b"hello", Some(&address.into())).unwrap();
        assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 5);
    });
}

#[test]
fn udp_01_neither_address_nor_family_is_refused() {
    let error = run(async |event_loop| {
        event_loop.create_datagram_endpoint().open(Diary::new).await.unwrap_err()
    });
    assert_eq!(said(&error), (ErrorKind::InvalidInput, "unexpected address family".to_owned()));
}

#[test]
fn udp_02_addresses_without_a_common_family_are_refused() {
    run(async |event_loop| {
        let nothing = (ErrorKind::InvalidInput, "can not get address information".to_owned());
        let mixed = event_loop.create_datagram_endpoint().local("127.0.0.1", 0).remote("::1", 9);
        assert_eq!(said(&mixed.open(Diary::new).await.unwrap_err()), nothing);
        let mixed = event_loop.create_datagram_endpoint().local_path("/x").remote("::1", 9);
        assert_eq!(said(&mixed.open(Diary::new).await.unwrap_err()), nothing);
        let address = "127.0.0.1:9".parse().unwrap();
        let mixed =
            event_loop.create_datagram_endpoint().family(Family::Inet6).remote_addr(address);
        assert_eq!(said(&mixed.open(Diary::new).await.unwrap_err()), nothing);
    });
}

/// The resolver says both families of `localhost`; the other side decides.
#[test]
fn udp_02_names_are_joined_by_family() {
    if !has_localhost() {
        return;
    }
    run(async |event_loop| {
        let (_peer, address) = peer();
        let endpoint =
            event_loop.create_datagram_endpoint().local("localhost", 0).remote_addr(address);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        assert!(inet(&endpoint.transport).is_ipv4());
        assert_eq!(endpoint.transport.remote_addr(), Some(&address.into()));
    });
}

#[test]
fn udp_04_every_pair_that_fails_is_told() {
    let (_taken, address) = peer();
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local_addr(address);
        let error = endpoint.open(Diary::new).await.unwrap_err();
        let [attempt] = error.attempts() else { panic!("{error}") };
        assert_eq!((attempt.phase, &attempt.address), (Phase::Bind, &address.into()));
        assert_eq!(attempt.error.kind(), ErrorKind::AddrInUse);
        // Nobody reaches a broadcast address without having been allowed to.
        let remote = "127.255.255.255:9".parse().unwrap();
        let endpoint = event_loop.create_datagram_endpoint().remote_addr(remote);
        let error = endpoint.open(Diary::new).await.unwrap_err();
        assert_eq!(error.attempts()[0].phase, Phase::Connect);
        assert_eq!(error.attempts()[0].address, remote.into());
    });
}

#[test]
fn udp_04_the_first_pair_that_works_is_taken() {
    if !has_localhost() {
        return;
    }
    if !has_ipv6() {
        return;
    }
    run(async |event_loop| {
        // The port is taken in one family of `localhost`, whichever the resolver says first.
        let taken = UdpSocket::bind("[::1]:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let endpoint = event_loop.create_datagram_endpoint().local("localhost", port);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        assert_eq!(inet(&endpoint.transport), SocketAddr::from(([127, 0, 0, 1], port)));
    });
}

#[test]
fn udp_05_a_remote_address_connects_the_socket() {
    run(async |event_loop| {
        let (peer, address) = peer();
        let endpoint = event_loop.create_datagram_endpoint().remote("127.0.0.1", address.port());
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        endpoint.transport.send_to(b"question", None).unwrap();
        let (_, from) = peer.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(from, inet(&endpoint.transport));
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"not for us", from).unwrap();
        peer.send_to(b"answer", from).unwrap();
        until(&event_loop, || endpoint.with(|diary| !diary.received.is_empty())).await;
        assert_eq!(endpoint.with(|diary| diary.data()), [b"answer"]);
    });
}

#[test]
fn udp_05_where_broadcast_is_allowed_the_socket_is_not_connected() {
    run(async |event_loop| {
        let (peer, address) = peer();
        let endpoint =
            event_loop.create_datagram_endpoint().local("127.0.0.1", 0).remote_addr(address);
        let endpoint = endpoint.allow_broadcast(true).open(Diary::new).await.unwrap();
        endpoint.transport.send_to(b"to the remote one", None).unwrap();
        let (_, from) = peer.recv_from(&mut [0; 32]).unwrap();
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(b"from elsewhere", from).unwrap();
        until(&event_loop, || endpoint.with(|diary| !diary.received.is_empty())).await;
        assert_eq!(endpoint.with(|diary| diary.data()), [b"from elsewhere"]);
    });
}

#[test]
fn udp_06_an_endpoint_with_a_remote_address_sends_nowhere_else() {
    run(async |event_loop| {
        let ((peer, address), (_other, elsewhere)) = (peer(), peer());
        for broadcast in [false, true] {
            let endpoint = event_loop.create_datagram_endpoint().remote_addr(address);
            let endpoint = endpoint.allow_broadcast(broadcast).open(Diary::new).await.unwrap();
            let refused = endpoint.transport.send_to(b"x", Some(&elsewhere.into())).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput);
            assert_eq!(refused.to_string(), format!("Invalid address: must be None or {address}"));
            endpoint.transport.send_to(b"same", Some(&address.into())).unwrap();
            assert_eq!(peer.recv(&mut [0; 16]).unwrap(), 4);
        }
        let endpoint =
            event_loop.create_datagram_endpoint().family(Family::Inet).open(Diary::new).await;
        let nowhere = endpoint.unwrap().transport.send_to(b"x", None).unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn udp_07_nobody_else_may_bind_our_address() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local("127.0.0.1", 0);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let thief =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
        thief.set_reuse_address(true).unwrap();
        let error = thief.bind(&inet(&endpoint.transport).into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn udp_08_a_port_is_shared_only_when_asked() {
    run(async |event_loop| {
        let open = async |local, reuse| {
            let endpoint =
                event_loop.create_datagram_endpoint().local_addr(local).reuse_port(reuse);
            endpoint.open(Diary::new).await
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let first = open(any, true).await.unwrap();
        let second = open(inet(&first.transport), true).await.unwrap();
        assert_eq!(inet(&first.transport), inet(&second.transport));
        let alone = open(any, false).await.unwrap();
        let error = open(inet(&alone.transport), true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn udp_09_an_existing_socket_is_taken_as_it_is() {
    run(async |event_loop| {
        let ((ours, at_ours), (theirs, _)) = (peer(), peer());
        let endpoint =
            event_loop.create_datagram_endpoint().socket(ours).open(Diary::new).await.unwrap();
        theirs.send_to(b"hello", at_ours).unwrap();
        until(&event_loop, || endpoint.with(|diary| diary.data() == [b"hello"])).await;
        assert_eq!(inet(&endpoint.transport), at_ours);
    });
}

#[test]
fn udp_09_settings_besides_a_socket_are_refused_by_name() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().socket(peer().0).reuse_port(true);
        let error = endpoint.local("127.0.0.1", 0).protocol(17).open(Diary::new).await.unwrap_err();
        let text = "socket modifier keyword arguments can not be used when sock is specified. \
                    (local_addr, proto, reuse_port)";
        assert_eq!(said(&error), (ErrorKind::InvalidInput, text.to_owned()));
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = event_loop
            .create_datagram_endpoint()
            .socket(stream)
            .open(Diary::new)
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with("A datagram socket was expected, got "), "{error}");
    });
}

#[test]
fn udp_10_no_failure_leaves_a_descriptor() {
    in_child("datagram::udp_10_no_failure_leaves_a_descriptor", || {
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let (_taken, address) = peer();
        let before = descriptors();
        let failing = [
            handle.create_datagram_endpoint().local_addr(address),
            handle.create_datagram_endpoint().remote_addr("127.255.255.255:9".parse().unwrap()),
            handle.create_datagram_endpoint().socket(TcpListener::bind("127.0.0.1:0").unwrap()),
            handle.create_datagram_endpoint().socket(peer().0).reuse_port(true),
        ];
        for failing in failing {
            event_loop.run_until_complete(failing.open(Diary::new)).unwrap().unwrap_err();
        }
        let opening = handle.create_datagram_endpoint().family(Family::Inet);
        let opening = opening.open(|| -> Diary { panic!("no protocol today") });
        catch_unwind(AssertUnwindSafe(|| event_loop.run_until_complete(opening))).unwrap_err();
        assert_eq!(descriptors(), before);
        // Nor does closing the loop, whatever its protocols hold.
        let opening = handle.create_datagram_endpoint().family(Family::Inet).open(Diary::new);
        let endpoint = event_loop.run_until_complete(opening).unwrap().unwrap();
        assert_eq!(descriptors(), before + 1);
        event_loop.close();
        assert_eq!(descriptors(), before);
        assert!(endpoint.transport.is_closing());
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made"], "nobody is told");
    });
}

#[test]
fn udp_11_a_stale_socket_file_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, theirs) = (directory.path().join("ours"), directory.path().join("theirs"));
    drop(UnixDatagram::bind(&ours).unwrap());
    let peer = UnixDatagram::bind(&theirs).unwrap();
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local_path(&ours).remote_path(&theirs);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        endpoint.transport.send_to(b"hello", None).unwrap();
        let mut buffer = [0; 16];
        let (count, from) = peer.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..count], from.as_pathname()), (&b"hello"[..], Some(&*ours)));
        peer.send_to(b"answer", &ours).unwrap();
        until(&event_loop, || endpoint.with(|diary| !diary.received.is_empty())).await;
        let wanted = [(b"answer".to_vec(), Some(Address::Unix(theirs.clone())))];
        assert_eq!(endpoint.with(|diary| diary.received.clone()), wanted);
    });
    // What is no socket is nobody's to remove.
    std::fs::remove_file(&ours).unwrap();
    std::fs::write(&ours, "precious").unwrap();
    let error = run(async |event_loop| {
        event_loop.create_datagram_endpoint().local_path(&ours).open(Diary::new).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&ours).unwrap(), "precious");
}

#[test]
fn udp_11_abstract_names_are_kept() {
    let name = abstract_name();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local_path(format!("\0{name}"));
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let wanted = Address::Unix(format!("\0{name}").into());
        assert_eq!(endpoint.transport.local_addr(), Some(&wanted));
        let peer = event_loop.create_datagram_endpoint().local_path(format!("\0{name}-peer"));
        let peer = peer.open(Diary::new).await.unwrap();
        peer.transport.send_to(b"hello", Some(&wanted)).unwrap();
        UnixDatagram::unbound().unwrap().send_to_addr(b"unnamed", &address).unwrap();
        until(&event_loop, || endpoint.with(|diary| diary.received.len()) == 2).await;
        let from: Vec<_> =
            endpoint.with(|diary| diary.received.iter().map(|it| it.1.clone()).collect());
        // UDP-20: who has no name has no address.
        assert_eq!(from, [Some(Address::Unix(format!("\0{name}-peer").into())), None]);
    });
}

#[test]
fn udp_12_icmp_is_an_error_received_and_the_endpoint_lives() {
    run(async |event_loop| {
        let (closed, address) = peer();
        drop(closed);
        let endpoint = event_loop.create_datagram_endpoint().remote_addr(address);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        endpoint.transport.send_to(b"anyone?", None).unwrap();
        let refused = |diary: &mut Diary| diary.told == ["made", "ConnectionRefused"];
        until(&event_loop, || endpoint.with(refused)).await;
        assert!(!endpoint.transport.is_closing());
        let back = UdpSocket::bind(address).unwrap();
        endpoint.transport.send_to(b"now", None).unwrap();
        assert_eq!(back.recv(&mut [0; 16]).unwrap(), 3);
    });
}

#[test]
fn udp_12_an_error_of_sending_is_told_from_the_queue() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().family(Family::Inet);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let to = Address::from(peer().1);
        endpoint.transport.send_to(&vec![0; 70_000], Some(&to)).unwrap();
        assert_eq!(endpoint.with(|diary| diary.told.len()), 1, "not from inside the call");
        until(&event_loop, || endpoint.with(|diary| diary.told.len()) == 2).await;
        assert!(!endpoint.transport.is_closing());
    });
}

#[test]
fn udp_13_empty_datagrams_are_sent_and_received() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().local("127.0.0.1", 0);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        let (peer, address) = peer();
        endpoint.transport.send_to(b"", Some(&address.into())).unwrap();
        let (count, from) = peer.recv_from(&mut [1; 16]).unwrap();
        assert_eq!(count, 0);
        peer.send_to(b"", from).unwrap();
        peer.send_to(b"next", from).unwrap();
        until(&event_loop, || endpoint.with(|diary| diary.received.len()) == 2).await;
        assert_eq!(endpoint.with(|diary| diary.data()), [&b""[..], b"next"]);
    });
}

#[test]
fn udp_19_an_address_of_another_family_is_refused() {
    run(async |event_loop| {
        let endpoint = event_loop.create_datagram_endpoint().family(Family::Inet);
        let endpoint = endpoint.open(Diary::new).await.unwrap();
        for to in
            [Address::from("[::1]:9".parse::<SocketAddr>().unwrap()), Address::Unix("/x".into())]
        {
            let error = endpoint.transport.send_to(b"x", Some(&to)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        }
        assert_eq!(endpoint.with(|diary| diary.told.clone()), ["made"]);
    });
}

#[test]
fn udp_20_unnamed_sockets_have_no_addresses() {
    run(async |event_loop| {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let endpoint =
            event_loop.create_datagram_endpoint().socket(ours).open(Diary::new).await.unwrap();
        theirs.send(b"hello").unwrap();
        until(&event_loop, || endpoint.with(|diary| diary.received == [(b"hello".to_vec(), None)]))
            .await;
        endpoint.transport.send_to(b"answer", None).unwrap();
        assert_eq!(theirs.recv(&mut [0; 16]).unwrap(), 6);
        assert_eq!(
            (endpoint.transport.local_addr(), endpoint.transport.remote_addr()),
            (None, None)
        );
        assert!(SockRef::from(&theirs).peer_addr().is_ok());
    });
}
