//! Runs one query: `plan::Query` decides, this file acts.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::answer::{DnsAnswer, DnsExchange, EdnsFallback, Rcode};
use super::channel::{DatagramChannel, StreamChannel, StreamQuery};
use super::core::ClientCore;
use super::error::{DnsError, DnsErrorKind};
use super::event::{DnsEventKind, QueryTracer};
use super::https::NoMessage;
use super::message::{self, Question, Response, Sent};
use super::verdict::Judged;
use crate::net::Failure;
use crate::plan::{DnsTransport, Query, QueryStep, Reply, Transmit};
use crate::task::Alarm;

/// Maximum number of datagrams of a server per poll.
const MAX_DATAGRAMS_PER_POLL: usize = 32;

/// Query in progress. Dropping it closes its sockets.
pub(super) struct Exchange {
    core: Rc<ClientCore>,
    question: Question,
    query: Query,
    /// One for each server.
    servers: Vec<ServerState>,
    alarm: Alarm,
    tracer: Rc<QueryTracer>,
    summary: Summary,
}

/// State of one server.
struct ServerState {
    asked: Option<Transmit>,
    /// Time of the last message.
    at: Instant,
    /// Number of failures; each one selects the server's next address.
    failures: usize,
    channel: Channel,
    /// Socket of the query with EDNS while one without is under way; a late answer to either counts.
    earlier: Option<DatagramChannel>,
    without_edns: Option<EdnsFallback>,
}

enum Channel {
    None,
    Datagram(DatagramChannel),
    Stream(StreamChannel),
}

/// Times and the best outcome so far.
struct Summary {
    started: Instant,
    truncated: bool,
    /// Outcome that ends the query, or that ranks highest so far.
    best: Option<Outcome>,
    /// Message that the result was decoded from.
    wire: Vec<u8>,
}

struct Outcome {
    kind: Option<DnsErrorKind>,
    server: usize,
    transport: DnsTransport,
    round_trip: Option<Duration>,
    failure: Option<Failure>,
    response: Option<Response>,
    without_edns: Option<EdnsFallback>,
}

impl ServerState {
    fn new(at: Instant, without_edns: Option<EdnsFallback>) -> Self {
        let (asked, failures, channel, earlier) = (None, 0, Channel::None, None);
        Self { asked, at, failures, channel, earlier, without_edns }
    }
}

impl Exchange {
    pub(super) fn new(core: &Rc<ClientCore>, question: Question, tracer: Rc<QueryTracer>) -> Self {
        let (event_loop, config) = (&core.event_loop, &core.config);
        let (started, transports) =
            (event_loop.time(), config.servers.iter().map(|it| it.transport()));
        let mut query = Query::new(transports, core.first_server(), config.policy.clone());
        let servers = (0..config.servers.len()).map(|number| {
            let known = core.edns.borrow().get(number).copied().unwrap_or_default();
            // Without EDNS there are no signatures, which would look like a fault of the zone.
            if known.is_answered || config.flags.dnssec {
                query.keep_edns(number);
            } else if known.fallback.is_some() {
                query.omit_edns(number);
            }
            ServerState::new(started, known.fallback.filter(|_| !known.is_answered))
        });
        let servers = servers.collect();
        Self {
            question,
            query,
            servers,
            alarm: Alarm::new(event_loop),
            tracer,
            summary: Summary { started, truncated: false, best: None, wire: Vec::new() },
            core: Rc::clone(core),
        }
    }

