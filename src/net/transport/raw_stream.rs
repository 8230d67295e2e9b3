//! The byte stream under a transport.

use std::io::{self, IoSlice};
use std::net::Shutdown;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::Socket;

/// How many pieces the kernel takes in one call (`IOV_MAX`); more are an error.
pub(in crate::net) const MOST_PIECES: usize = 1024;

/// What a transport asks of the stream under it. Nothing here waits.
pub(in crate::net) trait ByteStream {
    /// Receives at most `buffer.len()` bytes; 0 at the end of the stream.
    fn recv(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether there is something to receive; the end of the stream is nothing.
    fn has_more(&self) -> bool;

    /// Sends some of the pieces, at most [`MOST_PIECES`] of them; returns how many bytes went.
    fn send(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends the sending direction.
    fn shutdown(&self) -> io::Result<()>;

    /// The error that waits to be told, if any.
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

    /// A peer that is gone is an error, not a signal, also in programs that leave SIGPIPE deadly.
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

/// A socket, held in place; in tests also a stream that follows a script.
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

/// Sends until everything is sent or there is no room; what is left is left in `pieces`.
///
/// The stream is full when it takes less than it was given (epoll(7), question 9): it tells when it has room.
pub(in crate::net) fn send_pieces(
    stream: &dyn ByteStream,
    pieces: &mut &mut [IoSlice<'_>],
) -> io::Result<()> {
    while !pieces.is_empty() {
        let some = &pieces[..pieces.len().min(MOST_PIECES)];
        let offered: usize = some.iter().map(|piece| piece.len()).sum();
        let sent = match stream.send(some) {
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
