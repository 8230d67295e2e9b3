//! TLS in the document of a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{AttemptResult, ErrorRecord, Hex, Ms, TlsVersion, Word};

/// TLS over the connection that won; where none did, over the attempt that explains why. null: not asked for, or
/// there was no connection for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tls {
    pub(crate) result: AttemptResult,
    /// Time at which the client's first message left.
    pub(crate) start_ms: Option<Ms>,
    pub(crate) first_byte_ms: Option<Ms>,
    /// Duration of the handshake.
    pub(crate) duration_ms: Option<Ms>,
    pub(crate) version: Option<TlsVersion>,
    /// Registered name of the cipher suite.
    pub(crate) cipher: Option<String>,
    /// Group of the key exchange.
    pub(crate) group: Option<String>,
    pub(crate) alpn: Option<String>,
    /// Name that was asked for; none is for an address.
    pub(crate) sni: Option<String>,
    pub(crate) resumed: Option<bool>,
    pub(crate) ocsp_stapled: bool,
    /// Content of the stapled OCSP response (RFC 6960).
    pub(crate) ocsp: Option<Ocsp>,
    pub(crate) client_certificate_requested: bool,
    /// Whether the certificates are trusted; null: they were not checked.
    pub(crate) verified: Option<bool>,
    pub(crate) problem: Option<Problem>,
    pub(crate) problem_message: Option<String>,
    /// All problems that are known; the first one is `problem`.
    pub(crate) problems: Vec<ProblemRecord>,
    /// First certificate of the chain.
    pub(crate) peer: Option<Certificate>,
    /// Certificates as they were received.
    pub(crate) chain: Vec<Certificate>,
    /// Positions in `chain` of the certificates that were verified; empty if they were not.
    pub(crate) path: Vec<usize>,
    pub(crate) starttls: Option<StartTls>,
    pub(crate) error: Option<ErrorRecord>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(crate) enum Problem {
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
    Revoked,
    BadSignature,
    BadHandshakeSignature,
    KeySize,
    SignatureAlgorithm,
    Version,
    NameConstraint,
    Purpose,
    Other,
}

/// One problem of the certificates.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProblemRecord {
    pub(crate) problem: Problem,
    pub(crate) message: String,
}

/// Stapled OCSP response about the server's certificate.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ocsp {
    #[schemars(extend("enum" = ["good", "revoked", "unknown", "error", "other_certificate", "unreadable"]))]
    pub(crate) status: Word,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) revoked_at: Option<String>,
    /// Reason of the revocation (RFC 5280, section 5.3.1).
    pub(crate) reason: Option<Word>,
    /// Error of the responder, such as tryLater.
    pub(crate) error: Option<Word>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) this_update: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) next_update: Option<String>,
    /// Whether `next_update` has passed.
    pub(crate) stale: bool,
    /// Whether the issuer, or a responder that it authorises, has signed it; null: the issuer is not known.
    pub(crate) signed: Option<bool>,
}

/// Certificate of the peer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Certificate {
    /// Subject as in RFC 4514; null where the certificate is not X.509.
    pub(crate) subject: Option<String>,
    pub(crate) issuer: Option<String>,
    /// Serial number in hexadecimal digits.
    pub(crate) serial: Option<String>,
    /// Host names and addresses of the subject alternative name.
    pub(crate) san: Vec<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) not_before: Option<String>,
    #[schemars(extend("format" = "date-time"))]
    pub(crate) not_after: Option<String>,
    /// Kind and size of the public key, such as RSA 2048 or EC P-256.
    pub(crate) key: Option<String>,
    /// Algorithm of the issuer's signature.
    pub(crate) signature: Option<String>,
    /// SHA-256 of the whole certificate.
    pub(crate) sha256: Hex,
    /// SHA-256 of the public key, in base 64 (RFC 7469).
    pub(crate) pin_sha256: Option<String>,
}

/// Dialogue in plain text before TLS (--starttls).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct StartTls {
    #[schemars(extend("enum" = ["smtp", "imap", "pop3", "ftp", "postgres", "ldap", "xmpp", "mysql", "nntp", "sieve", "lmtp"]))]
    pub(crate) protocol: Word,
    pub(crate) start_ms: Ms,
    pub(crate) duration_ms: Ms,
    /// First line of the server.
    pub(crate) greeting: Option<String>,
}
