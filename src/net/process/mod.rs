//! Child processes: `subprocess_exec` and `subprocess_shell`.

mod child;
mod create;
#[expect(clippy::module_inception, reason = "asyncio calls it Process")]
mod process;
mod transport;

use std::io;
use std::process::ExitStatus;

pub use create::{ChildStdio, CreateSubprocess};
pub use process::Process;
pub use transport::SubprocessTransport;

/// One of the three standard streams of a child, as a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChildPipe {
    /// The child's standard input, written by the parent.
    Stdin,
    /// The child's standard output, read by the parent.
    Stdout,
    /// The child's standard error, read by the parent.
    Stderr,
}

/// Callbacks of a child process; asyncio's `SubprocessProtocol`.
///
/// The loop makes one call at a time: `connection_made` first, then calls for the pipes and one `process_exited`
/// in the order of events. `connection_lost` is last, when the process has exited *and* all its pipes are
/// closed; a grandchild that keeps standard output open delays it. A panic is reported to the exception handler.
///
/// ```
/// use loopctl::{ChildPipe, SubprocessProtocol, SubprocessTransport};
///
/// #[derive(Default)]
/// struct Capture { output: Vec<u8>, errors: Vec<u8> }
///
/// impl SubprocessProtocol for Capture {
///     fn pipe_data_received(&mut self, _: &SubprocessTransport, pipe: ChildPipe, data: &[u8]) {
///         match pipe {
///             ChildPipe::Stderr => self.errors.extend(data),
///             _ => self.output.extend(data),
///         }
///     }
/// }
/// ```
pub trait SubprocessProtocol: 'static {
    /// Called when the child runs.
    fn connection_made(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// Called with the child's output, at most 256 KiB at a time.
    fn pipe_data_received(
        &mut self,
        transport: &SubprocessTransport,
        pipe: ChildPipe,
        data: &[u8],
    ) {
        let _ = (transport, pipe, data);
    }

    /// Called when a pipe is closed by either side. `BrokenPipe` means that the child closed its standard input, or
    /// exited, before all data was written.
    fn pipe_connection_lost(
        &mut self,
        transport: &SubprocessTransport,
        pipe: ChildPipe,
        error: Option<io::Error>,
    ) {
        let _ = (transport, pipe, error);
    }

    /// Called when the queue of standard input has grown above the high-water mark.
    fn pause_writing(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// Called when the queue of standard input has shrunk to the low-water mark.
    fn resume_writing(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// Called when the child has exited. Its pipes may still deliver data.
    fn process_exited(&mut self, transport: &SubprocessTransport, status: ExitStatus) {
        let _ = (transport, status);
    }

    /// Called at the end. No error ends a child; the parameter is asyncio's.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}
