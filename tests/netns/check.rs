//! One run against what must happen.

use crate::bed::{Bed, Recording};
use crate::document::{self, Document};
use crate::expected::{Case, Expected};
use crate::pace::{self, FUZZ};
use crate::timeline::Attempt;
use crate::tries::{Slip, best_of_three};

/// The program rounds its times to microseconds.
const ROUNDING: f64 = 0.01;

/// Runs a case of `expected.toml` or `rows.toml`.
pub(crate) fn holds(file: &str, name: &str) {
    let case = Case::called(file, name);
    let Some(bed) = Bed::open() else { return };
    best_of_three(name, || Run::of(&bed, &case).judge());
}

/// The program in a scenario: what it said, and what the packets say.
pub(crate) struct Run<'a> {
    case: &'a Case,
    recording: Recording,
    document: Document,
    attempts: Vec<Attempt>,
}

impl<'a> Run<'a> {
    pub(crate) fn of(bed: &Bed, case: &'a Case) -> Self {
        let command = case.command();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let recording = match &case.network {
            Some(network) => bed.record_in(network, &command),
            None => bed.record(&case.scenario, &command),
        };
        // Shown when the test fails.
        let Recording { timeline, stdout, stderr, .. } = &recording;
        println!("--- {} {:?}\n{timeline}{stdout}{stderr}", case.scenario, &command[1..]);
        let document = Document::parse(&recording.stdout);
        let attempts = recording.timeline.attempts();
        Self { case, recording, document, attempts }
    }

    /// Asserts what holds on every run; gives what may be late.
    pub(crate) fn judge(&self) -> Vec<Slip> {
        self.assert_outcome();
        self.assert_lookup();
        pace::assert_order(self.case, &self.attempts);
        pace::assert_not_early(self.case, &self.attempts, self.first_start_by_wall_clock());
        for (expected, told) in self.case.attempts.iter().zip(&self.document.attempts) {
            self.assert_attempt(expected, told);
        }
        for (told, attempt) in self.pairs() {
            self.assert_same(told, attempt);
        }
        let mut slips = self.pace();
        slips.extend(self.agreement());
        slips.extend(self.ends());
        slips
    }

    /// Lateness of the SYNs after the first one.
    pub(crate) fn pace(&self) -> Vec<Slip> {
        pace::slips(self.case, &self.attempts)
    }

    fn assert_outcome(&self) {
        let (case, document) = (self.case, &self.document);
        assert_eq!(self.recording.status, case.exit, "exit status");
        assert_eq!(document.exit_code, case.exit, "exit_code");
        assert_eq!(self.recording.timeline.exit_status(), Some(case.exit));
        let outcome = match case.exit {
            0 => "success",
            28 => "timeout",
            _ => "failure",
        };
        assert_eq!((document.outcome.as_str(), document.end.as_str()), (outcome, "completed"));
        let winner = document.winner().map(|winner| winner.ip.as_str());
        assert_eq!(winner, case.winner.as_deref(), "winner");
        let tried = case.attempts.iter().map(|expected| expected.to.as_str());
        let candidates: Vec<&str> = tried.chain(case.untried.iter().map(String::as_str)).collect();
        assert_eq!(document.candidates(), candidates);
        assert_eq!(document.attempts.len(), case.attempts.len(), "attempts");
        let total = case.total.unwrap_or_default();
        assert!(document.total_ms >= total, "over after {} ms", document.total_ms);
    }

    fn assert_lookup(&self) {
        let (timeline, resolve) = (&self.recording.timeline, &self.document.resolve);
        let asked: Vec<String> = timeline.queries().into_iter().collect();
        assert_eq!(asked, self.case.queries, "record types that were asked for");
        let is_literal = asked.is_empty() && self.case.questions.is_none();
        let via = if is_literal { "literal" } else { &self.case.via };
        assert_eq!(resolve.via, via);
        assert_eq!(resolve.duration_ms.is_none(), is_literal, "a literal takes no time");
        if let Some(questions) = &self.case.questions {
            assert_eq!(resolve.questions(), *questions);
        }
        let found = !self.document.candidates().is_empty();
        assert_eq!(resolve.error.is_none(), found, "addresses or an error: {:?}", resolve.error);
        let least = self.case.resolve.unwrap_or_default();
        assert!(is_literal || resolve.duration_ms.unwrap() >= least - FUZZ);
        let Some(first) = self.attempts.first() else { return };
        if self.case.via != "system" {
            return;
        }
        if let (Some(query), Some(answer)) = (timeline.first_query(), timeline.last_answer()) {
            assert!(first.syn >= query + least, "a SYN before it was time");
            let is_joint = self.case.policy != "hev3";
            assert!(!is_joint || first.syn >= answer, "a SYN before the last answer");
        }
    }

