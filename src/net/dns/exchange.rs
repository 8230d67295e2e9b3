//! Runs one query: `plan::Query` decides, this file acts.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::answer::{DnsAnswer, DnsExchange, Rcode};
use super::channel::{DatagramChannel, StreamChannel};
use super::core::ClientCore;
use super::error::{DnsError, DnsErrorKind};
use super::event::{DnsEventKind, QueryTracer};
use super::https::NoMessage;
use super::message::{self, Question, Response, Sent};
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
}

impl Exchange {
    pub(super) fn new(core: &Rc<ClientCore>, question: Question, tracer: Rc<QueryTracer>) -> Self {
        let (event_loop, config) = (&core.event_loop, &core.config);
        let (started, transports) =
            (event_loop.time(), config.servers.iter().map(|it| it.transport()));
        let query = Query::new(transports, core.first_server(), config.policy.clone());
        let state =
            |_| ServerState { asked: None, at: started, failures: 0, channel: Channel::None };
        Self {
            question,
            query,
            servers: config.servers.iter().map(state).collect(),
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
            self.servers[transmit.server].channel = Channel::None;
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
            let connecting = self.core.connecting(transmit, addresses)?;
            let server = self.core.config.servers[transmit.server].clone();
            let (tracer, transport) = (Rc::clone(&self.tracer), transmit.transport);
            let connected = move |now| {
                tracer.emit(now, || DnsEventKind::Connected { server, transport });
            };
            let server = &self.core.config.servers[transmit.server];
            Channel::Stream(StreamChannel::open(event_loop, connecting, server, sent, connected))
        };
        Ok(())
    }

    /// Handles the messages of a server.
    fn listen(&mut self, server: usize, cx: &mut Context<'_>) {
        for _ in 0..MAX_DATAGRAMS_PER_POLL {
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
        let (reply, kind) = match rcode {
            Rcode::NOERROR => (Reply::Final, None),
            Rcode::NXDOMAIN => (Reply::Final, Some(DnsErrorKind::NxDomain)),
            Rcode::SERVFAIL => (Reply::Failed, Some(DnsErrorKind::ServFail)),
            Rcode::REFUSED => (Reply::Failed, Some(DnsErrorKind::Refused)),
            Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS => {
                (Reply::NotUnderstood, Some(DnsErrorKind::Code(rcode)))
            }
            _ => (Reply::Final, Some(DnsErrorKind::Code(rcode))),
        };
        let transport = self.transport(server);
        let outcome = Outcome {
            kind,
            server,
            transport,
            round_trip,
            failure: None,
            response: Some(response),
        };
        if self.record(outcome, reply == Reply::Final) {
            self.summary.wire = message.to_vec();
        }
        self.query.handle_reply(server, reply);
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
        self.record(Outcome { kind, server, transport, round_trip, failure, response }, false);
        self.query.handle_reply(server, Reply::Failed);
    }

    /// Keeps the socket open for a late answer.
    fn time_out(&mut self, server: usize, now: Instant) {
        let (transport, state) = (self.transport(server), &self.servers[server]);
        let after = now.saturating_duration_since(state.at);
        let target = self.core.config.servers[server].clone();
        self.tracer.emit(now, || DnsEventKind::TimedOut { server: target, transport, after });
        let kind = Some(DnsErrorKind::TimedOut);
        let outcome =
            Outcome { kind, server, transport, round_trip: None, failure: None, response: None };
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
            exchange: exchange.clone(),
        });
        match (kind, answer) {
            (None, Some(answer)) if answer.matching().next().is_some() => Ok(answer),
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
