//! Property tests: a certain prediction holds for every network that agrees with the measurement.

use loopctl::plan::Preset;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Measured step, and its outcome without a time limit.
#[derive(Debug, Clone, Copy)]
struct Hidden {
    measured: StepModel,
    truth: StepModel,
}

/// Multiples of 25 ms, so that events often coincide.
fn time() -> impl Strategy<Value = Duration> {
    (0..14_u64).prop_map(|step| ms(step * 25))
}

fn hidden() -> impl Strategy<Value = Hidden> {
    let ends = vec![StepEnd::Succeeds, StepEnd::Fails];
    (time(), select(ends), any::<bool>(), time()).prop_map(|(took, end, is_silent, more)| {
        let plain = StepModel { took, end };
        if !is_silent {
            return Hidden { measured: plain, truth: plain };
        }
        let measured = StepModel { took, end: StepEnd::Silent };
        Hidden { measured, truth: StepModel { took: took + more + ms(1), end } }
    })
}

/// TCP and TLS handshake of an address.
fn way() -> impl Strategy<Value = (Hidden, Hidden)> {
    (hidden(), hidden())
}

/// Time and end of a query for addresses.
fn question() -> impl Strategy<Value = Hidden> {
    hidden()
}

#[derive(Debug, Clone)]
struct Setting {
    preset: Preset,
    ways: Vec<(Hidden, Hidden)>,
    with_tls: bool,
    questions: Option<[Hidden; 3]>,
    prefer: Option<Family>,
}

fn setting() -> impl Strategy<Value = Setting> {
    let questions = proptest::option::of((question(), question(), question()));
    let preset = select(Preset::ALL.to_vec());
    let prefer = select(vec![None, Some(Family::Inet), Some(Family::Inet6)]);
    (preset, vec(way(), 1..7), any::<bool>(), questions, prefer).prop_map(
        |(preset, ways, with_tls, questions, prefer)| {
            let questions = questions.map(|(v6, v4, both)| [v6, v4, both]);
            Setting { preset, ways, with_tls, questions, prefer }
        },
    )
}

impl Setting {
    /// Network model as measured, or the true one.
    fn network(&self, side: impl Fn(Hidden) -> StepModel) -> NetworkModel {
        let names = ["6a", "4a", "6b", "4b", "6c", "4c"];
        let order: Vec<SocketAddr> = names.into_iter().map(address).take(self.ways.len()).collect();
        let attempt = |(tcp, tls): &(Hidden, Hidden)| {
            let (tcp, tls) = (side(*tcp), side(*tls));
            let is_connected = tcp.end == StepEnd::Succeeds;
            // Because a handshake needs a connection, it is known only after TCP has succeeded.
            AttemptModel { tcp, tls: (self.with_tls && is_connected).then_some(tls) }
        };
        let attempts = order.iter().copied().zip(self.ways.iter().map(attempt)).collect();
        let query = |question: Hidden, found: Vec<SocketAddr>| {
            let step = side(question);
            let answer = match step.end {
                StepEnd::Silent => None,
                StepEnd::Succeeds => Some(Answer::Addresses(found)),
                _ => Some(Answer::NoData),
            };
            QueryModel { after: step.took, answer }
        };
        let of = |is_v6| order.iter().copied().filter(|to| to.is_ipv6() == is_v6).collect();
        let names = match self.questions {
            None => NameModel::Known(order.clone()),
            Some([v6, v4, both]) => NameModel::Asked {
                separate: vec![
                    (Family::Inet6, query(v6, of(true))),
                    (Family::Inet, query(v4, of(false))),
                ],
                joint: query(both, order.clone()),
            },
        };
        NetworkModel {
            names,
            order,
            attempts,
            prefer: self.prefer,
            begins_with_tls: true,
            kernel: KERNEL,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn race_05_what_the_silence_hid_contradicts_nothing_that_was_certain(setting in setting()) {
        let (policy, epoch) = (Policy::from(setting.preset), epoch());
        let prediction = predict(&policy, &setting.network(|it| it.measured), epoch);
        let truth = predict(&policy, &setting.network(|it| it.truth), epoch);
        prop_assert_eq!(truth.certain_until, None, "nothing is hidden there");
        let Some(until) = prediction.certain_until else {
            prop_assert_eq!(prediction, truth);
            return Ok(());
        };
        let end = truth.end.expect("an end");
        prop_assert!(end.after > until, "{:?} ended before {:?}", truth, prediction);
        let before = |prediction: &Prediction| -> Vec<PredictedStart> {
            prediction.starts.iter().copied().filter(|begun| begun.at <= until).collect()
        };
        prop_assert_eq!(before(&prediction), before(&truth));
    }

    #[test]
    fn race_06_every_forecast_ends_where_nothing_is_silent(setting in setting()) {
        let truth = predict(&setting.preset.into(), &setting.network(|it| it.truth), epoch());
        prop_assert!(truth.end.is_some() && truth.certain_until.is_none(), "{truth:?}");
        let starts: Vec<Duration> = truth.starts.iter().map(|begun| begun.at).collect();
        prop_assert!(starts.is_sorted(), "{starts:?}");
        let connected = truth.connection().is_none_or(|(to, _)| truth.starts.iter().any(|it| it.to == to));
        prop_assert!(connected, "{truth:?}");
    }
}
