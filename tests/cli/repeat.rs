//! `--count`, `--interval` and `--wait`: lines, sums, signals.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::json::assert_valid;
use crate::support::{Dead, Signal, good, has_localhost, refusing, run, signal, start};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../schemas/repeat.v1.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

fn assert_valid_repeat(document: &Value) {
    let errors: Vec<String> = SCHEMA.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
    let sum = |key: &str| -> u64 {
        let addresses = document["addresses"].as_array().unwrap();
        addresses.iter().map(|address| address[key].as_u64().unwrap()).sum()
    };
    assert_eq!(sum("won"), document["connected"], "every connection was won by somebody");
}

#[test]
fn tries_have_a_line_each_and_a_summary() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "-c", "4", "-i", "10ms", "--histogram", &address.to_string()]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    for (nth, line) in lines.iter().take(4).enumerate() {
        assert!(line.trim_start().starts_with(&format!("{}  {address}", nth + 1)), "{line}");
        assert!(line.contains("tcp "), "the phases are summed: {line}");
    }
    assert_eq!(lines[5], format!("--- {address} ---"));
    assert!(lines[6].contains("4 tries, 4 connected (100%), 0 failed"), "{}", lines[6]);
    assert!(lines[7].contains("p50") && lines[7].contains("p90") && lines[7].contains("p99"));
    assert!(lines[8].contains("won by IPv4 4 (100%)"), "{}", lines[8]);
    let bars = lines.iter().filter_map(|line| line.strip_prefix("  <= ")?.split_once(" ms "));
    let counts =
        bars.map(|(_, rest)| rest.split_whitespace().next().unwrap().parse::<u64>().unwrap());
    assert_eq!(counts.sum::<u64>(), 4, "each try is in one bar: {lines:#?}");
}

#[test]
fn one_try_is_singular() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "-c", "1", &address.to_string()]);
    assert!(ran.stdout.contains("  1 try, 1 connected (100%)"), "{}", ran.stdout);
}

#[test]
fn ends_and_quantiles_are_times_of_tries() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "-c", "7", "-i", "1ms", "--json", &address.to_string()]);
    let document = ran.json();
    assert_valid_repeat(&document);
    let reports = document["reports"].as_array().unwrap();
    let after = |report: &Value| {
        let winner = &report["attempts"][0];
        winner["start_ms"].as_f64().unwrap() + winner["duration_ms"].as_f64().unwrap()
    };
    let mut totals: Vec<f64> = reports.iter().map(after).collect();
    totals.sort_by(f64::total_cmp);
    let times = &document["times"];
    assert_eq!(times["is_exact"], true);
    for (key, rank) in [("min_ms", 0), ("p50_ms", 3), ("p90_ms", 6), ("p99_ms", 6), ("max_ms", 6)] {
        let off = (times[key].as_f64().unwrap() - totals[rank]).abs();
        assert!(off < 0.0021, "{key} of {totals:?}: {times}");
    }
    assert_eq!(
        (document["syn"]["sent"].as_u64(), document["syn"]["resent"].as_u64()),
        (Some(7), Some(0))
    );
}

#[test]
fn a_series_has_each_hint_once_with_its_share() {
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "-c", "3", "-i", "1ms", &address]);
    let hints: Vec<&str> = ran.stderr.lines().filter(|line| line.starts_with("hint: ")).collect();
    assert_eq!(hints.len(), 1, "{}", ran.stderr);
    assert!(hints[0].ends_with("(3 of 3 tries)"), "{}", hints[0]);
    let ran = run(&["connect", "-c", "3", "-i", "1ms", "--json", &address]);
    assert!(!ran.stderr.contains("hint"), "{}", ran.stderr);
    assert_eq!(ran.json()["hints"][0]["tries"], 3);
}

#[test]
fn series_of_several_targets_keep_their_reports_apart() {
    let (listener, address) = good("127.0.0.1");
    let refused = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "-c", "3", "-i", "1ms", "--json", &address.to_string(), &refused]);
    drop(listener);
    for document in ran.json().as_array().unwrap() {
        assert_valid_repeat(document);
        let reports = document["reports"].as_array().unwrap();
        assert_eq!(reports.len(), 3);
        assert!(
            reports.iter().all(|report| report["target"] == document["target"]),
            "{document:#}"
        );
    }
}

#[test]
fn the_interval_is_from_start_to_start() {
    let (_listener, address) = good("127.0.0.1");
    let ran = run(&["connect", "-c", "4", "-i", "60ms", "--json", &address.to_string()]);
    let document = ran.json();
    assert_valid_repeat(&document);
    assert!(document["duration_ms"].as_f64().unwrap() >= 180.0, "three intervals of 60 ms");
    assert_eq!(document["reports"].as_array().unwrap().len(), 4);
    document["reports"].as_array().unwrap().iter().for_each(assert_valid);
}

