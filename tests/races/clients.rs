//! What each [`Preset`] makes of the same conditions, against what the clients themselves did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loopctl::plan::{Policy, Preset};

use crate::conditions::{ClientTable, addresses, replies};
use crate::course::{Course, Owner, ms};

/// How closely a table is to be met.
struct Bar {
    /// A client that has not connected by then counts as one that does not.
    patience: Duration,
    /// Beyond what was rounded.
    tolerance: Duration,
}

#[test]
fn race_02_presets_do_as_the_model_of_the_clients() {
    let bar = Bar { patience: ms(200_000), tolerance: Duration::ZERO };
    let checked = check(include_str!("clients/model.toml"), &bar);
    assert_eq!(checked, (29 * 14, 14));
}

/// The clients were measured on a busy machine, by which they are up to 45 ms late.
#[test]
fn race_02_presets_do_as_the_clients_did_on_the_wire() {
    let bar = Bar { patience: ms(7000), tolerance: ms(45) };
    let checked = check(include_str!("clients/measured.toml"), &bar);
    assert_eq!(checked, (17 * 7, 7));
}

/// How many cells there were, and how many clients.
fn check(table: &str, bar: &Bar) -> (usize, usize) {
    let conditions: BTreeMap<String, ClientTable> = toml::from_str(table).expect("a table");
    let (mut failures, mut checked, mut clients) = (Vec::new(), 0, BTreeSet::new());
    for (name, condition) in &conditions {
        for (client, expected) in &condition.client {
            let course = condition.run(client.parse().expect("a preset"));
            if !bar.is_met(&course, expected) {
                failures.push(format!("{name}, {client}: {}, not {expected}", course.line()));
            }
            checked += 1;
            clients.insert(client);
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    (checked, clients.len())
}

impl ClientTable {
    fn run(&self, client: Preset) -> Course {
        let fates = addresses(&self.addresses);
        let silence = format!("timeout@{}", resolver_patience(client));
        let answer = |text: &str| text.replace("timeout", &silence);
        let replies = replies(Some(&answer(&self.aaaa)), Some(&answer(&self.a)), &fates);
        Course::resolving(&Policy::from(client), &replies, &fates, &Owner::default())
    }
}

/// How long the client's resolver asks before it gives up, in milliseconds: glibc three times 5 s and a little,
/// Go twice 5 s. For clients that ask apart it does not matter.
fn resolver_patience(client: Preset) -> u64 {
    match client {
        Preset::Go => 10_000,
        _ => 15_200,
    }
}

impl Bar {
    fn is_met(&self, course: &Course, expected: &str) -> bool {
        let (winner, at) = course.end();
        let Some((name, time)) = expected.split_once(' ') else {
            assert_eq!(expected, "none");
            return at > self.patience;
        };
        let found = winner.map_or("lost", |winner| course.peers[winner].as_str());
        let (time, rounding) = parse_time(time);
        found == name && at.abs_diff(time) <= self.tolerance.max(rounding)
    }
}

/// `262`, `131s` or `131.3s`, and how far that may be from what was rounded.
fn parse_time(text: &str) -> (Duration, Duration) {
    let Some(seconds) = text.strip_suffix('s') else {
        return (ms(text.parse().expect("milliseconds")), Duration::ZERO);
    };
    let rounding = if seconds.contains('.') { ms(50) } else { ms(500) };
    (Duration::from_secs_f64(seconds.parse().expect("seconds")), rounding)
}

#[test]
fn race_02_presets_have_names() {
    let names: BTreeSet<&str> = Preset::ALL.iter().map(|preset| preset.name()).collect();
    assert_eq!(names.len(), Preset::ALL.len());
    for preset in Preset::ALL {
        assert_eq!(preset.name().parse(), Ok(preset));
    }
    let error = "opera".parse::<Preset>().unwrap_err();
    assert!(error.to_string().starts_with("`opera` is no policy; there are hev3, rfc8305, "));
    assert_eq!(Preset::default(), Preset::Hev3);
}
