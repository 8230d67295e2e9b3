//! What to run, and what its three standard streams are.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use super::{SubprocessProtocol, SubprocessTransport};
use crate::event_loop::LoopHandle;
use crate::net::Endpoint;

/// What one of a child's standard streams is.
#[derive(Debug, Default)]
pub enum ChildStdio {
    /// A pipe to us.
    #[default]
    Pipe,
    /// The same as ours.
    Inherit,
    /// `/dev/null`.
    Null,
    /// This descriptor, which is closed here when the child has it.
    File(OwnedFd),
}

/// A child process to be started; asyncio's `subprocess_exec` and `subprocess_shell`, with their arguments
/// as methods.
///
/// All three standard streams are pipes unless said otherwise. asyncio's fixed parameters
/// (`universal_newlines`, `text`, `encoding`, `errors`, `bufsize`, `shell`) do not exist: bytes are bytes.
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
///     stdin.write(b"hello");
///     stdin.close();
///     child.transport.wait_closed().await;
///     assert_eq!(child.with(|capture| capture.0.clone()), b"HELLO");
///     assert_eq!(child.transport.returncode(), Some(3));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is started until it is opened"]
pub struct CreateSubprocess {
    event_loop: LoopHandle,
    command: Command,
    /// For the log; made of what may be shown.
    label: String,
    stdin: ChildStdio,
    stdout: ChildStdio,
    stderr: ChildStdio,
    merges_stderr: bool,
}

impl LoopHandle {
    /// A child process that runs a program; see [`CreateSubprocess`]. The command's arguments, environment,
    /// directory and process group count; its standard streams are set here.
    ///
    /// In debug mode the start is logged, with the program's name and without its arguments, which may hold
    /// secrets.
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

    /// A child process that runs a line of `/bin/sh`; see [`CreateSubprocess`]. Quoting what becomes part of
    /// the line is the caller's business. In debug mode it is logged as it is, as asyncio does.
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

    /// What the child's standard input is.
    pub fn stdin(mut self, stdin: ChildStdio) -> Self {
        self.stdin = stdin;
        self
    }

    /// What the child's standard output is.
    pub fn stdout(mut self, stdout: ChildStdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// What the child's standard error is.
    pub fn stderr(mut self, stderr: ChildStdio) -> Self {
        (self.stderr, self.merges_stderr) = (stderr, false);
        self
    }

    /// The child's standard error goes where its standard output goes, in the order in which it is written;
    /// asyncio's `stderr=STDOUT`. What comes of it is told as [`ChildPipe::Stdout`](super::ChildPipe).
    pub fn stderr_to_stdout(mut self) -> Self {
        self.merges_stderr = true;
        self
    }

    /// Starts the child: it runs, and `connection_made` has been called, when this returns.
    ///
    /// There is nothing to wait for, so a future that is dropped has either not begun or is done.
    ///
    /// # Errors
    /// The system's: no such program, no permission, no descriptors left; that the loop is closed. No child
    /// and no descriptor is left then.
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
        let child = self.command.stdin(Stdio::from(self.stdin)).spawn()?;
        // Whoever still holds the child's ends keeps its pipes from ending.
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

    /// One descriptor for both streams, and our end if it is a pipe.
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

/// As asyncio formats it; what is inherited is not mentioned.
fn format_pipe(stdio: &ChildStdio) -> Option<String> {
    match stdio {
        ChildStdio::Pipe => Some("<pipe>".to_owned()),
        ChildStdio::Inherit => None,
        ChildStdio::Null => Some("<null>".to_owned()),
        ChildStdio::File(file) => Some(format!("<fd {}>", file.as_raw_fd())),
    }
}

/// What may be shown of it, as asyncio logs it.
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
