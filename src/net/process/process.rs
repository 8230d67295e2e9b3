//! A child process for async code: streams, `communicate`, `output`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::process::{ExitStatus, Output};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::{ChildPipe, CreateSubprocess, SubprocessProtocol, SubprocessTransport};
use crate::net::{ReadPipe, WritePipe};

/// Unread output of one stream, in bytes, at which the pipe is no longer read.
const MAX_UNREAD: usize = 128 * 1024;

/// Child process with streams; asyncio's `Process`. Dropping it leaves the child running.
///
/// ```
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// event_loop.run_until_complete(async {
///     let mut child = handle.subprocess_shell("read line; echo \"got $line\"").spawn().await?;
///     child.write_all(b"hello\n").await?;
///     assert_eq!(child.read_line().await?, b"got hello\n");
///     assert!(child.wait().await?.success());
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "create_subprocess_exec")]
#[doc(alias = "create_subprocess_shell")]
pub struct Process {
    transport: SubprocessTransport,
    streams: Rc<RefCell<Streams>>,
}

#[derive(Default)]
struct Streams {
    stdout: Stream,
    stderr: Stream,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Stream {
    unread: VecDeque<u8>,
    has_ended: bool,
    is_paused: bool,
}

struct Collector(Rc<RefCell<Streams>>);

impl CreateSubprocess {
    /// Starts the child, with streams instead of a protocol; asyncio's `create_subprocess_exec`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn spawn(self) -> io::Result<Process> {
        let streams = Rc::<RefCell<Streams>>::default();
        let collector = Collector(Rc::clone(&streams));
        let transport = self.open(|| collector).await?.transport;
        let mut known = streams.borrow_mut();
        known.stdout.has_ended = transport.stdout().is_none();
        known.stderr.has_ended = transport.stderr().is_none();
        drop(known);
        Ok(Process { transport, streams })
    }

    /// Runs the child to its end, and returns its status and what it printed. Its standard input is empty.
    ///
    /// If this future is dropped, the child is killed.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let output = handle.subprocess_shell("echo out; echo err >&2; exit 3").output();
    /// let output = event_loop.run_until_complete(output)??;
    /// assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    /// assert_eq!(output.status.code(), Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn output(self) -> io::Result<Output> {
        self.spawn().await?.communicate(b"").await
    }
}

impl Process {
    /// Writes `input`, closes standard input, reads everything, and waits for the end; asyncio's `communicate`.
    ///
    /// All of it happens at the same time, so that no full pipe stops the child. A child that does not read its input is
    /// no error. If this future is dropped, the child is killed.
    ///
    /// ```
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let output = event_loop.run_until_complete(async {
    ///     handle.subprocess_shell("tr a-z A-Z").spawn().await?.communicate(b"hello").await
    /// })??;
    /// assert_eq!(output.stdout, b"HELLO");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `Other` if the loop was closed first.
    pub async fn communicate(self, input: &[u8]) -> io::Result<Output> {
        let killer = KillOnDrop(&self.transport);
        if let Some(stdin) = self.transport.stdin() {
            // The transport queues the rest and sends it while the output is read.
            stdin.write(input);
            stdin.close();
        }
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        poll_fn(|cx| {
            let mut streams = self.streams.borrow_mut();
            stdout.extend(streams.stdout.unread.drain(..));
            stderr.extend(streams.stderr.unread.drain(..));
            self.resume(&mut streams);
            if streams.stdout.has_ended && streams.stderr.has_ended {
                return Poll::Ready(());
            }
            streams.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        let status = self.wait().await?;
        std::mem::forget(killer);
        Ok(Output { status, stdout, stderr })
    }

    /// Reads a line of standard output with its end; the last one may have none, and an empty one is the end.
    ///
    /// # Errors
    /// `InvalidData` if a line is longer than 128 KiB.
    pub async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        poll_fn(|cx| {
            let mut streams = self.streams.borrow_mut();
            let stdout = &mut streams.stdout;
            let end = stdout.unread.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let end = end.or_else(|| stdout.has_ended.then_some(stdout.unread.len()));
            if let Some(end) = end {
                let line = stdout.unread.drain(..end).collect();
                self.resume(&mut streams);
                return Poll::Ready(Ok(line));
            }
            if stdout.is_paused {
                let text = "a line of the child is longer than 128 KiB";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
            streams.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Writes to standard input, and waits while its queue is full.
    ///
    /// # Errors
    /// `BrokenPipe` if the child has closed it, or it is not a pipe.
    pub async fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let stdin = self.transport.stdin().ok_or(io::ErrorKind::BrokenPipe)?;
        stdin.write(data);
        stdin.drain().await
    }

    /// Closes standard input when all is written: the child reads its end.
    pub fn close_stdin(&mut self) {
        self.transport.stdin().iter().for_each(WritePipe::close);
    }

    /// Waits for the end of the child. Its output can be read afterwards.
    ///
    /// # Errors
    /// `Other` if the loop was closed first.
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        self.transport.wait().await
    }

    /// Process ID.
    pub fn pid(&self) -> u32 {
        self.transport.pid()
    }

    /// The transport, which sends signals and has the exit code.
    pub fn transport(&self) -> &SubprocessTransport {
        &self.transport
    }

    /// Reads on where the unread output has become short.
    fn resume(&self, streams: &mut Streams) {
        let pipes = [self.transport.stdout(), self.transport.stderr()];
        for (stream, pipe) in [&mut streams.stdout, &mut streams.stderr].into_iter().zip(pipes) {
            if stream.unread.len() < MAX_UNREAD && std::mem::take(&mut stream.is_paused) {
                pipe.iter().for_each(ReadPipe::resume_reading);
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Process {:?}>", self.transport)
    }
}

/// Kills the child of a `communicate` that is dropped.
struct KillOnDrop<'a>(&'a SubprocessTransport);

impl Drop for KillOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Collector {
    /// Changes one stream, and wakes the reader.
    fn update(&self, pipe: ChildPipe, change: impl FnOnce(&mut Stream)) {
        let mut streams = self.0.borrow_mut();
        match pipe {
            ChildPipe::Stdout => change(&mut streams.stdout),
            ChildPipe::Stderr => change(&mut streams.stderr),
            ChildPipe::Stdin => {}
        }
        let waker = streams.waker.take();
        drop(streams);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl SubprocessProtocol for Collector {
    fn pipe_data_received(
        &mut self,
        transport: &SubprocessTransport,
        pipe: ChildPipe,
        data: &[u8],
    ) {
        self.update(pipe, |stream| {
            stream.unread.extend(data);
            if stream.unread.len() >= MAX_UNREAD {
                stream.is_paused = true;
                let ends = match pipe {
                    ChildPipe::Stderr => transport.stderr(),
                    _ => transport.stdout(),
                };
                ends.iter().for_each(ReadPipe::pause_reading);
            }
        });
    }

    fn pipe_connection_lost(
        &mut self,
        _: &SubprocessTransport,
        pipe: ChildPipe,
        _: Option<io::Error>,
    ) {
        self.update(pipe, |stream| stream.has_ended = true);
    }

    /// The loop was closed, or everything has ended.
    fn connection_lost(&mut self, _: Option<io::Error>) {
        self.update(ChildPipe::Stdout, |stream| stream.has_ended = true);
        self.update(ChildPipe::Stderr, |stream| stream.has_ended = true);
    }
}
