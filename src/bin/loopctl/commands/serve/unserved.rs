//! `--fault backlog`: listeners from which no connection is accepted.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

use loopctl::plan::SocketKind;

use super::context::ServerContext;
use super::listen_addresses;
use super::refusal::{Refusal, unavailable};
use crate::config::ListenSpec;
use crate::util::full_backlog::fill;

/// A listener whose accept queue is full or fills up.
pub(super) struct UnservedListener {
    listener: TcpListener,
    /// Connections that fill the queue while they are open.
    _fillers: Vec<TcpStream>,
}

impl UnservedListener {
    /// `capacity`: connections that the queue takes. `None` or 0: it is full from the start.
    fn new(address: SocketAddr, capacity: Option<u32>) -> io::Result<Self> {
        let capacity = capacity.unwrap_or(0);
        // The queue of Linux takes one more connection than the backlog of listen(2).
        let listener = loopctl::listen(address, capacity.saturating_sub(1))?;
        let fillers = match capacity {
            0 => fill(listener.local_addr()?)?,
            _ => Vec::new(),
        };
        Ok(Self { listener, _fillers: fillers })
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }
}

/// Opens such a listener on each address of an ADDR.
pub(super) async fn listen(
    context: &ServerContext,
    spec: &ListenSpec,
    capacity: Option<u32>,
) -> Result<Vec<UnservedListener>, Refusal> {
    let request = &context.request.listen;
    let resolving =
        listen_addresses::resolve(&context.event_loop, spec, request.family, SocketKind::Stream);
    let mut listeners: Vec<UnservedListener> = Vec::new();
    for mut address in resolving.await? {
        if let (true, Some(first)) = (request.sharing.same_port, listeners.first()) {
            address.set_port(first.address().map_or(0, |first| first.port()));
        }
        let listener = UnservedListener::new(address, capacity);
        let listener =
            listener.map_err(|error| unavailable(&spec.text, &address.into(), &error))?;
        listeners.push(listener);
    }
    Ok(listeners)
}
