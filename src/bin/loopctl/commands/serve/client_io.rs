//! Reading from and writing to a client. Faults, rates and byte counts are applied here, so that a mode
//! contains only its protocol.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use loopctl::{
    Event, EventKind, Flow, LoopHandle, Sendfile, SendfilePhase, Sent, StreamReader, StreamWriter,
    TlsServer,
};

use super::connection::Connection;
use super::disconnect::Disconnect;
use crate::config::Fault;
use crate::report::served::EndReason;
use crate::util::rate_limiter::RateLimiter;

/// Largest single read or write, in bytes.
const MAX_PIECE: usize = 64 * 1024;

/// Bytes written without a wait before other tasks have their turn.
const MAX_BURST: usize = 256 * 1024;

/// Bytes that the smallest write counts for, because a system call costs as much as copying a few kilobytes.
const MIN_COST: usize = 4096;

/// Time for a client to close, or to send more, after our end-of-file. Closing while it still sends would reset the
/// connection, and the client could lose what it has not read.
const LINGER: Duration = Duration::from_secs(5);

/// Time for a client that keeps sending after our end-of-file.
const MAX_LINGER: Duration = Duration::from_secs(30);

/// A client's connection, as a mode uses it.
pub(super) struct ClientIo {
    pub(super) connection: Rc<Connection>,
    pub(super) input: ClientReader,
    pub(super) output: ClientWriter,
}

pub(super) struct ClientReader {
    reader: StreamReader,
    connection: Rc<Connection>,
    limiter: Option<RateLimiter>,
}

pub(super) struct ClientWriter {
    writer: StreamWriter,
    connection: Rc<Connection>,
    limiter: Option<RateLimiter>,
    /// Bytes written since the last wait.
    burst: usize,
}

impl ClientIo {
    pub(super) fn new(
        reader: StreamReader,
        writer: StreamWriter,
        connection: &Rc<Connection>,
    ) -> Self {
        let limiter = || connection.rate_limiter();
        let input = ClientReader { reader, connection: Rc::clone(connection), limiter: limiter() };
        let output = ClientWriter {
            writer,
            connection: Rc::clone(connection),
            limiter: limiter(),
            burst: 0,
        };
        Self { connection: Rc::clone(connection), input, output }
    }

    /// Sends end-of-file, and gives the client time to read it and to close; returns whether it did.
    pub(super) async fn linger(&mut self) -> bool {
        let connection = Rc::clone(&self.connection);
        self.discard_unread(|bytes| connection.record_received(bytes)).await
    }

    /// Lingers like [`linger`](Self::linger) without counting bytes, because `--fault close` has ended the mode.
    pub(super) async fn linger_after_fault(&mut self) {
        self.discard_unread(|_| ()).await;
    }

    /// Faults and rates do not hold up what is read here, because it is thrown away.
    async fn discard_unread(&mut self, count: impl Fn(usize)) -> bool {
        self.output.write_eof();
        self.connection.transport.resume_reading();
        let event_loop = self.connection.event_loop().clone();
        let end = event_loop.time() + MAX_LINGER;
        loop {
            let left = LINGER.min(end.saturating_duration_since(event_loop.time()));
            match event_loop.timeout(left, self.input.read_up_to(MAX_PIECE)).await {
                Ok(Ok(data)) if !data.is_empty() => count(data.len()),
                // Everything has been sent, so an error does not matter.
                Ok(_) => return true,
                // One that is still taking our bytes has no reason to close.
                Err(_) => return self.connection.has_unacknowledged(),
            }
        }
    }
}

impl ClientReader {
    /// The next bytes; empty at the client's end-of-file.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Disconnect> {
        wait(self.connection.event_loop(), self.limiter.as_ref()).await;
        let piece = self.limiter.as_ref().map_or(MAX_PIECE, RateLimiter::chunk_size);
        let max = self.connection.limit_read(piece)?;
        let data = self.read_up_to(max).await?;
        self.connection.record_received(data.len());
        count(self.connection.event_loop(), self.limiter.as_mut(), data.len());
        Ok(data)
    }

    /// Reads bytes of a TLS handshake, which no count or limit includes.
    pub(super) async fn read_handshake(&mut self) -> Result<Vec<u8>, Disconnect> {
        self.read_up_to(MAX_PIECE).await
    }

    async fn read_up_to(&mut self, max: usize) -> Result<Vec<u8>, Disconnect> {
        let read = async { Ok(self.reader.read_some(max).await?) };
        let shutdown = async { Err(self.connection.shutdown_when_idle().await) };
        select(pin!(read), pin!(shutdown)).await.factor_first().0
    }

    /// Reads and drops everything, until the client's end-of-file.
    pub(super) async fn discard_rest(&mut self) -> Result<(), Disconnect> {
        while !self.read().await?.is_empty() {}
        Ok(())
    }
}

