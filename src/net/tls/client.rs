//! TLS configuration of a client.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection};

use super::client_identity::ClientIdentity;
use super::common_config::{CommonConfig, shared_methods};
use super::identity::{self, Identity};
use super::key_log::KeyLog;
use super::session::{Limits, NewSession};
use super::verify::{ANY_NAME, Verifier};
use super::{TlsConfigError, TlsVersion, trust};
use crate::plan::Host;

/// TLS configuration of a client: trusted authorities, own certificate, offered parameters; asyncio's `ssl` and
/// `server_hostname`.
///
/// One configuration serves many connections. Clones are cheap and share the session cache.
/// [`CreateConnection::tls`](crate::CreateConnection::tls) and [`Transport::start_tls`](crate::Transport::start_tls)
/// take one.
///
/// ```
/// use loopctl::{TlsClient, TlsServer};
///
/// # let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
/// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// let server_tls = TlsServer::builder().identity_pem(&certificate, key).build()?;
/// let client_tls = TlsClient::builder().ca_pem(certificate).build()?;
/// loopctl::run(async |event_loop| {
///     let serving = event_loop.create_server("localhost", 0).tls(server_tls);
///     let server = serving.serve_streams(async |_, mut writer| {
///         let _ = writer.write_all(b"hello").await;
///     });
///     let server = server.await?;
///     let port = server.local_addrs()[0].port();
///     let connecting = event_loop.create_connection("localhost", port).tls(client_tls);
///     let (mut reader, _writer) = connecting.open_stream().await?;
///     assert_eq!(reader.read_exactly(5).await?, b"hello");
///     println!("{}", reader.transport().tls().expect("it is TLS").version);
///     Ok::<_, loopctl::BoxError>(())
/// })??;
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: Name,
    limits: Limits,
}

/// Name that the server's certificate must contain.
#[derive(Debug, Clone)]
enum Name {
    /// Host that is connected to.
    Host,
    Given(ServerName<'static>),
    Any,
}

impl TlsClient {
    /// Starts a configuration that trusts the platform's authorities.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder {
            trust: Trust::Platform,
            own: None,
            accepts_any: false,
            common: CommonConfig::default(),
        }
    }

    /// Server name to use instead of the host: a DNS name or an IP address. It is sent as SNI (RFC 6066 section 3),
    /// and the certificate must contain it.
    ///
    /// # Errors
    /// Fails for text that is neither a DNS name nor an IP address.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsConfigError> {
        self.name = Name::Given(parse(name)?);
        Ok(self)
    }

    /// Sends no SNI and accepts any name in the certificate. The chain is still verified; asyncio's
    /// `server_hostname=''`.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    /// # let ca = made.cert.pem();
    /// let tls = loopctl::TlsClient::builder().ca_pem(ca).build()?.any_server_name();
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn any_server_name(mut self) -> Self {
        self.name = Name::Any;
        self
    }

    /// Offers these protocols (ALPN, RFC 7301) instead of those of the builder.
    #[cfg(feature = "dns")]
    pub(in crate::net) fn with_alpn(mut self, protocols: [&str; 2]) -> Self {
        let protocols = protocols.map(|name| name.as_bytes().to_vec());
        Arc::make_mut(&mut self.config).alpn_protocols = protocols.to_vec();
        self
    }

    /// Creates a session with a host.
    pub(in crate::net) fn new_session(
        &self,
        host: Option<&Host>,
    ) -> Result<NewSession, TlsConfigError> {
        let mut config = Arc::clone(&self.config);
        let name = match (&self.name, host) {
            (Name::Given(name), _) => name.clone(),
            (Name::Host, Some(Host::Literal(ip))) => ServerName::from(*ip),
            (Name::Host, Some(Host::Name(name))) => parse(name)?,
            (Name::Host, None) => {
                let why = "must be given when using TLS without a host";
                return Err(TlsConfigError::new("the server's name", why));
            }
            (Name::Any, _) => {
                let nameless = Arc::make_mut(&mut config);
                nameless.enable_sni = false;
                // The cache is keyed by name, and these sessions share a placeholder.
                nameless.resumption = Resumption::disabled();
                parse(ANY_NAME)?
            }
        };
        let session = ClientConnection::new(config, name)
            .map_err(|error| TlsConfigError::of_tls("TLS", &error))?;
        Ok(NewSession { session: Connection::Client(session), limits: self.limits, progress: None })
    }
}

/// Parses a name in A-labels, without the zone of an address and without the final dot.
fn parse(name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    let host = Host::from(name).to_string();
    let plain = host.split('%').next().unwrap_or(&host);
    let plain = plain.strip_suffix('.').unwrap_or(plain);
    let parsed = ServerName::try_from(plain.to_owned());
    parsed
        .map_err(|_| TlsConfigError::new(format!("the server's name {name:?}"), "no name for TLS"))
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TlsClient name={:?}>", self.name)
    }
}

