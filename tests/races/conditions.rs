//! Conditions of the Happy Eyeballs test matrix, as they stand in `*.toml`: for races in virtual time, and for the real
//! program in a network of its own (`tests/netns`).

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::Path;

use loopctl::plan::{Answer, Family, Policy, Preset, RaceAddress};
use serde::Deserialize;

use crate::course::{Course, Fate, Owner, Peer, Reply, Then, ms};

/// One condition. Times are milliseconds since the race began, or since an attempt's own start.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// In the resolver's order: `6a ok@10, 4a fails@10, 4b dead`.
    pub(crate) addresses: String,
    /// When, and how, the questions for addresses are answered. Without these, nobody asks.
    pub(crate) aaaa: Option<String>,
    pub(crate) a: Option<String>,
    /// Whose rules these changes are made to; asyncio's unless told otherwise.
    preset: Option<String>,
    interleave: Option<usize>,
    max_parallel: Option<NonZero<usize>>,
    attempt_timeout: Option<u64>,
    #[serde(default)]
    run_all: bool,
    /// Whether the minimum delay holds after an attempt that sent no packet.
    strict_floor: Option<bool>,
    /// By Connection Attempt Delay (`off`: none, `any`: each of the usual ones, `own`: the preset's):
    /// `6a@0 4a@250 -> 4a@260`.
    pub(crate) delay: BTreeMap<String, String>,
}

/// What each client makes of one condition. `timeout` is a question that no server answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTable {
    pub(crate) addresses: String,
    pub(crate) aaaa: String,
    pub(crate) a: String,
    /// By client, the winner and when: `4a 262`, `4a 131.3s`, `lost 42`, `none`.
    pub(crate) client: BTreeMap<String, String>,
}

/// How long the kernel tries: it resends the SYN six times, then gives up.
pub(crate) const DEAD: u64 = 131_000;
/// The usual Connection Attempt Delays.
pub(crate) const USUAL: [&str; 4] = ["10", "100", "250", "2000"];

/// The conditions of a file, by name.
pub(crate) fn scenarios(file: &str) -> Vec<(String, Scenario)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/races/{file}.toml"));
    let text = fs::read_to_string(path).expect("a readable scenario");
    let parsed: BTreeMap<String, Scenario> =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    parsed.into_iter().collect()
}

impl Scenario {
    pub(crate) fn run(&self, delay: &str) -> Course {
        let (fates, policy) = (addresses(&self.addresses), self.policy(delay));
        let replies = replies(self.aaaa.as_deref(), self.a.as_deref(), &fates);
        if replies.is_empty() {
            return Course::among(&policy, &fates, &Owner::default());
        }
        Course::resolving(&policy, &replies, &fates, &Owner::default())
    }

    pub(crate) fn policy(&self, delay: &str) -> Policy {
        let plain = match &self.preset {
            None if delay == "off" => Policy::default(),
            None => Policy::from(Preset::Asyncio),
            Some(preset) => preset.parse::<Preset>().expect("a preset").into(),
        };
        let mut policy = Policy {
            connection_attempt_delay: match delay {
                "own" => plain.connection_attempt_delay,
                _ => delay.parse().ok().map(ms),
            },
            interleave: self.interleave.unwrap_or(plain.interleave),
            max_parallel: self.max_parallel.or(plain.max_parallel),
            attempt_timeout: self.attempt_timeout.map(ms),
            run_all: self.run_all,
            ..plain
        };
        let minimum_delay = &mut policy.pacing.minimum_delay;
        minimum_delay.exempts_unsent =
            self.strict_floor.map_or(minimum_delay.exempts_unsent, |strict| !strict);
        policy
    }
}

/// `6a ok@10, 4a dead` are addresses and their fates.
pub(crate) fn addresses(text: &str) -> Vec<(Peer, Fate)> {
    text.split(", ").map(address).collect()
}

/// What comes of the questions for AAAA and A, where these addresses are known: `2`, `servfail@2`, `silent`.
pub(crate) fn replies(aaaa: Option<&str>, a: Option<&str>, fates: &[(Peer, Fate)]) -> Vec<Reply> {
    let questions = [(Family::Inet6, aaaa), (Family::Inet, a)];
    let asked = questions.into_iter().filter_map(|(family, text)| Some((family, text?)));
    asked
        .map(|(family, text)| {
            let (word, after) = text.split_once('@').unwrap_or(("addresses", text));
            let known = fates.iter().map(|(peer, _)| peer).filter(|peer| peer.family() == family);
            let answer = match word {
                "addresses" => Answer::Addresses(known.cloned().collect()),
                "nodata" => Answer::NoData,
                "nxdomain" => Answer::NoName,
                "servfail" => Answer::Failed,
                "timeout" => Answer::TimedOut,
                _ => panic!("`{word}` is no answer"),
            };
            Reply { family, after: Some(ms(after.parse().expect("milliseconds"))), answer }
        })
        .collect()
}

/// `6a ok@10` is an address and its fate; of `tls-ok@10+30`, 30 ms are the handshake.
fn address(text: &str) -> (Peer, Fate) {
    let (name, fate) = text.split_once(' ').expect("an address and its fate");
    let (word, times) = fate.split_once('@').unwrap_or((fate, ""));
    let (after, handshake) = times.split_once('+').unwrap_or((times, ""));
    let number = |text: &str| text.parse().map(ms).expect("milliseconds");
    let then = match word {
        "ok" => Then::Connects,
        "dead" | "fails" => Then::Fails,
        "unsent" => Then::Unsent,
        "tls-ok" => Then::Handshakes(Some(number(handshake)), true),
        "tls-bad" => Then::Handshakes(Some(number(handshake)), false),
        "tls-silent" => Then::Handshakes(None, false),
        _ => panic!("`{word}` is no fate"),
    };
    let after = if word == "dead" { ms(DEAD) } else { number(after) };
    (Peer(name.to_owned()), Fate { after: Some(after), then })
}