    fn assert_attempt(&self, expected: &Expected, told: &document::Attempt) {
        assert_eq!((&told.ip, &told.result), (&expected.to, &expected.result), "{told:?}");
        let error = told.error.as_ref().map(document::Error::words);
        assert_eq!(error, expected.error, "{told:?}");
        let start = expected.start.unwrap_or_default();
        let since_first = told.start_ms - self.document.attempts[0].start_ms;
        assert!(since_first >= start - ROUNDING, "{told:?} is {since_first} ms after the first");
        assert!(told.duration_ms >= expected.took.unwrap_or_default() - ROUNDING, "{told:?}");
        let resent = told.tcp_info.as_ref().map(|tcp| tcp.retransmits);
        assert!(expected.resent.is_none() || resent == expected.resent, "{told:?}");
    }

    /// The program's word against the packets.
    fn assert_same(&self, told: &document::Attempt, attempt: &Attempt) {
        // On the wire it is IPv4.
        let local = told.local.as_deref().unwrap_or_default().replace("[::ffff:", "");
        let local = if local.starts_with('[') { local } else { local.replace(']', "") };
        assert_eq!(local, attempt.local, "local port");
        assert_resends(told, attempt);
        if let ("success", Some(answer)) = (told.result.as_str(), attempt.answer) {
            let handshake = answer - attempt.syn;
            assert!(told.duration_ms >= handshake - ROUNDING, "{told:?} in {handshake} ms");
            return;
        }
        let closed = attempt.closed;
        let closed = closed.unwrap_or_else(|| panic!("the socket of a loser is open: {told:?}"));
        // Nobody is given up before somebody has won.
        if let ("canceled", Some(won)) = (told.result.as_str(), self.winners_answer()) {
            assert!(closed >= won, "{told:?} was closed at {closed}, the winner's answer is {won}");
        }
    }

    fn winners_answer(&self) -> Option<f64> {
        let local = self.document.winner()?.local.as_ref()?;
        self.attempts.iter().find(|attempt| attempt.local == *local)?.answer
    }

    /// Attempts that put a packet on the wire, from both sides.
    fn pairs(&self) -> impl Iterator<Item = (&document::Attempt, &Attempt)> {
        let all = self.case.attempts.iter().zip(&self.document.attempts);
        let told = all.filter(|(expected, _)| expected.sent).map(|(_, told)| told);
        told.zip(&self.attempts)
    }

    /// When the program says that it started the first attempt, on the timeline's clock.
    fn first_start_by_wall_clock(&self) -> f64 {
        let Some((first, _)) = self.pairs().next() else { return 0.0 };
        let began = (self.document.began() - self.recording.timeline.began) * 1000.0;
        began + first.start_ms
    }

    /// How far the program's times are from the packets'.
    fn agreement(&self) -> Vec<Slip> {
        let Some((first_told, first)) = self.pairs().next() else { return Vec::new() };
        let lag = first.syn - self.first_start_by_wall_clock();
        let apart = |(told, attempt): (&document::Attempt, &Attempt)| {
            let by_program = told.start_ms - first_told.start_ms;
            let by_packets = attempt.syn - first.syn;
            Slip::new(format!("start_ms of {}", told.ip), (by_program - by_packets).abs())
        };
        self.pairs().map(apart).chain([Slip::new("wall-clock start", lag.abs())]).collect()
    }

    /// How late answers and deadlines were noticed.
    fn ends(&self) -> Vec<Slip> {
        let mut slips = Vec::new();
        let first = self.attempts.first().filter(|_| self.case.via == "system");
        let timeline = &self.recording.timeline;
        match (first, timeline.first_query(), timeline.last_answer()) {
            (Some(first), Some(query), _) if self.case.policy == "hev3" => {
                let least = self.case.resolve.unwrap_or_default();
                let late = first.syn - query - least;
                slips.push(Slip::new(format!("first SYN {least} ms after the question"), late));
            }
            (Some(first), _, Some(answer)) => {
                slips.push(Slip::new("first SYN after the last DNS answer", first.syn - answer));
            }
            _ => {}
        }
        for (told, attempt) in self.pairs() {
            if let ("success" | "failure", Some(answer)) = (told.result.as_str(), attempt.answer) {
                let late = told.duration_ms - (answer - attempt.syn);
                slips.push(Slip::new(format!("outcome of {}", told.ip), late));
            }
        }
        for (expected, told) in self.case.attempts.iter().zip(&self.document.attempts) {
            if let ("timeout", Some(took)) = (told.result.as_str(), expected.took) {
                slips.push(Slip::new(format!("timeout of {}", told.ip), told.duration_ms - took));
            }
        }
        if let Some(total) = self.case.total {
            slips.push(Slip::new("end", self.document.total_ms - total));
        }
        slips
    }
}

/// One that fell together with the attempt's end may or may not have been counted.
fn assert_resends(told: &document::Attempt, attempt: &Attempt) {
    let end = attempt.syn + told.duration_ms;
    let sure = attempt.resent.iter().filter(|at| **at < end - 2.0 * FUZZ).count();
    let counted = told.tcp_info.as_ref().unwrap().retransmits as usize;
    assert!((sure..=attempt.resent.len()).contains(&counted), "{told:?} against {attempt:?}");
}
