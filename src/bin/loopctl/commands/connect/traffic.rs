//! The bytes of a relay, in both directions, at the speed of the slower side.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::select;
use loopctl::{LoopHandle, StreamReader, StreamWriter, Transport};

use crate::util::stdio::{Sink, Source};

/// Bytes received at a time.
const CHUNK: usize = 64 * 1024;

/// Maximum payload of a datagram: 64 KiB less the headers of IPv4 and UDP.
const MAX_DATAGRAM: usize = 65_507;

/// Timeout for sending the rest after the peer's end-of-file.
const LINGER: Duration = Duration::from_secs(5);

/// The time that the input may pause once the peer has sent its end. A file pauses only for the disk.
const PAUSE: Duration = Duration::from_millis(10);

/// The silence after the end of the input that ends a relay of datagrams, because datagrams have no end.
const SILENCE: Duration = Duration::from_millis(500);

/// The error of a relay that ended before both sides had ended.
#[derive(Debug)]
pub(super) enum TrafficError {
    Input(io::Error),
    Output(io::Error),
    Send(io::Error),
    Receive(io::Error),
    Idle(Duration),
}

/// The state of the direction from the input to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Open,
    Ended,
    /// The peer takes no more.
    Refused,
}

/// The counters that both directions of a relay share.
pub(super) struct Traffic {
    event_loop: LoopHandle,
    pub(super) started_at: Instant,
    pub(super) sent: Cell<u64>,
    pub(super) received: Cell<u64>,
    latest: Cell<Instant>,
    idle_timeout: Option<Duration>,
}

impl Traffic {
    pub(super) fn new(event_loop: &LoopHandle, idle_timeout: Option<Duration>) -> Self {
        let now = event_loop.time();
        let (sent, received, latest) = (Cell::new(0), Cell::new(0), Cell::new(now));
        Self {
            event_loop: event_loop.clone(),
            started_at: now,
            sent,
            received,
            latest,
            idle_timeout,
        }
    }

    /// Over a connection, until the peer's end has come, everything before it is written, and the input has
    /// nothing more to give just now.
    pub(super) async fn over_stream(
        &self,
        stream: (StreamReader, StreamWriter),
        source: Source,
        sink: &Sink,
    ) -> Result<(), TrafficError> {
        let (mut reader, mut writer) = stream;
        let transport = reader.transport().clone();
        let timeout = if source.is_file() { LINGER } else { PAUSE };
        let input = Cell::new(Input::Open);
        let mut outward = Box::pin(self.send_stream(&mut writer, source, &input));
        let inward = self.receive_stream(&mut reader, sink);
        let ended =
            async { select(outward.as_mut(), pin!(self.ends_early(sink))).await.factor_first().0 };
        match select(pin!(inward), pin!(ended)).await.factor_first().0 {
            Err(TrafficError::Receive(error)) if input.get() == Input::Refused => {
                return Err(TrafficError::Send(error));
            }
            ended => ended?,
        }
        let pause = async {
            self.pause(&input, &transport, timeout).await;
            Ok(())
        };
        select(outward.as_mut(), pin!(pause)).await.factor_first().0?;
        drop(outward);
        // A connection that broke under what we sent has lost some of it. Where both had said that they were
        // done, it may break.
        let has_lost = transport.is_closing() && input.get() == Input::Open && self.sent.get() > 0;
        // Flushes the write buffer.
        writer.close();
        if has_lost || input.get() == Input::Refused || transport.write_buffer_size() > 0 {
            self.send_rest(&writer).await.map_err(TrafficError::Send)?;
        }
        Ok(())
    }

    /// Sends the input to the peer. The receiving side ends the relay, because after a failed send there may still be
    /// bytes to read.
    async fn send_stream(
        &self,
        writer: &mut StreamWriter,
        mut source: Source,
        input: &Cell<Input>,
    ) -> Result<(), TrafficError> {
        loop {
            let bytes = source.read().await.map_err(TrafficError::Input)?;
            if bytes.is_empty() {
                writer.write_eof();
                input.set(Input::Ended);
                return pending().await;
            }
            if writer.write_all(&bytes).await.is_err() {
                input.set(Input::Refused);
                return pending().await;
            }
            self.count(&self.sent, bytes.len());
        }
    }

