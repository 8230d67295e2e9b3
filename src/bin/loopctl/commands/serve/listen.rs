//! Where the server listens.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use listenfd::ListenFd;
use loopctl::plan::Target;
use loopctl::{Address, CreateServer, DatagramTransport, Hosts, Server, ServerError};

use super::refusal::{Refusal, refused};
use super::session::Session;
use super::silent::Silent;
use crate::config::Place;

/// What is bound, for as long as clients are accepted.
#[derive(Default)]
pub(super) struct Listening {
    servers: Vec<Server>,
    endpoints: Vec<DatagramTransport>,
    silent: Vec<Silent>,
}

/// What was handed over by whoever started us.
const HANDED_OVER: &str = "a socket of LISTEN_FDS";

impl Listening {
    /// Nobody else is let in.
    pub(super) fn close(&mut self) {
        self.servers.iter().for_each(Server::close);
        for endpoint in self.endpoints.drain(..) {
            endpoint.close();
            remove_file(&endpoint);
        }
        self.silent.clear();
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let servers = self.servers.iter().flat_map(Server::addresses);
        let endpoints = self.endpoints.iter().filter_map(|endpoint| endpoint.local_addr().cloned());
        let silent = self.silent.iter().filter_map(Silent::address).map(Address::from);
        servers.chain(endpoints).chain(silent).collect()
    }

    /// Addresses that were asked for and that this host does not have.
    pub(super) fn skipped(&self) -> Vec<String> {
        let skipped = self.servers.iter().flat_map(Server::skipped);
        skipped.map(|at| format!("not listening on {}: {}", at.address, at.error)).collect()
    }
}

/// A server removes its socket file by itself; an endpoint of datagrams, like asyncio's, leaves it.
fn remove_file(endpoint: &DatagramTransport) {
    if let Some(Address::Unix(path)) = endpoint.local_addr()
        && !path.as_os_str().as_encoded_bytes().starts_with(b"\0")
    {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(path);
    }
}

impl Session {
    /// Binds everything before anybody is accepted: half of the addresses would be worse than none.
    pub(super) async fn listen(self: &Rc<Self>) -> Result<Listening, Refusal> {
        let mut listening = Listening::default();
        let default = [Place::localhost()];
        let mut places = &self.request.listen.places[..];
        if places.is_empty() {
            self.take_over(&mut listening).await?;
            if listening.addresses().is_empty() {
                places = &default;
            }
        }
        for place in places {
            self.listen_on(place, &mut listening).await?;
        }
        for server in &listening.servers {
            let name = server.addresses().first().map_or_else(String::new, Address::to_string);
            server.start_serving().map_err(|error| refused(&name, error))?;
        }
        Ok(listening)
    }

    async fn listen_on(
        self: &Rc<Self>,
        place: &Place,
        listening: &mut Listening,
    ) -> Result<(), Refusal> {
        if let Some(room) = self.never_accepts() {
            listening.silent.extend(self.be_silent(place, room).await?);
        } else if self.request.listen.udp {
            listening.endpoints.extend(self.serve_datagrams(place).await?);
        } else {
            let server = self.serve_streams(self.create_server(place)).await;
            listening.servers.push(server.map_err(|error| refused(&place.text, error))?);
        }
        Ok(())
    }

    /// The sockets of `LISTEN_FDS`.
    async fn take_over(self: &Rc<Self>, listening: &mut Listening) -> Result<(), Refusal> {
        let mut fds = ListenFd::from_env();
        for at in 0..fds.len() {
            let tcp = fds.take_tcp_listener(at).ok().flatten().map(OwnedFd::from);
            let stream =
                tcp.or_else(|| fds.take_unix_listener(at).ok().flatten().map(OwnedFd::from));
            if let Some(socket) = stream {
                let server = self.serve_streams(self.event_loop.create_server_on(socket)).await;
                listening.servers.push(server.map_err(|error| refused(HANDED_OVER, error))?);
            } else if let Ok(Some(socket)) = fds.take_udp_socket(at) {
                let endpoint = self.serve_datagrams_on(HANDED_OVER, socket).await?;
                listening.endpoints.push(endpoint);
            }
        }
        Ok(())
    }

    fn create_server(&self, place: &Place) -> CreateServer {
        let request = &self.request.listen;
        let port = match &place.target {
            Target::Unix(path) => return self.event_loop.create_unix_server(path),
            Target::Tcp(_, port) => port.clone(),
        };
        let v6_only = !place.takes_both_families() || request.sharing.v6only;
        let server = self.event_loop.create_server(Hosts::from(place.hosts(request.family)), port);
        server.family(request.family).v6_only(v6_only).same_port(request.sharing.same_port)
    }

    async fn serve_streams(self: &Rc<Self>, server: CreateServer) -> Result<Server, ServerError> {
        let request = &self.request;
        let mut server = server.backlog(request.listen.backlog).start_serving(false);
        server = server.reuse_port(request.listen.sharing.reuse_port);
        if let Some(most) = request.limits.max_clients {
            server = server.max_connections(most);
        }
        let session = Rc::clone(self);
        server.serve_streams(move |reader, writer| session.attend(reader, writer)).await
    }
}
