//! Report of one target of `connect`: a fold over the events of its race.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use loopctl::plan::{Family, Reason, SlowLog};
use loopctl::{
    AbortReason, Address, Event, EventKind, Failure, IcmpError, Phase, Route, SocketOption,
    SocketOptions, SocketSnapshot, TcpInfo, TlsPeer,
};

use super::http::{HttpFailureKind, HttpReport};
use super::relay::RelayReport;
use super::surroundings::Surroundings;
use super::transfer::TransferReport;
use super::{
    Comparison, NameFailure, Resolution, StartTlsExchange, TlsExpectation, TlsFailure, TlsPhase,
    TlsReport, Via,
};
use crate::config::{Expectations, NamedPolicy, StatusSet};
use crate::util::cancellation::StopReason;

/// One target, from the first query to the last outcome.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) subject: Subject,
    pub(crate) started_at: StartTime,
    pub(crate) resolve: Resolution,
    pub(crate) attempts: Vec<Attempt>,
    /// Index into `attempts`.
    pub(crate) selected: Option<usize>,
    /// TLS over the selected connection, or else the handshake that explains the failure.
    pub(crate) tls: Option<TlsReport>,
    pub(crate) total: Duration,
    pub(crate) end: End,
    pub(crate) unmet: Vec<Unmet>,
    pub(crate) waited: Option<WaitReport>,
    /// The request over the connection.
    pub(crate) http: Option<Box<HttpReport>>,
    /// Redirects that were followed.
    pub(crate) redirects: Vec<Self>,
    pub(crate) relay: Option<RelayReport>,
    pub(crate) transfer: Option<Box<TransferReport>>,
    pub(crate) comparison: Option<Box<Comparison>>,
    pub(crate) slow: SlowLog,
    pub(crate) surroundings: Surroundings,
}

/// Time limits of this system, which end what other clients wait for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemLimits {
    /// Limit of the kernel for a connection attempt without an answer.
    pub(crate) connect: Duration,
}

/// Query that was repeated after the connection was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SecondQuery {
    pub(crate) family: Family,
    pub(crate) has_answer: bool,
    /// Time from the start of the work on the target to the answer, or to the end of the wait for it.
    pub(crate) ended: Duration,
    /// Limit of the C library for a query that no server answers.
    pub(crate) system_limit: Duration,
}

impl Default for SystemLimits {
    /// Limits of Linux 6.18.
    fn default() -> Self {
        Self { connect: Duration::from_secs(131) }
    }
}

/// Transport of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportKind {
    Tcp,
    Udp,
    Unix,
}

impl TransportKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
        }
    }
}

/// Failed runs of `--wait` before this one.
#[derive(Debug, Clone, Default)]
pub(crate) struct WaitReport {
    pub(crate) took: Duration,
    /// First run of each failure, and the number of runs with it, in the order of the first occurrence.
    pub(crate) seen: Vec<(Report, u64)>,
}

/// Target of the report, with the policy of the race.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) text: String,
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) transport: TransportKind,
    /// Requested family; `Unspecified` for both.
    pub(crate) family: Family,
    pub(crate) policy: NamedPolicy,
    pub(crate) timeout: Duration,
    pub(crate) limits: SystemLimits,
    /// TLS, if requested.
    pub(crate) tls: Option<TlsExpectation>,
}

/// Start of the work on a target, on the clock of the loop and on the wall clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartTime {
    pub(crate) at: Instant,
    pub(crate) wall: SystemTime,
}

