//! Socket or connection that carries one query to one server.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use rustix::net::{RecvFlags, SendFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::message::Sent;
use super::{DnsServer, https};
use crate::event_loop::{Interest, LoopHandle};
use crate::net::CreateConnection;
use crate::net::socket::readiness::FdReadiness;
use crate::plan::DnsTransport;

/// Maximum size of a datagram, in bytes.
const MAX_DATAGRAM: usize = 65_535;

thread_local! {
    /// Receive buffer of the thread, shared because thousands of queries may run.
    static RECEIVE_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_DATAGRAM]);
}

/// Connected UDP socket of one query to one server. The kernel drops datagrams from elsewhere and picks a random port
/// (RFC 5452). Fields drop in order: the watch goes before its socket.
pub(super) struct DatagramChannel {
    ready: FdReadiness,
    socket: Socket,
    pub(super) sent: Sent,
}

impl DatagramChannel {
    /// Opens a socket to the first address that has a route.
    pub(super) fn open(
        event_loop: &LoopHandle,
        server: &[SocketAddr],
        sent: Sent,
    ) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in server {
            match connected(*address) {
                Ok(socket) => {
                    let ready = FdReadiness::new(event_loop, &socket, Interest::Readable)?;
                    return Ok(Self { ready, socket, sent });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn send(&self) -> io::Result<()> {
        rustix::net::send(&self.socket, &self.sent.bytes, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Next datagram.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        loop {
            let received = RECEIVE_BUFFER.with_borrow_mut(|buffer| {
                let (count, _) =
                    rustix::net::recv(&self.socket, buffer.as_mut_slice(), RecvFlags::empty())?;
                Ok(buffer[..count].to_vec())
            });
            match received {
                Err(rustix::io::Errno::AGAIN) if self.ready.poll(cx).is_pending() => {
                    return Poll::Pending;
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                received => return Poll::Ready(received.map_err(io::Error::from)),
            }
        }
    }
}

fn connected(to: SocketAddr) -> io::Result<Socket> {
    let socket =
        Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    socket.connect(&to.into())?;
    Ok(socket)
}

/// Connection of one query to one server, with TLS if required.
pub(super) struct StreamChannel {
    asking: Pin<Box<dyn Future<Output = io::Result<Vec<u8>>>>>,
    pub(super) sent: Rc<Sent>,
    /// Time when the query was sent.
    pub(super) since: Rc<Cell<Option<Instant>>>,
}

impl StreamChannel {
    /// Starts connecting. `connected` is called when the connection is established.
    pub(super) fn open(
        event_loop: &LoopHandle,
        connecting: CreateConnection,
        server: &DnsServer,
        sent: Sent,
        connected: impl FnOnce(Instant) + 'static,
    ) -> Self {
        let (sent, since) = (Rc::new(sent), Rc::new(Cell::new(None)));
        let (event_loop, question, began) =
            (event_loop.clone(), Rc::clone(&sent), Rc::clone(&since));
        let connected = move || {
            began.set(Some(event_loop.time()));
            connected(event_loop.time());
        };
        let is_https = server.transport() == DnsTransport::Https;
        let request = is_https.then(|| https::request(server, &question.bytes));
        let asking = Box::pin(ask(connecting, request, question, connected));
        Self { asking, sent, since }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        self.asking.as_mut().poll(cx)
    }
}

/// Sends the query and reads the answer. Messages have a length prefix (RFC 1035 section 4.2.2). The connection
/// closes when both of its ends are dropped.
async fn ask(
    connecting: CreateConnection,
    request: Option<Vec<u8>>,
    sent: Rc<Sent>,
    connected: impl FnOnce(),
) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = connecting.open_stream().await?;
    connected();
    if let Some(request) = request {
        writer.write_all(&request).await?;
        return https::response(&mut reader).await;
    }
    let length = u16::try_from(sent.bytes.len()).map_err(io::Error::other)?;
    writer.write_all(&[&length.to_be_bytes(), sent.bytes.as_slice()].concat()).await?;
    let length = reader.read_exactly(2).await?;
    let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    Ok(reader.read_exactly(length).await?)
}
