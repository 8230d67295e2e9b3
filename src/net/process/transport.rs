//! A child in use: its pipes, its signals, its end.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::rc::Rc;

use rustix::process::Signal;

use super::child::Reaper;
use super::{ChildPipe, SubprocessProtocol};
use crate::event_loop::{Interest, LoopHandle, Readiness};
use crate::net::pipe::PipeEnd;
use crate::net::transport::base::{Bond, Line, Stage, Watched};
use crate::net::{Endpoint, ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol};

/// Counted handle to a child process, for code on the loop's thread; asyncio's `SubprocessTransport`.
///
/// It is made by [`subprocess_exec`](LoopHandle::subprocess_exec) and
/// [`subprocess_shell`](LoopHandle::subprocess_shell). The child runs on when all handles are dropped; closing
/// the loop kills it.
#[derive(Clone)]
pub struct SubprocessTransport(Rc<Inner>);

struct Inner {
    bond: Bond<dyn SubprocessProtocol>,
    process: Watched<Reaper>,
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

/// Passes on what one pipe tells.
struct Relay {
    process: Rc<Inner>,
    pipe: ChildPipe,
}

impl SubprocessTransport {
    /// Takes over a child. `output` is our end of a pipe that carries both its streams.
    pub(crate) fn attach<P: SubprocessProtocol>(
        event_loop: &LoopHandle,
        mut child: Child,
        output: Option<OwnedFd>,
        protocol: P,
    ) -> io::Result<Endpoint<Self, P>> {
        let ends = Ends::take(&mut child, output);
        let process = Reaper::new(child)?;
        let protocol = Rc::new(RefCell::new(protocol));
        let transport = Self(Rc::new(Inner {
            bond: Bond::new(
                event_loop,
                Rc::clone(&protocol) as Rc<RefCell<dyn SubprocessProtocol>>,
            ),
            pid: process.pid(),
            process: Watched::new(process),
            status: Cell::default(),
            pipes: RefCell::default(),
            open_pipes: Cell::default(),
        }));
        if let Err(error) = transport.0.connect(ends) {
            transport.0.abandon();
            return Err(error);
        }
        transport.0.tell("connection_made", |protocol| protocol.connection_made(&transport));
        Ok(Endpoint::new(transport, protocol))
    }

    /// The process's number. It may belong to another process once this one has exited: signals are better
    /// sent by the methods here.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// How the child ended; `None` while it runs, and until the loop has noticed.
    pub fn status(&self) -> Option<ExitStatus> {
        self.0.status.get()
    }

    /// As [`status`](Self::status), as asyncio has it: the exit code, or the number of the signal that ended
    /// the child, negated. 255 where the status was lost, because other code in this process waited for the
    /// child.
    pub fn returncode(&self) -> Option<i32> {
        let status = self.status()?;
        status.code().or_else(|| status.signal().map(|signal| -signal))
    }

    /// Where to write for the child; `None` if its standard input is no pipe.
    pub fn stdin(&self) -> Option<WritePipe> {
        self.0.pipes.borrow().stdin.clone()
    }

    /// Where the child's output comes from, to pause it or to close it; `None` if it is no pipe.
    pub fn stdout(&self) -> Option<ReadPipe> {
        self.0.pipes.borrow().stdout.clone()
    }

    /// As [`stdout`](Self::stdout), for standard error.
    pub fn stderr(&self) -> Option<ReadPipe> {
        self.0.pipes.borrow().stderr.clone()
    }

    /// Sends a signal by its number, such as 1 for `SIGHUP`. It reaches this child or nobody, and tells
    /// which: `false` means that the child has exited already.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is no named signal; `PermissionDenied` where the child runs as
    /// another user by now.
    pub fn send_signal(&self, signal: i32) -> io::Result<bool> {
        self.0.signal(named(signal)?)
    }

    /// As [`send_signal`](Self::send_signal), to all processes of the group that the child leads: what a
    /// shell has started is reached, too. Only a child that was given a group of its own leads one; nobody
    /// is reached otherwise, and nobody once the child has exited.
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
        let signal = named(signal)?;
        self.0.process.with(|process| process.signal_group(signal)).unwrap_or(Ok(false))
    }

    /// Asks the child to end (`SIGTERM`); see [`send_signal`](Self::send_signal).
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    pub fn terminate(&self) -> io::Result<bool> {
        self.0.signal(Signal::TERM)
    }

    /// Ends the child (`SIGKILL`); see [`send_signal`](Self::send_signal).
    ///
    /// # Errors
    /// As [`send_signal`](Self::send_signal).
    pub fn kill(&self) -> io::Result<bool> {
        self.0.signal(Signal::KILL)
    }

    /// Closes the pipes, dropping what is queued, and kills the child if it runs. `process_exited` and
    /// `connection_lost` follow. Harmless twice.
    pub fn close(&self) {
        self.0.bond.advance(Stage::Closing);
        let Pipes { stdin, stdout, stderr } = self.0.pipes.borrow().clone();
        stdin.iter().for_each(WritePipe::abort);
        stdout.iter().chain(&stderr).for_each(ReadPipe::close);
        if self.status().is_none()
            && let Err(error) = self.kill()
        {
            log::warn!("{self:?} cannot be killed: {error}");
        }
    }

    /// Whether [`close`](Self::close) was called, or all is over.
    pub fn is_closing(&self) -> bool {
        !self.0.bond.is_open()
    }

