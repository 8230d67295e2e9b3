//! `sock_*`: operations on sockets of one's own.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use loopctl::LoopHandle;
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{
    Dead, Recorder, Refusing, Seen, Server, in_child, ms, pattern, reset, run, turns, until,
};

fn pair() -> (Rc<UnixStream>, Rc<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Rc::new(ours), Rc::new(theirs))
}

fn tcp_socket() -> Rc<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    Rc::new(socket)
}

async fn receive(event_loop: LoopHandle, socket: Rc<UnixStream>) -> Vec<u8> {
    let mut buffer = [0; 64];
    let count = event_loop.sock_recv(&*socket, &mut buffer).await.unwrap();
    buffer[..count].to_vec()
}

/// No turn of the loop is needed for what is there already: the first step has the answer.
#[test]
fn sock_01_what_is_ready_needs_no_waiting() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        (&*theirs).write_all(b"there").unwrap();
        let mut buffer = [0; 8];
        let mut receiving = Box::pin(event_loop.sock_recv(&*ours, &mut buffer));
        assert!(matches!(crate::support::step(&mut receiving), std::task::Poll::Ready(Ok(5))));
        let mut sending = Box::pin(event_loop.sock_sendall(&*ours, b"at once"));
        assert!(crate::support::step(&mut sending).is_ready());
    });
}

#[test]
fn sock_01_what_is_not_ready_is_waited_for() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        let task = event_loop.create_task(receive(event_loop.clone(), ours));
        turns(&event_loop, 3).await;
        assert!(!task.is_finished());
        (&*theirs).write_all(b"later").unwrap();
        assert_eq!(task.await.unwrap(), b"later");
    });
}

#[test]
fn sock_01_the_end_of_the_stream_is_zero() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        let task = event_loop.create_task(receive(event_loop.clone(), ours));
        turns(&event_loop, 2).await;
        drop(theirs);
        assert_eq!(task.await.unwrap(), b"");
    });
}

/// The second reader gets the data; the cancelled one neither takes it nor ends the second's watch.
#[test]
fn sock_03_a_cancelled_receive_takes_nothing_from_the_next() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        let first = event_loop.create_task(receive(event_loop.clone(), Rc::clone(&ours)));
        turns(&event_loop, 2).await;
        first.cancel();
        let second = event_loop.create_task(receive(event_loop.clone(), Rc::clone(&ours)));
        turns(&event_loop, 2).await;
        assert!(first.is_finished() && !second.is_finished());
        (&*theirs).write_all(b"for the second").unwrap();
        assert_eq!(second.await.unwrap(), b"for the second");
    });
}

/// Data and cancellation in the same turn: what was not received stays in the socket.
#[test]
fn sock_03_a_receive_cancelled_when_ready_leaves_the_data() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        let first = event_loop.create_task(receive(event_loop.clone(), Rc::clone(&ours)));
        turns(&event_loop, 2).await;
        (&*theirs).write_all(b"precious").unwrap();
        first.cancel();
        assert!(first.await.is_err());
        assert_eq!(receive(event_loop.clone(), ours).await, b"precious");
    });
}

#[test]
fn sock_03_a_cancelled_send_takes_nothing_from_the_next() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        while (&*ours).write(&[0; 4096]).is_ok() {}
        let send = |text: &'static [u8]| {
            let (event_loop, ours) = (event_loop.clone(), Rc::clone(&ours));
            event_loop
                .clone()
                .create_task(async move { event_loop.sock_sendall(&*ours, text).await })
        };
        let first = send(b"first");
        turns(&event_loop, 2).await;
        first.cancel();
        let second = send(b"second");
        turns(&event_loop, 2).await;
        assert!(first.is_finished() && !second.is_finished());
        let mut drained = Vec::new();
        while !second.is_finished() {
            drained.extend(receive(event_loop.clone(), Rc::clone(&theirs)).await);
        }
        second.await.unwrap().unwrap();
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        (&*theirs).read_to_end(&mut drained).unwrap();
        assert!(drained.ends_with(b"\0second"), "{:?}", &drained[drained.len() - 12..]);
    });
}

/// The first connect is still under way in the kernel when the second begins on the same socket.
#[test]
fn sock_04_a_cancelled_connect_can_be_retried() {
    let dead = Dead::new();
    run(async |event_loop| {
        let socket = tcp_socket();
        let connect = || {
            let (event_loop, socket, to) = (event_loop.clone(), Rc::clone(&socket), dead.address());
            event_loop
                .clone()
                .create_task(async move { event_loop.sock_connect(&*socket, to).await })
        };
        let first = connect();
        turns(&event_loop, 2).await;
        first.cancel();
        assert!(first.await.is_err());
        let second = connect();
        turns(&event_loop, 2).await;
        assert!(!second.is_finished(), "{second:?}");
        dead.revive();
        second.await.unwrap().unwrap();
        let peer = socket.peer_addr().unwrap().as_socket();
        assert_eq!(peer, Some(dead.address()));
    });
}

