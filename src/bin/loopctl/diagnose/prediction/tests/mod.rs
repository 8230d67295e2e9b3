//! Predictions of each policy under the conditions of the Happy Eyeballs test matrix.

mod honesty;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use loopctl::plan::Preset;
use serde::Deserialize;

use super::*;

/// One condition in the notation of `tests/races`: `6a ok@10, 4a dead`; `2`, `servfail@2`, `timeout`.
#[derive(Deserialize)]
struct Condition {
    addresses: String,
    aaaa: String,
    a: String,
    /// Results by client: `4a 262`, `4a 131.3s`, `lost 42`, `none`.
    client: BTreeMap<String, String>,
}

/// Time limits of the measurement and of the kernel for a silent address.
const WAITED: Duration = Duration::from_secs(3);
const KERNEL: Duration = Duration::from_secs(131);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn epoch() -> Instant {
    loopctl::EventLoop::new().unwrap().handle().time()
}

/// Address of a label; `6a` is the first IPv6 address.
fn address(name: &str) -> SocketAddr {
    let (family, nth) = name.split_at(1);
    let nth = nth.as_bytes()[0] - b'a' + 1;
    match family {
        "4" => (Ipv4Addr::new(192, 0, 2, nth), 443).into(),
        _ => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, nth.into()), 443).into(),
    }
}

fn name(address: SocketAddr) -> String {
    let (family, nth) = match address {
        SocketAddr::V4(v4) => ('4', v4.ip().octets()[3]),
        SocketAddr::V6(v6) => ('6', v6.ip().octets()[15]),
    };
    format!("{family}{}", char::from(b'a' + nth - 1))
}

fn attempt(text: &str) -> (SocketAddr, AttemptModel) {
    let (name, steps) = text.split_once(' ').unwrap();
    let (end_name, took) = steps.split_once('@').unwrap_or((steps, "3000"));
    let end = match end_name {
        "ok" | "tls-ok" | "tls-bad" | "tls-silent" => StepEnd::Succeeds,
        "fails" => StepEnd::Fails,
        "unsent" => StepEnd::Unsent,
        _ => StepEnd::Silent,
    };
    let (tcp, handshake) = took.split_once('+').unwrap_or((took, "3000"));
    let step = |took: &str, end| StepModel { took: ms(took.parse().unwrap()), end };
    let tls = match end_name {
        "tls-ok" => Some(step(handshake, StepEnd::Succeeds)),
        "tls-bad" => Some(step(handshake, StepEnd::Fails)),
        "tls-silent" => Some(step(handshake, StepEnd::Silent)),
        _ => None,
    };
    (address(name), AttemptModel { tcp: step(tcp, end), tls })
}

/// Answer to a query. Silence lasts 10 s with two tries; with both families at once 15.2 s in glibc.
fn query(text: &str, found: Vec<SocketAddr>) -> QueryModel {
    let (end_name, after) = text.split_once('@').unwrap_or(("addresses", text));
    if after == "timeout" {
        return QueryModel { after: ms(10_000), answer: Some(Answer::TimedOut) };
    }
    let answer = match end_name {
        "addresses" => Answer::Addresses(found),
        "nodata" => Answer::NoData,
        "servfail" => Answer::Failed,
        _ => panic!("{end_name} is no answer"),
    };
    QueryModel { after: ms(after.parse().unwrap()), answer: Some(answer) }
}

fn network(addresses: &str, aaaa: &str, a: &str) -> NetworkModel {
    let attempts: Vec<_> = addresses.split(", ").map(attempt).collect();
    let order: Vec<SocketAddr> = attempts.iter().map(|(to, _)| *to).collect();
    let of = |wanted: bool| order.iter().copied().filter(|to| to.is_ipv6() == wanted).collect();
    let (v6, v4): (QueryModel, QueryModel) = (query(aaaa, of(true)), query(a, of(false)));
    let joint = match (&v6.answer, &v4.answer) {
        (_, Some(Answer::TimedOut)) => {
            QueryModel { after: ms(15_200), answer: Some(Answer::TimedOut) }
        }
        (Some(Answer::TimedOut), _) => {
            QueryModel { after: ms(15_200), answer: Some(Answer::Addresses(order.clone())) }
        }
        _ => QueryModel {
            after: v6.after.max(v4.after),
            answer: Some(Answer::Addresses(order.clone())),
        },
    };
    let names = NameModel::Asked { separate: vec![(Family::Inet6, v6), (Family::Inet, v4)], joint };
    NetworkModel { names, order, attempts, prefer: None, begins_with_tls: true, kernel: KERNEL }
}

