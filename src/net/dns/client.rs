//! Asking name servers.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::answer::{DnsAnswer, DnsExchange};
use super::config::{Config, DnsClientBuilder};
use super::error::{DnsError, DnsErrorKind};
use super::event::{DnsEvent, Ending, Listening, Teller};
use super::exchange::Exchange;
#[cfg(feature = "dnssec")]
use super::keys::KnownKeys;
use super::message::Question;
use super::{DnsConfigError, DnsServer, RecordType};
use crate::event_loop::LoopHandle;
use crate::net::{CreateConnection, Failure, Lookup};
use crate::plan::{SocketKind, Transmit};
use crate::task::yield_now;

/// Asks name servers on the loop itself: no thread, no getaddrinfo, and every query can be cancelled by dropping
/// it.
///
/// Each question has a socket of its own, with a port and a number that nobody can foretell. Servers are asked in
/// turn by the rules of [`plan::Query`](crate::plan::Query). Nothing is kept: two queries are two questions. A
/// clone asks the same servers, and may have another listener.
///
/// ```
/// use loopctl::{DnsClient, DnsServer, RecordType, plan::DnsTransport};
///
/// # let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// # let address = socket.local_addr()?;
/// # let answers = std::thread::Builder::new().spawn(move || {
/// #     let mut message = [0; 512];
/// #     let (count, from) = socket.recv_from(&mut message).unwrap();
/// #     message[2] |= 0x80; // an answer,
/// #     message[7] = 1; // one record,
/// #     message[11] = 0; // and no EDNS, which was at the end
/// #     let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
/// #     socket.send_to(&[&message[..count - 11], &record].concat(), from).unwrap();
/// # })?;
/// let answer = loopctl::run(async |event_loop| {
///     let server = DnsServer::new(DnsTransport::Udp, address);
///     let client = DnsClient::builder().servers([server]).build(&event_loop)?;
///     let client = client.trace(|event| println!("{event:?}"));
///     Ok::<_, loopctl::BoxError>(client.query("example.test", RecordType::A).await?)
/// })??;
/// assert_eq!(answer.records[0].to_string(), "example.test. 60 A 192.0.2.7");
/// assert_eq!(answer.exchange.retries, 0);
/// # answers.join().unwrap();
/// # Ok::<(), loopctl::BoxError>(())
/// ```
#[derive(Clone)]
pub struct DnsClient {
    pub(super) event_loop: LoopHandle,
    pub(super) shared: Rc<Shared>,
    listening: Listening,
}

/// What all clones have in common.
pub(super) struct Shared {
    pub(super) config: Config,
    /// The addresses of each server: those of names are asked for once.
    known: RefCell<Vec<Result<Vec<SocketAddr>, Failure>>>,
    /// How many queries there have been.
    queries: Cell<u64>,
    /// What is known of the keys of zones.
    #[cfg(feature = "dnssec")]
    pub(super) keys: KnownKeys,
}

impl DnsClient {
    /// What this host has in `/etc/resolv.conf` and `/etc/hosts`, to be changed or built. Both files are read now.
    ///
    /// ```no_run
    /// use loopctl::{DnsClient, RecordType};
    ///
    /// loopctl::run(async |event_loop| {
    ///     let client = DnsClient::system()?.build(&event_loop)?;
    ///     for record in client.query("example.com", RecordType::Mx).await?.matching() {
    ///         println!("{record}");
    ///     }
    ///     Ok::<_, loopctl::BoxError>(())
    /// })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// A file that is there but cannot be read.
    pub fn system() -> Result<DnsClientBuilder, DnsConfigError> {
        DnsClientBuilder::of_files(Path::new("/etc/resolv.conf"), Path::new("/etc/hosts"))
    }

    /// Nothing of what this host has: no servers, no search list, no hosts.
    pub fn builder() -> DnsClientBuilder {
        DnsClientBuilder::new()
    }

