//! Child processes: `subprocess_exec` and `subprocess_shell`.

mod child;
mod create;
mod transport;

use std::io;
use std::process::ExitStatus;

pub use create::{ChildStdio, CreateSubprocess};
pub use transport::SubprocessTransport;

/// One of the three pipes between us and a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChildPipe {
    /// The child's standard input, which we write.
    Stdin,
    /// The child's standard output, which we read.
    Stdout,
    /// The child's standard error, which we read.
    Stderr,
}

/// Reacts to what a child process does; asyncio's `SubprocessProtocol`.
///
/// Only the loop calls it, one call at a time: `connection_made` first; then what the pipes bring, and
/// `process_exited` once, in the order in which it happens; `connection_lost` last, when the process has
/// exited *and* all its pipes are closed. A grandchild that keeps standard output open holds that up. A
/// method that panics is reported to the exception handler, and the child lives on.
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
    /// The child runs.
    fn connection_made(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// The child wrote something: at most 256 KiB at a time.
    fn pipe_data_received(
        &mut self,
        transport: &SubprocessTransport,
        pipe: ChildPipe,
        data: &[u8],
    ) {
        let _ = (transport, pipe, data);
    }

    /// A pipe is closed, by the child or by us. `BrokenPipe`: the child closed its standard input, or ended,
    /// before all of what was written to it had gone.
    fn pipe_connection_lost(
        &mut self,
        transport: &SubprocessTransport,
        pipe: ChildPipe,
        error: Option<io::Error>,
    ) {
        let _ = (transport, pipe, error);
    }

    /// More is queued for the child's standard input than its high limit: please write no more.
    fn pause_writing(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// What is queued for the child's standard input has shrunk to its low limit: please go on.
    fn resume_writing(&mut self, transport: &SubprocessTransport) {
        let _ = transport;
    }

    /// The child has exited. There may be more to come out of its pipes.
    fn process_exited(&mut self, transport: &SubprocessTransport, status: ExitStatus) {
        let _ = (transport, status);
    }

    /// All is over. No error is known that ends a child; the parameter is asyncio's.
    fn connection_lost(&mut self, error: Option<io::Error>) {
        let _ = error;
    }
}
