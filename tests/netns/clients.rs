//! Real clients beside the policies that are named after them: the same SYNs in the same order, at the same times.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use toml::Table;

use crate::bed::{self, Bed, Recording};
use crate::skip::skipped;
use crate::timeline::Timeline;
use crate::tries::{Slip, best_of_three};

macro_rules! networks {
    ($($test:ident => $network:literal,)*) => {
        $(
            #[test]
            fn $test() {
                side_by_side(stringify!($test), $network);
            }
        )*
    };
}

networks! {
    race_clients_v6_is_silent => "link = { v6.drop = true, v4.rtt = 10 }",
    race_clients_v6_refuses => r#"link = { v6 = { rtt = 10, refuse = "rst" }, v4.rtt = 10 }"#,
    race_clients_a_router_prohibits_v6 =>
        r#"link = { v6 = { rtt = 10, refuse = "admin" }, v4.rtt = 10 }"#,
    race_clients_v6_is_225_ms_away => "link = { v6.rtt = 225, v4.rtt = 10 }",
    race_clients_v6_is_275_ms_away => "link = { v6.rtt = 275, v4.rtt = 10 }",
    race_clients_both_are_400_ms_away => "link = { v6.rtt = 400, v4.rtt = 400 }",
    race_clients_aaaa_100_ms_later => "dns.AAAA.delay = 100\nlink = { v6.rtt = 10, v4.rtt = 10 }",
    race_clients_a_1_s_later => "dns.A.delay = 1000\nlink = { v6.rtt = 10, v4.rtt = 10 }",
    race_clients_four_are_400_ms_away => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2"], A = ["192.0.2.1", "192.0.2.2"] }
        link = { v6.rtt = 400, v4.rtt = 400 }
    "#,
    race_clients_only_the_last_of_six_works => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2", "2001:db8:5::3"], A = ["192.0.2.1", "192.0.2.2", "192.0.2.3"] }
        link = { v6.drop = true, v4.drop = true, "192.0.2.3".rtt = 10 }
    "#,
    race_clients_silent_refuses_works => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2"], A = ["192.0.2.1"] }
        link = { "2001:db8:5::1".drop = true, "192.0.2.1" = { rtt = 10, refuse = "rst" }, "2001:db8:5::2".rtt = 10 }
    "#,
    race_clients_the_second_of_each_works => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2"], A = ["192.0.2.1", "192.0.2.2"] }
        link = { "2001:db8:5::1".drop = true, "192.0.2.1".refuse = "rst", "2001:db8:5::2".rtt = 20, "192.0.2.2".rtt = 20 }
    "#,
    race_clients_all_refuse => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2"], A = ["192.0.2.1", "192.0.2.2"] }
        link = { v4 = { rtt = 20, refuse = "rst" }, v6 = { rtt = 20, refuse = "rst" } }
    "#,
    race_clients_two_of_three_v4_refuse => r#"
        zone."target.test" = { AAAA = [], A = ["192.0.2.1", "192.0.2.2", "192.0.2.3"] }
        link = { "192.0.2.1" = { rtt = 10, refuse = "rst" }, "192.0.2.2" = { rtt = 10, refuse = "rst" }, "192.0.2.3".rtt = 10 }
    "#,
    race_clients_each_wakes_the_other => r#"
        zone."target.test" = { AAAA = ["2001:db8:5::1", "2001:db8:5::2"], A = ["192.0.2.1", "192.0.2.2"] }
        link = { "2001:db8:5::1" = { rtt = 300, refuse = "rst" }, "2001:db8:5::2".rtt = 10, "192.0.2.1" = { rtt = 500, refuse = "rst" }, "192.0.2.2".rtt = 10 }
    "#,
    race_clients_one_packet_is_lost => "link = { v6 = { rtt = 10, drop_syns = 1 }, v4.drop = true }",
}

/// How long each may take. What comes later than that is no part of the comparison.
const LIMIT: &str = "2.5";

