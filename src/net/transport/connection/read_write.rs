//! Moves the bytes: from the outbox to the wire, from the wire to the protocol.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::{Life, StreamTransport};
use crate::event_loop::{LoopHandle, LoopLocal, PanicError, catch};
use crate::net::protocol::ProtocolRef;
use crate::net::{AfterEof, BufferedProtocol};

/// What one connection reads in one turn, so that a busy peer leaves room for others.
const READ_BUDGET: usize = 64 * 1024;

/// What a read brought.
enum Received {
    Data(usize),
    Eof,
    Nothing,
}

/// One buffer for all connections of a loop: what is read is delivered before the next read.
struct SharedReadBuffer(RefCell<Vec<u8>>);

impl Default for SharedReadBuffer {
    fn default() -> Self {
        Self(RefCell::new(vec![0; READ_BUDGET]))
    }
}

impl LoopLocal for SharedReadBuffer {
    fn close(&self, _: &LoopHandle) {}
}

impl StreamTransport {
    pub(super) fn flush(self: &Rc<Self>) {
        let flushed = self.parts.borrow_mut().flush();
        match flushed {
            Ok(waiting) => {
                super::waiters::wake(waiting);
                if self.state().is_lent() {
                    self.wake_borrower();
                }
                self.end_if_sent();
            }
            Err(error) => self.stop_sending(error),
        }
    }

    pub(super) fn end_if_sent(&self) {
        let state = self.state();
        let parts = self.parts.borrow();
        if state.writing.wants_eof
            && state.life == Life::Open
            && !state.is_handshaking
            && !state.is_lent()
            && parts.unsent() == 0
            && let Some(stream) = parts.stream()
        {
            // A peer that is gone already needs no end of file.
            let _ = stream.shutdown();
        }
    }

    pub(super) fn read(self: &Rc<Self>) {
        let receiver = self.parts.borrow().receiver.clone();
        let received = match receiver {
            Some(ProtocolRef::Buffered(protocol)) => self.read_into(&protocol),
            _ => self.read_and_tell(),
        };
        if let Received::Eof = received {
            self.receive_eof();
        }
    }

    fn read_and_tell(self: &Rc<Self>) -> Received {
        let room = self.event_loop.local::<SharedReadBuffer>();
        // Nobody else reads meanwhile: the protocol is called from here, and loops do not nest.
        let mut buffer = room.0.borrow_mut();
        let received = self.receive(&mut buffer);
        if let Received::Data(count) = received {
            self.call("data_received", |receiver, transport| {
                if let ProtocolRef::Plain(protocol) = receiver {
                    protocol.borrow_mut().data_received(transport, &buffer[..count]);
                }
            });
        }
        received
    }

    fn read_into(self: &Rc<Self>, protocol: &Rc<RefCell<dyn BufferedProtocol>>) -> Received {
        let received = catch(|| {
            let mut protocol = protocol.borrow_mut();
            let buffer = protocol.get_buffer();
            if buffer.is_empty() { None } else { Some(self.receive(buffer)) }
        });
        match received {
            Ok(Some(Received::Data(count))) => {
                self.call("buffer_updated", |_, transport| {
                    protocol.borrow_mut().buffer_updated(transport, count);
                });
                return Received::Data(count);
            }
            Ok(Some(received)) => return received,
            Ok(None) => self.fail("get_buffer", "get_buffer() returned an empty buffer".into()),
            Err(payload) => self.fail("get_buffer", PanicError::from(payload).into()),
        }
        Received::Nothing
    }

    fn receive(self: &Rc<Self>, buffer: &mut [u8]) -> Received {
        let most = buffer.len().min(READ_BUDGET);
        let parts = self.parts.borrow();
        let received = parts.recv(&mut buffer[..most]);
        let holds_more = parts.rare.as_ref().is_some_and(|rare| rare.holds_more());
        drop(parts);
        match received {
            Ok(0) => Received::Eof,
            Ok(count) => {
                // A short read has drained the socket, unless there is the end still to be read, or TLS has
                // read ahead.
                let is_drained = count < most && !self.state().reading.is_last && !holds_more;
                self.update(|state| state.reading.has_data = !is_drained);
                Received::Data(count)
            }
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.update(|state| state.reading.has_data = false)
                    }
                    io::ErrorKind::Interrupted => {}
                    // Sockets have no such error; TLS does.
                    io::ErrorKind::UnexpectedEof => self.end_truncated(error),
                    _ => self.abort(Some(error)),
                }
                Received::Nothing
            }
        }
    }

    /// The stream ended in the middle. What is queued may still reach a peer that only forgot its manners.
    fn end_truncated(self: &Rc<Self>, error: io::Error) {
        self.parts.borrow_mut().rare().error.get_or_insert(error);
        self.update(|state| state.reading.at_eof = true);
        self.close();
    }

    fn receive_eof(self: &Rc<Self>) {
        self.update(|state| state.reading.at_eof = true);
        if !self.is_end_genuine() {
            return;
        }
        match self.call("eof_received", ProtocolRef::eof_received) {
            Some(AfterEof::Close) => self.close(),
            // The event that told of the end may have been the one that tells of a reset, too.
            Some(AfterEof::KeepOpen) => self.check_for_reset(),
            None => {}
        }
    }

    /// After the peer's last byte the only news can be that the connection broke.
    pub(super) fn check_for_reset(self: &Rc<Self>) {
        self.update(|state| state.reading.has_data = false);
        let error = self.parts.borrow().stream().and_then(|stream| stream.take_error().ok()?);
        if error.is_some() {
            self.abort(error);
        }
    }
}