/// One attempt that was started.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) address: Address,
    pub(crate) start: Duration,
    /// Time until TCP was connected, or the attempt ended.
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
    /// Figures of the kernel at the end of the attempt.
    pub(crate) tcp: Option<TcpInfo>,
    /// Figures of the kernel when TCP was connected.
    pub(crate) connected: Option<TcpInfo>,
    /// Time from the arrival of the answer to the SYN until this process looked at it.
    pub(crate) end_lag: Duration,
    /// Latest ICMP error about the packets of the attempt.
    pub(crate) icmp: Option<IcmpError>,
    /// Whether the peer reset the connection right after it had accepted it.
    pub(crate) is_reset: bool,
    pub(crate) socket: OwnSocket,
    /// TLS as part of the attempt; [`Report::tls`] has the winner's.
    pub(crate) tls: Option<Box<TlsReport>>,
    /// Whether a datagram was answered; `None` if none was sent.
    pub(crate) answered: Option<bool>,
    pub(crate) schedule: Schedule,
}

/// Local end of an attempt.
#[derive(Debug, Clone, Default)]
pub(crate) struct OwnSocket {
    pub(crate) local: Option<SocketAddr>,
    /// Effective socket options, if some were requested.
    pub(crate) options: Option<SocketOptions>,
    pub(crate) refused: Vec<(SocketOption, Failure)>,
    /// Route to the address, looked up after a failure.
    pub(crate) route: Option<Route>,
    /// Route without the requested interface.
    pub(crate) usual_route: Option<Route>,
}

/// Schedule of an attempt: the reason for its start, and the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) reason: Reason,
    /// Delay of the start against the plan, caused by this process.
    pub(crate) start_lag: Duration,
}

/// Outcome of an attempt, with the values of the qlog document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// In progress.
    Pending,
    Success,
    /// Rejected by the network or by the kernel.
    Failure(Phase, Failure),
    /// A deadline passed while it was pending.
    Timeout,
    /// Another attempt won, or the user interrupted.
    Canceled,
}

/// End of the work on a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Connected,
    Failed(FailureKind),
    Interrupted(StopReason),
}

/// Kind of failure of a target, ordered by progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FailureKind {
    NotResolved,
    /// Every address refused the connection or could not be reached.
    NotConnected,
    TimedOut,
    /// Connected, without the requested TLS.
    NoTls,
    CannotBind,
    /// This process is out of descriptors.
    NoSocket,
    /// There is no file to send, so that no connection was tried.
    NoFile,
    NotTrusted,
    /// Connected, without a whole HTTP response.
    NoHttp(HttpFailureKind),
}

/// Expectation that a connection does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmet {
    Family {
        connected: Address,
        required: Family,
    },
    FirstAddress {
        connected: Address,
        first: Address,
    },
    Cost {
        cost: Duration,
        max: Duration,
    },
    /// The first certificate to expire; `left` is `Err` with the time since its end, and `None` if it cannot be read.
    CertificateExpiry {
        certificate: String,
        left: Option<Result<Duration, Duration>>,
        min: Duration,
    },
    /// The status is none of those that were wanted.
    HttpStatus {
        status: u16,
        reason: String,
        wanted: StatusSet,
    },
    /// The first bytes of the body do not match; `read` is their number.
    HttpBody {
        pattern: String,
        read: usize,
    },
    /// The status is an error (400 or above).
    HttpError {
        status: u16,
        reason: String,
    },
}

impl Report {
    pub(crate) fn new(subject: Subject, via: Via, started_at: StartTime) -> Self {
        let resolve = Resolution::new(via);
        Self {
            subject,
            started_at,
            resolve,
            attempts: Vec::new(),
            selected: None,
            tls: None,
            total: Duration::ZERO,
            end: End::Failed(FailureKind::NotConnected),
            unmet: Vec::new(),
            waited: None,
            http: None,
            redirects: Vec::new(),
            relay: None,
            transfer: None,
            comparison: None,
            slow: SlowLog::default(),
            surroundings: Surroundings::default(),
        }
    }

