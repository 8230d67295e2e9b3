//! Interface of hickory's validator: its queries are queued, and answered by the loop.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_io::{AsyncRead, AsyncWrite};
use hickory_net::NetError;
use hickory_net::proto::op::{DnsRequest, DnsResponse, Query};
use hickory_net::runtime::{DnsTcpStream, DnsUdpSocket, RuntimeProvider, Spawn, Time};
use hickory_net::xfer::{DnsHandle, DnsResponseStream};

/// Query of hickory's, and the channel for its answer.
pub(super) struct PendingQuery {
    pub(super) query: Query,
    pub(super) reply: oneshot::Sender<Result<DnsResponse, NetError>>,
}

/// hickory requires [`Send`], although this never leaves the thread.
#[derive(Clone, Default)]
pub(super) struct QueryQueue(Arc<Mutex<Vec<PendingQuery>>>);

impl QueryQueue {
    /// Queries since the last call.
    pub(super) fn take(&self) -> Vec<PendingQuery> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DnsHandle for QueryQueue {
    type Response = DnsResponseStream;
    type Runtime = NoRuntime;

    fn send(&self, request: DnsRequest) -> DnsResponseStream {
        let Some(query) = request.queries.first().cloned() else {
            return NetError::from("no question").into();
        };
        let (reply, answer) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(PendingQuery { query, reply });
        let answer = async move { answer.await.unwrap_or(Err(NetError::Timeout)) };
        Box::pin(answer).into()
    }
}

/// Time for checking signatures, in seconds since 1970.
pub(super) fn now() -> u32 {
    // Signatures have the low 32 bits only (RFC 4034 section 3.1.5).
    <NoTimer as Time>::current_time() as u32
}

/// Runtime of hickory that opens no sockets and sets no timers; hickory reads only the time of day.
#[derive(Clone)]
pub(super) struct NoRuntime;

#[derive(Clone)]
pub(super) struct NoSpawn;

pub(super) struct NoTimer;

/// Socket type without a value.
pub(super) enum NoSocket {}

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

impl RuntimeProvider for NoRuntime {
    type Handle = NoSpawn;
    type Timer = NoTimer;
    type Udp = NoSocket;
    type Tcp = NoSocket;

    fn create_handle(&self) -> NoSpawn {
        NoSpawn
    }

    fn connect_tcp(
        &self,
        _: SocketAddr,
        _: Option<SocketAddr>,
        _: Option<Duration>,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<NoSocket>>>> {
        Box::pin(async { Err(unsupported()) })
    }

    fn bind_udp(
        &self,
        _: SocketAddr,
        _: SocketAddr,
    ) -> Pin<Box<dyn Send + Future<Output = io::Result<NoSocket>>>> {
        Box::pin(async { Err(unsupported()) })
    }
}

impl Spawn for NoSpawn {
    fn spawn_bg(&mut self, _: impl Future<Output = ()> + Send + 'static) {}
}

#[async_trait]
impl Time for NoTimer {
    async fn delay_for(_: Duration) {}

    async fn timeout<F: 'static + Future + Send>(_: Duration, future: F) -> io::Result<F::Output> {
        Ok(future.await)
    }
}

impl DnsUdpSocket for NoSocket {
    type Time = NoTimer;

    fn poll_recv_from(
        &self,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        match *self {}
    }

    fn poll_send_to(
        &self,
        _: &mut Context<'_>,
        _: &[u8],
        _: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }
}

impl DnsTcpStream for NoSocket {
    type Time = NoTimer;
}

impl AsyncRead for NoSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }
}

impl AsyncWrite for NoSocket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
