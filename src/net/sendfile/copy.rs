//! Transfer by copying: the executor reads the file, the loop sends it.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::net::SendFlags;

use super::error::{SendfileError, SendfilePhase};
use super::transfer::{Kind, Transfer};
use super::write_target::WriteTarget;
use crate::event_loop::{Interest, LoopHandle};
use crate::net::socket::readiness::FdReadiness;
use crate::net::transport::connection::ExclusiveWriter;

/// Size of one read, in bytes: asyncio's `SENDFILE_FALLBACK_READBUFFER_SIZE`.
const BLOCK: usize = 256 * 1024;

/// The file, shared with the executor's thread. The buffer moves there and back.
struct Source {
    file: Arc<File>,
    kind: Kind,
    buffer: Vec<u8>,
}

impl Transfer<'_> {
    pub(super) async fn copy(
        &mut self,
        event_loop: &LoopHandle,
        target: &impl WriteTarget,
        kind: Kind,
    ) -> Result<(), SendfileError> {
        let mut source = self.open(kind)?;
        while let Some(count) = self.read(event_loop, &mut source).await? {
            if let Err(error) = self.send_all(target, &source.buffer[..count]).await {
                return Err(self.failed(SendfilePhase::Send, error));
            }
        }
        Ok(())
    }

    /// Copies through TLS. A block is read only when the system has accepted the one before it completely.
    pub(super) async fn copy_over_tls(
        &mut self,
        event_loop: &LoopHandle,
        writer: &ExclusiveWriter,
        kind: Kind,
    ) -> Result<(), SendfileError> {
        let mut source = self.open(kind)?;
        while let Some(count) = self.read(event_loop, &mut source).await? {
            let sent = async {
                writer.send(&source.buffer[..count])?;
                writer.flushed().await
            };
            sent.await.map_err(|error| self.failed(SendfilePhase::Send, error))?;
            self.record_sent(count);
        }
        Ok(())
    }

    fn open(&self, kind: Kind) -> Result<Source, SendfileError> {
        let file = self.file().try_clone();
        let file = file.map_err(|error| self.failed(SendfilePhase::Read, error))?;
        Ok(Source { file: Arc::new(file), kind, buffer: Vec::new() })
    }

    /// Reads the next block and returns its length; `None` at the end.
    async fn read(
        &mut self,
        event_loop: &LoopHandle,
        source: &mut Source,
    ) -> Result<Option<usize>, SendfileError> {
        let wanted = self.chunks.next(BLOCK);
        if wanted == 0 {
            return Ok(None);
        }
        self.calls += 1;
        let read = source.read(event_loop, self.chunks.offset(), wanted).await;
        let count = read.map_err(|error| self.failed(SendfilePhase::Read, error))?;
        Ok((count > 0).then_some(count))
    }

    async fn send_all(&mut self, target: &impl WriteTarget, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let sent =
                target.try_io(|socket| Ok(rustix::net::send(socket, data, SendFlags::NOSIGNAL)?));
            match sent {
                Ok(sent) => {
                    self.record_sent(sent);
                    data = &data[sent..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    target.writable().await?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    target.fail(&error);
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}

impl Source {
    /// Waits for the writer of a pipe in the poller, because a thread of the executor would be blocked.
    async fn read(
        &mut self,
        event_loop: &LoopHandle,
        offset: u64,
        wanted: usize,
    ) -> io::Result<usize> {
        loop {
            if self.kind == Kind::Stream {
                match FdReadiness::new(event_loop, &*self.file, Interest::Readable) {
                    Ok(ready) => poll_fn(|cx| ready.poll(cx)).await,
                    // epoll refuses devices that are always ready.
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                    Err(error) => return Err(error),
                }
            }
            match self.read_once(event_loop, offset, wanted).await {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    async fn read_once(
        &mut self,
        event_loop: &LoopHandle,
        offset: u64,
        wanted: usize,
    ) -> io::Result<usize> {
        let (file, kind) = (Arc::clone(&self.file), self.kind);
        let mut buffer = std::mem::take(&mut self.buffer);
        let reading = event_loop.run_in_executor(move || {
            buffer.resize(wanted, 0);
            let read = read(&file, kind, offset, &mut buffer);
            (buffer, read)
        });
        let (buffer, read) = reading.await.map_err(io::Error::other)?;
        self.buffer = buffer;
        read
    }
}

fn read(mut file: &File, kind: Kind, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let read = match kind {
            Kind::Regular | Kind::Seekable => file.read_at(buffer, offset),
            Kind::Stream => file.read(buffer),
        };
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
