//! Which name server is asked when, and over what.

use std::fmt;
use std::time::{Duration, Instant};

/// What a message to a name server travels in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DnsTransport {
    /// Datagrams (RFC 1035 section 4.2.1).
    Udp,
    /// A connection (RFC 7766).
    Tcp,
    /// A connection with TLS (RFC 7858).
    Tls,
    /// A connection with TLS, on which HTTP is spoken (RFC 8484).
    Https,
}

impl DnsTransport {
    /// Whether nobody can read it on its way.
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

/// How patient a query is; the default is that of resolv.conf(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPolicy {
    /// How long a server may take each time it is asked: 5 s.
    pub timeout: Duration,
    /// How many times each server is asked: 2.
    pub attempts: u32,
    /// Whether questions carry EDNS (RFC 6891); a server that does not understand is asked again without.
    pub edns: bool,
}

impl Default for QueryPolicy {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), attempts: 2, edns: true }
    }
}

/// One question to several servers: who is asked next, and when it is enough. The rules are glibc's.
///
/// Servers are asked one after another, and when all have been, again from the first. Silence for
/// [`timeout`](QueryPolicy::timeout), SERVFAIL, REFUSED and errors of the network move on to the next server,
/// each at once when it is known; any other answer ends the query. What is truncated is asked for again over TCP,
/// and from then on that server only over TCP. Unlike glibc's, a server that was silent may still answer while
/// others are asked.
///
/// As a [`Race`](super::Race), it holds no sockets and reads no clock.
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
/// assert_eq!(query.poll(t0 + timeout), QueryStep::TimedOut(0), "silence");
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Transmit(Transmit { server: 1, ..first }));
/// query.handle_reply(1, Reply::Truncated);
/// let over_tcp = Transmit { server: 1, transport: DnsTransport::Tcp, edns: true };
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Transmit(over_tcp));
/// query.handle_reply(1, Reply::Final);
/// assert_eq!(query.poll(t0 + timeout), QueryStep::Answered(1));
/// assert_eq!(query.attempts(), 2, "over TCP it is still the same try");
/// ```
#[derive(Debug, Clone)]
pub struct Query {
    servers: Vec<Server>,
    first: usize,
    policy: QueryPolicy,
    tries: usize,
    current: Option<Current>,
    /// To be asked once more at once, in another way.
    again: Option<usize>,
    answered: Option<usize>,
}

/// A message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// To which server, by its place in the list.
    pub server: usize,
    /// How.
    pub transport: DnsTransport,
    /// Whether with EDNS.
    pub edns: bool,
}

/// What the owner of a [`Query`] does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryStep {
    /// Send this now, then poll again.
    Transmit(Transmit),
    /// This server has used up its time: take note, then poll again. It may still answer.
    TimedOut(usize),
    /// Nothing to do before this instant, unless something is heard.
    Wait(Instant),
    /// Over: this server's answer is the answer.
    Answered(usize),
    /// Over: nobody has anything better to say than what was heard.
    Exhausted,
}

/// What a server's answer means for the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// The answer, be it yes or no.
    Final,
    /// There is more than fits.
    Truncated,
    /// The server has not understood the question: FORMERR, NOTIMP or BADVERS.
    NotUnderstood,
    /// The server cannot say (SERVFAIL, REFUSED), or cannot be asked.
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Server {
    transport: DnsTransport,
    edns: bool,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    server: usize,
    until: Instant,
}

impl Query {
    /// A question to these servers, beginning with number `first`.
    pub fn new(
        servers: impl IntoIterator<Item = DnsTransport>,
        first: usize,
        policy: QueryPolicy,
    ) -> Self {
        let edns = policy.edns;
        let servers = servers.into_iter().map(|transport| Server { transport, edns }).collect();
        Self { servers, first, policy, tries: 0, current: None, again: None, answered: None }
    }

    /// Returns the next step. Poll again after every [`Transmit`](QueryStep::Transmit) and [`TimedOut`](QueryStep::TimedOut).
    pub fn poll(&mut self, now: Instant) -> QueryStep {
        if let Some(server) = self.answered {
            return QueryStep::Answered(server);
        }
        if let Some(server) = self.again.take() {
            return self.ask(server, now);
        }
        match self.current {
            Some(Current { server, until }) if until <= now => {
                self.current = None;
                QueryStep::TimedOut(server)
            }
            Some(Current { until, .. }) => QueryStep::Wait(until),
            None if self.tries >= self.most_tries() => QueryStep::Exhausted,
            None => {
                let server = (self.first + self.tries) % self.servers.len();
                self.tries += 1;
                self.ask(server, now)
            }
        }
    }

    /// A server has answered, or cannot be asked. It may be one whose time was up.
    pub fn handle_reply(&mut self, server: usize, reply: Reply) {
        let Some(known) = self.servers.get_mut(server) else { return };
        match reply {
            Reply::Truncated if known.transport == DnsTransport::Udp => {
                known.transport = DnsTransport::Tcp;
                self.again = Some(server);
            }
            Reply::NotUnderstood if known.edns => {
                known.edns = false;
                self.again = Some(server);
            }
            // A connection carries everything: what is cut off there cannot be had.
            Reply::Final | Reply::Truncated => self.answered = self.answered.or(Some(server)),
            Reply::NotUnderstood | Reply::Failed => {
                self.current.take_if(|current| current.server == server);
            }
        }
    }

    /// How often servers have been asked, besides over TCP or without EDNS after an answer that called for it.
    pub fn attempts(&self) -> usize {
        self.tries
    }

    fn most_tries(&self) -> usize {
        self.servers.len().saturating_mul(self.policy.attempts as usize)
    }

    fn ask(&mut self, server: usize, now: Instant) -> QueryStep {
        let Server { transport, edns } = self.servers[server];
        // So far away that it never comes, where the sum cannot be told.
        const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);
        let until = now.checked_add(self.policy.timeout).unwrap_or(now + NEVER);
        self.current = Some(Current { server, until });
        QueryStep::Transmit(Transmit { server, transport, edns })
    }
}
