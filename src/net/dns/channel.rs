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

use super::DnsServer;
#[cfg(feature = "tls")]
use super::https::{self, http2};
use super::message::Sent;
use super::pipeline::{Ended, Pipeline};
use super::session::Slot;
use crate::event_loop::{Interest, LoopHandle};
use crate::net::socket::readiness::FdReadiness;
use crate::net::{CreateConnection, StreamError, StreamReader, StreamWriter};
#[cfg(feature = "tls")]
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

/// Query to one server over a connection, with TLS if required.
pub(super) struct StreamChannel {
    asking: Pin<Box<dyn Future<Output = io::Result<Vec<u8>>>>>,
    pub(super) sent: Rc<Sent>,
    /// Time when the query was sent.
    pub(super) since: Rc<Cell<Option<Instant>>>,
}

/// A query over a stream: where it goes, and how it gets there.
pub(super) struct StreamQuery {
    pub(super) event_loop: LoopHandle,
    /// Makes a connection to the server.
    pub(super) connect: Box<dyn Fn() -> io::Result<CreateConnection>>,
    pub(super) server: DnsServer,
    /// Connections that queries to this server share.
    pub(super) shared: Rc<SharedConnections>,
}

/// Connections to one server that queries share.
#[derive(Default)]
pub(super) struct SharedConnections {
    stream: Slot<Pipeline>,
    /// Whether the server closes each connection over TCP or TLS after one answer, so that none is shared.
    answers_once: Cell<bool>,
    #[cfg(feature = "tls")]
    https: Slot<http2::Sender>,
}

impl StreamChannel {
    /// Starts connecting. `connected` is called when the connection is established.
    pub(super) fn open(
        query: StreamQuery,
        sent: Sent,
        connected: impl FnOnce(Instant) + 'static,
    ) -> Self {
        let (sent, since) = (Rc::new(sent), Rc::new(Cell::new(None)));
        let (event_loop, question, began) =
            (query.event_loop.clone(), Rc::clone(&sent), Rc::clone(&since));
        let connected = move || {
            began.set(Some(event_loop.time()));
            connected(event_loop.time());
        };
        let asking = Box::pin(ask(query, question, connected));
        Self { asking, sent, since }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        self.asking.as_mut().poll(cx)
    }
}

async fn ask(query: StreamQuery, sent: Rc<Sent>, connected: impl FnOnce()) -> io::Result<Vec<u8>> {
    #[cfg(feature = "tls")]
    if query.server.transport() == DnsTransport::Https {
        return ask_https(query, &sent.bytes, connected).await;
    }
    ask_stream(query, &sent.bytes, connected).await
}

/// Asks over a connection that queries share, or over a new one. A server may close a connection at any time; what it
/// has not answered is asked again (RFC 7766 section 6.2.4).
async fn ask_stream(
    query: StreamQuery,
    message: &[u8],
    connected: impl FnOnce(),
) -> io::Result<Vec<u8>> {
    const MAX_CONNECTIONS: usize = 3;
    let StreamQuery { event_loop, connect, shared, .. } = query;
    let mut connected = Some(connected);
    for number in 1.. {
        let opening = open_pipeline(&event_loop, connect()?);
        let found = match shared.answers_once.get() {
            true => opening.await?.map(|pipeline| (pipeline, false)),
            false => shared.stream.get(Pipeline::is_usable, opening).await?,
        };
        let Some((pipeline, was_open)) = found else { break };
        connected.take().into_iter().for_each(|connected| connected());
        match pipeline.ask(message).await {
            Ok(answer) => return Ok(answer),
            Err(Ended { error, answered }) => {
                shared.answers_once.set(shared.answers_once.get() || answered == 1);
                shared.stream.clear(|open| !open.is_usable());
                if number == MAX_CONNECTIONS || (!was_open && answered == 0) {
                    return Err(error);
                }
            }
        }
    }
    Err(io::ErrorKind::NotConnected.into())
}

async fn open_pipeline(
    event_loop: &LoopHandle,
    connecting: CreateConnection,
) -> io::Result<Option<Pipeline>> {
    let (reader, writer) = connecting.open_stream().await?;
    Ok(Some(Pipeline::new(event_loop, reader, writer)))
}

/// Asks over HTTP/2 if the server chooses it (ALPN), and otherwise over HTTP/1.1. A shared connection that has ended
/// is replaced once.
#[cfg(feature = "tls")]
async fn ask_https(
    query: StreamQuery,
    message: &[u8],
    connected: impl FnOnce(),
) -> io::Result<Vec<u8>> {
    let StreamQuery { event_loop, connect, server, shared } = query;
    let mut connected = Some(connected);
    // A connection that was open before may have ended meanwhile.
    for is_last in [false, true] {
        let mut plain = None;
        let opened = open_https(&event_loop, connect()?, &mut plain);
        let found = shared.https.get(|sender| !sender.is_closed(), opened).await?;
        if let Some(connected) = connected.take() {
            connected();
        }
        if let Some((mut reader, mut writer)) = plain {
            return ask_http1(&mut reader, &mut writer, &server, message).await;
        }
        let Some((sender, was_open)) = found else { break };
        match http2::ask(sender, &server, message).await {
            Err(error) if was_open && !is_last && !https::NoMessage::is_within(&error) => {
                shared.https.clear(|_| true);
            }
            result => return result,
        }
    }
    Err(io::ErrorKind::NotConnected.into())
}

/// Both ends of a connection that is not shared.
#[cfg(feature = "tls")]
type Plain = Option<(StreamReader, StreamWriter)>;

#[cfg(feature = "tls")]
async fn open_https(
    event_loop: &LoopHandle,
    connecting: CreateConnection,
    plain: &mut Plain,
) -> io::Result<Option<http2::Sender>> {
    let (reader, writer) = connecting.open_stream().await?;
    let chosen = writer.transport().tls().and_then(|tls| tls.alpn);
    if chosen.as_deref() == Some(b"h2") {
        return http2::handshake(event_loop, reader, writer).await.map(Some);
    }
    *plain = Some((reader, writer));
    Ok(None)
}

#[cfg(feature = "tls")]
async fn ask_http1(
    reader: &mut StreamReader,
    writer: &mut StreamWriter,
    server: &DnsServer,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    writer.write_all(&https::request(server, message)).await?;
    https::response(reader).await
}

/// Error of a connection that ended before the answer.
pub(super) fn without_end(error: StreamError) -> io::Error {
    match error {
        StreamError::Incomplete { partial, .. } => {
            let text = if partial.is_empty() {
                "closed the connection without an answer"
            } else {
                "closed the connection in the middle of its answer"
            };
            io::Error::new(io::ErrorKind::UnexpectedEof, text)
        }
        error => error.into(),
    }
}
