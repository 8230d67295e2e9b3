//! The two directions of a client's connection, as a mode uses them. Faults, pace and counts are in here, so
//! that a mode says only what it has to say.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{
    Event, EventKind, Flow, LoopHandle, Sendfile, SendfilePhase, Sent, StreamReader, StreamWriter,
    TlsServer,
};

use super::client::Client;
use crate::config::fault::Fault;
use crate::report::served::{End, Halt};
use crate::util::rate_limiter::RateLimiter;
use crate::util::select::first;

/// How much is read at a time, in bytes.
const MOST: usize = 64 * 1024;

/// How much is sent in one turn of the loop.
const MOST_IN_A_ROW: usize = 256 * 1024;

/// What the client sends.
pub(super) struct Input {
    reader: StreamReader,
    client: Rc<Client>,
    pace: Option<RateLimiter>,
}

/// What the client is sent.
pub(super) struct Output {
    writer: StreamWriter,
    client: Rc<Client>,
    pace: Option<RateLimiter>,
    /// Sent without a wait.
    in_a_row: usize,
}

impl Input {
    pub(super) fn new(reader: StreamReader, client: &Rc<Client>) -> Self {
        Self { reader, client: Rc::clone(client), pace: client.pace() }
    }

    /// What has come; nothing once the client has finished.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Halt> {
        wait(&self.client.event_loop, self.pace.as_ref()).await;
        let most = self.pace.as_ref().map_or(MOST, RateLimiter::chunk_size);
        let most = self.client.allowance(most, self.client.only_receives())?;
        let read = async { Ok(self.reader.read_some(most).await?) };
        let dismissed = async { Err(self.client.dismissed().await) };
        let data = first(pin!(read), pin!(dismissed)).await?;
        self.client.count_received(data.len());
        count(&self.client.event_loop, self.pace.as_mut(), data.len());
        Ok(data)
    }

    /// As [`read`](Self::read), for what is not for the mode: it is not counted.
    pub(super) async fn overhear(&mut self) -> Result<Vec<u8>, Halt> {
        let read = async { Ok(self.reader.read_some(MOST).await?) };
        let dismissed = async { Err(self.client.dismissed().await) };
        first(pin!(read), pin!(dismissed)).await
    }

    /// Takes what comes and forgets it, until the client has finished.
    pub(super) async fn skip(&mut self) -> Result<(), Halt> {
        while !self.read().await?.is_empty() {}
        Ok(())
    }
}

impl Output {
    pub(super) fn new(writer: StreamWriter, client: &Rc<Client>) -> Self {
        Self { writer, client: Rc::clone(client), pace: client.pace(), in_a_row: 0 }
    }

    /// Sends all of it, at the pace of the client and of the faults.
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), Halt> {
        if let Some(delay) = self.client.delay() {
            self.client.event_loop.sleep(delay).await;
        }
        let (piece, rest) = self.pieces();
        let mut left = data;
        while !left.is_empty() && !self.client.is_shut() {
            wait(&self.client.event_loop, self.pace.as_ref()).await;
            let bytes = self.client.allowance(piece.min(left.len()), true)?;
            self.send(&left[..bytes]).await?;
            left = &left[bytes..];
            count(&self.client.event_loop, self.pace.as_mut(), bytes);
            if !left.is_empty() && rest > Duration::ZERO {
                self.client.event_loop.sleep(rest).await;
            }
        }
        Ok(())
    }

    /// Whether nothing has to see what is sent: neither a fault nor the pace.
    pub(super) fn is_plain(&self) -> bool {
        self.client.is_spared()
    }

    /// Sends a file as fast as the client takes it; returns how much of it there was.
    pub(super) async fn send_file(&mut self, what: Sendfile<'_>) -> Result<u64, Halt> {
        let (client, counted) = (&self.client, Cell::new(0));
        let count = |sent: Sent| {
            client.note_unsent();
            client.count_sent((sent.bytes - counted.replace(sent.bytes)) as usize);
        };
        match self.writer.sendfile(what.progress(&count)).await {
            Ok(sent) => Ok(sent.bytes),
            Err(error) if error.phase == SendfilePhase::Send => Err(error.error.into()),
            Err(error) => Err(Halt::because(End::Error, error.into())),
        }
    }

    /// Speaks TLS from here on, once the handshake is over.
    pub(super) async fn start_tls(&mut self, tls: &TlsServer) -> io::Result<()> {
        // The connection may be gone by the time that we hear of the handshake.
        let client = Rc::clone(&self.client);
        let note = move |event: &Event| {
            if let EventKind::TlsEstablished { info, .. } = &event.kind {
                client.note_tls(info);
            }
        };
        self.writer.start_tls(tls.clone()).trace(note).await
    }

    /// Waits until the system has taken all.
    pub(super) async fn emptied(&mut self) -> io::Result<()> {
        self.writer.transport().set_write_buffer_limits(Some(0), None).map_err(io::Error::other)?;
        self.writer.drain().await
    }

    /// Tells the client that no more will come, unless it is not to hear that.
    pub(super) fn finish(&mut self) {
        if !self.client.meets(Fault::TlsBareFin) {
            self.writer.write_eof();
        }
    }

    /// Waits until the connection is closed, and tells whether it was closed well.
    pub(super) async fn closed(&self) -> io::Result<()> {
        self.writer.wait_closed().await
    }

    /// How much is sent at a time, and how long nothing is sent in between.
    fn pieces(&self) -> (usize, Duration) {
        let (slice, rest) = self.client.slice().unwrap_or((MOST, Duration::ZERO));
        (slice.min(self.pace.as_ref().map_or(MOST, RateLimiter::chunk_size)), rest)
    }

    async fn send(&mut self, piece: &[u8]) -> Result<(), Halt> {
        let flow = self.writer.write(piece);
        if flow != Flow::Closed {
            self.client.count_sent(piece.len());
        }
        if flow == Flow::Open {
            // A client that takes all at once leaves others, and the clock, their turn.
            self.in_a_row += piece.len();
            if self.in_a_row > MOST_IN_A_ROW {
                self.in_a_row = 0;
                self.client.event_loop.sleep(Duration::ZERO).await;
            }
            return Ok(());
        }
        self.in_a_row = 0;
        // Before the wait, too: a connection that breaks meanwhile does not tell.
        self.client.note_unsent();
        let drained = self.writer.drain().await;
        self.client.note_unsent();
        match (flow, drained) {
            (Flow::Closed, Ok(())) if !self.client.is_shut() => Err(Halt::End(End::Reset, None)),
            (_, drained) => Ok(drained?),
        }
    }
}

/// Until the pace allows more. Before something moves, not after it: what was received can be answered at once.
async fn wait(event_loop: &LoopHandle, pace: Option<&RateLimiter>) {
    let pause = pace.map_or(Duration::ZERO, |pace| pace.delay(event_loop.time()));
    if pause > Duration::ZERO {
        event_loop.sleep(pause).await;
    }
}

fn count(event_loop: &LoopHandle, pace: Option<&mut RateLimiter>, bytes: usize) {
    if let Some(pace) = pace {
        pace.record(bytes, event_loop.time());
    }
}
