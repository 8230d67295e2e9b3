//! `subprocess_exec` and `subprocess_shell`: the builder of a child process.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use super::{SubprocessProtocol, SubprocessTransport};
use crate::event_loop::LoopHandle;
use crate::net::Endpoint;
use crate::net::socket::limits::original_limit;
use crate::sys::process;

/// One of a child's standard streams.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum ChildStdio {
    /// A pipe to the parent.
    #[default]
    Pipe,
    /// Inherited from the parent.
    Inherit,
    /// `/dev/null`.
    Null,
    /// A descriptor, which the parent closes when the child has it.
    File(OwnedFd),
}

/// Builder of a child process; asyncio's `subprocess_exec` and `subprocess_shell`, with their arguments
/// as methods.
///
/// All three standard streams are pipes by default. asyncio's fixed parameters (`universal_newlines`, `text`,
/// `encoding`, `errors`, `bufsize`, `shell`) do not exist.
///
/// ```
/// use loopctl::{ChildPipe, SubprocessProtocol, SubprocessTransport};
///
/// #[derive(Default)]
/// struct Capture(Vec<u8>);
/// impl SubprocessProtocol for Capture {
///     fn pipe_data_received(&mut self, _: &SubprocessTransport, _: ChildPipe, data: &[u8]) {
///         self.0.extend(data);
///     }
/// }
///
/// # let mut event_loop = loopctl::EventLoop::new()?;
/// # let handle = event_loop.handle();
/// event_loop.run_until_complete(async {
///     let child = handle.subprocess_shell("tr a-z A-Z; exit 3").open(Capture::default).await?;
///     let stdin = child.transport.stdin().unwrap();
///     let _ = stdin.write(b"hello");
///     stdin.close();
///     child.transport.wait_closed().await;
///     assert_eq!(child.with(|capture| capture.0.clone()), b"HELLO");
///     assert_eq!(child.transport.returncode(), Some(3));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is started until `open` is awaited"]
pub struct CreateSubprocess {
    event_loop: LoopHandle,
    command: Command,
    /// Description for the log, without the arguments of a program.
    label: String,
    stdin: ChildStdio,
    stdout: ChildStdio,
    stderr: ChildStdio,
    merges_stderr: bool,
}

impl LoopHandle {
    /// Runs a program as a child process; see [`CreateSubprocess`]. Arguments, environment, directory and process
    /// group are those of the command; its standard streams are replaced.
    ///
    /// In debug mode the start is logged with the program's name, without arguments, which may contain secrets.
    ///
    /// ```
    /// # struct Quiet;
    /// # impl loopctl::SubprocessProtocol for Quiet {}
    /// # let mut event_loop = loopctl::EventLoop::new()?;
    /// # let handle = event_loop.handle();
    /// let mut command = std::process::Command::new("sleep");
    /// command.arg("60");
    /// event_loop.run_until_complete(async {
    ///     let child = handle.subprocess_exec(command).open(|| Quiet).await?;
    ///     assert!(child.transport.terminate()?);
    ///     child.transport.wait().await?;
    ///     assert_eq!(child.transport.returncode(), Some(-15));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subprocess_exec(&self, command: Command) -> CreateSubprocess {
        let label = format!("execute program '{}'", command.get_program().display());
        CreateSubprocess::new(self, command, label)
    }

    /// Runs a command line of `/bin/sh` as a child process; see [`CreateSubprocess`]. The caller quotes arguments.
    /// In debug mode the line is logged unchanged, as in asyncio.
    pub fn subprocess_shell(&self, line: &str) -> CreateSubprocess {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line);
        CreateSubprocess::new(self, command, format!("run shell command '{line}'"))
    }
}

impl CreateSubprocess {
    fn new(event_loop: &LoopHandle, command: Command, label: String) -> Self {
        let (stdin, stdout, stderr) = Default::default();
        Self {
            event_loop: event_loop.clone(),
            command,
            label,
            stdin,
            stdout,
            stderr,
            merges_stderr: false,
        }
    }

