//! `--udp`: replies to datagrams, one by one.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use loopctl::plan::{SocketKind, Target};
use loopctl::{Address, ConnectError, CreateDatagram, DatagramProtocol, DatagramTransport};

use super::listeners::{DatagramListener, SocketFile};
use super::refusal::{Refusal, unbound};
use super::server::Server;
use super::store::Store;
use super::{listen_addresses, modes};
use crate::config::ListenSpec;
use crate::report::served::{Bytes, ClientError, Datagram, DatagramRefusal};
use crate::util::output_queue::OutputQueue;

/// Limit of the memory of replies that wait, for `--fault delay` or the network, in bytes.
const MAX_WAITING: usize = 16 << 20;

/// Memory of a waiting reply beside its bytes.
const OVERHEAD: usize = 512;

/// Opens an endpoint on each address of an ADDR, all with the same port.
pub(super) async fn listen(
    server: &Rc<Server>,
    spec: &ListenSpec,
) -> Result<Vec<DatagramListener>, Refusal> {
    let event_loop = &server.context.event_loop;
    let request = &server.context.request.listen;
    let failed = |error: ConnectError| unbound(&spec.text, &error.to_string());
    if let Target::Unix(path) = &spec.target {
        let endpoint = open(server, create(server).local_path(path)).await.map_err(failed)?;
        let file = SocketFile::at(path);
        return Ok(vec![DatagramListener { endpoint, file }]);
    }
    let resolving =
        listen_addresses::resolve(event_loop, spec, request.family, SocketKind::Datagram);
    let addresses = resolving.await?;
    for _ in 1..listen_addresses::MAX_PORT_TRIES {
        match bind_all(server, &addresses).await {
            // The kernel chooses another port.
            Err((_, true)) => {}
            bound => return bound.map_err(|(error, _)| failed(error)),
        }
    }
    bind_all(server, &addresses).await.map_err(|(error, _)| failed(error))
}

/// The error of an address, and whether the port that the kernel chose for another one is in use there.
async fn bind_all(
    server: &Rc<Server>,
    addresses: &[SocketAddr],
) -> Result<Vec<DatagramListener>, (ConnectError, bool)> {
    let mut bound: Vec<DatagramListener> = Vec::new();
    for wanted in addresses {
        let mut address = *wanted;
        let first = bound.first().and_then(|first| first.endpoint.local_addr()?.as_inet());
        let chosen = first.filter(|_| address.port() == 0).map(|first| first.port());
        address.set_port(chosen.unwrap_or_else(|| address.port()));
        let opened = open(server, create(server).local_addr(address)).await;
        let endpoint = opened.map_err(|error| {
            let is_collision = chosen.is_some() && is_in_use(&error);
            bound.iter().for_each(|listener| listener.endpoint.close());
            (error, is_collision)
        })?;
        bound.push(DatagramListener { endpoint, file: None });
    }
    Ok(bound)
}

fn is_in_use(error: &ConnectError) -> bool {
    let ConnectError::Attempts(failed) = error else { return false };
    failed.iter().any(|attempt| attempt.error.kind() == io::ErrorKind::AddrInUse)
}

fn create(server: &Server) -> CreateDatagram {
    let context = &server.context;
    let reuse_port = context.request.listen.sharing.reuse_port;
    context.event_loop.create_datagram_endpoint().reuse_port(reuse_port)
}

/// Opens an endpoint.
pub(super) async fn open(
    server: &Rc<Server>,
    create: CreateDatagram,
) -> Result<DatagramTransport, ConnectError> {
    let endpoint = Endpoint { server: Rc::clone(server) };
    Ok(create.open(|| endpoint).await?.transport)
}

struct Endpoint {
    server: Rc<Server>,
}

impl DatagramProtocol for Endpoint {
    fn connection_made(&mut self, transport: &DatagramTransport) {
        if self.server.context.is_blackhole() {
            transport.pause_reading();
        }
    }

    fn datagram_received(
        &mut self,
        transport: &DatagramTransport,
        data: &[u8],
        from: Option<&Address>,
    ) {
        let server = &self.server;
        let peer = from.and_then(Address::as_inet);
        if !server.add_datagram(peer) {
            return;
        }
        let context = &server.context;
        let mut refusal =
            (!context.allows(peer)).then_some(DatagramRefusal::Network).or_else(|| {
                let is_replying = !context.request.only_receives();
                peer.filter(|_| is_replying).and_then(|peer| server.reflection.check(server, peer))
            });
        if let (None, Some(file)) = (refusal, server.store().and_then(Store::shared)) {
            file.push(data);
        }
        self.limit_reading(transport);
        let service = &context.request.service;
        let reply = modes::reply(service, data, |range| server.random(range));
        let mut reply = reply.filter(|_| refusal.is_none());
        if let (Some(reply), Some(peer)) = (&mut reply, peer) {
            server.reflection.limit_reply(server, peer, data.len(), reply);
        }
        let delay = server.sample_faults().and_then(|plan| plan.sample_delay());
        let size = reply.as_ref().map_or(0, Vec::len) + OVERHEAD;
        let waiting = server.reflection.waiting.get() + transport.write_buffer_size();
        if refusal.is_none() && waiting + size > MAX_WAITING {
            (refusal, reply) = (Some(DatagramRefusal::QueueFull), None);
        }
        let bytes = Bytes { received: data.len() as u64, sent: 0 };
        let datagram = Datagram { peer: from.cloned(), count: 1, bytes, refusal, error: None };
        let (responder, transport) = (Rc::clone(server), transport.clone());
        let respond = move || send_reply(&responder, &transport, datagram, reply.as_deref());
        match delay.filter(|_| refusal.is_none()) {
            Some(delay) => {
                let waiting = Rc::clone(server);
                waiting.reflection.add_waiting(size);
                let then = move || {
                    waiting.reflection.remove_waiting(size);
                    respond();
                };
                drop(server.context.event_loop.call_later(delay, then));
            }
            None => respond(),
        }
    }

    /// An ICMP error for an earlier reply: nothing listens on the client's port any more.
    fn error_received(&mut self, _: &DatagramTransport, error: io::Error) {
        let printer = self.server.context.printer.borrow();
        printer.remark(&format!("a reply was refused: {error}"));
    }
}

impl Endpoint {
    /// Back-pressure: stops reading while output is behind. Excess datagrams stay in the socket buffer.
    fn limit_reading(&self, transport: &DatagramTransport) {
        let is_behind = || self.server.output_queues().iter().any(OutputQueue::is_full);
        if transport.is_reading() && is_behind() {
            transport.pause_reading();
            let (server, transport) = (Rc::clone(&self.server), transport.clone());
            self.server.context.event_loop.create_task(async move {
                server.output_ready().await;
                transport.resume_reading();
            });
        }
    }
}

/// Sends the reply, if there is one, and records the datagram.
fn send_reply(
    server: &Server,
    transport: &DatagramTransport,
    mut datagram: Datagram,
    reply: Option<&[u8]>,
) {
    if let Some(reply) = reply {
        match transport.send_to(reply, datagram.peer.as_ref()) {
            Ok(()) => datagram.bytes.sent = reply.len() as u64,
            Err(error) => datagram.error = Some(ClientError::from(&error)),
        }
    }
    server.finish_datagram(&datagram);
}