#[test]
fn sock_05_everything_is_sent() {
    let server = Server::new();
    let whole = pattern(16 << 20);
    let expected = whole.clone();
    run(async |event_loop| {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut peer = server.accept();
        let read = event_loop.run_in_executor(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all == expected)
        });
        event_loop.sock_sendall(&stream, &whole).await.unwrap();
        drop(stream);
        assert!(read.await.unwrap().unwrap());
    });
}

#[test]
fn sock_05_sending_everything_can_be_cancelled() {
    let server = Server::new();
    run(async |event_loop| {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let (inside, stream) = (event_loop.clone(), Rc::new(stream));
        let copy = Rc::clone(&stream);
        let whole = pattern(50 << 20);
        let task = event_loop.create_task(async move { inside.sock_sendall(&*copy, &whole).await });
        turns(&event_loop, 20).await;
        assert!(!task.is_finished(), "nobody reads");
        task.cancel();
        assert!(task.await.is_err());
        assert_eq!(Rc::strong_count(&stream), 1, "the future is gone, and what it held");
    });
}

#[test]
fn sock_05_a_peer_that_is_gone_is_an_error() {
    let server = Server::new();
    run(async |event_loop| {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        reset(server.accept());
        let error = event_loop.sock_sendall(&stream, &pattern(16 << 20)).await.unwrap_err();
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error:?}");
    });
}

