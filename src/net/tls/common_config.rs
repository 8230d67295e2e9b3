//! What clients and servers are told in the same words.

use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};

use super::key_log::KeyLog;
use super::session::Limits;
use super::{TlsConfigError, TlsVersion, trust};

/// As in asyncio.
const HANDSHAKE: Duration = Duration::from_secs(60);
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What both ends have.
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

    /// The limits, where they are some.
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

/// The methods that the builders of both ends have.
macro_rules! shared_methods {
    () => {
        /// No version below this one: TLS 1.2 unless told otherwise, which is the lowest there is.
        pub fn min_version(mut self, min_version: TlsVersion) -> Self {
            self.common.min_version = min_version;
            self
        }

        /// No version above this one: TLS 1.3 unless told otherwise.
        pub fn max_version(mut self, max_version: TlsVersion) -> Self {
            self.common.max_version = max_version;
            self
        }

        /// Only these cipher suites, the best first, by their registered names, such as
        /// `TLS_AES_128_GCM_SHA256`.
        pub fn cipher_suites(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
            self.common.cipher_suites = Some(names.into_iter().map(Into::into).collect());
            self
        }

        /// The protocols that are spoken over TLS, the best first (ALPN), such as `h2` and `http/1.1`.
        pub fn alpn(mut self, protocols: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
            let protocols = protocols.into_iter();
            self.common.alpn = protocols.map(|name| name.as_ref().to_vec()).collect();
            self
        }

        /// Whether sessions may be resumed, which spares half a handshake; so they may unless told otherwise.
        /// A resumed session is not judged again.
        pub fn resumption(mut self, resumes: bool) -> Self {
            self.common.resumption = resumes;
            self
        }

        /// Called with each secret as a line of a key log, without a line feed: what `SSLKEYLOGFILE` is about.
        /// Who has these lines can read what was sent.
        pub fn key_log(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
            self.common.key_log = Some(KeyLog::new(sink));
            self
        }

        /// How long a handshake may take: 60 s unless told otherwise. Zero is an error.
        pub fn handshake_timeout(mut self, limit: Duration) -> Self {
            self.common.limits.handshake = limit;
            self
        }

        /// How long a closed connection may go without sending any of what is queued, the farewell included,
        /// before it is cut off: 30 s unless told otherwise. Zero is an error.
        pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
            self.common.limits.shutdown = limit;
            self
        }
    };
}
pub(super) use shared_methods;
