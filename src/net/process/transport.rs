//! Transport of a child process: pipes, signals, exit.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::rc::Rc;

use rustix::process::Signal;

use super::child::ChildProcess;
use super::{ChildPipe, SubprocessProtocol};
use crate::event_loop::{Interest, LoopHandle, Readiness, short_type_name};
use crate::net::pipe::PipeEnd;
use crate::net::transport::base::{
    BaseTransport, CloseState, TransportCore, WatchedFd, handle_methods,
};
use crate::net::{Endpoint, ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol};

/// Handle to a child process, for code on the loop's thread; asyncio's `SubprocessTransport`.
///
/// Created by [`subprocess_exec`](LoopHandle::subprocess_exec) and
/// [`subprocess_shell`](LoopHandle::subprocess_shell). Dropping all handles does not end the child; closing the
/// loop kills it.
#[derive(Clone)]
pub struct SubprocessTransport(Rc<Inner>);

handle_methods!(SubprocessTransport);

struct Inner {
    core: TransportCore<dyn SubprocessProtocol>,
    process: WatchedFd<ChildProcess>,
    pid: u32,
    status: Cell<Option<ExitStatus>>,
    pipes: RefCell<Pipes>,
    open_pipes: Cell<usize>,
}

#[derive(Default, Clone)]
struct Pipes {
    stdin: Option<WritePipe>,
    stdout: Option<ReadPipe>,
    stderr: Option<ReadPipe>,
}

/// Protocol of one pipe; it forwards calls to the protocol of the child.
struct Relay {
    process: Rc<Inner>,
    pipe: ChildPipe,
}

impl SubprocessTransport {
    /// Attaches to a running child. `output` is the parent's end of a pipe for both output streams.
    pub(crate) fn attach<P: SubprocessProtocol>(
        event_loop: &LoopHandle,
        mut child: Child,
        output: Option<OwnedFd>,
        protocol: P,
    ) -> io::Result<Endpoint<Self, P>> {
        let ends = PipeEnds::take(&mut child, output);
        let process = ChildProcess::new(child)?;
        let protocol = Rc::new(RefCell::new(protocol));
        let transport = Self(Rc::new(Inner {
            core: TransportCore::new(
                event_loop,
                short_type_name::<P>(),
                Rc::clone(&protocol) as Rc<RefCell<dyn SubprocessProtocol>>,
            ),
            pid: process.pid(),
            process: WatchedFd::new(process),
            status: Cell::default(),
            pipes: RefCell::default(),
            open_pipes: Cell::default(),
        }));
        if let Err(error) = transport.0.connect(ends) {
            transport.0.release();
            return Err(error);
        }
        transport.0.notify("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// The process ID. Once the child has exited it may belong to another process: send signals by the methods
    /// here.
    #[doc(alias = "get_pid")]
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// The exit status; `None` until the loop has noticed the exit.
    pub fn status(&self) -> Option<ExitStatus> {
        self.0.status.get()
    }

    /// The exit code in asyncio's form: negative for the signal that ended the child. 255 if the status was
    /// lost because other code in this process waited for the child.
    #[doc(alias = "get_returncode")]
    pub fn returncode(&self) -> Option<i32> {
        let status = self.status()?;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// The child's standard input; `None` if it is not a pipe.
    pub fn stdin(&self) -> Option<WritePipe> {
        self.0.pipes.borrow().stdin.clone()
    }

    /// The child's standard output, to pause or to close it; `None` if it is not a pipe.
    pub fn stdout(&self) -> Option<ReadPipe> {
        self.0.pipes.borrow().stdout.clone()
    }

    /// The child's standard error; `None` if it is not a pipe.
    pub fn stderr(&self) -> Option<ReadPipe> {
        self.0.pipes.borrow().stderr.clone()
    }

    /// Sends a signal by its number, such as 1 for `SIGHUP`. It never reaches another process; the result is
    /// `false` if the child has exited already.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is not a named signal; `PermissionDenied` if the child now runs as
    /// another user.
    pub fn send_signal(&self, signal: i32) -> io::Result<bool> {
        self.0.signal(named_signal(signal)?)
    }

    /// Sends a signal to the process group that the child leads, so that processes started by a shell receive
    /// it too. The result is `false` if the child does not lead a group, or has exited.
    ///
    /// ```
    /// use std::os::unix::process::CommandExt;
    ///
    /// # struct Quiet;
    /// # impl loopctl::SubprocessProtocol for Quiet {}
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let mut command = std::process::Command::new("sh");
    /// command.args(["-c", "sleep 60; true"]).process_group(0);
    /// event_loop.run_until_complete(async {
    ///     let child = handle.subprocess_exec(command).open(|| Quiet).await?;
    ///     assert!(child.transport.send_signal_to_group(15)?);
    ///     child.transport.wait().await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    pub fn send_signal_to_group(&self, signal: i32) -> io::Result<bool> {
        let signal = named_signal(signal)?;
        self.0.process.with(|process| process.signal_group(signal)).unwrap_or(Ok(false))
    }

    /// Sends `SIGTERM`; see [`send_signal`](Self::send_signal).
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    pub fn terminate(&self) -> io::Result<bool> {
        self.0.signal(Signal::TERM)
    }

    /// Sends `SIGKILL`; see [`send_signal`](Self::send_signal).
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    pub fn kill(&self) -> io::Result<bool> {
        self.0.signal(Signal::KILL)
    }

    /// Closes the pipes, drops queued data, and kills the child if it runs. `process_exited` and
    /// `connection_lost` follow. No effect when called again.
    pub fn close(&self) {
        self.0.core.advance(CloseState::Closing);
        let Pipes { stdin, stdout, stderr } = self.0.pipes.borrow().clone();
        stdin.iter().for_each(WritePipe::abort);
        stdout.iter().chain(&stderr).for_each(ReadPipe::close);
        if self.status().is_none()
            && let Err(error) = self.kill()
        {
            log::warn!("{self:?} cannot be killed: {error}");
        }
    }

    /// Waits until the child has exited and `process_exited` has been called; asyncio's `Process.wait`. Its
    /// pipes may still be open.
    ///
    /// A child blocks while it writes into a full pipe, so it never exits if its output stays paused.
    ///
    /// # Errors
    /// An error of kind `Other` if the loop was closed first.
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        let inner = &self.0;
        let exited = || match (inner.status.get(), inner.core.close_state()) {
            (Some(status), _) => Some(Ok(status)),
            (None, CloseState::Closed) => Some(Err(io::Error::other("the event loop is closed"))),
            _ => None,
        };
        inner.core.wait_until(exited).await
    }
}

fn named_signal(signal: i32) -> io::Result<Signal> {
    Signal::from_named_raw(signal).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {signal}"))
    })
}