/// Time such as `262`, `131s` or `131.3s`, and its rounding error.
fn time(text: &str) -> (Duration, Duration) {
    let Some(seconds) = text.strip_suffix('s') else {
        return (ms(text.parse().unwrap()), Duration::ZERO);
    };
    let rounding = if seconds.contains('.') { ms(50) } else { ms(500) };
    (Duration::from_secs_f64(seconds.parse().unwrap()), rounding)
}

/// Mismatch between a cell and its prediction.
fn misses(prediction: &Prediction, cell: &str, has_dead: bool) -> Option<String> {
    let end = prediction.end.expect("silence ends some time");
    let Some((winner, expected)) = cell.split_once(' ') else {
        return (end.after <= ms(200_000)).then(|| format!("{end:?}"));
    };
    let (expected, rounding) = time(expected);
    let found = match end.how {
        PredictedResult::Connects(to) => name(to),
        _ => "lost".to_owned(),
    };
    let is_met = found == winner && end.after.abs_diff(expected) <= rounding.max(ms(1));
    // Because the measurement ended, later events are not certain.
    let is_certain = !(has_dead && expected > WAITED);
    let is_honest = prediction.certain_until.is_none() == is_certain;
    (!is_met || !is_honest).then(|| format!("{prediction:?}"))
}

