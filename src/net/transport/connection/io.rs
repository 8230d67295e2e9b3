//! The resources of a connection: its socket or TLS session, its protocol, and its write queue.

use std::io::{self, IoSlice};
use std::task::Waker;

use socket2::Socket;

use super::tls_layer::{Tls, is_peer_alert};
use crate::event_loop::{Registration, TimerHandle};
use crate::net::protocol::ProtocolRef;
use crate::net::transport::raw_stream::{ByteStream, RawStream, send_pieces};
use crate::net::transport::write_queue::WriteQueue;
use crate::plan::{Flow, Watermarks};

/// Resources that are released when the connection ends. Fields drop in order: the registration before the
/// socket.
#[derive(Default)]
pub(super) struct Io {
    pub(super) registration: Option<Registration>,
    /// The socket. `None` under TLS, because the session owns it, and after the end.
    pub(super) raw: Option<RawStream>,
    pub(super) protocol: Option<ProtocolRef>,
    pub(super) cold: Option<Box<ColdState>>,
}

/// State that an idle connection without TLS does not have: 8 bytes instead of 160 in each of ten thousand
/// connections. Allocated on first need, freed by [`Io::shrink`]; a connection with TLS keeps it.
#[derive(Default)]
pub(super) struct ColdState {
    pub(super) queue: WriteQueue,
    /// Data written while an exclusive writer exists; it follows what that writer sends.
    pub(super) deferred: Option<Box<WriteQueue>>,
    pub(super) watermarks: Watermarks,
    pub(super) error: Option<io::Error>,
    /// Tasks that wait for a change, by their number.
    pub(super) waiters: Vec<(u32, Waker)>,
    /// Ends a connection whose send has failed and whose reading stays paused.
    pub(super) linger_timer: Option<TimerHandle>,
    pub(super) tls: Option<Box<Tls>>,
}

/// The byte stream that the protocol's data goes through.
pub(super) enum Layer<'a> {
    Plain(&'a RawStream),
    Tls(&'a Tls),
    /// The connection has ended.
    None,
}

impl<'a> Layer<'a> {
    pub(super) fn stream(self) -> Option<&'a dyn ByteStream> {
        match self {
            Self::Plain(raw) => Some(raw.stream()),
            Self::Tls(tls) => Some(tls),
            Self::None => None,
        }
    }
}

impl Io {
    pub(super) fn cold(&mut self) -> &mut ColdState {
        self.cold.get_or_insert_default()
    }

    pub(super) fn layer(&self) -> Layer<'_> {
        match (&self.raw, self.tls()) {
            (Some(raw), _) => Layer::Plain(raw),
            (None, Some(tls)) => Layer::Tls(tls),
            (None, None) => Layer::None,
        }
    }

    pub(super) fn tls(&self) -> Option<&Tls> {
        self.cold.as_ref()?.tls.as_deref()
    }

    pub(super) fn socket(&self) -> Option<&Socket> {
        match self.layer() {
            Layer::Plain(raw) => raw.socket(),
            Layer::Tls(tls) => tls.socket(),
            Layer::None => None,
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.cold.as_ref().map_or(0, |cold| cold.unsent())
    }

    pub(super) fn has_pending_flow_call(&self) -> bool {
        self.cold.as_ref().is_some_and(|cold| cold.watermarks.has_pending_call())
    }

    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        // A direct call for a socket: the trait object costs an indirect one.
        match self.layer() {
            Layer::Plain(raw) => raw.stream().recv(buffer),
            Layer::Tls(tls) => tls.recv(buffer),
            Layer::None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends what the stream accepts now and queues a copy of the rest.
    pub(super) fn write(&mut self, mut pieces: &mut [IoSlice<'_>]) -> io::Result<Flow> {
        if self.unsent() == 0 {
            match self.layer() {
                Layer::Plain(raw) => send_pieces(raw.stream(), &mut pieces)?,
                Layer::Tls(tls) => send_pieces(tls, &mut pieces)?,
                Layer::None => {}
            }
            if pieces.is_empty() && self.cold.is_none() {
                return Ok(Flow::Open);
            }
        }
        let cold = self.cold();
        pieces.iter().for_each(|piece| cold.queue.push(piece));
        Ok(cold.watermarks.grew(cold.unsent()))
    }

    /// Queues data behind what an exclusive writer sends.
    pub(super) fn defer(&mut self, pieces: &[IoSlice<'_>]) -> Flow {
        let cold = self.cold();
        let deferred = cold.deferred.get_or_insert_default();
        pieces.iter().for_each(|piece| deferred.push(piece));
        cold.watermarks.grew(cold.unsent())
    }

    /// Sends queued data. Returns the tasks to wake, if the queue has fallen below the low-water mark.
    pub(super) fn flush(&mut self) -> io::Result<Vec<(u32, Waker)>> {
        let Some(cold) = &mut self.cold else { return Ok(Vec::new()) };
        match (&self.raw, &cold.tls) {
            (Some(raw), _) => cold.queue.flush(raw.stream())?,
            (None, Some(tls)) => {
                tls.flush()?;
                cold.queue.flush(&**tls)?;
            }
            (None, None) => {}
        }
        let has_room = cold.watermarks.shrank(cold.unsent());
        Ok(if has_room { std::mem::take(&mut cold.waiters) } else { Vec::new() })
    }

    /// Ends sending and records the error. Returns the queue, for the caller to drop after the borrow.
    pub(super) fn abort_sending(&mut self, error: Option<io::Error>) -> WriteQueue {
        if let Some(error) = error {
            let is_alert = is_peer_alert(&error);
            let known = &mut self.cold().error;
            match is_alert {
                true => *known = Some(error),
                false => _ = known.get_or_insert(error),
            }
        }
        if let Some(tls) = self.tls() {
            tls.give_up();
        }
        let Some(cold) = &mut self.cold else { return WriteQueue::default() };
        cold.deferred = None;
        std::mem::take(&mut cold.queue)
    }

    /// Frees the cold state when nothing in it differs from the default.
    pub(super) fn shrink(&mut self) {
        let is_default = |cold: &ColdState| {
            cold.unsent() == 0
                && cold.tls.is_none()
                && cold.watermarks.is_default()
                && cold.error.is_none()
                && cold.waiters.is_empty()
        };
        if self.cold.as_deref().is_some_and(is_default) {
            self.cold = None;
        }
    }
}

impl ColdState {
    /// Queued, deferred and encrypted bytes that the socket has not accepted.
    pub(super) fn unsent(&self) -> usize {
        self.queued() + self.deferred.as_ref().map_or(0, |deferred| deferred.size())
    }

    /// The same without deferred bytes.
    pub(super) fn queued(&self) -> usize {
        self.queue.size() + self.tls.as_ref().map_or(0, |tls| tls.backlog())
    }
}
