//! Transfer by sendfile(2).

use std::io;

use socket2::Socket;

use super::error::{SendfilePhase, phase_of};
use super::transfer::Transfer;
use super::write_target::WriteTarget;
use crate::task::yield_now;

/// Limit of one call, in bytes. It keeps the loop for a few milliseconds at most, compared to which the cost of
/// a call is small.
const MAX_STEP: usize = 16 << 20;

/// Result of one call.
enum Step {
    /// All requested bytes were sent.
    Whole,
    /// The socket is full, or the file has ended; the next call shows which.
    Short,
    /// The transfer is complete.
    Done,
}

impl Transfer<'_> {
    pub(super) async fn send(&mut self, target: &impl WriteTarget) -> io::Result<()> {
        loop {
            let stepped = target.try_io(|socket| self.step(socket));
            if let (1, Err(error)) = (self.calls, &stepped)
                && self.refusal(error).is_none()
            {
                // The path is known, although nothing has been sent.
                self.report_progress();
            }
            match stepped {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Whole) => yield_now().await,
                Ok(Step::Short) => target.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    target.writable().await?
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if phase_of(&error) == SendfilePhase::Send {
                        target.fail(&error);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, socket: &Socket) -> io::Result<Step> {
        let wanted = self.chunks.next(MAX_STEP);
        if wanted == 0 {
            return Ok(Step::Done);
        }
        self.calls += 1;
        let mut offset = self.chunks.offset();
        let sent = rustix::fs::sendfile(socket, self.file(), Some(&mut offset), wanted)?;
        self.record_sent(sent);
        Ok(match sent {
            _ if self.chunks.next(1) == 0 => Step::Done,
            _ if sent < wanted => Step::Short,
            _ => Step::Whole,
        })
    }
}
