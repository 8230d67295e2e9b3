//! The byte stream below a transport: a socket, or a TLS session over one.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::Socket;

/// The kernel's limit of buffers in one call (`IOV_MAX`); more are an error.
pub(in crate::net) const MAX_PIECES: usize = 1024;

/// Non-blocking operations of a byte stream.
pub(in crate::net) trait ByteStream {
    /// Receives at most `buffer.len()` bytes; 0 at the end of the stream.
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether there is data to receive; the end of the stream does not count.
    fn has_more(&self) -> bool;

    /// Sends a part of the pieces, at most [`MAX_PIECES`] of them; returns the number of bytes sent.
    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends the sending direction.
    fn shutdown(&self) -> io::Result<()>;

    /// Takes the pending error (`SO_ERROR`).
    fn take_error(&self) -> io::Result<Option<io::Error>>;
}

impl ByteStream for Socket {
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::net::recv(self, buffer, RecvFlags::empty())?.0)
    }

    fn has_more(&self) -> bool {
        let peeked = rustix::net::recv(self, &mut [0_u8], RecvFlags::PEEK);
        peeked.is_ok_and(|(count, _)| count > 0)
    }

    /// Sends with `MSG_NOSIGNAL`: a peer that is gone is an error, also where SIGPIPE would end the program.
    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let sent = match pieces {
            [piece] => rustix::net::send(self, piece, SendFlags::NOSIGNAL),
            _ => {
                let mut nothing = SendAncillaryBuffer::default();
                rustix::net::sendmsg(self, pieces, &mut nothing, SendFlags::NOSIGNAL)
            }
        };
        Ok(sent?)
    }

    fn shutdown(&self) -> io::Result<()> {
        Self::shutdown(self, Shutdown::Write)
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Self::take_error(self)
    }
}

/// A socket, stored in place; in tests also a scripted stream.
pub(in crate::net) enum RawStream {
    Socket(Socket),
    #[cfg(test)]
    Scripted(Box<dyn ByteStream>),
}

impl RawStream {
    pub(in crate::net) fn stream(&self) -> &dyn ByteStream {
        match self {
            Self::Socket(socket) => socket,
            #[cfg(test)]
            Self::Scripted(stream) => &**stream,
        }
    }

    pub(in crate::net) fn socket(&self) -> Option<&Socket> {
        match self {
            Self::Socket(socket) => Some(socket),
            #[cfg(test)]
            Self::Scripted(_) => None,
        }
    }
}

/// Sends until all pieces are sent or the stream is full; unsent data stays in `pieces`.
///
/// A stream that accepts less than it was given is full, and the poller reports when it is writable again
/// (epoll(7), question 9).
pub(in crate::net) fn send_pieces(
    stream: &dyn ByteStream,
    pieces: &mut &mut [IoSlice<'_>],
) -> io::Result<()> {
    while !pieces.is_empty() {
        let batch = &pieces[..pieces.len().min(MAX_PIECES)];
        let offered: usize = batch.iter().map(|piece| piece.len()).sum();
        let sent = match stream.send(batch) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        IoSlice::advance_slices(pieces, sent);
        if sent < offered {
            return Ok(());
        }
    }
    Ok(())
}
