//! TLS on an existing connection (STARTTLS), and the parameters of a connection with TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::handshake::{HandshakeFuture, HandshakeProgress};
use super::session::NewSession;
use super::{TlsClient, TlsConfigError, TlsInfo, TlsServer};
use crate::net::event::Tracer;
use crate::net::{Event, Transport};

/// Role in a handshake, made from either configuration.
#[derive(Debug, Clone)]
pub enum TlsRole {
    /// The side that sends ClientHello.
    Client(TlsClient),
    /// The side that sends ServerHello.
    Server(TlsServer),
}

impl From<TlsClient> for TlsRole {
    fn from(tls: TlsClient) -> Self {
        Self::Client(tls)
    }
}

impl From<TlsServer> for TlsRole {
    fn from(tls: TlsServer) -> Self {
        Self::Server(tls)
    }
}

impl TlsRole {
    fn new_session(&self) -> Result<NewSession, TlsConfigError> {
        match self {
            Self::Client(tls) => tls.new_session(None),
            Self::Server(tls) => tls.new_session(),
        }
    }
}

/// Future of the handshake that [`Transport::start_tls`] has started.
#[must_use = "dropping it ends the connection"]
pub struct StartTls {
    begun: Result<HandshakeFuture, Option<io::Error>>,
    tracer: Tracer,
}

impl StartTls {
    /// A handshake that failed before its start.
    pub(in crate::net) fn refused(error: io::Error) -> Self {
        Self { begun: Err(Some(error)), tracer: Tracer::default() }
    }

    /// Calls `listen` with every event and its time. Events from before the first poll are delivered then.
    pub fn trace(mut self, listen: impl FnMut(&Event) + 'static) -> Self {
        self.tracer = Tracer::new(listen);
        self
    }
}

impl Drop for StartTls {
    fn drop(&mut self) {
        if let Ok(established) = &self.begun
            && let Some(failed) = established.abandoned()
        {
            self.tracer.emit(established.now(), failed);
        }
    }
}

impl Future for StartTls {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { begun, tracer } = self.get_mut();
        match begun {
            Ok(established) => established.poll(cx, &mut |at, kind| tracer.emit(at, kind)),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or_else(|| {
                io::Error::other("the future of start_tls was asked again after its end")
            }))),
        }
    }
}

impl fmt::Debug for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<StartTls begun={}>", self.begun.is_ok())
    }
}

/// TLS of a transport.
impl Transport {
    /// Starts TLS between the protocol and the peer; asyncio's `start_tls`. Transport and protocol stay the same, and
    /// `connection_made` is not called again.
    ///
    /// The switch happens before this returns: the protocol receives no more plaintext. A protocol therefore calls
    /// this while it handles the command. Data written before is sent in plaintext, data written later is encrypted
    /// after the handshake. The future waits for the handshake. Dropping it, or a failed handshake, closes the
    /// connection.
    ///
    /// `already_read` is data received after the command that requests TLS, and becomes the start of the handshake.
    /// Injected plaintext can therefore not pass for encrypted data (CVE-2011-0411). A protocol may instead check
    /// that nothing follows the command.
    ///
    /// A client needs a [server name](TlsClient::server_name). A transport with TLS can have a second layer of it.
    ///
    /// ```
    /// use loopctl::{Protocol, TlsClient, TlsServer, Transport};
    ///
    /// /// Starts TLS at the command `STARTTLS`.
    /// struct Upgrading(Option<TlsServer>);
    ///
    /// impl Protocol for Upgrading {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         if let Some(rest) = data.strip_prefix(b"STARTTLS\n")
    ///             && let Some(tls) = self.0.take()
    ///         {
    ///             let _ = transport.write(b"ready\n");
    ///             let upgrading = transport.start_tls(tls, rest.to_vec());
    ///             let _ = transport.write(b"private\n");
    ///             transport.handle().create_task(upgrading);
    ///         }
    ///     }
    /// }
    ///
    /// # let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()])?;
    /// # let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let server_tls = TlsServer::builder().identity_pem(&certificate, key).build()?;
    /// # let client_tls = TlsClient::builder().ca_pem(certificate).build()?.server_name("a.example")?;
    /// # loopctl::run(async |event_loop| {
    /// # let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    /// # event_loop.create_connection_on(theirs).open(|| Upgrading(Some(server_tls))).await?;
    /// let (mut reader, mut writer) = event_loop.create_connection_on(ours).open_stream().await?;
    /// writer.write_all(b"STARTTLS\n").await?;
    /// assert_eq!(reader.read_line().await?, b"ready\n");
    /// writer.transport().start_tls(client_tls, Vec::new()).await?;
    /// assert_eq!(reader.read_line().await?, b"private\n");
    /// # Ok::<_, loopctl::BoxError>(())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// The error of the handshake, with a [`TlsError`](crate::TlsError) inside. `InvalidInput` for a client without a
    /// server name. `NotConnected` if the connection, or one direction of it, has ended, or a handshake is in
    /// progress. The last two leave the connection unchanged.
    pub fn start_tls(&self, role: impl Into<TlsRole>, already_read: Vec<u8>) -> StartTls {
        let begun = self.begin_tls(&role.into(), already_read).map_err(Some);
        StartTls { begun, tracer: Tracer::default() }
    }

    fn begin_tls(&self, role: &TlsRole, already_read: Vec<u8>) -> io::Result<HandshakeFuture> {
        if !self.0.state().can_start_tls() {
            let text = "TLS cannot be started on a connection that is closing, or is starting it";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        let progress = HandshakeProgress::new(&self.0.event_loop);
        let secure = role.new_session()?.watched(&progress);
        self.0.start_tls(secure, None, already_read)?;
        Ok(HandshakeFuture::new(Rc::clone(&self.0), progress))
    }

    /// Negotiated parameters. `None` without TLS, before the end of the handshake, and after the end of the
    /// connection.
    ///
    /// ```
    /// # use loopctl::Transport;
    /// fn describe(transport: &Transport) -> String {
    ///     match transport.tls() {
    ///         Some(tls) => format!("{} with {}", tls.version, tls.cipher_suite),
    ///         None => "in plain".to_owned(),
    ///     }
    /// }
    /// ```
    pub fn tls(&self) -> Option<TlsInfo> {
        self.0.tls_info().map(|info| (*info).clone())
    }
}