    /// Applies one event.
    pub(crate) fn apply(&mut self, event: &Event) {
        let at = self.since_start(event.at);
        match &event.kind {
            EventKind::CandidatesSorted { candidates }
            | EventKind::CandidatesResorted { candidates } => {
                self.resolve.candidates.clone_from(candidates);
            }
            EventKind::AttemptStarted { address, reason, planned, .. } => {
                self.resolve.take(self.attempts.len(), address);
                let start_lag = event.at.saturating_duration_since(*planned);
                let schedule = Schedule { reason: self.resolve.reason(*reason), start_lag };
                self.attempts.push(Attempt::new(address.clone(), at, schedule));
            }
            EventKind::OptionRefused { attempt, option, failure } => {
                if let Some(attempt) = self.attempts.get_mut(*attempt) {
                    attempt.socket.refused.push((*option, failure.clone()));
                }
            }
            EventKind::AttemptConnected { attempt, snapshot } => {
                if let Some(attempt) = self.attempts.get_mut(*attempt) {
                    attempt.took = at.saturating_sub(attempt.start);
                    attempt.note_connected(snapshot);
                    let resent_before = snapshot.tcp.map_or(0, |tcp| tcp.retransmits);
                    attempt.tls =
                        Some(Box::new(TlsReport { resent_before, ..TlsReport::default() }));
                }
            }
            EventKind::AttemptSucceeded { attempt, snapshot } => {
                self.finish_attempt(*attempt, at, Outcome::Success, snapshot);
            }
            EventKind::AttemptFailed { attempt, phase, failure, snapshot } => {
                self.finish_attempt(
                    *attempt,
                    at,
                    Outcome::Failure(*phase, failure.clone()),
                    snapshot,
                );
            }
            EventKind::AttemptTimedOut { attempt, snapshot } => {
                self.finish_attempt(*attempt, at, Outcome::Timeout, snapshot);
            }
            EventKind::AttemptCanceled { attempt, snapshot } => {
                self.finish_attempt(*attempt, at, Outcome::Canceled, snapshot);
            }
            EventKind::ConnectionSelected { attempt } => self.select(*attempt, at),
            EventKind::ConnectionAborted { reason } => {
                self.end = End::Failed(self.failure_kind(*reason));
                if self.tls_failure().is_none() {
                    self.total = at;
                }
                self.select_handshake(*reason);
            }
            kind => {
                self.apply_name_event(at, kind);
                self.apply_tls_event(at, kind);
            }
        }
    }

    /// Records the selected connection; with TLS, the handshake still follows.
    fn select(&mut self, attempt: usize, at: Duration) {
        (self.selected, self.total) = (Some(attempt), at);
        let raced = self.attempts.get(attempt).and_then(|attempt| attempt.tls.as_deref());
        self.end = match self.subject.tls {
            None => End::Connected,
            Some(_) if raced.is_some() => {
                self.tls = raced.cloned();
                // Because `--all` waits for every attempt, the last end is the total.
                let won = self.connected_after().filter(|_| !self.subject.policy.run_all);
                self.total = won.unwrap_or(at);
                End::Connected
            }
            Some(_) => {
                let resent_before = self.attempts.get(attempt).map_or(0, Attempt::resends);
                self.tls = Some(TlsReport { resent_before, ..TlsReport::default() });
                End::Failed(FailureKind::NoTls)
            }
        };
    }

    fn fail_tls(&mut self, at: Duration, failure: TlsFailure, peer: &TlsPeer) {
        let Some(tls) = &mut self.tls else { return };
        if let (TlsPhase::StartTls, Some(starttls)) = (failure.phase, &mut tls.starttls) {
            starttls.took = at.saturating_sub(starttls.start);
        }
        (self.total, self.end) = (at, End::Failed(failure.kind_of_target()));
        tls.fail(at, failure, peer);
    }

    /// Records the start of a STARTTLS exchange, or its end.
    pub(crate) fn agree(&mut self, starttls: StartTlsExchange) {
        if let Some(tls) = &mut self.tls {
            tls.starttls = Some(starttls);
        }
    }

