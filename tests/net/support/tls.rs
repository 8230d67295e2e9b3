//! Both ends of TLS.

use std::net::SocketAddr;

use loopctl::{LoopHandle, Protocol, Server, TlsClient, TlsServer};

pub(crate) use super::authority::{Authority, Papers};

/// A client and a server that understand each other.
pub(crate) fn pair() -> (TlsClient, TlsServer) {
    let authority = Authority::new("Test CA");
    (authority.client(), authority.server())
}

/// A server on loopback, and where it is.
pub(crate) async fn serve_tls<P: Protocol>(
    event_loop: &LoopHandle,
    tls: TlsServer,
    factory: impl FnMut() -> P + 'static,
) -> (Server, SocketAddr) {
    let server = event_loop.create_server("127.0.0.1", 0).tls(tls).serve(factory).await.unwrap();
    let address = server.local_addrs()[0];
    (server, address)
}

/// A connection to a server there that is called `localhost`.
pub(crate) fn to(
    event_loop: &LoopHandle,
    address: SocketAddr,
    tls: &TlsClient,
) -> loopctl::CreateConnection {
    let tls = tls.clone().server_name("localhost").unwrap();
    event_loop.create_connection_to([address]).tls(tls)
}
