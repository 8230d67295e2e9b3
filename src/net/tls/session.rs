//! TLS as a byte stream over another one.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustls::Connection;
use socket2::Socket;

use super::alert::{TlsAlert, plaintext_alert};
use super::error::TlsError;
use super::handshake::HandshakeProgress;
use super::incoming::Incoming;
use super::info::{TlsInfo, TlsPeer};
use super::{client_identity, verify};
use crate::event_loop::TimerHandle;
use crate::net::protocol::ProtocolRef;
use crate::net::transport::raw_stream::{ByteStream, RawStream, send_pieces};
use crate::net::transport::write_queue::WriteQueue;

/// TLS session with the stream below it. rustls does no I/O; this type moves its bytes.
///
/// Ciphertext that the stream below does not accept is queued here and not inside rustls, so that the transport can
/// count it.
pub(in crate::net) struct Tls {
    below: Underlying,
    core: RefCell<Core>,
    info: RefCell<Option<Rc<TlsInfo>>>,
    /// Progress for the future that waits for the handshake.
    pub(in crate::net) progress: Option<Rc<HandshakeProgress>>,
    /// Protocol to attach after the handshake.
    pub(in crate::net) pending: RefCell<Option<ProtocolRef>>,
    /// Time limit of the handshake, and later of closing.
    timer: Cell<Option<TimerHandle>>,
    pub(in crate::net) limits: Limits,
    /// Start of the handshake, on the loop's clock.
    pub(in crate::net) started: Instant,
}

/// Session that has not started.
pub(in crate::net) struct NewSession {
    pub(super) session: Connection,
    pub(super) limits: Limits,
    /// Progress for the future that waits for the handshake.
    pub(super) progress: Option<Rc<HandshakeProgress>>,
}

impl NewSession {
    pub(in crate::net) fn watched(self, progress: &Rc<HandshakeProgress>) -> Self {
        Self { progress: Some(Rc::clone(progress)), ..self }
    }

    pub(in crate::net) fn limits(&self) -> Limits {
        self.limits
    }

    /// Shortens the time limit of the handshake.
    pub(in crate::net) fn within(mut self, limit: Option<Duration>) -> Self {
        self.limits.handshake = self.limits.handshake.min(limit.unwrap_or(Duration::MAX));
        self
    }
}

/// Time limits of a session.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Limits {
    pub(in crate::net) handshake: Duration,
    pub(in crate::net) shutdown: Duration,
}

/// Stream below a session: a socket, or another session.
pub(in crate::net) enum Underlying {
    RawStream(RawStream),
    Tls(Box<Tls>),
}

/// Progress of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum HandshakeStep {
    /// Waiting for data from the peer.
    Pending,
    Done,
}

struct Core {
    session: Connection,
    /// Ciphertext not yet decrypted.
    incoming: Incoming,
    /// Ciphertext not yet sent.
    outgoing: WriteQueue,
    /// Error to return after the last decrypted byte.
    read_error: Option<io::Error>,
    /// Certificates, and the result of their verification.
    peer: TlsPeer,
    /// First bytes from the peer, recorded during the handshake.
    first_bytes: Vec<u8>,
    sending: Sending,
    /// The peer has sent `close_notify`.
    is_finished: bool,
    /// The last poll stopped at its limit, and the stream may have more.
    is_cut: bool,
}

/// Maximum number of reads of 4 KiB per call, because records may be empty and arrive endlessly.
const MAX_READS: usize = 64;

/// Enough to recognise the greeting of another protocol.
const MAX_FIRST_BYTES: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// `close_notify` has been queued.
    Finished,
    /// Nothing more is sent.
    GivenUp,
}

impl Underlying {
    fn stream(&self) -> &dyn ByteStream {
        match self {
            Self::RawStream(wire) => wire.stream(),
            Self::Tls(tls) => &**tls,
        }
    }

    fn backlog(&self) -> usize {
        match self {
            Self::RawStream(_) => 0,
            Self::Tls(tls) => tls.backlog(),
        }
    }