    /// Records a TLS failure outside of the handshake.
    pub(crate) fn decline(&mut self, failure: TlsFailure, now: Instant) {
        let at = self.since_start(now);
        let peer = self.tls.as_ref().map(|tls| tls.peer.clone()).unwrap_or_default();
        self.fail_tls(at, failure, &peer);
    }

    /// Ends a report whose target could not be resolved.
    pub(crate) fn refuse(&mut self, why: NameFailure, now: Instant) {
        self.resolve.error = Some(why);
        self.end = End::Failed(FailureKind::NotResolved);
        self.total = self.since_start(now);
    }

    /// Ends the report after a signal or a closed pipe.
    pub(crate) fn interrupt(&mut self, reason: StopReason, now: Instant) {
        self.end = End::Interrupted(reason);
        self.total = self.since_start(now);
    }

    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.started_at.at)
    }

    /// Whether a time limit ended the work on the target.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.end == End::Failed(FailureKind::TimedOut)
    }

    /// Whether the datagram of an attempt was answered; `None` where none was sent.
    pub(crate) fn answered(&self, number: usize) -> Option<bool> {
        self.attempts.get(number)?.answered
    }

    /// TLS failure over the connection, with its report.
    pub(crate) fn tls_failure(&self) -> Option<(&TlsReport, &TlsFailure)> {
        let tls = self.tls.as_ref()?;
        Some((tls, tls.failure.as_ref()?))
    }

    /// Time until the connection, or until TLS over it if requested.
    pub(crate) fn connected_after(&self) -> Option<Duration> {
        match &self.tls {
            Some(tls) => tls.ended,
            None => Some(self.winner()?.end()),
        }
    }

    pub(crate) fn winner(&self) -> Option<&Attempt> {
        self.attempts.get(self.selected?)
    }

    /// Records the expectations that the connection does not meet. Without a connection there are none.
    pub(crate) fn expect(&mut self, expected: &Expectations) {
        let (Some(winner), Some(cost)) = (self.winner(), self.race_cost()) else { return };
        let connected = &winner.address;
        let mut unmet = Vec::new();
        if let Some(required) = expected.family.filter(|it| connected.family() != Some(*it)) {
            unmet.push(Unmet::Family { connected: connected.clone(), required });
        }
        if let Some(first) = self.attempts.first()
            && expected.first_address
            && self.selected != Some(0)
        {
            let (connected, first) = (connected.clone(), first.address.clone());
            unmet.push(Unmet::FirstAddress { connected, first });
        }
        if let Some(max) = expected.max_cost.filter(|max| cost > *max) {
            unmet.push(Unmet::Cost { cost, max });
        }
        let expiry = expected.cert_expiry.zip(self.tls.as_ref());
        unmet.extend(expiry.and_then(|(min, tls)| tls.expires_within(self.started_at.wall, min)));
        self.unmet = unmet;
    }

    /// Candidates without an attempt.
    pub(crate) fn not_tried(&self) -> &[Address] {
        self.resolve.candidates.get(self.attempts.len()..).unwrap_or_default()
    }

    /// Number of candidates of a family.
    pub(crate) fn count(&self, family: Family) -> usize {
        let candidates = self.resolve.candidates.iter();
        candidates.filter(|address| address.family() == Some(family)).count()
    }

    fn finish_attempt(
        &mut self,
        number: usize,
        at: Duration,
        outcome: Outcome,
        snapshot: &SocketSnapshot,
    ) {
        if let Some(attempt) = self.attempts.get_mut(number) {
            if attempt.tls.is_none() {
                attempt.took = at.saturating_sub(attempt.start);
                attempt.note_connected(snapshot);
            }
            attempt.icmp = snapshot.icmp;
            attempt.is_reset |= snapshot.is_reset;
            attempt.outcome = outcome;
            (attempt.socket.local, attempt.tcp) = (snapshot.local, snapshot.tcp);
            attempt.socket.options.clone_from(&snapshot.options);
        }
    }

    /// Kind of failure after all attempts have ended; the last outcome decides.
    fn failure_kind(&self, reason: AbortReason) -> FailureKind {
        if let Some((_, failure)) = self.tls_failure() {
            return failure.kind_of_target();
        }
        let last = self.attempts.iter().max_by_key(|attempt| attempt.end());
        let handshakes =
            self.attempts.iter().filter_map(|attempt| attempt.tls.as_ref()?.failure.as_ref());
        let furthest = |kind| handshakes.clone().any(|failure| failure.kind_of_target() == kind);
        match reason {
            AbortReason::NotResolved => FailureKind::NotResolved,
            AbortReason::TimedOut => FailureKind::TimedOut,
            AbortReason::AllFailed if furthest(FailureKind::NotTrusted) => FailureKind::NotTrusted,
            AbortReason::AllFailed if furthest(FailureKind::NoTls) => FailureKind::NoTls,
            _ if last.is_some_and(Attempt::ran_out_of_time) => FailureKind::TimedOut,
            AbortReason::AllFailed if self.attempts.is_empty() => FailureKind::NotResolved,
            _ if self.attempts.iter().all(Attempt::could_not_bind) => FailureKind::CannotBind,
            _ if self.attempts.iter().all(Attempt::had_no_socket) => FailureKind::NoSocket,
            _ => FailureKind::NotConnected,
        }
    }
}

