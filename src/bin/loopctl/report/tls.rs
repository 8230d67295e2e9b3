//! TLS over the connection that won a race, or as part of an attempt.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use loopctl::{
    AbortReason, CertificateProblem, EventKind, Failure, TcpInfo, TlsConfigError, TlsError,
    TlsErrorKind, TlsInfo, TlsPeer, TlsVerdict,
};

use super::certificate::{Certificate, ParsedCertificate};
use super::{Attempt, End, FailureKind, Report, Subject, Unmet};
use crate::config::StartTls;

/// Requested TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsExpectation {
    /// Name that the certificate must match; `None` for any.
    pub(crate) name: Option<String>,
    /// STARTTLS protocol that precedes TLS.
    pub(crate) starttls: Option<StartTls>,
    /// Whether a client certificate is configured.
    pub(crate) has_own: bool,
    /// Whether protocols are offered (ALPN).
    pub(crate) offers_alpn: bool,
}

/// Steps of TLS. Times count from the start of the work on the target.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsReport {
    pub(crate) starttls: Option<StartTlsExchange>,
    /// Time of the ClientHello.
    pub(crate) started: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    /// End of the handshake, successful or not.
    pub(crate) ended: Option<Duration>,
    pub(crate) info: Option<Box<TlsInfo>>,
    pub(crate) failure: Option<TlsFailure>,
    /// The peer's certificates as they were received, its own first.
    pub(crate) chain: Vec<Certificate>,
    pub(crate) peer: TlsPeer,
    /// Figures of the kernel at the end of the handshake.
    pub(crate) tcp: Option<TcpInfo>,
    /// SYNs that were sent again before it.
    pub(crate) resent_before: u32,
}

/// STARTTLS exchange before the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StartTlsExchange {
    pub(crate) protocol: StartTls,
    pub(crate) start: Duration,
    pub(crate) took: Duration,
    /// First line from the peer.
    pub(crate) greeting: Option<String>,
}

/// TLS failure with its phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFailure {
    /// TLS error; `None` for a failure of the network or of STARTTLS.
    pub(crate) error: Option<TlsError>,
    pub(crate) failure: Failure,
    /// Phase of the failure: STARTTLS, the handshake, or after it.
    pub(crate) phase: TlsPhase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TlsPhase {
    StartTls,
    Handshake,
    /// Rejection after the client's handshake (TLS 1.3 client authentication, RFC 8446).
    After,
}

impl Report {
    pub(super) fn apply_tls_event(&mut self, at: Duration, kind: &EventKind) {
        let attempt = match kind {
            EventKind::TlsStarted { attempt }
            | EventKind::TlsFirstByte { attempt }
            | EventKind::TlsEstablished { attempt, .. }
            | EventKind::TlsFailed { attempt, .. } => *attempt,
            _ => return,
        };
        // After the race, the events are those of the winner.
        if self.selected.is_none()
            && let Some(attempt) = attempt.and_then(|number| self.attempts.get_mut(number))
        {
            return attempt.apply_tls_event(at, kind);
        }
        let Some(tls) = &mut self.tls else { return };
        tls.apply(at, kind);
        match (&tls.info, &tls.failure) {
            (_, Some(failure)) => {
                (self.total, self.end) = (at, End::Failed(failure.kind_of_target()))
            }
            (Some(_), None) => (self.total, self.end) = (at, End::Connected),
            (None, None) => {}
        }
    }

    /// Records a TLS configuration that failed before any attempt.
    pub(crate) fn refuse_tls(&mut self, error: TlsConfigError, now: Instant) {
        self.tls = Some(TlsReport::default());
        let failure = Failure::from(&io::Error::from(error));
        self.decline(TlsFailure { error: None, failure, phase: TlsPhase::Handshake }, now);
    }

    /// Handshake that explains the end of a race without a winner.
    pub(super) fn select_handshake(&mut self, reason: AbortReason) {
        let End::Failed(kind) = self.end else { return };
        let explains = |tls: &&TlsReport| match &tls.failure {
            Some(failure) => reason == AbortReason::Canceled || failure.kind_of_target() == kind,
            None => false,
        };
        let mut handshakes = self.attempts.iter().filter_map(|attempt| attempt.tls.as_deref());
        if self.tls.is_none() {
            self.tls = handshakes.find(explains).cloned();
        }
    }

    /// TLS report of an attempt, added on its first event.
    pub(crate) fn tls_of(&self, number: usize) -> Option<&TlsReport> {
        match self.selected == Some(number) {
            true => self.tls.as_ref(),
            false => self.attempts.get(number)?.tls.as_deref(),
        }
    }
}

impl Subject {
    /// Whether TLS can be part of each attempt, which STARTTLS cannot.
    pub(crate) fn may_race_tls(&self) -> bool {
        self.tls.as_ref().is_some_and(|wanted| wanted.starttls.is_none())
    }
}

