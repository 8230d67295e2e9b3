//! Formats for other programs: CSV, tabs, Prometheus, qlog, files.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Dead, good, has_program, loopctl, refusing, run};

#[test]
fn csv_has_a_header_and_plain_has_none() {
    let target = format!("h.test:{}", refusing("127.0.0.1").port());
    let pins = ["--resolve", "h.test:127.0.0.1,127.0.0.2"];
    let csv = run(&[&["connect", "--csv", &target], &pins[..]].concat());
    let mut lines = csv.stdout.lines();
    assert!(lines.next().unwrap().starts_with("target,try,attempt_id,ip,port,family,"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.len() == 15 && row[9] == "failure" && row[10] == "refused"));
    let plain = run(&[&["connect", "--plain", &target], &pins[..]].concat());
    let rows: Vec<Vec<&str>> =
        plain.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((rows.len(), rows[0].len(), rows[1][3]), (2, 15, "127.0.0.2"));
    let unresolved = run(&["connect", "--csv", "nosuchname.invalid:1"]);
    assert_eq!(unresolved.stdout.lines().count(), 2, "a target without attempts has a line, too");
}

/// What a textfile collector insists on: each family once, its help and type before its samples, labels
/// quoted, values numbers.
#[test]
fn prom_is_an_exposition_that_parses() {
    let (_listener, address) = good("127.0.0.1");
    let bad = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--prom", &address.to_string(), &bad]);
    let mut families: BTreeMap<&str, usize> = BTreeMap::new();
    let mut current = "";
    for line in ran.stdout.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            current = rest.split(' ').next().unwrap();
            assert!(families.insert(current, 0).is_none(), "{current} comes in one piece");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{current} gauge"));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(
                series.starts_with(&format!("{current}{{target=\"")) && series.ends_with('}'),
                "{line}"
            );
            value.parse::<f64>().unwrap();
            *families.get_mut(current).unwrap() += 1;
        }
    }
    let names: Vec<_> = families.keys().copied().collect();
    assert_eq!(
        names,
        [
            "loopctl_attempts",
            "loopctl_failed_attempts",
            "loopctl_probe_duration_seconds",
            "loopctl_probe_failed_due_to",
            "loopctl_probe_success",
            "loopctl_unmet_expectations",
        ]
    );
    assert_eq!(families["loopctl_probe_success"], 2);
    assert!(ran.stdout.contains(&format!("loopctl_probe_success{{target=\"{address}\"}} 1\n")));
}

/// RFC 7464: every record begins with a record separator and ends with a line feed.
fn records(text: &str) -> Vec<Value> {
    assert!(text.starts_with('\u{1e}') && text.ends_with('\n'));
    let records = text.split('\u{1e}').skip(1);
    records.map(|record| serde_json::from_str(record).unwrap()).collect()
}

#[test]
fn qlog_is_a_json_text_sequence_that_keeps_the_drafts_rules() {
    let dead = Dead::new("127.0.0.1");
    let port = dead.address.port();
    let _good = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let target = format!("h.test:{port}");
    let pins = "h.test:127.0.0.1,127.0.0.2";
    let bad = refusing("127.0.0.1").to_string();
    run(&[
        "connect",
        "--qlog",
        path,
        "--resolve",
        pins,
        "--happy-eyeballs=50ms",
        "-q",
        &target,
        &bad,
    ]);
    let records = records(&std::fs::read_to_string(path).unwrap());
    let header = &records[0];
    assert_eq!(header["serialization_format"], "application/qlog+json-seq");
    assert_eq!(header["file_schema"], "urn:ietf:params:qlog:file:sequential");
    let namespaces = [
        "urn:ietf:params:qlog:events:hev3-00",
        "urn:loopctl:qlog:events:tls-01",
        "urn:loopctl:qlog:events:http-01",
    ];
    assert_eq!(header["trace"]["event_schemas"], serde_json::json!(namespaces));
    let events = &records[1..];
    for event in events {
        let keys: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["time", "name", "data"], "{event}");
    }
    // The conformance rules hold for the same events in tests/cli/ndjson.rs; here, that all of them are there.
    let count = |session: &str, name: &str| {
        let of = |e: &&Value| e["name"] == name && e["data"]["he_session_id"] == session;
        events.iter().filter(of).count()
    };
    assert_eq!((count("1", "hev3:attempt_started"), count("1", "hev3:attempt_outcome")), (2, 2));
    assert_eq!((count("2", "hev3:attempt_started"), count("2", "hev3:attempt_outcome")), (1, 1));
    assert_eq!(
        (count("1", "hev3:connection_selected"), count("2", "hev3:connection_aborted")),
        (1, 1)
    );
    assert_eq!((count("1", "hev3:metrics"), count("2", "hev3:metrics")), (1, 1));
}

