//! Servers of TLS for the program to connect to, and the files that it needs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loopctl::{StreamReader, StreamWriter, TlsServer};
use tempfile::TempDir;

use crate::authority::{Authority, Papers};

/// A server that says back what it hears, for as long as the tests run.
pub(crate) fn echoing(tls: TlsServer) -> SocketAddr {
    echoing_at("127.0.0.1", 0, tls)
}

pub(crate) fn echoing_at(ip: &'static str, port: u16, tls: TlsServer) -> SocketAddr {
    serving(async move |event_loop, found| {
        let server = event_loop.create_server(ip, port).tls(tls);
        let server = server.serve_streams(async |mut reader, mut writer| {
            while let Ok(bytes) = reader.read_some(4096).await {
                if bytes.is_empty() || writer.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
        let server = server.await.unwrap();
        found.send(server.local_addrs()[0]).unwrap();
        server.serve_forever().await.unwrap();
    })
}

/// A server that begins in plain, and does this with every client.
pub(crate) fn plain(
    handler: impl AsyncFn(StreamReader, StreamWriter) + Send + 'static,
) -> SocketAddr {
    serving(async move |event_loop, found| {
        let server = event_loop.create_server("127.0.0.1", 0).serve_streams(handler).await.unwrap();
        found.send(server.local_addrs()[0]).unwrap();
        server.serve_forever().await.unwrap();
    })
}

fn serving(
    main: impl AsyncFnOnce(loopctl::LoopHandle, mpsc::Sender<SocketAddr>) + Send + 'static,
) -> SocketAddr {
    let (found, address) = mpsc::channel();
    thread::spawn(move || loopctl::run(async |event_loop| main(event_loop, found).await));
    address.recv_timeout(Duration::from_secs(10)).unwrap()
}

/// Files that are gone with the test.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) ca: PathBuf,
    pub(crate) authority: Authority,
}

impl Files {
    /// With an authority, and its certificate in a file.
    pub(crate) fn new() -> Self {
        let (folder, authority) = (TempDir::new().unwrap(), Authority::new("Test CA"));
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        Self { folder, ca, authority }
    }

    /// A server for `localhost` that this authority vouches for.
    pub(crate) fn server(&self) -> SocketAddr {
        echoing(self.authority.server())
    }

    pub(crate) fn ca(&self) -> &str {
        self.ca.to_str().unwrap()
    }

    /// A certificate and its key in one file.
    pub(crate) fn write(&self, name: &str, papers: &Papers) -> String {
        let path = self.path(name);
        std::fs::write(&path, format!("{}{}", papers.chain, papers.key)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

/// The flags with which a server on this port is `localhost`, whatever this machine calls so.
pub(crate) fn as_localhost(address: SocketAddr) -> [String; 3] {
    let target = format!("localhost:{}", address.port());
    ["--resolve".to_owned(), "localhost:127.0.0.1".to_owned(), target]
}