    /// Runs every step that is due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<DnsAnswer, DnsError>> {
        loop {
            for server in 0..self.servers.len() {
                self.listen(server, cx);
            }
            let now = self.core.event_loop.time();
            match self.query.poll(now) {
                QueryStep::Transmit(transmit) => self.transmit(transmit, now),
                QueryStep::TimedOut(server) => self.time_out(server, now),
                QueryStep::Wait(until) => {
                    self.alarm.set(Some(until), cx.waker());
                    return Poll::Pending;
                }
                QueryStep::Answered(_) | QueryStep::Exhausted => {
                    return Poll::Ready(self.finish(now));
                }
            }
        }
    }

    /// Message that the result was decoded from; empty without one.
    pub(super) fn take_wire(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.summary.wire)
    }

    fn transmit(&mut self, transmit: Transmit, now: Instant) {
        let server = self.core.config.servers[transmit.server].clone();
        let Transmit { transport, edns, .. } = transmit;
        let attempt = self.query.attempts();
        self.tracer.emit(now, || DnsEventKind::Asked { server, transport, attempt, edns });
        let asked = self.servers[transmit.server].asked.replace(transmit);
        self.servers[transmit.server].at = now;
        if asked != Some(transmit) || transport != DnsTransport::Udp {
            let state = &mut self.servers[transmit.server];
            let before = std::mem::replace(&mut state.channel, Channel::None);
            if let (Channel::Datagram(before), DnsTransport::Udp) = (before, transport) {
                state.earlier = Some(before);
            }
        }
        if let Err(error) = self.send(transmit) {
            self.fail(transmit.server, DnsErrorKind::Network, &error);
        }
    }

    /// Repeats the datagram on the same socket, so that a late answer to the first one counts. Otherwise opens a new
    /// channel.
    fn send(&mut self, transmit: Transmit) -> io::Result<()> {
        let state = &mut self.servers[transmit.server];
        if let Channel::Datagram(known) = &state.channel {
            return known.send();
        }
        let mut addresses = self.core.addresses_of(transmit.server)?;
        let next = state.failures % addresses.len().max(1);
        addresses.rotate_left(next);
        let is_numbered = transmit.transport != DnsTransport::Https;
        let flags = self.core.config.flags;
        let sent = self.question.message(transmit.edns, flags, is_numbered)?;
        let event_loop = &self.core.event_loop;
        state.channel = if transmit.transport == DnsTransport::Udp {
            let datagrams = DatagramChannel::open(event_loop, &addresses, sent)?;
            datagrams.send()?;
            Channel::Datagram(datagrams)
        } else {
            let (core, server) = (Rc::clone(&self.core), transmit.server);
            let query = StreamQuery {
                event_loop: event_loop.clone(),
                connect: Box::new(move || core.connecting(transmit, addresses.clone())),
                server: self.core.config.servers[server].clone(),
                shared: Rc::clone(&self.core.shared[server]),
            };
            let server = self.core.config.servers[server].clone();
            let (tracer, transport) = (Rc::clone(&self.tracer), transmit.transport);
            let connected = move |now| {
                tracer.emit(now, || DnsEventKind::Connected { server, transport });
            };
            Channel::Stream(StreamChannel::open(query, sent, connected))
        };
        Ok(())
    }

    /// Handles the messages of a server.
    fn listen(&mut self, server: usize, cx: &mut Context<'_>) {
        for _ in 0..MAX_DATAGRAMS_PER_POLL {
            if let Some(earlier) = &self.servers[server].earlier
                && let Poll::Ready(received) = earlier.poll(cx)
            {
                self.handle_late(server, received);
                continue;
            }
            let received = match &mut self.servers[server].channel {
                Channel::None => return,
                Channel::Datagram(datagrams) => datagrams.poll(cx),
                Channel::Stream(connected) => connected.poll(cx),
            };
            match received {
                Poll::Pending => return,
                Poll::Ready(Ok(message)) => self.handle_message(server, &message),
                Poll::Ready(Err(error)) => {
                    let is_malformed = NoMessage::is_within(&error);
                    let kind =
                        if is_malformed { DnsErrorKind::Malformed } else { DnsErrorKind::Network };
                    self.fail(server, kind, &error);
                }
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Handles a message to the earlier socket: an answer to the query with EDNS takes the place of the later one.
    fn handle_late(&mut self, server: usize, received: io::Result<Vec<u8>>) {
        let state = &mut self.servers[server];
        match (received, state.earlier.take()) {
            (Ok(message), Some(earlier)) if earlier.sent.check(&message).is_ok() => {
                state.channel = Channel::Datagram(earlier);
                state.without_edns = None;
                if let Some(asked) = &mut state.asked {
                    asked.edns = true;
                }
                self.handle_message(server, &message);
            }
            (Ok(_), earlier) => state.earlier = earlier,
            (Err(_), _) => {}
        }
    }

    fn handle_message(&mut self, server: usize, message: &[u8]) {
        let (now, state) = (self.core.event_loop.time(), &self.servers[server]);
        let (sent, since): (&Sent, _) = match &state.channel {
            Channel::None => return,
            Channel::Datagram(datagrams) => (&datagrams.sent, Some(state.at)),
            Channel::Stream(connected) => (&connected.sent, connected.since.get()),
        };
        let round_trip = since.map(|since| now.saturating_duration_since(since));
        if let Err(why) = sent.check(message) {
            if matches!(state.channel, Channel::Stream(_)) {
                let error = io::Error::new(io::ErrorKind::InvalidData, why.to_string());
                return self.fail(server, DnsErrorKind::Malformed, &error);
            }
            let server = self.core.config.servers[server].clone();
            return self.tracer.emit(now, || DnsEventKind::Ignored { server, why });
        }
        let transport = self.transport(server);
        self.servers[server].channel = Channel::None;
        self.servers[server].earlier = None;
        self.learn_edns(server, message::plain_rcode(message));
        if message::is_truncated(message) {
            self.summary.truncated = true;
            if transport == DnsTransport::Udp {
                let (rcode, bytes) = (message::plain_rcode(message), message.len());
                self.emit_answered(server, now, rcode, (0, None), bytes, true);
                return self.query.handle_reply(server, Reply::Truncated);
            }
        }
        match message::read(message) {
            Ok(response) => self.handle_response(server, now, round_trip, response, message),
            Err(why) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, why);
                self.fail(server, DnsErrorKind::Malformed, &error);
            }
        }
    }

    fn handle_response(
        &mut self,
        server: usize,
        now: Instant,
        round_trip: Option<Duration>,
        response: Response,
        message: &[u8],
    ) {
        let (rcode, truncated) = (response.rcode, response.flags.truncated);
        let seen = (response.records.len(), response.records.iter().map(|it| it.ttl).min());
        self.emit_answered(server, now, rcode, seen, message.len(), truncated);
        let (name, record_type) = (self.question.name(), self.question.record_type());
        let kind = Judged {
            name: &name,
            record_type,
            rcode,
            flags: response.flags,
            records: &response.records,
            authority: &response.authority,
            wants_recursion: !self.core.config.flags.no_recursion,
        };
        let kind = kind.fault();
        if response.lost > 0 && kind.is_some() && rcode == Rcode::NOERROR {
            let why = format!("data of {} records do not fit their types", response.lost);
            let error = io::Error::new(io::ErrorKind::InvalidData, why);
            return self.fail(server, DnsErrorKind::Malformed, &error);
        }
        let reply = self.meaning(kind);
        let transport = self.transport(server);
        let outcome = Outcome {
            kind,
            server,
            transport,
            round_trip,
            failure: None,
            response: Some(response),
            without_edns: self.servers[server].without_edns,
        };
        if self.record(outcome, reply == Reply::Final) {
            self.summary.wire = message.to_vec();
        }
        self.query.handle_reply(server, reply);
    }

    /// An answer from a server that does not know sends the query on. Without recursion, a referral is the answer.
    fn meaning(&self, kind: Option<DnsErrorKind>) -> Reply {
        match kind {
            Some(DnsErrorKind::ServFail | DnsErrorKind::Refused | DnsErrorKind::Lame) => {
                Reply::Failed
            }
            Some(DnsErrorKind::Referral) if !self.core.config.flags.no_recursion => Reply::Failed,
            Some(DnsErrorKind::Code(Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS)) => {
                Reply::NotUnderstood
            }
            _ => Reply::Final,
        }
    }

    /// Notes whether a server answers queries with EDNS, for the next queries too.
    fn learn_edns(&mut self, server: usize, rcode: Rcode) {
        let state = &mut self.servers[server];
        let Some(Transmit { edns, .. }) = state.asked else { return };
        let is_refused = matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP);
        if edns && is_refused {
            state.without_edns = Some(EdnsFallback::NotUnderstood);
            return;
        }
        if let Some(known) = self.core.edns.borrow_mut().get_mut(server) {
            known.is_answered |= edns;
            known.fallback = state.without_edns.filter(|_| !is_refused);
        }
    }

    fn fail(&mut self, server: usize, kind: DnsErrorKind, error: &io::Error) {
        let (now, failure) = (self.core.event_loop.time(), Failure::from(error));
        let transport = self.transport(server);
        let state = &mut self.servers[server];
        state.channel = Channel::None;
        state.failures += 1;
        let copies = (self.core.config.servers[server].clone(), failure.clone());
        self.tracer.emit(now, || {
            let (server, failure) = copies;
            DnsEventKind::Failed { server, transport, failure }
        });
        let (round_trip, failure, response) = (None, Some(failure), None);
        let kind = Some(kind);
        let without_edns = None;
        let outcome =
            Outcome { kind, server, transport, round_trip, failure, response, without_edns };
        self.record(outcome, false);
        self.query.handle_reply(server, Reply::Failed);
    }

    /// Keeps the socket open for a late answer.
    fn time_out(&mut self, server: usize, now: Instant) {
        let (transport, state) = (self.transport(server), &self.servers[server]);
        let after = now.saturating_duration_since(state.at);
        let target = self.core.config.servers[server].clone();
        let is_repeated_without = transport == DnsTransport::Udp
            && state.asked.is_some_and(|asked| asked.edns)
            && !self.query.keeps_edns(server);
        if is_repeated_without {
            self.servers[server].without_edns = Some(EdnsFallback::Silence);
        }
        self.tracer.emit(now, || DnsEventKind::TimedOut { server: target, transport, after });
        let kind = Some(DnsErrorKind::TimedOut);
        let (round_trip, failure, response, without_edns) = (None, None, None, None);
        let outcome =
            Outcome { kind, server, transport, round_trip, failure, response, without_edns };
        self.record(outcome, false);
    }

    /// Records an outcome: a final one always, a failure if it ranks at least as high as the last.
    fn record(&mut self, outcome: Outcome, is_final: bool) -> bool {
        let known = self.summary.best.as_ref().map_or(0, |known| rank(known.kind));
        let is_recorded = is_final || rank(outcome.kind) >= known;
        if is_recorded {
            self.summary.best = Some(outcome);
        }
        is_recorded
    }

    fn emit_answered(
        &self,
        server: usize,
        now: Instant,
        rcode: Rcode,
        (records, ttl): (usize, Option<Duration>),
        bytes: usize,
        truncated: bool,
    ) {
        let (transport, servers) = (self.transport(server), &self.core.config.servers);
        let server = servers[server].clone();
        self.tracer.emit(now, || DnsEventKind::Answered {
            server,
            transport,
            rcode,
            records,
            ttl,
            truncated,
            bytes,
        });
    }

    fn transport(&self, server: usize) -> DnsTransport {
        let asked = self.servers[server].asked.map(|asked| asked.transport);
        asked.unwrap_or_else(|| self.core.config.servers[server].transport())
    }

    fn finish(&mut self, now: Instant) -> Result<DnsAnswer, DnsError> {
        let outcome = self.summary.best.take();
        let servers = &self.core.config.servers;
        let exchange = DnsExchange {
            server: outcome.as_ref().map(|outcome| servers[outcome.server].clone()),
            transport: outcome.as_ref().map(|outcome| outcome.transport),
            started: self.summary.started,
            took: now.saturating_duration_since(self.summary.started),
            round_trip: outcome.as_ref().and_then(|outcome| outcome.round_trip),
            retries: self.query.attempts().saturating_sub(1),
            truncated: self.summary.truncated,
            without_edns: outcome.as_ref().and_then(|outcome| outcome.without_edns),
            #[cfg(feature = "dnssec")]
            validation: None,
        };
        let (name, record_type) = (self.question.name(), self.question.record_type());
        let Some(Outcome { kind, failure, response, .. }) = outcome else {
            let (kind, failure, answer) = (DnsErrorKind::TimedOut, None, None);
            let exchange = Box::new(exchange);
            return Err(DnsError { kind, name, record_type, failure, answer, exchange });
        };
        let answer = response.map(|response| DnsAnswer {
            name: name.clone(),
            record_type,
            rcode: response.rcode,
            flags: response.flags,
            records: response.records,
            authority: response.authority,
            extended_errors: response.extended_errors,
            oddities: response.oddities,
            exchange: exchange.clone(),
        });
        match (kind, answer) {
            (None, Some(answer)) => Ok(answer),
            (kind, answer) => {
                let kind = kind.unwrap_or(DnsErrorKind::NoData);
                let (answer, exchange) = (answer.map(Box::new), Box::new(exchange));
                Err(DnsError { kind, name, record_type, failure, answer, exchange })
            }
        }
    }
}

/// Rank of a failure, by how much it says.
fn rank(kind: Option<DnsErrorKind>) -> u8 {
    match kind {
        Some(DnsErrorKind::TimedOut) => 0,
        Some(DnsErrorKind::Network) => 1,
        Some(DnsErrorKind::Malformed) => 2,
        _ => 3,
    }
}