    fn flush(&self) -> io::Result<()> {
        match self {
            Self::RawStream(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    fn holds_more(&self) -> bool {
        match self {
            Self::RawStream(_) => false,
            Self::Tls(tls) => tls.holds_more(),
        }
    }
}

impl Tls {
    /// `before` is plaintext still to be sent, `already` the part of the handshake that was already read.
    pub(in crate::net) fn new(
        secure: NewSession,
        below: Underlying,
        before: WriteQueue,
        already: Vec<u8>,
        started: Instant,
    ) -> Self {
        let NewSession { session, limits, progress } = secure;
        let core = Core {
            session,
            incoming: Incoming::of(already),
            outgoing: before,
            read_error: None,
            peer: TlsPeer::default(),
            first_bytes: Vec::new(),
            sending: Sending::Open,
            is_finished: false,
            is_cut: false,
        };
        Self {
            below,
            core: RefCell::new(core),
            info: RefCell::default(),
            progress,
            pending: RefCell::default(),
            timer: Cell::default(),
            limits,
            started,
        }
    }

    pub(in crate::net) fn socket(&self) -> Option<&Socket> {
        match &self.below {
            Underlying::RawStream(wire) => wire.socket(),
            Underlying::Tls(tls) => tls.socket(),
        }
    }

    /// Advances the handshake. After an error, the alert has been sent if the stream accepted it.
    pub(in crate::net) fn handshake(&self) -> io::Result<HandshakeStep> {
        let stream = self.below.stream();
        self.below.flush()?;
        let core = &mut *self.core.borrow_mut();
        let step = core.handshake(stream, self.progress.as_deref());
        core.incoming.release();
        let step = match step {
            Err(error) => {
                core.discard(stream);
                Err(error)
            }
            step => step,
        };
        if !matches!(step, Ok(HandshakeStep::Pending)) {
            core.peer.fill(&core.session);
        }
        step
    }

    /// Certificates of the peer, also after a failed handshake.
    pub(in crate::net) fn peer(&self) -> TlsPeer {
        self.core.borrow().peer.clone()
    }

    /// Records the end of the handshake.
    pub(in crate::net) fn establish(&self) {
        self.set_timer(None);
        let core = self.core.borrow();
        let info = TlsInfo::of(&core.session, core.peer.clone()).map(Rc::new);
        drop(core);
        if let (Some(progress), Some(info)) = (&self.progress, &info) {
            progress.established(Rc::clone(info));
        }
        self.info.replace(info);
    }

    pub(in crate::net) fn info(&self) -> Option<Rc<TlsInfo>> {
        self.info.borrow().clone()
    }

    /// Number of bytes accepted and not yet sent.
    pub(in crate::net) fn backlog(&self) -> usize {
        self.core.borrow().outgoing.size() + self.below.backlog()
    }

    pub(in crate::net) fn flush(&self) -> io::Result<()> {
        self.below.flush()?;
        self.core.borrow_mut().push_out(self.below.stream())
    }

    /// Whether a read would return something, although the stream below has no new data.
    pub(in crate::net) fn holds_more(&self) -> bool {
        let core = self.core.borrow();
        let is_full = !core.incoming.unread().is_empty() && !core.is_finished;
        let knows_more = core.read_error.is_some() || core.is_finished || core.is_cut;
        knows_more || is_full || self.below.holds_more()
    }

    /// Discards queued data and stops sending.
    pub(in crate::net) fn give_up(&self) {
        let mut core = self.core.borrow_mut();
        core.sending = Sending::GivenUp;
        let unsent = std::mem::take(&mut core.outgoing);
        drop(core);
        drop(unsent);
        if let Underlying::Tls(tls) = &self.below {
            tls.give_up();
        }
    }

    /// Queues `close_notify` once (RFC 8446 section 6.1). Returns whether everything has been sent.
    pub(in crate::net) fn send_close_notify(&self) -> bool {
        let stream = self.below.stream();
        let mut core = self.core.borrow_mut();
        core.finish(stream);
        let is_said = core.sending == Sending::GivenUp || core.outgoing.size() == 0;
        let is_over = is_said
            && match &self.below {
                Underlying::RawStream(_) => true,
                Underlying::Tls(tls) => tls.send_close_notify(),
            };
        if is_over && core.sending != Sending::GivenUp {
            core.discard(stream);
        }
        is_over
    }

    /// Replaces the timer and cancels the former one.
    pub(in crate::net) fn set_timer(&self, timer: Option<TimerHandle>) {
        if let Some(former) = self.timer.replace(timer) {
            former.cancel();
        }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.set_timer(None);
        if let Some(progress) = &self.progress {
            progress.end();
        }
    }
}

impl ByteStream for Tls {
    /// Fills the buffer with the decrypted data. A short read means that the stream below is drained, unless
    /// [`holds_more`](Tls::holds_more) is true.
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let core = &mut *self.core.borrow_mut();
        let received = core.recv(self.below.stream(), buffer);
        core.incoming.release();
        received
    }

    fn has_more(&self) -> bool {
        let core = &mut *self.core.borrow_mut();
        let has_more = core.has_plaintext(self.below.stream());
        core.incoming.release();
        has_more
    }

    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.below.flush()?;
        self.core.borrow_mut().send(self.below.stream(), pieces)
    }

    fn shutdown(&self) -> io::Result<()> {
        self.core.borrow_mut().finish(self.below.stream());
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.below.stream().take_error()
    }
}

/// The rustls session and its buffers.
impl Core {
    fn handshake(
        &mut self,
        stream: &dyn ByteStream,
        progress: Option<&HandshakeProgress>,
    ) -> io::Result<HandshakeStep> {
        // Read even after a failed write, because the peer may have sent an alert before closing.
        let mut pushed = self.push_out(stream);
        while self.session.is_handshaking() {
            match self.fill(stream, 0) {
                Ok(0) if self.is_finished => return Err(TlsError::Closed.into()),
                Ok(0) if !self.is_cut => return pushed.map(|()| HandshakeStep::Pending),
                Ok(_) => {}
                Err(error) => {
                    let has_heard = !self.incoming.unread().is_empty();
                    progress
                        .iter()
                        .filter(|_| has_heard)
                        .for_each(|progress| progress.record_first_byte());
                    // rustls has queued its alert before, and `push_alert` has sent it.
                    self.sending = Sending::GivenUp;
                    return Err(error);
                }
            }
            if let Some(progress) = progress {
                progress.record_first_byte();
            }
            pushed = Ok(());
        }
        Ok(HandshakeStep::Done)
    }