    /// Sets the child's standard input.
    pub fn stdin(mut self, stdin: ChildStdio) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets the child's standard output.
    pub fn stdout(mut self, stdout: ChildStdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// Sets the child's standard error.
    pub fn stderr(mut self, stderr: ChildStdio) -> Self {
        (self.stderr, self.merges_stderr) = (stderr, false);
        self
    }

    /// Sends the child's standard error to its standard output, in the order of writing; asyncio's
    /// `stderr=STDOUT`. It is delivered as [`ChildPipe::Stdout`](super::ChildPipe).
    pub fn stderr_to_stdout(mut self) -> Self {
        self.merges_stderr = true;
        self
    }

    /// Starts the child. It runs, and `connection_made` has been called, when this returns.
    ///
    /// The future never waits: when it is dropped, it has either not started or completed.
    ///
    /// # Errors
    /// The system's, such as `NotFound`, `PermissionDenied` or `EMFILE`, and that of a closed loop. No child and no
    /// descriptor remains on error.
    pub async fn open<P: SubprocessProtocol>(
        mut self,
        protocol: impl FnOnce() -> P,
    ) -> io::Result<Endpoint<SubprocessTransport, P>> {
        let protocol = protocol();
        let label = self.event_loop.debug().then(|| {
            log::debug!("{self:?}");
            std::mem::take(&mut self.label)
        });
        let event_loop = self.event_loop.clone();
        let output = if self.merges_stderr { self.merge()? } else { self.separate() };
        if let Some(soft) = original_limit() {
            process::limit_descriptors(&mut self.command, soft);
        }
        let child = self.command.stdin(Stdio::from(self.stdin)).spawn()?;
        // Dropped, because the command holds the child's ends, which keep the pipes open.
        drop(self.command);
        let endpoint = SubprocessTransport::attach(&event_loop, child, output, protocol)?;
        if let Some(label) = label {
            log::info!("{label}: {:?}", endpoint.transport);
        }
        Ok(endpoint)
    }

    fn separate(&mut self) -> Option<OwnedFd> {
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        self.command.stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
        None
    }

    /// Uses one descriptor for both streams; returns the parent's end if it is a pipe.
    fn merge(&mut self) -> io::Result<Option<OwnedFd>> {
        let mut ours = None;
        let theirs = match std::mem::take(&mut self.stdout) {
            ChildStdio::Pipe => {
                let (reader, writer) = io::pipe()?;
                ours = Some(OwnedFd::from(reader));
                OwnedFd::from(writer)
            }
            ChildStdio::Inherit => io::stdout().as_fd().try_clone_to_owned()?,
            ChildStdio::Null => std::fs::File::options().write(true).open("/dev/null")?.into(),
            ChildStdio::File(file) => file,
        };
        self.command.stdout(theirs.try_clone()?).stderr(theirs);
        Ok(ours)
    }
}

impl From<ChildStdio> for Stdio {
    fn from(stdio: ChildStdio) -> Self {
        match stdio {
            ChildStdio::Pipe => Self::piped(),
            ChildStdio::Inherit => Self::inherit(),
            ChildStdio::Null => Self::null(),
            ChildStdio::File(file) => file.into(),
        }
    }
}

/// The stream as asyncio logs it; `None` if it is inherited.
fn format_pipe(stdio: &ChildStdio) -> Option<String> {
    match stdio {
        ChildStdio::Pipe => Some("<pipe>".to_owned()),
        ChildStdio::Inherit => None,
        ChildStdio::Null => Some("<null>".to_owned()),
        ChildStdio::File(file) => Some(format!("<fd {}>", file.as_raw_fd())),
    }
}

/// The text that asyncio logs, without secrets.
impl fmt::Debug for CreateSubprocess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        let (stdout, stderr) = match self.merges_stderr {
            true => ("stdout=stderr", None),
            false => ("stdout", format_pipe(&self.stderr)),
        };
        let streams = [
            ("stdin", format_pipe(&self.stdin)),
            (stdout, format_pipe(&self.stdout)),
            ("stderr", stderr),
        ];
        streams.iter().try_for_each(|(name, stdio)| match stdio {
            Some(stdio) => write!(f, " {name}={stdio}"),
            None => Ok(()),
        })
    }
}
