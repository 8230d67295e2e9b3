//! Prediction of a policy: its race, run in virtual time against a measurement.
//!
//! A step that was silent until the time limit of the measurement may end later.
//! A prediction therefore has the end of its certain part, and the result if the silence lasts.

pub(crate) mod comparison;
mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loopctl::plan::{Answer, Family, LossReason, Policy, Race, Resolution, Start, Step, Success};

pub(crate) use model::{AttemptModel, NameModel, NetworkModel, QueryModel, StepEnd, StepModel};

use crate::report::prediction::{PredictedEnd, PredictedResult, PredictedStart, Prediction};

/// Predicted race of the policy. Times count from `epoch`, which may be any instant.
pub(crate) fn predict(policy: &Policy, network: &NetworkModel, epoch: Instant) -> Prediction {
    let begin = |race, after: Duration| Run::new(policy, network, race, epoch, after).finish();
    match &network.names {
        NameModel::Known(known) => {
            begin(Race::with_addresses(network.sorted(known), policy.clone()), ZERO)
        }
        NameModel::Asked { joint, .. } if asks_jointly(policy) => match &joint.answer {
            None => Prediction { certain_until: Some(joint.after), ..Prediction::nothing(None) },
            Some(Answer::Addresses(found)) if !found.is_empty() => {
                begin(Race::with_addresses(network.sorted(found), policy.clone()), joint.after)
            }
            Some(_) => Prediction::nothing(Some(PredictedEnd {
                after: joint.after,
                how: PredictedResult::NotResolved,
            })),
        },
        NameModel::Asked { separate, .. } => {
            let families = separate.iter().map(|(family, _)| *family);
            begin(Race::with_queries(families, policy.clone()), ZERO)
        }
    }
}

const ZERO: Duration = Duration::ZERO;

/// Whether the policy uses one getaddrinfo(3) call for both families.
fn asks_jointly(policy: &Policy) -> bool {
    policy.resolution == Resolution::Joint { requires_ipv4: true }
}

impl NetworkModel {
    /// Addresses in their order, but the preferred family first.
    fn sorted(&self, known: &[SocketAddr]) -> Vec<SocketAddr> {
        let mut sorted = known.to_vec();
        sorted.sort_by_key(|address| self.is_other(address));
        sorted
    }

    fn is_other(&self, address: &SocketAddr) -> bool {
        self.prefer.is_some_and(|family| Family::of(&address.ip()) != family)
    }

    /// Ranks by address, because an answer may have thousands of them.
    fn places(&self) -> HashMap<SocketAddr, usize> {
        self.order.iter().enumerate().rev().map(|(place, address)| (*address, place)).collect()
    }
}

/// Running race, with the virtual time.
struct Run<'a> {
    policy: &'a Policy,
    network: &'a NetworkModel,
    race: Race<SocketAddr>,
    epoch: Instant,
    now: Instant,
    open: Vec<(Family, StepModel)>,
    running: RunningSteps,
    prediction: Prediction,
    places: HashMap<SocketAddr, usize>,
    attempts: HashMap<SocketAddr, AttemptModel>,
}

/// Running steps of the attempts, with an index for each question about them.
#[derive(Default)]
struct RunningSteps {
    /// By the number of the attempt.
    steps: BTreeMap<usize, Running>,
    /// Ends of the steps, as far as they have one.
    ends: BTreeSet<(Instant, usize)>,
    /// Ends of the measurement of the steps of which it has seen no end.
    silences: BTreeSet<(Instant, usize)>,
}

/// Running step of an attempt.
#[derive(Debug, Clone, Copy)]
struct Running {
    since: Instant,
    step: StepModel,
    is_tls: bool,
}

impl<'a> Run<'a> {
    fn new(
        policy: &'a Policy,
        network: &'a NetworkModel,
        race: Race<SocketAddr>,
        epoch: Instant,
        after: Duration,
    ) -> Self {
        let (open, running) = (Vec::new(), RunningSteps::default());
        let prediction = Prediction::nothing(None);
        let (now, places) = (epoch + after, network.places());
        // Of two with the same address, the first one counts.
        let attempts = network.attempts.iter().rev().copied().collect();
        Self { policy, network, race, epoch, now, open, running, prediction, places, attempts }
    }

