//! What a handshake has brought about.

use std::fmt;

use rustls::{Connection, HandshakeKind, ProtocolVersion};

use super::CertificateProblem;

/// What two ends have agreed on; asyncio's extra info `cipher`, `peercert` and the like.
/// [`Transport::tls`](crate::Transport::tls) has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The version of the protocol.
    pub version: TlsVersion,
    /// The cipher suite by its registered name, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: String,
    /// The group of the key exchange, such as `X25519`. A resumed session of TLS 1.2 had none.
    pub key_exchange: Option<String>,
    /// The protocol that was agreed on (ALPN).
    pub alpn: Option<Vec<u8>>,
    /// On a server, the name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// Who the peer is.
    pub peer: TlsPeer,
}

/// Who a TLS peer says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPeer {
    /// Its certificates as they were received, in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Whether they are to be trusted.
    pub verdict: TlsVerdict,
    /// Whether a statement came with them that they have not been revoked. It is not looked at.
    pub ocsp_stapled: bool,
    /// On a client, whether the server has asked for a certificate of ours. One that refuses what it is given,
    /// or that nothing is given, says so in TLS 1.3 only after the handshake, which is over for the client.
    pub asks_for_certificate: bool,
}

/// Whether a peer's certificates are to be trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsVerdict {
    /// Nobody has looked: the peer sent none, or there was nothing to check them against.
    #[default]
    NotChecked,
    /// They lead to a trusted one, and the name is right if there is one to check.
    Verified,
    /// They do not. The connection is there all the same if
    /// [that was asked for](crate::TlsClientBuilder::dangerous_accept_any_certificate).
    Failed(CertificateProblem),
    /// The session is an earlier one resumed; it was judged then.
    Resumed,
}

/// A version of TLS. Older ones are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// What the session knows beside what the verifier has noted.
    pub(super) fn fill(&mut self, session: &Connection) {
        if let Some(chain) = session.peer_certificates()
            && self.chain.is_empty()
        {
            self.chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
            self.verdict = match is_resumed(session) {
                true => TlsVerdict::Resumed,
                // A server has its clients' certificates checked by rustls.
                false => TlsVerdict::Verified,
            };
        }
    }
}

fn is_resumed(session: &Connection) -> bool {
    session.handshake_kind() == Some(HandshakeKind::Resumed)
}
