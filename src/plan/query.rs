//! DNS query to several name servers: their order, transports and timeouts.

use std::fmt;
use std::time::{Duration, Instant};

/// Transport of DNS messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsTransport {
    /// UDP (RFC 1035 section 4.2.1).
    Udp,
    /// TCP (RFC 7766).
    Tcp,
    /// DNS over TLS (RFC 7858).
    Tls,
    /// DNS over HTTPS (RFC 8484).
    Https,
}

impl DnsTransport {
    /// Whether the messages are encrypted.
    ///
    /// ```
    /// use loopctl::plan::DnsTransport;
    ///
    /// assert!(DnsTransport::Tls.is_encrypted() && !DnsTransport::Tcp.is_encrypted());
    /// ```
    pub fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }
}

impl fmt::Display for DnsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
        })
    }
}

/// Timeouts and retries of a query; the default is that of resolv.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPolicy {
    /// Timeout of one query to one server: 5 s.
    pub timeout: Duration,
    /// Maximum number of queries to each server: 2.
    pub attempts: u32,
    /// Send EDNS (RFC 6891). A server that does not understand it, or is silent, is queried without it.
    pub edns: bool,
}

impl Default for QueryPolicy {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), attempts: 2, edns: true }
    }
}

/// One DNS question to several servers, by the rules of glibc.
///
/// The query goes to one server after another, and again from the first after the last. A
/// [`timeout`](QueryPolicy::timeout), SERVFAIL, REFUSED or a network error moves it on to the next server at once.
/// Any other answer ends it. A truncated answer repeats the query over TCP, and that server then gets all queries
/// over TCP. Unlike in glibc, a server that has timed out may still answer during the queries to others.
///
/// A server that is silent to a datagram with EDNS gets the next ones without, because some devices drop such
/// messages. [`keep_edns`](Query::keep_edns) prevents that.
///
/// Like a [`Race`](super::Race), it holds no sockets and reads no clock.
///
/// ```
/// use loopctl::plan::{DnsTransport, Query, QueryPolicy, QueryStep, Reply, Transmit};
/// use std::time::{Duration, Instant};
///
/// let (t0, timeout) = (Instant::now(), Duration::from_secs(5));
/// let mut query = Query::new([DnsTransport::Udp, DnsTransport::Udp], 0, QueryPolicy::default());
/// let first = Transmit { server: 0, transport: DnsTransport::Udp, edns: true };
/// assert_eq!(query.poll(t0), QueryStep::Transmit(first));
/// assert_eq!(query.poll(t0), QueryStep::Wait(t0 + timeout));
/// assert_eq!(query.poll(t0 + timeout), QueryStep::TimedOut(0), "no answer");
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Transmit(Transmit { server: 1, ..first }));
/// query.handle_reply(1, Reply::Truncated);
/// let over_tcp = Transmit { server: 1, transport: DnsTransport::Tcp, edns: true };
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Transmit(over_tcp));
/// query.handle_reply(1, Reply::Final);
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Answered(1));
/// assert_eq!(query.attempts(), 2, "TCP after UDP is the same attempt");
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    servers: Vec<Server>,
    first: usize,
    policy: QueryPolicy,
    attempts: usize,
    current: Option<Current>,
    /// Server to query again at once, over TCP or without EDNS.
    repeat: Option<usize>,
    answered: Option<usize>,
}

/// Query to send to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Index of the server.
    pub server: usize,
    /// Transport.
    pub transport: DnsTransport,
    /// Send EDNS.
    pub edns: bool,
}

/// Next step for the owner of a [`Query`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryStep {
    /// Send this now, then poll again.
    Transmit(Transmit),
    /// This server did not answer within the timeout; poll again. It may still answer.
    TimedOut(usize),
    /// Poll again at this instant, or earlier after a reply.
    Wait(Instant),
    /// The query is over: this server's reply is the answer.
    Answered(usize),
    /// The query is over without a final answer.
    Exhausted,
}