    pub(super) fn new(event_loop: &LoopHandle, config: Config) -> Self {
        let shared = Shared {
            config,
            known: RefCell::default(),
            queries: Cell::new(0),
            #[cfg(feature = "dnssec")]
            keys: KnownKeys::default(),
        };
        Self {
            event_loop: event_loop.clone(),
            shared: Rc::new(shared),
            listening: Listening::default(),
        }
    }

    /// Hears every step of the queries of this clone, cancellation included. It is called on the loop, between
    /// other things, and must not block.
    #[must_use]
    pub fn trace(mut self, listen: impl FnMut(&DnsEvent) + 'static) -> Self {
        self.listening = Listening::new(listen);
        self
    }

    /// The servers, in the order in which they are asked.
    pub fn servers(&self) -> &[DnsServer] {
        &self.shared.config.servers
    }

    /// How long a server may take each time it is asked.
    pub fn timeout(&self) -> Duration {
        self.shared.config.policy.timeout
    }

    /// How many times each server is asked.
    pub fn attempts(&self) -> u32 {
        self.shared.config.policy.attempts
    }

    /// The complete names that a name may stand for, by the search list, in the order in which to ask for them.
    ///
    /// ```
    /// # use loopctl::{DnsClient, DnsServer};
    /// # let event_loop = loopctl::EventLoop::new()?;
    /// # let server: DnsServer = "127.0.0.1".parse()?;
    /// let client = DnsClient::builder().servers([server]).search(["corp.example"], 1);
    /// let client = client.build(&event_loop.handle())?;
    /// assert_eq!(client.names("db"), ["db.corp.example.", "db."]);
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    pub fn names(&self, name: &str) -> Vec<String> {
        self.shared.config.search.names(name)
    }

    /// Asks for records of a name, which is complete: no search list, no hosts file.
    ///
    /// There is an answer where there is at least one record of the type, at the end of whatever aliases.
    ///
    /// # Errors
    /// [`DnsError`]: that there is no such name or no such record as well, with the answer that says so.
    pub async fn query(&self, name: &str, record_type: RecordType) -> Result<DnsAnswer, DnsError> {
        let question = match Question::new(name, record_type) {
            Ok(question) => question,
            Err(why) => return Err(self.no_name(name, record_type, why)),
        };
        self.find_servers().await;
        let teller = self.teller(&question, None);
        let ending = Ending::new(&self.event_loop, &teller);
        let (result, wire) = self.exchange(question, &teller).await;
        #[cfg(feature = "dnssec")]
        let result = self.verified(result, &wire, teller.query).await;
        #[cfg(not(feature = "dnssec"))]
        drop(wire);
        ending.tell(&result);
        // A server on this host may answer at once, again and again; the loop must turn all the same.
        yield_now().await;
        result
    }

    /// Asks a question that is part of another one. The servers have been found.
    #[cfg(feature = "dnssec")]
    pub(super) async fn query_beside(
        &self,
        question: Question,
        verifies: u64,
    ) -> (Result<DnsAnswer, DnsError>, Vec<u8>) {
        let teller = self.teller(&question, Some(verifies));
        let ending = Ending::new(&self.event_loop, &teller);
        let (result, wire) = self.exchange(question, &teller).await;
        ending.tell(&result);
        yield_now().await;
        (result, wire)
    }

    fn teller(&self, question: &Question, verifies: Option<u64>) -> Rc<Teller> {
        let query = self.shared.queries.replace(self.shared.queries.get() + 1);
        let (name, record_type) = (question.name(), question.record_type());
        let listening = self.listening.clone();
        Rc::new(Teller { listening, query, name, record_type, verifies })
    }

    /// The answer, and the message that it was made of.
    async fn exchange(
        &self,
        question: Question,
        teller: &Rc<Teller>,
    ) -> (Result<DnsAnswer, DnsError>, Vec<u8>) {
        let mut exchange = Exchange::new(self, question, Rc::clone(teller));
        let result = poll_fn(|cx| exchange.poll(cx)).await;
        (result, exchange.take_wire())
    }

