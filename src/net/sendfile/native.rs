//! sendfile(2).

use std::io;

use socket2::Socket;

use super::error::{SendfilePhase, phase_of};
use super::transfer::Transfer;
use super::way::Way;
use crate::task::yield_now;

/// The most that is asked for in one call, in bytes. A peer that takes all of it as fast as it comes keeps the
/// loop no longer than a few milliseconds; the cost of a call is lost in that.
const STEP: usize = 16 << 20;

/// What one call brought.
enum Step {
    /// All that was asked for went.
    Whole,
    /// The socket is full, or the file at its end: the next call tells.
    Short,
    Over,
}

impl Transfer<'_> {
    pub(super) async fn send(&mut self, way: &impl Way) -> io::Result<()> {
        loop {
            let stepped = way.attempt(|socket| self.step(socket));
            if let (1, Err(error)) = (self.calls, &stepped)
                && self.refusal(error).is_none()
            {
                // Nothing has gone, but this is the way.
                self.tell();
            }
            match stepped {
                Ok(Step::Over) => return Ok(()),
                Ok(Step::Whole) => yield_now().await,
                Ok(Step::Short) => way.room().await?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => way.room().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if phase_of(&error) == SendfilePhase::Send {
                        way.fail(&error);
                    }
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self, socket: &Socket) -> io::Result<Step> {
        let wanted = self.chunks.next(STEP);
        if wanted == 0 {
            return Ok(Step::Over);
        }
        self.calls += 1;
        let mut offset = self.chunks.offset();
        let sent = rustix::fs::sendfile(socket, self.file(), Some(&mut offset), wanted)?;
        self.went(sent);
        Ok(match sent {
            _ if self.chunks.next(1) == 0 => Step::Over,
            _ if sent < wanted => Step::Short,
            _ => Step::Whole,
        })
    }
}
