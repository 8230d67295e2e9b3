//! One question, from the first message to the answer: `plan::Query` decides, this acts.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::answer::{DnsAnswer, DnsExchange, Rcode};
use super::client::DnsClient;
use super::error::{DnsError, DnsErrorKind};
use super::event::{DnsEventKind, Teller};
use super::https::NoMessage;
use super::lane::{Connected, Datagrams};
use super::message::{self, Question, Response, Sent};
use crate::net::Failure;
use crate::plan::{DnsTransport, Query, QueryStep, Reply, Transmit};
use crate::task::Alarm;

/// How many datagrams of one server are looked at before the loop goes on with other things.
const MOST_AT_A_TIME: usize = 32;

/// A query under way. Dropping it half-way leaves nothing behind.
pub(super) struct Exchange {
    client: DnsClient,
    question: Question,
    query: Query,
    /// One for each server.
    lanes: Vec<Lane>,
    alarm: Alarm,
    teller: Rc<Teller>,
    tally: Tally,
}

/// What is known of one server.
struct Lane {
    asked: Option<Transmit>,
    /// When it was asked the last time.
    at: Instant,
    /// How often that went wrong: each time the next of its addresses is tried.
    failures: usize,
    via: Via,
}

enum Via {
    Nothing,
    Datagrams(Datagrams),
    Connected(Connected),
}

/// What the result will tell.
struct Tally {
    started: Instant,
    truncated: bool,
    /// The server, when its answer came, and after how long, of what ends the query or tells the most so far.
    end: Option<End>,
    /// The message that the result was made of.
    wire: Vec<u8>,
}

struct End {
    kind: Option<DnsErrorKind>,
    server: usize,
    transport: DnsTransport,
    round_trip: Option<Duration>,
    failure: Option<Failure>,
    response: Option<Response>,
}

impl Exchange {
    pub(super) fn new(client: &DnsClient, question: Question, teller: Rc<Teller>) -> Self {
        let (event_loop, config) = (&client.event_loop, &client.shared.config);
        let (started, transports) =
            (event_loop.time(), config.servers.iter().map(|it| it.transport()));
        let query = Query::new(transports, client.first_server(), config.policy.clone());
        let lane = |_| Lane { asked: None, at: started, failures: 0, via: Via::Nothing };
        Self {
            question,
            query,
            lanes: config.servers.iter().map(lane).collect(),
            alarm: Alarm::new(event_loop),
            teller,
            tally: Tally { started, truncated: false, end: None, wire: Vec::new() },
            client: client.clone(),
        }
    }

    /// Goes as far as it goes now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<DnsAnswer, DnsError>> {
        loop {
            for server in 0..self.lanes.len() {
                self.listen(server, cx);
            }
            let now = self.client.event_loop.time();
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
        std::mem::take(&mut self.tally.wire)
    }

    fn ask(&mut self, ask: Transmit, now: Instant) {
        let server = self.client.shared.config.servers[ask.server].clone();
        let Transmit { transport, edns, .. } = ask;
        let attempt = self.query.attempts();
        self.teller.tell(now, || DnsEventKind::Asked { server, transport, attempt, edns });
        let asked = self.lanes[ask.server].asked.replace(ask);
        self.lanes[ask.server].at = now;
        if asked != Some(ask) || transport != DnsTransport::Udp {
            self.lanes[ask.server].via = Via::Nothing;
        }
        if let Err(error) = self.send(ask) {
            self.fail(ask.server, DnsErrorKind::Network, &error);
        }
    }

    /// The same datagram again on the same socket, so that a late answer to the first one counts; or a new one.
    fn send(&mut self, ask: Transmit) -> io::Result<()> {
        let lane = &mut self.lanes[ask.server];
        if let Via::Datagrams(known) = &lane.via {
            return known.send();
        }
        let mut addresses = self.client.addresses_of(ask.server)?;
        let next = lane.failures % addresses.len().max(1);
        addresses.rotate_left(next);
        let is_numbered = ask.transport != DnsTransport::Https;
        let style = self.client.shared.config.style;
        let sent = self.question.message(ask.edns, style, is_numbered)?;
        let event_loop = &self.client.event_loop;
        lane.via = if ask.transport == DnsTransport::Udp {
            let datagrams = Datagrams::open(event_loop, &addresses, sent)?;
            datagrams.send()?;
            Via::Datagrams(datagrams)
        } else {
            let connecting = self.client.connecting(ask, addresses)?;
            let server = self.client.shared.config.servers[ask.server].clone();
            let (teller, transport) = (Rc::clone(&self.teller), ask.transport);
            let connected = move |now| {
                teller.tell(now, || DnsEventKind::Connected { server, transport });
            };
            let server = &self.client.shared.config.servers[ask.server];
            Via::Connected(Connected::open(event_loop, connecting, server, sent, connected))
        };
        Ok(())
    }

