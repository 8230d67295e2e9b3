//! Both directions of a stream in one value, as most crates of the ecosystem want them.

use std::fmt;

use super::{StreamReader, StreamWriter};

/// Reader and writer of one connection in one value, for crates that take both.
///
/// With the feature `futures-io` it implements `AsyncRead` and `AsyncWrite` of futures-io, over TLS as well. With the
/// feature `hyper` it implements the I/O traits of hyper.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// # let (ours, _theirs) = std::os::unix::net::UnixStream::pair()?;
/// let connecting = handle.create_connection_on(ours).open_stream();
/// let (reader, writer) = event_loop.run_until_complete(connecting)??;
/// let (_reader, _writer) = loopctl::DuplexStream::new(reader, writer).into_parts();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the connection is closed when it is dropped"]
pub struct DuplexStream {
    pub(super) reader: StreamReader,
    pub(super) writer: StreamWriter,
}

impl DuplexStream {
    /// Joins the two directions of a connection.
    pub fn new(reader: StreamReader, writer: StreamWriter) -> Self {
        Self { reader, writer }
    }

    /// Splits it again.
    pub fn into_parts(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }
}

impl From<(StreamReader, StreamWriter)> for DuplexStream {
    fn from((reader, writer): (StreamReader, StreamWriter)) -> Self {
        Self { reader, writer }
    }
}

impl fmt::Debug for DuplexStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<DuplexStream {:?}>", self.writer.transport())
    }
}