#[test]
fn sock_06_accept_gives_a_stream_that_does_not_block_and_its_peer() {
    let server = Server::new();
    run(async |event_loop| {
        let client = TcpStream::connect(server.address()).unwrap();
        let (mut stream, peer) = event_loop.sock_accept(&server.0).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(stream.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// B16. The connection arrives and the accept is cancelled before its task has run again.
#[test]
fn sock_07_an_accept_cancelled_when_ready_loses_no_connection() {
    let server = Rc::new(Server::new());
    run(async |event_loop| {
        let (inside, listener) = (event_loop.clone(), Rc::clone(&server));
        let accepting =
            event_loop.create_task(async move { inside.sock_accept(&listener.0).await.map(drop) });
        turns(&event_loop, 2).await;
        let client = TcpStream::connect(server.address()).unwrap();
        accepting.cancel();
        assert!(accepting.await.is_err());
        let (_, peer) = event_loop.sock_accept(&server.0).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn sock_08_a_refused_connect_says_so() {
    let refusing = Refusing::new();
    run(async |event_loop| {
        let error = event_loop.sock_connect(&*tcp_socket(), refusing.address()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    });
}

/// Refused by an answer to a repeated SYN, and told from `SO_ERROR`, which only one of two waiters can
/// read. The other must not take the missing error for a connection.
#[test]
fn sock_09_writable_is_not_connected() {
    run(async |event_loop| {
        let (dead, socket) = (Dead::new(), tcp_socket());
        let to = dead.address();
        let connect = || {
            let (event_loop, socket) = (event_loop.clone(), Rc::clone(&socket));
            event_loop
                .clone()
                .create_task(async move { event_loop.sock_connect(&*socket, to).await })
        };
        let (first, second) = (connect(), connect());
        turns(&event_loop, 3).await;
        drop(dead);
        let first = first.await.unwrap().unwrap_err();
        assert_eq!(first.kind(), ErrorKind::ConnectionRefused);
        assert!(second.await.unwrap().is_err(), "there is no connection");
    });
}

#[test]
fn sock_09_a_connect_that_takes_a_while() {
    let dead = Rc::new(Dead::new());
    run(async |event_loop| {
        let late = Rc::clone(&dead);
        event_loop.call_later(ms(20), move || late.revive());
        let (socket, began) = (tcp_socket(), event_loop.time());
        event_loop.sock_connect(&*socket, dead.address()).await.unwrap();
        assert!(event_loop.time() - began >= ms(900), "the first SYN was dropped");
        assert!(socket.peer_addr().is_ok());
    });
}

#[test]
fn sock_11_datagrams_go_and_come_with_their_sender() {
    run(async |event_loop| {
        let sockets: [UdpSocket; 2] =
            std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        sockets.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        let addresses = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
        let mut buffer = [0; 4];
        {
            let mut receiving = Box::pin(event_loop.sock_recvfrom(&sockets[1], &mut buffer));
            assert!(crate::support::step(&mut receiving).is_pending());
            event_loop.sock_sendto(&sockets[0], b"hi", addresses[1]).await.unwrap();
            assert_eq!(receiving.await.unwrap(), (2, addresses[0]));
        }
        // SOCK-10: what is longer than the buffer is cut off, and nothing is written beyond it.
        event_loop.sock_sendto(&sockets[0], b"too long", addresses[1]).await.unwrap();
        let received = event_loop.sock_recvfrom(&sockets[1], &mut buffer).await.unwrap();
        assert_eq!((received, &buffer), ((4, addresses[0]), b"too "));
        // An empty datagram is a datagram.
        event_loop.sock_sendto(&sockets[0], b"", addresses[1]).await.unwrap();
        assert_eq!(event_loop.sock_recvfrom(&sockets[1], &mut buffer).await.unwrap().0, 0);
    });
}

#[test]
fn sock_17_shutting_a_socket_down_ends_the_receive() {
    run(async |event_loop| {
        let (ours, _theirs) = pair();
        let task = event_loop.create_task(receive(event_loop.clone(), Rc::clone(&ours)));
        turns(&event_loop, 2).await;
        SockRef::from(&*ours).shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(task.await.unwrap(), b"");
    });
}

/// Two directions of one socket at the same time, each with a watch of its own.
#[test]
fn sock_12_a_receive_and_a_send_do_not_disturb_each_other() {
    run(async |event_loop| {
        let (ours, theirs) = pair();
        while (&*ours).write(&[0; 4096]).is_ok() {}
        let receiving = event_loop.create_task(receive(event_loop.clone(), Rc::clone(&ours)));
        let (inside, copy) = (event_loop.clone(), Rc::clone(&ours));
        let sending =
            event_loop.create_task(async move { inside.sock_sendall(&*copy, b"x").await });
        turns(&event_loop, 2).await;
        assert!(!receiving.is_finished() && !sending.is_finished());
        sending.cancel();
        turns(&event_loop, 2).await;
        (&*theirs).write_all(b"answer").unwrap();
        assert_eq!(receiving.await.unwrap(), b"answer");
        until(&event_loop, || sending.is_finished()).await;
    });
}

/// Programs that end with SIGPIPE, as filters should, must not end by a peer that hangs up.
#[test]
fn sock_a_peer_that_is_gone_is_an_error_and_not_a_signal() {
    in_child("sock::sock_a_peer_that_is_gone_is_an_error_and_not_a_signal", || {
        const SIGPIPE: i32 = 13;
        let yes = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(SIGPIPE, yes).unwrap();
        run(async |event_loop| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            drop(theirs);
            let error = event_loop.sock_sendall(&ours, b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            let connection =
                event_loop.create_connection_on(ours).open(Recorder::new).await.unwrap();
            let _ = connection.transport.write(b"x");
            connection.transport.wait_closed().await;
            let lost = connection.with(|recorder| recorder.seen.last().cloned());
            assert_eq!(lost, Some(Seen::Lost(Some(ErrorKind::BrokenPipe))));
        });
    });
}

/// A socket in blocking mode, which `std` makes by default, must not stop the other tasks.
#[test]
fn dbg_13_blocking_sockets_do_not_block_the_loop() {
    run(async |event_loop| {
        let ticks = Rc::new(std::cell::Cell::new(0));
        let (count, ticking) = (Rc::clone(&ticks), event_loop.clone());
        let ticker = event_loop.create_task(async move {
            loop {
                ticking.sleep(ms(1)).await;
                count.set(count.get() + 1);
            }
        });
        let ticker = ticker.cancel_on_drop();
        // Each operation waits, and must let the ticker run meanwhile.
        let waits =
            async |name: &str, operation: std::pin::Pin<Box<dyn Future<Output = ()> + '_>>| {
                let before = ticks.get();
                assert!(event_loop.timeout(ms(50), operation).await.is_err(), "{name} waits");
                assert!(ticks.get() > before, "{name} blocked the loop");
            };
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        waits("recv", Box::pin(async { _ = event_loop.sock_recv(&ours, &mut buffer).await })).await;
        let much = vec![0; 8 << 20];
        waits("sendall", Box::pin(async { _ = event_loop.sock_sendall(&ours, &much).await })).await;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        waits("accept", Box::pin(async { _ = event_loop.sock_accept(&listener).await })).await;
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let receiving = async { _ = event_loop.sock_recvfrom(&datagrams, &mut [0; 8]).await };
        waits("recvfrom", Box::pin(receiving)).await;
        let dead = Dead::new();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let connecting = async { _ = event_loop.sock_connect(&socket, dead.address()).await };
        waits("connect", Box::pin(connecting)).await;
        let file = std::fs::File::open("/dev/zero").unwrap();
        let file = loopctl::Sendfile::new(&file).count(std::num::NonZero::new(64 << 20).unwrap());
        let (client, _server) = (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), ());
        let sending = async { _ = event_loop.sock_sendfile(&client, file).await };
        waits("sendfile", Box::pin(sending)).await;
        let (full, _peer) = UnixStream::pair().unwrap();
        drop((full, ticker));
    });
}

/// The kernel refuses no datagram of this size at once, so a full buffer is made of many.
#[test]
fn dbg_13_a_blocking_datagram_socket_does_not_block_the_loop() {
    run(async |event_loop| {
        let (ours, _theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        // Not connected to an IP address, so the address is refused, but never waited for.
        let sent = event_loop.sock_sendto(&ours, b"x", ([127, 0, 0, 1], 9).into()).await;
        assert!(sent.is_err());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        assert_eq!(event_loop.sock_sendto(&socket, b"hello", to).await.unwrap(), 5);
    });
}
