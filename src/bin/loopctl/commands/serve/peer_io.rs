//! Reading from and writing to a client or its upstream. Faults, rates and byte counts are applied here, so that a mode
//! contains only its protocol.

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use loopctl::{
    Event, EventKind, Flow, Sendfile, SendfilePhase, Sent, StreamReader, StreamWriter, TlsServer,
};

use super::connection::Connection;
use super::disconnect::Disconnect;
use super::fault_plan::Rates;
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

/// The connection of a client or to its upstream, as a mode uses it.
pub(super) struct PeerIo {
    pub(super) connection: Rc<Connection>,
    pub(super) input: PeerReader,
    pub(super) output: PeerWriter,
}

pub(super) struct PeerReader {
    reader: StreamReader,
    connection: Rc<Connection>,
    throttle: Throttle,
}

pub(super) struct PeerWriter {
    writer: StreamWriter,
    connection: Rc<Connection>,
    throttle: Throttle,
    /// Bytes written since the last wait.
    burst: usize,
}

/// The rate of one direction.
#[derive(Default)]
struct Throttle {
    limiter: Option<RateLimiter>,
    /// Number of the set of faults that the rate is from.
    version: Option<u64>,
}

impl PeerIo {
    pub(super) fn new(
        reader: StreamReader,
        writer: StreamWriter,
        connection: &Rc<Connection>,
    ) -> Self {
        let (input, output) = (Rc::clone(connection), Rc::clone(connection));
        let input = PeerReader { reader, connection: input, throttle: Throttle::default() };
        let output =
            PeerWriter { writer, connection: output, throttle: Throttle::default(), burst: 0 };
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

impl PeerReader {
    /// The next bytes; empty at the client's end-of-file.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Disconnect> {
        self.throttle.update(&self.connection, |rates| rates.read);
        self.throttle.wait(&self.connection).await;
        let max = self.connection.limit_read(self.throttle.piece())?;
        let data = self.read_up_to(max).await?;
        self.connection.record_received(data.len());
        self.throttle.count(&self.connection, data.len());
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

impl PeerWriter {
    /// Writes all of it, delayed, sliced and limited as faults and `--rate` ask.
    ///
    /// # Errors
    /// `OutputShut` after `half-close`: a mode that went on would never wait for anything.
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), Disconnect> {
        self.throttle.update(&self.connection, |rates| rates.write);
        if let Some(delay) = self.connection.reply_delay() {
            self.connection.apply(|fault| matches!(fault, Fault::Delay(_)));
            self.connection.event_loop().sleep(delay).await;
        }
        let (piece, pause) = self.piece_and_pause();
        let mut left = data;
        while !left.is_empty() {
            if self.connection.is_write_closed() {
                return Err(Disconnect::OutputShut);
            }
            self.throttle.wait(&self.connection).await;
            let bytes = self.connection.limit_write(piece.min(left.len()))?;
            self.write_piece(&left[..bytes]).await?;
            left = &left[bytes..];
            self.throttle.count(&self.connection, bytes);
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
        match self.connection.has_fault(Fault::TlsBareFin) {
            true => self.connection.apply(|fault| matches!(fault, Fault::TlsBareFin)),
            false => self.writer.write_eof(),
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
        let piece = self.throttle.piece();
        let Some((slice, pause)) = self.connection.slice() else { return (piece, Duration::ZERO) };
        self.connection.apply(|fault| matches!(fault, Fault::Slice(..)));
        (slice.min(piece), pause)
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

impl Throttle {
    /// Takes the rate anew where other faults are in force since.
    fn update(&mut self, connection: &Connection, rate: impl Fn(Rates) -> Option<NonZero<u64>>) {
        let (rates, version) = connection.rates();
        if self.version.replace(version) != Some(version) {
            self.limiter = rate(rates).map(RateLimiter::new);
        }
    }

    /// Bytes to move at a time.
    fn piece(&self) -> usize {
        self.limiter.as_ref().map_or(MAX_PIECE, RateLimiter::chunk_size)
    }

    /// Waits until the rate allows more. Called before bytes move, because a wait after a read would delay its reply.
    async fn wait(&self, connection: &Connection) {
        let event_loop = connection.event_loop();
        let limiter = self.limiter.as_ref();
        let pause = limiter.map_or(Duration::ZERO, |limiter| limiter.delay(event_loop.time()));
        if pause > Duration::ZERO {
            connection.apply(|fault| matches!(fault, Fault::Rate(_)));
            event_loop.sleep(pause).await;
        }
    }

    fn count(&mut self, connection: &Connection, bytes: usize) {
        if let Some(limiter) = &mut self.limiter {
            limiter.record(bytes, connection.event_loop().time());
        }
    }
}