#[test]
fn race_02_measurements_tell_what_every_client_gets() {
    let table = include_str!("../../../../../../tests/races/clients/model.toml");
    let conditions: BTreeMap<String, Condition> = toml::from_str(table).unwrap();
    let (mut failures, mut checked) = (Vec::new(), 0);
    for (id, Condition { addresses, aaaa, a, client }) in &conditions {
        let network = network(addresses, aaaa, a);
        for preset in Preset::ALL {
            let prediction = predict(&preset.into(), &network, epoch());
            let missed = misses(&prediction, &client[preset.name()], addresses.contains("dead"));
            failures.extend(missed.map(|why| format!("{id}, {preset}: {why}")));
            checked += 1;
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert_eq!(checked, 29 * 14);
}

/// Prediction of a preset, as a short text.
fn summary(preset: Preset, addresses: &str, aaaa: &str, a: &str) -> String {
    line(&predict(&preset.into(), &network(addresses, aaaa, a), epoch()))
}

fn line(prediction: &Prediction) -> String {
    let mut words: Vec<String> = prediction
        .starts
        .iter()
        .map(|begun| format!("{}@{}", name(begun.to), begun.at.as_millis()))
        .collect();
    words.extend(prediction.certain_until.map(|until| format!(">{}", until.as_millis())));
    words.push(match prediction.end {
        None => "?".to_owned(),
        Some(PredictedEnd { after, how }) => {
            let who = match how {
                PredictedResult::Connects(to) => name(to),
                PredictedResult::NoTls(to) => format!("no tls {}", name(to)),
                PredictedResult::AllFail => "lost".to_owned(),
                PredictedResult::NotResolved => "no name".to_owned(),
            };
            format!("{who}@{}", after.as_millis())
        }
    });
    words.join(" ")
}

#[test]
fn race_t02_what_is_silent_bounds_what_is_known() {
    let addresses = "6a dead, 4a ok@10";
    assert_eq!(summary(Preset::Hev3, addresses, "2", "2"), "6a@2 4a@252 4a@262");
    let sequential = summary(Preset::Sequential, addresses, "2", "2");
    assert_eq!(sequential, "6a@2 >3002 4a@131012", "a start that may never come is not predicted");
    assert_eq!(
        summary(Preset::Node, "6a dead, 4a dead", "2", "2"),
        "6a@2 4a@252 >3252 lost@131252"
    );
}

#[test]
fn race_t02_no_answer_from_the_resolver_bounds_what_is_known() {
    let mut network = network("6a ok@10, 4a ok@10", "2", "2");
    let silent = QueryModel { after: ms(10_000), answer: None };
    let NameModel::Asked { separate, joint } = &mut network.names else {
        panic!("nobody is asked")
    };
    (separate[0].1, *joint) = (silent.clone(), silent);
    let summary = |preset: Preset| line(&predict(&preset.into(), &network, epoch()));
    assert_eq!(summary(Preset::Hev3), "4a@52 4a@62");
    assert_eq!(summary(Preset::Asyncio), ">10000 ?", "getaddrinfo has not come back");
    assert_eq!(summary(Preset::Go), ">10000 ?", "it waits for both");
}

/// A name server may answer with as many addresses as fit into 64 KiB.
#[test]
fn race_t02_thousands_of_addresses_are_predicted_in_a_moment() {
    const COUNT: u32 = 4000;
    let clock = loopctl::EventLoop::new().unwrap().handle();
    let begin = clock.time();
    for end in [StepEnd::Fails, StepEnd::Silent] {
        let step = AttemptModel { tcp: StepModel { took: ms(3), end }, tls: None };
        let v6 = |n: u32| {
            SocketAddr::from((Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(n)), 443))
        };
        let v4 = |n: u32| SocketAddr::from((Ipv4Addr::from(0xc633_0000 + n), 443));
        let order: Vec<SocketAddr> = (0..COUNT / 2).map(v6).chain((0..COUNT / 2).map(v4)).collect();
        let attempts = order.iter().map(|to| (*to, step)).collect();
        let names = NameModel::Known(order.clone());
        let network = NetworkModel {
            names,
            order,
            attempts,
            prefer: None,
            begins_with_tls: false,
            kernel: KERNEL,
        };
        for preset in Preset::ALL {
            let end = predict(&preset.into(), &network, epoch()).end.unwrap();
            assert_eq!(end.how, PredictedResult::AllFail, "{preset}");
        }
    }
    // A debug build needs a second, and with steps that look at all addresses some minutes.
    let took = clock.time() - begin;
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[test]
fn names_that_do_not_resolve_fail_when_the_answer_comes() {
    let mut network = network("6a ok@10, 4a ok@10", "nodata@3", "nodata@5");
    let NameModel::Asked { joint, .. } = &mut network.names else { panic!("nobody is asked") };
    *joint = QueryModel { after: ms(6), answer: Some(Answer::NoName) };
    for (preset, expected) in [(Preset::Hev3, "no name@5"), (Preset::Sequential, "no name@6")] {
        assert_eq!(line(&predict(&preset.into(), &network, epoch())), expected, "{preset}");
    }
}

#[test]
fn addresses_that_nobody_was_asked_for_are_there_at_once() {
    let mut network = network("6a fails@10, 4a ok@10", "2", "2");
    network.names = NameModel::Known(vec![address("6a"), address("4a")]);
    assert_eq!(line(&predict(&Preset::Go.into(), &network, epoch())), "6a@0 4a@10 4a@20");
    network.prefer = Some(Family::Inet);
    assert_eq!(line(&predict(&Preset::Go.into(), &network, epoch())), "4a@0 4a@10");
}

#[test]
fn race_t30_tls_is_waited_for_by_those_who_race_for_it() {
    let silent = "6a tls-silent@10+3000, 4a tls-ok@10+20";
    let hev3 = summary(Preset::Hev3, silent, "2", "2");
    assert_eq!(hev3, "6a@2 4a@262 4a@292", "250 ms after TCP was up");
    assert_eq!(summary(Preset::Curl, silent, "2", "2"), "6a@2 >3012 ?", "TCP was enough for it");
    let bad = "6a tls-bad@10+20, 4a tls-ok@10+20";
    assert_eq!(summary(Preset::Hev3, bad, "2", "2"), "6a@2 4a@32 4a@62");
    assert_eq!(summary(Preset::Curl, bad, "2", "2"), "6a@2 no tls 6a@32");
    let mut network = network(bad, "2", "2");
    network.begins_with_tls = false;
    let told_in_plain = line(&predict(&Preset::Hev3.into(), &network, epoch()));
    assert_eq!(
        told_in_plain, "6a@2 no tls 6a@32",
        "what --starttls asks for begins after the race"
    );
    let good = "6a tls-ok@10+20, 4a tls-ok@10+20";
    assert_eq!(summary(Preset::Curl, good, "2", "2"), "6a@2 6a@32");
}
