//! Clients that would have taken longer than this run, or failed, under the conditions that it measured.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use loopctl::plan::{Answer, Family, Policy, Preset};

use crate::diagnose::prediction::{
    AttemptModel, NameModel, NetworkModel, QueryModel, StepEnd, predict,
};
use crate::report::prediction::{PredictedResult, Prediction};
use crate::report::query::{QueryStatus, types};
use crate::report::{End, Report, TransportKind, Via};

/// Smallest difference that is reported.
const MIN_DIFFERENCE: Duration = Duration::from_secs(1);

/// Policies of common clients, and the names of these clients.
const CLIENTS: [(Preset, &str); 7] = [
    (Preset::Go, "Go"),
    (Preset::Node, "Node"),
    (Preset::Sequential, "requests, wget"),
    (Preset::Curl7, "curl 7.88"),
    (Preset::Chrome, "Chrome"),
    (Preset::Firefox, "Firefox"),
    (Preset::Asyncio, "aiohttp"),
];

/// Clients that this run was better than.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherClients {
    pub(crate) cause: OtherCause,
    pub(crate) clients: Vec<OtherClient>,
}

/// Common cause of the differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OtherCause {
    /// They wait for the answers about both families.
    Answer(Family),
    /// They try these addresses, which do not answer, before the one that connects.
    Silent(Vec<SocketAddr>),
    /// They take the first TCP connection, over which TLS fails or is silent.
    Tls,
    Several,
}

/// One client, with what it would get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherClient {
    pub(crate) policy: Preset,
    pub(crate) name: &'static str,
    pub(crate) result: OtherResult,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherResult {
    /// A connection after this time.
    Connects(Duration),
    /// No connection.
    Fails(Duration),
    /// No connection before this time, if the silent addresses and queries stay silent.
    Hangs(Duration),
}

impl OtherResult {
    pub(crate) fn after(self) -> Duration {
        match self {
            Self::Connects(after) | Self::Fails(after) | Self::Hangs(after) => after,
        }
    }
}

/// Common clients that would have taken a second longer than this run, or failed.
pub(crate) fn other_clients(report: &Report) -> Option<OtherClients> {
    let own = report.connected_after().filter(|_| report.end == End::Connected)?;
    let is_comparable = report.subject.transport == TransportKind::Tcp
        && report.subject.family == Family::Unspecified
        && report.comparison.is_none()
        && report.relay.is_none()
        && report.transfer.is_none();
    let network = network(report).filter(|_| is_comparable)?;
    let clients: Vec<OtherClient> = CLIENTS
        .into_iter()
        .filter_map(|(policy, name)| {
            let prediction = predict(&Policy::from(policy), &network, report.started_at.at);
            let result = result(&prediction, &network, report)?;
            let is_worse =
                matches!(result, OtherResult::Fails(_)) || result.after() >= own + MIN_DIFFERENCE;
            is_worse.then_some(OtherClient { policy, name, result })
        })
        .collect();
    (!clients.is_empty()).then(|| OtherClients { cause: cause(report, &network), clients })
}

/// Result of a policy; `None` where it is not known.
fn result(prediction: &Prediction, network: &NetworkModel, report: &Report) -> Option<OtherResult> {
    let unmeasurable = network.attempts.iter().filter(|(_, it)| it.is_unmeasurable());
    let unmeasurable: HashSet<SocketAddr> = unmeasurable.map(|(to, _)| *to).collect();
    if prediction.starts.iter().any(|start| unmeasurable.contains(&start.to)) {
        return None;
    }
    let Some(certain) = prediction.certain_until else {
        let end = prediction.end?;
        return Some(match end.how {
            PredictedResult::Connects(_) => OtherResult::Connects(end.after),
            _ => OtherResult::Fails(end.after),
        });
    };
    if prediction.starts.is_empty() {
        let limit = report.resolve.second_query.map_or(certain, |query| query.system_limit);
        return Some(OtherResult::Hangs(certain.max(limit)));
    }
    // Because an address that was not measured may connect at once, nothing is known from its start on.
    let end = prediction.unmeasured_at.or_else(|| Some(prediction.end?.after));
    Some(OtherResult::Hangs(end.unwrap_or(certain)))
}

