//! TLS on a connection that is there already, and what is known of one that has it.

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

/// On which side of a handshake one is. Both kinds of configuration turn into one.
#[derive(Debug, Clone)]
pub enum TlsRole {
    /// The side that begins.
    Client(TlsClient),
    /// The side that has to have a certificate.
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

/// The handshake that [`Transport::start_tls`] has begun.
#[must_use = "dropping it ends the connection"]
pub struct StartTls {
    begun: Result<HandshakeFuture, Option<io::Error>>,
    tracer: Tracer,
}

impl StartTls {
    /// One that has not begun.
    pub(in crate::net) fn refused(error: io::Error) -> Self {
        Self { begun: Err(Some(error)), tracer: Tracer::default() }
    }

    /// Hears of every step, with the time at which it happened; those before the future is awaited, then.
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
            self.tracer.tell(established.now(), failed);
        }
    }
}

impl Future for StartTls {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { begun, tracer } = self.get_mut();
        match begun {
            Ok(established) => established.poll(cx, &mut |at, kind| tracer.tell(at, kind)),
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

/// TLS.
impl Transport {
    /// Puts TLS between the protocol and the peer; asyncio's `start_tls`. Transport and protocol stay what they
    /// are, and `connection_made` is not called again.
    ///
    /// The switch is made at once, before this returns: the protocol receives nothing more in plain, which is
    /// why a protocol calls this from the call that told it to. What had been written before is sent in plain,
    /// what is written from now on is sent encrypted, once the handshake is over. The future waits for that;
    /// dropping it half-way, or a handshake that fails, ends the connection.
    ///
    /// `already_read` is what the protocol has received from behind the command that asks for TLS: it is given
    /// to TLS. Nothing that was sent in plain can then pass for something that came encrypted. Who takes bytes
    /// that came too early for an attack looks at them and does not call this.
    ///
    /// A client has to [name the server](TlsClient::server_name): there is no host. A transport with TLS can
    /// have another layer of it.
    ///
    /// ```
    /// use loopctl::{Protocol, TlsClient, TlsServer, Transport};
    ///
    /// /// Speaks TLS when it is told to, and says so.
    /// struct Upgrading(Option<TlsServer>);
    ///
    /// impl Protocol for Upgrading {
    ///     fn data_received(&mut self, transport: &Transport, data: &[u8]) {
    ///         if let Some(rest) = data.strip_prefix(b"STARTTLS\n")
    ///             && let Some(tls) = self.0.take()
    ///         {
    ///             transport.write(b"ready\n");
    ///             let upgrading = transport.start_tls(tls, rest.to_vec());
    ///             transport.write(b"private\n");
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
    /// That of the handshake, with a [`TlsError`](crate::TlsError) within if it is one of TLS. `InvalidInput`
    /// for a client without a name; `NotConnected` where the connection, or one direction of it, is over, or a
    /// handshake is under way. After these two the connection is as it was.
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

    /// What was agreed on with the peer. `None` without TLS, before the handshake is over, and after the
    /// connection is.
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
