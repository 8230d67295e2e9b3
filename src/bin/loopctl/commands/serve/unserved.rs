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
    let addresses = resolving.await?;
    let mut bound = bind_all(&addresses, capacity);
    for _ in 1..listen_addresses::MAX_PORT_TRIES {
        // The kernel chooses another port.
        let Err((_, _, true)) = &bound else { break };
        bound = bind_all(&addresses, capacity);
    }
    bound.map_err(|(address, error, _)| unavailable(&spec.text, &address.into(), &error))
}

/// Binds all addresses, with the same port. The error of an address, and whether the port that the kernel chose for
/// another one is in use there.
fn bind_all(
    addresses: &[SocketAddr],
    capacity: Option<u32>,
) -> Result<Vec<UnservedListener>, (SocketAddr, io::Error, bool)> {
    let mut listeners: Vec<UnservedListener> = Vec::new();
    for wanted in addresses {
        let mut address = *wanted;
        let first = listeners.first().and_then(UnservedListener::address);
        let chosen = first.filter(|_| address.port() == 0).map(|first| first.port());
        address.set_port(chosen.unwrap_or_else(|| address.port()));
        let listener = UnservedListener::new(address, capacity).map_err(|error| {
            let is_collision = chosen.is_some() && error.kind() == io::ErrorKind::AddrInUse;
            (address, error, is_collision)
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}
