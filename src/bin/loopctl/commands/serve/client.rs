//! One client, from its acceptance to its record: TLS handshake, mode, faults, time limits, close.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::select;
use loopctl::{StreamReader, StreamWriter};

use super::connection::Connection;
use super::disconnect::{Closed, Disconnect};
use super::modes::{self, Resources};
use super::peer_io::PeerIo;
use super::store::Store;
use super::tls::{Tls, handshake};
use crate::config::Fault;
use crate::report::served::{ClientError, ClientRecord, EndReason};

/// A client that is being served.
pub(super) struct Client<'a> {
    connection: Rc<Connection>,
    resources: &'a Resources,
    tls: Option<&'a Tls>,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        connection: Rc<Connection>,
        resources: &'a Resources,
        tls: Option<&'a Tls>,
    ) -> Self {
        Self { connection, resources, tls }
    }

    /// Serves the client until its connection is closed.
    pub(super) async fn serve(&self, reader: StreamReader, writer: StreamWriter) -> ClientRecord {
        let connection = &self.connection;
        let mut io = PeerIo::new(reader, writer, connection);
        let serving = pin!(async {
            let disconnect = self.converse(&mut io).await;
            connection.record_unsent();
            // Boxed because few of many clients are closing at a time.
            Some(Box::pin(self.close_connection(disconnect, &mut io)).await)
        });
        let aborting = async {
            connection.wait_aborting().await;
            None
        };
        let closed = select(serving, pin!(aborting)).await.factor_first().0;
        let is_aborted = closed.is_none();
        // A shared output that failed is the reason why the server stopped, not the grace period.
        let output_error = self.shared_store().filter(|_| is_aborted).and_then(Store::error);
        if is_aborted {
            match output_error {
                Some(_) => connection.reset(),
                None => connection.abort(),
            }
            connection.transport.wait_closed().await;
        }
        connection.wait_program().await;
        let aborted = is_aborted && output_error.is_none();
        let (end, error) = closed.unwrap_or(match output_error {
            Some(error) => (EndReason::Error, Some(error)),
            None => (EndReason::Shutdown, None),
        });
        ClientRecord {
            endpoints: connection.endpoints(),
            tls: connection.take_tls(),
            bytes: connection.bytes(),
            took: connection.age(),
            end,
            faults: connection.all_faults(Connection::fault_names),
            applied: connection.all_faults(Connection::applied_faults),
            upstream: connection.upstream_record(),
            error,
            aborted,
        }
    }

    fn shared_store(&self) -> Option<&Store> {
        self.resources.store().filter(|store| !store.is_folder())
    }

    /// Runs the mode, until it ends or something disconnects the client.
    async fn converse(&self, io: &mut PeerIo) -> Disconnect {
        if !self.connection.context.allows(self.connection.peer()) {
            return Disconnect::limit("the client's network is not allowed");
        }
        let serving = pin!(async {
            if let Err(disconnect) = self.open(io).await {
                return disconnect;
            }
            let mode = pin!(async {
                let served = match modes::serve_client(io, self.resources).await {
                    // There is nothing more to say, but the client may have.
                    Err(Disconnect::OutputShut) => io.input.discard_rest().await,
                    served => served,
                };
                served.err().unwrap_or(Disconnect::Close(EndReason::Eof, None))
            });
            // Polled first, because a fault that is due at once comes before the first reply.
            select(pin!(self.connection.scheduled_faults()), mode).await.factor_first().0
        });
        select(serving, pin!(self.idle_timeout())).await.factor_first().0
    }

    /// `accept-delay` and the TLS handshake.
    async fn open(&self, io: &mut PeerIo) -> Result<(), Disconnect> {
        let accept_delay = self.connection.accept_delay();
        if let Some(delay) = accept_delay {
            self.connection.apply(|fault| matches!(fault, Fault::AcceptDelay(_)));
            self.connection.event_loop().sleep(delay).await;
        }
        if let Some(tls) = self.tls {
            // Boxed because few of many clients are in a handshake at a time.
            Box::pin(handshake::accept(tls, io)).await?;
        }
        if accept_delay.is_some() {
            self.connection.transport.resume_reading();
        }
        self.connection.record_opened();
        Ok(())
    }

    /// Ends when nothing has moved for `--idle-timeout`, in either direction.
    async fn idle_timeout(&self) -> Disconnect {
        let connection = &self.connection;
        let Some(limit) = connection.context.request.limits.idle else { return pending().await };
        loop {
            let last_activity = connection.last_activity();
            let unsent = connection.transport.write_buffer_size();
            let idle = connection.event_loop().time() - last_activity;
            connection.event_loop().sleep(limit.saturating_sub(idle)).await;
            // The kernel takes from the write buffer without anybody recording it.
            if connection.transport.write_buffer_size() != unsent {
                connection.record_activity();
            } else if connection.last_activity() == last_activity {
                return Disconnect::Close(EndReason::Idle, None);
            }
        }
    }
}