    /// Waits until the child has exited and `process_exited` has been called; asyncio's `Process.wait`. Its
    /// pipes may still be open.
    ///
    /// A child that writes into a full pipe waits in turn: do not pause its output for ever.
    ///
    /// # Errors
    /// When the loop was closed first.
    pub async fn wait(&self) -> io::Result<ExitStatus> {
        let inner = &self.0;
        let ended = || match (inner.status.get(), inner.bond.stage()) {
            (Some(status), _) => Some(Ok(status)),
            (None, Stage::Lost) => Some(Err(io::Error::other("the event loop is closed"))),
            _ => None,
        };
        inner.bond.until(ended).await
    }

    /// Waits until `connection_lost` has been called.
    pub async fn wait_closed(&self) {
        self.0.bond.wait_closed().await;
    }
}

fn named(signal: i32) -> io::Result<Signal> {
    Signal::from_named_raw(signal).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {signal}"))
    })
}

/// Our ends of a child's pipes, as they were made.
struct Ends {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Ends {
    fn take(child: &mut Child, output: Option<OwnedFd>) -> Self {
        Self {
            stdin: child.stdin.take().map(Into::into),
            stdout: output.or_else(|| child.stdout.take().map(Into::into)),
            stderr: child.stderr.take().map(Into::into),
        }
    }
}

impl Inner {
    fn connect(self: &Rc<Self>, ends: Ends) -> io::Result<()> {
        self.process.watch(self, Interest::Readable)?;
        // One by one, so that what was connected before a failure is known and let go.
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
        Ok(Some(WritePipe::attach(&self.bond.event_loop, pipe, relay)?.transport))
    }

    fn read_from(
        self: &Rc<Self>,
        fd: Option<OwnedFd>,
        which: ChildPipe,
    ) -> io::Result<Option<ReadPipe>> {
        let Some(fd) = fd else { return Ok(None) };
        let (pipe, relay) = (PipeEnd::of_child(fd)?, self.relay(which));
        Ok(Some(ReadPipe::attach(&self.bond.event_loop, pipe, relay)?.transport))
    }

    /// A child that was reaped has no descriptor left here, and gets no signal.
    fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.process.with(|process| process.signal(signal)).unwrap_or(Ok(false))
    }

    fn notice_exit(self: &Rc<Self>) {
        let waited = self.process.with(Reaper::try_wait);
        let status = match waited {
            Some(Ok(Some(status))) => status,
            Some(Err(error)) => return log::error!("{}: cannot wait: {error}", self.describe()),
            Some(Ok(None)) | None => return,
        };
        self.status.set(Some(status));
        self.process.close();
        let transport = SubprocessTransport(Rc::clone(self));
        self.tell("process_exited", |protocol| protocol.process_exited(&transport, status));
        self.bond.wake();
    }

    fn pass_on(
        self: &Rc<Self>,
        method: &str,
        call: impl FnOnce(&mut dyn SubprocessProtocol, &SubprocessTransport),
    ) {
        let transport = SubprocessTransport(Rc::clone(self));
        self.tell(method, |protocol| call(protocol, &transport));
    }

    fn lose_pipe(self: &Rc<Self>, pipe: ChildPipe, error: Option<io::Error>) {
        self.pass_on("pipe_connection_lost", |protocol, transport| {
            protocol.pipe_connection_lost(transport, pipe, error);
        });
        self.open_pipes.set(self.open_pipes.get() - 1);
        self.enqueue();
    }
}

impl Line for Inner {
    const NAME: &'static str = "subprocess";

    type Protocol = dyn SubprocessProtocol;

    fn bond(&self) -> &Bond<Self::Protocol> {
        &self.bond
    }

    /// That anything was said of the pidfd at all means that the child has exited.
    fn note(&self, _: Readiness) {}

    fn serve(self: &Rc<Self>) {
        self.notice_exit();
        if self.status.get().is_some() && self.open_pipes.get() == 0 {
            self.lose();
        }
    }

    fn let_go(&self) {
        self.process.close();
        let Pipes { stdin, stdout, stderr } = self.pipes.borrow().clone();
        stdin.iter().for_each(WritePipe::abandon);
        stdout.iter().chain(&stderr).for_each(ReadPipe::abandon);
    }

    fn describe(&self) -> String {
        let state = match (self.status.get(), self.bond.stage()) {
            (Some(status), _) => status.to_string(),
            (None, Stage::Lost) => "killed".to_owned(),
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
        self.process.pass_on("pipe_data_received", |protocol, transport| {
            protocol.pipe_data_received(transport, pipe, data);
        });
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.process.lose_pipe(self.pipe, error);
    }
}

impl WritePipeProtocol for Relay {
    fn pause_writing(&mut self, _: &WritePipe) {
        let pause = |protocol: &mut dyn SubprocessProtocol, transport: &SubprocessTransport| {
            protocol.pause_writing(transport);
        };
        self.process.pass_on("pause_writing", pause);
    }

    fn resume_writing(&mut self, _: &WritePipe) {
        let resume = |protocol: &mut dyn SubprocessProtocol, transport: &SubprocessTransport| {
            protocol.resume_writing(transport);
        };
        self.process.pass_on("resume_writing", resume);
    }

    fn connection_lost(&mut self, error: Option<io::Error>) {
        self.process.lose_pipe(self.pipe, error);
    }
}

impl fmt::Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.describe())
    }
}
