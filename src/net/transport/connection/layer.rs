//! What ends with a connection: its wire and its queue, and TLS where there is some.

use std::io::{self, IoSlice};
use std::task::Waker;

use socket2::Socket;

use super::{Parts, Rare};
use crate::net::transport::raw_stream::{ByteStream, send_pieces};
use crate::net::transport::write_queue::WriteQueue;
use crate::plan::Flow;

impl Parts {
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub(super) fn unsent(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.unsent())
    }

    /// The byte stream that the protocol's bytes go through.
    pub(super) fn stream(&self) -> Option<&dyn ByteStream> {
        match &self.wire {
            Some(wire) => Some(wire.stream()),
            None => self.rare.as_ref()?.layer(),
        }
    }

    pub(super) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.wire {
            Some(wire) => wire.stream().recv(buffer),
            None => match self.stream() {
                Some(layer) => layer.recv(buffer),
                None => Err(io::ErrorKind::WouldBlock.into()),
            },
        }
    }

    pub(super) fn socket(&self) -> Option<&Socket> {
        match &self.wire {
            Some(wire) => wire.socket(),
            #[cfg(feature = "tls")]
            None => self.rare.as_ref()?.tls.as_ref()?.socket(),
            #[cfg(not(feature = "tls"))]
            None => None,
        }
    }

    pub(super) fn owes_call(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.marks.has_pending_call())
    }

    /// Sends what the wire takes now and keeps a copy of the rest.
    pub(super) fn write(&mut self, mut pieces: &mut [IoSlice<'_>]) -> io::Result<Flow> {
        if self.unsent() == 0 {
            // Apart, so that a call for a socket is known to be one.
            match (&self.wire, &self.rare) {
                (Some(wire), _) => send_pieces(wire.stream(), &mut pieces)?,
                (None, Some(rare)) => {
                    if let Some(layer) = rare.layer() {
                        send_pieces(layer, &mut pieces)?;
                    }
                }
                (None, None) => {}
            }
            if pieces.is_empty() && self.rare.is_none() {
                return Ok(Flow::Open);
            }
        }
        let rare = self.rare();
        pieces.iter().for_each(|piece| rare.outbox.push(piece));
        Ok(rare.marks.grew(rare.unsent()))
    }

    /// Returns whom to wake.
    pub(super) fn flush(&mut self) -> io::Result<Vec<(u32, Waker)>> {
        let Some(rare) = &mut self.rare else { return Ok(Vec::new()) };
        match &self.wire {
            Some(wire) => rare.outbox.flush(wire.stream())?,
            None => rare.flush_layer()?,
        }
        let opens = rare.marks.shrank(rare.unsent());
        Ok(if opens { std::mem::take(&mut rare.waiting) } else { Vec::new() })
    }

    /// Nothing more is sent; what was to be is for the caller to drop.
    pub(super) fn give_up(&mut self, error: Option<io::Error>) -> WriteQueue {
        if let Some(error) = error {
            let explains = explains(&error);
            let known = &mut self.rare().error;
            match explains {
                true => *known = Some(error),
                false => _ = known.get_or_insert(error),
            }
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = self.rare.as_ref().and_then(|rare| rare.tls.as_ref()) {
            tls.give_up();
        }
        let Some(rare) = &mut self.rare else { return WriteQueue::default() };
        rare.later = None;
        std::mem::take(&mut rare.outbox)
    }

    /// Gives back the memory of what has passed.
    pub(super) fn slim(&mut self) {
        let is_over = |rare: &Rare| {
            rare.unsent() == 0
                && rare.layer().is_none()
                && rare.marks.is_default()
                && rare.error.is_none()
                && rare.waiting.is_empty()
        };
        if self.rare.as_deref().is_some_and(is_over) {
            self.rare = None;
        }
    }
}

impl Rare {
    pub(super) fn unsent(&self) -> usize {
        #[cfg(feature = "tls")]
        let kept = self.tls.as_ref().map_or(0, |tls| tls.backlog());
        #[cfg(not(feature = "tls"))]
        let kept = 0;
        let later = self.later.as_ref().map_or(0, |later| later.size());
        self.outbox.size() + later + kept
    }

    /// What is between the protocol and the wire.
    pub(super) fn layer(&self) -> Option<&dyn ByteStream> {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().map(|tls| &**tls as &dyn ByteStream);
        #[cfg(not(feature = "tls"))]
        None
    }

    /// Whether the layer has something to deliver of which the poller will not tell.
    pub(super) fn holds_more(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().is_some_and(|tls| tls.holds_more());
        #[cfg(not(feature = "tls"))]
        false
    }

    pub(super) fn flush_layer(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.flush()?;
            self.outbox.flush(&**tls)?;
        }
        Ok(())
    }
}

/// Whether the peer has said why it leaves, which says more than that it is gone.
fn explains(error: &io::Error) -> bool {
    #[cfg(feature = "tls")]
    return crate::net::TlsError::within(error)
        .is_some_and(|error| error.kind() == crate::net::TlsErrorKind::Alert);
    #[cfg(not(feature = "tls"))]
    {
        let _ = error;
        false
    }
}