    fn finish(mut self) -> Prediction {
        loop {
            self.apply_answers();
            self.apply_attempts();
            match self.race.poll(self.now) {
                Step::Query(family) => self.ask(family),
                Step::Start(start) => self.start(start),
                Step::Cancel { attempt, .. } => drop(self.remove(attempt)),
                Step::Wait(until) => {
                    if !self.advance(until) {
                        return self.prediction;
                    }
                }
                Step::Won(winner) => return self.win(winner),
                Step::Lost(LossReason::NoAddress) => {
                    return self.end(ZERO, PredictedResult::NotResolved);
                }
                Step::Lost(LossReason::AllFailed) => {
                    return self.end(ZERO, PredictedResult::AllFail);
                }
            }
        }
    }

    /// Starts a query; all queries start with the race.
    fn ask(&mut self, family: Family) {
        let Some(reply) = self.network.reply(family) else { return };
        let end = reply.answer.as_ref().map_or(StepEnd::Silent, |_| StepEnd::Succeeds);
        self.open.push((family, StepModel { took: reply.after, end }));
    }

    fn apply_answers(&mut self) {
        let since = self.epoch;
        let now = self.now;
        let is_due = |step: &StepModel| step.end != StepEnd::Silent && since + step.took <= now;
        let due: Vec<Family> =
            self.open.iter().filter(|(_, step)| is_due(step)).map(|(family, _)| *family).collect();
        self.open.retain(|(_, step)| !is_due(step));
        for family in due {
            let answer = self.network.reply(family).and_then(|reply| reply.answer.clone());
            self.race.answered(family, answer.unwrap_or(Answer::NoData), now);
            let network = self.network;
            let places = &self.places;
            self.race
                .sort_by_key(|address| (network.is_other(address), places.get(address).copied()));
        }
    }

    fn start(&mut self, start: Start) {
        let Some(to) = self.race.address(start.attempt).copied() else { return };
        let (at, reason) = (self.now - self.epoch, start.reason);
        if self.prediction.certain_until.is_none_or(|until| at <= until) {
            self.prediction.starts.push(PredictedStart { to, at, reason });
        }
        if !self.attempts.contains_key(&to) {
            self.prediction.unmeasured_at.get_or_insert(at);
        }
        // Because it was not measured, the step is silent from the start.
        let unknown = StepModel { took: ZERO, end: StepEnd::Silent };
        let step = self.attempts.get(&to).map_or(unknown, |attempt| attempt.tcp);
        self.run(start.attempt, step, false);
    }

    /// Begins a step of an attempt.
    fn run(&mut self, attempt: usize, step: StepModel, is_tls: bool) {
        let running = Running { since: self.now, step, is_tls };
        self.running.insert(attempt, running, self.network.kernel);
    }

    fn remove(&mut self, attempt: usize) -> Option<Running> {
        self.running.remove(attempt, self.network.kernel)
    }

    fn apply_attempts(&mut self) {
        let now = self.now;
        let due: Vec<usize> =
            self.running.ends.range(..=(now, usize::MAX)).map(|(_, attempt)| *attempt).collect();
        for attempt in due {
            let Some(Running { step, is_tls, .. }) = self.remove(attempt) else { continue };
            match step.end {
                StepEnd::Succeeds if is_tls => self.race.succeeded(attempt, now),
                StepEnd::Succeeds => self.connected(attempt),
                StepEnd::Unsent => self.race.failed_unsent(attempt, now),
                StepEnd::Fails | StepEnd::Silent | StepEnd::Unmeasurable => {
                    self.race.failed(attempt, now);
                }
            }
        }
    }

    /// Handles a TCP connection; in a race for TLS the handshake follows.
    fn connected(&mut self, attempt: usize) {
        self.race.connected(attempt, self.now);
        let to = self.race.address(attempt).copied();
        match to.and_then(|to| self.attempts.get(&to)).and_then(|attempt| attempt.tls) {
            Some(step) if self.races_for_tls() => {
                self.run(attempt, step, true);
            }
            _ => self.race.succeeded(attempt, self.now),
        }
    }