    fn recv(&mut self, stream: &dyn ByteStream, buffer: &mut [u8]) -> io::Result<usize> {
        let (mut filled, mut looks) = (0, 0);
        self.is_cut = false;
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    continue;
                }
                Err(_) if self.read_error.is_some() => break,
                // `fill` reports the end of the stream below as a TlsError.
                Err(_) => {}
            }
            looks += 1;
            if looks > MAX_READS {
                self.is_cut = true;
                break;
            }
            match self.fill(stream, buffer.len() - filled) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => self.read_error = Some(error),
            }
        }
        match self.read_error.take_if(|_| filled == 0) {
            Some(error) => Err(error),
            None if filled == 0 && self.is_cut => Err(io::ErrorKind::Interrupted.into()),
            None if filled == 0 && !self.is_finished => Err(io::ErrorKind::WouldBlock.into()),
            None => Ok(filled),
        }
    }

    /// Passes ciphertext to rustls, and reads from the stream if none is left. Returns the number of bytes passed; 0
    /// where none is available, or after `close_notify`.
    fn fill(&mut self, stream: &dyn ByteStream, max: usize) -> io::Result<usize> {
        self.is_cut = false;
        if self.is_finished {
            return Ok(0);
        }
        if self.incoming.unread().is_empty() {
            match self.incoming.refill(stream, max) {
                Ok(0) if self.session.is_handshaking() => return Err(TlsError::Closed.into()),
                Ok(0) => return Err(TlsError::Truncated.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    self.is_cut = true;
                    return Ok(0);
                }
                Err(error) => return Err(error),
            }
        }
        self.decrypt(stream)
    }

    fn decrypt(&mut self, stream: &dyn ByteStream) -> io::Result<usize> {
        let mut unread = self.incoming.unread();
        let before = unread.len();
        if self.session.is_handshaking() {
            let wanted = MAX_FIRST_BYTES - self.first_bytes.len();
            self.first_bytes.extend(&unread[..wanted.min(before)]);
        }
        let taken = self.session.read_tls(&mut unread).map(|_| before - unread.len());
        let state = self.session.process_new_packets();
        verify::take_verification(&mut self.peer);
        client_identity::take_certificate_request(&mut self.peer);
        let state = match state {
            Ok(state) => state,
            Err(error) => return Err(self.rejected(stream, &error).into()),
        };
        if self.session.wants_write() {
            // The next write reports an error of the stream.
            let _ = self.push_out(stream);
        }
        let taken = taken?;
        self.incoming.skip(taken);
        self.is_finished = state.peer_has_closed();
        match taken {
            _ if self.is_finished => self.incoming.clear(),
            0 => return Err(TlsError::too_long().into()),
            _ => {}
        }
        Ok(before)
    }

    /// Sends the alert that rustls has queued, and converts the error.
    fn rejected(&mut self, stream: &dyn ByteStream, error: &rustls::Error) -> TlsError {
        /// Record types from change_cipher_spec to heartbeat (RFC 8446 section 5.1, RFC 6520).
        const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;
        let alert = self.push_alert(stream);
        let is_record = self.first_bytes.first().is_none_or(|byte| RECORD_TYPES.contains(byte));
        if is_record || !self.session.is_handshaking() {
            return TlsError::new(error, &self.peer, alert);
        }
        TlsError::NotTls { first_bytes: std::mem::take(&mut self.first_bytes) }
    }

    fn push_alert(&mut self, stream: &dyn ByteStream) -> Option<TlsAlert> {
        let mut flight = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut flight).ok()?;
        }
        if self.sending != Sending::GivenUp {
            self.outgoing.push(&flight);
            // The connection ends in any case, with or without the alert.
            let _ = self.outgoing.flush(stream);
        }
        plaintext_alert(&flight)
    }

    fn has_plaintext(&mut self, stream: &dyn ByteStream) -> bool {
        for _ in 0..MAX_READS {
            let state = self.session.process_new_packets();
            if state.is_ok_and(|state| state.plaintext_bytes_to_read() > 0) {
                return true;
            }
            if self.read_error.is_some() {
                return false;
            }
            match self.fill(stream, 0) {
                Ok(0) if !self.is_cut => return false,
                Ok(_) => {}
                Err(error) => self.read_error = Some(error),
            }
        }
        // The limit was reached first; the reader finds out.
        true
    }

    fn send(&mut self, stream: &dyn ByteStream, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.session.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.sending != Sending::Open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.push_out(stream)?;
        let mut left = pieces.to_vec();
        let (mut left, mut taken) = (&mut left[..], 0);
        while !left.is_empty() && self.outgoing.size() == 0 {
            // rustls buffers at most 64 KiB.
            let count = self.session.writer().write_vectored(left)?;
            if count == 0 && left.iter().any(|piece| !piece.is_empty()) {
                break;
            }
            IoSlice::advance_slices(&mut left, count);
            taken += count;
            self.push_out(stream)?;
        }
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn finish(&mut self, stream: &dyn ByteStream) {
        if self.sending == Sending::Open && !self.session.is_handshaking() {
            self.sending = Sending::Finished;
            self.session.send_close_notify();
            if self.push_out(stream).is_err() {
                self.sending = Sending::GivenUp;
            }
        }
    }

    /// Sends the records that rustls has queued, and keeps those that the stream does not accept.
    fn push_out(&mut self, stream: &dyn ByteStream) -> io::Result<()> {
        if self.sending == Sending::GivenUp {
            while self.session.wants_write() {
                self.session.write_tls(&mut io::sink())?;
            }
            return Ok(());
        }
        self.outgoing.flush(stream)?;
        while self.session.wants_write() {
            let mut sink = Sink { stream, outbox: &mut self.outgoing };
            self.session.write_tls(&mut sink)?;
        }
        Ok(())
    }

    /// Reads and drops what has arrived. Closing a socket with unread data resets the connection, and the peer may
    /// lose the last data.
    fn discard(&mut self, stream: &dyn ByteStream) {
        const MAX_DISCARDED_READS: usize = 16;
        for _ in 0..MAX_DISCARDED_READS {
            if !self.incoming.refill(stream, usize::MAX).is_ok_and(|count| count > 0) {
                break;
            }
        }
        self.incoming.clear();
    }
}

/// Writer that sends what the stream accepts and queues the rest.
struct Sink<'a> {
    stream: &'a dyn ByteStream,
    outbox: &'a mut WriteQueue,
}

impl Write for Sink<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(data)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let offered = pieces.iter().map(|piece| piece.len()).sum();
        let mut left = pieces.to_vec();
        let mut left = &mut left[..];
        if self.outbox.size() == 0 {
            send_pieces(self.stream, &mut left)?;
        }
        left.iter().for_each(|piece| self.outbox.push(piece));
        Ok(offered)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
