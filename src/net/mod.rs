//! Room 3: acts. Names, sockets, connections.

mod address;
mod attempt;
mod connect;
mod contest;
mod datagram;
#[cfg(feature = "dns")]
mod dns;
mod error;
mod event;
mod inbox;
mod inquiry;
mod limits;
mod line;
mod link;
mod options;
mod outbox;
mod pipe;
mod process;
mod protocol;
mod readiness;
mod resolve;
mod resolver;
#[cfg(feature = "tls")]
mod secure;
mod sendfile;
mod server;
mod sock;
mod socket_view;
mod stream;
mod tcp_info;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod wire;
mod won;

pub use address::Address;
pub use connect::CreateConnection;
pub use datagram::{CreateDatagram, DatagramProtocol, DatagramTransport};
#[cfg(all(fuzzing, feature = "dns"))]
pub use dns::take_answer;
#[cfg(feature = "dns")]
pub use dns::{
    DnsAddress, DnsAnswer, DnsClient, DnsClientBuilder, DnsConfigError, DnsData, DnsError,
    DnsErrorKind, DnsEvent, DnsEventKind, DnsExchange, DnsFlags, DnsIgnored, DnsLookup, DnsRecord,
    DnsServer, ExtendedError, Rcode, RecordType, RecordTypeError, ServiceBinding, StartOfAuthority,
};
#[cfg(feature = "dnssec")]
pub use dns::{DnsProof, DnsProofReason, DnsSetProof, DnsValidation, TrustAnchors};
pub use error::{AttemptError, ConnectError, Phase};
pub use event::{AbortReason, Event, EventKind, Failure, SocketFacts, TimerEnd};
pub use inbox::StreamError;
pub use limits::raise_descriptor_limit;
pub use line::Endpoint;
pub use options::{Keepalive, SocketOption, SocketOptions};
pub use pipe::{ReadPipe, ReadPipeProtocol, WritePipe, WritePipeProtocol};
pub use process::{
    ChildPipe, ChildStdio, CreateSubprocess, SubprocessProtocol, SubprocessTransport,
};
pub use protocol::{AfterEof, BufferedProtocol, Connection, Protocol};
pub use resolve::{AddrInfo, AddrInfoFlags, Lookup, NameInfoFlags, ResolveError};
pub use resolver::{Resolver, Resolving, source_address};
pub use sendfile::{
    CopyReason, Sendfile, SendfileError, SendfileMethod, SendfilePath, SendfilePhase, Sent,
    kernel_tls, open_to_send,
};
pub use server::{BindError, CreateServer, Hosts, Server, ServerError, Shutdown};
pub use sock::listen;
pub use socket_view::SocketView;
pub use stream::{StreamProtocol, StreamReader, StreamWriter};
pub use tcp_info::{TcpInfo, TcpOptions};
#[cfg(feature = "tls")]
pub use tls::{
    CertificateProblem, StartTls, TlsClient, TlsClientBuilder, TlsConfigError, TlsError,
    TlsErrorKind, TlsInfo, TlsPeer, TlsRole, TlsServer, TlsServerBuilder, TlsVerdict, TlsVersion,
};
pub use transport::Transport;