    fn races_for_tls(&self) -> bool {
        self.policy.pacing.success == Success::Tls && self.network.begins_with_tls
    }

    /// Advances the time to the next known event; `false` if none is left.
    fn advance(&mut self, until: Option<Instant>) -> bool {
        let silences = self.first_silence();
        let ends = self.running.ends.first().map(|(at, _)| *at);
        let answers = self.open.iter().filter(|(_, step)| step.end != StepEnd::Silent);
        let answers = answers.map(|(_, step)| self.epoch + step.took);
        let next = ends.into_iter().chain(answers).chain(until).min();
        if let Some(silence) = silences.filter(|at| next.is_none_or(|next| *at < next)) {
            self.limit_certainty(silence);
        }
        self.now = next.unwrap_or(self.now);
        next.is_some()
    }

    /// First end of the measurement of a silent step.
    fn first_silence(&self) -> Option<Instant> {
        let silent = self.open.iter().filter(|(_, step)| step.end.is_open());
        let questions = silent.map(|(_, step)| self.epoch + step.took);
        questions.chain(self.running.silences.first().map(|(at, _)| *at)).min()
    }

    fn limit_certainty(&mut self, from: Instant) {
        let from = from - self.epoch;
        self.prediction.certain_until =
            Some(self.prediction.certain_until.map_or(from, |it| it.min(from)));
    }

    /// Handles the winner; after a race for TCP, a requested TLS handshake follows.
    fn win(mut self, winner: usize) -> Prediction {
        let Some(to) = self.race.address(winner).copied() else { return self.prediction };
        let tls = self.attempts.get(&to).and_then(|attempt| attempt.tls);
        match tls.filter(|_| !self.races_for_tls()) {
            None => self.end(ZERO, PredictedResult::Connects(to)),
            Some(StepModel { took, end: StepEnd::Succeeds }) => {
                self.end(took, PredictedResult::Connects(to))
            }
            Some(StepModel { took, end: StepEnd::Silent | StepEnd::Unmeasurable }) => {
                self.limit_certainty(self.now + took);
                self.prediction
            }
            Some(StepModel { took, .. }) => self.end(took, PredictedResult::NoTls(to)),
        }
    }

    fn end(mut self, later: Duration, how: PredictedResult) -> Prediction {
        self.prediction.end = Some(PredictedEnd { after: self.now + later - self.epoch, how });
        self.prediction
    }
}

impl RunningSteps {
    fn insert(&mut self, attempt: usize, running: Running, kernel: Duration) {
        self.ends.extend(running.ends(kernel).map(|at| (at, attempt)));
        self.silences.extend(running.silence().map(|at| (at, attempt)));
        self.steps.insert(attempt, running);
    }

    fn remove(&mut self, attempt: usize, kernel: Duration) -> Option<Running> {
        let running = self.steps.remove(&attempt)?;
        if let Some(at) = running.ends(kernel) {
            self.ends.remove(&(at, attempt));
        }
        if let Some(at) = running.silence() {
            self.silences.remove(&(at, attempt));
        }
        Some(running)
    }
}

impl Running {
    /// End of the measurement of the step, if it has seen no end.
    fn silence(&self) -> Option<Instant> {
        self.step.end.is_open().then(|| self.since + self.step.took)
    }

    /// End of the step. The kernel limits a silent TCP handshake; a silent TLS handshake has no limit.
    fn ends(&self, kernel: Duration) -> Option<Instant> {
        match self.step.end {
            StepEnd::Silent | StepEnd::Unmeasurable if self.is_tls => None,
            StepEnd::Silent => self.since.checked_add(kernel.max(self.step.took)),
            _ => self.since.checked_add(self.step.took),
        }
    }
}

impl NetworkModel {
    fn reply(&self, family: Family) -> Option<&QueryModel> {
        let NameModel::Asked { separate, .. } = &self.names else { return None };
        separate.iter().find(|(known, _)| *known == family).map(|(_, reply)| reply)
    }
}