    /// Asks for the names of an address (PTR).
    ///
    /// ```no_run
    /// # use loopctl::DnsClient;
    /// # loopctl::run(async |event_loop| {
    /// let client = DnsClient::system()?.build(&event_loop)?;
    /// let answer = client.reverse("192.0.2.1".parse()?).await?;
    /// assert_eq!(answer.name, "1.2.0.192.in-addr.arpa.");
    /// # Ok::<_, loopctl::BoxError>(())
    /// # })??;
    /// # Ok::<(), loopctl::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn reverse(&self, address: IpAddr) -> Result<DnsAnswer, DnsError> {
        let name = hickory_proto::rr::Name::from(address).to_ascii();
        self.query(&name, RecordType::Ptr).await
    }

    fn no_name(&self, name: &str, record_type: RecordType, why: String) -> DnsError {
        let error = io::Error::new(io::ErrorKind::InvalidInput, why);
        let exchange = Box::new(DnsExchange {
            server: None,
            transport: None,
            started: self.event_loop.time(),
            took: Duration::ZERO,
            round_trip: None,
            retries: 0,
            truncated: false,
            #[cfg(feature = "dnssec")]
            validation: None,
        });
        DnsError {
            kind: DnsErrorKind::BadName,
            name: name.to_owned(),
            record_type,
            failure: Some(Failure::from(&error)),
            answer: None,
            exchange,
        }
    }

    /// Where a query begins. With `rotate`, each begins with the next server.
    pub(super) fn first_server(&self) -> usize {
        let number = usize::try_from(self.shared.queries.get()).unwrap_or(0);
        if self.shared.config.habits.rotates {
            number.wrapping_sub(1) % self.servers().len()
        } else {
            0
        }
    }

    /// Servers that have names are looked up by the system, the first time.
    async fn find_servers(&self) {
        if !self.shared.known.borrow().is_empty() {
            return;
        }
        let mut known = Vec::new();
        for server in self.servers() {
            known.push(match server.literal() {
                Some(address) => Ok(vec![address]),
                None => self.find(server).await.map_err(|error| Failure::from(&error)),
            });
        }
        self.shared.known.replace(known);
    }

    async fn find(&self, server: &DnsServer) -> io::Result<Vec<SocketAddr>> {
        let lookup = Lookup::new(server.host().clone(), server.port()).kind(SocketKind::Datagram);
        let found = self.event_loop.getaddrinfo(lookup).await?;
        Ok(found.into_iter().map(|info| info.address).collect())
    }

    pub(super) fn addresses_of(&self, server: usize) -> io::Result<Vec<SocketAddr>> {
        let unknown = || Err(Failure::from(&io::Error::from(io::ErrorKind::NotFound)));
        let known = self.shared.known.borrow().get(server).cloned().unwrap_or_else(unknown);
        known.map_err(|failure| io::Error::new(failure.kind, failure.message))
    }

    /// How to connect to a server: all of its addresses in a race.
    pub(super) fn connecting(
        &self,
        ask: Transmit,
        addresses: Vec<SocketAddr>,
    ) -> io::Result<CreateConnection> {
        const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
        let connecting = self.event_loop.create_connection_to(addresses);
        let connecting = connecting.happy_eyeballs_delay(ATTEMPT_DELAY);
        #[cfg(feature = "tls")]
        if let (true, Some(tls)) = (ask.transport.is_encrypted(), &self.shared.config.tls) {
            let name = self.servers()[ask.server].tls_name();
            return Ok(connecting.tls(tls.clone().server_name(&name)?));
        }
        if ask.transport.is_encrypted() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(connecting)
    }
}

impl fmt::Debug for DnsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers().iter().map(ToString::to_string).collect();
        write!(f, "<DnsClient {}>", servers.join(" "))
    }
}