fn cause(report: &Report, network: &NetworkModel) -> OtherCause {
    let unanswered = report.resolve.second_query.filter(|query| !query.has_answer);
    let silent = network.attempts.iter().filter(|(_, it)| it.tcp.end == StepEnd::Silent);
    let silent: Vec<SocketAddr> = silent.map(|(to, _)| *to).collect();
    let has_tls = network.attempts.iter().any(|(_, attempt)| {
        attempt.tls.is_some_and(|step| matches!(step.end, StepEnd::Silent | StepEnd::Fails))
    });
    match (unanswered, silent.is_empty(), has_tls) {
        (Some(query), true, false) => OtherCause::Answer(query.family),
        (None, false, false) => OtherCause::Silent(silent),
        (None, true, true) => OtherCause::Tls,
        _ => OtherCause::Several,
    }
}

/// Model of the network from what this run has seen. `None` where the order of the addresses is not known.
fn network(report: &Report) -> Option<NetworkModel> {
    let order = order(report)?;
    let attempts = report.attempts.iter().enumerate().filter_map(|(number, attempt)| {
        let to = attempt.address.as_inet()?;
        Some((to, AttemptModel::of(attempt, report.tls_of(number))))
    });
    Some(NetworkModel {
        names: names(report, &order)?,
        attempts: attempts.collect(),
        prefer: None,
        begins_with_tls: report.subject.may_race_tls(),
        kernel: report.subject.limits.connect,
        order,
    })
}

/// Addresses in the order of RFC 6724, or in the given one: the families of the race are interleaved.
fn order(report: &Report) -> Option<Vec<SocketAddr>> {
    let known: Vec<SocketAddr> =
        report.resolve.candidates.iter().filter_map(loopctl::Address::as_inet).collect();
    let first = Family::of(&known.first()?.ip());
    let (own, other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        known.into_iter().partition(|address| Family::of(&address.ip()) == first);
    // Because given addresses may be in any order, that of several families is known only if one follows the other.
    let is_given = matches!(report.resolve.via, Via::Given | Via::Cached);
    if is_given && own.len() > 1 && !other.is_empty() {
        return None;
    }
    Some(own.into_iter().chain(other).collect())
}

fn names(report: &Report, order: &[SocketAddr]) -> Option<NameModel> {
    if !matches!(report.resolve.via, Via::System | Via::Dns) {
        return Some(NameModel::Known(order.to_vec()));
    }
    let all = || Answer::Addresses(order.to_vec());
    if !report.asks_apart() {
        let answer = QueryModel { after: report.resolved_at(), answer: Some(all()) };
        let separate = [Family::Inet6, Family::Inet].map(|family| (family, answer.clone()));
        return Some(NameModel::Asked { separate: separate.into(), joint: answer });
    }
    let separate =
        [Family::Inet6, Family::Inet].map(|family| Some((family, query(report, family, order)?)));
    let separate: Vec<(Family, QueryModel)> = separate.into_iter().collect::<Option<_>>()?;
    let after = separate.iter().map(|(_, reply)| reply.after).max().unwrap_or_default();
    let is_complete = separate.iter().all(|(_, reply)| reply.answer.is_some());
    let joint = QueryModel { after, answer: is_complete.then(all) };
    Some(NameModel::Asked { separate, joint })
}

/// Answer to the query for one family; `None` if it was not asked, or not long enough.
fn query(report: &Report, family: Family, order: &[SocketAddr]) -> Option<QueryModel> {
    let mut queries = report.resolve.queries.wanted();
    let asked = queries.find(|query| query.types == types(family))?;
    let of_family = order.iter().filter(|address| Family::of(&address.ip()) == family);
    let found = Answer::Addresses(of_family.copied().collect());
    let (after, answer) = match (asked.verdict(), report.resolve.second_query) {
        (QueryStatus::Answered, _) => (asked.ended_at(), Some(found)),
        (QueryStatus::NxDomain | QueryStatus::NoData, _) => {
            (asked.ended_at(), Some(Answer::NoData))
        }
        (QueryStatus::Canceled, Some(second)) if second.family == family => {
            // Because the race did not need them, the addresses of a late answer were not measured.
            (second.ended, second.has_answer.then_some(Answer::NoData))
        }
        _ => return None,
    };
    Some(QueryModel { after, answer })
}
