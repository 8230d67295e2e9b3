//! Non-blocking standard input and output, and other descriptors given by the user.
//!
//! Pipes, sockets and devices become transports of the event loop. A regular file is always "ready" and always
//! blocks, so it is read and written on a thread.

use std::fs::File;
use std::future::{pending, poll_fn};
use std::io::{self, Read, Write, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use loopctl::{Endpoint, LoopHandle, ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol};

use crate::util::shared_fd::{SharedFd, reopen};

/// Largest read from a file, and largest write to a transport, in bytes.
const CHUNK: usize = 64 * 1024;

/// A reader. It does not read ahead: what [`read`](Self::read) does not return stays for other processes.
pub(crate) enum Source {
    Pipe(Endpoint<ReadPipe, PipeReader>),
    Shared(SharedFd),
    File(BlockingFile),
}

/// A writer.
pub(crate) enum Sink {
    Pipe(Endpoint<WritePipe, PipeWriter>),
    Shared(SharedFd),
    File(BlockingFile),
}

impl Source {
    pub(crate) async fn stdin(event_loop: &LoopHandle) -> io::Result<Self> {
        let file = File::from(stdin().as_fd().try_clone_to_owned()?);
        match reopen(&file) {
            Some(own) => Self::new(event_loop, own).await,
            None if is_pollable(&file)? => Ok(Self::Shared(SharedFd::new(event_loop, file)?)),
            None => Self::new(event_loop, file).await,
        }
    }

    /// Wraps a descriptor that can be read, and of which no other program has a copy. Dropping the source closes it.
    pub(crate) async fn new(event_loop: &LoopHandle, from: impl Into<OwnedFd>) -> io::Result<Self> {
        let file = File::from(from.into());
        if is_pollable(&file)? {
            Ok(Self::Pipe(event_loop.connect_read_pipe(file, PipeReader::default).await?))
        } else {
            Ok(Self::File(BlockingFile::new(event_loop, file)))
        }
    }

    /// Whether reading waits for the disk only, never for a peer.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Waits for bytes; returns at most 256 KiB, or nothing at the end.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Pipe(pipe) => {
                pipe.transport.resume_reading();
                poll_fn(|cx| pipe.with(|reader| reader.poll(cx))).await
            }
            Self::Shared(shared) => shared.read().await,
            Self::File(blocking) => {
                let read = |mut file: &File| {
                    let mut bytes = vec![0; CHUNK];
                    let count = file.read(&mut bytes)?;
                    bytes.truncate(count);
                    Ok(bytes)
                };
                blocking.run(read).await
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Pipe(pipe) = self {
            pipe.transport.close();
        }
    }
}

impl Sink {
    pub(crate) async fn stdout(event_loop: &LoopHandle) -> io::Result<Self> {
        let file = File::from(stdout().as_fd().try_clone_to_owned()?);
        match reopen(&file) {
            Some(own) => Self::new(event_loop, own).await,
            None if is_pollable(&file)? => Ok(Self::Shared(SharedFd::new(event_loop, file)?)),
            None => Self::new(event_loop, file).await,
        }
    }

    /// Wraps a descriptor that can be written, and of which no other program has a copy. Dropping the sink closes it.
    pub(crate) async fn new(event_loop: &LoopHandle, to: impl Into<OwnedFd>) -> io::Result<Self> {
        let file = File::from(to.into());
        if is_pollable(&file)? {
            Ok(Self::Pipe(event_loop.connect_write_pipe(file, PipeWriter::default).await?))
        } else {
            Ok(Self::File(BlockingFile::new(event_loop, file)))
        }
    }

    /// Writes everything, waiting for the reader. About 128 KiB may still be buffered when this returns.
    ///
    /// # Errors
    /// Those of write(2), also for bytes buffered earlier; `BrokenPipe` when the reader has closed its end.
    pub(crate) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => {
                for piece in bytes.chunks(CHUNK) {
                    pipe.transport.write(piece);
                    if pipe.transport.drain().await.is_err() {
                        return Err(failure(pipe).await.unwrap_or_else(broken_pipe));
                    }
                }
                Ok(())
            }
            Self::Shared(shared) => shared.write_all(bytes).await,
            Self::File(blocking) => {
                let bytes = bytes.to_vec();
                blocking.run(move |mut file| file.write_all(&bytes)).await
            }
        }
    }

    /// Waits until the buffer is written, and closes the sink.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    pub(crate) async fn finish(&self) -> io::Result<()> {
        match self {
            Self::Pipe(pipe) => {
                pipe.transport.close();
                failure(pipe).await.map_or(Ok(()), Err)
            }
            Self::Shared(_) | Self::File(_) => Ok(()),
        }
    }

    /// Waits until the reader closes its end or a write fails. For devices and files, which have no reader, this waits
    /// for ever.
    pub(crate) async fn wait_broken(&self) -> io::Error {
        match self {
            Self::Pipe(pipe) => failure(pipe).await.unwrap_or_else(broken_pipe),
            Self::Shared(shared) => shared.wait_broken().await,
            Self::File(_) => pending().await,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Self::Pipe(pipe) = self {
            pipe.transport.abort();
        }
    }
}

