//! What a client asks of TLS.

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

/// TLS as a client speaks it: whom it trusts, who it is, what it offers; asyncio's `ssl` and `server_hostname`.
///
/// It is made once and used for many connections: a copy costs nothing and shares the sessions that can be
/// resumed. [`CreateConnection::tls`](crate::CreateConnection::tls) and
/// [`Transport::start_tls`](crate::Transport::start_tls) take one.
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

/// Which name the server's certificate must be for.
#[derive(Debug, Clone)]
enum Name {
    /// The host that is connected to.
    Host,
    Given(ServerName<'static>),
    Any,
}

impl TlsClient {
    /// Trusts whom the platform trusts, unless told otherwise.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder {
            trust: Trust::Platform,
            own: None,
            accepts_any: false,
            common: CommonConfig::default(),
        }
    }

    /// The name of the server, in the place of the host that is connected to: it is what the server is asked
    /// for (SNI), and what its certificate must be for. A name or an address.
    ///
    /// # Errors
    /// For what can be neither.
    pub fn server_name(mut self, name: &str) -> Result<Self, TlsConfigError> {
        self.name = Name::Given(parse(name)?);
        Ok(self)
    }

    /// Tells the server no name, and takes any name in its certificate, which is checked in all else; asyncio's
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

    /// A session with a host.
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
                // Sessions are kept by name, and these have none of their own.
                nameless.resumption = Resumption::disabled();
                parse(ANY_NAME)?
            }
        };
        let session = ClientConnection::new(config, name)
            .map_err(|error| TlsConfigError::new("TLS", error))?;
        Ok(NewSession { session: Connection::Client(session), limits: self.limits, progress: None })
    }
}

/// Zones of addresses are no part of the name, nor is the dot that ends a complete one.
fn parse(name: &str) -> Result<ServerName<'static>, TlsConfigError> {
    let plain = name.split('%').next().unwrap_or(name);
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

/// What a [`TlsClient`] is made of.
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
    /// Trusts these certificates, in PEM, and not the platform's. Several may be given, and several times.
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

    /// Takes any certificate: whoever is in the middle can read and change everything. What a check would have
    /// said is in [`TlsPeer::verdict`](crate::TlsPeer::verdict).
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

    /// Who the client is, for servers that ask: a certificate with its chain, and its key, both in PEM.
    pub fn identity_pem(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.own = Some(Identity::from_pem(chain.as_ref(), key.as_ref()));
        self
    }

    /// As [`identity_pem`](Self::identity_pem), from two files, or twice the same.
    pub fn identity_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.own = Some(Identity::from_files(chain.as_ref(), key.as_ref()));
        self
    }

    shared_methods!();

    /// Makes it. The platform's store is read now, the first time in a process, and only if nobody else is to
    /// be trusted: that takes milliseconds, which no connection has to wait for later.
    ///
    /// # Errors
    /// [`TlsConfigError`], for the first thing that cannot be.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        let roots = match self.trust {
            Trust::Only(certificates) => Some(trust::only(certificates?)?),
            Trust::Platform if self.accepts_any => trust::platform().ok(),
            Trust::Platform => Some(trust::platform()?),
        };
        let verifier = Verifier::new(roots, self.accepts_any)?;
        let limits = self.common.limits()?;
        let failed = |error| TlsConfigError::new("TLS", error);
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