    /// The peer has sent its end. Most often it has closed; but it may have nothing to say and still listen,
    /// so what the input has ready is sent all the same. Ends when it pauses, or the peer takes nothing.
    async fn pause(&self, input: &Cell<Input>, transport: &Transport, timeout: Duration) {
        let mut quiet = Duration::ZERO;
        while input.get() == Input::Open && quiet < LINGER {
            let before = (self.sent.get(), transport.write_buffer_size());
            self.event_loop.sleep(PAUSE).await;
            let after = (self.sent.get(), transport.write_buffer_size());
            quiet = if after == before { quiet + PAUSE } else { Duration::ZERO };
            if after.1 == 0 && quiet >= timeout {
                return;
            }
        }
    }

    /// Waits until the closed writer has sent its buffer.
    async fn send_rest(&self, writer: &StreamWriter) -> io::Result<()> {
        match self.event_loop.timeout(LINGER, writer.wait_closed()).await {
            Ok(closed) => closed,
            Err(_) => {
                let unsent = writer.transport().write_buffer_size() as u64;
                self.sent.set(self.sent.get().saturating_sub(unsent));
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    async fn receive_stream(
        &self,
        reader: &mut StreamReader,
        sink: &Sink,
    ) -> Result<(), TrafficError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut buffer).await.map_err(TrafficError::Receive)?;
            if count == 0 {
                return sink.finish().await.map_err(TrafficError::Output);
            }
            sink.write_all(&buffer[..count]).await.map_err(TrafficError::Output)?;
            self.count(&self.received, count);
        }
    }

    /// Relays datagrams until nothing has arrived for a while after the end of the input.
    pub(super) async fn over_datagrams(
        &self,
        socket: &UdpSocket,
        source: Source,
        sink: &Sink,
    ) -> Result<(), TrafficError> {
        let outward = self.send_datagrams(socket, source);
        let inward = self.receive_datagrams(socket, sink);
        let ended =
            async { select(pin!(outward), pin!(self.ends_early(sink))).await.factor_first().0 };
        select(pin!(inward), pin!(ended)).await.factor_first().0?;
        sink.finish().await.map_err(TrafficError::Output)
    }

    async fn send_datagrams(
        &self,
        socket: &UdpSocket,
        mut source: Source,
    ) -> Result<(), TrafficError> {
        let to = socket.peer_addr().map_err(TrafficError::Send)?;
        // Because each direction waits on a separate handle.
        let socket = socket.try_clone().map_err(TrafficError::Send)?;
        loop {
            let bytes = source.read().await.map_err(TrafficError::Input)?;
            if bytes.is_empty() {
                self.latest.set(self.event_loop.time());
                self.silence(self.idle_timeout.unwrap_or(SILENCE)).await;
                return Ok(());
            }
            for datagram in bytes.chunks(MAX_DATAGRAM) {
                self.send_datagram(&socket, datagram, to).await?;
            }
        }
    }

    /// Sends a datagram. ECONNREFUSED is about an earlier datagram.
    async fn send_datagram(
        &self,
        socket: &UdpSocket,
        datagram: &[u8],
        to: SocketAddr,
    ) -> Result<(), TrafficError> {
        match self.event_loop.sock_sendto(socket, datagram, to).await {
            Ok(count) => self.count(&self.sent, count),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(TrafficError::Receive(error));
            }
            Err(error) => return Err(TrafficError::Send(error)),
        }
        Ok(())
    }

    async fn receive_datagrams(&self, socket: &UdpSocket, sink: &Sink) -> Result<(), TrafficError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let received = self.event_loop.sock_recv(socket, &mut buffer).await;
            let count = received.map_err(TrafficError::Receive)?;
            self.count(&self.received, count);
            sink.write_all(&buffer[..count]).await.map_err(TrafficError::Output)?;
        }
    }

    /// Ends a relay when the output breaks, or when nothing moves for the idle timeout.
    async fn ends_early(&self, sink: &Sink) -> Result<(), TrafficError> {
        let broken = async { Err(TrafficError::Output(sink.wait_broken().await)) };
        let idle = async {
            match self.idle_timeout {
                Some(limit) => {
                    self.silence(limit).await;
                    Err(TrafficError::Idle(limit))
                }
                None => pending().await,
            }
        };
        select(pin!(broken), pin!(idle)).await.factor_first().0
    }

    /// Ends when nothing has come or gone for `limit`.
    async fn silence(&self, limit: Duration) {
        loop {
            let passed = self.event_loop.time().saturating_duration_since(self.latest.get());
            if passed >= limit {
                return;
            }
            self.event_loop.sleep(limit - passed).await;
        }
    }

    fn count(&self, bytes: &Cell<u64>, more: usize) {
        bytes.set(bytes.get() + more as u64);
        self.latest.set(self.event_loop.time());
    }
}
