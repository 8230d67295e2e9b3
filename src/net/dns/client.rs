//! Queries to name servers.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use super::answer::{DnsAnswer, DnsExchange};
use super::config::Config;
use super::core::ClientCore;
use super::error::{DnsError, DnsErrorKind};
use super::event::{DnsEvent, FinishGuard, QueryTracer, SharedListener};
use super::exchange::Exchange;
use super::message::Question;
use super::{DnsServer, RecordType};
use crate::event_loop::LoopHandle;
use crate::net::Failure;
use crate::task::yield_now;

/// DNS client on the event loop: no thread, no getaddrinfo, and dropping a query cancels it.
///
/// Each query over UDP has its own socket, with a random port and ID (RFC 5452). Queries over TCP, TLS and HTTP/2 share
/// a connection to each server, which stays open until the last clone of the client is dropped (RFC 7766, RFC 7858).
/// Servers are queried by the rules of [`plan::Query`](crate::plan::Query). Answers are not cached. A clone queries the
/// same servers and may have another listener.
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
    pub(super) core: Rc<ClientCore>,
    listener: SharedListener,
}

impl DnsClient {
    pub(super) fn new(event_loop: &LoopHandle, config: Config) -> Self {
        let core = Rc::new(ClientCore::new(event_loop, config));
        Self { core, listener: SharedListener::default() }
    }

    /// Calls `listen` with every event of this clone's queries, cancellation included. The callback runs on the loop
    /// and must not block.
    #[must_use]
    pub fn trace(mut self, listen: impl FnMut(&DnsEvent) + 'static) -> Self {
        self.listener = SharedListener::new(listen);
        self
    }

    /// Servers, in the order in which they are queried.
    pub fn servers(&self) -> &[DnsServer] {
        &self.core.config.servers
    }

    /// Time limit of each message to a server.
    pub fn timeout(&self) -> Duration {
        self.core.config.policy.timeout
    }

    /// Number of times that each server is queried.
    pub fn attempts(&self) -> u32 {
        self.core.config.policy.attempts
    }

    /// Fully qualified names to query for a name, by the search list, in order.
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
        self.core.config.search.names(name)
    }

    /// Queries a fully qualified name, without search list and hosts file.
    ///
    /// An answer has at least one record of the type, at the end of its CNAME chain.
    ///
    /// # Errors
    /// [`DnsError`], also for NXDOMAIN and NODATA, with the answer.
    pub async fn query(&self, name: &str, record_type: RecordType) -> Result<DnsAnswer, DnsError> {
        let question = match Question::new(name, record_type) {
            Ok(question) => question,
            Err(why) => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, why);
                let failure = Some(Failure::from(&error));
                return Err(self.unasked(DnsErrorKind::BadName, name, record_type, failure));
            }
        };
        if question.is_onion() {
            return Err(self.unasked(DnsErrorKind::Onion, &question.name(), record_type, None));
        }
        self.core.resolve_servers().await;
        let tracer = self.tracer(&question, None);
        let guard = FinishGuard::new(&self.core.event_loop, &tracer);
        let (result, wire) = self.exchange(question, &tracer).await;
        #[cfg(feature = "dnssec")]
        let result = if self.core.config.anchors.is_some() {
            // Boxed, because a validation has a large state, and most queries have none.
            Box::pin(self.verified(result, &wire, tracer.query)).await
        } else {
            result
        };
        #[cfg(not(feature = "dnssec"))]
        drop(wire);
        guard.emit(&result);
        // A server on this host can answer at once, and a loop of queries would starve other tasks.
        yield_now().await;
        result
    }

    /// Sends a query that belongs to another one. The servers' addresses are known.
    #[cfg(feature = "dnssec")]
    pub(super) async fn subquery(
        &self,
        question: Question,
        verifies: u64,
    ) -> (Result<DnsAnswer, DnsError>, Vec<u8>) {
        let tracer = self.tracer(&question, Some(verifies));
        let guard = FinishGuard::new(&self.core.event_loop, &tracer);
        let (result, wire) = self.exchange(question, &tracer).await;
        guard.emit(&result);
        yield_now().await;
        (result, wire)
    }

    fn tracer(&self, question: &Question, verifies: Option<u64>) -> Rc<QueryTracer> {
        let query = self.core.next_query();
        let (name, record_type) = (question.name(), question.record_type());
        let listener = self.listener.clone();
        Rc::new(QueryTracer { listener, query, name, record_type, verifies })
    }

    /// The answer, and the message that it was decoded from.
    async fn exchange(
        &self,
        question: Question,
        tracer: &Rc<QueryTracer>,
    ) -> (Result<DnsAnswer, DnsError>, Vec<u8>) {
        let mut exchange = Exchange::new(&self.core, question, Rc::clone(tracer));
        let result = poll_fn(|cx| exchange.poll(cx)).await;
        (result, exchange.take_wire())
    }

    /// Queries the names of an address (PTR).
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

    /// Failure of a query that was not sent.
    fn unasked(
        &self,
        kind: DnsErrorKind,
        name: &str,
        record_type: RecordType,
        failure: Option<Failure>,
    ) -> DnsError {
        let exchange = Box::new(DnsExchange {
            server: None,
            transport: None,
            started: self.core.event_loop.time(),
            took: Duration::ZERO,
            round_trip: None,
            retries: 0,
            truncated: false,
            without_edns: None,
            #[cfg(feature = "dnssec")]
            validation: None,
        });
        DnsError { kind, name: name.to_owned(), record_type, failure, answer: None, exchange }
    }
}

impl fmt::Debug for DnsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<String> = self.servers().iter().map(ToString::to_string).collect();
        write!(f, "<DnsClient {}>", servers.join(" "))
    }
}
