//! `--udp`: replies to datagrams, one by one.

use std::io;
use std::rc::Rc;

use loopctl::plan::{SocketKind, Target};
use loopctl::{Address, CreateDatagram, DatagramProtocol, DatagramTransport};

use super::refusal::{Refusal, unbound};
use super::server::Server;
use super::store::Store;
use super::{listen_addresses, modes};
use crate::config::ListenSpec;
use crate::report::served::{Bytes, ClientError, Datagram};
use crate::util::output_queue::OutputQueue;

/// Opens an endpoint on each address of an ADDR.
pub(super) async fn listen(
    server: &Rc<Server>,
    spec: &ListenSpec,
) -> Result<Vec<DatagramTransport>, Refusal> {
    let event_loop = &server.context.event_loop;
    let request = &server.context.request.listen;
    let sharing = request.sharing;
    let create = || event_loop.create_datagram_endpoint().reuse_port(sharing.reuse_port);
    if let Target::Unix(path) = &spec.target {
        return Ok(vec![open(server, &spec.text, create().local_path(path)).await?]);
    }
    let resolving =
        listen_addresses::resolve(event_loop, spec, request.family, SocketKind::Datagram);
    let mut endpoints: Vec<DatagramTransport> = Vec::new();
    for mut address in resolving.await? {
        let first = endpoints.first().and_then(|first| first.local_addr()?.as_inet());
        if let (true, Some(first)) = (sharing.same_port, first) {
            address.set_port(first.port());
        }
        endpoints.push(open(server, &spec.text, create().local_addr(address)).await?);
    }
    Ok(endpoints)
}

/// Opens an endpoint; `name` is for the error message.
pub(super) async fn open(
    server: &Rc<Server>,
    name: &str,
    create: CreateDatagram,
) -> Result<DatagramTransport, Refusal> {
    let endpoint = Endpoint { server: Rc::clone(server) };
    let opened = create.open(|| endpoint).await;
    opened.map(|pair| pair.transport).map_err(|error| unbound(name, &error.to_string()))
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
        let is_allowed = server.context.allows(peer);
        if let (true, Some(file)) = (is_allowed, server.store().and_then(Store::shared)) {
            file.push(data);
        }
        self.limit_reading(transport);
        let service = &server.context.request.service;
        let reply = modes::reply(service, data, |range| server.random(range));
        let reply = reply.filter(|_| is_allowed);
        let bytes = Bytes { received: data.len() as u64, sent: 0 };
        let datagram = Datagram { peer: from.cloned(), bytes, is_allowed, error: None };
        let (responder, transport) = (Rc::clone(server), transport.clone());
        let respond = move || send_reply(&responder, &transport, datagram, reply.as_deref());
        match server.sample_faults().and_then(|plan| plan.sample_delay()) {
            Some(delay) => drop(server.context.event_loop.call_later(delay, respond)),
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
