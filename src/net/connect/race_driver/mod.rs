//! Runs a race on real sockets: `plan::Race` decides, this file acts.

mod attempt_state;
#[cfg(feature = "tls")]
mod tls_handshake;

use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::event_loop::LoopHandle;
use crate::net::connect::address_queries::{AddressAnswer, AddressQueries};
use crate::net::connect::attempt::{Attempt, AttemptFailure, SocketSetup};
use crate::net::connect::outcome::Winner;
use crate::net::event::{TimerEnd, Tracer};
use crate::net::socket::connect_progress::ConnectProgress;
#[cfg(feature = "tls")]
use crate::net::tls::HandshakeFuture;
use crate::net::{
    AbortReason, Address, AttemptError, ConnectError, EventKind, Failure, Phase, ResolveError,
    SocketSnapshot,
};
use crate::plan::{
    Answer, AnswerTiming, CancelReason, Family, Policy, Race, RaceAddress, Start, Step,
};
use crate::task::Alarm;
use attempt_state::AttemptState;

/// Race in progress. Dropping it cancels all attempts.
pub(crate) struct RaceDriver<'a> {
    event_loop: LoopHandle,
    tracer: &'a mut Tracer,
    setup: SocketSetup,
    race: Race<Address>,
    attempts: Vec<AttemptState>,
    clock: RaceClock,
    /// AAAA and A queries, where the race starts before their answers.
    queries: Option<AddressQueries>,
    is_over: bool,
}

/// Times that the race waits for.
struct RaceClock {
    alarm: Alarm,
    /// Deadline of the whole operation.
    deadline: Option<Instant>,
    /// End of the Connection Attempt Delay that is running.
    next_attempt: Option<Instant>,
    /// Time that the alarm is set to.
    due: Option<Instant>,
}

impl RaceAddress for Address {
    fn family(&self) -> Family {
        self.family().unwrap_or_default()
    }
}

impl<'a> RaceDriver<'a> {
    pub(crate) fn new(
        event_loop: &LoopHandle,
        tracer: &'a mut Tracer,
        setup: SocketSetup,
        candidates: Vec<Address>,
        policy: Policy,
    ) -> Self {
        let clock = RaceClock {
            alarm: Alarm::new(event_loop),
            deadline: None,
            next_attempt: None,
            due: None,
        };
        let race = Race::with_addresses(candidates, policy);
        let (event_loop, attempts, queries) = (event_loop.clone(), Vec::new(), None);
        Self { event_loop, tracer, setup, race, attempts, clock, queries, is_over: false }
    }

    /// A race that queries each address family separately and starts as soon as its policy allows.
    pub(crate) fn resolving(
        event_loop: &LoopHandle,
        tracer: &'a mut Tracer,
        setup: SocketSetup,
        queries: AddressQueries,
        policy: Policy,
    ) -> Self {
        let race = Race::with_queries(queries.families(), policy.clone());
        let mut driver = Self::new(event_loop, tracer, setup, Vec::new(), policy);
        driver.tracer.emit(event_loop.time(), EventKind::ResolveStarted { host: queries.host() });
        (driver.race, driver.queries) = (race, Some(queries));
        driver
    }

    pub(crate) fn deadline(mut self, deadline: Option<Instant>) -> Self {
        self.clock.deadline = deadline;
        self
    }