impl Attempt {
    /// Time from TCP to the end of the handshake.
    pub(crate) fn tls_took(&self) -> Duration {
        self.tls.as_deref().and_then(TlsReport::took).unwrap_or_default()
    }

    /// Failure of the handshake that is part of the attempt.
    pub(crate) fn tls_failure(&self) -> Option<(&TlsReport, &TlsFailure)> {
        let tls = self.tls.as_deref()?;
        Some((tls, tls.failure.as_ref()?))
    }

    fn apply_tls_event(&mut self, at: Duration, kind: &EventKind) {
        if let Some(tls) = &mut self.tls {
            tls.apply(at, kind);
        }
    }
}

impl TlsFailure {
    pub(crate) fn kind(&self) -> Option<TlsErrorKind> {
        self.error.as_ref().map(TlsError::kind)
    }

    /// Kind of failure of the target.
    pub(crate) fn kind_of_target(&self) -> FailureKind {
        match self.kind() {
            Some(TlsErrorKind::Certificate) => FailureKind::NotTrusted,
            Some(TlsErrorKind::TimedOut) => FailureKind::TimedOut,
            _ => FailureKind::NoTls,
        }
    }
}

impl TlsReport {
    /// Applies one event of the handshake.
    pub(super) fn apply(&mut self, at: Duration, kind: &EventKind) {
        match kind {
            EventKind::TlsStarted { .. } => self.started = Some(at),
            EventKind::TlsFirstByte { .. } => self.first_byte = Some(at),
            EventKind::TlsEstablished { info, tcp, .. } => {
                self.tcp = tcp.as_deref().copied();
                self.establish(at, info);
            }
            EventKind::TlsFailed { error, failure, peer, tcp, .. } => {
                self.tcp = tcp.as_deref().copied().or(self.tcp);
                let (error, failure) = (error.clone(), failure.clone());
                self.fail(at, TlsFailure { error, failure, phase: TlsPhase::Handshake }, peer);
            }
            _ => {}
        }
    }

    fn establish(&mut self, at: Duration, info: &TlsInfo) {
        self.ended = Some(at);
        self.know(&info.peer);
        self.info = Some(Box::new(info.clone()));
    }

    pub(super) fn fail(&mut self, at: Duration, failure: TlsFailure, peer: &TlsPeer) {
        self.ended.get_or_insert(at);
        self.know(peer);
        // Because a deadline cancels the handshake, the cancellation counts as a timeout.
        if self.failure.as_ref().is_none_or(|known| known.kind() == Some(TlsErrorKind::Canceled)) {
            self.failure = Some(failure);
        }
    }

    fn know(&mut self, peer: &TlsPeer) {
        self.chain = peer.chain.iter().map(|der| Certificate::new(der)).collect();
        self.peer = peer.clone();
    }

    /// The same report with times counted from an earlier start.
    pub(crate) fn later(mut self, by: Duration) -> Self {
        let times = [&mut self.started, &mut self.first_byte, &mut self.ended];
        times.into_iter().flatten().for_each(|time| *time += by);
        if let Some(starttls) = &mut self.starttls {
            starttls.start += by;
        }
        self
    }

    /// Duration of the handshake.
    pub(crate) fn took(&self) -> Option<Duration> {
        Some(self.ended?.saturating_sub(self.started?))
    }

    pub(crate) fn problem(&self) -> Option<&CertificateProblem> {
        match &self.peer.verdict {
            TlsVerdict::Failed(problem) => Some(problem),
            _ => None,
        }
    }

    /// Whether the chain is one self-signed certificate.
    pub(crate) fn is_self_signed(&self) -> bool {
        let own = self.chain.first().and_then(|own| own.parsed.as_ref());
        self.chain.len() == 1 && own.is_some_and(|own| own.is_self_signed())
    }

    /// Last certificate of the chain by issuer, in any order of arrival.
    pub(crate) fn last(&self) -> Option<&ParsedCertificate> {
        let known: Vec<&ParsedCertificate> =
            self.chain.iter().filter_map(|one| one.parsed.as_deref()).collect();
        let mut last = *known.first()?;
        for _ in &known {
            let issuer = known.iter().find(|one| one.subject == last.issuer);
            match issuer {
                Some(issuer) if !last.is_self_signed() => last = issuer,
                _ => break,
            }
        }
        Some(last)
    }

    /// Certificate that expires first.
    pub(crate) fn earliest_end(&self) -> Option<&ParsedCertificate> {
        let parsed = self.chain.iter().filter_map(|one| one.parsed.as_deref());
        parsed.min_by_key(|parsed| parsed.valid.not_after)
    }

    /// Unmet expectation that every certificate is valid for `min`.
    pub(super) fn expires_within(&self, now: SystemTime, min: Duration) -> Option<Unmet> {
        let first = self.earliest_end()?;
        let left = first.left(now);
        let certificate = first.subject_or_name().to_owned();
        let is_soon = left.is_err() || left.is_ok_and(|left| left < min);
        is_soon.then_some(Unmet::CertificateExpiry { certificate, left, min })
    }
}
