//! Open listeners of the server.

use loopctl::{Address, DatagramTransport, Server};

use super::unserved::UnservedListener;

/// Everything that is bound, until the server accepts no more clients.
#[derive(Default)]
pub(super) struct Listeners {
    pub(super) servers: Vec<Server>,
    pub(super) datagrams: Vec<DatagramTransport>,
    pub(super) unserved: Vec<UnservedListener>,
}

impl Listeners {
    /// Closes everything. Connected clients stay.
    pub(super) fn close(&mut self) {
        self.servers.iter().for_each(Server::close);
        for endpoint in self.datagrams.drain(..) {
            endpoint.close();
            remove_socket_file(&endpoint);
        }
        self.unserved.clear();
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let servers = self.servers.iter().flat_map(Server::addresses);
        let datagrams = self.datagrams.iter().filter_map(|endpoint| endpoint.local_addr().cloned());
        let unserved = self.unserved.iter().filter_map(UnservedListener::address);
        servers.chain(datagrams).chain(unserved.map(Address::from)).collect()
    }

    /// Warnings about addresses that this host does not have.
    pub(super) fn skipped(&self) -> Vec<String> {
        let skipped = self.servers.iter().flat_map(Server::skipped);
        skipped.map(|at| format!("not listening on {}: {}", at.address, at.error)).collect()
    }
}

/// Removes the file of a Unix datagram socket, which the library leaves as asyncio does.
fn remove_socket_file(endpoint: &DatagramTransport) {
    if let Some(Address::Unix(path)) = endpoint.local_addr()
        && !path.as_os_str().as_encoded_bytes().starts_with(b"\0")
    {
        // The file may have been removed already.
        let _ = std::fs::remove_file(path);
    }
}
