//! Configuration that clients and servers have in common.

use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};

use super::key_log::KeyLog;
use super::session::Limits;
use super::{TlsConfigError, TlsVersion, trust};

/// Defaults of asyncio.
const HANDSHAKE: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(30);

/// Versions, cipher suites, ALPN, resumption, key log and time limits.
#[derive(Debug)]
pub(super) struct CommonConfig {
    pub(super) min_version: TlsVersion,
    pub(super) max_version: TlsVersion,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) alpn: Vec<Vec<u8>>,
    pub(super) resumption: bool,
    pub(super) key_log: Option<KeyLog>,
    pub(super) limits: Limits,
}

impl Default for CommonConfig {
    fn default() -> Self {
        Self {
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            cipher_suites: None,
            alpn: Vec::new(),
            resumption: true,
            key_log: None,
            limits: Limits { handshake: HANDSHAKE, shutdown: SHUTDOWN },
        }
    }
}

impl CommonConfig {
    pub(super) fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let known = [(TlsVersion::Tls13, &TLS13), (TlsVersion::Tls12, &TLS12)];
        let range = self.min_version..=self.max_version;
        known.into_iter().filter(|(own, _)| range.contains(own)).map(|(_, theirs)| theirs).collect()
    }

    /// The time limits, checked.
    pub(super) fn limits(&self) -> Result<Limits, TlsConfigError> {
        for (what, limit) in
            [("handshake", self.limits.handshake), ("shutdown", self.limits.shutdown)]
        {
            if limit.is_zero() {
                let why = "should be a positive time, got 0";
                return Err(TlsConfigError::new(format!("TLS {what} timeout"), why));
            }
        }
        Ok(self.limits)
    }

    pub(super) fn provider(&self) -> Result<Arc<CryptoProvider>, TlsConfigError> {
        let Some(names) = &self.cipher_suites else { return Ok(trust::provider()) };
        let all = trust::provider();
        let find = |name: &String| {
            let is_it = |suite: &&rustls::SupportedCipherSuite| {
                let own = format!("{:?}", suite.suite());
                own == *name || own.replacen("TLS13_", "TLS_", 1) == *name
            };
            let found = all.cipher_suites.iter().find(is_it).copied();
            found.ok_or_else(|| TlsConfigError::new(name, "no cipher suite that is spoken here"))
        };
        let cipher_suites = names.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Arc::new(CryptoProvider { cipher_suites, ..(*all).clone() }))
    }
}

/// Builder methods of both sides.
macro_rules! shared_methods {
    () => {
        /// Lowest version. Default: TLS 1.2, the lowest supported.
        pub fn min_version(mut self, min_version: TlsVersion) -> Self {
            self.common.min_version = min_version;
            self
        }

        /// Highest version. Default: TLS 1.3.
        pub fn max_version(mut self, max_version: TlsVersion) -> Self {
            self.common.max_version = max_version;
            self
        }

        /// Cipher suites in order of preference, by their registered names, such as `TLS_AES_128_GCM_SHA256`.
        pub fn cipher_suites(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.common.cipher_suites = Some(names.into_iter().map(Into::into).collect());
            self
        }

        /// ALPN protocols in order of preference (RFC 7301), such as `h2` and `http/1.1`.
        pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
            let protocols = protocols.into_iter();
            self.common.alpn = protocols.map(|name| name.as_ref().to_vec()).collect();
            self
        }

        /// Allows session resumption, which saves half a handshake. Default: on. A resumed session is not verified
        /// again.
        pub fn resumption(mut self, resumes: bool) -> Self {
            self.common.resumption = resumes;
            self
        }

        /// Calls `sink` with each secret as one line of a key log (`SSLKEYLOGFILE`), without a line feed. These lines
        /// allow decryption of the connection.
        pub fn key_log(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
            self.common.key_log = Some(KeyLog::new(sink));
            self
        }

        /// Time limit of a handshake. Default: 60 s. Zero is an error.
        pub fn handshake_timeout(mut self, limit: Duration) -> Self {
            self.common.limits.handshake = limit;
            self
        }

        /// Time limit of a closed connection without progress in sending queued data, `close_notify` included.
        /// Default: 30 s. Zero is an error.
        pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
            self.common.limits.shutdown = limit;
            self
        }
    };
}
pub(super) use shared_methods;