    /// Takes what a server has sent.
    fn listen(&mut self, server: usize, cx: &mut Context<'_>) {
        for _ in 0..MOST_AT_A_TIME {
            let came = match &mut self.lanes[server].via {
                Via::Nothing => return,
                Via::Datagrams(datagrams) => datagrams.poll(cx),
                Via::Connected(connected) => connected.poll(cx),
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
        let (now, lane) = (self.client.event_loop.time(), &self.lanes[server]);
        let (sent, since): (&Sent, _) = match &lane.via {
            Via::Nothing => return,
            Via::Datagrams(datagrams) => (&datagrams.sent, Some(lane.at)),
            Via::Connected(connected) => (&connected.sent, connected.since.get()),
        };
        let round_trip = since.map(|since| now.saturating_duration_since(since));
        if let Err(why) = sent.check(message) {
            if matches!(lane.via, Via::Connected(_)) {
                let error = io::Error::new(io::ErrorKind::InvalidData, why.to_string());
                return self.fail(server, DnsErrorKind::Malformed, &error);
            }
            let server = self.client.shared.config.servers[server].clone();
            return self.teller.tell(now, || DnsEventKind::Ignored { server, why });
        }
        let transport = self.transport(server);
        self.lanes[server].via = Via::Nothing;
        if message::is_truncated(message) {
            self.tally.truncated = true;
            if transport == DnsTransport::Udp {
                let (rcode, bytes) = (message::plain_rcode(message), message.len());
                self.tell_answer(server, now, rcode, (0, None), bytes, true);
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
        self.tell_answer(server, now, rcode, seen, message.len(), truncated);
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
        let end =
            End { kind, server, transport, round_trip, failure: None, response: Some(response) };
        if self.keep(end, reply == Reply::Final) {
            self.tally.wire = message.to_vec();
        }
        self.query.handle_reply(server, reply);
    }

    fn fail(&mut self, server: usize, kind: DnsErrorKind, error: &io::Error) {
        let (now, failure) = (self.client.event_loop.time(), Failure::from(error));
        let transport = self.transport(server);
        let lane = &mut self.lanes[server];
        lane.via = Via::Nothing;
        lane.failures += 1;
        let told = (self.client.shared.config.servers[server].clone(), failure.clone());
        self.teller.tell(now, || {
            let (server, failure) = told;
            DnsEventKind::Failed { server, transport, failure }
        });
        let (round_trip, failure, response) = (None, Some(failure), None);
        let kind = Some(kind);
        self.keep(End { kind, server, transport, round_trip, failure, response }, false);
        self.query.handle_reply(server, Reply::Failed);
    }

    /// The socket stays, for a late answer.
    fn time_out(&mut self, server: usize, now: Instant) {
        let (transport, lane) = (self.transport(server), &self.lanes[server]);
        let after = now.saturating_duration_since(lane.at);
        let told = self.client.shared.config.servers[server].clone();
        self.teller.tell(now, || DnsEventKind::TimedOut { server: told, transport, after });
        let kind = Some(DnsErrorKind::TimedOut);
        let end = End { kind, server, transport, round_trip: None, failure: None, response: None };
        self.keep(end, false);
    }

    /// The answer replaces everything; of failures, the one that tells the most stays, and of equals the last.
    fn keep(&mut self, end: End, is_final: bool) -> bool {
        let known = self.tally.end.as_ref().map_or(0, |known| rank(known.kind));
        let is_kept = is_final || rank(end.kind) >= known;
        if is_kept {
            self.tally.end = Some(end);
        }
        is_kept
    }

    fn tell_answer(
        &self,
        server: usize,
        now: Instant,
        rcode: Rcode,
        (records, ttl): (usize, Option<Duration>),
        bytes: usize,
        truncated: bool,
    ) {
        let (transport, servers) = (self.transport(server), &self.client.shared.config.servers);
        let server = servers[server].clone();
        self.teller.tell(now, || DnsEventKind::Answered {
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
        let asked = self.lanes[server].asked.map(|asked| asked.transport);
        asked.unwrap_or_else(|| self.client.shared.config.servers[server].transport())
    }

    fn finish(&mut self, now: Instant) -> Result<DnsAnswer, DnsError> {
        let end = self.tally.end.take();
        let servers = &self.client.shared.config.servers;
        let exchange = DnsExchange {
            server: end.as_ref().map(|end| servers[end.server].clone()),
            transport: end.as_ref().map(|end| end.transport),
            started: self.tally.started,
            took: now.saturating_duration_since(self.tally.started),
            round_trip: end.as_ref().and_then(|end| end.round_trip),
            retries: self.query.attempts().saturating_sub(1),
            truncated: self.tally.truncated,
            #[cfg(feature = "dnssec")]
            validation: None,
        };
        let (name, record_type) = (self.question.name(), self.question.record_type());
        let Some(End { kind, failure, response, .. }) = end else {
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