#[test]
fn reports_go_to_a_file_and_files_that_cannot_be_made_are_23() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report");
    let path = path.to_str().unwrap();
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "--report", path, "--color=always", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), ""));
    let report = std::fs::read_to_string(path).unwrap();
    assert!(report.contains("refused") && !report.contains('\u{1b}'), "{report}");
    for flag in ["--report", "--qlog"] {
        let ran = run(&["connect", flag, "/no/such/dir/file", &address]);
        assert_eq!(ran.code, Some(23), "{flag}");
        assert!(
            ran.stderr.starts_with("error: cannot write to `/no/such/dir/file`"),
            "{}",
            ran.stderr
        );
    }
    let ran = run(&["connect", "--qlog", "/dev/full", &address]);
    assert_eq!(ran.code, Some(23));
}

#[test]
fn timestamps_begin_the_lines() {
    let address = refusing("127.0.0.1").to_string();
    let ran = run(&["connect", "-D", "-c2", "-i1ms", &address]);
    let stamped = |line: &str| {
        let inside =
            line.strip_prefix('[').and_then(|rest| rest.split_once("] ")).map(|(time, _)| time);
        inside.and_then(|time| time.parse::<f64>().ok()).is_some_and(|time| time > 1.6e9)
    };
    let told = |stdout: &str| stdout.lines().filter(|line| !line.is_empty()).all(stamped);
    assert!(told(&ran.stdout), "{}", ran.stdout);
    let ran = run(&["connect", "-D", &address]);
    assert!(told(&ran.stdout) && ran.stdout.lines().count() > 3, "{}", ran.stdout);
}

#[test]
fn prom_has_the_reason_and_each_series_once() {
    let refused = refusing("127.0.0.1").to_string();
    let (_listener, address) = good("127.0.0.1");
    let address = address.to_string();
    let ran = run(&["connect", "--prom", &refused, &address, &refused, "nosuchname.invalid:1"]);
    let samples = ran.stdout.lines().filter(|line| !line.starts_with('#'));
    let mut series: Vec<&str> = samples.map(|line| line.rsplit_once(' ').unwrap().0).collect();
    let count = series.len();
    series.sort_unstable();
    series.dedup();
    assert_eq!(series.len(), count, "{}", ran.stdout);
    let has = |line: &str| assert!(ran.stdout.contains(line), "{line} in {}", ran.stdout);
    has(&format!("loopctl_probe_failed_due_to{{target=\"{refused}\",reason=\"refused\"}} 1\n"));
    has("loopctl_probe_failed_due_to{target=\"nosuchname.invalid:1\",reason=\"dns\"} 1\n");
    has(&format!(
        "loopctl_failed_attempts{{target=\"{refused}\",family=\"ipv4\",reason=\"refused\"}} 1\n"
    ));
    assert!(
        !ran.stdout.contains(&format!("failed_due_to{{target=\"{address}\"")),
        "{}",
        ran.stdout
    );
    assert!(ran.stderr.contains("1 target was given before"), "{}", ran.stderr);
}

#[test]
fn tcp_info_tells_what_was_negotiated() {
    let (_listener, address) = good("127.0.0.1");
    let plain = run(&["connect", &address.to_string()]).stdout;
    let more = run(&["connect", "--tcp-info", &address.to_string()]).stdout;
    assert!(!plain.contains("path mtu"));
    assert!(
        more.contains("rto ")
            && more.contains("path mtu 65535")
            && more.contains("options timestamps sack")
    );
}

/// Opens the program on a terminal of this size, by script(1), and returns what the terminal was sent.
pub(crate) fn on_a_terminal(columns: usize, arguments: &str) -> Option<String> {
    if !has_program("script") {
        return None;
    }
    let program = env!("CARGO_BIN_EXE_loopctl");
    let command = format!("stty cols {columns} rows 40; {program} {arguments}");
    let mut script = std::process::Command::new("script");
    let environment = loopctl();
    script.env_clear().envs(environment.get_envs().filter_map(|(k, v)| Some((k, v?))));
    script.env("PATH", std::env::var_os("PATH")?).env("TERM", "xterm").env("LANG", "C.UTF-8");
    let output = script.args(["-qec", &command, "/dev/null"]).output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}
