//! The program of `--exec` or `--shell` that serves one client, and the end of it.

use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::select;
use loopctl::{Endpoint, SubprocessProtocol, SubprocessTransport};
use signal_hook::consts::{SIGKILL, SIGTERM};

use super::context::{ServerContext, ServerPhase};

/// Pause between two looks at the server's phase, while a program takes its time.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A process group.
pub(super) struct Program {
    child: Endpoint<SubprocessTransport, NoProtocol>,
    context: Rc<ServerContext>,
}

/// The pipes are ours and [`Program::wait`] waits for the exit, so there is nothing to be notified of.
pub(super) struct NoProtocol;

impl SubprocessProtocol for NoProtocol {}

impl Program {
    pub(super) fn new(
        context: &Rc<ServerContext>,
        child: Endpoint<SubprocessTransport, NoProtocol>,
    ) -> Self {
        Self { child, context: Rc::clone(context) }
    }

    /// Waits for the exit.
    pub(super) async fn wait(&self) -> io::Result<ExitStatus> {
        self.child.transport.wait().await
    }

    /// Sends SIGTERM, or SIGKILL where the grace period of the server is over.
    pub(super) fn terminate(&self) {
        self.signal(if self.is_aborting() { SIGKILL } else { SIGTERM });
    }

    /// Waits until the program has ended. One that ignores SIGTERM for the grace period is killed.
    pub(super) async fn end(&self) {
        let late = async {
            let event_loop = &self.context.event_loop;
            let end = event_loop.time() + self.context.request.limits.grace;
            while !self.is_aborting() && event_loop.time() < end {
                let left = end.saturating_duration_since(event_loop.time());
                event_loop.sleep(left.min(POLL_INTERVAL)).await;
            }
            self.signal(SIGKILL);
            self.wait().await
        };
        // An error means that the event loop is closed.
        let _ = select(pin!(self.wait()), pin!(late)).await.factor_first().0;
    }

    fn is_aborting(&self) -> bool {
        self.context.phase() == ServerPhase::Aborting
    }

    fn signal(&self, signal: i32) {
        // The process group may have exited already.
        let _ = self.child.transport.send_signal_to_group(signal);
    }
}