#[test]
fn addresses_that_fail_and_lose_are_counted() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = TcpListener::bind(("127.0.0.3", port)).unwrap();
    let ran = run(&[
        "connect",
        "--resolve",
        "h.test:127.0.0.1,127.0.0.2,127.0.0.3",
        "--happy-eyeballs=20ms",
        "-c3",
        "-i10ms",
        "--json",
        &format!("h.test:{port}"),
    ]);
    let document = ran.json();
    assert_valid_repeat(&document);
    let of = |nth: usize, key: &str| document["addresses"][nth][key].clone();
    assert_eq!((of(0, "lost"), of(1, "failed"), of(2, "won")), (3.into(), 3.into(), 3.into()));
    assert_eq!(of(1, "last_failure"), "refused");
    let p50 = document["times"]["p50_ms"].as_f64().unwrap();
    assert!(p50 >= 19.9, "the delay is part of the times: {p50}");
}

#[test]
fn exits_of_tries_are_ping_s_when_interrupted() {
    let address = refusing("127.0.0.1").to_string();
    assert_eq!(
        run(&["connect", "-c", "2", "-i", "1ms", &address]).code,
        Some(7),
        "the common cause"
    );
    for (target, code) in
        [(good("127.0.0.1"), 0), ((good("127.0.0.2").0, refusing("127.0.0.1")), 1)]
    {
        let mut child = start(&["connect", "-i", "20ms", &target.1.to_string()]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        lines.next().unwrap().unwrap();
        signal(&child, Signal::INT);
        let rest: Vec<String> = lines.map(|line| line.unwrap()).collect();
        assert!(rest.iter().any(|line| line.starts_with("--- ")), "the summary: {rest:?}");
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{:?}", status.signal());
    }
}

#[test]
fn sigquit_prints_an_interim_line_and_goes_on() {
    let (_listener, address) = good("127.0.0.1");
    let mut child = start(&["connect", "-i", "20ms", &address.to_string()]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    signal(&child, Signal::QUIT);
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines();
    let interim = messages.next().unwrap().unwrap();
    assert!(
        interim.starts_with(&format!("{address}: ")) && interim.contains("connected in"),
        "{interim}"
    );
    lines.next().unwrap().unwrap();
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_name_is_resolved_once_unless_fresh_dns_is_asked_for() {
    if !has_localhost() {
        return;
    }
    let vias = |args: &[&str]| -> Vec<Value> {
        let ran = run(&[args, &["connect", "-c3", "-i1ms", "--json", "localhost:1"]].concat());
        let document = ran.json();
        assert_valid_repeat(&document);
        let reports = document["reports"].as_array().unwrap().clone();
        reports.iter().map(|report| report["resolve"]["via"].clone()).collect()
    };
    assert_eq!(vias(&[]), ["system", "cached", "cached"]);
    let ran = run(&["connect", "-c2", "-i1ms", "--fresh-dns", "--ndjson", "localhost:1"]);
    let fresh = ran.stdout.lines().filter(|line| line.contains("\"via\":\"system\"")).count();
    assert_eq!(fresh, 2);
}

#[test]
fn wait_ends_when_the_port_accepts() {
    let address = refusing("127.0.0.1");
    let mut child = start(&["connect", "--wait=20s", "--json", "-v", &address.to_string()]);
    // The program has been refused at least once before somebody listens.
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut lines = stderr.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("refused")));
    let reading = std::thread::Builder::new().spawn(move || lines.count()).unwrap();
    let _listener = TcpListener::bind(address).unwrap();
    let output = child.wait_with_output().unwrap();
    reading.join().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_valid(&document);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(document["outcome"], "success");
    let waited = &document["waited"];
    assert_eq!(waited["seen"][0]["what"], "refused");
    assert!(waited["duration_ms"].as_f64().unwrap() >= 100.0, "the first pause: {waited}");
}

#[test]
fn wait_gives_up_at_its_deadline_and_tells_what_it_saw() {
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--wait=400ms", &address]);
    assert_eq!(ran.code, Some(28));
    assert!(
        ran.stderr.contains("refused after") && ran.stderr.contains("waiting"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stdout.contains("waited   4") && ran.stdout.contains("saw refused 3x"),
        "{}",
        ran.stdout
    );
    let ran = run(&["connect", "--wait=300ms", "--json", "nosuchname.invalid:1"]);
    assert_valid(&ran.json());
    assert_eq!(ran.code, Some(28));
}
