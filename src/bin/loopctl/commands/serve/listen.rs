//! Opens the listeners: the addresses of the command line, inherited sockets, or localhost.

use std::rc::Rc;

use loopctl::plan::{SocketKind, Target};
use loopctl::{Address, CreateServer, Hosts, ServerError, StreamProtocol};

use super::inherited::InheritedSocket;
use super::listeners::{DatagramListener, Listeners};
use super::refusal::{Refusal, refused, unbound};
use super::server::Server;
use super::{datagram, unserved};
use crate::config::ListenSpec;

/// Binds every address, and only then accepts the first client.
///
/// # Errors
/// The first address that cannot be bound, because half of the addresses would be worse than none.
pub(super) async fn listen(server: &Rc<Server>) -> Result<Listeners, Refusal> {
    let mut listeners = Listeners::default();
    let default = [ListenSpec::localhost()];
    let mut specs = &server.context.request.listen.specs[..];
    if specs.is_empty() {
        let inherited = server.inherited.take();
        if inherited.is_empty() {
            specs = &default;
        }
        for socket in inherited {
            serve_inherited(server, socket, &mut listeners).await?;
        }
    }
    for spec in specs {
        listen_on(server, spec, &mut listeners).await?;
    }
    for listener in &listeners.servers {
        let name = listener.addresses().first().map_or_else(String::new, Address::to_string);
        listener.start_serving().map_err(|error| refused(&name, error))?;
    }
    Ok(listeners)
}

async fn listen_on(
    server: &Rc<Server>,
    spec: &ListenSpec,
    listeners: &mut Listeners,
) -> Result<(), Refusal> {
    let request = &server.context.request;
    if let Some(backlog) = request.faults.backlog() {
        let unserved = unserved::listen(&server.context, spec, backlog).await?;
        listeners.unserved.extend(unserved);
    } else if request.listen.udp {
        listeners.datagrams.extend(datagram::listen(server, spec).await?);
    } else {
        let listener = serve_streams(server, create_server(server, spec)).await;
        listeners.servers.push(listener.map_err(|error| refused(&spec.text, error))?);
    }
    Ok(())
}

/// Serves a socket that was handed over. Its file, if it has one, stays.
async fn serve_inherited(
    server: &Rc<Server>,
    inherited: InheritedSocket,
    listeners: &mut Listeners,
) -> Result<(), Refusal> {
    let event_loop = &server.context.event_loop;
    let name = inherited.name();
    if inherited.kind == SocketKind::Datagram {
        let create = event_loop.create_datagram_endpoint().socket(inherited.socket);
        let opened = datagram::open(server, create).await;
        let endpoint = opened.map_err(|error| unbound(&name, &error.to_string()))?;
        listeners.datagrams.push(DatagramListener { endpoint, file: None });
    } else {
        let create = event_loop.create_server_on(inherited.socket);
        let listener = serve_streams(server, create).await;
        listeners.servers.push(listener.map_err(|error| refused(&name, error))?);
    }
    Ok(())
}

fn create_server(server: &Server, spec: &ListenSpec) -> CreateServer {
    let event_loop = &server.context.event_loop;
    let request = &server.context.request.listen;
    let port = match &spec.target {
        Target::Unix(path) => return event_loop.create_unix_server(path),
        Target::Tcp(_, port) => port.clone(),
    };
    let v6_only = !spec.is_dual_stack() || request.sharing.v6only;
    let create = event_loop.create_server(Hosts::from(spec.hosts(request.family)), port);
    create.family(request.family).v6_only(v6_only).same_port(true)
}

async fn serve_streams(
    server: &Rc<Server>,
    create: CreateServer,
) -> Result<loopctl::Server, ServerError> {
    let request = &server.context.request;
    let create = create
        .backlog(request.listen.backlog)
        .reuse_port(request.listen.sharing.reuse_port)
        .start_serving(false);
    let (server, event_loop) = (Rc::clone(server), server.context.event_loop.clone());
    // Because the limits of clients hold for the next accept, a client is counted when it is accepted, not when its
    // task runs.
    let factory = move || {
        let (server, event_loop) = (Rc::clone(&server), event_loop.clone());
        StreamProtocol::connecting(move |reader, writer| {
            drop(event_loop.create_task(server.serve_client(reader, writer)));
        })
    };
    create.serve(factory).await
}