    /// Runs every step that is due.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Winner, ConnectError>> {
        self.collect_answers(cx);
        self.collect_outcomes(cx);
        self.look_at_sockets(cx);
        loop {
            let now = self.event_loop.time();
            match self.race.poll(now) {
                Step::Won(winner) => return Poll::Ready(self.finish(winner, now)),
                Step::Lost(_) => return Poll::Ready(Err(self.lose(now))),
                Step::Cancel { attempt, why } => self.cancel(attempt, why, now),
                _ if self.clock.deadline.is_some_and(|deadline| deadline <= now) => {
                    return Poll::Ready(self.time_out_all(now));
                }
                Step::Start(start) => self.start(start, now, cx),
                Step::Query(family) => self.ask(family, now, cx),
                Step::Wait(until) => {
                    self.record_timer(now);
                    let until = until.into_iter().chain(self.clock.deadline).min();
                    self.clock.due = until;
                    self.clock.alarm.set(until, cx.waker());
                    return Poll::Pending;
                }
            }
        }
    }

    fn ask(&mut self, family: Family, now: Instant, cx: &mut Context<'_>) {
        let Some(queries) = &mut self.queries else {
            // All addresses are known, so that a query has nothing to add.
            self.race.answered(family, Answer::NoData, now);
            return;
        };
        queries.ask(family);
        self.tracer.emit(now, EventKind::QueryStarted { family });
        self.collect_answers(cx);
    }

    fn collect_answers(&mut self, cx: &mut Context<'_>) {
        while let Some(answered) = self.queries.as_mut().and_then(|queries| queries.poll(cx)) {
            let (now, AddressAnswer { family, result, answer }) =
                (self.event_loop.time(), answered);
            self.tracer.emit(
                now,
                match result {
                    Ok(addresses) => EventKind::QueryAnswered { family, addresses },
                    Err(error) => EventKind::QueryFailed { family, error },
                },
            );
            let effect = self.race.answered(family, answer, now);
            if let Some(queries) = &self.queries {
                self.race.sort_by_key(queries.ranking());
            }
            if effect.timing == AnswerTiming::Merged && effect.added > 0 {
                let candidates = self.candidates();
                self.tracer.emit(now, EventKind::CandidatesResorted { candidates });
            }
        }
    }

    /// Addresses in order: those already tried, then the others.
    fn candidates(&self) -> Vec<Address> {
        let tried = (0..self.attempts.len()).filter_map(|number| self.race.address(number));
        tried.chain(self.race.untried()).cloned().collect()
    }

    /// Marks the known addresses as used. The attempt that starts is the first of the list.
    fn use_answers(&mut self, first: &Address, now: Instant) {
        let Some(queries) = self.queries.as_mut().filter(|queries| !queries.is_used) else {
            return;
        };
        queries.is_used = true;
        let addresses = queries.known().to_vec();
        self.tracer.emit(now, EventKind::Resolved { addresses });
        let others = self.race.untried().cloned();
        let candidates = [first.clone()].into_iter().chain(others).collect();
        self.tracer.emit(now, EventKind::CandidatesSorted { candidates });
    }

    fn start(&mut self, start: Start, now: Instant, cx: &mut Context<'_>) {
        let Start { attempt: number, planned, reason } = start;
        if self.clock.next_attempt.take_if(|at| *at <= now).is_some() {
            self.tracer.emit(now, EventKind::NextAttemptTimerFired);
        }
        let Some(address) = self.race.address(number).cloned() else { return };
        self.use_answers(&address, now);
        let to = address.clone();
        let started = EventKind::AttemptStarted { attempt: number, address: to, reason, planned };
        self.tracer.emit(now, started);
        match Attempt::new(&address, now, &self.setup) {
            Err(failed) => {
                self.attempts.push(AttemptState::Canceled);
                self.fail(number, failed, now, SocketSnapshot::default());
            }
            Ok((mut attempt, refused)) => {
                for (option, failure) in refused {
                    let refused = EventKind::OptionRefused { attempt: number, option, failure };
                    self.tracer.emit(now, refused);
                }
                if self.tracer.is_listening() {
                    attempt.watch_errors();
                }
                let connecting = attempt.connect(&self.event_loop, &address);
                #[cfg(feature = "tls")]
                if let (Ok(ConnectProgress::Pending), Some(sessions)) =
                    (&connecting, &mut self.setup.sessions)
                {
                    sessions.prepare();
                }
                let progress = match connecting {
                    Ok(ConnectProgress::Pending) => attempt.poll(cx),
                    settled => settled,
                };
                self.attempts.push(AttemptState::Connecting(attempt));
                self.advance(number, progress, cx);
            }
        }
    }

    /// Polls every attempt, in the order of their numbers. The first success ends the loop, so that of two in one
    /// turn the lower number wins.
    fn collect_outcomes(&mut self, cx: &mut Context<'_>) {
        for number in self.race.pending().collect::<Vec<_>>() {
            if self.race.is_decided() {
                break;
            }
            match &mut self.attempts[number] {
                AttemptState::Connecting(attempt) => {
                    let progress = attempt.poll(cx);
                    self.advance(number, progress, cx);
                }
                #[cfg(feature = "tls")]
                AttemptState::TlsHandshake(_) => self.handshake(number, cx),
                AttemptState::Ready(_) | AttemptState::Failed(_) | AttemptState::Canceled => {}
            }
        }
    }

    /// Looks at the sockets before a timer that is due starts or ends an attempt. After a stall of this process, an
    /// answer may have come before the timer, and the poller has not reported it yet.
    fn look_at_sockets(&mut self, cx: &mut Context<'_>) {
        let now = self.event_loop.time();
        if self.clock.due.take_if(|due| *due <= now).is_none() {
            return;
        }
        for number in self.race.pending().collect::<Vec<_>>() {
            if self.race.is_decided() {
                break;
            }
            if let AttemptState::Connecting(attempt) = &mut self.attempts[number] {
                let progress = attempt.progress();
                self.advance(number, progress, cx);
            }
        }
    }

    /// Handles the outcome of a TCP handshake.
    fn advance(
        &mut self,
        number: usize,
        progress: Result<ConnectProgress, AttemptFailure>,
        cx: &mut Context<'_>,
    ) {
        if matches!(progress, Ok(ConnectProgress::Pending)) {
            return;
        }
        let snapshot = self.snapshot(number);
        let AttemptState::Connecting(attempt) =
            std::mem::replace(&mut self.attempts[number], AttemptState::Canceled)
        else {
            return;
        };
        let Some(address) = self.race.address(number) else { return };
        let addresses = match progress.and_then(|_| attempt.addresses(address)) {
            Ok(addresses) => addresses,
            Err(failed) => return self.fail(number, failed, attempt.started, snapshot),
        };
        #[cfg(feature = "tls")]
        if self.setup.sessions.is_some() {
            return self.start_tls(number, attempt, addresses, snapshot, cx);
        }
        let _ = cx;
        self.succeed(
            number,
            Winner::Socket(attempt.into_socket(), addresses, Some(number)),
            snapshot,
        );
    }

    fn succeed(&mut self, number: usize, winner: Winner, snapshot: SocketSnapshot) {
        let now = self.event_loop.time();
        self.race.succeeded(number, now);
        self.attempts[number] = AttemptState::Ready(winner);
        self.tracer.emit(now, EventKind::AttemptSucceeded { attempt: number, snapshot });
    }

    fn fail(
        &mut self,
        number: usize,
        failed: AttemptFailure,
        started: Instant,
        snapshot: SocketSnapshot,
    ) {
        let now = self.event_loop.time();
        let AttemptFailure { phase, error, at_once } = failed;
        let failure = Failure { at_once, ..Failure::from(&error) };
        match at_once {
            true => self.race.failed_unsent(number, now),
            false => self.race.failed(number, now),
        }
        self.record_failure(number, phase, error, now - started);
        let kind = EventKind::AttemptFailed { attempt: number, phase, failure, snapshot };
        self.tracer.emit(now, kind);
    }

    fn cancel(&mut self, number: usize, why: CancelReason, now: Instant) {
        match why {
            CancelReason::TimedOut => self.time_out(number, now),
            CancelReason::Replaced => self.cancel_attempt(number, now),
        }
    }

    fn time_out(&mut self, number: usize, now: Instant) {
        // An attempt without a state was about to start when the deadline passed.
        let state = self.attempts.get(number);
        let Some((started, phase)) = state.and_then(AttemptState::in_progress) else { return };
        let snapshot = self.snapshot(number);
        #[cfg(feature = "tls")]
        self.finish_handshake(number, now, HandshakeFuture::timed_out);
        self.record_failure(number, phase, io::ErrorKind::TimedOut.into(), now - started);
        self.tracer.emit(now, EventKind::AttemptTimedOut { attempt: number, snapshot });
    }

    /// Socket statistics for the trace; the system is asked only where a listener is set.
    fn snapshot(&self, number: usize) -> SocketSnapshot {
        let state = self.attempts.get(number).filter(|_| self.tracer.is_listening());
        state.map(AttemptState::snapshot).unwrap_or_default()
    }

    fn record_failure(
        &mut self,
        number: usize,
        phase: Phase,
        error: io::Error,
        took: std::time::Duration,
    ) {
        let Some(address) = self.race.address(number).cloned() else { return };
        self.attempts[number] = AttemptState::Failed(AttemptError { address, phase, error, took });
    }

    fn record_timer(&mut self, now: Instant) {
        let next = self.race.next_attempt_at();
        if next == self.clock.next_attempt {
            return;
        }
        if let Some(at) = next {
            self.clock.next_attempt = next;
            let delay = at.saturating_duration_since(now);
            self.tracer.emit(now, EventKind::NextAttemptTimerSet { delay });
        } else if self.race.untried().next().is_none() {
            self.end_timer(TimerEnd::ListExhausted, now);
        }
    }

    fn end_timer(&mut self, reason: TimerEnd, now: Instant) {
        if self.clock.next_attempt.take().is_some() {
            self.tracer.emit(now, EventKind::NextAttemptTimerCanceled { reason });
        }
    }

    fn finish(&mut self, winner: usize, now: Instant) -> Result<Winner, ConnectError> {
        self.is_over = true;
        self.end_timer(TimerEnd::Success, now);
        self.cancel_queries(now);
        self.cancel_running(now);
        self.tracer.emit(now, EventKind::ConnectionSelected { attempt: winner });
        match std::mem::replace(&mut self.attempts[winner], AttemptState::Canceled) {
            AttemptState::Ready(winner) => Ok(winner),
            _ => Err(ConnectError::Transport(io::Error::other("the winner has no socket"))),
        }
    }

    fn time_out_all(&mut self, now: Instant) -> Result<Winner, ConnectError> {
        let pending: Vec<usize> = self.race.pending().collect();
        for number in pending {
            self.race.failed(number, now);
            self.time_out(number, now);
        }
        match self.race.winner() {
            Some(winner) => self.finish(winner, now),
            None => Err(self.abort(AbortReason::TimedOut, now)),
        }
    }

    /// Error of a race without an attempt or a query left.
    fn lose(&mut self, now: Instant) -> ConnectError {
        let unused = self.queries.as_mut().filter(|queries| !queries.is_used);
        let Some(error) = unused.map(AddressQueries::error) else {
            return self.abort(AbortReason::AllFailed, now);
        };
        self.tracer.emit(now, EventKind::ResolveFailed { error: error.clone() });
        self.abort(AbortReason::NotResolved, now);
        ConnectError::Resolve(error)
    }

    /// Cancels the pending queries.
    fn cancel_queries(&mut self, now: Instant) {
        let Some(queries) = &mut self.queries else { return };
        for family in queries.cancel_all() {
            self.tracer.emit(now, EventKind::QueryCanceled { family });
        }
    }

    /// Emits the failure of a lookup whose race ends before an attempt was started.
    fn fail_to_resolve(&mut self, reason: AbortReason, now: Instant) {
        if self.queries.as_ref().is_none_or(|queries| queries.is_used) {
            return;
        }
        let error = match reason {
            AbortReason::TimedOut => ResolveError::TimedOut,
            AbortReason::Canceled => ResolveError::Cancelled,
            _ => return,
        };
        self.tracer.emit(now, EventKind::ResolveFailed { error });
    }

    fn abort(&mut self, reason: AbortReason, now: Instant) -> ConnectError {
        self.is_over = true;
        self.end_timer(TimerEnd::Abort, now);
        self.cancel_queries(now);
        self.fail_to_resolve(reason, now);
        self.tracer.emit(now, EventKind::ConnectionAborted { reason });
        let attempts = std::mem::take(&mut self.attempts).into_iter();
        let failed = attempts.filter_map(AttemptState::into_error);
        match reason {
            AbortReason::TimedOut => ConnectError::TimedOut(failed.collect()),
            _ => ConnectError::Attempts(failed.collect()),
        }
    }

    fn cancel_running(&mut self, now: Instant) {
        (0..self.attempts.len()).for_each(|number| self.cancel_attempt(number, now));
    }

    fn cancel_attempt(&mut self, number: usize, now: Instant) {
        if self.attempts.get(number).and_then(AttemptState::in_progress).is_some() {
            let snapshot = self.snapshot(number);
            #[cfg(feature = "tls")]
            self.finish_handshake(number, now, HandshakeFuture::abandoned);
            self.attempts[number] = AttemptState::Canceled;
            self.tracer.emit(now, EventKind::AttemptCanceled { attempt: number, snapshot });
        }
    }
}

impl Drop for RaceDriver<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let now = self.event_loop.time();
            self.cancel_running(now);
            self.abort(AbortReason::Canceled, now);
        }
    }
}