/// Builder of a [`TlsClient`].
#[must_use = "nothing happens until it is built"]
pub struct TlsClientBuilder {
    trust: Trust,
    own: Option<Result<Identity, TlsConfigError>>,
    accepts_any: bool,
    common: CommonConfig,
}

enum Trust {
    Platform,
    Only(Result<Vec<CertificateDer<'static>>, TlsConfigError>),
}

impl TlsClientBuilder {
    /// Trusts these certificates, in PEM, instead of the platform's. May be called repeatedly.
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.ca(identity::certificates("CA", pem.as_ref()))
    }

    /// As [`ca_pem`](Self::ca_pem), from a file.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.ca(identity::read(path).and_then(|text| identity::certificates(path.display(), &text)))
    }

    fn ca(mut self, more: Result<Vec<CertificateDer<'static>>, TlsConfigError>) -> Self {
        let known = match self.trust {
            Trust::Platform => Ok(Vec::new()),
            Trust::Only(known) => known,
        };
        self.trust = Trust::Only(known.and_then(|mut known| {
            known.extend(more?);
            Ok(known)
        }));
        self
    }

    /// Accepts any certificate, so that anyone on the path can read and change the data. The result of the
    /// verification is still in [`TlsPeer::verdict`](crate::TlsPeer::verdict).
    ///
    /// ```
    /// use loopctl::{CertificateProblem, TlsClient, TlsServer, TlsVerdict};
    ///
    /// # let made = rcgen::generate_simple_self_signed(vec!["another.example".to_owned()])?;
    /// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let server_tls = TlsServer::builder().identity_pem(&certificate, key).build()?;
    /// let tls = TlsClient::builder().ca_pem(certificate).dangerous_accept_any_certificate().build()?;
    /// # loopctl::run(async |event_loop| {
    /// # let server = event_loop.create_server("localhost", 0).tls(server_tls);
    /// # let server = server.serve_streams(async |mut reader, _writer| {
    /// #     let _ = reader.read_line().await;
    /// # }).await?;
    /// # let port = server.local_addrs()[0].port();
    /// let (reader, _) = event_loop.create_connection("localhost", port).tls(tls).open_stream().await?;
    /// let info = reader.transport().tls().expect("it is TLS");
    /// let TlsVerdict::Failed(problem) = info.peer.verdict else { panic!("it is trusted") };
    /// assert!(matches!(problem, CertificateProblem::WrongName { .. }));
    /// # Ok::<_, loopctl::BoxError>(())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn dangerous_accept_any_certificate(mut self) -> Self {
        self.accepts_any = true;
        self
    }

    /// Client certificate with its chain, and its key, both in PEM, for servers that request one.
    pub fn identity_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.own = Some(Identity::from_pem(chain.as_ref(), key.as_ref()));
        self
    }

    /// As [`identity_pem`](Self::identity_pem), from two files, which may be the same.
    pub fn identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.own = Some(Identity::from_files(chain.as_ref(), key.as_ref()));
        self
    }

    shared_methods!();

    /// Builds the configuration. The platform's store is read now, once per process, and only if it is needed:
    /// reading takes milliseconds.
    ///
    /// # Errors
    /// [`TlsConfigError`] for the first invalid item.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        let (roots, trusted) = match self.trust {
            Trust::Only(certificates) => {
                let trusted = certificates?;
                (Some(trust::only(&trusted)?), trusted)
            }
            Trust::Platform if self.accepts_any => (trust::platform().ok(), Vec::new()),
            Trust::Platform => (Some(trust::platform()?), Vec::new()),
        };
        let verifier = Verifier::new(roots, trusted, self.accepts_any)?;
        let limits = self.common.limits()?;
        let failed = |error| TlsConfigError::of_tls("TLS", &error);
        let builder = ClientConfig::builder_with_provider(self.common.provider()?)
            .with_protocol_versions(&self.common.versions())
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let own = ClientIdentity::new(self.own.transpose()?)?;
        let mut config = builder.with_client_cert_resolver(Arc::new(own));
        config.alpn_protocols = self.common.alpn;
        if !self.common.resumption {
            config.resumption = Resumption::disabled();
        }
        if let Some(key_log) = self.common.key_log {
            config.key_log = Arc::new(key_log);
        }
        Ok(TlsClient { config: Arc::new(config), name: Name::Host, limits })
    }
}

impl fmt::Debug for TlsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<TlsClientBuilder {:?}>", self.common)
    }
}