/// Who is there, with the policy that has its rules.
static CLIENTS: LazyLock<BTreeMap<&str, Vec<String>>> = LazyLock::new(|| {
    let script = |name: &str| bed::path(name).to_str().unwrap().to_owned();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let asyncio = format!("python3 {} target.test 7 0.25", script("asyncio_connect.py"));
    let node = format!("node {} target.test 7", script("node_connect.js"));
    let all = [
        ("curl-7.88", ["curl", "curl 7.88."], words("curl -s -o /dev/null http://target.test:7/")),
        ("asyncio", ["python3", "Python 3."], words(&asyncio)),
        ("node", ["node", "v20."], words(&node)),
        (
            "sequential",
            ["wget", "GNU Wget 1."],
            words("wget -q -O /dev/null --tries=1 --no-proxy http://target.test:7/"),
        ),
    ];
    let is_there = |[program, version]: [&str; 2]| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| bed::text(&output.stdout).starts_with(version))
    };
    let mut found = BTreeMap::new();
    for (policy, version, command) in all {
        if is_there(version) {
            found.insert(policy, command);
        } else {
            let [program, version] = version.map(|word| word.trim_end_matches('.'));
            skipped(&format!("{program} {}", version.rsplit(' ').next().unwrap()));
        }
    }
    found
});

fn side_by_side(name: &str, network: &str) {
    let network: Table = toml::from_str(network.trim()).unwrap();
    let Some(bed) = Bed::open() else { return };
    let mut policies: Vec<&str> = CLIENTS.keys().copied().collect();
    best_of_three(name, || {
        let commands: Vec<_> = policies.iter().flat_map(|policy| pair(policy)).collect();
        let recordings = bed.record_each(&network, &commands);
        assert_eq!(recordings.len(), commands.len());
        let pairs = policies.iter().copied().zip(recordings.chunks(2));
        let slips: Vec<_> = pairs.map(|(policy, pair)| (policy, compare(policy, pair))).collect();
        let late = slips.iter().filter(|(_, slips)| !slips.iter().all(Slip::is_within_bounds));
        policies = late.map(|(policy, _)| *policy).collect();
        slips.into_iter().flat_map(|(_, slips)| slips).collect()
    });
}

/// The client, and the program in its place.
fn pair(policy: &str) -> [Vec<String>; 2] {
    let client = ["timeout", LIMIT].map(str::to_owned).into_iter();
    let program = [env!("CARGO_BIN_EXE_loopctl"), "connect", "target.test:7", "--via", "system"];
    let flags = ["--policy", policy, "--timeout", LIMIT];
    let ours = program.into_iter().chain(flags).map(str::to_owned);
    [client.chain(CLIENTS[policy].iter().cloned()).collect(), ours.collect()]
}

/// Asserts the same order; gives how far apart the starts are.
fn compare(policy: &str, pair: &[Recording]) -> Vec<Slip> {
    let [theirs, ours] = pair else { panic!("{} recordings", pair.len()) };
    let (theirs, ours) = (&theirs.timeline, &ours.timeline);
    println!("--- {policy}\n{theirs}--- loopctl --policy {policy}\n{ours}");
    let order = |timeline: &Timeline| -> Vec<String> {
        timeline.attempts().into_iter().map(|attempt| attempt.remote).collect()
    };
    assert!(!order(theirs).is_empty(), "{policy} sent no SYN:\n{}", pair[0].stderr);
    assert_eq!(order(ours), order(theirs), "{policy}: the SYNs in their order, ours and theirs");
    let starts = |timeline: &Timeline| -> Vec<f64> {
        let attempts = timeline.attempts();
        let first = attempts[0].syn;
        let since_question = first - timeline.first_query().expect("a question");
        let since_first = attempts[1..].iter().map(|attempt| attempt.syn - first);
        std::iter::once(since_question).chain(since_first).collect()
    };
    let (ours, theirs) = (starts(ours), starts(theirs));
    let slips = ours.iter().zip(&theirs).enumerate();
    let slips: Vec<Slip> = slips
        .map(|(nth, (ours, theirs))| {
            let what = format!("{policy}: SYN {} at {ours:.1}, theirs at {theirs:.1}", nth + 1);
            Slip::new(what, (ours - theirs).abs())
        })
        .collect();
    slips.iter().for_each(|slip| println!("{slip}"));
    slips
}
