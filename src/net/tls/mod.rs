//! TLS: configuration, and the session between a protocol and its socket.
//!
//! [`client`] and [`server`] are the configurations, made of [`identity`], [`trust`] and [`common_config`].
//! [`session`] is TLS as a byte stream over another one, so that it replaces a socket, or another session, below a
//! transport. [`handshake`] is the future of a handshake. [`info`], [`certificate`], [`alert`] and [`error`] are its
//! results.

mod alert;
mod certificate;
mod certificate_resolver;
mod client;
mod client_identity;
mod common_config;
mod distinguished_name;
mod error;
mod error_words;
mod greeting;
mod handshake;
mod identity;
mod incoming;
mod info;
mod key_log;
mod ocsp;
mod peer_certificate;
mod server;
mod session;
mod signature;
mod start;
mod trust;
mod verify;

pub use alert::TlsAlert;
pub use certificate::CertificateProblem;
pub use client::{TlsClient, TlsClientBuilder};
pub use error::{TlsConfigError, TlsError, TlsErrorKind};
pub use greeting::PlainProtocol;
pub use info::{TlsInfo, TlsPeer, TlsVerdict, TlsVersion};
pub use ocsp::{OcspAnswer, OcspStatus};
pub use peer_certificate::{CertificateKey, CertificateName, PeerCertificate};
pub use server::{TlsServer, TlsServerBuilder};
pub use start::{StartTls, TlsRole};

pub(in crate::net) use handshake::HandshakeFuture;
pub(in crate::net) use session::{HandshakeStep, NewSession, Tls, Underlying};