/// Meaning of a server's reply for the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Positive or negative answer.
    Final,
    /// Truncated answer (TC bit).
    Truncated,
    /// The server did not understand the query: FORMERR, NOTIMP or BADVERS.
    NotUnderstood,
    /// The server failed (SERVFAIL, REFUSED), or could not be reached.
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Server {
    transport: DnsTransport,
    edns: bool,
    /// Whether silence is no reason to leave EDNS out.
    keeps_edns: bool,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    server: usize,
    until: Instant,
}

impl Query {
    /// Query to these servers, beginning with index `first`.
    pub fn new(
        servers: impl IntoIterator<Item = DnsTransport>,
        first: usize,
        policy: QueryPolicy,
    ) -> Self {
        let edns = policy.edns;
        let servers =
            servers.into_iter().map(|transport| Server { transport, edns, keeps_edns: false });
        let servers = servers.collect();
        Self { servers, first, policy, attempts: 0, current: None, repeat: None, answered: None }
    }

    /// Queries a server with EDNS even after silence, because it is known to answer such queries.
    pub fn keep_edns(&mut self, server: usize) {
        if let Some(known) = self.servers.get_mut(server) {
            known.keeps_edns = true;
        }
    }

    /// Whether a server is queried with EDNS even after silence.
    pub fn keeps_edns(&self, server: usize) -> bool {
        self.servers.get(server).is_none_or(|known| known.keeps_edns)
    }

    /// Queries a server without EDNS from the start.
    pub fn omit_edns(&mut self, server: usize) {
        if let Some(known) = self.servers.get_mut(server) {
            known.edns = false;
        }
    }

    /// Returns the next step. Poll again after every [`Transmit`](QueryStep::Transmit) and [`TimedOut`](QueryStep::TimedOut).
    pub fn poll(&mut self, now: Instant) -> QueryStep {
        if let Some(server) = self.answered {
            return QueryStep::Answered(server);
        }
        if let Some(server) = self.repeat.take() {
            return self.transmit(server, now);
        }
        match self.current {
            Some(Current { server, until }) if until <= now => {
                self.current = None;
                let known = &mut self.servers[server];
                known.edns &= known.keeps_edns || known.transport != DnsTransport::Udp;
                QueryStep::TimedOut(server)
            }
            Some(Current { until, .. }) => QueryStep::Wait(until),
            None if self.attempts >= self.max_attempts() => QueryStep::Exhausted,
            None => {
                let server = (self.first + self.attempts) % self.servers.len();
                self.attempts += 1;
                self.transmit(server, now)
            }
        }
    }

    /// Handles the reply of a server, or its failure. A reply after the timeout counts as well.
    pub fn handle_reply(&mut self, server: usize, reply: Reply) {
        let Some(known) = self.servers.get_mut(server) else { return };
        match reply {
            Reply::Truncated if known.transport == DnsTransport::Udp => {
                known.transport = DnsTransport::Tcp;
                known.keeps_edns = true;
                self.repeat = Some(server);
            }
            Reply::NotUnderstood if known.edns => {
                known.edns = false;
                self.repeat = Some(server);
            }
            // TCP has no size limit, so an answer that is truncated there will never be complete.
            Reply::Final | Reply::Truncated => self.answered = self.answered.or(Some(server)),
            Reply::NotUnderstood | Reply::Failed => {
                self.current.take_if(|current| current.server == server);
            }
        }
    }

    /// Number of queries sent. A repetition over TCP or without EDNS does not count.
    pub fn attempts(&self) -> usize {
        self.attempts
    }

    fn max_attempts(&self) -> usize {
        self.servers.len().saturating_mul(self.policy.attempts as usize)
    }

    fn transmit(&mut self, server: usize, now: Instant) -> QueryStep {
        let Server { transport, edns, .. } = self.servers[server];
        // Stands for a deadline that `Instant` cannot represent, and that no process lives to see.
        const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);
        let until = now.checked_add(self.policy.timeout).unwrap_or(now + FAR_FUTURE);
        self.current = Some(Current { server, until });
        QueryStep::Transmit(Transmit { server, transport, edns })
    }
}
