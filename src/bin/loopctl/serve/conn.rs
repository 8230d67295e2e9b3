//! The two directions of a client's connection, as a mode uses them. Faults, pace and counts are in here, so
//! that a mode says only what it has to say.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use loopctl::{Flow, LoopRef, StreamReader, StreamWriter};

use super::client::Client;
use super::pace::Pace;
use super::report::{End, Halt};

/// How much is read at a time, in bytes.
const MOST: usize = 64 * 1024;

/// What the client sends.
pub(super) struct Input {
    reader: StreamReader,
    client: Rc<Client>,
    pace: Option<Pace>,
}

/// What the client is sent.
pub(super) struct Output {
    writer: StreamWriter,
    client: Rc<Client>,
    pace: Option<Pace>,
}

impl Input {
    pub(super) fn new(reader: StreamReader, client: &Rc<Client>) -> Self {
        Self { reader, client: Rc::clone(client), pace: client.pace() }
    }

    /// What has come; nothing once the client has finished.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, Halt> {
        let most = self.pace.as_ref().map_or(MOST, Pace::piece);
        let most = self.client.allowance(most, self.client.only_receives())?;
        let data = self.client.unless_closing(self.reader.read_some(most)).await??;
        self.client.count_received(data.len());
        pause(&self.client.lp, self.pace.as_mut(), data.len()).await;
        Ok(data)
    }

    /// Takes what comes and forgets it, until the client has finished.
    pub(super) async fn skip(&mut self) -> Result<(), Halt> {
        while !self.read().await?.is_empty() {}
        Ok(())
    }
}

impl Output {
    pub(super) fn new(writer: StreamWriter, client: &Rc<Client>) -> Self {
        Self { writer, client: Rc::clone(client), pace: client.pace() }
    }

    /// Sends all of it, at the pace of the client and of the faults.
    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), Halt> {
        if let Some(delay) = self.client.delay() {
            self.client.lp.sleep(delay).await;
        }
        let (piece, rest) = self.pieces();
        let mut left = data;
        while !left.is_empty() && !self.client.is_shut() {
            let count = self.client.allowance(piece.min(left.len()), true)?;
            self.send(&left[..count]).await?;
            left = &left[count..];
            pause(&self.client.lp, self.pace.as_mut(), count).await;
            if !left.is_empty() && rest > Duration::ZERO {
                self.client.lp.sleep(rest).await;
            }
        }
        Ok(())
    }

    /// Tells the client that no more will come.
    pub(super) fn finish(&mut self) {
        self.writer.write_eof();
    }

    /// Waits until the connection is closed, and tells whether it was closed well.
    pub(super) async fn closed(&self) -> io::Result<()> {
        self.writer.wait_closed().await
    }

    /// How much is sent at a time, and how long nothing is sent in between.
    fn pieces(&self) -> (usize, Duration) {
        let (slice, rest) = self.client.slice().unwrap_or((MOST, Duration::ZERO));
        (slice.min(self.pace.as_ref().map_or(MOST, Pace::piece)), rest)
    }

    async fn send(&mut self, piece: &[u8]) -> Result<(), Halt> {
        let flow = self.writer.write(piece);
        if flow != Flow::Closed {
            self.client.count_sent(piece.len());
        }
        if flow == Flow::Open {
            return Ok(());
        }
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

async fn pause(lp: &LoopRef, pace: Option<&mut Pace>, bytes: usize) {
    if let Some(pace) = pace {
        let pause = pace.pause(bytes, lp.time());
        lp.sleep(pause).await;
    }
}