/// The parent's ends of a child's pipes.
struct PipeEnds {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl PipeEnds {
    fn take(child: &mut Child, output: Option<OwnedFd>) -> Self {
        Self {
            stdin: child.stdin.take().map(Into::into),
            stdout: output.or_else(|| child.stdout.take().map(Into::into)),
            stderr: child.stderr.take().map(Into::into),
        }
    }
}

impl Inner {
    fn connect(self: &Rc<Self>, ends: PipeEnds) -> io::Result<()> {
        self.process.watch(self, Interest::Readable)?;
        // One at a time, so that pipes connected before an error are known and released.
        let stdin = self.write_to(ends.stdin)?;
        self.pipes.borrow_mut().stdin = stdin;
        let stdout = self.read_from(ends.stdout, ChildPipe::Stdout)?;
        self.pipes.borrow_mut().stdout = stdout;
        let stderr = self.read_from(ends.stderr, ChildPipe::Stderr)?;
        self.pipes.borrow_mut().stderr = stderr;
        Ok(())
    }

    fn relay(self: &Rc<Self>, pipe: ChildPipe) -> Relay {
        self.open_pipes.set(self.open_pipes.get() + 1);
        Relay { process: Rc::clone(self), pipe }
    }

    fn write_to(self: &Rc<Self>, fd: Option<OwnedFd>) -> io::Result<Option<WritePipe>> {
        let Some(fd) = fd else { return Ok(None) };
        let (pipe, relay) = (PipeEnd::of_child(fd)?, self.relay(ChildPipe::Stdin));
        let pipe = WritePipe::attach(&self.core.event_loop, pipe, relay)?.transport;
        pipe.set_protocol_name(self.core.protocol_name.get());
        Ok(Some(pipe))
    }

