//! Opens the listeners: the addresses of the command line, inherited sockets, or localhost.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use listenfd::ListenFd;
use loopctl::plan::Target;
use loopctl::{Address, CreateServer, Hosts, ServerError};

use super::listeners::Listeners;
use super::refusal::{Refusal, refused};
use super::server::Server;
use super::{datagram, unserved};
use crate::config::ListenSpec;

/// Name of inherited sockets in messages.
const INHERITED: &str = "a socket of LISTEN_FDS";

/// Binds every address, and only then accepts the first client.
///
/// # Errors
/// The first address that cannot be bound, because half of the addresses would be worse than none.
pub(super) async fn listen(server: &Rc<Server>) -> Result<Listeners, Refusal> {
    let mut listeners = Listeners::default();
    let default = [ListenSpec::localhost()];
    let mut specs = &server.context.request.listen.specs[..];
    if specs.is_empty() {
        inherit(server, &mut listeners).await?;
        if listeners.addresses().is_empty() {
            specs = &default;
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

/// Takes over the sockets of `LISTEN_FDS` (systemd socket activation).
async fn inherit(server: &Rc<Server>, listeners: &mut Listeners) -> Result<(), Refusal> {
    let event_loop = &server.context.event_loop;
    let mut fds = ListenFd::from_env();
    for index in 0..fds.len() {
        let tcp = fds.take_tcp_listener(index).ok().flatten().map(OwnedFd::from);
        let stream =
            tcp.or_else(|| fds.take_unix_listener(index).ok().flatten().map(OwnedFd::from));
        if let Some(socket) = stream {
            let listener = serve_streams(server, event_loop.create_server_on(socket)).await;
            listeners.servers.push(listener.map_err(|error| refused(INHERITED, error))?);
        } else if let Ok(Some(socket)) = fds.take_udp_socket(index) {
            let create = event_loop.create_datagram_endpoint().socket(socket);
            listeners.datagrams.push(datagram::open(server, INHERITED, create).await?);
        }
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
    create.family(request.family).v6_only(v6_only).same_port(request.sharing.same_port)
}

async fn serve_streams(
    server: &Rc<Server>,
    create: CreateServer,
) -> Result<loopctl::Server, ServerError> {
    let request = &server.context.request;
    let mut create = create
        .backlog(request.listen.backlog)
        .reuse_port(request.listen.sharing.reuse_port)
        .start_serving(false);
    if let Some(max) = request.limits.max_clients {
        create = create.max_connections(max);
    }
    let server = Rc::clone(server);
    create.serve_streams(move |reader, writer| server.serve_client(reader, writer)).await
}
