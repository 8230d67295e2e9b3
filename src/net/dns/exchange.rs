//! One question, from the first message to the answer: `plan::Query` decides, this acts.

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

/// How many datagrams of one server are looked at before the loop goes on with other things.
const MAX_DATAGRAMS_PER_POLL: usize = 32;

/// A query under way. Dropping it half-way leaves nothing behind.
pub(super) struct Exchange {
    core: Rc<ClientCore>,
    question: Question,
    query: Query,
    /// One for each server.
    states: Vec<ServerState>,
    alarm: Alarm,
    tracer: Rc<QueryTracer>,
    summary: Summary,
}

/// What is known of one server.
struct ServerState {
    asked: Option<Transmit>,
    /// When it was asked the last time.
    at: Instant,
    /// How often that went wrong: each time the next of its addresses is tried.
    failures: usize,
    channel: Channel,
}

enum Channel {
    None,
    Datagram(DatagramChannel),
    Stream(StreamChannel),
}

/// What the result will tell.
struct Summary {
    started: Instant,
    truncated: bool,
    /// The server, when its answer came, and after how long, of what ends the query or tells the most so far.
    end: Option<Outcome>,
    /// The message that the result was made of.
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
            states: config.servers.iter().map(state).collect(),
            alarm: Alarm::new(event_loop),
            tracer,
            summary: Summary { started, truncated: false, end: None, wire: Vec::new() },
            core: Rc::clone(core),
        }
    }

    /// Goes as far as it goes now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<DnsAnswer, DnsError>> {
        loop {
            for server in 0..self.states.len() {
                self.listen(server, cx);
            }
            let now = self.core.event_loop.time();
            match self.query.poll(now) {
                QueryStep::Transmit(transmit) => self.ask(transmit, now),
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

    /// The message that the result was made of; empty where there is none.
    pub(super) fn take_wire(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.summary.wire)
    }

    fn ask(&mut self, ask: Transmit, now: Instant) {
        let server = self.core.config.servers[ask.server].clone();
        let Transmit { transport, edns, .. } = ask;
        let attempt = self.query.attempts();
        self.tracer.emit(now, || DnsEventKind::Asked { server, transport, attempt, edns });
        let asked = self.states[ask.server].asked.replace(ask);
        self.states[ask.server].at = now;
        if asked != Some(ask) || transport != DnsTransport::Udp {
            self.states[ask.server].channel = Channel::None;
        }
        if let Err(error) = self.send(ask) {
            self.fail(ask.server, DnsErrorKind::Network, &error);
        }
    }

    /// The same datagram again on the same socket, so that a late answer to the first one counts; or a new one.
    fn send(&mut self, ask: Transmit) -> io::Result<()> {
        let state = &mut self.states[ask.server];
        if let Channel::Datagram(known) = &state.channel {
            return known.send();
        }
        let mut addresses = self.core.addresses_of(ask.server)?;
        let next = state.failures % addresses.len().max(1);
        addresses.rotate_left(next);
        let is_numbered = ask.transport != DnsTransport::Https;
        let flags = self.core.config.flags;
        let sent = self.question.message(ask.edns, flags, is_numbered)?;
        let event_loop = &self.core.event_loop;
        state.channel = if ask.transport == DnsTransport::Udp {
            let datagrams = DatagramChannel::open(event_loop, &addresses, sent)?;
            datagrams.send()?;
            Channel::Datagram(datagrams)
        } else {
            let connecting = self.core.connecting(ask, addresses)?;
            let server = self.core.config.servers[ask.server].clone();
            let (tracer, transport) = (Rc::clone(&self.tracer), ask.transport);
            let connected = move |now| {
                tracer.emit(now, || DnsEventKind::Connected { server, transport });
            };
            let server = &self.core.config.servers[ask.server];
            Channel::Stream(StreamChannel::open(event_loop, connecting, server, sent, connected))
        };
        Ok(())
    }

    /// Takes what a server has sent.
    fn listen(&mut self, server: usize, cx: &mut Context<'_>) {
        for _ in 0..MAX_DATAGRAMS_PER_POLL {
            let came = match &mut self.states[server].channel {
                Channel::None => return,
                Channel::Datagram(datagrams) => datagrams.poll(cx),
                Channel::Stream(connected) => connected.poll(cx),
            };
            match came {
                Poll::Pending => return,
                Poll::Ready(Ok(message)) => self.take(server, &message),
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

    fn take(&mut self, server: usize, message: &[u8]) {
        let (now, state) = (self.core.event_loop.time(), &self.states[server]);
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
        self.states[server].channel = Channel::None;
        if message::is_truncated(message) {
            self.summary.truncated = true;
            if transport == DnsTransport::Udp {
                let (rcode, bytes) = (message::plain_rcode(message), message.len());
                self.emit_answered(server, now, rcode, (0, None), bytes, true);
                return self.query.handle_reply(server, Reply::Truncated);
            }
        }
        match message::read(message) {
            Ok(response) => self.judge(server, now, round_trip, response, message),
            Err(why) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, why);
                self.fail(server, DnsErrorKind::Malformed, &error);
            }
        }
    }

    fn judge(
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
        let end = Outcome {
            kind,
            server,
            transport,
            round_trip,
            failure: None,
            response: Some(response),
        };
        if self.keep(end, reply == Reply::Final) {
            self.summary.wire = message.to_vec();
        }
        self.query.handle_reply(server, reply);
    }

    fn fail(&mut self, server: usize, kind: DnsErrorKind, error: &io::Error) {
        let (now, failure) = (self.core.event_loop.time(), Failure::from(error));
        let transport = self.transport(server);
        let state = &mut self.states[server];
        state.channel = Channel::None;
        state.failures += 1;
        let told = (self.core.config.servers[server].clone(), failure.clone());
        self.tracer.emit(now, || {
            let (server, failure) = told;
            DnsEventKind::Failed { server, transport, failure }
        });
        let (round_trip, failure, response) = (None, Some(failure), None);
        let kind = Some(kind);
        self.keep(Outcome { kind, server, transport, round_trip, failure, response }, false);
        self.query.handle_reply(server, Reply::Failed);
    }

    /// The socket stays, for a late answer.
    fn time_out(&mut self, server: usize, now: Instant) {
        let (transport, state) = (self.transport(server), &self.states[server]);
        let after = now.saturating_duration_since(state.at);
        let told = self.core.config.servers[server].clone();
        self.tracer.emit(now, || DnsEventKind::TimedOut { server: told, transport, after });
        let kind = Some(DnsErrorKind::TimedOut);
        let end =
            Outcome { kind, server, transport, round_trip: None, failure: None, response: None };
        self.keep(end, false);
    }

    /// The answer replaces everything; of failures, the one that tells the most stays, and of equals the last.
    fn keep(&mut self, end: Outcome, is_final: bool) -> bool {
        let known = self.summary.end.as_ref().map_or(0, |known| rank(known.kind));
        let is_kept = is_final || rank(end.kind) >= known;
        if is_kept {
            self.summary.end = Some(end);
        }
        is_kept
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
        let asked = self.states[server].asked.map(|asked| asked.transport);
        asked.unwrap_or_else(|| self.core.config.servers[server].transport())
    }

    fn finish(&mut self, now: Instant) -> Result<DnsAnswer, DnsError> {
        let end = self.summary.end.take();
        let servers = &self.core.config.servers;
        let exchange = DnsExchange {
            server: end.as_ref().map(|end| servers[end.server].clone()),
            transport: end.as_ref().map(|end| end.transport),
            started: self.summary.started,
            took: now.saturating_duration_since(self.summary.started),
            round_trip: end.as_ref().and_then(|end| end.round_trip),
            retries: self.query.attempts().saturating_sub(1),
            truncated: self.summary.truncated,
            #[cfg(feature = "dnssec")]
            validation: None,
        };
        let (name, record_type) = (self.question.name(), self.question.record_type());
        let Some(Outcome { kind, failure, response, .. }) = end else {
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

/// How much a failure tells.
fn rank(kind: Option<DnsErrorKind>) -> u8 {
    match kind {
        Some(DnsErrorKind::TimedOut) => 0,
        Some(DnsErrorKind::Network) => 1,
        Some(DnsErrorKind::Malformed) => 2,
        _ => 3,
    }
}
