//! The other ends: servers, addresses that refuse, addresses that never answer.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// A listener, and what is accepted from it by a blocking call.
pub(crate) struct Server(pub(crate) TcpListener);

impl Server {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        Self(loopctl::listen(address.parse().unwrap(), 1024).unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next connection, which must be there already. The stream blocks, but not for ever.
    pub(crate) fn accept(&self) -> TcpStream {
        let (stream, _) = self.0.accept().expect("someone has connected");
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Whether nobody has connected.
    pub(crate) fn is_lonely(&self) -> bool {
        matches!(self.0.accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// An address that never answers: its accept queue is full, so the kernel drops further SYNs.
pub(crate) struct Dead {
    listener: TcpListener,
    _filler: TcpStream,
}

impl Dead {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        let listener = loopctl::listen(address.parse().unwrap(), 0).unwrap();
        let _filler = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Self { listener, _filler }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Makes room in the queue: the next SYN that the client's kernel sends, a second after the first,
    /// gets through.
    pub(crate) fn revive(&self) {
        self.listener.accept().expect("the filler is there");
    }

    /// The connection that got through after [`revive`](Self::revive). It blocks.
    pub(crate) fn accept_revived(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().expect("someone got through");
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }
}

/// An address that refuses: its port is taken, so nobody else gets it, and nobody listens.
pub(crate) struct Refusing(Socket);

impl Refusing {
    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&address.into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().unwrap()
    }
}

/// Ends a connection with RST instead of FIN.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A new name for a Unix socket without a file. Such names are shared by all tests of this machine.
pub(crate) fn abstract_name() -> String {
    static NAMES: AtomicUsize = AtomicUsize::new(0);
    format!("loopctl-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

/// How many sockets of this machine wait for an answer from `address`.
pub(crate) fn syn_sent_to(address: SocketAddr) -> usize {
    const SYN_SENT: &str = "02";
    table(address).iter().filter(|state| *state == SYN_SENT).count()
}

/// The states, as the kernel numbers them, of all TCP sockets whose peer is `address`.
pub(crate) fn table(address: SocketAddr) -> Vec<String> {
    let path = if address.is_ipv6() { "/proc/net/tcp6" } else { "/proc/net/tcp" };
    let wanted = format!(":{:04X}", address.port());
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[2].ends_with(&wanted)).map(|row| row[3].to_owned()).collect()
}
