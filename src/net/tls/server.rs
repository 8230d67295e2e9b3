//! TLS configuration of a server.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Connection, ServerConfig, ServerConnection};

use super::certificate_resolver::CertificateResolver;
use super::common_config::{CommonConfig, shared_methods};
use super::identity::{self, Identity};
use super::key_log::KeyLog;
use super::session::{Limits, NewSession};
use super::{TlsConfigError, TlsVersion, trust};

/// TLS configuration of a server: certificates, and the authorities of its clients; asyncio's `ssl` on the server
/// side.
///
/// One configuration serves all connections, and clones are cheap. [`CreateServer::tls`](crate::CreateServer::tls)
/// and [`Transport::start_tls`](crate::Transport::start_tls) take one. For an example see
/// [`TlsClient`](crate::TlsClient).
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    own: Arc<CertificateResolver>,
    limits: Limits,
}

impl TlsServer {
    /// Starts a configuration, which needs at least one certificate.
    pub fn builder() -> TlsServerBuilder {
        TlsServerBuilder { own: Vec::new(), client_ca: None, common: CommonConfig::default() }
    }

    /// Server certificates in DER, in the order in which they were added, without their chains. Clients that pin a
    /// certificate compare these.
    ///
    /// ```
    /// use loopctl::TlsServer;
    ///
    /// let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    /// let tls = TlsServer::builder()
    ///     .identity_pem(made.cert.pem(), made.signing_key.serialize_pem())
    ///     .build()?;
    /// assert!(tls.certificates().eq([&made.cert.der()[..]]));
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.own.0.iter().filter_map(|own| own.cert.first().map(|certificate| &certificate[..]))
    }

    pub(in crate::net) fn new_session(&self) -> Result<NewSession, TlsConfigError> {
        let session = ServerConnection::new(Arc::clone(&self.config))
            .map_err(|error| TlsConfigError::of_tls("TLS", &error))?;
        Ok(NewSession { session: Connection::Server(session), limits: self.limits, progress: None })
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<TlsServer>")
    }
}

/// Builder of a [`TlsServer`].
///
/// ```
/// use loopctl::{TlsServer, TlsVersion};
///
/// # let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
/// # let (a_chain, a_key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// # let made = rcgen::generate_simple_self_signed(vec!["*.b.example".to_owned()])?;
/// # let (b_chain, b_key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let tls = TlsServer::builder()
///     .identity_pem(a_chain, a_key)
///     .identity_pem(b_chain, b_key)
///     .alpn(["h2", "http/1.1"])
///     .min_version(TlsVersion::Tls13)
///     .build()?;
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[must_use = "nothing happens until it is built"]
pub struct TlsServerBuilder {
    own: Vec<Result<Identity, TlsConfigError>>,
    client_ca: Option<Result<Vec<CertificateDer<'static>>, TlsConfigError>>,
    common: CommonConfig,
}

impl TlsServerBuilder {
    /// Adds a certificate with its chain, and its key, both in PEM. The first one that is valid for the client's SNI
    /// name is sent, or the very first.
    pub fn identity_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.own.push(Identity::from_pem(chain.as_ref(), key.as_ref()));
        self
    }

    /// As [`identity_pem`](Self::identity_pem), from two files, which may be the same.
    pub fn identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.own.push(Identity::from_files(chain.as_ref(), key.as_ref()));
        self
    }

    /// Requires a client certificate issued by one of these authorities, in PEM.
    pub fn client_ca_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.client_ca = Some(identity::certificates("client CA", pem.as_ref()));
        self
    }

    /// As [`client_ca_pem`](Self::client_ca_pem), from a file.
    pub fn client_ca_file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let text = identity::read(path);
        self.client_ca = Some(text.and_then(|text| identity::certificates(path.display(), &text)));
        self
    }

    shared_methods!();

    /// Builds the configuration.
    ///
    /// # Errors
    /// [`TlsConfigError`] for the first invalid item, or without a certificate.
    pub fn build(self) -> Result<TlsServer, TlsConfigError> {
        if self.own.is_empty() {
            return Err(TlsConfigError::new("a TLS server", "needs a certificate"));
        }
        let (provider, limits) = (self.common.provider()?, self.common.limits()?);
        let failed = |error| TlsConfigError::of_tls("TLS", &error);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.common.versions())
            .map_err(failed)?;
        let builder = match self.client_ca.transpose()? {
            None => builder.with_no_client_auth(),
            Some(certificates) => {
                let roots = trust::only(&certificates)?;
                let all = Arc::clone(&provider);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, all).build();
                let failed = |_| {
                    TlsConfigError::new("client CA", "there is no authority's certificate in it")
                };
                builder.with_client_cert_verifier(verifier.map_err(failed)?)
            }
        };
        let certified = |own: Result<Identity, TlsConfigError>| {
            let Identity { chain, key } = own?;
            CertifiedKey::from_der(chain, key, &provider)
                .map(Arc::new)
                .map_err(|error| TlsConfigError::of_key("certificate", &error))
        };
        let own = self.own.into_iter().map(certified).collect::<Result<_, _>>()?;
        let own = Arc::new(CertificateResolver(own));
        let mut config = builder.with_cert_resolver(Arc::clone(&own) as _);
        config.alpn_protocols = self.common.alpn;
        if !self.common.resumption {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        if let Some(key_log) = self.common.key_log {
            config.key_log = Arc::new(key_log);
        }
        Ok(TlsServer { config: Arc::new(config), own, limits })
    }
}

impl fmt::Debug for TlsServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TlsServerBuilder {:?}>", self.common)
    }
}
