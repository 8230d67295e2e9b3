//! Series of tries as one JSON document.

use loopctl::plan::Family;

use crate::diagnose::hint::groups::HintGroups;
use crate::diagnose::{cause, exit_status};
use crate::output::wire::common::{RunEnd, VERSION};
use crate::output::wire::connect;
use crate::output::wire::repeat::{
    AddressStats, Document, Hint, HttpTimes, Name, SynStats, Times, WonBy,
};
use crate::report::repeat::{self, RepeatReport};
use crate::report::times;

pub(crate) fn document<'a>(
    series: &RepeatReport,
    hints: &HintGroups,
    reports: Option<&'a [connect::Document]>,
) -> Document<&'a [connect::Document]> {
    Document {
        schema: Name::V1,
        version: VERSION,
        target: series.subject.text.clone(),
        end: RunEnd::new(series.interrupted.is_some()),
        exit_code: exit_status::for_repeat(series).code(),
        duration_ms: series.took.into(),
        tries: series.runs.done,
        connected: series.runs.connected,
        times: times(&series.times),
        http: (!series.http.total.is_empty()).then(|| HttpTimes {
            server: times(&series.http.server),
            body: times(&series.http.body),
            total: times(&series.http.total),
        }),
        won_by: WonBy { ipv4: series.won_by(Family::Inet), ipv6: series.won_by(Family::Inet6) },
        syn: syn(&series.syn),
        addresses: series.addresses.iter().map(address_stats).collect(),
        hints: hints.iter().map(|it| Hint { hint: it.text.clone(), tries: it.reports }).collect(),
        reports,
    }
}

fn address_stats(stats: &repeat::AddressStats) -> AddressStats {
    AddressStats {
        address: (&stats.address).into(),
        won: stats.won,
        lost: stats.lost,
        failed: stats.failed,
        last_failure: stats.last_failure.as_ref().map(cause::last_failure),
        connect_times: times(&stats.times),
    }
}

fn syn(syn: &repeat::SynStats) -> SynStats {
    SynStats {
        sent: syn.sent,
        resent: syn.resent,
        resent_percent: (syn.resent_share() * 1000.0).round() / 10.0,
        tries: syn.runs,
        first_answered: syn.first_answered,
        cost_ms: syn.cost().map(Into::into),
    }
}

/// `None` where nothing was timed.
fn times(times: &times::Times) -> Option<Times> {
    (!times.is_empty()).then(|| Times {
        min_ms: times.min().into(),
        p50_ms: times.quantile(0.5).into(),
        p90_ms: times.quantile(0.9).into(),
        p99_ms: times.quantile(0.99).into(),
        max_ms: times.max().into(),
        is_exact: times.is_exact(),
    })
}