/// Closing the connection.
impl Client<'_> {
    /// Closes the connection as the disconnect asks, and waits until it is closed.
    async fn close_connection(&self, disconnect: Disconnect, io: &mut PeerIo) -> Closed {
        let is_bare_fin = self.connection.has_fault(Fault::TlsBareFin);
        let disconnect = match disconnect {
            Disconnect::Stall => {
                let stalling = pin!(self.stall(io));
                select(stalling, pin!(self.idle_timeout())).await.factor_first().0
            }
            other => other,
        };
        let closed = match disconnect {
            Disconnect::Close(EndReason::Eof, error) if !is_bare_fin => match io.linger().await {
                true => (EndReason::Eof, error),
                false => (EndReason::Limit, error.or_else(|| Some(not_closed()))),
            },
            // A client sees an end-of-file only if nothing that it has sent is left unread.
            Disconnect::Close(EndReason::Fault, error) if !is_bare_fin => {
                io.linger_after_fault().await;
                (EndReason::Fault, error)
            }
            Disconnect::Close(end, error) => (end, error),
            Disconnect::OutputShut | Disconnect::Stall => (EndReason::Eof, None),
            Disconnect::Reset => {
                self.connection.wait_acknowledged().await;
                self.connection.reset();
                (EndReason::Fault, None)
            }
            // A client that saw an end-of-file would take a part for the whole.
            Disconnect::Upstream(error) => {
                self.connection.wait_acknowledged().await;
                self.connection.reset();
                (EndReason::Upstream, Some(error))
            }
        };
        if closed.0 == EndReason::Idle {
            // Sends close_notify where the write buffer is empty.
            io.output.write_eof();
            self.connection.abort();
        }
        if is_bare_fin && closed.0.is_orderly() {
            let bare_fin = handshake::close_without_close_notify(io);
            return select(pin!(bare_fin), pin!(self.abort_when_idle())).await.factor_first().0;
        }
        self.connection.transport.close();
        select(pin!(self.flush(closed, io)), pin!(self.abort_when_idle())).await.factor_first().0
    }

    /// Sends what is queued. An error changes the reason only if all had gone well before.
    async fn flush(&self, closed: Closed, io: &PeerIo) -> Closed {
        match (io.output.wait_closed().await, &closed) {
            // The abort has dropped the write buffer: its bytes stay unsent.
            (Ok(()), (EndReason::Idle, _)) => closed,
            (Ok(()), _) => {
                self.connection.record_all_sent();
                closed
            }
            (Err(error), (EndReason::Eof, None)) => match Disconnect::from(error) {
                // A client that has everything may close without close_notify.
                Disconnect::Close(EndReason::Truncated, _)
                | Disconnect::OutputShut
                | Disconnect::Stall
                | Disconnect::Reset
                | Disconnect::Upstream(_) => closed,
                Disconnect::Close(end, error) => (end, error),
            },
            (Err(_), _) => closed,
        }
    }

    /// Aborts when the client takes nothing of what is queued for `--idle-timeout`.
    async fn abort_when_idle(&self) -> Closed {
        self.idle_timeout().await;
        self.connection.record_unsent();
        self.connection.abort();
        (EndReason::Idle, None)
    }

    /// Moves nothing, until the client disconnects or a scheduled fault is due.
    async fn stall(&self, io: &mut PeerIo) -> Disconnect {
        let disconnected = async {
            if self.connection.context.request.only_receives() {
                // The stall is that nothing is read.
                return self.connection.wait_disconnected().await;
            }
            // The replies stall. Reading on is how the end of the client is noticed.
            match io.input.discard_rest().await {
                Ok(()) => self.connection.wait_disconnected().await,
                Err(disconnect) => disconnect,
            }
        };
        match select(pin!(disconnected), pin!(self.connection.scheduled_faults()))
            .await
            .factor_first()
            .0
        {
            Disconnect::Close(EndReason::Shutdown, error) => {
                Disconnect::Close(EndReason::Shutdown, error)
            }
            Disconnect::Reset => Disconnect::Reset,
            _ => Disconnect::Close(EndReason::Fault, None),
        }
    }
}

/// The client neither closed nor finished after our end-of-file.
fn not_closed() -> ClientError {
    ClientError::from(&io::Error::other("the client did not close after our end-of-file"))
}
