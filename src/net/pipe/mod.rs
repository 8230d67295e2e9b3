//! Pipes: `connect_read_pipe` and `connect_write_pipe`.

mod end;
mod read;
mod write;

use std::io;
use std::os::fd::OwnedFd;

pub use read::{ReadPipe, ReadPipeProtocol};
pub use write::{WritePipe, WritePipeProtocol};

pub(crate) use end::PipeEnd;

use super::Endpoint;
use crate::event_loop::LoopHandle;

impl LoopHandle {
    /// Reads from a pipe, a FIFO, a socket or a character device such as a terminal; asyncio's
    /// `connect_read_pipe`. `connection_made` has been called when this returns.
    ///
    /// The transport owns the descriptor and closes it at the end. The open file is set to
    /// non-blocking and restored at the end, because standard input is shared with the shell.
    /// A device that the poller does not accept, such as `/dev/zero`, is read once per turn.
    ///
    /// ```no_run
    /// # use loopctl::{LoopHandle, ReadPipe, ReadPipeProtocol};
    /// # struct Print;
    /// # impl ReadPipeProtocol for Print { fn data_received(&mut self, _: &ReadPipe, _: &[u8]) {} }
    /// use std::os::fd::AsFd;
    ///
    /// # async fn example(event_loop: LoopHandle) -> std::io::Result<()> {
    /// let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    /// let reading = event_loop.connect_read_pipe(stdin, || Print).await?;
    /// reading.transport.wait_closed().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `InvalidInput` for other files: a regular file is always "ready" and always blocks. The system's
    /// errors, and that of a closed loop. The descriptor is closed on error.
    pub async fn connect_read_pipe<P: ReadPipeProtocol>(
        &self,
        pipe: impl Into<OwnedFd>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Endpoint<ReadPipe, P>> {
        let pipe = PipeEnd::new(pipe.into(), "Pipe transport is for pipes/sockets only.")?;
        let pair = ReadPipe::attach(self, pipe, protocol())?;
        if self.debug() {
            log::debug!("Read pipe connected: {:?}", pair.transport);
        }
        Ok(pair)
    }

    /// Writes to a pipe, a FIFO, a socket or a character device such as a terminal; asyncio's
    /// `connect_write_pipe`. `connection_made` has been called when this returns.
    ///
    /// For ownership and blocking mode of the descriptor see [`connect_read_pipe`](Self::connect_read_pipe).
    ///
    /// ```
    /// # use loopctl::WritePipeProtocol;
    /// # use std::io::Read;
    /// struct Mute;
    /// impl WritePipeProtocol for Mute {}
    ///
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let (mut reader, writer) = std::io::pipe()?;
    /// event_loop.run_until_complete(async {
    ///     let pair = handle.connect_write_pipe(writer, || Mute).await?;
    ///     let _ = pair.transport.write(b"hello");
    ///     pair.transport.close();
    ///     pair.transport.wait_closed().await;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text)?;
    /// assert_eq!(text, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`connect_read_pipe`](Self::connect_read_pipe).
    pub async fn connect_write_pipe<P: WritePipeProtocol>(
        &self,
        pipe: impl Into<OwnedFd>,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Endpoint<WritePipe, P>> {
        const REFUSAL: &str = "Pipe transport is only for pipes, sockets and character devices";
        let pipe = PipeEnd::new(pipe.into(), REFUSAL)?;
        let pair = WritePipe::attach(self, pipe, protocol())?;
        if self.debug() {
            log::debug!("Write pipe connected: {:?}", pair.transport);
        }
        Ok(pair)
    }
}

/// Whether the poller refused a device because it is always ready.
fn is_always_ready(refused: &io::Error, kind: end::Kind) -> bool {
    kind == end::Kind::Device && refused.raw_os_error() == Some(libc::EPERM)
}