/// Whether poll(2) reports when the file is ready.
fn is_pollable(file: &File) -> io::Result<bool> {
    let kind = file.metadata()?.file_type();
    Ok(kind.is_fifo() || kind.is_socket() || kind.is_char_device())
}

/// Waits until the pipe is closed; returns the error that closed it.
async fn failure(pipe: &Endpoint<WritePipe, PipeWriter>) -> Option<io::Error> {
    pipe.transport.wait_closed().await;
    pipe.with(|writer| writer.failure.take())
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

/// Holds one chunk from a pipe. Reading is paused until [`Source::read`] takes it.
#[derive(Default)]
pub(crate) struct PipeReader {
    bytes: Vec<u8>,
    end: Option<io::Result<()>>,
    waiter: Option<Waker>,
}

impl PipeReader {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.bytes)));
        }
        if let Some(end) = &mut self.end {
            return Poll::Ready(std::mem::replace(end, Ok(())).map(|()| Vec::new()));
        }
        self.waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    fn wake(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

impl ReadPipeProtocol for PipeReader {
    fn connection_made(&mut self, pipe: &ReadPipe) {
        pipe.pause_reading();
    }

    fn data_received(&mut self, pipe: &ReadPipe, data: &[u8]) {
        pipe.pause_reading();
        self.bytes.extend_from_slice(data);
        self.wake();
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.end = Some(error.map_or(Ok(()), Err));
        self.wake();
    }
}

/// Keeps the error that closed a pipe.
#[derive(Default)]
pub(crate) struct PipeWriter {
    failure: Option<io::Error>,
}

impl WritePipeProtocol for PipeWriter {
    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.failure = error;
    }
}

/// A file that is read or written in the executor, one call after another.
pub(crate) struct BlockingFile {
    event_loop: LoopHandle,
    file: Arc<File>,
}

impl BlockingFile {
    fn new(event_loop: &LoopHandle, file: File) -> Self {
        Self { event_loop: event_loop.clone(), file: Arc::new(file) }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&File) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let file = Arc::clone(&self.file);
        let done = self.event_loop.run_in_executor(move || work(&file)).await;
        done.unwrap_or_else(|cancelled| Err(io::Error::other(cancelled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(main: impl AsyncFnOnce(LoopHandle) -> io::Result<T>) -> io::Result<T> {
        loopctl::run(main).map_err(io::Error::other)?
    }

    async fn read_to_end(source: &mut Source) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let bytes = source.read().await?;
            if bytes.is_empty() {
                return Ok(all);
            }
            all.extend(bytes);
        }
    }

    fn every_byte(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn a_pipe_and_a_file_give_the_same_bytes() {
        let text = every_byte(1 << 20);
        let mut file = tempfile::tempfile().unwrap();
        let copy = text.clone();
        let read = run(async |event_loop| {
            let sink = Sink::new(&event_loop, file.try_clone()?).await?;
            sink.write_all(&copy).await?;
            sink.finish().await?;
            io::Seek::rewind(&mut file)?;
            let (reader, writer) = io::pipe()?;
            let sink = Sink::new(&event_loop, writer).await?;
            let inside = event_loop.clone();
            let copying = event_loop.create_task(async move {
                let mut source = Source::new(&inside, file).await?;
                loop {
                    let bytes = source.read().await?;
                    if bytes.is_empty() {
                        return sink.finish().await;
                    }
                    sink.write_all(&bytes).await?;
                }
            });
            let read = read_to_end(&mut Source::new(&event_loop, reader).await?).await?;
            copying.await.map_err(io::Error::other)??;
            Ok(read)
        });
        assert!(read.unwrap() == text);
    }

    #[test]
    fn nothing_is_read_ahead() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut again = reader.try_clone().unwrap();
        writer.write_all(b"ours").unwrap();
        run(async |event_loop| {
            let _source = Source::new(&event_loop, reader).await?;
            event_loop.sleep(std::time::Duration::from_millis(20)).await;
            Ok(())
        })
        .unwrap();
        let mut bytes = [0; 4];
        again.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"ours");
    }

    #[test]
    fn a_reader_that_has_gone_is_noticed_without_a_write() {
        let (reader, writer) = io::pipe().unwrap();
        let error = run(async |event_loop| {
            let sink = Sink::new(&event_loop, writer).await?;
            drop(reader);
            let error = sink.wait_broken().await;
            assert_eq!(sink.write_all(b"x").await.unwrap_err().kind(), error.kind());
            Ok(error)
        });
        assert_eq!(error.unwrap().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn errors_come_out_of_files_and_devices() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error =
            run(async |event_loop| Sink::new(&event_loop, full).await?.write_all(b"x").await)
                .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let folder = File::open("/").unwrap();
        let error = run(async |event_loop| Source::new(&event_loop, folder).await?.read().await)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let (_, writer) = io::pipe().unwrap();
        let error = run(async |event_loop| Source::new(&event_loop, writer).await?.read().await)
            .unwrap_err();
        assert_eq!(error.raw_os_error(), Some(9), "{error}");
    }
}
