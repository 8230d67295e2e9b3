//! TLS: what is asked for, and the session between a protocol and its socket.
//!
//! [`client`] and [`server`] are what is asked for, made of [`pem`], [`trust`] and [`choose`]; [`session`] is
//! TLS as a byte stream over another one, so that it takes the place of a socket under a connection, or of
//! another session; [`handshake`] is what those see who wait for one; [`info`] and [`error`] tell how it went.

mod alert;
mod certificate;
mod certificate_resolver;
mod client;
mod client_identity;
mod common_config;
mod error;
mod handshake;
mod identity;
mod incoming;
mod info;
mod key_log;
mod server;
mod session;
mod start;
mod trust;
mod verify;

pub use alert::TlsAlert;
pub use certificate::CertificateProblem;
pub use client::{TlsClient, TlsClientBuilder};
pub use error::{TlsConfigError, TlsError, TlsErrorKind};
pub use info::{TlsInfo, TlsPeer, TlsVerdict, TlsVersion};
pub use server::{TlsServer, TlsServerBuilder};
pub use start::{StartTls, TlsRole};

pub(in crate::net) use handshake::HandshakeFuture;
pub(in crate::net) use session::{HandshakeStep, NewSession, Tls, Underlying};