impl ClientWriter {
    /// Writes all of it, delayed, sliced and limited as faults and `--rate` ask.
    ///
    /// # Errors
    /// `OutputShut` after `half-close`: a mode that went on would never wait for anything.
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), Disconnect> {
        if let Some(delay) = self.connection.reply_delay() {
            self.connection.event_loop().sleep(delay).await;
        }
        let (piece, pause) = self.piece_and_pause();
        let mut left = data;
        while !left.is_empty() {
            if self.connection.is_write_closed() {
                return Err(Disconnect::OutputShut);
            }
            wait(self.connection.event_loop(), self.limiter.as_ref()).await;
            let bytes = self.connection.limit_write(piece.min(left.len()))?;
            self.write_piece(&left[..bytes]).await?;
            left = &left[bytes..];
            count(self.connection.event_loop(), self.limiter.as_mut(), bytes);
            if !left.is_empty() && pause > Duration::ZERO {
                self.connection.event_loop().sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Sends a part of a file with sendfile(2), past faults and limits; returns how much of it there was.
    pub(super) async fn send_file(&mut self, part: Sendfile<'_>) -> Result<u64, Disconnect> {
        let (connection, counted) = (&self.connection, Cell::new(0));
        let count = |sent: Sent| {
            connection.record_unsent();
            connection.record_written((sent.bytes - counted.replace(sent.bytes)) as usize);
        };
        match self.writer.sendfile(part.progress(&count)).await {
            Ok(sent) => Ok(sent.bytes),
            Err(error) if error.phase == SendfilePhase::Send => Err(error.error.into()),
            Err(error) => Err(Disconnect::with_error(EndReason::Error, error.into())),
        }
    }

    /// Performs the TLS handshake as the server.
    pub(super) async fn start_tls(&mut self, tls: &TlsServer) -> io::Result<()> {
        // By event, because the connection may be lost before the task runs again.
        let connection = Rc::clone(&self.connection);
        let record = move |event: &Event| {
            if let EventKind::TlsEstablished { info, .. } = &event.kind {
                connection.record_tls(info);
            }
        };
        self.writer.start_tls(tls.clone()).trace(record).await
    }

    /// Waits until the kernel has taken everything.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.writer.transport().set_write_buffer_limits(Some(0), None).map_err(io::Error::other)?;
        self.writer.drain().await
    }

    /// Sends end-of-file (with TLS, close_notify), except with `--fault tls-bare-fin`.
    pub(super) fn write_eof(&mut self) {
        if !self.connection.has_fault(Fault::TlsBareFin) {
            self.writer.write_eof();
        }
    }

    /// Waits until the connection is closed.
    ///
    /// # Errors
    /// The error that broke it.
    pub(super) async fn wait_closed(&self) -> io::Result<()> {
        self.writer.wait_closed().await
    }

    /// Bytes per write, and the pause between two writes.
    fn piece_and_pause(&self) -> (usize, Duration) {
        let (slice, pause) = self.connection.slice().unwrap_or((MAX_PIECE, Duration::ZERO));
        (slice.min(self.limiter.as_ref().map_or(MAX_PIECE, RateLimiter::chunk_size)), pause)
    }

    async fn write_piece(&mut self, piece: &[u8]) -> Result<(), Disconnect> {
        let flow = self.writer.write(piece);
        if flow != Flow::Closed {
            self.connection.record_written(piece.len());
        }
        if flow == Flow::Open {
            // A client that takes everything at once must not starve other tasks and timers.
            self.burst += piece.len().max(MIN_COST);
            if self.burst > MAX_BURST {
                self.burst = 0;
                self.connection.event_loop().sleep(Duration::ZERO).await;
            }
            return Ok(());
        }
        self.burst = 0;
        // Before the wait as well, because a connection that breaks has no write buffer left to measure.
        self.connection.record_unsent();
        let drained = self.writer.drain().await;
        self.connection.record_unsent();
        match (flow, drained) {
            (Flow::Closed, Ok(())) if self.connection.is_write_closed() => {
                Err(Disconnect::OutputShut)
            }
            (Flow::Closed, Ok(())) => Err(Disconnect::Close(EndReason::Reset, None)),
            (_, drained) => Ok(drained?),
        }
    }
}

/// Waits until the rate allows more. Called before bytes move, because a wait after a read would delay its reply.
async fn wait(event_loop: &LoopHandle, limiter: Option<&RateLimiter>) {
    let pause = limiter.map_or(Duration::ZERO, |limiter| limiter.delay(event_loop.time()));
    if pause > Duration::ZERO {
        event_loop.sleep(pause).await;
    }
}

fn count(event_loop: &LoopHandle, limiter: Option<&mut RateLimiter>, bytes: usize) {
    if let Some(limiter) = limiter {
        limiter.record(bytes, event_loop.time());
    }
}
