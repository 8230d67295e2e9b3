//! Movement of data: from the write queue to the stream, from the stream to the protocol.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::{StreamTransport, wake};
use crate::event_loop::{LoopHandle, LoopLocal, PanicError, catch};
use crate::net::protocol::ProtocolRef;
use crate::net::{AfterEof, BufferedProtocol};

/// Limit of what one connection reads in one turn, so that a busy peer does not starve others.
const READ_BUDGET: usize = 64 * 1024;

/// Result of one read.
enum Received {
    Data(usize),
    Eof,
    Nothing,
}

/// One buffer for all connections of a loop: data is delivered before the next read.
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
        let flushed = self.io.borrow_mut().flush();
        match flushed {
            Ok(waiters) => {
                wake(waiters);
                if self.state().has_exclusive_writer() {
                    self.wake_waiters();
                }
                self.send_eof_if_flushed();
            }
            Err(error) => self.fail_sending(error),
        }
    }

    /// Shuts down the sending direction if `write_eof` was called and all data is sent.
    pub(super) fn send_eof_if_flushed(&self) {
        let state = self.state();
        let io = self.io.borrow();
        if state.writing.eof_requested
            && state.is_open()
            && !state.is_handshaking
            && !state.has_exclusive_writer()
            && io.unsent() == 0
            && let Some(stream) = io.layer().stream()
        {
            // An error means that the peer is gone already and needs no end of file.
            let _ = stream.shutdown();
        }
    }

    pub(super) fn read(self: &Rc<Self>) {
        let protocol = self.io.borrow().protocol.clone();
        let received = match protocol {
            Some(ProtocolRef::Buffered(protocol, _)) => self.read_into_protocol(&protocol),
            _ => self.read_and_deliver(),
        };
        if let Received::Eof = received {
            self.receive_eof();
        }
    }

    fn read_and_deliver(self: &Rc<Self>) -> Received {
        let shared = self.event_loop.local::<SharedReadBuffer>();
        // Never borrowed twice: the protocol is called from here only, and loops do not nest.
        let mut buffer = shared.0.borrow_mut();
        let received = self.receive(&mut buffer);
        if let Received::Data(count) = received {
            self.notify_or_abort("data_received", |protocol, transport| {
                if let ProtocolRef::Plain(protocol, _) = protocol {
                    protocol.borrow_mut().data_received(transport, &buffer[..count]);
                }
            });
        }
        received
    }

    fn read_into_protocol(
        self: &Rc<Self>,
        protocol: &Rc<RefCell<dyn BufferedProtocol>>,
    ) -> Received {
        let received = catch(|| {
            let mut protocol = protocol.borrow_mut();
            let buffer = protocol.get_buffer();
            if buffer.is_empty() { None } else { Some(self.receive(buffer)) }
        });
        match received {
            Ok(Some(Received::Data(count))) => {
                self.notify_or_abort("buffer_updated", |_, transport| {
                    protocol.borrow_mut().buffer_updated(transport, count);
                });
                return Received::Data(count);
            }
            Ok(Some(received)) => return received,
            Ok(None) => {
                self.fatal_error("get_buffer", "get_buffer() returned an empty buffer".into())
            }
            Err(payload) => self.fatal_error("get_buffer", PanicError::from(payload).into()),
        }
        Received::Nothing
    }

    fn receive(self: &Rc<Self>, buffer: &mut [u8]) -> Received {
        let max = buffer.len().min(READ_BUDGET);
        let io = self.io.borrow();
        let received = io.recv(&mut buffer[..max]);
        let holds_more = io.tls().is_some_and(|tls| tls.holds_more());
        drop(io);
        match received {
            Ok(0) => Received::Eof,
            Ok(count) => {
                // A short read has drained the socket, unless the end is still to be read, or TLS has read
                // ahead.
                let is_drained = count < max && !self.state().reading.peer_finished && !holds_more;
                self.update(|state| state.reading.is_readable = !is_drained);
                Received::Data(count)
            }
            Err(error) => {
                match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        self.update(|state| state.reading.is_readable = false)
                    }
                    io::ErrorKind::Interrupted => {}
                    // Sockets do not return this error; TLS does.
                    io::ErrorKind::UnexpectedEof => self.end_truncated(error),
                    _ => self.abort(Some(error)),
                }
                Received::Nothing
            }
        }
    }

    /// Ends a TLS stream that ended without `close_notify`. Queued data is still sent, because the peer may
    /// only have omitted the alert.
    fn end_truncated(self: &Rc<Self>, error: io::Error) {
        self.io.borrow_mut().cold().error.get_or_insert(error);
        self.update(|state| state.reading.at_eof = true);
        self.close();
    }

    fn receive_eof(self: &Rc<Self>) {
        self.update(|state| state.reading.at_eof = true);
        if !self.is_eof_genuine() {
            return;
        }
        self.debug_log("received EOF");
        match self.notify_or_abort("eof_received", ProtocolRef::eof_received) {
            Some(AfterEof::Close) => self.close(),
            // One event of the poller may have reported both the end and a reset.
            Some(AfterEof::KeepOpen) => self.check_for_reset(),
            None => {}
        }
    }

    /// Aborts the connection if it was reset. After the peer's last byte no other event can come.
    pub(super) fn check_for_reset(self: &Rc<Self>) {
        self.update(|state| state.reading.is_readable = false);
        let stream_error = |io: &super::Io| io.layer().stream()?.take_error().ok()?;
        let error = stream_error(&self.io.borrow());
        if error.is_some() {
            self.abort(error);
        }
    }
}