    fn read_from(
        self: &Rc<Self>,
        fd: Option<OwnedFd>,
        which: ChildPipe,
    ) -> io::Result<Option<ReadPipe>> {
        let Some(fd) = fd else { return Ok(None) };
        let (pipe, relay) = (PipeEnd::of_child(fd)?, self.relay(which));
        let pipe = ReadPipe::attach(&self.core.event_loop, pipe, relay)?.transport;
        pipe.set_protocol_name(self.core.protocol_name.get());
        Ok(Some(pipe))
    }

    /// Sends a signal, unless the child was reaped, which closes its pidfd.
    fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.process.with(|process| process.signal(signal)).unwrap_or(Ok(false))
    }

    fn check_exit(self: &Rc<Self>) {
        let waited = self.process.with(ChildProcess::try_wait);
        let status = match waited {
            Some(Ok(Some(status))) => status,
            Some(Err(error)) => return log::error!("{}: cannot wait: {error}", self.describe()),
            Some(Ok(None)) | None => return,
        };
        self.status.set(Some(status));
        self.process.close();
        let transport = SubprocessTransport(Rc::clone(self));
        self.notify("process_exited", |protocol| protocol.process_exited(&transport, status));
        self.core.wake();
    }

    fn forward(
        self: &Rc<Self>,
        method: &str,
        call: impl FnOnce(&mut dyn SubprocessProtocol, &SubprocessTransport),
    ) {
        let transport = SubprocessTransport(Rc::clone(self));
        self.notify(method, |protocol| call(protocol, &transport));
    }

    fn pipe_lost(self: &Rc<Self>, pipe: ChildPipe, error: Option<io::Error>) {
        self.forward("pipe_connection_lost", |protocol, transport| {
            protocol.pipe_connection_lost(transport, pipe, error);
        });
        self.open_pipes.set(self.open_pipes.get() - 1);
        self.enqueue();
    }
}

impl BaseTransport for Inner {
    type Protocol = dyn SubprocessProtocol;

    fn core(&self) -> &TransportCore<Self::Protocol> {
        &self.core
    }

    /// Records nothing: any event of the pidfd means that the child has exited.
    fn record_readiness(&self, _: Readiness) {}

    fn process(self: &Rc<Self>) {
        self.check_exit();
        if self.status.get().is_some() && self.open_pipes.get() == 0 {
            self.call_connection_lost();
        }
    }

    fn close_descriptors(&self) {
        self.process.close();
        let Pipes { stdin, stdout, stderr } = self.pipes.borrow().clone();
        stdin.iter().for_each(WritePipe::release);
        stdout.iter().chain(&stderr).for_each(ReadPipe::release);
    }

    fn identity(&self) -> String {
        format!("pid={}", self.pid)
    }

    fn describe(&self) -> String {
        let state = match (self.status.get(), self.core.close_state()) {
            (Some(status), _) => status.to_string(),
            (None, CloseState::Closed) => "killed".to_owned(),
            (None, _) => "running".to_owned(),
        };
        format!("<SubprocessTransport pid={} {state}>", self.pid)
    }

    fn connection_lost(protocol: &mut Self::Protocol, error: Option<io::Error>) {
        protocol.connection_lost(error);
    }
}

impl ReadPipeProtocol for Relay {
    fn data_received(&mut self, _: &ReadPipe, data: &[u8]) {
        let pipe = self.pipe;
        self.process.forward("pipe_data_received", |protocol, transport| {
            protocol.pipe_data_received(transport, pipe, data);
        });
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.process.pipe_lost(self.pipe, error);
    }
}

impl WritePipeProtocol for Relay {
    fn pause_writing(&mut self, _: &WritePipe) {
        let pause = |protocol: &mut dyn SubprocessProtocol, transport: &SubprocessTransport| {
            protocol.pause_writing(transport);
        };
        self.process.forward("pause_writing", pause);
    }

    fn resume_writing(&mut self, _: &WritePipe) {
        let resume = |protocol: &mut dyn SubprocessProtocol, transport: &SubprocessTransport| {
            protocol.resume_writing(transport);
        };
        self.process.forward("resume_writing", resume);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.process.pipe_lost(self.pipe, error);
    }
}
