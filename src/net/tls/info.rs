//! Result of a handshake.

use std::fmt;

use rustls::{Connection, HandshakeKind, ProtocolVersion};

use super::CertificateProblem;

/// Negotiated parameters; asyncio's extra info `cipher`, `peercert` and others. Returned by
/// [`Transport::tls`](crate::Transport::tls).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// Protocol version.
    pub version: TlsVersion,
    /// Cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: String,
    /// Key exchange group, such as `X25519`; `None` for a resumed TLS 1.2 session.
    pub key_exchange: Option<String>,
    /// Negotiated ALPN protocol.
    pub alpn: Option<Vec<u8>>,
    /// Server name that the client sent (SNI); on a server only.
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Certificates of the peer.
    pub peer: TlsPeer,
}

/// Certificates of a peer, and the result of their verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPeer {
    /// Certificates as received, in DER, the peer's own first.
    pub chain: Vec<Vec<u8>>,
    /// Result of the verification.
    pub verdict: TlsVerdict,
    /// Whether an OCSP response was stapled (RFC 6066 section 8). Its content is not checked.
    pub ocsp_stapled: bool,
    /// On a client, whether the server sent CertificateRequest. A TLS 1.3 server rejects a client certificate only
    /// after the client's side of the handshake.
    pub asks_for_certificate: bool,
}

/// Result of a certificate verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVerdict {
    /// Not verified: the peer sent no certificate, or no authority is configured.
    #[default]
    NotChecked,
    /// The chain leads to a trusted authority, and the name matches if it is checked.
    Verified,
    /// Verification failed. The connection exists only with
    /// [`dangerous_accept_any_certificate`](crate::TlsClientBuilder::dangerous_accept_any_certificate).
    Failed(CertificateProblem),
    /// A resumed session, which was verified when it was established.
    Resumed,
}

/// Supported version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

impl TlsInfo {
    /// `None` before the end of the handshake.
    pub(super) fn of(session: &Connection, peer: TlsPeer) -> Option<Self> {
        let version = match session.protocol_version()? {
            ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
            _ => TlsVersion::Tls13,
        };
        let suite = format!("{:?}", session.negotiated_cipher_suite()?.suite());
        let group = session.negotiated_key_exchange_group();
        let server_name = match session {
            Connection::Client(_) => None,
            Connection::Server(server) => server.server_name().map(str::to_owned),
        };
        Some(Self {
            version,
            cipher_suite: suite.replacen("TLS13_", "TLS_", 1),
            key_exchange: group.map(|group| format!("{:?}", group.name())),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            resumed: is_resumed(session),
            peer,
        })
    }
}

impl TlsPeer {
    /// Adds the certificates that the session has and the verifier has not recorded.
    pub(super) fn fill(&mut self, session: &Connection) {
        if let Some(chain) = session.peer_certificates()
            && self.chain.is_empty()
        {
            self.chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
            self.verdict = match is_resumed(session) {
                true => TlsVerdict::Resumed,
                // rustls has verified a client's certificates.
                false => TlsVerdict::Verified,
            };
        }
    }
}

fn is_resumed(session: &Connection) -> bool {
    session.handshake_kind() == Some(HandshakeKind::Resumed)
}
