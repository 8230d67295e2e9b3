//! Open listeners of the server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use loopctl::{Address, DatagramTransport, Server};

use super::unserved::UnservedListener;

/// Everything that is bound, until the server accepts no more clients.
#[derive(Default)]
pub(super) struct Listeners {
    pub(super) servers: Vec<Server>,
    pub(super) datagrams: Vec<DatagramListener>,
    pub(super) unserved: Vec<UnservedListener>,
}

/// An endpoint for datagrams.
pub(super) struct DatagramListener {
    pub(super) endpoint: DatagramTransport,
    /// File of the Unix socket, if this program has bound it.
    pub(super) file: Option<SocketFile>,
}

/// The file of a bound Unix socket. Dropping this removes it, unless it was replaced.
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Listeners {
    /// Closes everything. Connected clients stay.
    pub(super) fn close(&mut self) {
        self.servers.iter().for_each(Server::close);
        for DatagramListener { endpoint, file } in self.datagrams.drain(..) {
            // Removed first, because the open socket keeps the number of the inode from being used again.
            drop(file);
            endpoint.close();
        }
        self.unserved.clear();
    }

    /// Addresses of the sockets for datagrams.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = SocketAddr> {
        self.datagrams.iter().filter_map(|it| it.endpoint.local_addr()?.as_inet())
    }

    pub(super) fn pause_accepting(&self) {
        self.servers.iter().for_each(Server::pause_accepting);
    }

    pub(super) fn resume_accepting(&self) {
        self.servers.iter().for_each(Server::resume_accepting);
    }

    pub(super) fn addresses(&self) -> Vec<Address> {
        let servers = self.servers.iter().flat_map(Server::addresses);
        let datagrams = self.datagrams.iter().filter_map(|it| it.endpoint.local_addr().cloned());
        let unserved = self.unserved.iter().filter_map(UnservedListener::address);
        servers.chain(datagrams).chain(unserved.map(Address::from)).collect()
    }

    /// Warnings about addresses that this host does not have.
    pub(super) fn skipped(&self) -> Vec<String> {
        let skipped = self.servers.iter().flat_map(Server::skipped);
        skipped.map(|at| format!("not listening on {}: {}", at.address, at.error)).collect()
    }
}

impl SocketFile {
    /// The file at a path; `None` for an abstract name.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        Some(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|it| (it.dev(), it.ino()) == (self.device, self.inode)) {
            // Another program may have removed it just now.
            let _ = fs::remove_file(&self.path);
        }
    }
}