impl Outcome {
    /// Name of the outcome in the qlog document.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure(..) => "failure",
            Self::Timeout => "timeout",
            Self::Canceled | Self::Pending => "canceled",
        }
    }
}

impl Schedule {
    /// The attempt whose end started this one.
    pub(crate) fn after(&self) -> Option<usize> {
        match self.reason {
            Reason::AttemptEnded(number) => Some(number),
            _ => None,
        }
    }
}

impl Attempt {
    pub(crate) fn new(address: Address, start: Duration, schedule: Schedule) -> Self {
        Self {
            address,
            start,
            took: Duration::ZERO,
            outcome: Outcome::Pending,
            tcp: None,
            connected: None,
            end_lag: Duration::ZERO,
            icmp: None,
            is_reset: false,
            socket: OwnSocket::default(),
            tls: None,
            answered: None,
            schedule,
        }
    }

    /// Records the figures of an established connection, and how late this process looked at it: the time that the
    /// kernel's round trip does not explain.
    fn note_connected(&mut self, snapshot: &SocketSnapshot) {
        let Some(tcp) = snapshot.tcp.filter(|tcp| tcp.established) else { return };
        self.connected = Some(tcp);
        self.end_lag = match (tcp.retransmits, tcp.rtt) {
            (0, rtt) if !rtt.is_zero() => self.took.saturating_sub(rtt),
            // Because the clock tick of the kernel is up to 10 ms.
            _ => tcp.last_ack.saturating_sub(Duration::from_millis(10)).min(self.took),
        };
    }

    /// End of the attempt since the start of the work on the target, with a handshake that is part of it.
    pub(crate) fn end(&self) -> Duration {
        let handshake = self.tls.as_ref().and_then(|tls| tls.ended);
        handshake.unwrap_or(self.start + self.took)
    }

    /// Whether a deadline of this process or of the kernel ended the attempt.
    fn ran_out_of_time(&self) -> bool {
        match &self.outcome {
            Outcome::Timeout => true,
            Outcome::Failure(_, failure) => failure.kind == std::io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Whether this process was out of file descriptors, which is no failure of the network.
    fn had_no_socket(&self) -> bool {
        matches!(&self.outcome, Outcome::Failure(Phase::Socket, _))
    }

    fn could_not_bind(&self) -> bool {
        matches!(&self.outcome, Outcome::Failure(Phase::Bind, _))
    }

    /// Number of SYN retransmissions by the kernel.
    pub(crate) fn resends(&self) -> u32 {
        self.tcp.map_or(0, |tcp| tcp.retransmits)
    }
}
