//! Where the server listens.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use listenfd::ListenFd;
use loopctl::plan::{Family, Host, Port, Target};
use loopctl::{Address, BindError, CreateServer, Hosts, Server, ServerError};

use super::session::Session;
use crate::exit::Exit;
use crate::message::Message;
use crate::request::Place;

/// What is bound, for as long as clients are accepted.
#[derive(Default)]
pub(super) struct Listening {
    servers: Vec<Server>,
}

impl Listening {
    pub(super) fn close(&mut self) {
        self.servers.iter().for_each(Server::close);
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        self.servers.iter().flat_map(Server::addresses).collect()
    }

    /// Addresses that were asked for and that this host does not have.
    pub(super) fn skipped(&self) -> Vec<String> {
        let skipped = self.servers.iter().flat_map(Server::skipped);
        skipped
            .map(|skipped| format!("not listening on {}: {}", skipped.address, skipped.error))
            .collect()
    }
}

impl Session {
    /// Binds everything before anybody is accepted: half of the addresses would be worse than none.
    pub(super) async fn listen(self: &Rc<Self>) -> Result<Listening, (Message, Exit)> {
        let servers = match self.handed_over() {
            handed_over if handed_over.is_empty() => self.bind().await?,
            handed_over => self.adopt(handed_over).await?,
        };
        for server in &servers {
            let name = server.addresses().first().map_or_else(String::new, Address::to_string);
            server.start_serving().map_err(|error| refused(&name, error))?;
        }
        Ok(Listening { servers })
    }

    /// The sockets of `LISTEN_FDS`, unless addresses were given.
    fn handed_over(&self) -> Vec<OwnedFd> {
        if !self.request.listen.places.is_empty() {
            return Vec::new();
        }
        let mut fds = ListenFd::from_env();
        let count = fds.len();
        let take = |at| -> Option<OwnedFd> {
            let tcp = fds.take_tcp_listener(at).ok().flatten().map(OwnedFd::from);
            tcp.or_else(|| fds.take_unix_listener(at).ok().flatten().map(OwnedFd::from))
        };
        (0..count).filter_map(take).collect()
    }

    async fn adopt(self: &Rc<Self>, sockets: Vec<OwnedFd>) -> Result<Vec<Server>, (Message, Exit)> {
        let mut servers = Vec::new();
        for socket in sockets {
            let server = self.serve_on(self.lp.create_server_on(socket)).await;
            servers.push(server.map_err(|error| refused("a socket of LISTEN_FDS", error))?);
        }
        Ok(servers)
    }

    async fn bind(self: &Rc<Self>) -> Result<Vec<Server>, (Message, Exit)> {
        let default = [Place::localhost()];
        let places = &self.request.listen.places[..];
        let places = if places.is_empty() { &default } else { places };
        let mut servers = Vec::new();
        for place in places {
            let server = self.serve_on(self.server(place)).await;
            servers.push(server.map_err(|error| refused(&place.text, error))?);
        }
        Ok(servers)
    }

    fn server(&self, place: &Place) -> CreateServer {
        let request = &self.request.listen;
        let (host, port) = match &place.target {
            Target::Unix(path) => return self.lp.create_unix_server(path),
            Target::Tcp(host, port) => (host.clone(), port.clone()),
        };
        // Where both families were asked for, each gets a socket; `[::]` alone is asked to take both.
        let takes_both = !place.everywhere
            && host == Host::Literal(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
            && !request.sharing.v6only;
        let hosts = match &host {
            _ if place.everywhere => Hosts::all(),
            Host::Name(name) if name == LOCALHOST => loopback(request.family),
            host => host.clone().into(),
        };
        let server = self.lp.create_server(hosts, port).family(request.family);
        server.v6_only(!takes_both).same_port(request.sharing.same_port)
    }

    async fn serve_on(self: &Rc<Self>, server: CreateServer) -> Result<Server, ServerError> {
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

/// Both families, whatever the hosts file has (RFC 6761, section 6.3).
fn loopback(family: Family) -> Hosts {
    let both = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let wanted = both.into_iter().filter(|ip| family.admits(Family::of(ip)));
    Hosts::from(wanted.map(Host::Literal).collect::<Vec<_>>())
}

const LOCALHOST: &str = "localhost";

impl Place {
    /// Where nothing else is said: a free port, on loopback only.
    fn localhost() -> Self {
        let target = Target::Tcp(Host::from(LOCALHOST), Port::Number(0));
        Self { text: format!("{LOCALHOST}:0"), target, everywhere: false }
    }
}

/// Why there is no server, with what may help.
fn refused(place: &str, error: ServerError) -> (Message, Exit) {
    let mut message = Message::error(format!("cannot listen on `{place}`"));
    let mut cause = |error: &BindError| {
        message.causes.push(format!("{}: {}: {}", error.address, error.phase, error.error));
        message.hints.extend(hint(error));
    };
    match &error {
        ServerError::Resolve(why) => {
            message.causes.push(why.to_string());
            return (message, Exit::NotResolved);
        }
        ServerError::Bind(error) => cause(error),
        ServerError::NoneAvailable(errors) => errors.iter().for_each(cause),
        other => message.causes.push(other.to_string()),
    }
    message.hints.dedup();
    (message, Exit::CannotBind)
}

fn hint(error: &BindError) -> Option<String> {
    let port = error.address.as_inet().map(|address| address.port());
    match (error.error.kind(), port) {
        (ErrorKind::AddrInUse, Some(port)) => Some(format!(
            "`ss -ltnp sport = :{port}` shows who listens there; port 0 is a free one"
        )),
        (ErrorKind::PermissionDenied, Some(port @ 1..1024)) => {
            Some(format!("port {port} needs privileges; from 1024 on none are needed"))
        }
        (ErrorKind::AddrNotAvailable, Some(_)) => {
            Some("`ip addr` shows the addresses of this host".to_owned())
        }
        _ => None,
    }
}
