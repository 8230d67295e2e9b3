//! Connections: names, sockets, the race, TLS, transports, streams, servers, datagrams, pipes, child processes.

mod address;
mod connect;
mod datagram;
#[cfg(feature = "dns")]
mod dns;
mod error;
mod event;
mod pipe;
mod process;
mod protocol;
mod resolver;
#[cfg(feature = "routes")]
mod route;
mod sendfile;
mod server;
mod socket;
mod stream;
#[cfg(feature = "tls")]
mod tls;
mod transport;

pub use address::Address;
pub use connect::{AttemptError, ConnectError, CreateConnection};
pub use datagram::{CreateDatagram, DatagramProtocol, DatagramSocket, DatagramTransport};
#[cfg(all(fuzzing, feature = "dns"))]
pub use dns::fuzz_decode;
#[cfg(feature = "dns")]
pub use dns::{
    DnsAddress, DnsAnswer, DnsClient, DnsClientBuilder, DnsConfigError, DnsData, DnsError,
    DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange, DnsFlags, DnsIgnored, DnsLookup, DnsOddity,
    DnsRecord, DnsServer, EdnsFallback, ExtendedError, Rcode, RecordType, RecordTypeError,
    ServiceBinding, StartOfAuthority,
};
#[cfg(feature = "dnssec")]
pub use dns::{DnsProof, DnsProofReason, DnsSetProof, DnsValidation, TrustAnchors};
pub use error::{Failure, IcmpError, Phase};
pub use event::{AbortReason, Event, EventKind, TimerEnd};
pub use pipe::{ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol};
pub use process::{
    ChildPipe, ChildStdio, CreateSubprocess, Process, SubprocessProtocol, SubprocessTransport,
};
pub use protocol::{AfterEof, BufferedProtocol, Connection, Protocol};
pub use resolver::{
    AddrInfo, AddrInfoFlags, EaiCode, Lookup, NameInfoFlags, ResolveError, Resolver, Resolving,
    source_address,
};
#[cfg(feature = "routes")]
pub use route::{Interface, Route, RouteKind, RoutePrefix, interfaces, route_to};
pub use sendfile::{
    CopyReason, Sendfile, SendfileError, SendfileMethod, SendfilePath, SendfilePhase, Sent,
    kernel_tls, open_to_send,
};
pub use server::{BindError, CreateServer, Hosts, Server, ServerError, Shutdown};
pub use socket::{
    Keepalive, SocketOption, SocketOptions, SocketSnapshot, SocketView, TcpInfo, TcpOptions,
    TcpTraffic, acknowledged_bytes, listen, raise_descriptor_limit,
};
pub use stream::{DuplexStream, Incoming, StreamError, StreamProtocol, StreamReader, StreamWriter};
#[cfg(feature = "hyper")]
pub use stream::{HyperExecutor, HyperTimer};
#[cfg(feature = "tls")]
pub use tls::{
    CertificateProblem, StartTls, TlsAlert, TlsClient, TlsClientBuilder, TlsConfigError, TlsError,
    TlsErrorKind, TlsInfo, TlsPeer, TlsRole, TlsServer, TlsServerBuilder, TlsVerdict, TlsVersion,
};
pub use transport::{Endpoint, Transport};
